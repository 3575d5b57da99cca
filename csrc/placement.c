/* placement.c: where a program's values lie. It answers the run functions' requests for records and
 * buffers (pool.h) while a program runs: the first run notes sizes and lifetimes, the planner
 * packs them into one block, later runs get the same places in the same order. */
#include "placement.h"

#include <stdlib.h>

#include "pool.h"
#include "tensor.h"

static bool grow(void *array, size_t *room, size_t n, size_t item)
{
    if (n < *room)
        return true;
    const size_t wider = *room ? 2 * *room : 64;
    void **a = array;
    void *p = realloc(*a, wider * item);
    if (!p)
        return false;
    *a = p;
    *room = wider;
    return true;
}

tg_buffer *tg_place_buffer(size_t bytes)
{
    tg_placement *pl = tg_placing;
    if (bytes > PTRDIFF_MAX / 2)
        return NULL;
    bytes = bytes ? (bytes + TG_PAD - 1) / TG_PAD * TG_PAD : TG_PAD;
    if (pl->planned) {
        if (pl->next_request >= pl->n_requests ||
            pl->requests[pl->next_request]->bytes != bytes)
            return NULL; /* not the run that was planned */
        tg_buffer *b = &pl->requests[pl->next_request++]->buffer;
        b->refs = 1;
        return b;
    }
    if (!grow(&pl->requests, &pl->request_room, pl->n_requests, sizeof *pl->requests))
        return NULL;
    request *r = calloc(1, sizeof *r);
    void *data = NULL;
    if (!r || posix_memalign(&data, TG_PAD, bytes) != 0) {
        free(r);
        return NULL;
    }
    r->bytes = bytes;
    r->born = pl->clock++;
    r->died = UINT32_MAX;
    r->buffer =
        (tg_buffer){.data = data, .capacity = bytes, .refs = 1, .size_class = TG_PLACED};
    pl->requests[pl->n_requests++] = r;
    return &r->buffer;
}

void tg_unplace_buffer(tg_buffer *b)
{
    tg_placement *pl = tg_placing;
    if (!pl || pl->planned)
        return;
    request *r = (request *)(void *)((char *)b - offsetof(request, buffer));
    r->died = pl->clock++;
    free(b->data);
    b->data = NULL;
}

tg_tensor *tg_place_record(int ndim)
{
    tg_placement *pl = tg_placing;
    if (pl->planned) {
        tg_tensor *t = pl->next_record < pl->n_records ? pl->records[pl->next_record] : NULL;
        if (!t || t->ndim != ndim)
            return NULL;
        ++pl->next_record;
        return t;
    }
    if (!grow(&pl->records, &pl->record_room, pl->n_records, sizeof *pl->records))
        return NULL;
    tg_tensor *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->dims = ndim <= 2 ? t->inline_dims : calloc(2 * (size_t)ndim, sizeof *t->dims);
    if (!t->dims) {
        free(t);
        return NULL;
    }
    t->index = TG_PLACED;
    t->gen = 1;
    pl->records[pl->n_records++] = t;
    return t;
}

void tg_placement_forget(tg_placement *pl)
{
    for (size_t i = 0; i < pl->n_requests; ++i) {
        if (!pl->planned)
            free(pl->requests[i]->buffer.data);
        free(pl->requests[i]);
    }
    for (size_t i = 0; i < pl->n_records; ++i) {
        if (pl->records[i]->dims != pl->records[i]->inline_dims)
            free(pl->records[i]->dims);
        free(pl->records[i]);
    }
    free(pl->requests);
    free(pl->records);
    free(pl->block);
    memset(pl, 0, sizeof *pl);
}

static int larger_first(const void *a, const void *b)
{
    const request *x = *(request *const *)a, *y = *(request *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->born < y->born ? -1 : 1;
}

/* Lowest offset at which r overlaps none of the placed ones alive at the same time. */
static size_t first_fit(const request *r, request **placed, size_t n)
{
    size_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < n; ++i) {
            const request *q = placed[i];
            if (q->born < r->died && r->born < q->died && q->offset < offset + r->bytes &&
                offset < q->offset + q->bytes) {
                offset = q->offset + q->bytes;
                moved = true;
            }
        }
    }
    return offset;
}

/* Give every request its place in one block: largest first, each at the lowest offset free for its
 * lifetime (the greedy-by-size rule of Pisarchyk & Lee 2020, sec. 5.2). */
int tg_placement_plan(tg_placement *pl)
{
    request **order = malloc((pl->n_requests + 1) * sizeof *order);
    if (!order)
        return tg_fail_memory();
    memcpy(order, pl->requests, pl->n_requests * sizeof *order);
    qsort(order, pl->n_requests, sizeof *order, larger_first);
    size_t bytes = 0;
    for (size_t i = 0; i < pl->n_requests; ++i) {
        order[i]->offset = first_fit(order[i], order, i);
        if (order[i]->offset + order[i]->bytes > bytes)
            bytes = order[i]->offset + order[i]->bytes;
    }
    free(order);
    void *block = NULL;
    if (posix_memalign(&block, TG_PAD, bytes + TG_PAD) != 0)
        return tg_fail_memory();
    for (size_t i = 0; i < pl->n_requests; ++i) {
        request *r = pl->requests[i];
        free(r->buffer.data); /* outputs that were still alive */
        r->buffer.data = (char *)block + r->offset;
    }
    pl->block = block;
    pl->block_bytes = bytes;
    pl->planned = true;
    return TG_OK;
}
