/* softmax.c: run functions of the fused row ops: logsumexp, softmax, log_softmax, cross entropy
 * and their derivatives, over the kernels of softmax.h. The axis that a row runs along is brought
 * last by a copy where it is not; rows are cut into tasks for the pool.
 * Called by dispatch.c with the interpreter lock held. */
#include "fold.h"
#include "kernels.h"
#include "move.h"

/* One kernel over rows of n: one of the functions is set. */
typedef struct row_run {
    tg_row_map *map;
    tg_row_zip *zip;
    void (*loss)(void *y, const void *x, const int64_t *label, size_t rows, size_t n);
    void (*loss_vjp)(void *dx, const void *ct, const void *x, const int64_t *label, size_t rows,
                     size_t n);
    char *out;
    const char *a, *b;
    int64_t out_row, a_row, b_row; /* bytes from row to row */
    const int64_t *label;
    int64_t rows, n, batch;
} row_run;

static void run_batch(void *ctx, size_t i)
{
    const row_run *r = ctx;
    const int64_t from = (int64_t)i * r->batch;
    const size_t rows = (size_t)tg_least(r->batch, r->rows - from), n = (size_t)r->n;
    char *out = r->out + from * r->out_row;
    const char *a = r->a + from * r->a_row, *b = r->b ? r->b + from * r->b_row : NULL;
    if (r->map)
        r->map(out, a, rows, n);
    else if (r->zip)
        r->zip(out, a, b, rows, n);
    else if (r->loss)
        r->loss(out, a, r->label + from, rows, n);
    else
        r->loss_vjp(out, a, b, r->label + from, rows, n);
}

enum { TASK = 8192 }; /* elements that are worth a task */

static void run_all(row_run *r)
{
    const double cost = (double)r->rows * ((double)r->n + 8);
    r->batch = r->n < TASK ? (TASK / r->n + 15) & ~(int64_t)15 : 1;
    void *lock = tg_unlock(cost);
    tg_parallel((size_t)((r->rows + r->batch - 1) / r->batch), cost, run_batch, r);
    tg_relock(lock);
}

/* --- rows along an axis ---------------------------------------------------------------------- */

/* x with its reduced axes last, contiguous; the caller drops it. */
static tg_tensor *as_rows(tg_tensor *x, uint64_t reduced)
{
    int order[TG_MAX_NDIM], at = 0;
    bool in_order = true;
    for (int last = 0; last < 2; ++last)
        for (int i = 0; i < x->ndim; ++i)
            if ((int)(reduced >> i & 1) == last) {
                in_order &= tg_shape(x)[i] == 1 || at == i;
                order[at++] = i;
            }
    if (in_order && tg_is_contiguous(x))
        return tg_hold(x);
    return tg_copy_permuted(x, order);
}

/* y[..., k, ...] = rows[..., k], the last axis going back to its place. */
static void put_axis_back(tg_tensor *y, const tg_tensor *rows, int axis)
{
    int64_t strides[TG_MAX_NDIM];
    for (int i = 0, k = 0; i < y->ndim; ++i)
        strides[i] = tg_strides(rows)[i == axis ? y->ndim - 1 : k++];
    tg_copy_strided(y->data, tg_strides(y), rows->data, strides, y->ndim, tg_shape(y),
                    tg_itemsize(y->dtype));
}

