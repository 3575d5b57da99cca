/* template.c: derivative rules as small programs.
 *
 * A template is what a trace of a rule's Python function (rule.c) logged, frozen: steps over
 * (cotangent, output, inputs, earlier steps, constants). It is instantiated through tg_apply, which
 * appends the steps when a tape records: so every order of derivative comes from the one
 * statement of the rule. The cache keeps templates by signature. */
#include "template.h"

#include <limits.h>
#include <stdlib.h>

#include "tensor.h"

/* operand codes; IN - i is input i; >= 0: values[] */
enum { CT = -1, OUT = -2, IN = -3, BORN_OUTSIDE = INT_MIN };
enum { MAX_STEPS = 512, MAX_OPERANDS = 256, MAX_CACHED = 4096 };

typedef struct step {
    int op, n_in, n_p, operands; /* operands: first index into codes */
    int params; /* first index into params */
    uint64_t floats;
} step;

typedef struct tg_template {
    uint64_t hash;
    size_t key_words;
    int64_t *key;
    int in_use; /* long kernels let other threads in meanwhile */
    int n_steps, n_constants, result;
    step *steps;
    int *codes; /* values[j]: constants first, then the steps */
    int *last_use; /* per value: the step after which it is dropped */
    int64_t *params;
    tg_tensor **constants;
    struct tg_template *next;
} template;

static template **cache; /* open addressing */
static size_t n_cached, cache_size;

static void *copy_of(const void *p, size_t bytes)
{
    void *q = malloc(bytes ? bytes : 1);
    if (q && bytes)
        memcpy(q, p, bytes);
    return q;
}

/* --- the cache --------------------------------------------------------------------------- */

tg_template *tg_template_find(const tg_signature *s)
{
    if (!cache_size)
        return NULL;
    for (size_t i = s->hash & (cache_size - 1);; i = (i + 1) & (cache_size - 1)) {
        template *t = cache[i];
        if (!t)
            return NULL;
        if (t->hash == s->hash && t->key_words == s->words &&
            memcmp(t->key, s->key, s->words * sizeof *s->key) == 0)
            return t;
    }
}

static void template_free(template *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->n_constants; ++i)
        tg_drop(t->constants[i]);
    free(t->key);
    free(t->steps);
    free(t->codes);
    free(t->last_use);
    free(t->params);
    free(t->constants);
    free(t);
}

static void place(template *t)
{
    size_t i = t->hash & (cache_size - 1);
    while (cache[i])
        i = (i + 1) & (cache_size - 1);
    cache[i] = t;
    ++n_cached;
}

void tg_templates_clear(void)
{
    template *kept = NULL; /* those at work stay */
    for (size_t i = 0; i < cache_size; ++i) {
        template *t = cache[i];
        cache[i] = NULL;
        if (t && t->in_use) {
            t->next = kept;
            kept = t;
        } else {
            template_free(t);
        }
    }
    n_cached = 0;
    for (; kept; kept = kept->next)
        place(kept);
}

static bool insert(template *t)
{
    if (n_cached >= MAX_CACHED) /* shapes keep changing: start over */
        tg_templates_clear();
    if (n_cached >= MAX_CACHED)
        return false; /* all of them at work */
    if (!cache) {
        cache = calloc(2 * MAX_CACHED, sizeof *cache);
        if (!cache)
            return false;
        cache_size = 2 * MAX_CACHED;
    }
    place(t);
    return true;
}

void tg_template_keep(template *t, const tg_signature *s)
{
    t->hash = s->hash;
    t->key_words = s->words;
    t->key = copy_of(s->key, s->words * sizeof *s->key);
    if (!t->key || tg_template_find(s) || !insert(t))
        template_free(t);
}

/* --- from a trace to a template ------------------------------------------------------------ */

static int code_of(const tg_rule *rule, const tg_trace *trace, size_t n_before,
                   const tg_tensor *t)
{
    if (t == rule->ct)
        return CT;
    if (t == rule->e->out)
        return OUT;
    for (int i = 0; i < rule->e->n_in; ++i)
        if (t == tg_entry_in(rule->e)[i])
            return IN - i;
    for (size_t j = n_before; j-- > 0;)
        if (t == trace->entries[j].out)
            return (int)j;
    return BORN_OUTSIDE;
}

