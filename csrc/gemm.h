/* gemm.h: matrix products: what gemm.c offers, and what each ISA provides for it. */
#ifndef TG_GEMM_H
#define TG_GEMM_H

#include "kernels.h"

/* Block of k: an element's products are summed from 0 within a block, and the blocks are added in
 * order. These constants, and only they, decide the bits of a long product: the same everywhere. */
enum { TG_KC_F32 = 512, TG_KC_F64 = 256 };

/* C = act(alpha * (A @ B) + beta * C + bias). A is m x k, B is k x n, C is m x n.
 * Strides are in elements, any sign; A, B and bias may have 0 strides. C must not overlap the
 * others. What C held is not read when beta is 0. Operations after the product round one by one:
 * alpha * sum, beta * C, their sum, + bias. */
typedef struct tg_gemm_args {
    size_t m, n, k;
    const void *a;
    ptrdiff_t a_row, a_col;
    const void *b;
    ptrdiff_t b_row, b_col;
    void *c;
    ptrdiff_t c_row, c_col;
    double alpha, beta;
    const void *bias; /* element (i, j) is bias[i * bias_row + j * bias_col]; NULL: none */
    ptrdiff_t bias_row, bias_col;
    tg_map_fn *act; /* elementwise, one operand, in place; NULL: none */
    const double *act_params;
} tg_gemm_args;

/* Returns TG_OK or TG_EMEMORY. Same bits for any strides, ISA and number of threads; min(m, n) = 1
 * has an order of its own (gemv.inc.c). May use the thread pool; does not touch the lock. */
int tg_gemm(int dtype, const tg_gemm_args *g);
double tg_gemm_cost(int dtype, size_t m, size_t n, size_t k); /* about how many ns it takes */

/* --- per ISA and dtype (gemm_kernel.inc.c) ------------------------------------------------ */
enum { TG_TILE_ROWS = 12, TG_TILE_WIDE = 4 }; /* the largest tile: rows, vectors */
enum { TG_GEMM_SCRATCH = 960 * 1024 };

/* Rows i0..i1, columns j0..j1 of the product; if k needs more than one block, beta is 0. scratch: TG_GEMM_SCRATCH bytes, 64-byte aligned. */
typedef void tg_gemm_block(const tg_gemm_args *g, size_t i0, size_t i1, size_t j0, size_t j1,
                           void *scratch);
/* Rows i0..i1 of a product with n = 1. */
typedef void tg_gemv_block(const tg_gemm_args *g, size_t i0, size_t i1);
/* C = act(alpha * S + beta * C + bias); S, which it overwrites, is the product, row after row, and
 * ends on a 64-byte boundary. */
typedef void tg_gemm_finish(const tg_gemm_args *g, void *s);

typedef struct tg_gemm_kernels {
    tg_gemm_block *block;
    tg_gemv_block *vector;
    tg_gemm_finish *finish;
    size_t lanes; /* elements in a vector */
} tg_gemm_kernels;

#endif