int tg_run_along(const tg_op *op, tg_tensor **out, tg_row_map *map, tg_row_zip *zip,
                 tg_tensor *a, tg_tensor *b, const int64_t *p, int n_p)
{
    const size_t item = tg_itemsize(a->dtype);
    if (n_p != 1 || p[0] < 0 || p[0] >= a->ndim)
        return tg_fail(TG_EVALUE, "%s: no such axis among %d", op->name, a->ndim);
    if (b && !tg_is_like(b, a))
        return tg_fail(TG_ESHAPE, "%s: the operands are not alike", op->name);
    const int axis = (int)p[0];
    const uint64_t reduced = (uint64_t)1 << axis;
    tg_tensor *y = tg_new(a->dtype, a->ndim, tg_shape(a));
    if (!y || y->size == 0) {
        *out = y;
        return y ? TG_OK : TG_EMEMORY;
    }
    tg_tensor *ra = as_rows(a, reduced), *rb = b ? as_rows(b, reduced) : NULL, *ry = y;
    bool last = true;
    for (int i = axis + 1; i < a->ndim; ++i)
        last &= tg_shape(a)[i] == 1;
    if (!last && ra)
        ry = tg_new(a->dtype, ra->ndim, tg_shape(ra));
    if (!ra || (b && !rb) || !ry) {
        tg_drop(ra);
        tg_drop(rb);
        tg_drop(last ? NULL : ry);
        tg_drop(y);
        return TG_EMEMORY;
    }
    const int64_t n = tg_shape(a)[axis], row = n * (int64_t)item;
    row_run r = {.map = map,
                 .zip = zip,
                 .out = ry->data,
                 .a = ra->data,
                 .b = rb ? rb->data : NULL,
                 .out_row = row,
                 .a_row = row,
                 .b_row = row,
                 .rows = a->size / n,
                 .n = n};
    run_all(&r);
    if (!last) {
        put_axis_back(y, ry, axis);
        tg_drop(ry);
    }
    tg_drop(ra);
    tg_drop(rb);
    *out = y;
    return TG_OK;
}

int op_softmax(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
               const int64_t *p, int n_p)
{
    (void)n_in;
    if (!tg_is_compute(in[0]->dtype))
        return TG_ENOKERNEL;
    return tg_run_along(op, out, tg_isa->softmax[in[0]->dtype]->softmax, NULL, in[0], NULL, p,
                        n_p);
}

int op_log_softmax(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                   const int64_t *p, int n_p)
{
    (void)n_in;
    if (!tg_is_compute(in[0]->dtype))
        return TG_ENOKERNEL;
    return tg_run_along(op, out, tg_isa->softmax[in[0]->dtype]->log_softmax, NULL, in[0], NULL,
                        p, n_p);
}

/* in: ct, y. */
int op_softmax_vjp(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                   const int64_t *p, int n_p)
{
    (void)n_in;
    if (!tg_is_compute(in[0]->dtype))
        return TG_ENOKERNEL;
    return tg_run_along(op, out, NULL, tg_isa->softmax[in[0]->dtype]->softmax_vjp, in[0], in[1],
                        p, n_p);
}

/* in: ct, y. */
int op_log_softmax_vjp(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                       const int64_t *p, int n_p)
{
    (void)n_in;
    if (!tg_is_compute(in[0]->dtype))
        return TG_ENOKERNEL;
    return tg_run_along(op, out, NULL, tg_isa->softmax[in[0]->dtype]->log_softmax_vjp, in[0],
                        in[1], p, n_p);
}

int op_logsumexp(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                 const int64_t *p, int n_p)
{
    (void)n_in;
    tg_tensor *x = in[0];
    uint64_t reduced;
    if (!tg_is_compute(x->dtype))
        return TG_ENOKERNEL;
    const int error = tg_reduced_bits(&reduced, op->name, x->ndim, p, n_p);
    if (error)
        return error;
    for (int i = 0; i < x->ndim; ++i)
        if (reduced >> i & 1 && tg_shape(x)[i] == 0)
            return tg_fail(TG_EVALUE,
                           "logsumexp: an empty array has no maximum; reduce an axis "
                           "that has elements");
    tg_tensor *y = tg_new_reduced(x->dtype, x, reduced, p[0] != 0);
    if (!y || y->size == 0) {
        *out = y;
        return y ? TG_OK : TG_EMEMORY;
    }
    tg_tensor *rows = as_rows(x, reduced);
    if (!rows) {
        tg_drop(y);
        return TG_EMEMORY;
    }
    row_run r = {.map = tg_isa->softmax[x->dtype]->logsumexp,
                 .out = y->data,
                 .a = rows->data,
                 .rows = y->size,
                 .n = x->size / y->size};
    r.out_row = (int64_t)tg_itemsize(x->dtype);
    r.a_row = r.n * r.out_row;
    run_all(&r);
    tg_drop(rows);
    *out = y;
    return TG_OK;
}

