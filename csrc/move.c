/* move.c: run functions of the ops that rearrange elements: views (transpose, reshape,
 * broadcast_to) and concatenate, which copies; boxes.c has slices and pad. They work on every dtype.
 * Python has normalised the params; what would read or write outside an array is still refused.
 * Called by dispatch.c with the interpreter lock held. */
#include "move.h"
#include "tensor.h"

static int failed(void) { return TG_EMEMORY; }      /* the constructor has said why */

/* Whether p[0..n) is a permutation of the axes 0..n-1. */
static bool is_permutation(const int64_t *p, int n)
{
    uint64_t seen = 0;
    for (int i = 0; i < n; ++i) {
        if (p[i] < 0 || p[i] >= n || (seen >> p[i] & 1))
            return false;
        seen |= (uint64_t)1 << p[i];
    }
    return true;
}

int op_transpose(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                 const int64_t *p, int n_p)
{
    (void)op, (void)n_in;
    const tg_tensor *x = in[0];
    if (n_p != x->ndim || !is_permutation(p, n_p))
        return tg_fail(TG_EVALUE, "transpose: axes do not name each of the %d axes once",
                       x->ndim);
    int64_t shape[TG_MAX_NDIM], strides[TG_MAX_NDIM];
    for (int i = 0; i < n_p; ++i) {
        shape[i] = tg_shape(x)[p[i]];
        strides[i] = tg_strides(x)[p[i]];
    }
    *out = tg_view(in[0], n_p, shape, strides, 0);
    return *out ? TG_OK : failed();
}

/* --- reshape ----------------------------------------------------------------------------- */

/* Strides that show x's elements in shape without a copy, or false. Walks both shapes in
 * groups of axes with equal products; a group works if its old axes are evenly spaced. */
static bool view_strides(int64_t *strides, const tg_tensor *x, int ndim, const int64_t *shape)
{
    int64_t old_n[TG_MAX_NDIM], old_s[TG_MAX_NDIM];
    int old = 0;
    for (int i = 0; i < x->ndim; ++i) {
        if (tg_shape(x)[i] == 1)
            continue;
        old_n[old] = tg_shape(x)[i];
        old_s[old++] = tg_strides(x)[i];
    }
    int i = 0, j = 0;
    while (i < old && j < ndim) {
        int i_end = i + 1, j_end = j + 1;
        int64_t old_size = old_n[i], size = shape[j];
        while (old_size != size) {
            if (size < old_size)
                size *= shape[j_end++];
            else
                old_size *= old_n[i_end++];
        }
        for (int k = i; k + 1 < i_end; ++k)
            if (old_s[k] != old_n[k + 1] * old_s[k + 1])
                return false;
        int64_t stride = old_s[i_end - 1];
        for (int k = j_end; k-- > j;) {
            strides[k] = stride;
            stride *= shape[k];
        }
        i = i_end;
        j = j_end;
    }
    for (; j < ndim; ++j)               /* trailing axes of length 1 */
        strides[j] = 1;
    return true;
}

static int no_such_shape(const tg_tensor *x, const int64_t *p, int n_p)
{
    char from[200], to[200];
    if (n_p > TG_MAX_NDIM)
        return tg_fail(TG_ESHAPE, "an array has at most %d axes, not %d", TG_MAX_NDIM, n_p);
    return tg_fail(TG_ESHAPE, "cannot fit shape %s into %s",
                   tg_shape_text(from, sizeof from, x->ndim, tg_shape(x)),
                   tg_shape_text(to, sizeof to, n_p, p));
}

