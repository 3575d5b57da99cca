/* entry.c: what one line of the Wengert list holds, and what Python has told of each op's rules. */
#include "tape.h"

#include <stdlib.h>

#include "pool.h"
#include "tensor.h"

/* --- op facts told by Python ------------------------------------------------------------- */

enum { MAX_OPS = 1024, MAX_RULES = 4 }; /* inputs past the third share the fourth's rule */

static struct {
    char *name; /* of ops that only Python runs */
    uint8_t rules;
    bool calls;
    uint16_t residuals[MAX_RULES];
} facts[MAX_OPS];
static int n_registered;

static int rule_slot(int input) { return input < MAX_RULES ? input : MAX_RULES - 1; }

int tg_op_residuals(int op, int input, int mask)
{
    if (op < 0 || op >= MAX_OPS || input < 0)
        return tg_fail(TG_EVALUE, "no place for op %d, input %d", op, input);
    facts[op].rules |= (uint8_t)(1 << rule_slot(input));
    facts[op].residuals[rule_slot(input)] |= (uint16_t)mask;
    return TG_OK;
}

/* The id of an op that only Python runs; the C rows come first. */
int tg_op_register(const char *name)
{
    const int op = tg_op_count() + n_registered;
    if (op >= MAX_OPS || !(facts[op].name = strdup(name)))
        return tg_fail(TG_EMEMORY, "no place for another op");
    ++n_registered;
    return op;
}

const char *tg_entry_name(const tg_entry *e)
{
    const int op = tg_entry_op(e);
    return op < tg_op_count() ? tg_op_name(op) : facts[op].name;
}

uint16_t tg_residuals(int op, int input) { return facts[op].residuals[rule_slot(input)]; }
bool tg_has_rule(int op, int input) { return facts[op].rules >> rule_slot(input) & 1; }
bool tg_is_differentiable(int op) { return facts[op].rules != 0; }

static void (*hold_call)(int64_t), (*drop_call)(int64_t);

void tg_entry_calls(int op, void (*hold)(int64_t), void (*drop)(int64_t))
{
    facts[op].calls = true;
    hold_call = hold;
    drop_call = drop;
}

static bool is_call(int op) { return facts[op].calls; }
bool tg_entry_is_call(const tg_entry *e) { return is_call(tg_entry_op(e)) && e->n_p; }

/* --- entries ----------------------------------------------------------------------------- */

static size_t far_bytes(int n_in, int n_p)
{
    return ((size_t)(n_in > 2 ? n_in : 0) + (size_t)(n_p ? n_p + 1 : 0)) * 8;
}

/* Fill e from call; takes a ref on every record, a use on what `saved` names. */
int tg_entry_fill(tg_entry *e, const tg_call *call, tg_tensor *out, uint16_t saved)
{
    const size_t bytes = far_bytes(call->n_in, call->n_p);
    if (call->n_in > UINT16_MAX || call->n_p > UINT16_MAX - 1)
        return tg_fail(TG_EVALUE, "too many operands in one op: %d", call->n_in);
    e->far = NULL;
    if (bytes && !(e->far = tg_alloc(tg_class_of(bytes))))
        return tg_fail_memory();
    e->n_in = (uint16_t)call->n_in;
    e->n_p = (uint16_t)call->n_p;
    tg_tensor **in = call->n_in > 2 ? (tg_tensor **)e->far : e->near;
    uint32_t versions = 0;
    for (int i = 0; i < call->n_in; ++i) {
        in[i] = call->in[i];
        ++in[i]->refs;
        if (tg_saves_in(saved, i)) {
            ++in[i]->uses;
            versions += tg_version(in[i]);
        }
    }
    if (call->n_p) {
        int64_t *p = (int64_t *)e->far + (call->n_in > 2 ? call->n_in : 0);
        memcpy(p, call->p, (size_t)call->n_p * sizeof *p);
        p[call->n_p] = (int64_t)call->floats;
    }
    e->out = out;
    ++out->refs;
    if (saved & TG_SAVED_OUT)
        ++out->uses;
    e->saved = saved;
    e->versions = versions;
    e->line = 0;
    e->op = (uint16_t)(call->op + 1);
    if (is_call(call->op) && call->n_p)
        hold_call(call->p[0]);
    return TG_OK;
}

