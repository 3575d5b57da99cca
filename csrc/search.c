/* search.c: where values go in a sorted array. Called by dispatch.c with the interpreter lock
 * held. */
#include "core.h"

enum { BLOCK = 512 }; /* values that are sought side by side */

typedef struct search {
    const void *a, *v;
    int64_t *at;
    int64_t n; /* elements of a before its nans, which come last */
    int64_t n_all, count;
    int is_right;
} search;

/* The halves are the same for every value, so that a block of them goes down without a branch, and
 * no load waits for another one's. `before`: whether a's element x goes before the value key: no
 * nan is among a's here, and all of them go before a key that is one. */
#define SEARCH(name, T, before)                                                     \
    static void name(const T *a, const T *v, int64_t *at, int64_t n, int64_t count) \
    {                                                                               \
        for (int64_t i = 0; i < count; ++i)                                         \
            at[i] = 0;                                                              \
        if (n == 0)                                                                 \
            return;                                                                 \
        for (int64_t rest = n; rest > 1; rest -= rest / 2)                          \
            for (int64_t i = 0; i < count; ++i) {                                   \
                const T x = a[at[i] + rest / 2 - 1], key = v[i];                    \
                at[i] += rest / 2 & -(int64_t)(before);                             \
            }                                                                       \
        for (int64_t i = 0; i < count; ++i) {                                       \
            const T x = a[at[i]], key = v[i];                                       \
            at[i] += (before);                                                      \
        }                                                                           \
    }
SEARCH(left_f32, float, !(key <= x))
SEARCH(right_f32, float, !(key < x))
SEARCH(left_f64, double, !(key <= x))
SEARCH(right_f64, double, !(key < x))

#define FINISH(name, T, left, right)                                       \
    static void name(void *context, size_t block)                          \
    {                                                                      \
        const search *s = context;                                         \
        const int64_t first = (int64_t)block * BLOCK;                      \
        const int64_t left_over = s->count - first;                        \
        const int64_t count = left_over < BLOCK ? left_over : BLOCK;       \
        const T *v = (const T *)s->v + first;                              \
        (s->is_right ? right : left)(s->a, v, s->at + first, s->n, count); \
        if (s->is_right && s->n < s->n_all)                                \
            for (int64_t i = 0; i < count; ++i)                            \
                if (v[i] != v[i]) /* after a's nans */                     \
                    s->at[first + i] = s->n_all;                           \
    }
FINISH(search_f32, float, left_f32, right_f32)
FINISH(search_f64, double, left_f64, right_f64)

static int64_t before_nans(const tg_tensor *a)
{
    int64_t n = a->size;
    if (a->dtype == TG_F32)
        for (const float *x = (const void *)a->data; n && x[n - 1] != x[n - 1];)
            --n;
    else
        for (const double *x = (const void *)a->data; n && x[n - 1] != x[n - 1];)
            --n;
    return n;
}

/* in[0]: sorted, of one axis, nans last; p[0]: whether a value goes after its equals. */
int op_searchsorted(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                    const int64_t *p, int n_p)
{
    (void)op, (void)n_in;
    if (!tg_is_compute(in[0]->dtype) || in[0]->dtype != in[1]->dtype || in[0]->ndim != 1 ||
        n_p != 1)
        return TG_ENOKERNEL;
    tg_tensor *a = tg_contiguous(in[0]), *v = tg_contiguous(in[1]);
    tg_tensor *y = a && v ? tg_new(TG_I64, v->ndim, tg_shape(v)) : NULL;
    if (y) {
        search s = {a->data, v->data,  (int64_t *)(void *)y->data, 0, a->size,
                    v->size, p[0] != 0};
        int levels = 1;
        while (a->size >> levels)
            ++levels;
        const double cost = (double)s.count * levels;
        void *lock = tg_unlock(cost);
        s.n = before_nans(a);
        tg_parallel((size_t)((s.count + BLOCK - 1) / BLOCK), cost,
                    a->dtype == TG_F32 ? search_f32 : search_f64, &s);
        tg_relock(lock);
        *out = y;
    }
    tg_drop(a);
    tg_drop(v);
    return y ? TG_OK : TG_EMEMORY;
}
