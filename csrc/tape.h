/* tape.h: entries, the per-thread Wengert list, and tapes as sets of intervals of it.
 * See tape.c for ownership. */
#ifndef TG_TAPE_H
#define TG_TAPE_H

#include "core.h"

/* saved: bit i input i's data is held for some rule, bit 14 that of input 14 and all after it,
 * bit 15 the output's. */
enum { TG_SAVED_OUT = 1 << 15, TG_MAX_SAVED_IN = 15 };

static inline bool tg_saves_in(uint16_t saved, int i)
{
    return saved >> (i < TG_MAX_SAVED_IN ? i : TG_MAX_SAVED_IN - 1) & 1;
}

typedef struct tg_entry {
    uint16_t op, n_in, n_p, saved;   /* op + 1 here; 0: an empty place */
    uint32_t line;                   /* Python's line table, 0: not kept */
    uint32_t versions;               /* sum of the saved inputs' versions when recorded */
    tg_tensor *out;
    tg_tensor *near[2];              /* the inputs, when at most two */
    void *far; /* inputs (when more), then params, then the float mask */
} tg_entry;

static inline tg_tensor *const *tg_entry_in(const tg_entry *e)
{
    return e->n_in > 2 ? (tg_tensor *const *)e->far : e->near;
}

static inline const int64_t *tg_entry_params(const tg_entry *e)
{
    return e->n_p ? (const int64_t *)e->far + (e->n_in > 2 ? e->n_in : 0) : NULL;
}

/* Which params are floats, as bits; the last word behind the params. */
static inline uint64_t tg_entry_floats(const tg_entry *e)
{
    return e->n_p ? (uint64_t)tg_entry_params(e)[e->n_p] : 0;
}

static inline int tg_entry_op(const tg_entry *e) { return e->op - 1; }

typedef struct tg_call { /* what apply was asked: the contents of an entry */
    int op, n_in, n_p;
    tg_tensor *const *in;
    const int64_t *p;
    uint64_t floats;
} tg_call;

typedef struct tg_interval {
    uint64_t begin, end;
} tg_interval; /* positions in the list */

typedef struct tg_tape {
    struct tg_list *list;
    uint64_t number; /* no other tape ever has it */
    uint32_t refs; /* the Python tape and the Tensors recorded on it */
    bool persistent, automatic, lines;
    bool open, paused, consumed, sweeping;
    tg_interval *intervals;
    size_t n_intervals, interval_room;
    tg_tensor **watched;
    size_t n_watched, watched_room;
    struct tg_pushed *pushed; /* of pushes inside this tape, newest first: pushed.c */
    struct tg_tape *next; /* live tapes of the list */
} tg_tape;

/* A trace: entries logged in full, while one rule runs, to become a template, or while a whole
 * step runs, to become a program. The latter notes more of each entry, in its `versions`: */
enum {
    TG_TRACE_PYTHON = 1,             /* the op ran in Python */
    TG_TRACE_GRAD = 2,               /* no op: the .grad of in[0], from before the trace */
    TG_TRACE_VIEW_SHIFT = 4, /* 1 + the input whose memory the output shares, 4 bits */
    TG_TRACE_VJP_SHIFT = 8, /* 1 + k: the fused vjp of the row for its input k, 4 bits */
    TG_TRACE_READS_SHIFT = 12, /* which of (inputs ..., output) that kernel reads, 4 bits */
};

typedef struct tg_trace {
    tg_entry *entries;
    size_t n, room;
    bool foreign; /* an op ran outside C: no template */
    bool program;
    uint64_t first; /* of a step's: where the list was as it began */
    tg_tensor **grads_set; /* variables whose .grad the step has set or cleared so far */
    size_t n_grads_set, grads_set_room;
    tg_tensor **grads_none; /* variables whose .grad it found to be missing, held */
    size_t n_grads_none, grads_none_room;
} tg_trace;

