/* map.h: elementwise ops on tensors: broadcasting, layouts, threads. See map.c. */
#ifndef TG_MAP_H
#define TG_MAP_H

#include "kernels.h"

tg_run tg_run_map; /* every elementwise row of ops.def; params are floats */

/* *out = the cotangent of input k of elementwise row op, broadcast shape of ct and what the
 * partial reads (not summed down to the input's shape), in place or fresh as tg_run_blocks says. in
 * has the row's inputs; in[i] and y may be NULL, or hold no data, where the partial does not
 * read them. p: the row's params. TG_ENOKERNEL: no fused kernel for this op, input or dtypes. */
int tg_map_vjp(int op, int k, tg_tensor **out, tg_tensor *place, tg_tensor *ct,
               tg_tensor *const *in, tg_tensor *y, const int64_t *p, int n_p);

/* What that kernel reads besides ct: bit i for the row's input i, the bit after them its output. */
uint32_t tg_map_reads(int op, int k);
/* Whether the row takes no longer than to read its result from memory (TG_CHEAP_NS). */
bool tg_map_is_cheap(int op);
/* What runs elementwise row op, or with k >= 0 its vjp for input k, over operands of these
 * dtypes (-1: absent; for a vjp: ct, the row's inputs, its output). */
typedef struct tg_map_use {
    int dtype, out_dtype; /* of the kernel table; of the result */
    int n_params;
    size_t lanes; /* the kernel rounds n up to a multiple of this */
    double ns; /* per float32 element */
} tg_map_use;

/* TG_ENOKERNEL: no such kernel; TG_EVALUE: wrong number of operands, or one that it reads is
 * absent. */
int tg_map_find(tg_map_use *use, int op, int k, const int *dtypes, int n);
tg_map_fn *tg_map_kernel(const tg_map_use *use, int op, int k); /* the chosen ISA's */

#endif
