/* template.h: rules as programs, and the cache of them. See template.c. */
#ifndef TG_TEMPLATE_H
#define TG_TEMPLATE_H

#include "sweep.h"

enum { TG_MAX_KEY = 1024 };

/* What a template depends on: op, input and kind, dtypes, params, and shapes if they count. */
typedef struct tg_signature {
    uint64_t hash;
    size_t words; /* 0: too much to keep a template by */
    int64_t key[TG_MAX_KEY];
} tg_signature;

typedef struct tg_template tg_template;

tg_template *tg_template_find(const tg_signature *s); /* NULL: none yet */
/* What the trace of a rule logged, its result included. Every operand of the rule must be a record
 * of its own. NULL: this rule has none (out of memory counts as that: Python still runs it). */
tg_template *tg_template_freeze(const tg_rule *rule, const tg_trace *trace,
                                const tg_tensor *result);
void tg_template_keep(tg_template *t, const tg_signature *s); /* takes t over */
int tg_template_run(tg_template *t, const tg_rule *rule, tg_tensor **result);

#endif
