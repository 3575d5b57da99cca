/* correlate.c: run function of correlate. Called by dispatch.c with the interpreter lock held. */
#include "kernels.h"

enum { TASK = 4096 }; /* outputs */

typedef struct sliding {
    tg_correlate_fn *kernel;
    char *y;
    const char *a, *v;
    int64_t n, k, before, count, item;
} sliding;

static void run_task(void *context, size_t task)
{
    const sliding *s = context;
    const int64_t first = (int64_t)task * TASK, left = s->count - first;
    s->kernel(s->y + first * s->item, s->a, s->n, s->v, s->k, first - s->before,
              left < TASK ? left : TASK);
}

/* y[j] = sum over i of a[j - p[0] + i] v[i], of what is in a; p[1] of them. */
int op_correlate(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                 const int64_t *p, int n_p)
{
    (void)n_in;
    if (!tg_is_compute(in[0]->dtype) || in[0]->dtype != in[1]->dtype)
        return TG_ENOKERNEL;
    if (in[0]->ndim != 1 || in[1]->ndim != 1 || n_p != 2 || p[0] < 0 || p[0] >= in[1]->size ||
        p[1] < 0)
        return tg_fail(TG_EVALUE, "%s: needs two vectors, and a place in the second", op->name);
    tg_tensor *a = tg_contiguous(in[0]), *v = tg_contiguous(in[1]);
    tg_tensor *y = a && v ? tg_new(a->dtype, 1, p + 1) : NULL;
    if (y) {
        sliding s = {tg_isa->correlate[a->dtype],
                     y->data,
                     a->data,
                     v->data,
                     a->size,
                     v->size,
                     p[0],
                     y->size,
                     (int64_t)tg_itemsize(a->dtype)};
        const double cost = 0.02 * (double)s.item * (double)s.count * (double)s.k;
        void *lock = tg_unlock(cost);
        tg_parallel((size_t)((s.count + TASK - 1) / TASK), cost, run_task, &s);
        tg_relock(lock);
        *out = y;
    }
    tg_drop(a);
    tg_drop(v);
    return y ? TG_OK : TG_EMEMORY;
}
