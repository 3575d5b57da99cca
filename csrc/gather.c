/* gather.c: run functions that read or add at integer indices: take, take_along_axis and their
 * transposes. All indices are checked before anything is written. Gathers work on every dtype;
 * scatter-adds on float32 and float64, adding in the order of the indices, so their bits depend on
 * nothing else.
 * Called by dispatch.c with the interpreter lock held. */
#include "indices.h"
#include "kernels.h"
#include "move.h"

/* shape[:axis], shape[axis], shape[axis + 1:] as three extents. */
static void split_at(int64_t extent[3], int ndim, const int64_t *shape, int axis)
{
    extent[0] = extent[1] = extent[2] = 1;
    for (int i = 0; i < ndim; ++i)
        extent[i < axis ? 0 : i == axis ? 1 : 2] *= shape[i];
}

/* --- take -------------------------------------------------------------------------------- */

typedef struct taking {
    char *y;
    const char *x;
    const int64_t *index;
    int64_t outer, count, n, row;       /* row: bytes of one taken piece */
} taking;

static inline __attribute__((always_inline)) void take_rows_of(const taking *t, char *y,
                                                               const char *x, size_t row)
{
    for (int64_t i = 0; i < t->count; ++i)
        memcpy(y + (size_t)i * row, x + (size_t)tg_wrap(t->index[i], t->n) * row, row);
}

static void take_rows(const taking *t)
{
    for (int64_t o = 0; o < t->outer; ++o) {
        char *y = t->y + o * t->count * t->row;
        const char *x = t->x + o * t->n * t->row;
        switch (t->row) {
        case 4: take_rows_of(t, y, x, 4); break;
        case 8: take_rows_of(t, y, x, 8); break;
        default: take_rows_of(t, y, x, (size_t)t->row); break;
        }
    }
}

/* take from an x that is not contiguous, when copying all of it would cost more. */
static void take_slabs(tg_tensor *y, const tg_tensor *x, const int64_t *index, int64_t count,
                       int axis, int n_index_axes)
{
    const int64_t item = (int64_t)tg_itemsize(x->dtype);
    int64_t shape[TG_MAX_NDIM], x_strides[TG_MAX_NDIM], y_strides[TG_MAX_NDIM], inner = 1;
    int ndim = 0;
    for (int i = 0; i < x->ndim; ++i) {
        if (i == axis)
            continue;
        shape[ndim] = tg_shape(x)[i];
        x_strides[ndim] = tg_strides(x)[i];
        y_strides[ndim++] = tg_strides(y)[i < axis ? i : i - 1 + n_index_axes];
        inner *= i > axis ? tg_shape(x)[i] : 1;
    }
    for (int64_t i = 0; i < count; ++i)
        tg_copy_strided(y->data + i * inner * item, y_strides,
                        x->data +
                            tg_wrap(index[i], tg_shape(x)[axis]) * tg_strides(x)[axis] * item,
                        x_strides, ndim, shape, (size_t)item);
}

/* y = x taken at index along axis; index is contiguous and checked. */
static int take(tg_tensor *y, tg_tensor *x, const tg_tensor *index, int axis)
{
    const int64_t *idx = (const int64_t *)(void *)index->data;
    const size_t item = tg_itemsize(x->dtype);
    const double cost = tg_move_cost(y->size, item) + (double)index->size;
    int64_t extent[3];
    split_at(extent, x->ndim, tg_shape(x), axis);
    if (!tg_is_contiguous(x) && index->size < extent[1]) {
        void *lock = tg_unlock(cost);
        take_slabs(y, x, idx, index->size, axis, index->ndim);
        tg_relock(lock);
        return TG_OK;
    }
    tg_tensor *rows = tg_contiguous(x);
    if (!rows)
        return TG_EMEMORY;
    const taking t = {
        y->data, rows->data, idx, extent[0], index->size, extent[1], extent[2] * (int64_t)item};
    void *lock = tg_unlock(cost);
    take_rows(&t);
    tg_relock(lock);
    tg_drop(rows);
    return TG_OK;
}

int op_take(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
            int n_p)
{
    (void)n_in;
    tg_tensor *x = in[0], *index;
    if (in[1]->dtype != TG_I64)
        return TG_ENOKERNEL;
    const int ndim = x->ndim - 1 + in[1]->ndim;
    if (n_p != 1 || p[0] < 0 || p[0] >= x->ndim || ndim > TG_MAX_NDIM)
        return tg_fail(TG_EVALUE, "take: no such axis among %d, or too many axes", x->ndim);
    const int axis = (int)p[0];
    int64_t shape[TG_MAX_NDIM];
    for (int i = 0, k = 0; i < x->ndim; ++i)
        if (i != axis)
            shape[k++] = tg_shape(x)[i];
        else
            for (int j = 0; j < in[1]->ndim; ++j)
                shape[k++] = tg_shape(in[1])[j];
    int error = tg_checked_indices(op->name, &index, in[1], tg_shape(x)[axis], axis);
    if (error)
        return error;
    tg_tensor *y = tg_new(x->dtype, ndim, shape);
    error = y ? TG_OK : TG_EMEMORY;
    if (!error && y->size)
        error = take(y, x, index, axis);
    tg_drop(index);
    if (error)
        tg_drop(y);
    else
        *out = y;
    return error;
}

