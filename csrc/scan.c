/* scan.c: run functions of argmax, argmin, cumsum, cumprod and its derivative's recurrence,
 * over the kernels of reduce.h. Called by dispatch.c with the interpreter lock held. */
#include "fold.h"
#include "kernels.h"

/* Rows in tasks for the pool: task i does [i * batch, i * batch + batch) of them. */
typedef struct arg_run {
    const tg_reduce_kernels *kernels;
    tg_folded f;
    int fold;
    int64_t item, batch, panels;
    int64_t *out;
} arg_run;

enum { PANEL = 1024 }; /* columns in a task */

static void run_arg_rows(void *ctx, size_t i)
{
    const arg_run *r = ctx;
    const int64_t from = (int64_t)i * r->batch;
    r->kernels->arg_rows(r->fold, r->out + from, r->f.x + from * r->f.outer_stride * r->item,
                         r->f.outer_stride, (size_t)tg_least(r->batch, r->f.outer - from),
                         (size_t)r->f.n);
}

static void run_arg_columns(void *ctx, size_t i)
{
    const arg_run *r = ctx;
    const int64_t o = (int64_t)i / r->panels, c = (int64_t)i % r->panels * PANEL;
    r->kernels->arg_columns(r->fold, r->out + o * r->f.cols + c,
                            r->f.x + (o * r->f.outer_stride + c) * r->item, r->f.stride,
                            (size_t)r->f.n, (size_t)tg_least(PANEL, r->f.cols - c));
}

/* p: keepdims, axis. */
static int run_arg(const tg_op *op, tg_tensor **out, tg_tensor *x, const int64_t *p, int n_p,
                   int fold)
{
    uint64_t reduced;
    if (!tg_is_compute(x->dtype))
        return TG_ENOKERNEL;
    if (n_p != 2)
        return tg_fail(TG_EVALUE, "%s: takes one axis", op->name);
    int error = tg_axis_bits(&reduced, op->name, x->ndim, p + 1, 1);
    if (error)
        return error;
    if (tg_shape(x)[p[1]] == 0)
        return tg_fail(TG_EVALUE, "%s: axis %lld is empty", op->name, (long long)p[1]);
    tg_tensor *y = tg_new_reduced(TG_I64, x, reduced, p[0] != 0);
    if (!y)
        return TG_EMEMORY;
    *out = y;
    if (y->size == 0)
        return TG_OK;
    arg_run r = {.kernels = tg_isa->reduce[x->dtype],
                 .fold = fold,
                 .item = (int64_t)tg_itemsize(x->dtype),
                 .out = (int64_t *)(void *)y->data};
    error = tg_fold_axes(&r.f, x, reduced);
    if (error || (r.f.cols > 1 && r.f.n > INT32_MAX)) { /* positions in 32-bit lanes */
        tg_drop(r.f.copy);
        tg_drop(y);
        return error ? error : TG_ENOKERNEL;
    }
    const double cost = (double)x->size * 0.05 * (double)r.item;
    r.panels = (r.f.cols + PANEL - 1) / PANEL;
    r.batch = r.f.n < 8192 ? 8192 / r.f.n : 1;
    const int64_t tasks =
        r.f.cols > 1 ? r.f.outer * r.panels : (r.f.outer + r.batch - 1) / r.batch;
    void *lock = tg_unlock(cost);
    tg_parallel((size_t)tasks, cost, r.f.cols > 1 ? run_arg_columns : run_arg_rows, &r);
    tg_relock(lock);
    tg_drop(r.f.copy);
    return TG_OK;
}

int op_argmax(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p)
{
    (void)n_in;
    return run_arg(op, out, in[0], p, n_p, TG_FOLD_MAX);
}

int op_argmin(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p)
{
    (void)n_in;
    return run_arg(op, out, in[0], p, n_p, TG_FOLD_MIN);
}

/* --- cumsum ------------------------------------------------------------------------------- */

typedef struct cumsum_run {
    const tg_reduce_kernels *kernels;
    char *y;
    const char *x;
    int64_t outer, n, cols, batch, item;
} cumsum_run;

static void run_cumsum(void *ctx, size_t i)
{
    const cumsum_run *r = ctx;
    const int64_t from = (int64_t)i * r->batch, size = r->n * r->cols * r->item;
    const int64_t to = from + tg_least(r->batch, r->outer - from);
    if (r->cols == 1)
        r->kernels->cumsum_rows(r->y + from * size, r->x + from * size, (size_t)(to - from),
                                (size_t)r->n);
    else
        for (int64_t o = from; o < to; ++o)
            r->kernels->cumsum_columns(r->y + o * size, r->x + o * size, (size_t)r->n,
                                       (size_t)r->cols);
}

int op_cumsum(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p)
{
    (void)op, (void)n_in;
    tg_tensor *x = in[0];
    if (!tg_is_compute(x->dtype))
        return TG_ENOKERNEL;
    if (n_p != 1 || p[0] < 0 || p[0] >= x->ndim)
        return tg_fail(TG_EVALUE, "cumsum: no such axis among %d", x->ndim);
    tg_tensor *y = tg_new(x->dtype, x->ndim, tg_shape(x));
    if (!y)
        return TG_EMEMORY;
    *out = y;
    if (y->size == 0)
        return TG_OK;
    tg_tensor *rows = tg_contiguous(x);
    if (!rows) {
        tg_drop(y);
        return TG_EMEMORY;
    }
    cumsum_run r = {
        tg_isa->reduce[x->dtype], y->data, rows->data, 1,
        tg_shape(x)[p[0]],        1,       1,          (int64_t)tg_itemsize(x->dtype)};
    for (int i = 0; i < x->ndim; ++i)
        *(i < p[0] ? &r.outer : i > p[0] ? &r.cols : &(int64_t){1}) *= tg_shape(x)[i];
    r.batch = r.cols == 1 && r.n < 4096 ? 4 * (4096 / r.n) : r.cols == 1 ? 4 : 1;
    const double cost = (double)y->size * (r.cols == 1 ? 1 : 0.1 * (double)r.item);
    void *lock = tg_unlock(cost);
    tg_parallel((size_t)((r.outer + r.batch - 1) / r.batch), cost, run_cumsum, &r);
    tg_relock(lock);
    tg_drop(rows);
    return TG_OK;
}

/* --- cumprod ------------------------------------------------------------------------------ */

int op_cumprod(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
               const int64_t *p, int n_p)
{
    (void)n_in;
    if (!tg_is_compute(in[0]->dtype))
        return TG_ENOKERNEL;
    return tg_run_along(op, out, tg_isa->reduce[in[0]->dtype]->cumprod, NULL, in[0], NULL, p,
                        n_p);
}

/* p: axis, whether from the right. */
int op_recurrence(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                  const int64_t *p, int n_p)
{
    (void)n_in;
    if (!tg_is_compute(in[0]->dtype))
        return TG_ENOKERNEL;
    if (n_p != 2)
        return tg_fail(TG_EVALUE, "recurrence: takes an axis and a direction");
    const tg_reduce_kernels *kernels = tg_isa->reduce[in[0]->dtype];
    return tg_run_along(op, out, NULL, p[1] ? kernels->recur_back : kernels->recur, in[0],
                        in[1], p, 1);
}
