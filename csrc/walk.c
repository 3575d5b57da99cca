/* walk.c: the state of one sweep: the cotangents (or tangents) held for positions of the list and
 * for leaves, and how they are added. The order of accumulation is the order of the walk, so a
 * sum has the same bits however it is run. */
#include "walk.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernels.h"
#include "tensor.h"

enum { CHUNK = 16 * 1024 }; /* elements a thread adds at a time */

static size_t hash_pointer(const void *p)
{
    return (size_t)(((uintptr_t)p >> 6) * 0x9e3779b97f4a7c15u >> 20);
}

leaf *tg_walk_find_leaf(const walk *w, const tg_tensor *t)
{
    if (!w->table_size)
        return NULL;
    for (size_t i = hash_pointer(t) & (w->table_size - 1);; i = (i + 1) & (w->table_size - 1)) {
        const uint32_t k = w->leaf_at[i];
        if (!k)
            return NULL;
        if (w->leaves[k - 1].record == t)
            return &w->leaves[k - 1];
    }
}

static bool rehash(walk *w, size_t size)
{
    uint32_t *table = calloc(size, sizeof *table);
    if (!table)
        return false;
    free(w->leaf_at);
    w->leaf_at = table;
    w->table_size = size;
    for (size_t k = 0; k < w->n_leaves; ++k) {
        size_t i = hash_pointer(w->leaves[k].record) & (size - 1);
        while (table[i])
            i = (i + 1) & (size - 1);
        table[i] = (uint32_t)k + 1;
    }
    return true;
}

leaf *tg_walk_add_leaf(walk *w, tg_tensor *t)
{
    leaf *l = tg_walk_find_leaf(w, t);
    if (l)
        return l;
    if (w->n_leaves == w->leaf_room) {
        const size_t room = w->leaf_room ? 2 * w->leaf_room : 32;
        leaf *wider = realloc(w->leaves, room * sizeof *wider);
        if (!wider)
            return NULL;
        w->leaves = wider;
        w->leaf_room = room;
    }
    w->leaves[w->n_leaves++] = (leaf){t, NULL};
    if (2 * w->n_leaves > w->table_size) {
        if (!rehash(w, w->table_size ? 2 * w->table_size : 64))
            return NULL;
    } else {
        size_t i = hash_pointer(t) & (w->table_size - 1);
        while (w->leaf_at[i])
            i = (i + 1) & (w->table_size - 1);
        w->leaf_at[i] = (uint32_t)w->n_leaves;
    }
    return &w->leaves[w->n_leaves - 1];
}

bool tg_walk_covers(const walk *w, uint64_t position)
{
    return w->solid || tg_tape_covers(w->tape, position);
}

size_t tg_walk_slot_of(const walk *w, const tg_tensor *t)
{
    if (!t->node || t->node >> TG_NODE_BITS != w->list->id)
        return SIZE_MAX;
    const uint64_t position = t->node & TG_NODE_MASK;
    if (position < w->begin || position >= w->end || !tg_walk_covers(w, position))
        return SIZE_MAX;
    return (size_t)(position - w->begin);
}

tg_tensor *tg_walk_value_of(const walk *w, const tg_tensor *t)
{
    const size_t slot = tg_walk_slot_of(w, t);
    if (slot != SIZE_MAX && w->values[slot])
        return w->values[slot];
    const leaf *l = tg_walk_find_leaf(w, t);
    return l ? l->value : NULL;
}

bool tg_walk_is_variable_here(const walk *w, const tg_tensor *t)
{
    return (t->flags & TG_VARIABLE && w->tape->automatic) ||
           (t->flags & TG_WATCHED && tg_tape_watches(w->tape, t));
}

/* --- setting up -------------------------------------------------------------------------- */

static bool may_be_written(const tg_tensor *t) { return t->data && t->buffer->is_variable; }

static bool saves_variable(const tg_entry *e)
{
    for (int i = 0; i < e->n_in; ++i)
        if (tg_saves_in(e->saved, i) && may_be_written(tg_entry_in(e)[i]))
            return true;
    return e->saved & TG_SAVED_OUT && may_be_written(e->out);
}

/* Replays of the step that is being recorded would read variables where an entry from before the
 * step has saved them, whatever has been written there since. */
static int check_place(const walk *w)
{
    const tg_list *here = tg_list_here();
    const uint64_t first = here && here->trace ? here->trace->first : 0;
    const uint64_t end = first && here == w->list && first < w->end ? first : w->end;
    for (uint64_t position = w->begin; first && position < end; ++position) {
        const tg_entry *e = tg_entry_at(w->list, position);
        if (e && tg_walk_covers(w, position) && saves_variable(e))
            return tg_fail(TG_EOUTSIDE,
                           "sweeps a tape from outside, on which %s read a parameter, and a "
                           "replay would read what has been written there since: record in the "
                           "step what it sweeps, or sweep outside",
                           tg_entry_name(e));
    }
    return TG_OK;
}

