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

static int give_record(tg_list *list, const tg_call *call, tg_tensor *out)
{
    if (list->n_active && tg_is_differentiable(call->op))
        for (int i = 0; i < call->n_in; ++i)
            if (tg_is_tracked(list, call->in[i])) {
                const int status = tg_append(list, call, out);
                if (status)
                    return status;
                break;
            }
    return list->trace ? tg_trace_append(list->trace, call, out) : TG_OK;
}

int tg_apply(const tg_call *call, tg_tensor **out)
{
    for (int i = 0; i < call->n_in; ++i)
        if (!call->in[i]->data)
            return tg_fail(TG_ERELEASED, "operand %d of %s: its values have been released (no "
                           "rule asked to keep them)", i, tg_ops[call->op].name);
    tg_list *list = tg_list_here();
    if (!list)
        return TG_EMEMORY;
    const tg_op *op = &tg_ops[call->op];
    int status = op->run(op, out, call->in, call->n_in, call->p, call->n_p);
    if (status)
        return status;
    if ((list->n_active || list->trace) && (status = give_record(list, call, *out)) != TG_OK) {
        tg_drop(*out);
        *out = NULL;
    }
    return status;
}

int tg_apply_op(int op, tg_tensor **out, int n_in, tg_tensor *const *in, int n_p,
                const int64_t *p)
{
    const tg_call call = {.op = op, .n_in = n_in, .in = in, .n_p = n_p, .p = p};
    return tg_apply(&call, out);
}

int tg_record(const tg_call *call, tg_tensor *out)
{
    tg_list *list = tg_list_here();
    if (!list)
        return TG_EMEMORY;
    if (list->trace)
        list->trace->foreign = true;
    return give_record(list, call, out);
}

int tg_op_copy(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
               const int64_t *p, int n_p)
{
    (void)op, (void)n_in, (void)p, (void)n_p;
    *out = tg_new(in[0]->dtype, in[0]->ndim, tg_shape(in[0]));
    if (!*out)
        return TG_EMEMORY;
    tg_copy(*out, in[0]);
    return TG_OK;
}

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