int op_reshape(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
               const int64_t *p, int n_p)
{
    (void)op, (void)n_in;
    tg_tensor *x = in[0];
    int64_t size = 1, strides[TG_MAX_NDIM];
    bool bad = n_p > TG_MAX_NDIM, empty = false;
    for (int i = 0; i < n_p && !bad; ++i) {
        empty |= p[i] == 0;
        bad = p[i] < 0 || __builtin_mul_overflow(size, p[i] ? p[i] : 1, &size);
    }
    if (bad || (empty ? 0 : size) != x->size)
        return no_such_shape(x, p, n_p);
    if (x->size == 0) {
        *out = tg_new(x->dtype, n_p, p);
        return *out ? TG_OK : failed();
    }
    if (tg_is_contiguous(x)) {
        tg_c_strides(strides, n_p, p);
    } else if (!view_strides(strides, x, n_p, p)) {
        tg_tensor *copy = tg_new(x->dtype, n_p, p);
        if (!copy)
            return failed();
        int64_t old_strides[TG_MAX_NDIM];
        tg_c_strides(old_strides, x->ndim, tg_shape(x));
        void *lock = tg_unlock(tg_move_cost(x->size, tg_itemsize(x->dtype)));
        tg_copy_strided(copy->data, old_strides, x->data, tg_strides(x), x->ndim, tg_shape(x),
                        tg_itemsize(x->dtype));
        tg_relock(lock);
        *out = copy;
        return TG_OK;
    }
    *out = tg_view(x, n_p, p, strides, 0);
    return *out ? TG_OK : failed();
}

int op_broadcast_to(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                    const int64_t *p, int n_p)
{
    (void)op, (void)n_in;
    const tg_tensor *x = in[0];
    if (n_p > TG_MAX_NDIM || n_p < x->ndim)
        return tg_fail(TG_ESHAPE, "broadcast_to: cannot take %d axes to %d", x->ndim, n_p);
    int64_t strides[TG_MAX_NDIM], size = 1;
    const int lead = n_p - x->ndim;
    for (int i = 0; i < n_p; ++i) {
        const int64_t n = i < lead ? 1 : tg_shape(x)[i - lead];
        if (p[i] < 0 || (n != p[i] && n != 1))
            return tg_fail(TG_ESHAPE, "broadcast_to: axis %d of length %lld cannot become %lld",
                           i, (long long)n, (long long)p[i]);
        if (__builtin_mul_overflow(size, p[i] ? p[i] : 1, &size))
            return tg_fail(TG_EVALUE, "broadcast_to: the shape has too many elements");
        strides[i] = i < lead || n != p[i] ? 0 : tg_strides(x)[i - lead];
    }
    *out = tg_view(in[0], n_p, p, strides, 0);
    return *out ? TG_OK : failed();
}

/* The same values, whose derivative nobody follows. */
int op_stop_gradient(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                     const int64_t *p, int n_p)
{
    (void)op, (void)n_in, (void)p, (void)n_p;
    *out = tg_view(in[0], in[0]->ndim, tg_shape(in[0]), tg_strides(in[0]), 0);
    return *out ? TG_OK : failed();
}

/* --- concatenate --------------------------------------------------------------------------- */

int op_concatenate(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                   const int64_t *p, int n_p)
{
    (void)op;
    const tg_tensor *first = in[0];
    const int ndim = first->ndim;
    if (n_p != 1 || p[0] < 0 || p[0] >= ndim)
        return tg_fail(TG_EVALUE, "concatenate: no such axis among %d", ndim);
    const int axis = (int)p[0];
    int64_t shape[TG_MAX_NDIM];
    memcpy(shape, tg_shape(first), (size_t)ndim * sizeof *shape);
    for (int k = 1; k < n_in; ++k) {
        if (in[k]->dtype != first->dtype)
            return TG_ENOKERNEL; /* Python casts them to one */
        bool fits = in[k]->ndim == ndim;
        for (int i = 0; i < ndim && fits; ++i)
            fits = i == axis || tg_shape(in[k])[i] == shape[i];
        if (!fits)
            return tg_fail(TG_ESHAPE,
                           "concatenate: input %d differs from input 0 in an axis "
                           "other than %d",
                           k, axis);
        if (__builtin_add_overflow(shape[axis], tg_shape(in[k])[axis], &shape[axis]))
            return tg_fail(TG_EVALUE, "concatenate: the result has too many elements");
    }
    tg_tensor *y = tg_new(first->dtype, ndim, shape);
    if (!y)
        return failed();
    const size_t item = tg_itemsize(y->dtype);
    char *at = y->data;
    void *lock = tg_unlock(tg_move_cost(y->size, item));
    for (int k = 0; k < n_in; ++k) {
        tg_copy_strided(at, tg_strides(y), in[k]->data, tg_strides(in[k]), ndim,
                        tg_shape(in[k]), item);
        at += tg_shape(in[k])[axis] * tg_strides(y)[axis] * (int64_t)item;
    }
    tg_relock(lock);
    *out = y;
    return TG_OK;
}
