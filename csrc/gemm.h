/* gemm.h: matrix products: what gemm.c offers, and what each ISA provides for it. */
#ifndef TG_GEMM_H
#define TG_GEMM_H

#include "kernels.h"

/* Block of k: an element's products are summed from 0 within a block, and the blocks are added in
 * order. These constants, and only they, decide the bits of a long product: the same everywhere. */
enum { TG_KC_F32 = 512, TG_KC_F64 = 256 };

/* tg_gemm (tapegrad.h) may use the thread pool and does not touch the lock. min(m, n) = 1 has an
 * order of arithmetic of its own: gemv.inc.c. */
double tg_gemm_cost(int dtype, size_t m, size_t n, size_t k); /* about how many ns it takes */

/* C' = B' A', the same product. */
tg_gemm_args tg_gemm_transposed(const tg_gemm_args *g);

/* Whether a tg_gemm_stack may do it, which does no more than the product: a few rows by two vectors
 * of columns, or one column of a vector's rows. A row is to be given as a column. */
bool tg_gemm_is_small(int dtype, const tg_gemm_args *g);

/* A block of k: a product no deeper can be added to its addend in that one's place, in the
 * tiles. */
static inline size_t tg_gemm_depth(int dtype)
{
    return dtype == TG_F32 ? TG_KC_F32 : TG_KC_F64;
}

/* g's act over rows i.. and columns j.. of C. product: these elements' sums and bias, their
 * rows side by side; NULL: C has them. */
void tg_gemm_act(int dtype, const tg_gemm_args *g, const void *product, size_t i, size_t rows,
                 size_t j, size_t columns);
/* Whether act reads what C held, so that tiles cannot be stored there. */
static inline bool tg_gemm_reads_c(const tg_gemm_args *g)
{
    for (int k = 0; g->act && k < g->n_act; ++k)
        if (g->act_in[k] == g->c)
            return true;
    return false;
}
/* g's fold over the blocks of rows that end among rows i.. of C, which are finished, and columns
 * j..; the rows before them have been folded. c_col is 1. */
void tg_gemm_fold(int dtype, const tg_gemm_args *g, size_t i, size_t rows, size_t j,
                  size_t columns);
/* Whether a call of block folds what it makes: where it sees all rows of its columns, in order. */
static inline bool tg_gemm_folds(const tg_gemm_args *g, size_t i0, size_t i1)
{
    return g->folded && g->c_col == 1 && i0 == 0 && i1 == g->m;
}

/* matmul.c: the product whose operands and shape are a's and b's last axes; a vector is a row or a
 * column. C's rows are contiguous; where it lies is left open. */
tg_gemm_args tg_matrices(const tg_tensor *a, const tg_tensor *b);

/* --- per ISA and dtype (gemm_kernel.inc.c) ------------------------------------------------ */
enum { TG_TILE_ROWS = 12, TG_TILE_WIDE = 4 }; /* the largest tile: rows, vectors */
enum {
    TG_GEMM_COLUMNS = 512
}; /* most that are copied of B at a time: with a block of k 1 MB */
enum { TG_GEMM_SCRATCH = 1336 * 1024 };
enum { TG_SMALL_ROWS = 16, TG_SMALL_DEPTH = 32 };

/* Rows i0..i1, columns j0..j1 of the product, act applied, and folded if tg_gemm_folds; if k needs
 * more than one block, beta is 0 or the addend not C. scratch: TG_GEMM_SCRATCH bytes, 64-byte
 * aligned. */
typedef void tg_gemm_block(const tg_gemm_args *g, size_t i0, size_t i1, size_t j0, size_t j1,
                           void *scratch);
/* Rows i0..i1 of a product with n = 1, without act. */
typedef void tg_gemv_block(const tg_gemm_args *g, size_t i0, size_t i1);
/* `count` products that tg_gemm_is_small of, at steps in bytes from one to the next. */
typedef void tg_gemm_stack(const tg_gemm_args *g, size_t count, ptrdiff_t a_step,
                           ptrdiff_t b_step, ptrdiff_t c_step);
/* C = alpha * S + beta * addend + bias; S, which it overwrites, is the product, row after row, and
 * ends on a 64-byte boundary. */
typedef void tg_gemm_finish(const tg_gemm_args *g, void *s);

typedef struct tg_gemm_kernels {
    tg_gemm_block *block;
    tg_gemv_block *vector;
    tg_gemm_stack *stack;
    tg_gemm_finish *finish;
    size_t lanes; /* elements in a vector */
    size_t portion; /* columns that a tile does no less than */
    size_t
        narrow; /* columns of the products that want A's rows contiguous; 0: no such kernel */
} tg_gemm_kernels;

#endif
