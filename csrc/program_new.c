/* program_new.c: make a program from what Python lists: values with their places, then the steps in
 * order. Everything a run relies on is checked here, once. */
#include <stdlib.h>

#include "kernels.h"
#include "pool.h"
#include "program.h"
#include "sweep.h"
#include "tensor.h"

tg_program *tg_program_new(int n_values, int n_steps, size_t block_bytes, int n_inputs)
{
    tg_program *g = calloc(1, sizeof *g);
    bool is_made = g != NULL;
    if (g) {
        g->n_values = n_values;
        g->n_steps = n_steps;
        g->n_inputs = n_inputs;
        g->block_bytes = block_bytes;
        g->values = calloc((size_t)n_values + 1, sizeof *g->values);
        g->steps = calloc((size_t)n_steps + 1, sizeof *g->steps);
        g->argument_of = malloc(((size_t)n_inputs + 1) * sizeof *g->argument_of);
        g->captured = malloc(((size_t)n_values + 1) * sizeof *g->captured);
        g->outputs = malloc(((size_t)n_values + 1) * sizeof *g->outputs);
        g->hosted = malloc(((size_t)n_values + 1) * sizeof *g->hosted);
        is_made = g->values && g->steps && g->argument_of && g->captured && g->outputs &&
                  g->hosted && block_bytes <= PTRDIFF_MAX / 2 &&
                  (g->block = tg_system_block(block_bytes + TG_PAD)) != NULL;
    }
    if (!is_made) {
        tg_fail_memory();
        tg_program_free(g);
        return NULL;
    }
    for (int k = 0; k < n_inputs; ++k)
        g->argument_of[k] = -1;
    return g;
}

/* --- values ------------------------------------------------------------------------------- */

static int set_dims(tg_value *v, int ndim, const int64_t *shape)
{
    tg_tensor *t = &v->own;
    t->ndim = (uint8_t)ndim;
    t->dims = t->inline_dims;
    if (ndim > 2 && !(t->dims = malloc(2 * (size_t)ndim * sizeof *t->dims))) {
        t->dims = t->inline_dims;
        t->ndim = 0;
        return tg_fail_memory();
    }
    int64_t stride = 1;
    t->size = 1;
    for (int i = ndim; i-- > 0;) {
        t->dims[i] = shape[i];
        t->dims[ndim + i] = stride;
        if (shape[i] < 0 ||
            __builtin_mul_overflow(stride, shape[i] > 0 ? shape[i] : 1, &stride) ||
            stride > INT64_MAX / 64)
            return tg_fail(TG_ESHAPE, "a value's shape is negative or too large");
        t->size *= shape[i];
    }
    return TG_OK;
}

/* Look at a captured Tensor's memory, through counts of our own. */
static void alias(tg_value *v)
{
    const tg_tensor *from = v->captured;
    v->own.data = from->data;
    v->buffer.data = from->buffer->data;
    v->buffer.capacity = from->buffer->capacity;
}

int tg_program_value(tg_program *g, int index, char role, int dtype, int ndim,
                     const int64_t *shape, tg_tensor *captured, size_t where, int host)
{
    tg_value *v = &g->values[index];
    if (dtype < 0 || dtype >= TG_N_DTYPES || ndim < 0 || ndim > TG_MAX_NDIM)
        return tg_fail(TG_EVALUE, "value %d: no such dtype, or too many axes", index);
    v->role = role;
    v->maker = v->host = -1;
    v->layout = 1;
    v->buffer = (tg_buffer){.refs = 1, .size_class = TG_PLACED};
    v->own = (tg_tensor){.refs = 1, .uses = 1, .gen = 1, .index = TG_PLACED};
    v->own.dtype = (uint8_t)dtype;
    v->own.buffer = &v->buffer;
    v->t = role == TG_VIEW ? NULL : &v->own;
    const int status = set_dims(v, ndim, shape);
    if (status)
        return status;
    const size_t bytes = (size_t)v->own.size * tg_itemsize(dtype);
    switch (role) {
    case TG_ARGUMENT:
        if (where >= (size_t)g->n_inputs || g->argument_of[where] >= 0)
            return tg_fail(TG_EVALUE, "value %d: no such argument, or it has one already",
                           index);
        g->argument_of[where] = index;
        return TG_OK;
    case TG_CAPTURED:
        if (!captured->data || captured->dtype != dtype || captured->ndim != ndim ||
            memcmp(tg_shape(captured), shape, (size_t)ndim * sizeof *shape) != 0)
            return tg_fail(TG_EVALUE, "value %d: the captured Tensor is another", index);
        memcpy(v->own.dims, captured->dims, 2 * (size_t)ndim * sizeof *shape);
        v->captured = captured;
        alias(v);
        g->captured[g->n_captured++] = index;
        return TG_OK;
    case TG_PLANNED:
        v->offset = where;
        v->buffer.capacity = tg_room(bytes);
        if (host >= 0) { /* tg_program_ready looks at it */
            v->host = host;
            g->hosted[g->n_hosted++] = index;
            return TG_OK;
        }
        if (where % TG_PAD || where > g->block_bytes || bytes > g->block_bytes - where)
            return tg_fail(TG_EVALUE, "value %d: its place is not in the block", index);
        v->own.data = v->buffer.data = g->block + where;
        return TG_OK;
    case TG_OUTPUT: g->outputs[g->n_outputs++] = index; return TG_OK;
    case TG_ARRAY:
    case TG_VIEW: return TG_OK;
    default: return tg_fail(TG_EVALUE, "value %d: no role '%c'", index, role);
    }
}

