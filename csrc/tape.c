/* tape.c: the Wengert list of each thread and the tapes that cover parts of it.
 *
 * An op is appended once, however many tapes are open. The list grows in chunks that never move.
 * A tape is a set of intervals of positions. It lives while its Python object, or a Python Tensor
 * recorded on it, lives; when it goes (or its one sweep is done) every entry that no other live
 * tape covers is released. An entry holds the records of all operands, and the data of those
 * that a rule will read. Entries hold no Python objects, so there are no cycles to collect. */
#include "tape.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "pool.h"
#include "tensor.h"

enum { CHUNK_BITS = 8, CHUNK = 1 << CHUNK_BITS };

typedef struct tg_chunk {
    uint32_t live;
    tg_entry entries[CHUNK];
} tg_chunk;

/* --- op facts told by Python ------------------------------------------------------------- */

enum { MAX_OPS = 1024, MAX_RULES = 4 };   /* inputs past the third share the fourth's rule */

static struct {
    char *name;                      /* of ops that only Python runs */
    uint8_t rules;
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

/* --- entries ----------------------------------------------------------------------------- */

static size_t far_bytes(int n_in, int n_p)
{
    return ((size_t)(n_in > 2 ? n_in : 0) + (size_t)(n_p ? n_p + 1 : 0)) * 8;
}

/* Fill e from call; takes a ref on every record, a use on what `saved` names. */
static int entry_fill(tg_entry *e, const tg_call *call, tg_tensor *out, uint16_t saved)
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
        if (i < TG_MAX_SAVED_IN && saved >> i & 1) {
            ++in[i]->uses;
            versions += in[i]->version;
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
    return TG_OK;
}

static void entry_clear(tg_entry *e)
{
    tg_entry old = *e;
    e->op = 0;
    tg_tensor *const *in = tg_entry_in(&old);
    for (int i = 0; i < old.n_in; ++i) {
        if (i < TG_MAX_SAVED_IN && old.saved >> i & 1)
            tg_unuse(in[i]);
        tg_unref(in[i]);
    }
    if (old.saved & TG_SAVED_OUT)
        tg_unuse(old.out);
    tg_unref(old.out);
    if (old.far)
        tg_free(old.far, tg_class_of(far_bytes(old.n_in, old.n_p)));
}

/* --- lists ------------------------------------------------------------------------------- */

static pthread_key_t thread_end;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;
static _Thread_local tg_list *here __attribute__((tls_model("initial-exec")));
static uint64_t n_lists;

static void list_free(tg_list *list)
{
    for (size_t i = 0; i < list->n_chunks; ++i)
        free(list->chunks[i]);
    free(list->chunks);
    free(list->open);
    free(list);
}

/* Runs as a thread ends, without the interpreter lock: it may only leave word. */
static _Atomic(tg_list *) ended;

static void on_thread_end(void *list)
{
    tg_list *l = list;
    l->trace = (tg_trace *)(void *)atomic_load(&ended);
    while (!atomic_compare_exchange_weak(&ended, (tg_list **)(void *)&l->trace, l))
        ;
}

static void collect_ended(void)
{
    tg_list *l = atomic_exchange(&ended, NULL);
    while (l) {
        tg_list *next = (tg_list *)(void *)l->trace;
        l->trace = NULL;
        l->orphan = true;
        if (!l->tapes)
            list_free(l);
        l = next;
    }
}

static void make_key(void) { pthread_key_create(&thread_end, on_thread_end); }

static tg_list *list_new(void)
{
    collect_ended();
    pthread_once(&thread_end_once, make_key);
    tg_list *list = calloc(1, sizeof *list);
    if (!list) {
        tg_fail_memory();
        return NULL;
    }
    list->id = ++n_lists;
    list->next = 1;
    list->oldest = UINT64_MAX;
    here = list;
    pthread_setspecific(thread_end, list);
    return list;
}

tg_list *tg_list_here(void) { return here ? here : list_new(); }

tg_entry *tg_entry_at(const tg_list *list, uint64_t position)
{
    const uint64_t c = (position >> CHUNK_BITS) - list->first_chunk;
    if (c >= list->n_chunks || !list->chunks[c])
        return NULL;
    tg_entry *e = &list->chunks[c]->entries[position & (CHUNK - 1)];
    return e->op ? e : NULL;
}

static int add_chunk(tg_list *list)
{
    size_t gone = 0;                 /* forget leading chunks that are gone */
    while (gone < list->n_chunks && !list->chunks[gone])
        ++gone;
    if (gone) {
        list->n_chunks -= gone;
        list->first_chunk += gone;
        memmove(list->chunks, list->chunks + gone, list->n_chunks * sizeof *list->chunks);
    }
    if (list->n_chunks == list->chunk_room) {
        const size_t room = list->chunk_room ? 2 * list->chunk_room : 8;
        tg_chunk **wider = realloc(list->chunks, room * sizeof *wider);
        if (!wider)
            return tg_fail_memory();
        list->chunks = wider;
        list->chunk_room = room;
    }
    tg_chunk *chunk = malloc(sizeof *chunk);
    if (!chunk)
        return tg_fail_memory();
    chunk->live = 0;
    for (int i = 0; i < CHUNK; ++i)
        chunk->entries[i].op = 0;
    if (list->n_chunks == 0)
        list->first_chunk = list->next >> CHUNK_BITS;
    list->chunks[list->n_chunks++] = chunk;
    return TG_OK;
}

void tg_entry_release_place(tg_list *list, uint64_t position)
{
    tg_entry *e = tg_entry_at(list, position);
    if (!e)
        return;
    const uint64_t c = (position >> CHUNK_BITS) - list->first_chunk;
    tg_chunk *chunk = list->chunks[c];
    entry_clear(e);
    if (--chunk->live == 0 && position >> CHUNK_BITS != list->next >> CHUNK_BITS) {
        free(chunk);
        list->chunks[c] = NULL;
    }
}

bool tg_is_tracked(const tg_list *list, const tg_tensor *t)
{
    if (t->node && t->node >> TG_NODE_BITS == list->id &&
        (t->node & TG_NODE_MASK) >= list->oldest)
        return true;
    if (t->flags & TG_VARIABLE && list->n_automatic)
        return true;
    if (t->flags & TG_WATCHED)
        for (size_t i = 0; i < list->n_open; ++i)
            if (tg_tape_watches(list->open[i], t))
                return true;
    return false;
}

int tg_append(tg_list *list, const tg_call *call, tg_tensor *out)
{
    uint16_t saved = 0;
    for (int i = 0; i < call->n_in; ++i)
        if (tg_is_tracked(list, call->in[i]))
            saved |= tg_residuals(call->op, i);
    const uint64_t c = (list->next >> CHUNK_BITS) - list->first_chunk;
    if (list->n_chunks == 0 || c >= list->n_chunks) {
        const int status = add_chunk(list);
        if (status)
            return status;
    }
    tg_chunk *chunk = list->chunks[(list->next >> CHUNK_BITS) - list->first_chunk];
    tg_entry *e = &chunk->entries[list->next & (CHUNK - 1)];
    const int status = entry_fill(e, call, out, saved);
    if (status) {
        e->op = 0;
        return status;
    }
    e->line = list->line;
    ++chunk->live;
    out->node = list->id << TG_NODE_BITS | list->next++;
    for (size_t i = list->n_open; i-- > 0;)
        if (!list->open[i]->paused) {
            out->tape = list->open[i];
            if (out->handles)        /* Python has it already: the op ran there */
                tg_tape_hold(out->tape);
            break;
        }
    return TG_OK;
}

/* --- tapes ------------------------------------------------------------------------------- */

tg_tape *tg_tape_new(bool persistent, bool automatic, bool lines)
{
    tg_tape *tape = calloc(1, sizeof *tape);
    if (!tape) {
        tg_fail_memory();
        return NULL;
    }
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

static bool covered_by_another(const tg_tape *tape, uint64_t position)
{
    for (const tg_tape *t = tape->list->tapes; t; t = t->next)
        if (t != tape && !t->consumed && tg_tape_covers(t, position))
            return true;
    return false;
}

/* Newest first, so that a chain of records is freed from its end. */
static void release_entries(tg_tape *tape)
{
    tg_list *list = tape->list;
    const bool alone = list->tapes == tape && !tape->next;
    for (size_t k = tape->n_intervals; k-- > 0;) {
        const tg_interval at = tape->intervals[k];
        for (uint64_t i = at.end == UINT64_MAX ? list->next : at.end; i-- > at.begin;)
            if (alone || !covered_by_another(tape, i))
                tg_entry_release_place(list, i);
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
    if (tape->list)
        release_entries(tape);
    drop_watched(tape);
}

/* Recount what the open tapes ask for; called when one opens, closes, pauses or resumes. */
static void recount(tg_list *list)
{
    list->n_active = list->n_automatic = list->n_lines = 0;
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
        list_free(list);
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

/* --- traces ------------------------------------------------------------------------------ */

int tg_trace_append(tg_trace *trace, const tg_call *call, tg_tensor *out)
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
    const int status =
        entry_fill(&trace->entries[trace->n], call, out, (uint16_t)((1u << n) - 1));
    trace->n += status == TG_OK;
    return status;
}

void tg_trace_clear(tg_trace *trace)
{
    while (trace->n)
        entry_clear(&trace->entries[--trace->n]);
    free(trace->entries);
    trace->entries = NULL;
    trace->room = 0;
}
