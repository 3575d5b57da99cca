/* kernels.h: what one ISA provides: a table of kernels filled by each isa_*.c (which includes
 * kernels.inc.c), one of which dispatch.c chooses. Indices [2] are TG_F32, TG_F64.
 * Contract of every kernel: cannot fail, no allocation, no globals, contiguous memory, the same
 * bits on every ISA, every nan the same quiet positive nan. */
#ifndef TG_KERNELS_H
#define TG_KERNELS_H

#include "core.h"
#include "optim.h"
#include "reduce.h"
#include "softmax.h"
#include "strand.h"

/* The elementwise rows of ops.def: TG_MAP_add ..., TG_N_MAP of them; also their index in tg_ops. */
#define EACH(name, n_in) TG_MAP_##name,
enum {
#include "ops.def"
    TG_N_MAP
};

enum { TG_MAP_INPUTS = 3 }; /* most inputs of a row */

/* out[i] = f(in[0][i * step[0]], in[1][i * step[1]], ..., p) for i < n, and garbage up to the
 * next multiple of 64 bytes: every operand is readable (out: writable) up to there, whatever its
 * own element size. step[k] is 1, or 0 for one repeated value, which then fills 64 bytes. out may
 * be in[k] exactly, else must not overlap. bool operands are uint8_t 0/1, one byte an element.
 * Any alignment of the element type. */
typedef void tg_map_fn(void *out, const void *const *in, const size_t *step, const double *p,
                       size_t n);

/* The elementwise kernels of one dtype.
 * map[row]: operands are the row's inputs.
 * vjp[row][k]: the cotangent of input k: zmul(ct, partial), or the linear row's own rule;
 * operands are ct, the row's inputs, then its output, but those that the partial does not read may
 * be anything readable with step 0. NULL for rows without derivative. */
typedef struct tg_map_kernels {
    tg_map_fn *map[TG_N_MAP];
    tg_map_fn *vjp[TG_N_MAP][TG_MAP_INPUTS];
} tg_map_kernels;

/* The code of strands (strand.h). */
typedef struct tg_strand_kernels {
    /* Elements [0, n) of the places, TG_STRAND_BYTES readable where step is 0. */
    void (*run)(const tg_strand_op *code, const tg_place *places, const double *params,
                size_t n);
    tg_strand_fn *load, *keep, *store, *end; /* at[0]; store: with the one nan of the kernels */
    tg_strand_fn *rows[TG_N_MAP][TG_N_FORMS]; /* NULL: not in this form, or not cheap */
} tg_strand_kernels;

/* out[i] = *x for i < n, whatever the bits mean; any alignment, at least
 * TG_PAD bytes. */
typedef void tg_repeat_fn(void *out, const void *x, size_t n);

/* out[i] = (to)in[i], i < n; no padding needed. out and in do not overlap. A float outside an
 * integer type's range gives the type's lowest value (0 for u8). NULL where there is no kernel. */
typedef void tg_cast_fn(void *out, const void *in, size_t n);

/* y[j] = sum over i < k, in order, of a[at + j + i] v[i], of what is in a's n elements, for j <
 * count. */
typedef void tg_correlate_fn(void *y, const void *a, int64_t n, const void *v, int64_t k,
                             int64_t at, int64_t count);

/* Another kernel family adds one member here: `const tg_reduce_kernels *reduce[2]`, with the struct
 * in its own header and `static const tg_reduce_kernels FN(reduce_kernels)` in its *.inc.c. */
typedef struct tg_kernels {
    const char *name;
    const tg_map_kernels *map[2];
    const struct tg_gemm_kernels *gemm[2];
    const tg_reduce_kernels *reduce[2];
    const tg_softmax_kernels *softmax[2];
    const tg_optim_kernels *optim[2];
    const tg_strand_kernels *strand[2];
    tg_correlate_fn *correlate[2];
    tg_repeat_fn *repeat[2]; /* of elements as wide */
    tg_map_fn *integers[TG_N_MAP]; /* rows of int64; tests give bools; NULL: there is none */
    tg_cast_fn *cast[TG_N_DTYPES][TG_N_DTYPES]; /* [to][from] */
} tg_kernels;

extern const tg_kernels *tg_isa; /* the chosen one (dispatch.c); never NULL */
extern const tg_op tg_ops[]; /* ops.def's rows, tg_op_count() of them */

#endif