/* --- steps -------------------------------------------------------------------------------- */

tg_step *tg_program_step(tg_program *g, int index, int kind, int op, int n_in, int n_out,
                         int n_p)
{
    tg_step *s = &g->steps[index];
    s->kind = (uint8_t)kind;
    s->op = op;
    s->n_in = n_in;
    s->n_out = n_out;
    s->n_p = n_p;
    s->in = malloc(((size_t)n_in + (size_t)n_out + 1) * sizeof *s->in);
    s->p = malloc(((size_t)n_p + 1) * sizeof *s->p);
    if (!s->in || !s->p) {
        tg_fail_memory();
        return NULL;
    }
    s->out = s->in + n_in;
    if (n_in + n_out > g->n_widest)
        g->n_widest = n_in + n_out;
    return s;
}

/* The value whose memory v shows. */
static const tg_value *base_of(const tg_program *g, const tg_value *v)
{
    while (v->role == TG_VIEW && g->steps[v->maker].n_in)
        v = &g->values[g->steps[v->maker].in[0]];
    return v;
}

static void mark_written(tg_program *g, int value)
{
    g->values[base_of(g, &g->values[value]) - g->values].is_written = true;
}

bool tg_shares_place(const tg_program *g, const tg_value *in, const tg_value *out)
{
    in = base_of(g, in);
    return in->role == TG_PLANNED && out->role == TG_PLANNED && in->host == out->host &&
           in->offset < out->offset + out->buffer.capacity &&
           out->offset < in->offset + in->buffer.capacity;
}

static bool shares_place(const tg_program *g, const tg_step *s)
{
    for (int i = 0; i < s->n_in; ++i)
        if (tg_shares_place(g, &g->values[s->in[i]], &g->values[s->out[0]]))
            return true;
    return false;
}

static int check_values(tg_program *g, const tg_step *s, int index)
{
    for (int i = 0; i < s->n_in + s->n_out; ++i)
        if (s->in[i] < 0 || s->in[i] >= g->n_values || !g->values[s->in[i]].role)
            return tg_fail(TG_EVALUE, "step %d: no value %d", index, s->in[i]);
    for (int i = 0; i < s->n_in; ++i) {
        const tg_value *v = &g->values[s->in[i]];
        const bool is_made =
            v->role == TG_PLANNED || v->role == TG_OUTPUT || v->role == TG_VIEW;
        if (is_made && v->maker < 0)
            return tg_fail(TG_EVALUE, "step %d reads value %d before a step has made it", index,
                           s->in[i]);
    }
    for (int i = 0; i < s->n_out; ++i) {
        tg_value *v = &g->values[s->out[i]];
        if ((v->role != TG_PLANNED && v->role != TG_OUTPUT &&
             (v->role != TG_VIEW || s->kind != TG_STEP_RUN)) ||
            v->maker >= 0)
            return tg_fail(TG_EVALUE,
                           "step %d cannot make value %d: another does, or its role "
                           "is '%c'",
                           index, s->out[i], v->role);
        v->maker = index;
    }
    for (int i = 0; i < s->n_in + s->n_out; ++i) { /* out follows in */
        const tg_value *v = base_of(g, &g->values[s->in[i]]);
        if (v->host >= 0 && v->host < g->n_values && g->values[v->host].maker >= 0)
            return tg_fail(TG_EVALUE,
                           "step %d uses value %d, whose place is an output's that is made",
                           index, s->in[i]);
    }
    return TG_OK;
}

