/* steps.c: the kinds of steps of a program, one function each. Called by program.c, mostly without
 * the interpreter lock; what they and the run functions below them ask for is placed. */
#include <stdlib.h>

#include "kernels.h"
#include "pool.h"
#include "program.h"
#include "sweep.h"
#include "tensor.h"

tg_tensor *const *tg_step_operands(tg_program *g, const tg_step *s)
{
    for (int i = 0; i < s->n_in; ++i)
        g->operands[i] = g->values[s->in[i]].t;
    return g->operands;
}

/* --- RUN: a row's own function ------------------------------------------------------------ */

static int check_result(const tg_program *g, const tg_step *s, const tg_tensor *out)
{
    if (tg_is_like(out, &g->values[s->out[0]].own))
        return TG_OK;
    return tg_fail(TG_ESHAPE, "step %d, %s, gives another shape or dtype than the program says",
                   (int)(s - g->steps), tg_ops[s->op].name);
}

static int call_row(tg_program *g, const tg_step *s, tg_tensor **out)
{
    const tg_op *op = &tg_ops[s->op];
    const int status = op->run(op, out, tg_step_operands(g, s), s->n_in, s->p, s->n_p);
    if (status == TG_ENOKERNEL)
        return tg_fail(TG_EVALUE, "step %d: %s has no C kernel for its operands",
                       (int)(s - g->steps), op->name);
    return status;
}

/* The result lies elsewhere than planned: copy it, and remember which request it was. */
static int move_result(tg_program *g, tg_step *s, tg_tensor *out)
{
    tg_value *v = &g->values[s->out[0]];
    tg_placement *pl = &g->placement;
    tg_tensor *apart = NULL;
    pl->place_at = -1;
    if (out->buffer == &v->buffer) { /* there, but in another order */
        if (!(apart = tg_new(out->dtype, out->ndim, tg_shape(out))))
            return TG_EMEMORY;
        tg_copy(apart, out);
    } else if (out->buffer->size_class == TG_PLACED && tg_is_contiguous(out))
        s->place_at = (int)out->buffer->version; /* placement.c: the request's number */
    tg_copy(&v->own, apart ? apart : out);
    return TG_OK;
}

/* Whether out shows memory that an operand owns. */
static bool is_view_of(const tg_program *g, const tg_step *s, const tg_tensor *out)
{
    for (int i = 0; i < s->n_in; ++i)
        if (g->values[s->in[i]].t->buffer == out->buffer)
            return true;
    return false;
}

/* A value whose memory is its step's business. What is no view after all, such as a reshape of an
 * argument with other strides than recorded, is kept in memory of its own. */
static int run_view(tg_program *g, tg_step *s, tg_value *v)
{
    uint32_t moves = 0; /* none of them ever falls */
    for (int i = 0; i < s->n_in; ++i)
        moves += g->values[s->in[i]].moves;
    if (s->is_view && moves == s->moves && !tg_op_writes(s->op))
        return TG_OK;
    if (s->is_view)
        tg_drop(v->t);
    s->is_view = false;
    tg_placement_begin(&g->placement, &s->records, NULL, -1);
    tg_tensor *out = NULL;
    int status = call_row(g, s, &out);
    if (!status && !s->is_settled)
        status = check_result(g, s, out);
    if (status)
        return status;
    s->is_settled = true;
    s->moves = moves;
    ++v->moves;
    ++v->layout;
    if (is_view_of(g, s, out)) {
        s->is_view = true;
        v->t = out;
        return TG_OK;
    }
    if (tg_program_spare(v) != TG_OK)
        return TG_EMEMORY;
    v->own.data = v->buffer.data = v->spare;
    v->buffer.capacity = v->spare_bytes;
    tg_copy(&v->own, out);
    v->t = &v->own;
    return TG_OK;
}

int tg_step_run(tg_program *g, tg_step *s)
{
    tg_value *v = s->n_out ? &g->values[s->out[0]] : NULL;
    if (v && v->role == TG_VIEW)
        return run_view(g, s, v);
    if (s->in_place) {
        uint32_t layouts = 0;
        for (int i = 0; i < s->n_in; ++i)
            layouts += g->values[s->in[i]].layout;
        if (layouts != s->layouts)
            s->place_at = -1;
        s->layouts = layouts;
    }
    tg_placement_begin(&g->placement, &s->records, v ? &v->buffer : NULL, s->place_at);
    tg_tensor *out = NULL;
    int status = call_row(g, s, &out);
    if (status || !v) {
        if (!status)
            tg_drop(out);
        return status;
    }
    if (!s->is_settled && (status = check_result(g, s, out)) != TG_OK)
        return status;
    s->is_settled = true;
    if (out->data == v->own.data && tg_is_contiguous(out))
        return TG_OK;
    status = move_result(g, s, out);
    tg_drop(out);
    return status;
}

/* --- GROUP ------------------------------------------------------------------------------------ */

