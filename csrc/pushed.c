/* pushed.c: tangents that a push found, kept for the push of a tape around it.
 *
 * What an outer tape is pushed through holds the inner tape's entries too. Where the outer push
 * brings an entry the very tangents that the inner one brought, the answer is the very Tensor that
 * the inner one found: a second derivative along one direction carries three values where it
 * would carry four, and each further order one more where the number would double. */
#include "walk.h"

#include <stdlib.h>

#include "tensor.h"

enum { MAX_KEPT = 16 }; /* an outer push looks through all of them at each entry */

/* One push's tangents, with the tapes that recorded how they came to be. */
typedef struct tg_pushed {
    walk found;
    uint64_t *recorders;
    size_t n_recorders;
    struct tg_pushed *next; /* an older one */
} pushed;

static void pushed_free(pushed *p)
{
    for (size_t i = 0; i < (size_t)(p->found.end - p->found.begin); ++i)
        tg_drop(p->found.values[i]);
    for (size_t k = 0; k < p->found.n_leaves; ++k)
        tg_drop(p->found.leaves[k].value);
    free(p->found.values);
    free(p->found.leaves);
    free(p->found.leaf_at);
    free(p->recorders);
    free(p);
}

void tg_pushed_drop(tg_tape *tape)
{
    while (tape->pushed) {
        pushed *p = tape->pushed;
        tape->pushed = p->next;
        pushed_free(p);
    }
}

static bool is_recording(const tg_list *list, const tg_tape *tape)
{
    return !tape->paused && !list->off;
}

void tg_pushed_keep(walk *w)
{
    const tg_list *list = w->list;
    if (w->options->block || list != tg_list_here() || !list->n_active)
        return;
    pushed *p = malloc(sizeof *p);
    uint64_t *recorders = malloc(list->n_open * sizeof *recorders);
    if (!p || !recorders) { /* it would only have saved time */
        free(p);
        free(recorders);
        return;
    }
    tg_tape *around = NULL;
    size_t n = 0;
    for (size_t i = list->n_open; i-- > 0;)
        if (is_recording(list, list->open[i])) {
            if (around)
                recorders[n++] = list->open[i]->number;
            else
                around = list->open[i];
        }
    *p = (pushed){*w, recorders, n, around->pushed};
    around->pushed = p;
    w->values = NULL;
    w->leaves = NULL;
    w->leaf_at = NULL;
    w->n_leaves = w->table_size = 0;
    size_t kept = 1;
    for (; p->next; p = p->next)
        if (kept++ == MAX_KEPT) {
            pushed_free(p->next);
            p->next = NULL;
            break;
        }
}

/* The tangent of t in a finished push, NULL: none. */
static tg_tensor *tangent_in(const pushed *p, const tg_tensor *t)
{
    const walk *w = &p->found;
    if (t->node && t->node >> TG_NODE_BITS == w->list->id) {
        const uint64_t position = t->node & TG_NODE_MASK;
        if (position >= w->begin && position < w->end && w->values[position - w->begin])
            return w->values[position - w->begin];
    }
    const leaf *l = tg_walk_find_leaf(w, t);
    return l ? l->value : NULL;
}

/* Whether all that record now recorded p. */
static bool is_recorded(const walk *w, const pushed *p)
{
    for (size_t i = 0; i < w->list->n_open; ++i) {
        const tg_tape *tape = w->list->open[i];
        size_t k = 0;
        while (k < p->n_recorders && p->recorders[k] != tape->number)
            ++k;
        if (is_recording(w->list, tape) && k == p->n_recorders)
            return false;
    }
    return true;
}

tg_tensor *tg_pushed_before(const walk *w, uint64_t position, const tg_entry *e)
{
    if (w->options->block || w->list != tg_list_here())
        return NULL;
    for (const pushed *p = w->tape->pushed; p; p = p->next) {
        if (position < p->found.begin || position >= p->found.end)
            continue;
        tg_tensor *result = p->found.values[position - p->found.begin];
        if (!result)
            continue;
        int i = 0;
        while (i < e->n_in &&
               tangent_in(p, tg_entry_in(e)[i]) == tg_walk_value_of(w, tg_entry_in(e)[i]))
            ++i;
        if (i == e->n_in && is_recorded(w, p))
            return tg_hold(result);
    }
    return NULL;
}
