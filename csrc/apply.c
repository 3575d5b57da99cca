/* apply.c: run one op, record it. The only way an op's result comes to be. */
#include "sweep.h"

#include "kernels.h"
#include "tensor.h"

int tg_op_find(const char *name)
{
    for (int i = 0; i < tg_op_count(); ++i)
        if (strcmp(tg_ops[i].name, name) == 0)
            return i;
    return -1;
}

static int give_record(tg_list *list, const tg_call *call, tg_tensor *out, uint32_t notes)
{
    if (list->n_active && tg_is_differentiable(call->op))
        for (int i = 0; i < call->n_in; ++i)
            if (tg_is_tracked(list, call->in[i])) {
                const int status = tg_append(list, call, out);
                if (status)
                    return status;
                break;
            }
    return list->trace ? tg_trace_append(list->trace, call, out, notes) : TG_OK;
}

int tg_apply(const tg_call *call, tg_tensor **out)
{
    for (int i = 0; i < call->n_in; ++i)
        if (!call->in[i]->data)
            return tg_fail(TG_ERELEASED,
                           "operand %d of %s: its values have been released (no "
                           "rule asked to keep them)",
                           i, tg_ops[call->op].name);
    tg_list *list = tg_list_here();
    if (!list)
        return TG_EMEMORY;
    const tg_op *op = &tg_ops[call->op];
    int status = op->run(op, out, call->in, call->n_in, call->p, call->n_p);
    if (status)
        return status;
    if ((list->n_active || list->trace) &&
        (status = give_record(list, call, *out, 0)) != TG_OK) {
        tg_drop(*out);
        *out = NULL;
    } else if (!list->trace) {
        (*out)->flags |= TG_UNLOGGED;
    }
    return status;
}

static tg_apply_fn *elsewhere; /* Python's: sweeps meet dtypes that have no kernel here */

int tg_apply_op(int op, tg_tensor **out, int n_in, tg_tensor *const *in, int n_p,
                const int64_t *p)
{
    const tg_call call = {.op = op, .n_in = n_in, .in = in, .n_p = n_p, .p = p};
    const int status = tg_apply(&call, out);
    return status == TG_ENOKERNEL && elsewhere ? elsewhere(&call, out) : status;
}

void tg_set_elsewhere(tg_apply_fn *apply) { elsewhere = apply; }

int tg_record(const tg_call *call, tg_tensor *out)
{
    tg_list *list = tg_list_here();
    if (!list)
        return TG_EMEMORY;
    if (list->trace)
        list->trace->foreign = true;
    else
        out->flags |= TG_UNLOGGED;
    return give_record(list, call, out, TG_TRACE_PYTHON);
}

int op_copy(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
            int n_p)
{
    (void)op, (void)n_in, (void)p, (void)n_p;
    *out = tg_new(in[0]->dtype, in[0]->ndim, tg_shape(in[0]));
    if (!*out)
        return TG_EMEMORY;
    tg_copy(*out, in[0]);
    return TG_OK;
}

/* Write in[1] into the parameter in[0]; *out is a view of it. What programs keep for its effect. */
int op_assign(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p)
{
    (void)op, (void)n_in, (void)p, (void)n_p;
    tg_tensor *to = in[0], *from = in[1];
    if (to->dtype != from->dtype || to->ndim != from->ndim ||
        memcmp(to->dims, from->dims, to->ndim * sizeof *to->dims) != 0)
        return tg_fail(TG_ESHAPE, "the value has another shape or dtype than the parameter");
    tg_tensor *apart = NULL; /* of a value that lies in the parameter itself */
    if (to->buffer == from->buffer) {
        if (!(apart = tg_new(from->dtype, from->ndim, tg_shape(from))))
            return TG_EMEMORY;
        tg_copy(apart, from);
    }
    *out = tg_view(to, to->ndim, tg_shape(to), tg_strides(to), 0);
    if (*out) {
        tg_copy(to, apart ? apart : from);
        ++to->buffer->version;
    }
    tg_drop(apart);
    return *out ? TG_OK : TG_EMEMORY;
}

bool tg_op_writes(int op) { return tg_ops[op].run == op_assign; }

int tg_settle(tg_tensor *t, tg_tensor **settled)
{
    static int copy = -1;
    if (!t->buffer || !t->buffer->writers) {
        *settled = tg_hold(t);
        return TG_OK;
    }
    if (copy < 0)
        copy = tg_op_find("copy");
    return tg_apply_op(copy, settled, 1, &t, 0, NULL);
}

int tg_assign(uint64_t parameter, uint64_t value)
{
    tg_tensor *in[2] = {tg_from_handle(parameter), tg_from_handle(value)}, *out = NULL;
    if (!in[0] || !in[1])
        return tg_fail(TG_ESTALE, "this Tensor is gone");
    static int assign = -1;
    if (assign < 0)
        assign = tg_op_find("assign");
    if (in[0]->data && tg_before_write(in[0]))
        return TG_EMEMORY;
    const int status = tg_apply_op(assign, &out, 2, in, 0, NULL);
    tg_drop(out);
    return status;
}
