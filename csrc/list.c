/* list.c: the Wengert list of each thread: entries in chunks that never move, appended once however
 * many tapes are open. */
#include "tape.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tensor.h"

enum { CHUNK_BITS = 8, CHUNK = 1 << CHUNK_BITS };

typedef struct tg_chunk {
    uint32_t live;
    tg_entry entries[CHUNK];
} tg_chunk;

static pthread_key_t thread_end;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;
static _Thread_local tg_list *here __attribute__((tls_model("initial-exec")));
static uint64_t n_lists;

void tg_list_free(tg_list *list)
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
            tg_list_free(l);
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
    size_t gone = 0; /* forget leading chunks that are gone */
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
    if (!e->out->handles)
        e->out->tape = NULL;
    tg_entry_clear(e);
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
    const int status = tg_entry_fill(e, call, out, saved);
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
            if (out->handles) /* Python has it already: the op ran there */
                tg_tape_hold(out->tape);
            break;
        }
    return TG_OK;
}
