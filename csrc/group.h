/* group.h: a fused group of elementwise rows, one step of a program. See group.c. */
#ifndef TG_GROUP_H
#define TG_GROUP_H

#include "core.h"

typedef struct tg_group tg_group;

/* One instruction as it is handed over: row op (k < 0) or its vjp for input k. Codes name the
 * group's inputs, then its outputs, then temporaries; -1: an operand that is not read. */
typedef struct tg_group_call {
    int op, k, n_in, n_params;
    int in[8], out;
    double params[2];
} tg_group_call;

/* All outputs have one shape, to which the inputs broadcast; the dtypes of in and out are read, and
 * their shapes, nothing else. NULL: tg_fail has said why. */
tg_group *tg_group_new(int n_in, tg_tensor *const *in, int n_out, tg_tensor *const *out,
                       size_t n_calls, const tg_group_call *calls);
void tg_group_free(tg_group *group);

/* Bytes of scratch, 64-byte aligned, that a run wants. */
size_t tg_group_scratch(const tg_group *group);

/* in: any layout; out: C order. An output may lie in the very place of an input that no later
 * instruction reads. in_layouts[i] changes when in[i]'s strides do. Does not touch the
 * interpreter lock; allocates only copies of operands with turned axes (tg_new). */
int tg_group_run(tg_group *group, tg_tensor *const *in, const uint32_t *in_layouts,
                 tg_tensor *const *out, char *scratch);

/* Before the first run: the group's last step is a reduction of one of its outputs, and
 * tg_group_run's out has its result after the outputs. what: a TG_FOLD_ of reduce.h, whose n
 * and cols these are (cols == 1: rows of n). is_staged: nobody else reads that output, which is
 * the last: it gets no memory, and out leaves it out. TG_EVALUE: units of this group are no
 * whole subtrees of the fold. */
typedef struct tg_ending {
    int what, output;
    bool is_mean, is_staged;
    size_t n, cols;
} tg_ending;
int tg_group_end(tg_group *group, const tg_ending *ending, const tg_tensor *result);

/* Elements of a unit of a group over size elements that ends so; all >= 1, n * cols <= size. 0: no
 * units are whole subtrees of the fold. */
size_t tg_ending_unit(size_t size, size_t n, size_t cols);

#endif
