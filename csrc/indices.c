/* indices.c: integer indices are checked here, and those along several axes made one.
 * Called by gather.c and dispatch.c with the interpreter lock held. */
#include "indices.h"

#include "blocks.h"
#include "move.h"
#include "tensor.h"

/* 0, or an error that names the first index outside [-n, n). */
static int check_indices(const char *name, const int64_t *index, int64_t count, int64_t n,
                         int axis)
{
    int64_t bad = 0;
    for (int64_t i = 0; i < count; ++i)
        bad |= (index[i] >= n) | (index[i] < -n);
    if (!bad)
        return TG_OK;
    int64_t i = 0;
    while (index[i] < n && index[i] >= -n)
        ++i;
    return tg_fail(TG_EINDEX, "%s: index %lld is out of bounds for axis %d with size %lld",
                   name, (long long)index[i], axis, (long long)n);
}

int tg_checked_indices(const char *name, tg_tensor **index, tg_tensor *given, int64_t n,
                       int axis)
{
    *index = tg_contiguous(given);
    if (!*index)
        return TG_EMEMORY;
    const int error =
        check_indices(name, (const int64_t *)(void *)(*index)->data, (*index)->size, n, axis);
    if (error)
        tg_drop(*index);
    return error;
}

/* y = y n + index, along one more axis, of length n. */
static int add_axis(const char *name, tg_tensor *y, tg_tensor *given, int64_t n, int axis)
{
    tg_tensor *index;
    const int error = tg_checked_indices(name, &index, given, n, axis);
    if (error)
        return error;
    int64_t strides[TG_MAX_NDIM];
    const int lead = y->ndim - index->ndim;
    for (int i = 0; i < y->ndim; ++i)
        strides[i] =
            i < lead || tg_shape(index)[i - lead] == 1 ? 0 : tg_strides(index)[i - lead];
    tg_tensor *repeated = tg_view(index, y->ndim, tg_shape(y), strides, 0);
    tg_tensor *whole = repeated ? tg_contiguous(repeated) : NULL;
    if (whole) {
        int64_t *to = (int64_t *)(void *)y->data;
        const int64_t *from = (const int64_t *)(const void *)whole->data;
        void *lock = tg_unlock((double)y->size);
        for (int64_t i = 0; i < y->size; ++i)
            to[i] = to[i] * n + tg_wrap(from[i], n);
        tg_relock(lock);
    }
    const int status = whole ? TG_OK : TG_EMEMORY;
    tg_drop(whole);
    tg_drop(repeated);
    tg_drop(index);
    return status;
}

/* Index arrays along several axes, broadcast, as positions along those axes merged. p: the axes'
 * lengths, then their numbers, for messages. */
int op_flat_index(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                  const int64_t *p, int n_p)
{
    int64_t shape[TG_MAX_NDIM];
    int ndim;
    if (n_p != 2 * n_in)
        return tg_fail(TG_EVALUE, "flat_index: %d operands and %d params", n_in, n_p);
    for (int k = 0; k < n_in; ++k)
        if (in[k]->dtype != TG_I64)
            return TG_ENOKERNEL;
    int error = tg_broadcast(in, n_in, &ndim, shape);
    if (error)
        return error;
    tg_tensor *y = tg_new(TG_I64, ndim, shape);
    if (!y)
        return TG_EMEMORY;
    memset(y->data, 0, (size_t)y->size * sizeof(int64_t));
    for (int k = 0; k < n_in && !error; ++k)
        error = add_axis(op->name, y, in[k], p[k], (int)p[n_in + k]);
    if (error)
        tg_drop(y);
    else
        *out = y;
    return error;
}

/* For each of n places the number of the last of some positions that is it; where none is, its own
 * number, counted on from theirs. p: n. */
int op_sources(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
               const int64_t *p, int n_p)
{
    (void)n_in;
    if (n_p != 1 || p[0] < 0 || in[0]->ndim != 1)
        return tg_fail(TG_EVALUE, "sources: need one axis, got %d, and a number of places",
                       in[0]->ndim);
    if (in[0]->dtype != TG_I64)
        return TG_ENOKERNEL;
    tg_tensor *positions;
    const int error = tg_checked_indices(op->name, &positions, in[0], p[0], 0);
    if (error)
        return error;
    tg_tensor *y = tg_new(TG_I64, 1, p);
    if (y) {
        int64_t *found = (int64_t *)(void *)y->data;
        const int64_t *at = (const int64_t *)(const void *)positions->data;
        const int64_t count = positions->size;
        void *lock = tg_unlock((double)(y->size + count));
        for (int64_t i = 0; i < y->size; ++i)
            found[i] = count + i;
        for (int64_t i = 0; i < count; ++i)
            found[tg_wrap(at[i], p[0])] = i;
        tg_relock(lock);
    }
    tg_drop(positions);
    *out = y;
    return y ? TG_OK : TG_EMEMORY;
}
