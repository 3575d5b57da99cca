/* boxes.c: run functions of the ops that read or write a box of an array: slice (a view),
 * slice_transpose, slice_update and pad (copies). They work on every dtype. Python has normalised
 * the params; what would read or write outside an array is still refused.
 * Called by dispatch.c with the interpreter lock held. */
#include "move.h"
#include "tensor.h"

/* --- slices ------------------------------------------------------------------------------ */

/* Check (start, length, step) * ndim against shape and give the slice of an array with those
 * strides: its shape and strides, and the offset of its first element. */
static int slice_of(const char *name, int64_t *length, int64_t *slice_strides, int64_t *offset,
                    int ndim, const int64_t *shape, const int64_t *strides, const int64_t *p)
{
    bool empty = false;
    *offset = 0;
    for (int i = 0; i < ndim; ++i, p += 3) {
        const int64_t start = p[0], n = p[1], step = p[2];
        int64_t last = start;
        const bool bad =
            n < 0 || (n > 1 && (step == 0 || __builtin_mul_overflow(n - 1, step, &last) ||
                                __builtin_add_overflow(last, start, &last)));
        if (bad || (n && (start < 0 || start >= shape[i] || last < 0 || last >= shape[i])))
            return tg_fail(TG_EINDEX,
                           "%s: start %lld, length %lld, step %lld leave axis %d of "
                           "length %lld",
                           name, (long long)start, (long long)n, (long long)step, i,
                           (long long)shape[i]);
        empty |= n == 0;
        length[i] = n;
        slice_strides[i] = n > 1 ? strides[i] * step : strides[i];
        *offset += start * strides[i];
    }
    if (empty)
        *offset = 0;
    return TG_OK;
}

int op_slice(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
             int n_p)
{
    (void)n_in;
    const tg_tensor *x = in[0];
    int64_t shape[TG_MAX_NDIM], strides[TG_MAX_NDIM], offset;
    if (n_p != 3 * x->ndim)
        return tg_fail(TG_EVALUE, "slice: %d params for %d axes", n_p, x->ndim);
    const int error =
        slice_of(op->name, shape, strides, &offset, x->ndim, tg_shape(x), tg_strides(x), p);
    if (error)
        return error;
    *out = tg_view(in[0], x->ndim, shape, strides, offset);
    return *out ? TG_OK : TG_EMEMORY;
}

/* A slice of an array that part, an array of the slice's shape or a number, is written to. */
typedef struct {
    int64_t shape[TG_MAX_NDIM], strides[TG_MAX_NDIM], offset;
} target;

/* p: (start, length, step) an axis of y. */
static int target_of(const char *name, target *slice, const tg_tensor *y, const tg_tensor *part,
                     const int64_t *p)
{
    const int error = slice_of(name, slice->shape, slice->strides, &slice->offset, y->ndim,
                               tg_shape(y), tg_strides(y), p);
    if (error)
        return error;
    for (int i = 0; i < part->ndim; ++i)
        if (slice->shape[i] != tg_shape(part)[i])
            return tg_fail(TG_ESHAPE, "%s: axis %d of the part has length %lld, the slice %lld",
                           name, i, (long long)tg_shape(part)[i], (long long)slice->shape[i]);
    return TG_OK;
}

static void write_slice(tg_tensor *y, const target *slice, const tg_tensor *part)
{
    static const int64_t none[TG_MAX_NDIM];
    const size_t item = tg_itemsize(y->dtype);
    tg_copy_strided(y->data + slice->offset * (int64_t)item, slice->strides, part->data,
                    part->ndim ? tg_strides(part) : none, y->ndim, slice->shape, item);
}

/* y = value, an element, but in the box of that shape that begins `before` positions along each
 * axis: where that lies. */
static char *fill_around(const tg_tensor *y, const int64_t *before, const int64_t *shape,
                         const char *value)
{
    static const int64_t none[TG_MAX_NDIM];
    const int64_t *strides = tg_strides(y);
    const size_t item = tg_itemsize(y->dtype);
    int64_t box[TG_MAX_NDIM]; /* the part of y that is left to write */
    memcpy(box, tg_shape(y), (size_t)y->ndim * sizeof *box);
    char *at = y->data;
    for (int i = 0; i < y->ndim; ++i) { /* cut off both ends of axis i */
        const int64_t end = before[i] + shape[i], step = strides[i] * (int64_t)item;
        box[i] = before[i];
        tg_copy_strided(at, strides, value, none, y->ndim, box, item);
        box[i] = tg_shape(y)[i] - end;
        tg_copy_strided(at + end * step, strides, value, none, y->ndim, box, item);
        box[i] = shape[i];
        at += before[i] * step;
    }
    return at;
}