typedef struct tg_list {
    uint64_t id;
    uint64_t next; /* position of the next entry; positions start at 1 */
    uint64_t first_chunk; /* number of chunks[0] */
    struct tg_chunk **chunks;
    size_t n_chunks, chunk_room;
    tg_tape **open; /* innermost last */
    size_t n_open, open_room;
    size_t n_active; /* open, not paused, while recording is on */
    size_t n_automatic; /* of those, the ones that watch variables by themselves */
    uint64_t oldest; /* first position any open tape covers */
    bool off; /* inside no_grad */
    tg_tape *tapes; /* live ones */
    tg_trace *trace;
    uint32_t line; /* line id for the next entry, when lines are kept */
    size_t n_lines; /* open tapes that keep lines */
    bool orphan; /* its thread has ended */
} tg_list;

enum { TG_NODE_BITS = 40 };
static const uint64_t TG_NODE_MASK = ((uint64_t)1 << TG_NODE_BITS) - 1;

/* Fill e from call; takes a ref on every record, a use on what `saved` names. */
int tg_entry_fill(tg_entry *e, const tg_call *call, tg_tensor *out, uint16_t saved);
void tg_entry_clear(tg_entry *e);

void tg_list_free(tg_list *list);
tg_list *tg_list_here(void); /* this thread's; NULL: out of memory */
tg_entry *tg_entry_at(const tg_list *list, uint64_t position); /* NULL: released */

tg_tape *tg_tape_new(bool persistent, bool automatic, bool lines);
tg_tape *tg_tape_hold(tg_tape *tape);
void tg_tape_drop(tg_tape *tape);
int tg_tape_open(tg_tape *tape);
int tg_tape_close(tg_tape *tape);
int tg_tape_pause(tg_tape *tape);
int tg_tape_resume(tg_tape *tape);
int tg_tape_reset(tg_tape *tape);
int tg_tape_watch(tg_tape *tape, tg_tensor *t);
bool tg_tape_watches(const tg_tape *tape, const tg_tensor *t);
bool tg_tape_covers(const tg_tape *tape, uint64_t position);
bool tg_tape_tracks(const tg_tape *tape, const tg_tensor *t);
/* Let go of the entries recorded since the list's next position was `begin`. */
int tg_tape_cut(tg_tape *tape, uint64_t begin);
void tg_tape_forget(tg_tape *tape); /* let go of its entries */
void tg_pushed_drop(tg_tape *tape); /* and of the tangents of pushes inside it */
uint64_t tg_tape_begin(const tg_tape *tape); /* first and one past the last position */
uint64_t tg_tape_end(const tg_tape *tape);
bool tg_set_recording(tg_list *list, bool on); /* no_grad; gives what it was */

bool tg_is_tracked(const tg_list *list, const tg_tensor *t);
int tg_append(tg_list *list, const tg_call *call, tg_tensor *out);
void tg_entry_release_place(tg_list *list, uint64_t position);

int tg_trace_append(tg_trace *trace, const tg_call *call, tg_tensor *out, uint32_t notes);
void tg_trace_clear(tg_trace *trace);
/* A program's trace learns that a variable's .grad is about to be read, or has been written. */
int tg_trace_reads_grad(tg_trace *trace, tg_tensor *variable);
int tg_trace_sets_grad(tg_trace *trace, tg_tensor *variable);
bool tg_is_tracing(void); /* this thread records a program */

/* Residuals of op's rule for input i: bits of inputs, TG_SAVED_OUT. Told by Python's op table. */
uint16_t tg_residuals(int op, int input);
/* An op whose first param is the number of something Python keeps while an entry holds it. */
void tg_entry_calls(int op, void (*hold)(int64_t number), void (*drop)(int64_t number));
bool tg_entry_is_call(const tg_entry *e);
const char *tg_entry_name(const tg_entry *e);
bool tg_has_rule(int op, int input);
bool tg_is_differentiable(int op);

#endif
