/* reduce.h: the kernels that fold many elements into one, and their order of arithmetic.
 *
 * The order depends on the shape and the axes, never on strides, threads or instruction set.
 * Axes of length 1 are dropped and neighbours of one kind (reduced, kept) merged; then
 *
 * last axis reduced: the N elements of an output, in C order of their indices, are dealt to
 *   TG_LANES virtual lanes: element i to lane i % TG_LANES. A lane adds the elements of a block
 *   of TG_ROWS * TG_LANES in order. Block b joins block b + 1 for even b, pairs join pairs, and
 *   so on (left operand first; an odd one out waits for the next level). The lanes of the last
 *   one join by halves: j with j + 32, then j + 16, 8, 4, 2, 1. Lanes without elements are the
 *   identity (-0 for sums, so that the sign of a zero survives).
 * last axis kept: the same with a lane for each column: TG_ROWS rows are added in order, blocks
 *   of rows join by the same pairwise tree.
 *
 * A chain is thus TG_ROWS long whatever N is: the error grows as log N, as NumPy's does. A chunk
 * of TG_CHUNK_BLOCKS blocks is a whole subtree, so threads take chunks. */
#ifndef TG_REDUCE_H
#define TG_REDUCE_H

#include "core.h"

/* MAX_NUMBER: for kernels that do not care what they get where there is a nan. */
enum { TG_FOLD_SUM, TG_FOLD_PROD, TG_FOLD_MAX, TG_FOLD_MIN, TG_FOLD_MAX_NUMBER };

enum {
    TG_LANE_BYTES = 256,        /* 64 float lanes, 32 double ones */
    TG_ROWS = 16,               /* elements a lane adds in order */
    TG_CHUNK_BLOCKS = 64,       /* blocks in a chunk: a power of two */
    TG_CHUNK_LEVELS = 6,        /* its log2 */
    TG_PANEL_BYTES = 8192,      /* columns a column kernel takes at a time */
};

static inline size_t tg_lanes(size_t item) { return TG_LANE_BYTES / item; }
static inline size_t tg_chunk(size_t item)      /* elements in a chunk */
{
    return tg_lanes(item) * TG_ROWS * TG_CHUNK_BLOCKS;
}

/* x is contiguous along its last axis and read exactly; strides in elements. fold is a TG_FOLD_,
 * max and min take a nan over numbers. n, rows, cols >= 1. */
typedef struct tg_reduce_kernels {
    /* out[i] = fold of x[i * stride + 0..n); any n. */
    void (*rows)(int fold, void *out, const void *x, int64_t stride, size_t rows, size_t n);
    /* lanes[0..TG_LANES) of x[0..n), n <= a chunk. */
    void (*lanes)(int fold, void *lanes, const void *x, size_t n);
    /* Join parts[i][0..width), i < n, each width (a multiple of 64 bytes) after the one before,
     * pairwise into parts[0]. Overwrites the others. */
    void (*join)(int fold, void *parts, size_t n, size_t width);
    /* *out = the lanes' fold. */
    void (*finish)(int fold, void *out, const void *lanes);
    /* out[c] = fold of x[r * stride + c] over r < rows; rows <= a chunk's (TG_ROWS *
     * TG_CHUNK_BLOCKS), cols * item <= TG_PANEL_BYTES. Writes exactly cols. */
    void (*columns)(int fold, void *out, const void *x, int64_t stride, size_t rows,
                    size_t cols);
    /* One block of the rows that columns folds, by its number, after those before it: rows <=
     * TG_ROWS, fewer only in the last one, which writes out. Level l of levels, where blocks wait
     * to be joined, begins at element l * width and has room for whole vectors. */
    void (*column_block)(int fold, void *out, void *levels, size_t width, const void *x,
                         int64_t stride, size_t rows, size_t cols, size_t block, bool is_last);
    /* out[i] = position of the first maximum (TG_FOLD_MAX) or minimum of row i; a nan wins. */
    void (*arg_rows)(int fold, int64_t *out, const void *x, int64_t stride, size_t rows,
                     size_t n);
    /* The same down the columns; rows < 2^31. */
    void (*arg_columns)(int fold, int64_t *out, const void *x, int64_t stride, size_t rows,
                        size_t cols);
    /* y[i][k] = x[i][0] + ... + x[i][k], added in order; contiguous rows. */
    void (*cumsum_rows)(void *y, const void *x, size_t rows, size_t n);
    /* y[r][c] = x[0][c] + ... + x[r][c]. */
    void (*cumsum_columns)(void *y, const void *x, size_t rows, size_t cols);
    /* y[i][k] = x[i][0] ... x[i][k], multiplied in order; contiguous rows. */
    void (*cumprod)(void *y, const void *x, size_t rows, size_t n);
    /* y[i][k] = a[i][k] + zmul(y[i][k - 1], b[i][k]), from the left, and with k + 1 from the right;
     * what is before the first is 0. */
    void (*recur)(void *y, const void *a, const void *b, size_t rows, size_t n);
    void (*recur_back)(void *y, const void *a, const void *b, size_t rows, size_t n);
    /* dx[index[j]][k] += ct[j][k], j in order, k < inner; negative indices count from n. */
    void (*scatter_add)(void *dx, const void *ct, const int64_t *index, size_t count, int64_t n,
                        size_t inner);
} tg_reduce_kernels;

#endif