int tg_walk_begin(walk *w, tg_tape *tape, const tg_walk_options *options)
{
    memset(w, 0, sizeof *w);
    if (tape->consumed)
        return tg_fail(TG_ETAPE, "this tape has been swept already: one gradient or backward "
                                 "per tape, unless it is made with tape(persistent=True)");
    if (!tape->list)
        return tg_fail(TG_ETAPE, "this tape has recorded nothing: run the function inside "
                                 "'with tape() as t:' first");
    if (tape->sweeping)
        return tg_fail(TG_ETAPE, "this tape is being swept already");
    w->tape = tape;
    w->list = tape->list;
    w->begin = tg_tape_begin(tape);
    w->end = tg_tape_end(tape);
    w->solid = tape->n_intervals == 1;
    if (check_place(w))
        return TG_EOUTSIDE;
    w->options = options;
    w->consume = !tape->persistent && !options->keep;
    static int sum_to = -1, add = -1, broadcast_to = -1, reshape = -1;
    if (sum_to < 0) {
        sum_to = tg_op_find("sum_to");
        broadcast_to = tg_op_find("broadcast_to");
        reshape = tg_op_find("reshape");
        add = tg_op_find("add");
    }
    w->op_sum_to = sum_to;
    w->op_add = add;
    w->op_broadcast_to = broadcast_to;
    w->op_reshape = reshape;
    const size_t n = (size_t)(w->end - w->begin);
    w->values = calloc(n + 1, sizeof *w->values);
    w->marks = calloc(n + 1, 1);
    if (!w->values || !w->marks) {
        free(w->values);
        free(w->marks);
        return tg_fail_memory();
    }
    tape->sweeping = true;
    tg_tape_hold(tape);
    /* what the sweep itself does is for outer tapes to record, not for this one */
    w->was_paused = !tape->open || tape->paused;
    if (!w->was_paused)
        tg_tape_pause(tape);
    return TG_OK;
}

void tg_walk_end(walk *w)
{
    tg_tape *tape = w->tape;
    for (size_t i = 0; w->values && i < (size_t)(w->end - w->begin); ++i)
        tg_drop(w->values[i]);
    for (size_t k = 0; k < w->n_leaves; ++k)
        tg_drop(w->leaves[k].value);
    free(w->values);
    free(w->marks);
    free(w->leaves);
    free(w->leaf_at);
    tape->sweeping = false;
    if (w->consume) {
        tg_tape_close(tape);
        tg_tape_forget(tape);
        tape->consumed = true;
    } else if (!w->was_paused) {
        tg_tape_resume(tape);
    }
    tg_tape_drop(tape);
}

int tg_walk_explain(const walk *w, int status, uint64_t position, const tg_entry *e)
{
    if (status == TG_EPYTHON || status == TG_EMEMORY)
        return status;
    char text[400], shapes[200];
    snprintf(text, sizeof text, "%s", tg_error_text());
    tg_fail(status, "entry %llu, %s of %s: %s", (unsigned long long)(position - w->begin),
            tg_entry_name(e), tg_shapes_text(shapes, sizeof shapes, tg_entry_in(e), e->n_in),
            text);
    tg_error_place place = {.line = e->line};
    for (int i = 0; status == TG_EVERSION && i < e->n_in && i < 4; ++i)
        if (tg_saves_in(e->saved, i))
            place.written[place.n_written++] = tg_handle_of(tg_entry_in(e)[i]);
    tg_error_was_at(&place);
    return status;
}

int tg_walk_check_versions(const tg_entry *e)
{
    uint32_t versions = 0;
    for (int i = 0; i < e->n_in; ++i)
        if (tg_saves_in(e->saved, i))
            versions += tg_version(tg_entry_in(e)[i]);
    if (versions == e->versions)
        return TG_OK;
    return tg_fail(TG_EVERSION,
                   "a parameter it read has been written since: sweep before the update, or "
                   "record again");
}

/* Whether kernels may touch whole vectors over t. */
static bool is_padded(const tg_tensor *t, size_t bytes)
{
    return t->data + tg_round_up(bytes, TG_PAD) <= t->buffer->data + t->buffer->capacity;
}

typedef struct addition {
    tg_map_fn *add;
    char *sum;
    const char *term;
    size_t item, n;
} addition;

