/* rule.c: run one derivative rule.
 *
 * A rule is a Python function written with tapegrad ops. It runs once per signature, on real
 * tensors, while a trace logs its entries; frozen, they are the rule's template, which C runs from
 * then on. Elementwise rules do not depend on shapes, unless they are asked for a block of
 * cotangents; for the others the shapes and params are part of the signature. Where nobody
 * records, elementwise rows have a fused kernel instead. */
#include "template.h"

#include <stdlib.h>

#include "kernels.h"
#include "map.h"
#include "tensor.h"

/* --- signatures -------------------------------------------------------------------------- */

static size_t put_shape(int64_t *key, size_t at, const tg_tensor *t)
{
    key[at++] = t->dtype << 8 | t->ndim;
    memcpy(key + at, t->dims, t->ndim * sizeof *key);
    return at + t->ndim;
}

/* Words written, 0: too many. */
static size_t write_key(int64_t *key, const tg_rule *rule)
{
    const tg_entry *e = rule->e;
    const int op = tg_entry_op(e);
    size_t at = 0;
    key[at++] = (int64_t)op << 32 | rule->input << 8 | (rule->block != 0) << 1 | rule->kind;
    key[at++] = rule->ct->dtype | tg_entry_in(e)[0]->dtype << 8; /* of |z| they differ */
    if (e->n_p > 256)
        return 0;
    for (int i = 0; i < e->n_p; ++i)
        key[at++] = tg_entry_params(e)[i];
    if (rule->block)
        at = put_shape(key, at, rule->ct);
    else if (tg_ops[op].run == tg_run_map)
        return at;
    for (int i = 0; i < e->n_in; ++i) {
        if (at + 66 > TG_MAX_KEY)
            return 0;
        at = put_shape(key, at, tg_entry_in(e)[i]);
    }
    return at;
}

