/* fold.h: what the run functions of reduce.c, scan.c and softmax.c share: axes and layouts.
 * See reduce.c. */
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

/* Axes p[0..n) as bits, or an error: they must be in range and ascend. */
int tg_axis_bits(uint64_t *bits, const char *name, int ndim, const int64_t *p, int n);

/* The result of reducing those axes of x: a new tensor, or NULL. */
tg_tensor *tg_new_reduced(int dtype, const tg_tensor *x, uint64_t reduced, bool keepdims);

/* t /= divisor, rounded to its dtype first; t is contiguous. */
void tg_divide(const tg_tensor *t, double divisor);

static inline int64_t tg_least(int64_t a, int64_t b) { return a < b ? a : b; }

#endif
