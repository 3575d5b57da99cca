/* sweep.c: the reverse sweep (cotangents from targets to sources) and the forward push (tangents
 * from sources to targets) over a tape's entries. Neither recurses: both walk positions.
 * Griewank & Walther, Evaluating Derivatives, ch. 3. The only place that undoes broadcasting. */
#include "walk.h"

#include "tensor.h"

/* --- reverse ----------------------------------------------------------------------------- */

/* Mark the entries that lie on a way from a source; add leaves met on the way if all are. */
static int mark_needed(walk *w)
{
    for (uint64_t position = w->begin; position < w->end; ++position) {
        const tg_entry *e = tg_entry_at(w->list, position);
        if (!e || !tg_walk_covers(w, position))
            continue;
        for (int i = 0; i < e->n_in; ++i) {
            tg_tensor *t = tg_entry_in(e)[i];
            const size_t slot = tg_walk_slot_of(w, t);
            bool needed;
            if (slot != SIZE_MAX)
                needed = w->marks[slot] != 0;
            else if (w->all_leaves && tg_walk_is_variable_here(w, t))
                needed = tg_walk_add_leaf(w, t) != NULL;
            else
                needed = tg_walk_find_leaf(w, t) != NULL;
            if (needed) {
                w->marks[position - w->begin] |= NEEDED;
                if (!w->all_leaves)
                    break;
            }
        }
    }
    return TG_OK;
}

/* Whether a cotangent is wanted of an entry's input. */
static bool is_wanted(const walk *w, const tg_entry *e, int i)
{
    const size_t slot = tg_walk_slot_of(w, tg_entry_in(e)[i]);
    if (slot != SIZE_MAX ? !w->marks[slot] : !tg_walk_find_leaf(w, tg_entry_in(e)[i]))
        return false;
    return tg_has_rule(tg_entry_op(e), i); /* not of an index */
}

static bool is_last_wanted(const walk *w, const tg_entry *e, int i)
{
    while (i-- > 0)
        if (is_wanted(w, e, i))
            return false;
    return true;
}

static int sweep_entry(walk *w, uint64_t position, tg_entry *e, tg_tensor *ct)
{
    const bool is_source = w->marks[position - w->begin] & SOURCE; /* ct is a result */
    int status = tg_walk_check_versions(e);
    w->list->line = e->line; /* what its rules do is that line's doing */
    /* From the last input to the first: a layer's weights come before what it was given, so that a
     * program has the layer's input no more when it makes the cotangent of that. */
    for (int i = e->n_in; i-- > 0 && !status;) {
        if (!is_wanted(w, e, i))
            continue;
        const tg_rule rule = {.kind = TG_VJP,
                              .input = i,
                              .e = e,
                              .ct = ct,
                              .block = w->options->block,
                              .is_last = !is_source && is_last_wanted(w, e, i)};
        tg_tensor *t = tg_entry_in(e)[i], *term = NULL;
        const size_t slot = tg_walk_slot_of(w, t);
        status = tg_rule_run(&rule, &term, w->options->python, w->options->context);
        if (status || !term)
            continue; /* a rule may say: no contribution */
        status = tg_walk_reshape_as(w, w->op_sum_to, &term, t);
        if (status) {
            tg_drop(term);
            break;
        }
        /* rules may have grown the tables: look the leaf up again */
        status = tg_walk_accumulate(
            w, slot != SIZE_MAX ? &w->values[slot] : &tg_walk_find_leaf(w, t)->value, term);
    }
    return status ? tg_walk_explain(w, status, position, e) : TG_OK;
}

static bool only_tape(const walk *w)
{
    for (const tg_tape *t = w->list->tapes; t; t = t->next)
        if (t != w->tape && !t->consumed && t->n_intervals)
            return false;
    return true;
}

static int reverse(walk *w)
{
    const bool release = w->consume && only_tape(w);
    tg_pushed_drop(w->tape); /* who sweeps in reverse seldom pushes then */
    for (uint64_t position = w->end; position-- > w->begin;) {
        const size_t slot = (size_t)(position - w->begin);
        tg_tensor *ct = w->values[slot];
        if (ct) {
            tg_entry *e = tg_entry_at(w->list, position);
            if (e && w->marks[slot] & NEEDED) {
                const int status = sweep_entry(w, position, e, ct);
                if (status)
                    return status;
            }
            if (!(w->marks[slot] & SOURCE)) {
                w->values[slot] = NULL;
                tg_drop(ct);
            }
        }
        if (release && tg_walk_covers(w, position))
            tg_entry_release_place(w->list, position);
    }
    return TG_OK;
}

static int seed(walk *w, size_t n, tg_tensor *const *targets, tg_tensor *const *cts)
{
    for (size_t k = 0; k < n; ++k) {
        const size_t slot = tg_walk_slot_of(w, targets[k]);
        leaf *l = slot == SIZE_MAX ? tg_walk_find_leaf(w, targets[k]) : NULL;
        if (slot == SIZE_MAX && !l)
            continue; /* not made on this tape: nothing depends on it */
        const int status = tg_walk_accumulate(
            w, slot != SIZE_MAX ? &w->values[slot] : &l->value, tg_hold(cts[k]));
        if (status)
            return status;
    }
    return TG_OK;
}

/* A derivative that leaves the walk: only those are marked, as a long tape has many on the way. */
static tg_tensor *hold_result(tg_tensor *value)
{
    if (!value)
        return NULL;
    if (!tg_list_here()->trace)
        value->flags |= TG_UNLOGGED;
    return tg_hold(value);
}

