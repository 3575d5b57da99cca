/* program.c: recorded entries as a program: values numbered, dead steps dropped, memory planned.
 *
 * A run goes through the same run functions as eager code, so it gives the same bits. What it
 * saves is everything around them: no Python, no tape, no pool (placement.c stands in). */
#include "program.h"

#include <stdlib.h>

#include "kernels.h"
#include "placement.h"
#include "pool.h"
#include "sweep.h"
#include "tensor.h"

typedef struct step {
    int op, n_in, n_p, out;
    int operands, params; /* first index into codes, params */
    int n_dead, dead; /* values dropped after it: first index into dying */
} step;

struct tg_program {
    int n_values, n_inputs, n_captured, n_steps, n_outputs;
    tg_tensor **values; /* inputs, captured, then one per step */
    int64_t *input_dims; /* ndim, dtype, shape of each input, in a row */
    step *steps;
    int *codes, *dying, *outputs;
    int64_t *params;
    bool running;
    tg_placement placement;
};

/* --- from a trace to a program --------------------------------------------------------------- */

/* Open addressing from record to value number. */
typedef struct numbering {
    const tg_tensor **keys;
    int *numbers;
    size_t size;
} numbering;

static size_t place_of(const numbering *t, const tg_tensor *key)
{
    size_t i = (size_t)(((uintptr_t)key >> 6) * 0x9e3779b97f4a7c15u >> 20) & (t->size - 1);
    while (t->keys[i] && t->keys[i] != key)
        i = (i + 1) & (t->size - 1);
    return i;
}

static int number_of(const numbering *t, const tg_tensor *key)
{
    const size_t i = place_of(t, key);
    return t->keys[i] ? t->numbers[i] : -1;
}

static void set_number(numbering *t, const tg_tensor *key, int number)
{
    const size_t i = place_of(t, key);
    t->keys[i] = key;
    t->numbers[i] = number;
}

void tg_program_free(tg_program *g)
{
    if (!g)
        return;
    for (int i = 0; g->values && i < g->n_captured; ++i)
        tg_drop(g->values[g->n_inputs + i]);
    tg_placement_forget(&g->placement);
    free(g->values);
    free(g->input_dims);
    free(g->steps);
    free(g->codes);
    free(g->dying);
    free(g->outputs);
    free(g->params);
    free(g);
}

/* Steps that an output, or a write to a parameter, depends on. */
static void mark_live(const tg_trace *trace, const numbering *made, size_t n_outputs,
                      tg_tensor *const *outputs, bool *live)
{
    for (size_t k = 0; k < n_outputs; ++k) {
        const int j = number_of(made, outputs[k]);
        if (j >= 0)
            live[j] = true;
    }
    for (size_t j = trace->n; j-- > 0;) {
        const tg_entry *e = &trace->entries[j];
        live[j] |= tg_op_writes(tg_entry_op(e));
        for (int i = 0; live[j] && i < e->n_in; ++i) {
            const int from = number_of(made, tg_entry_in(e)[i]);
            if (from >= 0 && (size_t)from < j)
                live[from] = true;
        }
    }
}