/* The transpose of take: dx[index[j], :] += ct[j, :] for j in order, dx of length p[1]. */
int op_take_transpose(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                      const int64_t *p, int n_p)
{
    (void)n_in;
    const int n_index_axes = in[1]->ndim, ndim = in[0]->ndim - n_index_axes + 1;
    if (in[1]->dtype != TG_I64 || !tg_is_compute(in[0]->dtype))
        return TG_ENOKERNEL;
    if (n_p != 2 || ndim < 1 || p[0] < 0 || p[0] >= ndim || p[1] < 0)
        return tg_fail(TG_EVALUE, "take_transpose: no such axis among %d, or a negative length",
                       ndim);
    const int axis = (int)p[0];
    int64_t shape[TG_MAX_NDIM], extent[3];
    for (int i = 0; i < n_index_axes; ++i)
        if (tg_shape(in[0])[axis + i] != tg_shape(in[1])[i])
            return tg_fail(TG_ESHAPE,
                           "take_transpose: the cotangent does not have the indices' "
                           "shape at axis %d",
                           axis);
    for (int i = 0; i < ndim; ++i)
        shape[i] = i == axis ? p[1] : tg_shape(in[0])[i < axis ? i : i - 1 + n_index_axes];
    tg_tensor *index, *ct, *dx = NULL;
    int error = tg_checked_indices(op->name, &index, in[1], p[1], axis);
    if (error)
        return error;
    ct = tg_contiguous(in[0]);
    if (ct)
        dx = tg_new(ct->dtype, ndim, shape);
    if (dx && dx->size) {
        const int64_t item = (int64_t)tg_itemsize(dx->dtype);
        split_at(extent, ndim, shape, axis);
        void *lock = tg_unlock(tg_move_cost(dx->size, (size_t)item) + (double)ct->size * 0.5 +
                               (double)index->size * 2);
        memset(dx->data, 0, (size_t)(dx->size * item));
        for (int64_t o = 0; o < extent[0]; ++o)
            tg_isa->reduce[dx->dtype]->scatter_add(
                dx->data + o * p[1] * extent[2] * item,
                ct->data + o * index->size * extent[2] * item,
                (const int64_t *)(void *)index->data, (size_t)index->size, p[1],
                (size_t)extent[2]);
        tg_relock(lock);
    }
    tg_drop(ct);
    tg_drop(index);
    *out = dx;
    return dx ? TG_OK : TG_EMEMORY;
}

/* --- along an axis --------------------------------------------------------------------------- */

/* Lines along the axis: y[i] op x[index[i]], the other axes broadcast. */
typedef struct along {
    int ndim;                           /* the axes around the line */
    int64_t shape[TG_MAX_NDIM];
    int64_t y[TG_MAX_NDIM], x[TG_MAX_NDIM], index[TG_MAX_NDIM];
    int64_t n, count;                   /* length of x and of the line along the axis */
    int64_t y_step, x_step, index_step;
} along;

/* Pair up the axes of y (the indexed side), x and index around axis. */
static void walk_along(along *a, const tg_tensor *y, const tg_tensor *x, const tg_tensor *index,
                       int axis)
{
    a->ndim = 0;
    for (int i = 0; i < y->ndim; ++i) {
        const int64_t n = tg_shape(y)[i];
        if (i == axis || n == 1)
            continue;
        a->shape[a->ndim] = n;
        a->y[a->ndim] = tg_strides(y)[i];
        a->x[a->ndim] = tg_shape(x)[i] == n ? tg_strides(x)[i] : 0;
        a->index[a->ndim++] = tg_shape(index)[i] == n ? tg_strides(index)[i] : 0;
    }
    a->n = tg_shape(x)[axis];
    a->count = tg_shape(index)[axis];
    a->y_step = tg_strides(y)[axis];
    a->x_step = tg_strides(x)[axis];
    a->index_step = tg_strides(index)[axis];
}

enum { GATHER, SCATTER_F32, SCATTER_F64 };

static inline __attribute__((always_inline)) void
one_line(const along *a, char *y, char *x, const int64_t *index, size_t item, int what)
{
    for (int64_t i = 0; i < a->count; ++i) {
        char *at_y = y + i * a->y_step * (int64_t)item;
        char *at_x = x + tg_wrap(index[i * a->index_step], a->n) * a->x_step * (int64_t)item;
        if (what == GATHER)
            memcpy(at_y, at_x, item);
        else if (what == SCATTER_F32)
            *(float *)(void *)at_x += *(const float *)(const void *)at_y;
        else
            *(double *)(void *)at_x += *(const double *)(const void *)at_y;
    }
}