static void add_chunk(void *context, size_t chunk)
{
    const addition *a = context;
    const size_t first = chunk * CHUNK, steps[] = {1, 1};
    char *sum = a->sum + first * a->item;
    a->add(sum, (const void *[]){sum, a->term + first * a->item}, steps, NULL,
           a->n - first < CHUNK ? a->n - first : CHUNK);
}

static bool add_in_place(tg_tensor *sum, const tg_tensor *term)
{
    if (!tg_is_compute(sum->dtype))
        return false;
    tg_map_fn *add = tg_isa->map[sum->dtype]->map[TG_MAP_add];
    const size_t bytes = (size_t)sum->size * tg_itemsize(sum->dtype), steps[] = {1, 1};
    if (is_padded(sum, bytes) && is_padded(term, bytes)) {
        const addition a = {add, sum->data, term->data, tg_itemsize(sum->dtype),
                            (size_t)sum->size};
        const double cost = 0.1 * (double)a.n;
        void *lock = tg_unlock(cost);
        tg_parallel((a.n + CHUNK - 1) / CHUNK, cost, add_chunk, (void *)&a);
        tg_relock(lock);
        return true;
    }
    if (bytes > TG_PAD)
        return false;
    _Alignas(TG_PAD) char a[TG_PAD] = {0}, b[TG_PAD] = {0};
    memcpy(a, sum->data, bytes);
    memcpy(b, term->data, bytes);
    add(a, (const void *[]){a, b}, steps, NULL, (size_t)sum->size);
    memcpy(sum->data, a, bytes);
    return true;
}

int tg_walk_accumulate(walk *w, tg_tensor **value, tg_tensor *term)
{
    if (!*value) {
        *value = term;
        return TG_OK;
    }
    const tg_list *list = tg_list_here();
    if (list && !list->n_active && !list->trace && tg_is_unshared(*value) &&
        tg_is_contiguous(*value) && tg_same_shape(*value, term) &&
        (*value)->dtype == term->dtype && tg_is_contiguous(term) &&
        add_in_place(*value, term)) {
        tg_drop(term);
        return TG_OK;
    }
    tg_tensor *in[2] = {*value, term}, *sum = NULL;
    const int status = tg_apply_op(w->op_add, &sum, 2, in, 0, NULL);
    tg_drop(term);
    if (status)
        return status;
    tg_drop(*value);
    *value = sum;
    return TG_OK;
}

/* *t = op(*t) with the shape as params; the old *t is given up. */
static int replace(int op, tg_tensor **t, int ndim, const int64_t *shape)
{
    tg_tensor *fitted = NULL;
    const int status = tg_apply_op(op, &fitted, 1, t, ndim, shape);
    if (status)
        return status;
    tg_drop(*t);
    *t = fitted;
    return TG_OK;
}

/* What follows the block axis is aligned at its end, so axes of length 1 go in between. */
static int reshape_block(const walk *w, int op, tg_tensor **t, const tg_tensor *like)
{
    int64_t wide[TG_MAX_NDIM + 1], exact[TG_MAX_NDIM + 1];
    const int ndim = (*t)->ndim > like->ndim + 1 ? (*t)->ndim : like->ndim + 1;
    exact[0] = (*t)->dims[0];
    memcpy(exact + 1, like->dims, like->ndim * sizeof *exact);
    int status = TG_OK;
    if ((*t)->ndim < ndim) {
        const int gap = ndim - (*t)->ndim;
        for (int i = 0; i < ndim; ++i)
            wide[i] = i == 0 ? exact[0] : i <= gap ? 1 : (*t)->dims[i - gap];
        status = replace(w->op_reshape, t, ndim, wide);
    }
    const int gap = ndim - 1 - like->ndim;
    for (int i = 0; i < ndim; ++i)
        wide[i] = i == 0 ? exact[0] : i <= gap ? 1 : exact[i - gap];
    if (!status && memcmp((*t)->dims, wide, (size_t)ndim * sizeof *wide) != 0)
        status = replace(op, t, ndim, wide);
    return status || !gap ? status : replace(w->op_reshape, t, like->ndim + 1, exact);
}

int tg_walk_reshape_as(const walk *w, int op, tg_tensor **t, const tg_tensor *like)
{
    if (w->options->block) {
        if ((*t)->ndim == like->ndim + 1 &&
            memcmp((*t)->dims + 1, like->dims, like->ndim * sizeof *like->dims) == 0)
            return TG_OK;
        return reshape_block(w, op, t, like);
    }
    return tg_same_shape(*t, like) ? TG_OK : replace(op, t, like->ndim, tg_shape(like));
}