static int fill(tg_program *g, const tg_trace *trace, const bool *live, const numbering *made,
                numbering *numbers, tg_tensor *const *inputs, tg_tensor *const *outputs)
{
    size_t at_code = 0, at_param = 0;
    int *last_use = NULL;
    for (int k = 0; k < g->n_inputs; ++k)
        set_number(numbers, inputs[k], k);
    g->n_values = g->n_inputs;
    for (size_t j = 0; j < trace->n; ++j) { /* captured ones first, so that they */
        const tg_entry *e = &trace->entries[j]; /* are numbered before the steps */
        for (int i = 0; live[j] && i < e->n_in; ++i) {
            tg_tensor *x = tg_entry_in(e)[i];
            const int from = number_of(made, x);
            if ((from < 0 || (size_t)from >= j) && number_of(numbers, x) < 0) {
                g->values[g->n_values] = tg_hold(x);
                ++g->n_captured;
                set_number(numbers, x, g->n_values++);
            }
        }
    }
    for (size_t j = 0; j < trace->n; ++j) {
        const tg_entry *e = &trace->entries[j];
        if (!live[j])
            continue;
        step *s = &g->steps[g->n_steps++];
        *s = (step){.op = tg_entry_op(e),
                    .n_in = e->n_in,
                    .n_p = e->n_p,
                    .out = g->n_values,
                    .operands = (int)at_code,
                    .params = (int)at_param};
        for (int i = 0; i < e->n_in; ++i)
            g->codes[at_code++] = number_of(numbers, tg_entry_in(e)[i]);
        if (e->n_p)
            memcpy(g->params + at_param, tg_entry_params(e), e->n_p * sizeof(int64_t));
        at_param += e->n_p;
        set_number(numbers, e->out, g->n_values++);
    }
    for (int k = 0; k < g->n_outputs; ++k)
        if ((g->outputs[k] = number_of(numbers, outputs[k])) < 0)
            return tg_fail(TG_EVALUE, "output %d was not computed while the trace was open", k);
    last_use = calloc((size_t)g->n_values + 1, sizeof *last_use);
    if (!last_use)
        return tg_fail_memory();
    for (int j = 0; j < g->n_steps; ++j) {
        last_use[g->steps[j].out] = j;
        for (int i = 0; i < g->steps[j].n_in; ++i)
            last_use[g->codes[g->steps[j].operands + i]] = j;
    }
    for (int k = 0; k < g->n_outputs; ++k)
        last_use[g->outputs[k]] = g->n_steps;
    int at_dead = 0;
    const int first_made = g->n_inputs + g->n_captured;
    for (int j = 0; j < g->n_steps; ++j) {
        step *s = &g->steps[j];
        s->dead = at_dead;
        for (int i = 0; i < s->n_in; ++i) {
            const int v = g->codes[s->operands + i];
            bool seen = false;
            for (int b = 0; b < i; ++b)
                seen |= g->codes[s->operands + b] == v;
            if (v >= first_made && last_use[v] == j && !seen)
                g->dying[at_dead++] = v;
        }
        if (last_use[s->out] == j)
            g->dying[at_dead++] = s->out;
        s->n_dead = at_dead - s->dead;
    }
    free(last_use);
    return TG_OK;
}

static int remember_inputs(tg_program *g, tg_tensor *const *inputs)
{
    size_t words = 0;
    for (int k = 0; k < g->n_inputs; ++k)
        words += 2 + inputs[k]->ndim;
    g->input_dims = malloc((words + 1) * sizeof *g->input_dims);
    if (!g->input_dims)
        return tg_fail_memory();
    int64_t *at = g->input_dims;
    for (int k = 0; k < g->n_inputs; ++k) {
        *at++ = inputs[k]->ndim;
        *at++ = inputs[k]->dtype;
        memcpy(at, tg_shape(inputs[k]), inputs[k]->ndim * sizeof *at);
        at += inputs[k]->ndim;
    }
    return TG_OK;
}

tg_program *tg_program_new(const tg_trace *trace, size_t n_inputs, tg_tensor *const *inputs,
                           size_t n_outputs, tg_tensor *const *outputs)
{
    if (trace->foreign) {
        tg_fail(TG_ENOKERNEL, "the trace holds an op without C kernel");
        return NULL;
    }
    size_t n_operands = 0, n_params = 0;
    for (size_t j = 0; j < trace->n; ++j) {
        n_operands += trace->entries[j].n_in;
        n_params += trace->entries[j].n_p;
    }
    size_t table = 64;
    while (table < 4 * (n_operands + trace->n + n_inputs + 1))
        table *= 2;
    const size_t n_values = n_inputs + n_operands + trace->n + 1;
    tg_program *g = calloc(1, sizeof *g);
    numbering made = {calloc(table, sizeof(tg_tensor *)), calloc(table, sizeof(int)), table};
    numbering numbers = {calloc(table, sizeof(tg_tensor *)), calloc(table, sizeof(int)), table};
    bool *live = calloc(trace->n + 1, 1);
    int status = TG_EMEMORY;
    if (g && made.keys && made.numbers && numbers.keys && numbers.numbers && live) {
        g->values = calloc(n_values, sizeof *g->values);
        g->steps = calloc(trace->n + 1, sizeof *g->steps);
        g->codes = calloc(n_operands + 1, sizeof *g->codes);
        g->dying = calloc(n_operands + trace->n + 1, sizeof *g->dying);
        g->outputs = calloc(n_outputs + 1, sizeof *g->outputs);
        g->params = calloc(n_params + 1, sizeof *g->params);
        g->n_inputs = (int)n_inputs;
        g->n_outputs = (int)n_outputs;
    }
    if (g && g->values && g->steps && g->codes && g->dying && g->outputs && g->params) {
        for (size_t j = 0; j < trace->n; ++j)
            set_number(&made, trace->entries[j].out, (int)j);
        mark_live(trace, &made, n_outputs, outputs, live);
        status = remember_inputs(g, inputs);
        if (!status)
            status = fill(g, trace, live, &made, &numbers, inputs, outputs);
    } else {
        tg_fail_memory();
    }
    free(made.keys);
    free(made.numbers);
    free(numbers.keys);
    free(numbers.numbers);
    free(live);
    if (status) {
        tg_program_free(g);
        return NULL;
    }
    return g;
}

