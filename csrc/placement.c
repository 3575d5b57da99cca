/* placement.c: answers the run functions' requests for records and buffers (pool.h) while a program
 * runs, without the interpreter lock: a step's result goes to the place planned for it, anything
 * else to an arena that each step starts anew. What does not fit there is asked of malloc, and
 * the arena grows for the next run. */
#include "placement.h"

#include <stdlib.h>

#include "pool.h"
#include "tensor.h"

enum { HEAD = TG_PAD }; /* in front of a request's memory: its tg_buffer */

typedef struct placed_record {
    tg_tensor t;
    int room; /* axes its dims hold; up to 2 are inline */
} placed_record;

struct overflow {
    struct overflow *next;
    char pad[TG_PAD - sizeof(void *)];
};

static void *overflow(tg_placement *pl, size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, TG_PAD, sizeof(struct overflow) + bytes) != 0)
        return NULL;
    struct overflow *o = p;
    o->next = pl->overflows;
    pl->overflows = o;
    ++pl->fallbacks;
    return o + 1;
}

tg_buffer *tg_place_buffer(size_t bytes)
{
    tg_placement *pl = tg_placing;
    const int request = pl->next_request++;
    if (request == pl->place_at && bytes <= pl->place->capacity) {
        pl->place->refs = 1;
        return pl->place;
    }
    if (bytes > PTRDIFF_MAX / 2)
        return NULL;
    const size_t room = tg_room(bytes), whole = HEAD + room;
    const bool fits = whole <= pl->arena_bytes - pl->used;
    char *p = fits ? pl->arena + pl->used : overflow(pl, whole);
    if (!p)
        return NULL;
    if (fits)
        pl->used += whole;
    tg_buffer *b = (tg_buffer *)(void *)p;
    *b = (tg_buffer){.data = p + HEAD,
                     .capacity = room,
                     .refs = 1,
                     .size_class = TG_PLACED,
                     .version = (uint32_t)request};
    /* what this step has asked for so far, in the arena or not */
    pl->asked += whole;
    if (pl->asked > pl->wanted)
        pl->wanted = pl->asked;
    return b;
}

/* Memory of a step lasts until its end, whoever lets go of it before. */
void tg_unplace_buffer(tg_buffer *b) { (void)b; }

tg_tensor *tg_place_record(int ndim)
{
    tg_placement *pl = tg_placing;
    tg_records *r = pl->records;
    if (pl->next_record == r->n) {
        if (r->n == r->room) {
            const uint32_t room = r->room ? 2 * r->room : 1;
            placed_record **wider = realloc(r->at, room * sizeof *wider);
            if (!wider)
                return NULL;
            r->at = wider;
            r->room = room;
        }
        placed_record *made = calloc(1, sizeof *made);
        if (!made)
            return NULL;
        made->t.dims = made->t.inline_dims;
        made->t.index = TG_PLACED;
        made->t.gen = 1;
        made->room = 2;
        r->at[r->n++] = made;
    }
    placed_record *record = r->at[pl->next_record];
    if (ndim > record->room) {
        int64_t *dims = malloc(2 * (size_t)ndim * sizeof *dims);
        if (!dims)
            return NULL;
        if (record->t.dims != record->t.inline_dims)
            free(record->t.dims);
        record->t.dims = dims;
        record->room = ndim;
    }
    ++pl->next_record;
    return &record->t;
}

void tg_placement_begin(tg_placement *pl, tg_records *records, tg_buffer *place, int place_at)
{
    pl->records = records;
    pl->next_record = 0;
    pl->place = place;
    pl->place_at = place ? place_at : -1;
    pl->next_request = 0;
    pl->used = pl->asked = 0;
}

void tg_placement_end(tg_placement *pl)
{
    while (pl->overflows) {
        struct overflow *o = pl->overflows;
        pl->overflows = o->next;
        free(o);
    }
}

int tg_placement_fit(tg_placement *pl)
{
    if (pl->wanted <= pl->arena_bytes)
        return TG_OK;
    void *arena = NULL;
    if (posix_memalign(&arena, TG_PAD, pl->wanted) != 0)
        return tg_fail_memory();
    free(pl->arena);
    pl->arena = arena;
    pl->arena_bytes = pl->wanted;
    return TG_OK;
}

void tg_placement_forget(tg_placement *pl)
{
    tg_placement_end(pl);
    free(pl->arena);
}

void tg_records_forget(tg_records *r)
{
    for (uint32_t i = 0; i < r->n; ++i) {
        if (r->at[i]->t.dims != r->at[i]->t.inline_dims)
            free(r->at[i]->t.dims);
        free(r->at[i]);
    }
    free(r->at);
}
