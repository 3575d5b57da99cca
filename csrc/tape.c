/* tape.c: tapes, each a set of intervals of a thread's Wengert list.
 *
 * A tape lives while its Python object, or a Python Tensor recorded on it, lives; when it goes
 * (or its one sweep is done) every entry that no other live tape covers is released. An entry
 * holds the records of all operands, and the data of those that a rule will read. Entries hold
 * no Python objects, so there are no cycles to collect. */
#include "tape.h"

#include <stdlib.h>

#include "tensor.h"

tg_tape *tg_tape_new(bool persistent, bool automatic, bool lines)
{
    tg_tape *tape = calloc(1, sizeof *tape);
    if (!tape) {
        tg_fail_memory();
        return NULL;
    }
    static uint64_t n_tapes;
    tape->number = ++n_tapes;
    tape->refs = 1;
    tape->persistent = persistent;
    tape->automatic = automatic;
    tape->lines = lines;
    return tape;
}

tg_tape *tg_tape_hold(tg_tape *tape)
{
    ++tape->refs;
    return tape;
}

bool tg_tape_covers(const tg_tape *tape, uint64_t position)
{
    size_t low = 0, high = tape->n_intervals;
    while (low < high) {             /* the last interval that begins at or before position */
        const size_t mid = (low + high) / 2;
        if (tape->intervals[mid].begin <= position)
            low = mid + 1;
        else
            high = mid;
    }
    return low && position < tape->intervals[low - 1].end;
}

uint64_t tg_tape_begin(const tg_tape *tape)
{
    return tape->n_intervals ? tape->intervals[0].begin : 1;
}

uint64_t tg_tape_end(const tg_tape *tape)
{
    if (!tape->n_intervals)
        return tg_tape_begin(tape);
    const uint64_t end = tape->intervals[tape->n_intervals - 1].end;
    return end == UINT64_MAX ? tape->list->next : end;
}

/* The innermost other tape that may still be swept over a position; NULL: none. */
static tg_tape *other_cover(const tg_tape *tape, uint64_t position)
{
    for (tg_tape *t = tape->list->tapes; t; t = t->next)
        if (t != tape && !t->consumed && tg_tape_covers(t, position))
            return t;
    return NULL;
}

/* Release an entry, or leave it to another tape. A record that Python does not have holds no tape,
 * so it must not name this one any longer. */
static void leave(tg_tape *tape, uint64_t position, tg_tape *to)
{
    if (!to) {
        tg_entry_release_place(tape->list, position);
        return;
    }
    const tg_entry *e = tg_entry_at(tape->list, position);
    if (e && e->out->tape == tape && !e->out->handles)
        e->out->tape = to;
}

/* Newest first, so that a chain of records is freed from its end. */
static void release_entries(tg_tape *tape)
{
    tg_list *list = tape->list;
    const bool alone = list->tapes == tape && !tape->next;
    for (size_t k = tape->n_intervals; k-- > 0;) {
        const tg_interval at = tape->intervals[k];
        for (uint64_t i = at.end == UINT64_MAX ? list->next : at.end; i-- > at.begin;)
            leave(tape, i, alone ? NULL : other_cover(tape, i));
    }
    tape->n_intervals = 0;
}

static void drop_watched(tg_tape *tape)
{
    for (size_t i = 0; i < tape->n_watched; ++i)
        tg_drop(tape->watched[i]);
    tape->n_watched = 0;
}

void tg_tape_forget(tg_tape *tape)
{
    tg_pushed_drop(tape);
    if (tape->list)
        release_entries(tape);
    drop_watched(tape);
}

/* Recount what the open tapes ask for; called when one opens, closes, pauses or resumes. */
static void recount(tg_list *list)
{
    list->n_active = list->n_automatic = 0;
    list->n_lines = list->trace && list->trace->program; /* a program keeps every line */
    list->oldest = UINT64_MAX;
    for (size_t i = 0; i < list->n_open; ++i) {
        const tg_tape *t = list->open[i];
        if (!t->paused && !list->off) {
            ++list->n_active;
            list->n_automatic += t->automatic;
            list->n_lines += t->lines;
        }
        if (t->n_intervals && t->intervals[0].begin < list->oldest)
            list->oldest = t->intervals[0].begin;
    }
    list->line = 0;
}

static int begin_interval(tg_tape *tape)
{
    const uint64_t now = tape->list->next;
    if (tape->n_intervals && tape->intervals[tape->n_intervals - 1].end == now) {
        tape->intervals[tape->n_intervals - 1].end = UINT64_MAX;
        return TG_OK;
    }
    if (tape->n_intervals == tape->interval_room) {
        const size_t room = tape->interval_room ? 2 * tape->interval_room : 2;
        tg_interval *wider = realloc(tape->intervals, room * sizeof *wider);
        if (!wider)
            return tg_fail_memory();
        tape->intervals = wider;
        tape->interval_room = room;
    }
    tape->intervals[tape->n_intervals++] = (tg_interval){now, UINT64_MAX};
    return TG_OK;
}

static void end_interval(tg_tape *tape)
{
    if (!tape->n_intervals)
        return;
    tg_interval *last = &tape->intervals[tape->n_intervals - 1];
    if (last->end == UINT64_MAX)
        last->end = tape->list->next;
}