/* Zeros where the slice p of full, most of it, is not; or everywhere. p has been checked. */
static void fill_for_slice(const tg_tensor *full, const tg_tensor *part, const int64_t *p)
{
    static const char zero[32];
    int64_t before[TG_MAX_NDIM] = {0};
    bool is_box = 2 * part->size > full->size;
    for (int i = 0; i < part->ndim && is_box; ++i) {
        const int64_t start = p[3 * i], n = p[3 * i + 1], step = p[3 * i + 2];
        is_box = n == 1 || step == 1 || step == -1;
        before[i] = n > 1 && step < 0 ? start - (n - 1) : start;
    }
    if (is_box)
        fill_around(full, before, tg_shape(part), zero);
    else
        memset(full->data, 0, (size_t)full->size * tg_itemsize(full->dtype));
}

/* The transpose of slice: zeros of the full shape with the cotangent written at the slice. */
int op_slice_transpose(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                       const int64_t *p, int n_p)
{
    (void)n_in;
    const tg_tensor *ct = in[0];
    const int ndim = ct->ndim;
    if (n_p != 4 * ndim)
        return tg_fail(TG_EVALUE, "slice_transpose: %d params for %d axes", n_p, ndim);
    for (int i = 0; i < ndim; ++i)
        if (p[3 * ndim + i] < 0)
            return tg_fail(TG_ESHAPE, "slice_transpose: a negative length");
    tg_tensor *full = tg_new(ct->dtype, ndim, p + 3 * ndim);
    if (!full)
        return TG_EMEMORY;
    target slice;
    const int error = target_of(op->name, &slice, full, ct, p);
    if (error) {
        tg_drop(full);
        return error;
    }
    void *lock = tg_unlock(tg_move_cost(full->size, tg_itemsize(ct->dtype)));
    fill_for_slice(full, ct, p);
    write_slice(full, &slice, ct);
    tg_relock(lock);
    *out = full;
    return TG_OK;
}

/* x with its slice p replaced by in[1], an array of that shape or a number. */
int op_slice_update(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                    const int64_t *p, int n_p)
{
    (void)n_in;
    const tg_tensor *x = in[0], *part = in[1];
    if (part->dtype != x->dtype)
        return TG_ENOKERNEL;
    if ((part->ndim && part->ndim != x->ndim) || n_p != 3 * x->ndim)
        return tg_fail(TG_EVALUE, "slice_update: %d params and %d axes for %d axes", n_p,
                       part->ndim, x->ndim);
    tg_tensor *y = tg_new(x->dtype, x->ndim, tg_shape(x));
    if (!y)
        return TG_EMEMORY;
    target slice;
    const int error = target_of(op->name, &slice, y, part, p);
    if (error) {
        tg_drop(y);
        return error;
    }
    tg_copy(y, x);
    void *lock = tg_unlock(tg_move_cost(part->size, tg_itemsize(x->dtype)));
    write_slice(y, &slice, part);
    tg_relock(lock);
    *out = y;
    return TG_OK;
}

/* --- pad ----------------------------------------------------------------------------------- */

/* value as one element of dtype. False: this dtype cannot hold it here. */
static bool element_of(void *element, int dtype, double value)
{
    memset(element, 0, 32);
    if (dtype == TG_F32) {
        const float f = (float)value;
        memcpy(element, &f, sizeof f);
        return true;
    }
    if (dtype == TG_F64) {
        memcpy(element, &value, sizeof value);
        return true;
    }
    return value == 0 && !__builtin_signbit(value); /* all bits zero is zero in every dtype */
}

int op_pad(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
           int n_p)
{
    (void)op, (void)n_in;
    const tg_tensor *x = in[0];
    const int ndim = x->ndim;
    const size_t item = tg_itemsize(x->dtype);
    if (n_p != 2 * ndim + 1)
        return tg_fail(TG_EVALUE, "pad: %d params for %d axes", n_p, ndim);
    char value[32];
    if (!element_of(value, x->dtype, tg_param_double(p[2 * ndim])))
        return TG_ENOKERNEL;
    int64_t shape[TG_MAX_NDIM] = {0}, before[TG_MAX_NDIM] = {0};
    for (int i = 0; i < ndim; ++i) {
        const int64_t after = p[2 * i + 1];
        before[i] = p[2 * i];
        if (before[i] < 0 || after < 0 ||
            __builtin_add_overflow(tg_shape(x)[i], before[i], &shape[i]) ||
            __builtin_add_overflow(shape[i], after, &shape[i]))
            return tg_fail(TG_EVALUE, "pad: axis %d cannot grow by %lld and %lld", i,
                           (long long)before[i], (long long)after);
    }
    tg_tensor *y = tg_new(x->dtype, ndim, shape);
    if (!y)
        return TG_EMEMORY;
    void *lock = tg_unlock(tg_move_cost(y->size, item));
    char *at = fill_around(y, before, tg_shape(x), value);
    tg_copy_strided(at, tg_strides(y), x->data, tg_strides(x), ndim, tg_shape(x), item);
    tg_relock(lock);
    *out = y;
    return TG_OK;
}
