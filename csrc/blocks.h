/* blocks.h: see blocks.c. */
#ifndef TG_BLOCKS_H
#define TG_BLOCKS_H

#include "kernels.h"

enum { TG_MAX_OPERANDS = TG_MAP_INPUTS + 2 }; /* a vjp's: ct, the row's inputs, its output */

/* *result = kernel over the operands, in their broadcast shape: a fresh C-order tensor of
 * out_dtype; or `place`, held anew, if it is one of that shape: it may be an operand. in[0] is
 * there, others may be NULL: the kernel does not read those. lanes: what the kernel rounds n up
 * to; ns: rough time per element. Takes the interpreter lock as given, and releases it
 * meanwhile when that pays. Returns TG_OK, TG_ESHAPE, TG_EMEMORY. */
int tg_run_blocks(tg_map_fn *kernel, double ns, tg_tensor **result, tg_tensor *place,
                  int out_dtype, size_t lanes, tg_tensor *const *in, int n_in, const double *p);

/* Broadcast shape of the operands that are there; TG_ESHAPE if they have none. */
int tg_broadcast(tg_tensor *const *in, int n_in, int *ndim, int64_t *shape);

#endif
