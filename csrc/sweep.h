/* sweep.h: apply, templates, and the two sweeps over a tape. */
#ifndef TG_SWEEP_H
#define TG_SWEEP_H

#include "tape.h"

/* --- apply.c ----------------------------------------------------------------------------- */
/* Run one op and, when a tape that tracks an operand is recording, append it. *out is fresh. */
int tg_apply(const tg_call *call, tg_tensor **out);
/* The same for the core's own needs; where C has no kernel, by tg_set_elsewhere's function. */
int tg_apply_op(int op, tg_tensor **out, int n_in, tg_tensor *const *in, int n_p,
                const int64_t *p);
typedef int tg_apply_fn(const tg_call *call, tg_tensor **out);
void tg_set_elsewhere(tg_apply_fn *apply);
/* Append an op that ran elsewhere (in Python) and gave out. */
int tg_record(const tg_call *call, tg_tensor *out);
bool tg_op_writes(int op);                         /* changes its first operand */
int tg_op_find(const char *name);                  /* -1: no such row */
/* t unless it is a parameter that a writable NumPy view may change: then a recorded copy. */
int tg_settle(tg_tensor *t, tg_tensor **settled);

/* --- rule.c, template.c ------------------------------------------------------------------- */
enum { TG_VJP, TG_JVP };

/* One rule at work: the derivative of entry e along input `input`, applied to ct
 * (a cotangent of the output, or for TG_JVP a tangent of that input). With a block, ct and the
 * result are stacks of `block` of them along a leading axis. */
typedef struct tg_rule {
    int kind, input;
    const tg_entry *e;
    tg_tensor *ct;
    int64_t block; /* 0: ct is one, not a stack */
    bool is_last; /* nobody reads ct after this rule */
} tg_rule;

/* Run the rule in Python, on Tensors. Returns TG_OK, or negative with a Python error set. */
typedef int tg_rule_fn(void *context, const tg_rule *rule, tg_tensor **result);

/* *result = the rule's value, held: by a fused kernel when nobody records, else from its
 * template, else by asking Python while a trace makes the template. */
int tg_rule_run(const tg_rule *rule, tg_tensor **result, tg_rule_fn *python, void *context);

/* --- sweep.c ----------------------------------------------------------------------------- */
/* How a walk is run: in blocks of cotangents (or tangents) that share a leading axis of this
 * length, 0 for one; asking `python` for rules that have no template; `keep`: the tape may be
 * swept again even if it is not persistent. */
typedef struct tg_walk_options {
    int64_t block;
    bool keep;
    tg_rule_fn *python;
    void *context;
} tg_walk_options;

/* Reverse sweep from targets (cotangents cts) to sources; results[k] is held or NULL when
 * sources[k] is not connected. */
int tg_sweep(tg_tape *tape, size_t n_targets, tg_tensor *const *targets, tg_tensor *const *cts,
             size_t n_sources, tg_tensor *const *sources, tg_tensor **results,
             const tg_walk_options *options);
/* The same from one target to every variable and watched leaf, added to their grad. */
int tg_sweep_backward(tg_tape *tape, tg_tensor *target, tg_tensor *ct,
                      const tg_walk_options *options);
/* Forward sweep: tangents of sources pushed to targets. */
int tg_push(tg_tape *tape, size_t n_sources, tg_tensor *const *sources,
            tg_tensor *const *tangents, size_t n_targets, tg_tensor *const *targets,
            tg_tensor **results, const tg_walk_options *options);

#endif