int tg_step_group(tg_program *g, tg_step *s)
{
    tg_placement *pl = &g->placement;
    for (int i = 0; i < s->n_in + s->n_out; ++i) {
        const tg_value *v = &g->values[s->in[i]]; /* out follows in */
        g->operands[i] = v->t;
        g->layouts[i] = v->layout;
    }
    tg_placement_begin(pl, &s->records, NULL, -1);
    pl->used = pl->asked = tg_group_scratch(s->group);
    return tg_group_run(s->group, g->operands, g->layouts, g->operands + s->n_in, pl->arena);
}

/* --- OPTIM ------------------------------------------------------------------------------------ */

/* Once: that the values fit, and the tasks. */
static int settle_updates(tg_program *g, const tg_step *s, tg_optim_step *o)
{
    const int each = 2 + o->n_states;
    o->updates = (tg_updates){.at = o->updates.at};
    o->updates.sgd = o->is_adam ? NULL : &o->sgd;
    o->updates.adam = o->is_adam ? &o->adam : NULL;
    for (int i = 0; i < s->n_in / each; ++i) {
        const tg_tensor *p = g->values[s->in[i * each]].t;
        bool fits = tg_is_compute(p->dtype) && tg_is_contiguous(p);
        for (int k = 1; k < each && fits; ++k) {
            const tg_tensor *t = g->values[s->in[i * each + k]].t;
            fits = tg_is_like(t, p) && (k == 1 || tg_is_contiguous(t));
        }
        if (!fits)
            return tg_fail(TG_EVALUE,
                           "step %d: parameter %d is not contiguous floats, or its gradient or "
                           "state is not like it",
                           (int)(s - g->steps), i);
        o->updates.at[i].p = g->values[s->in[i * each]].t;
        tg_updates_count(&o->updates, &o->updates.at[i]);
    }
    return TG_OK;
}

int tg_step_optim(tg_program *g, tg_step *s)
{
    tg_optim_step *o = s->optim;
    const int each = 2 + o->n_states;
    if (!s->is_settled) {
        const int status = settle_updates(g, s, o);
        if (status)
            return status;
        s->is_settled = true;
    }
    if (o->is_adam)
        memcpy(&o->adam, o->hyper, sizeof o->adam);
    else
        memcpy(&o->sgd, o->hyper, sizeof o->sgd);
    tg_placement_begin(&g->placement, &s->records, NULL, -1);
    for (int64_t i = 0; i < o->updates.n; ++i) {
        tg_update *u = &o->updates.at[i];
        const int *in = s->in + i * each;
        u->p = g->values[in[0]].t;
        for (int k = 0; k < o->n_states; ++k)
            u->state[k] = g->values[in[2 + k]].t;
        u->g = g->values[in[1]].t;
        if (!tg_is_contiguous(u->g) && !(u->g = tg_contiguous(u->g)))
            return TG_EMEMORY;
        u->t = o->counts[o->count_at[i]] + 1;
    }
    tg_updates_run(&o->updates);
    for (int64_t i = 0; i < o->updates.n; ++i)
        ++o->counts[o->count_at[i]];
    return TG_OK;
}

/* --- RANDOM, GUARD, PYTHON ---------------------------------------------------------------- */

int tg_step_random(tg_program *g, tg_step *s)
{
    const tg_random *r = s->random;
    const tg_tensor *out = g->values[s->out[0]].t;
    const tg_seed *seed = &g->seeds[r->generator];
    const uint64_t counter = seed->counter + (uint64_t)r->offset;
    const double *p = r->live ? r->live : r->params;
    if (r->what == 0)
        return tg_random_uniform(out->dtype, out->data, out->size, p[0], p[1], seed->seed,
                                 counter);
    if (r->what == 1)
        return tg_random_normal(out->dtype, out->data, out->size, p[0], p[1], seed->seed,
                                counter);
    return tg_random_bernoulli((uint8_t *)out->data, out->size, p[0], seed->seed, counter);
}

int tg_step_guard(tg_program *g, tg_step *s)
{
    const tg_tensor *t = g->values[s->in[0]].t;
    bool truth = false;
    if (t->dtype == TG_F32)
        truth = *(const float *)(const void *)t->data != 0;
    else if (t->dtype == TG_F64)
        truth = *(const double *)(const void *)t->data != 0;
    else
        for (size_t i = 0; i < tg_itemsize(t->dtype); ++i)
            truth |= t->data[i] != 0;
    return truth == s->expected ? TG_OK : TG_EGUARD;
}

int tg_step_python(tg_program *g, tg_step *s)
{
    struct tg_placement *const placing = tg_placing;
    const bool is_unlocked = g->lock != NULL;
    tg_placing = NULL;
    tg_relock(g->lock);
    const int status = g->call_python(g, s);
    g->lock = is_unlocked ? tg_unlock(1e9) : NULL;
    tg_placing = placing;
    return status;
}