static inline __attribute__((always_inline)) void
every_line(const along *a, char *y, char *x, const int64_t *index, size_t item, int what)
{
    int64_t at[TG_MAX_NDIM] = {0};
    for (;;) {
        one_line(a, y, x, index, item, what);
        int k = a->ndim - 1;
        for (; k >= 0; --k) {
            y += a->y[k] * (int64_t)item;
            x += a->x[k] * (int64_t)item;
            index += a->index[k];
            if (++at[k] < a->shape[k])
                break;
            y -= a->shape[k] * a->y[k] * (int64_t)item;
            x -= a->shape[k] * a->x[k] * (int64_t)item;
            index -= a->shape[k] * a->index[k];
            at[k] = 0;
        }
        if (k < 0)
            return;
    }
}

static void gather_lines(const along *a, char *y, const char *x, const int64_t *index,
                         size_t item)
{
    char *from = (char *)(uintptr_t)x;  /* only read: one walk serves both directions */
    switch (item) {
    case 4: every_line(a, y, from, index, 4, GATHER); break;
    case 8: every_line(a, y, from, index, 8, GATHER); break;
    default: every_line(a, y, from, index, item, GATHER); break;
    }
}

int op_take_along_axis(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                       const int64_t *p, int n_p)
{
    (void)n_in;
    const tg_tensor *x = in[0];
    if (in[1]->dtype != TG_I64)
        return TG_ENOKERNEL;
    if (n_p != 1 || p[0] < 0 || p[0] >= x->ndim || in[1]->ndim != x->ndim)
        return tg_fail(TG_EVALUE, "take_along_axis: no such axis, or %d axes of indices for %d",
                       in[1]->ndim, x->ndim);
    const int axis = (int)p[0];
    int64_t shape[TG_MAX_NDIM];
    for (int i = 0; i < x->ndim; ++i) {
        const int64_t n = tg_shape(x)[i], m = tg_shape(in[1])[i];
        shape[i] = i == axis || n == 1 ? m : n;
        if (i != axis && n != m && n != 1 && m != 1)
            return tg_fail(TG_ESHAPE,
                           "take_along_axis: axis %d of length %lld does not "
                           "broadcast with %lld indices",
                           i, (long long)n, (long long)m);
    }
    tg_tensor *index;
    const int error = tg_checked_indices(op->name, &index, in[1], tg_shape(x)[axis], axis);
    if (error)
        return error;
    tg_tensor *y = tg_new(x->dtype, x->ndim, shape);
    if (y && y->size) {
        along a;
        walk_along(&a, y, x, index, axis);
        const size_t item = tg_itemsize(x->dtype);
        void *lock = tg_unlock((double)y->size * 2);
        gather_lines(&a, y->data, x->data, (const int64_t *)(void *)index->data, item);
        tg_relock(lock);
    }
    tg_drop(index);
    *out = y;
    return y ? TG_OK : TG_EMEMORY;
}

int op_take_along_axis_transpose(const tg_op *op, tg_tensor **out, tg_tensor *const *in,
                                 int n_in, const int64_t *p, int n_p)
{
    (void)n_in;
    const tg_tensor *ct = in[0];
    if (in[1]->dtype != TG_I64 || !tg_is_compute(ct->dtype))
        return TG_ENOKERNEL;
    if (n_p != 2 || p[0] < 0 || p[0] >= ct->ndim || in[1]->ndim != ct->ndim || p[1] < 0)
        return tg_fail(TG_EVALUE,
                       "take_along_axis_transpose: no such axis, or a negative length");
    const int axis = (int)p[0];
    int64_t shape[TG_MAX_NDIM];
    for (int i = 0; i < ct->ndim; ++i) {
        const int64_t n = tg_shape(ct)[i], m = tg_shape(in[1])[i];
        shape[i] = i == axis ? p[1] : n;
        if (n != m && (m != 1 || i == axis))
            return tg_fail(TG_ESHAPE,
                           "take_along_axis_transpose: axis %d has length %lld in "
                           "the cotangent and %lld in the indices",
                           i, (long long)n, (long long)m);
    }
    tg_tensor *index;
    const int error = tg_checked_indices(op->name, &index, in[1], p[1], axis);
    if (error)
        return error;
    tg_tensor *dx = tg_new(ct->dtype, ct->ndim, shape);
    if (dx) {
        const size_t item = tg_itemsize(dx->dtype);
        void *lock = tg_unlock(tg_move_cost(dx->size, item) + (double)ct->size * 2);
        memset(dx->data, 0, (size_t)dx->size * item);
        if (ct->size) {
            along a;
            walk_along(&a, ct, dx, index, axis);
            every_line(&a, ct->data, dx->data, (const int64_t *)(void *)index->data, item,
                       ct->dtype == TG_F32 ? SCATTER_F32 : SCATTER_F64);
        }
        tg_relock(lock);
    }
    tg_drop(index);
    *out = dx;
    return dx ? TG_OK : TG_EMEMORY;
}
