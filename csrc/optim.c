/* optim.c: one call updates all parameters of a group: checks everything, then runs the kernels
 * of optim.h over chunks of all of them at once, then counts. A parameter without a gradient is
 * left alone. Called from Python with the interpreter lock held. */
#include "kernels.h"
#include "pool.h"
#include "tensor.h"

enum { CHUNK = 8192 }; /* elements in a task */

static void *element(const tg_tensor *t, int64_t i)
{
    return t ? t->data + i * (int64_t)tg_itemsize(t->dtype) : NULL;
}

static void run_task(void *ctx, size_t task)
{
    const tg_updates *s = ctx;
    const tg_update *u = s->at;
    while (u + 1 < s->at + s->n && u[1].first_task <= (int64_t)task)
        ++u;
    const int64_t from = ((int64_t)task - u->first_task) * CHUNK, left = u->p->size - from;
    const size_t n = (size_t)(left < CHUNK ? left : CHUNK);
    const tg_optim_kernels *kernels = tg_isa->optim[u->p->dtype];
    if (s->sgd)
        kernels->sgd(element(u->p, from), element(u->g, from), element(u->state[0], from),
                     s->sgd, u->t, n);
    else
        kernels->adam(element(u->p, from), element(u->g, from), element(u->state[0], from),
                      element(u->state[1], from), element(u->state[2], from), s->adam, u->t, n);
}

void tg_updates_count(tg_updates *s, tg_update *u)
{
    u->first_task = s->tasks;
    s->tasks += (u->p->size + CHUNK - 1) / CHUNK;
    s->elements += (double)u->p->size;
    ++s->n;
}

void tg_updates_run(const tg_updates *s)
{
    tg_parallel((size_t)s->tasks, s->elements, run_task, (void *)(uintptr_t)s);
}

/* --- checking ------------------------------------------------------------------------------ */

static bool fits(const tg_tensor *t, const tg_tensor *p) { return t->data && tg_is_like(t, p); }

/* Fill in the update of parameter i of n; g stays NULL if it has no gradient. */
static int make_update(tg_update *u, int64_t i, int64_t n, const uint64_t *params,
                       const uint64_t *states, int n_states, const int64_t *steps)
{
    tg_tensor *p = tg_from_handle(params[i]);
    if (!p || !p->data)
        return tg_fail(TG_ESTALE, "step: parameter %lld is gone", (long long)i);
    if (!tg_is_compute(p->dtype))
        return TG_ENOKERNEL;
    if (!tg_is_contiguous(p))
        return tg_fail(TG_EVALUE, "step: parameter %lld is not contiguous", (long long)i);
    if (!p->grad)
        return TG_OK;
    if (!fits(p->grad, p))
        return tg_fail(TG_ESHAPE,
                       "step: parameter %lld and its gradient differ in shape or dtype",
                       (long long)i);
    u->p = p;
    u->t = steps[i] + 1;
    for (int k = 0; k < n_states; ++k) {
        tg_tensor *state = tg_from_handle(states[k * n + i]);
        if (!state || !fits(state, p) || !tg_is_contiguous(state))
            return tg_fail(TG_ESHAPE, "step: state %d of parameter %lld is not like it", k,
                           (long long)i);
        u->state[k] = state;
    }
    if (tg_before_write(p))
        return TG_EMEMORY;
    u->g = tg_contiguous(p->grad);
    return u->g ? TG_OK : TG_EMEMORY;
}

/* --- stepping -------------------------------------------------------------------------------- */

/* states[k * n + i]: state k of parameter i. steps are counted up where there was a gradient.
 * An error leaves everything as it was. */
static int take_step(tg_updates *s, int64_t n, const uint64_t *params, const uint64_t *states,
                     int n_states, int64_t *steps)
{
    const uint32_t class = tg_class_of((size_t)(n + 1) * sizeof(tg_update));
    s->at = tg_alloc(class);
    if (!s->at)
        return tg_fail_memory();
    int error = TG_OK;
    for (int64_t i = 0; i < n && !error; ++i) {
        tg_update *u = &s->at[s->n];
        *u = (tg_update){0};
        error = make_update(u, i, n, params, states, n_states, steps);
        if (u->g)
            tg_updates_count(s, u);
    }
    if (!error && s->tasks) {
        for (int64_t i = 0; i < s->n; ++i)
            ++s->at[i].p->buffer->version;
        void *lock = tg_unlock(s->elements);
        tg_updates_run(s);
        tg_relock(lock);
    }
    for (int64_t i = 0; i < n && !error; ++i)
        steps[i] += tg_from_handle(params[i])->grad != NULL;
    for (int64_t i = 0; i < s->n; ++i)
        tg_drop(s->at[i].g);
    tg_free(s->at, class);
    return error;
}

int tg_sgd_step(int64_t n, const uint64_t *params, const uint64_t *states, int64_t *steps,
                const double *hyper)
{
    tg_sgd h;
    memcpy(&h, hyper, sizeof h);
    tg_updates s = {.sgd = &h};
    return take_step(&s, n, params, states, h.momentum != 0, steps);
}

int tg_adam_step(int64_t n, const uint64_t *params, const uint64_t *states, int64_t *steps,
                 const double *hyper)
{
    tg_adam h;
    memcpy(&h, hyper, sizeof h);
    tg_updates s = {.adam = &h};
    return take_step(&s, n, params, states, h.amsgrad != 0 ? 3 : 2, steps);
}