void tg_entry_clear(tg_entry *e)
{
    tg_entry old = *e;
    e->op = 0;
    tg_tensor *const *in = tg_entry_in(&old);
    for (int i = 0; i < old.n_in; ++i) {
        if (tg_saves_in(old.saved, i))
            tg_unuse(in[i]);
        tg_unref(in[i]);
    }
    if (old.saved & TG_SAVED_OUT)
        tg_unuse(old.out);
    tg_unref(old.out);
    const int64_t number = old.n_p ? tg_entry_params(&old)[0] : 0;
    if (old.far)
        tg_free(old.far, tg_class_of(far_bytes(old.n_in, old.n_p)));
    if (is_call(tg_entry_op(&old)) && old.n_p)
        drop_call(number); /* last: Python may run anything now */
}

/* --- traces ------------------------------------------------------------------------------ */

/* Room for one more in a growing array of pointers. */
static bool grow(tg_tensor ***array, size_t *room, size_t n)
{
    if (n < *room)
        return true;
    const size_t wider = *room ? 2 * *room : 16;
    tg_tensor **p = realloc(*array, wider * sizeof *p);
    if (!p)
        return false;
    *array = p;
    *room = wider;
    return true;
}

static uint32_t note_view(const tg_call *call, const tg_tensor *out)
{
    for (int i = 0; i < call->n_in && i < 14; ++i)
        if (call->in[i]->buffer == out->buffer)
            return (uint32_t)(i + 1) << TG_TRACE_VIEW_SHIFT;
    return 0;
}

int tg_trace_append(tg_trace *trace, const tg_call *call, tg_tensor *out, uint32_t notes)
{
    if (trace->n == trace->room) {
        const size_t room = trace->room ? 2 * trace->room : 16;
        tg_entry *wider = realloc(trace->entries, room * sizeof *wider);
        if (!wider)
            return tg_fail_memory();
        trace->entries = wider;
        trace->room = room;
    }
    /* the data of every operand: a constant's value goes into the template */
    const int n = call->n_in < TG_MAX_SAVED_IN ? call->n_in : TG_MAX_SAVED_IN;
    tg_entry *e = &trace->entries[trace->n];
    const int status = tg_entry_fill(e, call, out, (uint16_t)((1u << n) - 1));
    if (status)
        return status;
    ++trace->n;
    if (trace->program) {
        const tg_list *list = tg_list_here();
        e->line = list ? list->line : 0;
        e->versions = notes | note_view(call, out);
        out->flags |= TG_TRACED;
    }
    return TG_OK;
}

bool tg_is_tracing(void)
{
    const tg_list *list = tg_list_here();
    return list && list->trace && list->trace->program;
}

static bool has(tg_tensor *const *array, size_t n, const tg_tensor *t)
{
    for (size_t i = n; i-- > 0;)
        if (array[i] == t)
            return true;
    return false;
}

int tg_trace_sets_grad(tg_trace *trace, tg_tensor *variable)
{
    if (!trace->program || has(trace->grads_set, trace->n_grads_set, variable))
        return TG_OK;
    if (!grow(&trace->grads_set, &trace->grads_set_room, trace->n_grads_set))
        return tg_fail_memory();
    trace->grads_set[trace->n_grads_set++] = tg_hold(variable);
    return TG_OK;
}

int tg_trace_reads_grad(tg_trace *trace, tg_tensor *variable)
{
    if (!trace->program || has(trace->grads_set, trace->n_grads_set, variable))
        return TG_OK;
    if (variable->grad) {
        const tg_call call = {.op = 0, .n_in = 1, .in = &variable};
        const int status = tg_trace_append(trace, &call, variable->grad, TG_TRACE_GRAD);
        return status ? status : tg_trace_sets_grad(trace, variable);
    }
    if (has(trace->grads_none, trace->n_grads_none, variable))
        return TG_OK;
    if (!grow(&trace->grads_none, &trace->grads_none_room, trace->n_grads_none))
        return tg_fail_memory();
    trace->grads_none[trace->n_grads_none++] = tg_hold(variable);
    return TG_OK;
}

void tg_trace_clear(tg_trace *trace)
{
    while (trace->n)
        tg_entry_clear(&trace->entries[--trace->n]);
    for (size_t i = 0; i < trace->n_grads_set; ++i)
        tg_drop(trace->grads_set[i]);
    for (size_t i = 0; i < trace->n_grads_none; ++i)
        tg_drop(trace->grads_none[i]);
    free(trace->grads_set);
    free(trace->grads_none);
    free(trace->entries);
    memset(trace, 0, sizeof *trace);
}
