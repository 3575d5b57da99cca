/* program.c: a run of a program: bind the caller's memory, make the outputs', do the steps,
 * hand the results over. The run functions are eager code's, so the bits are too; what a run
 * saves is everything around them: no Python, no tape, no pool (placement.c stands in), no
 * lock. */
#define _GNU_SOURCE
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels.h"
#include "move.h"
#include "pool.h"
#include "tensor.h"

/* --- before the steps --------------------------------------------------------------------- */

/* Whether a run writes some of this memory: what a caller gave is a parameter's own array. */
static bool is_written(const tg_program *g, const tg_memory *m)
{
    for (int i = 0; i < g->n_captured; ++i) {
        const tg_value *v = &g->values[g->captured[i]];
        const tg_buffer *b = v->is_written ? v->captured->buffer : NULL;
        if (b && m->begin < b->data + b->capacity && b->data < m->end)
            return true;
    }
    return false;
}

int tg_program_spare(tg_value *v)
{
    void *spare = NULL;
    const size_t room = tg_room((size_t)v->own.size * tg_itemsize(v->own.dtype));
    if (v->spare)
        return TG_OK;
    if (posix_memalign(&spare, TG_PAD, room) != 0)
        return tg_fail_memory();
    v->spare = spare;
    v->spare_bytes = room;
    return TG_OK;
}

/* Put m's values, as they are now, into memory of the program's own, in C order; *m is that then.
 * strides: room for the new ones. */
static int copy_apart(tg_value *v, tg_memory *m, int64_t *strides)
{
    tg_tensor to = v->own, from = v->own;
    if (tg_program_spare(v) != TG_OK)
        return TG_EMEMORY;
    int64_t to_dims[2 * TG_MAX_NDIM], from_dims[2 * TG_MAX_NDIM];
    const size_t axes = (size_t)m->ndim * sizeof *strides;
    tg_c_strides(strides, m->ndim, m->shape);
    memcpy(to_dims, m->shape, axes);
    memcpy(to_dims + m->ndim, strides, axes);
    memcpy(from_dims, m->shape, axes);
    memcpy(from_dims + m->ndim, m->strides, axes);
    tg_buffer theirs = {.data = m->begin, .refs = 2}, ours = {.data = v->spare, .refs = 2};
    to.dims = to_dims;
    to.data = v->spare;
    to.buffer = &ours;
    from.dims = from_dims;
    from.data = m->data;
    from.buffer = &theirs;
    ours.capacity = v->spare_bytes;
    theirs.capacity = (size_t)(m->end - m->begin);
    if (to.size)
        tg_copy(&to, &from);
    m->data = m->begin = v->spare;
    m->end = v->spare + v->spare_bytes;
    m->strides = strides;
    return TG_OK;
}

int tg_program_bind(tg_program *g, int value, const tg_memory *given, int argument)
{
    tg_value *v = &g->values[value];
    tg_tensor *t = &v->own;
    tg_memory apart = *given, *m = &apart;
    int64_t strides[TG_MAX_NDIM];
    const size_t axes = (size_t)t->ndim * sizeof *m->shape;
    if (m->dtype != t->dtype || m->ndim != t->ndim || memcmp(m->shape, t->dims, axes) != 0)
        return tg_fail(TG_ESHAPE, "input %d has another shape or dtype than was recorded",
                       argument);
    if (is_written(g, m) && copy_apart(v, m, strides) != TG_OK)
        return TG_EMEMORY;
    v->moves += m->data != t->data;
    t->data = m->data;
    v->buffer.data = m->begin;
    v->buffer.capacity = (size_t)(m->end - m->begin);
    if (memcmp(m->strides, t->dims + t->ndim, axes) != 0) {
        memcpy(t->dims + t->ndim, m->strides, axes);
        ++v->moves;
        ++v->layout;
    }
    return TG_OK;
}

static int bind_captured(tg_program *g)
{
    for (int i = 0; i < g->n_captured; ++i) {
        tg_value *v = &g->values[g->captured[i]];
        const tg_tensor *t = v->captured;
        if (v->is_written && t->data && tg_before_write(t))
            return TG_EMEMORY;
        if (t->data == v->own.data)
            continue;
        if (!t->data)
            return tg_fail(TG_ERELEASED, "a Tensor that the program reads has been released");
        ++v->moves;
        v->own.data = t->data;
        v->buffer.data = t->buffer->data;
        v->buffer.capacity = t->buffer->capacity;
    }
    return TG_OK;
}

