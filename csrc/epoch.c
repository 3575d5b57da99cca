/* epoch.c: run a program step after step over batches of rows: rows gathered into memory of the
 * program, all steps without the interpreter lock, results put side by side. Returns to Python
 * every 50 ms or so, at the end of a step, for Ctrl-C. Called by pyepoch.c. */
#include "epoch.h"

#include <stdlib.h>

#include "move.h"
#include "tensor.h"

static const double RETURN_NS = 50e6;

/* --- before the first step ---------------------------------------------------------------- */

static int check_rows(const tg_program *g, const tg_epoch *e, int argument)
{
    const tg_memory *m = &e->rows[argument].memory;
    const tg_tensor *t = &g->values[g->argument_of[argument]].own;
    const bool fits =
        m->dtype == t->dtype && m->ndim == t->ndim && m->ndim > 0 &&
        tg_shape(t)[0] == e->batch &&
        memcmp(m->shape + 1, tg_shape(t) + 1, (size_t)(m->ndim - 1) * sizeof *m->shape) == 0;
    if (!fits)
        return tg_fail(TG_ESHAPE,
                       "input %d has rows of another shape or dtype than was recorded, or the "
                       "batches are of another size",
                       argument);
    const int64_t last = (e->first + e->n) * e->batch;
    if (last > (e->order ? e->n_order : m->shape[0]))
        return tg_fail(TG_EINDEX, "input %d has %lld rows, the steps read %lld", argument,
                       (long long)m->shape[0], (long long)last);
    for (int64_t i = e->first * e->batch; e->order && i < last; ++i)
        if (e->order[i] < 0 || e->order[i] >= m->shape[0])
            return tg_fail(TG_EINDEX, "row number %lld is not among the %lld of input %d",
                           (long long)e->order[i], (long long)m->shape[0], argument);
    return TG_OK;
}

/* Memory for a batch of this argument, kept with the program; the value is bound to it. */
static int make_room(tg_program *g, int argument)
{
    tg_value *v = &g->values[g->argument_of[argument]];
    const tg_tensor *t = &v->own;
    if (tg_program_spare(v) != TG_OK)
        return TG_EMEMORY;
    int64_t strides[TG_MAX_NDIM];
    tg_c_strides(strides, t->ndim, tg_shape(t));
    const tg_memory m = {
        t->dtype, t->ndim, tg_shape(t), strides, v->spare, v->spare, v->spare + v->spare_bytes};
    return tg_program_bind(g, g->argument_of[argument], &m, argument);
}

/* --- gradients from step to step ------------------------------------------------------------- */

static int read_from(tg_program *g, int value, const tg_tensor *t)
{
    const tg_memory m = tg_memory_of(t);
    return tg_program_bind(g, value, &m, value);
}

static int prepare_carry(tg_program *g, const tg_epoch *e, tg_carry *c)
{
    if (c->made >= 0 && e->n > 1) {
        const tg_tensor *t = &g->values[c->made].own;
        if (!(c->spare = tg_new(t->dtype, t->ndim, tg_shape(t))))
            return TG_EMEMORY;
    }
    return c->read >= 0 ? read_from(g, c->read, c->before) : TG_OK;
}

/* What a step has made is what the next one reads, and that one writes to the other place. Twice
 * is not at all. */
static int swap_gradients(tg_program *g, const tg_epoch *e)
{
    int status = TG_OK;
    for (int k = 0; k < e->n_carries && !status; ++k) {
        tg_carry *c = &e->carries[k];
        if (c->made < 0)
            continue;
        tg_value *v = &g->values[c->made];
        tg_tensor *const last = v->fresh;
        v->fresh = c->spare;
        c->spare = last;
        ++v->moves;
        v->own.data = v->buffer.data = v->fresh->data;
        v->buffer.capacity = v->fresh->buffer->capacity;
        if (c->read >= 0)
            status = read_from(g, c->read, last);
    }
    tg_program_move_hosted(g);
    return status;
}

int tg_epoch_prepare(tg_program *g, tg_epoch *e)
{
    int status = TG_OK;
    for (int k = 0; k < e->n_rows && !status; ++k) {
        tg_rows *r = &e->rows[k];
        if (g->argument_of[k] < 0)
            continue;
        status = check_rows(g, e, k);
        r->in_place = !e->order;
        if (!status && !r->in_place)
            status = make_room(g, k);
    }
    for (int k = 0; k < e->n_carries && !status; ++k)
        status = prepare_carry(g, e, &e->carries[k]);
    return status;
}