int tg_sweep(tg_tape *tape, size_t n_targets, tg_tensor *const *targets, tg_tensor *const *cts,
             size_t n_sources, tg_tensor *const *sources, tg_tensor **results,
             const tg_walk_options *options)
{
    walk w;
    int status = tg_walk_begin(&w, tape, options);
    if (status)
        return status;
    for (size_t k = 0; k < n_sources && !status; ++k) {
        const size_t slot = tg_walk_slot_of(&w, sources[k]);
        if (slot != SIZE_MAX)
            w.marks[slot] |= SOURCE;
        else if (tg_walk_is_variable_here(&w, sources[k]) && !tg_walk_add_leaf(&w, sources[k]))
            status = tg_fail_memory();
    }
    if (!status)
        status = mark_needed(&w);
    if (!status)
        status = seed(&w, n_targets, targets, cts);
    if (!status)
        status = reverse(&w);
    for (size_t k = 0; k < n_sources && !status; ++k) {
        const size_t slot = tg_walk_slot_of(&w, sources[k]);
        const leaf *l = slot == SIZE_MAX ? tg_walk_find_leaf(&w, sources[k]) : NULL;
        tg_tensor *value = slot != SIZE_MAX ? w.values[slot] : l ? l->value : NULL;
        results[k] = hold_result(value);
    }
    tg_walk_end(&w);
    return status;
}

int tg_sweep_backward(tg_tape *tape, tg_tensor *target, tg_tensor *ct,
                      const tg_walk_options *options)
{
    walk w;
    int status = tg_walk_begin(&w, tape, options);
    if (status)
        return status;
    w.all_leaves = true;
    if (tg_walk_is_variable_here(&w, target) && !tg_walk_add_leaf(&w, target))
        status = tg_fail_memory();
    if (!status)
        status = mark_needed(&w);
    if (!status)
        status = seed(&w, 1, &target, &ct);
    if (!status)
        status = reverse(&w);
    for (size_t k = 0; k < w.n_leaves && !status; ++k) { /* only now: all or nothing */
        leaf *l = &w.leaves[k];
        if (!l->value)
            continue;
        tg_trace *trace = tg_list_here()->trace;
        if (trace && (status = tg_trace_reads_grad(trace, l->record)) != TG_OK)
            break;
        tg_tensor *grad = l->record->grad ? tg_hold(l->record->grad) : NULL;
        status = tg_walk_accumulate(&w, &grad, hold_result(l->value));
        if (!status)
            status = tg_part_from_variable(grad);
        if (!status && trace)
            status = tg_trace_sets_grad(trace, l->record);
        if (status) {
            tg_drop(grad);
            break;
        }
        tg_drop(l->record->grad);
        l->record->grad = grad;
    }
    tg_walk_end(&w);
    return status;
}

/* --- forward ----------------------------------------------------------------------------- */

static int push_entry(walk *w, uint64_t position, const tg_entry *e)
{
    tg_tensor *sum = NULL;
    int status = tg_walk_check_versions(e);
    if (!status && w->tape->pushed &&
        (w->values[position - w->begin] = tg_pushed_before(w, position, e)))
        return TG_OK;
    for (int i = 0; i < e->n_in && !status; ++i) {
        tg_tensor *tangent = tg_walk_value_of(w, tg_entry_in(e)[i]);
        if (!tangent)
            continue;
        const tg_rule rule = {
            .kind = TG_JVP, .input = i, .e = e, .ct = tangent, .block = w->options->block};
        tg_tensor *term = NULL;
        status = tg_rule_run(&rule, &term, w->options->python, w->options->context);
        if (status || !term)
            continue;
        status = tg_walk_reshape_as(w, w->op_broadcast_to, &term, e->out);
        if (status) {
            tg_drop(term);
            break;
        }
        status = tg_walk_accumulate(w, &sum, term);
    }
    if (status) {
        tg_drop(sum);
        return tg_walk_explain(w, status, position, e);
    }
    w->values[position - w->begin] = sum;
    return TG_OK;
}

int tg_push(tg_tape *tape, size_t n_sources, tg_tensor *const *sources,
            tg_tensor *const *tangents, size_t n_targets, tg_tensor *const *targets,
            tg_tensor **results, const tg_walk_options *options)
{
    walk w;
    int status = tg_walk_begin(&w, tape, options);
    if (status)
        return status;
    for (size_t k = 0; k < n_sources && !status; ++k) {
        leaf *l = tg_walk_add_leaf(&w, sources[k]);
        status = l ? tg_walk_accumulate(&w, &l->value, tg_hold(tangents[k])) : tg_fail_memory();
        const size_t slot = tg_walk_slot_of(&w, sources[k]);
        if (slot != SIZE_MAX)
            w.marks[slot] |= SOURCE; /* its tangent is given, not derived */
    }
    for (uint64_t position = w.begin; position < w.end && !status; ++position) {
        const tg_entry *e = tg_entry_at(w.list, position);
        if (e && tg_walk_covers(&w, position) && !(w.marks[position - w.begin] & SOURCE))
            status = push_entry(&w, position, e);
    }
    for (size_t k = 0; k < n_targets && !status; ++k) {
        tg_tensor *value = tg_walk_value_of(&w, targets[k]);
        results[k] = hold_result(value);
    }
    if (!status)
        tg_pushed_keep(&w);
    tg_walk_end(&w);
    return status;
}
