/* softmax.h: fused kernels over contiguous rows: logsumexp, softmax, cross entropy and their
 * derivatives. Sums follow the order of reduce.h. */
#ifndef TG_SOFTMAX_H
#define TG_SOFTMAX_H

#include "core.h"

/* What a kernel's sum adds: x; exp(x - m), kept in out if there is one; x * y by zmul. */
enum { TG_TERM_X, TG_TERM_EXP, TG_TERM_PRODUCT };

/* m is a row's maximum. As SciPy: logsumexp and log_softmax take m = 0 where it is infinite, so
 * that rows of -inf give -inf and nan, rows with +inf give inf and nan; softmax does not.
 * n >= 1, any. rows of x, y, ct are contiguous, one after the other; y may be x, or ct. */
typedef struct tg_softmax_kernels {
    /* y[i] = m + log(sum exp(x[i][k] - m)) */
    void (*logsumexp)(void *y, const void *x, size_t rows, size_t n);
    /* y[i][k] = exp(x[i][k] - m) * (1 / sum) */
    void (*softmax)(void *y, const void *x, size_t rows, size_t n);
    /* y[i][k] = (x[i][k] - m) - log(sum) */
    void (*log_softmax)(void *y, const void *x, size_t rows, size_t n);
    /* dx = y * (ct - sum ct * y), by zmul */
    void (*softmax_vjp)(void *dx, const void *ct, const void *y, size_t rows, size_t n);
    /* dx = ct - sum(ct) * exp(y), by zmul */
    void (*log_softmax_vjp)(void *dx, const void *ct, const void *y, size_t rows, size_t n);
    /* loss[i] = log(sum) - (x[i][label[i]] - m); labels are in range */
    void (*cross_entropy)(void *loss, const void *x, const int64_t *label, size_t rows,
                          size_t n);
    /* dx[i][k] = ct[i] * (softmax(x[i])[k] - (k == label[i])), exact zeros where ct[i] is 0 */
    void (*cross_entropy_vjp)(void *dx, const void *ct, const void *x, const int64_t *label,
                              size_t rows, size_t n);
} tg_softmax_kernels;

#endif