void tg_epoch_end(tg_epoch *e)
{
    for (int k = 0; k < e->n_carries; ++k) {
        tg_drop(e->carries[k].before);
        tg_drop(e->carries[k].spare);
    }
}

/* --- a step's batch -------------------------------------------------------------------------- */

static void gather(const tg_program *g, const tg_epoch *e, int argument, int64_t step)
{
    const tg_memory *m = &e->rows[argument].memory;
    const tg_tensor *t = &g->values[g->argument_of[argument]].own;
    const int64_t item = (int64_t)tg_itemsize(m->dtype), stride = m->strides[0] * item;
    const int64_t *order = e->order + step * e->batch;
    const size_t bytes = e->batch ? (size_t)(t->size / e->batch * item) : 0;
    char *to = t->data;
    if (tg_is_c_order(&(tg_memory){
            .ndim = m->ndim - 1, .shape = m->shape + 1, .strides = m->strides + 1}))
        for (int64_t i = 0; i < e->batch; ++i, to += bytes)
            memcpy(to, m->data + order[i] * stride, bytes);
    else
        for (int64_t i = 0; i < e->batch; ++i, to += bytes)
            tg_copy_strided(to, tg_strides(t) + 1, m->data + order[i] * stride, m->strides + 1,
                            m->ndim - 1, m->shape + 1, (size_t)item);
}

/* Point the argument at its next rows. */
static int bind_in_place(tg_program *g, const tg_epoch *e, int argument, int64_t step)
{
    tg_memory m = e->rows[argument].memory;
    m.data += step * e->batch * m.strides[0] * (int64_t)tg_itemsize(m.dtype);
    int64_t shape[TG_MAX_NDIM];
    memcpy(shape, m.shape, (size_t)m.ndim * sizeof *shape);
    shape[0] = e->batch;
    m.shape = shape;
    return tg_program_bind(g, g->argument_of[argument], &m, argument);
}

static int bring(tg_program *g, const tg_epoch *e, int64_t step)
{
    int status = TG_OK;
    for (int k = 0; k < e->n_rows && !status; ++k) {
        if (g->argument_of[k] < 0)
            continue;
        if (e->rows[k].in_place)
            status = bind_in_place(g, e, k, step);
        else
            gather(g, e, k, step);
    }
    return status;
}

/* --- all of them -------------------------------------------------------------------------- */

/* C-order copy of the value into its place among the step's results. */
static void stack_result(const tg_program *g, const tg_stack *s, int64_t step)
{
    const tg_tensor *t = g->values[s->value].t;
    char *to = s->data + step * (int64_t)s->bytes;
    if (tg_is_contiguous(t)) {
        memcpy(to, t->data, s->bytes);
        return;
    }
    int64_t strides[TG_MAX_NDIM];
    tg_c_strides(strides, t->ndim, tg_shape(t));
    tg_copy_strided(to, strides, t->data, tg_strides(t), t->ndim, tg_shape(t),
                    tg_itemsize(t->dtype));
}

int tg_epoch_run(tg_program *g, const tg_epoch *e, int64_t *done)
{
    struct tg_placement *const outer = tg_program_enter(g, 1e9);
    const double from = tg_program_now();
    int status = TG_OK;
    for (*done = 0; *done < e->n; ++*done) {
        const int64_t step = e->first + *done;
        g->failed_step = 0;
        if ((status = bring(g, e, step)) != TG_OK ||
            (*done && (status = swap_gradients(g, e)) != TG_OK))
            break;
        if ((status = tg_program_do_steps(g)) != TG_OK) {
            if (*done)
                swap_gradients(g, e); /* can only bind what was bound before */
            break;
        }
        for (int k = 0; k < e->n_stacks; ++k)
            stack_result(g, &e->stacks[k], step);
        for (int k = 0; k < g->n_generators; ++k)
            e->seeds[k].counter += e->blocks[k];
        if (tg_program_now() - from > RETURN_NS) {
            ++*done;
            break;
        }
    }
    tg_program_leave(g, outer);
    return status;
}