/* --- running ----------------------------------------------------------------------------- */

static int check_inputs(const tg_program *g, tg_tensor *const *inputs)
{
    const int64_t *at = g->input_dims;
    for (int k = 0; k < g->n_inputs; ++k) {
        const int64_t ndim = *at++, dtype = *at++;
        if (inputs[k]->ndim != ndim || inputs[k]->dtype != dtype || !inputs[k]->data ||
            memcmp(at, tg_shape(inputs[k]), (size_t)ndim * sizeof *at) != 0)
            return tg_fail(TG_ESHAPE, "input %d has another shape or dtype than was recorded",
                           k);
        at += ndim;
    }
    return TG_OK;
}

static int run_steps(tg_program *g)
{
    tg_tensor *in[16], **wide = NULL;
    int status = TG_OK, j = 0;
    for (; j < g->n_steps && !status; ++j) {
        const step *s = &g->steps[j];
        tg_tensor **operands = in;
        if (s->n_in > 16 && !(operands = wide = malloc((size_t)s->n_in * sizeof *wide)))
            return tg_fail_memory();
        for (int i = 0; i < s->n_in; ++i)
            operands[i] = g->values[g->codes[s->operands + i]];
        const tg_op *op = &tg_ops[s->op];
        g->values[s->out] = NULL;
        status =
            op->run(op, &g->values[s->out], operands, s->n_in, g->params + s->params, s->n_p);
        free(wide);
        wide = NULL;
        for (int d = 0; d < s->n_dead && !status; ++d) {
            tg_drop(g->values[g->dying[s->dead + d]]);
            g->values[g->dying[s->dead + d]] = NULL;
        }
    }
    return status;
}

/* Drop what a run left, so that the placement sees every buffer's end. */
static void drop_values(tg_program *g)
{
    for (int j = 0; j < g->n_steps; ++j) {
        tg_drop(g->values[g->steps[j].out]);
        g->values[g->steps[j].out] = NULL;
    }
}

int tg_program_run(tg_program *g, tg_tensor *const *inputs, tg_tensor **outputs)
{
    int status = check_inputs(g, inputs);
    if (status)
        return status;
    if (g->running)
        return tg_fail(TG_ETAPE, "this program is running already, in another thread or in "
                                 "itself");
    g->running = true;
    for (int k = 0; k < g->n_inputs; ++k)
        g->values[k] = inputs[k];
    tg_placement *pl = &g->placement;
    pl->next_request = pl->next_record = 0;
    tg_placing = pl;
    status = run_steps(g);
    tg_placing = NULL;
    for (int k = 0; k < g->n_outputs && !status; ++k) {
        tg_tensor *value = g->values[g->outputs[k]];
        outputs[k] = tg_new(value->dtype, value->ndim, tg_shape(value));
        if (outputs[k])
            tg_copy(outputs[k], value);
        else
            status = TG_EMEMORY;
    }
    tg_placing = pl;
    drop_values(g);
    tg_placing = NULL;
    if (status)
        tg_placement_forget(pl);
    else if (!pl->planned)
        status = tg_placement_plan(pl);
    g->running = false;
    return status;
}

size_t tg_program_length(const tg_program *g) { return (size_t)g->n_steps; }

size_t tg_program_planned_bytes(const tg_program *g) { return g->placement.block_bytes; }
