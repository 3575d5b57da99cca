/* fold.c: axes and layouts of what reduce.c, exact.c, scan.c and softmax.c fold: any array as
 * (outer, n, cols) with n reduced, in place where its strides allow it, else as a copy. Called with
 * the interpreter lock held. */
#include "fold.h"
#include "move.h"

int tg_axis_bits(uint64_t *bits, const char *name, int ndim, const int64_t *p, int n)
{
    *bits = 0;
    for (int i = 0; i < n; ++i) {
        if (p[i] < 0 || p[i] >= ndim || (i && p[i] <= p[i - 1]))
            return tg_fail(TG_EVALUE, "%s: bad axis %lld among %d", name, (long long)p[i],
                           ndim);
        *bits |= (uint64_t)1 << p[i];
    }
    return TG_OK;
}

int tg_reduced_bits(uint64_t *bits, const char *name, int ndim, const int64_t *p, int n_p)
{
    if (n_p < 1)
        return tg_fail(TG_EVALUE, "%s: keepdims is missing", name);
    return tg_axis_bits(bits, name, ndim, p + 1, n_p - 1);
}

typedef struct group {
    int64_t n, stride;
    bool is_reduced, is_even;
} group;

/* Axes of length 1 dropped, neighbours of one kind merged. is_even: one stride walks it. */
static int group_axes(group *g, const tg_tensor *x, uint64_t reduced)
{
    int count = 0;
    for (int i = 0; i < x->ndim; ++i) {
        const int64_t n = tg_shape(x)[i], stride = tg_strides(x)[i];
        const bool is_reduced = reduced >> i & 1;
        if (n == 1)
            continue;
        if (count && g[count - 1].is_reduced == is_reduced) {
            group *last = &g[count - 1];
            last->is_even &= last->stride == stride * n;
            last->n *= n;
            last->stride = stride;
        } else {
            g[count++] = (group){n, stride, is_reduced, true};
        }
    }
    return count;
}

/* x, copied so that its axes come as outer, reduced, columns. */
static int fold_copy(tg_folded *f, tg_tensor *x, uint64_t reduced)
{
    int order[TG_MAX_NDIM], last_reduced = -1, at = 0;
    for (int i = 0; i < x->ndim; ++i)
        if (tg_shape(x)[i] > 1 && (reduced >> i & 1))
            last_reduced = i;
    for (int pass = 0; pass < 3; ++pass)
        for (int i = 0; i < x->ndim; ++i) {
            const int kind = i > last_reduced ? 2 : reduced >> i & 1 ? 1 : 0;
            if (kind == pass)
                order[at++] = i;
        }
    f->copy = tg_copy_permuted(x, order);
    if (!f->copy)
        return TG_EMEMORY;
    f->x = f->copy->data;
    f->stride = f->cols;
    f->outer_stride = f->n * f->cols;
    return TG_OK;
}

bool tg_fold_view(tg_folded *f, const tg_tensor *x, uint64_t reduced)
{
    group g[TG_MAX_NDIM];
    const int count = group_axes(g, x, reduced);
    const bool columns = count && !g[count - 1].is_reduced;
    f->x = x->data;
    f->copy = NULL;
    f->outer = f->n = f->cols = 1;
    f->outer_stride = f->stride = 1;
    for (int i = 0; i < count; ++i)
        *(g[i].is_reduced ? &f->n : columns && i == count - 1 ? &f->cols : &f->outer) *= g[i].n;
    int i = 0;
    bool fits = true;
    if (i < count && !g[i].is_reduced && !(columns && i == count - 1)) {
        f->outer_stride = g[i].stride;
        fits &= g[i++].is_even;
    }
    if (i < count && g[i].is_reduced) {
        f->stride = g[i].stride;
        fits &= g[i].is_even && (columns || g[i].stride == 1);
        ++i;
    }
    if (i < count && columns && i == count - 1) {
        fits &= g[i].is_even && g[i].stride == 1;
        ++i;
    }
    return fits && i == count;
}

int tg_fold_axes(tg_folded *f, tg_tensor *x, uint64_t reduced)
{
    return tg_fold_view(f, x, reduced) ? TG_OK : fold_copy(f, x, reduced);
}

/* --- rows that are not evenly spaced --------------------------------------------------------- */

bool tg_fold_scattered(tg_scattered *s, const tg_tensor *x, uint64_t reduced)
{
    *s =
        (tg_scattered){.x = x->data, .outer = {.size = 1, .n = {1}}, .rows.size = 1, .cols = 1};
    bool is_column = true;
    for (int i = x->ndim; i-- > 0;) {
        const int64_t n = tg_shape(x)[i], stride = tg_strides(x)[i];
        const bool is_reduced = reduced >> i & 1;
        if (n == 1)
            continue;
        is_column &= !is_reduced;
        if (is_column && stride != s->cols)
            return false;
        if (is_column) {
            s->cols *= n;
            continue;
        }
        tg_axes *axes = is_reduced ? &s->rows : &s->outer;
        axes->size *= n;
        axes->n[axes->count] = n;
        axes->stride[axes->count++] = stride;
    }
    return s->cols > 1 && s->rows.count > 0;
}

int64_t tg_axes_offset(const tg_axes *axes, int64_t i)
{
    int64_t offset = 0;
    const int last = axes->count - 1;
    for (int k = 0; k < last; i /= axes->n[k++])
        offset += i % axes->n[k] * axes->stride[k];
    return last < 0 ? 0 : offset + i * axes->stride[last];
}