static int make_outputs(tg_program *g)
{
    for (int i = 0; i < g->n_outputs; ++i) {
        tg_value *v = &g->values[g->outputs[i]];
        tg_tensor *t = &v->own;
        v->fresh = tg_new(t->dtype, t->ndim, tg_shape(t));
        if (!v->fresh)
            return TG_EMEMORY;
        v->moves += t->data != v->fresh->data;
        t->data = v->buffer.data = v->fresh->data;
        v->buffer.capacity = v->fresh->buffer->capacity;
    }
    return TG_OK;
}

void tg_program_move_hosted(tg_program *g)
{
    for (int i = 0; i < g->n_hosted; ++i) {
        tg_value *v = &g->values[g->hosted[i]];
        char *data = g->values[v->host].own.data + v->offset;
        v->moves += data != v->own.data;
        v->own.data = v->buffer.data = data;
    }
}

int tg_program_start(tg_program *g)
{
    int status = bind_captured(g);
    if (!status)
        status = tg_placement_fit(&g->placement);
    if (!status)
        status = make_outputs(g);
    if (!status)
        tg_program_move_hosted(g);
    return status;
}

/* --- the steps ---------------------------------------------------------------------------- */

double tg_program_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct tg_placement *tg_program_enter(tg_program *g, double ns)
{
    struct tg_placement *const outer = tg_placing;
    g->lock = tg_unlock(ns);
    tg_placing = &g->placement;
    return outer;
}

void tg_program_leave(tg_program *g, struct tg_placement *outer)
{
    tg_placing = outer;
    tg_relock(g->lock);
}

/* Say which step failed, and where it was recorded. */
static int explain(tg_program *g, const tg_step *s, int status)
{
    g->failed_step = (int)(s - g->steps);
    if (status == TG_EPYTHON || status == TG_EMEMORY || status == TG_EGUARD)
        return status;
    char text[400], shapes[200];
    snprintf(text, sizeof text, "%s", tg_error_text());
    if (s->op >= 0 && (s->kind == TG_STEP_RUN || s->kind == TG_STEP_PRODUCT))
        tg_fail(status, "entry %d, %s of %s: %s", g->failed_step, tg_ops[s->op].name,
                tg_shapes_text(shapes, sizeof shapes, tg_step_operands(g, s), s->n_in), text);
    tg_error_was_at(&(tg_error_place){.line = s->line});
    return status;
}

/* The steps, and the time of each. */
static int time_steps(tg_program *g)
{
    double from = tg_program_now();
    for (int j = 0; j < g->n_steps; ++j) {
        const int status = g->steps[j].run(g, &g->steps[j]);
        tg_placement_end(&g->placement);
        if (status)
            return explain(g, &g->steps[j], status);
        const double now = tg_program_now();
        g->step_ns[j] = now - from;
        from = now;
    }
    g->failed_step = -1;
    return TG_OK;
}

int tg_program_do_steps(tg_program *g)
{
    if (g->step_ns)
        return time_steps(g);
    tg_step *const end = g->steps + g->n_steps;
    for (tg_step *s = g->steps; s < end; ++s) {
        const int status = s->run(g, s);
        if (g->placement.overflows)
            tg_placement_end(&g->placement);
        if (status)
            return explain(g, s, status);
    }
    g->failed_step = -1;
    return TG_OK;
}

int tg_program_run_steps(tg_program *g)
{
    struct tg_placement *const outer = tg_program_enter(g, g->ns);
    const double from = tg_program_now();
    const int status = tg_program_do_steps(g);
    g->ns = tg_program_now() - from;
    tg_program_leave(g, outer);
    return status;
}

/* --- after the steps ---------------------------------------------------------------------- */

tg_tensor *tg_program_result(tg_program *g, int value)
{
    tg_value *v = &g->values[value];
    tg_tensor *result = v->fresh;
    if (result) {
        v->fresh = NULL;
        return result;
    }
    result = tg_new(v->t->dtype, v->t->ndim, tg_shape(v->t));
    if (result)
        tg_copy(result, v->t);
    return result;
}

void tg_program_finish(tg_program *g)
{
    for (int i = 0; i < g->n_outputs; ++i) {
        tg_drop(g->values[g->outputs[i]].fresh);
        g->values[g->outputs[i]].fresh = NULL;
    }
    for (int i = 0; i < g->n_captured; ++i) {
        const tg_value *v = &g->values[g->captured[i]];
        if (v->is_written && v->captured->buffer)
            ++v->captured->buffer->version;
    }
}