int tg_tape_open(tg_tape *tape)
{
    tg_list *list = tg_list_here();
    if (!list)
        return TG_EMEMORY;
    if (tape->open)
        return tg_fail(TG_ETAPE, "this tape is already recording; nest a new tape() instead");
    if (tape->list)
        return tg_fail(TG_ETAPE, "this tape has been closed and cannot record again; call "
                                 "reset() first, or make a new tape()");
    if (list->n_open == list->open_room) {
        const size_t room = list->open_room ? 2 * list->open_room : 8;
        tg_tape **wider = realloc(list->open, room * sizeof *wider);
        if (!wider)
            return tg_fail_memory();
        list->open = wider;
        list->open_room = room;
    }
    tape->list = list;
    const int status = begin_interval(tape);
    if (status) {
        tape->list = NULL;
        return status;
    }
    tape->next = list->tapes;
    list->tapes = tape;
    tape->open = true;
    list->open[list->n_open++] = tape;
    recount(list);
    return TG_OK;
}

int tg_tape_close(tg_tape *tape)
{
    if (!tape->open)
        return TG_OK;
    tg_list *list = tape->list;
    for (size_t i = 0; i < list->n_open; ++i)
        if (list->open[i] == tape) {
            memmove(&list->open[i], &list->open[i + 1],
                    (--list->n_open - i) * sizeof *list->open);
            break;
        }
    tape->open = false;
    end_interval(tape);
    recount(list);
    return TG_OK;
}

int tg_tape_pause(tg_tape *tape)
{
    if (!tape->open || tape->paused)
        return tg_fail(TG_ETAPE, tape->open ? "this tape is paused already"
                                            : "this tape is not recording");
    tape->paused = true;
    end_interval(tape);
    recount(tape->list);
    return TG_OK;
}

int tg_tape_resume(tg_tape *tape)
{
    if (!tape->open)
        return TG_OK;                /* closed meanwhile: nothing to resume */
    const int status = begin_interval(tape);
    if (status)
        return status;
    tape->paused = false;
    recount(tape->list);
    return TG_OK;
}

static void unlink_tape(tg_tape *tape)
{
    tg_list *list = tape->list;
    for (tg_tape **t = &list->tapes; *t; t = &(*t)->next)
        if (*t == tape) {
            *t = tape->next;
            break;
        }
    tape->list = NULL;
    if (list->orphan && !list->tapes)
        tg_list_free(list);
}

int tg_tape_reset(tg_tape *tape)
{
    if (tape->sweeping)
        return tg_fail(TG_ETAPE, "this tape is being swept");
    const bool open = tape->open;
    tg_tape_forget(tape);
    tape->consumed = false;
    if (open) {
        if (!tape->paused) {
            const int status = begin_interval(tape);
            if (status)
                return status;
        }
        recount(tape->list);
        return TG_OK;
    }
    if (tape->list)
        unlink_tape(tape);
    return TG_OK;
}

bool tg_tape_watches(const tg_tape *tape, const tg_tensor *t)
{
    for (size_t i = 0; i < tape->n_watched; ++i)
        if (tape->watched[i] == t)
            return true;
    return false;
}

bool tg_tape_tracks(const tg_tape *tape, const tg_tensor *t)
{
    if (t->node && tape->list && t->node >> TG_NODE_BITS == tape->list->id &&
        tg_tape_covers(tape, t->node & TG_NODE_MASK))
        return true;
    return (t->flags & TG_VARIABLE && tape->automatic) ||
           (t->flags & TG_WATCHED && tg_tape_watches(tape, t));
}

int tg_tape_cut(tg_tape *tape, uint64_t begin)
{
    if (!tape->list || tape->sweeping)
        return tg_fail(TG_ETAPE, "this tape is not recording");
    const uint64_t end = tg_tape_end(tape);
    const bool goes_on = tape->open && !tape->paused;
    end_interval(tape);
    while (tape->n_intervals && tape->intervals[tape->n_intervals - 1].begin >= begin)
        --tape->n_intervals;
    if (tape->n_intervals && tape->intervals[tape->n_intervals - 1].end > begin)
        tape->intervals[tape->n_intervals - 1].end = begin;
    for (uint64_t i = end; i-- > begin;)
        leave(tape, i, other_cover(tape, i));
    const int status = goes_on ? begin_interval(tape) : TG_OK;
    recount(tape->list);
    return status;
}

int tg_tape_watch(tg_tape *tape, tg_tensor *t)
{
    if (tg_tape_watches(tape, t))
        return TG_OK;
    if (tape->n_watched == tape->watched_room) {
        const size_t room = tape->watched_room ? 2 * tape->watched_room : 4;
        tg_tensor **wider = realloc(tape->watched, room * sizeof *wider);
        if (!wider)
            return tg_fail_memory();
        tape->watched = wider;
        tape->watched_room = room;
    }
    tape->watched[tape->n_watched++] = tg_hold(t);
    t->flags |= TG_WATCHED;
    return TG_OK;
}

void tg_tape_drop(tg_tape *tape)
{
    if (--tape->refs)
        return;
    tape->refs = 1;                  /* releasing entries may drop Tensors recorded here */
    tg_tape_close(tape);
    tg_tape_forget(tape);
    if (tape->list)
        unlink_tape(tape);
    free(tape->intervals);
    free(tape->watched);
    free(tape);
}

bool tg_set_recording(tg_list *list, bool on)
{
    const bool before = !list->off;
    list->off = !on;
    recount(list);
    return before;
}
