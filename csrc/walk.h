/* walk.h: what the two sweeps share: values per position and per leaf, and adding them up. */
#ifndef TG_WALK_H
#define TG_WALK_H

#include "sweep.h"

/* What the walk knows of a position, or of a leaf. */
enum { NEEDED = 1, SOURCE = 2 };

typedef struct leaf {
    tg_tensor *record;
    tg_tensor *value;                    /* cotangent (reverse) or tangent (forward), held */
} leaf;

typedef struct walk {
    tg_tape *tape;
    tg_list *list;
    uint64_t begin, end;                 /* positions covered, with holes */
    tg_tensor **values;                  /* per position: cotangent or tangent, held */
    uint8_t *marks;                      /* per position */
    leaf *leaves;
    uint32_t *leaf_at;                   /* open addressing: index + 1 */
    size_t n_leaves, leaf_room, table_size;
    const tg_walk_options *options;
    bool consume, all_leaves, was_paused;
    bool solid;                          /* no holes: one interval */
    int op_sum_to, op_add, op_broadcast_to, op_reshape;
} walk;

/* Start a sweep of the tape: checks that it may be, and pauses it, since what a sweep does is for
 * outer tapes to record. tg_walk_end resumes it, or ends it if it had only this one sweep. */
int tg_walk_begin(walk *w, tg_tape *tape, const tg_walk_options *options);
void tg_walk_end(walk *w);

leaf *tg_walk_find_leaf(const walk *w, const tg_tensor *t);       /* NULL: not one */
leaf *tg_walk_add_leaf(walk *w, tg_tensor *t);                    /* NULL: out of memory */
bool tg_walk_covers(const walk *w, uint64_t position);
/* Slot of the position that made t, or SIZE_MAX: t is a leaf to this walk. */
size_t tg_walk_slot_of(const walk *w, const tg_tensor *t);
bool tg_walk_is_variable_here(const walk *w, const tg_tensor *t);
/* The cotangent or tangent of t, NULL: none (so far). */
tg_tensor *tg_walk_value_of(const walk *w, const tg_tensor *t);

/* Say which entry a failed rule belongs to; returns status. */
int tg_walk_explain(const walk *w, int status, uint64_t position, const tg_entry *e);
/* TG_EVERSION if a parameter that e saved has been written since. */
int tg_walk_check_versions(const tg_entry *e);
/* value += term, which is given up either way. In place gives the bits of the op. */
int tg_walk_accumulate(walk *w, tg_tensor **value, tg_tensor *term);
/* Give *t the shape of `like`, behind the block axis if there is one, by op (sum_to or
 * broadcast_to). */
int tg_walk_reshape_as(const walk *w, int op, tg_tensor **t, const tg_tensor *like);

/* --- pushed.c ---------------------------------------------------------------------------- */
/* Keep a finished push's tangents on the innermost tape that records, if one does. */
void tg_pushed_keep(walk *w);
/* The tangent of entry e's output, held, if a push inside this tape found it from the same
 * tangents while every tape that records now did so too; else NULL. */
tg_tensor *tg_pushed_before(const walk *w, uint64_t position, const tg_entry *e);

#endif