static void sign(tg_signature *s, const tg_rule *rule)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    s->words = write_key(s->key, rule);
    for (size_t i = 0; i < s->words; ++i) {
        h = (h ^ (uint64_t)s->key[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    s->hash = h;
}

/* --- asking Python ------------------------------------------------------------------------- */

typedef struct question {
    tg_list *list;
    const tg_signature *signature;
    tg_rule_fn *python;
    void *context;
} question;

/* What a rule does is its entry's line's doing, which the sweep has put in force; a user's rule has
 * lines of its own. Tapes and switches forget the line. */
static int ask(const question *q, const tg_rule *rule, tg_tensor **result)
{
    const uint32_t line = q->list->line;
    const size_t n_lines = q->list->n_lines;
    if (!tg_entry_is_call(rule->e))
        q->list->n_lines = 0;
    const int status = q->python(q->context, rule, result);
    q->list->n_lines = n_lines;
    q->list->line = line;
    return status;
}

/* *made: a template of what Python did, NULL if there can be none. */
static int trace_rule(const question *q, const tg_rule *rule, tg_tensor **result,
                      tg_template **made)
{
    tg_trace trace = {0}, *outer = q->list->trace;
    q->list->trace = &trace;
    const int status = ask(q, rule, result);
    q->list->trace = outer;
    *made = status ? NULL : tg_template_freeze(rule, &trace, *result);
    tg_trace_clear(&trace);
    return status;
}

static bool operands_differ(const tg_rule *rule)
{
    const tg_entry *e = rule->e;
    for (int i = 0; i < e->n_in; ++i) {
        const tg_tensor *t = tg_entry_in(e)[i];
        if (t == rule->ct || t == e->out)
            return false;
        for (int j = 0; j < i; ++j)
            if (t == tg_entry_in(e)[j])
                return false;
    }
    return rule->ct != e->out;
}

/* A rule whose operands are records of their own, of the same arrays. */
typedef struct twin {
    tg_rule rule;
    tg_entry entry;
    tg_tensor **in, *out, *ct;
    int n_in;
} twin;

static void twin_free(twin *w)
{
    if (w->entry.op)
        tg_entry_clear(&w->entry);
    for (int i = 0; i < w->n_in; ++i)
        tg_drop(w->in[i]);
    tg_drop(w->out);
    tg_drop(w->ct);
    free(w->in);
}

static int twin_of(const tg_rule *rule, twin *w)
{
    const tg_entry *e = rule->e;
    *w = (twin){.out = tg_alias(e->out), .ct = tg_alias(rule->ct)};
    w->in = calloc((size_t)e->n_in, sizeof *w->in);
    bool is_whole = w->out && w->ct && w->in;
    for (; is_whole && w->n_in < e->n_in; w->n_in += is_whole)
        is_whole = (w->in[w->n_in] = tg_alias(tg_entry_in(e)[w->n_in])) != NULL;
    const tg_call call = {.op = tg_entry_op(e),
                          .n_in = w->n_in,
                          .n_p = e->n_p,
                          .in = w->in,
                          .p = tg_entry_params(e),
                          .floats = tg_entry_floats(e)};
    w->rule = (tg_rule){.kind = rule->kind,
                        .input = rule->input,
                        .e = &w->entry,
                        .ct = w->ct,
                        .block = rule->block};
    return is_whole ? tg_entry_fill(&w->entry, &call, w->out, 0) : tg_fail_memory();
}

/* The trace tells operands apart by their records. Where two of them are one (both factors of
 * x * x, a cotangent that is an operand too), it could not say which of the two a step reads, and
 * the template would be wrong for a * b. So Python gets a twin of the rule, while nothing records:
 * tapes do not know the twin's operands. The template then runs on the true ones. */
static int define_by_twin(const question *q, const tg_rule *rule, tg_tensor **result)
{
    twin w;
    tg_tensor *unused = NULL;
    tg_template *t = NULL;
    int status = twin_of(rule, &w);
    if (!status) {
        const uint32_t line = q->list->line; /* of the entry; switches forget it */
        const bool was_on = tg_set_recording(q->list, false);
        status = trace_rule(q, &w.rule, &unused, &t);
        tg_set_recording(q->list, was_on);
        q->list->line = line;
    }
    tg_drop(unused);
    twin_free(&w);
    if (status)
        return status;
    if (!t)
        return ask(q, rule, result);
    status = tg_template_run(t, rule, result);
    tg_template_keep(t, q->signature);
    return status;
}

/* Ask Python, and keep a template of what it did if all of it was C's. */
static int define(const question *q, const tg_rule *rule, tg_tensor **result)
{
    /* a rule inside a rule's trace is part of that trace */
    if (!q->signature->words || (q->list->trace && !q->list->trace->program))
        return ask(q, rule, result);
    /* a program's trace wants what the template does on the true operands */
    if (!operands_differ(rule) || q->list->trace)
        return define_by_twin(q, rule, result);
    tg_template *t;
    const int status = trace_rule(q, rule, result, &t);
    if (t)
        tg_template_keep(t, q->signature);
    return status;
}

/* --- running --------------------------------------------------------------------------- */

/* The cotangent, if only its sweep has it and needs it no more: it may be written over. */
static tg_tensor *spent(const tg_rule *rule)
{
    tg_tensor *ct = rule->ct;
    return rule->is_last && tg_is_unshared(ct) && tg_is_contiguous(ct) ? ct : NULL;
}

/* Whether a kernel may take a block of cotangents (or tangents) for one: its axes have to lie as
 * the output's do. */
static bool is_aligned(const tg_rule *rule)
{
    const tg_entry *e = rule->e;
    return !rule->block || rule->kind == TG_VJP ||
           tg_entry_in(e)[rule->input]->ndim == e->out->ndim;
}

/* Values a rule did not ask to keep are NULL to a fused kernel. */
static int fused(const tg_rule *rule, tg_tensor **result, tg_tensor *place)
{
    const tg_entry *e = rule->e;
    tg_tensor *in[3] = {NULL, NULL, NULL};
    for (int i = 0; i < e->n_in && i < 3; ++i)
        in[i] = tg_entry_in(e)[i]->data ? tg_entry_in(e)[i] : NULL;
    return tg_map_vjp(tg_entry_op(e), rule->input, result, place, rule->ct, in,
                      e->out->data ? e->out : NULL, tg_entry_params(e), e->n_p);
}

/* Log a fused vjp as one entry: its operands are those the kernel reads. */
static int trace_fused(tg_trace *trace, const tg_rule *rule, tg_tensor *result)
{
    const tg_entry *e = rule->e;
    const uint32_t reads = tg_map_reads(tg_entry_op(e), rule->input);
    tg_tensor *in[5] = {rule->ct};
    int n = 1;
    for (int i = 0; i <= e->n_in; ++i)
        if (reads >> i & 1)
            in[n++] = i < e->n_in ? tg_entry_in(e)[i] : e->out;
    const tg_call call = {.op = tg_entry_op(e),
                          .n_in = n,
                          .in = in,
                          .n_p = e->n_p,
                          .p = tg_entry_params(e),
                          .floats = tg_entry_floats(e)};
    return tg_trace_append(trace, &call, result,
                           (uint32_t)(rule->input + 1) << TG_TRACE_VJP_SHIFT |
                               reads << TG_TRACE_READS_SHIFT);
}

int tg_rule_run(const tg_rule *rule, tg_tensor **result, tg_rule_fn *python, void *context)
{
    const int op = tg_entry_op(rule->e);
    tg_list *list = tg_list_here();
    if (!list)
        return TG_EMEMORY;
    tg_signature signature; /* not cleared: it is large, and of most rules a few words */
    const question q = {list, &signature, python, context};
    if (op >= tg_op_count())
        return ask(&q, rule, result);
    const bool traced = list->trace && list->trace->program;
    if (tg_ops[op].run == tg_run_map && is_aligned(rule) && !list->n_active &&
        (traced || !list->trace)) {
        int status = fused(rule, result, traced ? NULL : spent(rule));
        if (status == TG_OK && traced && *result != rule->ct)
            status = trace_fused(list->trace, rule, *result);
        if (status != TG_ENOKERNEL)
            return status;
    }
    sign(&signature, rule);
    tg_template *t = tg_template_find(&signature);
    return t ? tg_template_run(t, rule, result) : define(&q, rule, result);
}