tg_template *tg_template_freeze(const tg_rule *rule, const tg_trace *trace,
                                const tg_tensor *result)
{
    if (trace->foreign || trace->n > MAX_STEPS || !result)
        return NULL;
    size_t n_codes = 0, n_params = 0;
    for (size_t j = 0; j < trace->n; ++j) {
        n_codes += trace->entries[j].n_in;
        n_params += trace->entries[j].n_p;
    }
    template *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->n_steps = (int)trace->n;
    t->steps = calloc(trace->n + 1, sizeof *t->steps);
    t->codes = calloc(n_codes + 1, sizeof *t->codes);
    t->last_use = calloc(n_codes + trace->n + 1, sizeof *t->last_use);
    t->params = calloc(n_params + 1, sizeof *t->params);
    t->constants = calloc(n_codes + 1, sizeof(tg_tensor *));
    if (!t->steps || !t->codes || !t->last_use || !t->params || !t->constants)
        goto give_up;
    /* steps are coded as j here and moved behind the constants once those are counted */
    size_t at_code = 0, at_param = 0;
    enum { FIRST_CONSTANT = 1 << 20 };
    for (size_t j = 0; j < trace->n; ++j) {
        const tg_entry *e = &trace->entries[j];
        if (e->n_in > MAX_OPERANDS)
            goto give_up;
        t->steps[j] = (step){.op = tg_entry_op(e),
                             .n_in = e->n_in,
                             .n_p = e->n_p,
                             .operands = (int)at_code,
                             .params = (int)at_param,
                             .floats = tg_entry_floats(e)};
        for (int i = 0; i < e->n_in; ++i) {
            tg_tensor *x = tg_entry_in(e)[i];
            int code = code_of(rule, trace, j, x);
            if (code == BORN_OUTSIDE) { /* a constant */
                if (x->size > 64 || !x->data) /* not a literal: an array the rule captured */
                    goto give_up;
                t->constants[t->n_constants] = tg_hold(x);
                code = FIRST_CONSTANT + t->n_constants++;
            }
            t->codes[at_code++] = code;
        }
        if (e->n_p)
            memcpy(t->params + at_param, tg_entry_params(e), e->n_p * sizeof(int64_t));
        at_param += e->n_p;
    }
    t->result = code_of(rule, trace, trace->n, result);
    if (t->result == BORN_OUTSIDE)
        goto give_up;
    for (size_t i = 0; i < n_codes; ++i)
        if (t->codes[i] >= 0)
            t->codes[i] = t->codes[i] >= FIRST_CONSTANT ? t->codes[i] - FIRST_CONSTANT
                                                        : t->codes[i] + t->n_constants;
    if (t->result >= 0)
        t->result += t->n_constants;
    for (int j = 0; j < t->n_steps; ++j)
        for (int i = 0; i < t->steps[j].n_in; ++i) {
            const int code = t->codes[t->steps[j].operands + i];
            if (code >= 0)
                t->last_use[code] = j;
        }
    return t;
give_up:
    template_free(t);
    return NULL;
}

/* --- running ----------------------------------------------------------------------------- */

static tg_tensor *operand(const tg_rule *rule, tg_tensor *const *values, int code)
{
    return code >= 0     ? values[code]
           : code == CT  ? rule->ct
           : code == OUT ? rule->e->out
                         : tg_entry_in(rule->e)[IN - code];
}

static int instantiate(const template *t, const tg_rule *rule, tg_tensor **result)
{
    tg_tensor *values[2 * MAX_STEPS];
    const int n_values = t->n_constants + t->n_steps;
    if (n_values > 2 * MAX_STEPS)
        return TG_ENOKERNEL;
    memcpy(values, t->constants, (size_t)t->n_constants * sizeof *values);
    int status = TG_OK, done = 0;
    for (; done < t->n_steps; ++done) {
        const step *s = &t->steps[done];
        const int *codes = t->codes + s->operands;
        tg_tensor *in[MAX_OPERANDS];
        for (int i = 0; i < s->n_in; ++i)
            in[i] = operand(rule, values, codes[i]);
        const tg_call call = {.op = s->op,
                              .n_in = s->n_in,
                              .in = in,
                              .n_p = s->n_p,
                              .p = t->params + s->params,
                              .floats = s->floats};
        status = tg_apply(&call, &values[t->n_constants + done]);
        if (status)
            break;
        for (int i = 0; i < s->n_in; ++i) {
            const int code = codes[i];
            if (code >= t->n_constants && t->last_use[code] == done && code != t->result) {
                tg_drop(values[code]);
                values[code] = NULL;
            }
        }
    }
    if (!status)
        *result = tg_hold(operand(rule, values, t->result));
    for (int j = 0; j < done; ++j)
        tg_drop(values[t->n_constants + j]);
    return status;
}

int tg_template_run(template *t, const tg_rule *rule, tg_tensor **result)
{
    ++t->in_use;
    const int status = instantiate(t, rule, result);
    --t->in_use;
    return status;
}