/* --- cross entropy --------------------------------------------------------------------------- */

/* Hold logits (n, c) and labels (n,), contiguous, labels in [0, c). */
static int hold_labelled(const char *name, tg_tensor **x, tg_tensor **label, tg_tensor *logits,
                         tg_tensor *labels)
{
    if (!tg_is_compute(logits->dtype) || labels->dtype != TG_I64)
        return TG_ENOKERNEL;
    if (logits->ndim != 2 || labels->ndim != 1 || tg_shape(labels)[0] != tg_shape(logits)[0])
        return tg_fail(TG_ESHAPE, "%s: logits need the shape (n, classes) and labels (n,)",
                       name);
    *x = tg_contiguous(logits);
    *label = tg_contiguous(labels);
    const int64_t classes = tg_shape(logits)[1];
    int error = *x && *label ? TG_OK : TG_EMEMORY;
    for (int64_t i = 0; !error && i < labels->size; ++i) {
        const int64_t k = ((const int64_t *)(void *)(*label)->data)[i];
        if (k < 0 || k >= classes)
            error = tg_fail(TG_EINDEX, "%s: label %lld of row %lld is not in 0..%lld", name,
                            (long long)k, (long long)i, (long long)classes - 1);
    }
    if (error) {
        tg_drop(*x);
        tg_drop(*label);
    }
    return error;
}

int op_cross_entropy(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                     const int64_t *p, int n_p)
{
    (void)n_in, (void)p, (void)n_p;
    tg_tensor *x = NULL, *label = NULL;
    const int error = hold_labelled(op->name, &x, &label, in[0], in[1]);
    if (error)
        return error;
    tg_tensor *y = tg_new(x->dtype, 1, tg_shape(x));
    if (y && y->size) {
        row_run r = {.loss = tg_isa->softmax[x->dtype]->cross_entropy,
                     .out = y->data,
                     .a = x->data,
                     .label = (const int64_t *)(void *)label->data,
                     .rows = tg_shape(x)[0],
                     .n = tg_shape(x)[1]};
        r.out_row = (int64_t)tg_itemsize(x->dtype);
        r.a_row = r.n * r.out_row;
        run_all(&r);
    }
    tg_drop(x);
    tg_drop(label);
    *out = y;
    return y ? TG_OK : TG_EMEMORY;
}

/* in: ct (n,), logits, labels. */
int op_cross_entropy_vjp(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                         const int64_t *p, int n_p)
{
    (void)n_in, (void)p, (void)n_p;
    tg_tensor *x = NULL, *label = NULL;
    int error = hold_labelled(op->name, &x, &label, in[1], in[2]);
    if (error)
        return error;
    if (in[0]->dtype != x->dtype || in[0]->ndim != 1 || tg_shape(in[0])[0] != tg_shape(x)[0])
        error = tg_fail(TG_ESHAPE, "%s: the cotangent is not like the output", op->name);
    tg_tensor *ct = error ? NULL : tg_contiguous(in[0]);
    tg_tensor *dx = ct ? tg_new(x->dtype, 2, tg_shape(x)) : NULL;
    if (dx && dx->size) {
        row_run r = {.loss_vjp = tg_isa->softmax[x->dtype]->cross_entropy_vjp,
                     .out = dx->data,
                     .a = ct->data,
                     .b = x->data,
                     .label = (const int64_t *)(void *)label->data,
                     .rows = tg_shape(x)[0],
                     .n = tg_shape(x)[1]};
        r.a_row = (int64_t)tg_itemsize(x->dtype);
        r.b_row = r.out_row = r.n * r.a_row;
        run_all(&r);
    }
    tg_drop(x);
    tg_drop(label);
    tg_drop(ct);
    *out = dx;
    return error ? error : dx ? TG_OK : TG_EMEMORY;
}