int tg_program_step_ready(tg_program *g, tg_step *s)
{
    const int index = (int)(s - g->steps);
    static const struct {
        tg_step_fn *run;
        int min_in, min_out, max_out;
    } kinds[TG_N_STEPS] = {
        [TG_STEP_RUN] = {tg_step_run, 1, 0, 1},
        [TG_STEP_GROUP] = {tg_step_group, 0, 1, INT32_MAX},
        [TG_STEP_OPTIM] = {tg_step_optim, 0, 0, 0},
        [TG_STEP_RANDOM] = {tg_step_random, 0, 1, 1},
        [TG_STEP_GUARD] = {tg_step_guard, 1, 0, 0},
        [TG_STEP_PYTHON] = {tg_step_python, 0, 0, 1},
        [TG_STEP_PRODUCT] = {tg_step_product, 2, 1, 2},
    };
    const int status = check_values(g, s, index);
    if (status)
        return status;
    if (s->n_in < kinds[s->kind].min_in || s->n_out < kinds[s->kind].min_out ||
        s->n_out > kinds[s->kind].max_out)
        return tg_fail(TG_EVALUE, "step %d: %d inputs and %d outputs do not fit its kind",
                       index, s->n_in, s->n_out);
    s->run = kinds[s->kind].run;
    if (s->kind == TG_STEP_RUN || s->kind == TG_STEP_PRODUCT) {
        const int n_row = tg_step_row_inputs(s);
        if (s->op < 0 || s->op >= tg_op_count() || n_row > s->n_in ||
            n_row < tg_ops[s->op].min_in || (n_row > tg_ops[s->op].max_in && !tg_is_biased(s)))
            return tg_fail(TG_EVALUE, "step %d: no such row, or not its number of inputs",
                           index);
        s->in_place = s->n_out && shares_place(g, s);
        if (s->in_place) /* what a run function asks for first may not be its result */
            s->place_at = -1;
        if (tg_op_writes(s->op))
            mark_written(g, s->in[0]);
    }
    for (int i = 0; s->kind == TG_STEP_PYTHON && i < s->n_p; ++i) {
        if (s->p[i] < 0 || s->p[i] >= s->n_in)
            return tg_fail(TG_EVALUE, "step %d writes no input %lld", index,
                           (long long)s->p[i]);
        mark_written(g, s->in[s->p[i]]);
    }
    if (s->kind == TG_STEP_GUARD)
        g->has_guards = true;
    return TG_OK;
}

/* Values in the memory of outputs fit there. */
static int check_hosts(const tg_program *g)
{
    for (int i = 0; i < g->n_hosted; ++i) {
        const tg_value *v = &g->values[g->hosted[i]];
        const tg_value *host = v->host < g->n_values ? &g->values[v->host] : NULL;
        const size_t room = host && host->role == TG_OUTPUT
                                ? (size_t)host->own.size * tg_itemsize(host->own.dtype)
                                : 0;
        if (v->offset % TG_PAD || v->offset > room || v->buffer.capacity > room - v->offset)
            return tg_fail(TG_EVALUE, "value %d: its place is not in an output", g->hosted[i]);
    }
    return TG_OK;
}

int tg_program_ready(tg_program *g)
{
    g->operands = malloc(((size_t)g->n_widest + 1) * sizeof *g->operands);
    g->layouts = malloc(((size_t)g->n_widest + 1) * sizeof *g->layouts);
    if (!g->operands || !g->layouts)
        return tg_fail_memory();
    for (int j = 0; j < g->n_steps; ++j) {
        const tg_step *s = &g->steps[j];
        if (s->kind == TG_STEP_GROUP && tg_group_scratch(s->group) > g->placement.wanted)
            g->placement.wanted = tg_group_scratch(s->group);
        for (int i = 0; s->kind == TG_STEP_OPTIM && i < s->n_in; ++i)
            if (i % (2 + s->optim->n_states) != 1) /* not the gradient */
                mark_written(g, s->in[i]);
    }
    for (int v = 0; v < g->n_values; ++v)
        if (g->values[v].role == TG_OUTPUT && g->values[v].maker < 0)
            return tg_fail(TG_EVALUE, "no step makes output value %d", v);
    const int status = check_hosts(g);
    return status ? status : tg_placement_fit(&g->placement);
}

void tg_program_free(tg_program *g)
{
    if (!g)
        return;
    for (int j = 0; g->steps && j < g->n_steps; ++j) {
        tg_step *s = &g->steps[j];
        if (s->kind == TG_STEP_GROUP)
            tg_group_free(s->group);
        else if (s->kind == TG_STEP_OPTIM && s->optim) {
            free(s->optim->updates.at);
            free(s->optim->count_at);
            free(s->optim);
        } else if (s->kind == TG_STEP_RANDOM)
            free(s->random);
        else if (s->product && (s->kind == TG_STEP_PRODUCT || s->kind == TG_STEP_RUN))
            tg_product_free(s->product);
        tg_records_forget(&s->records);
        free(s->in);
        free(s->p);
    }
    for (int v = 0; g->values && v < g->n_values; ++v) {
        if (g->values[v].own.dims != g->values[v].own.inline_dims)
            free(g->values[v].own.dims);
        free(g->values[v].spare);
    }
    tg_placement_forget(&g->placement);
    free(g->block);
    free(g->operands);
    free(g->layouts);
    free(g->argument_of);
    free(g->captured);
    free(g->outputs);
    free(g->hosted);
    free(g->step_ns);
    free(g->values);
    free(g->steps);
    free(g);
}
