/* fold.h: what the run functions of reduce.c, exact.c, scan.c and softmax.c share: axes and
 * layouts. See fold.c. */
#ifndef TG_FOLD_H
#define TG_FOLD_H

#include "core.h"

/* An array as (outer, n, cols), n the reduced axes. cols == 1: the reduced axes are contiguous
 * rows; else the columns are contiguous. Strides in elements. */
typedef struct tg_folded {
    const char *x;
    tg_tensor *copy;            /* to drop: x was no view of that form; or NULL */
    int64_t outer, n, cols;
    int64_t outer_stride, stride;
} tg_folded;

/* Bring x, which is not empty, to that form; reduced: the axes as bits. May let go of the lock. */
int tg_fold_axes(tg_folded *f, tg_tensor *x, uint64_t reduced);
/* The same without a copy, or false: x is no view of that form. */
bool tg_fold_view(tg_folded *f, const tg_tensor *x, uint64_t reduced);

/* Some of an array's axes, the last one first, and how many positions they have. */
typedef struct tg_axes {
    int count;
    int64_t size, n[TG_MAX_NDIM], stride[TG_MAX_NDIM];
} tg_axes;

/* Where position i, in C order, lies. */
int64_t tg_axes_offset(const tg_axes *axes, int64_t i);

/* An array whose last axes are kept and contiguous, with its other kept and reduced axes wherever
 * they are. Strides in elements. */
typedef struct tg_scattered {
    const char *x;
    tg_axes outer, rows;
    int64_t cols;
} tg_scattered;

/* See x, which is not empty, as that, or false. */
bool tg_fold_scattered(tg_scattered *s, const tg_tensor *x, uint64_t reduced);

/* Axes p[0..n) as bits, or an error: they must be in range and ascend. */
int tg_axis_bits(uint64_t *bits, const char *name, int ndim, const int64_t *p, int n);
/* The same of a reduction's params: keepdims, then the axes. */
int tg_reduced_bits(uint64_t *bits, const char *name, int ndim, const int64_t *p, int n_p);

/* The result of reducing those axes of x: a new tensor, or NULL. */
tg_tensor *tg_new_reduced(int dtype, const tg_tensor *x, uint64_t reduced, bool keepdims);

/* t /= divisor, rounded to its dtype first; t is contiguous. */
void tg_divide(const tg_tensor *t, double divisor);

/* One kernel over the rows of a (and b, which is like a, or NULL) along axis p[0], of n_p = 1, into
 * a new *out: map of a alone, or zip of both, over contiguous rows. softmax.c has it. */
typedef void tg_row_map(void *y, const void *x, size_t rows, size_t n);
typedef void tg_row_zip(void *y, const void *a, const void *b, size_t rows, size_t n);
int tg_run_along(const tg_op *op, tg_tensor **out, tg_row_map *map, tg_row_zip *zip,
                 tg_tensor *a, tg_tensor *b, const int64_t *p, int n_p);

/* exact.c: op_sum of bools or int64. */
int tg_sum_exactly(const tg_op *op, tg_tensor **out, tg_tensor *x, const int64_t *p, int n_p);

static inline int64_t tg_least(int64_t a, int64_t b) { return a < b ? a : b; }

#endif
