/* transcript.c: a trace in words, with numbers for values in the order in which entries read or
 * make them. What differs between two recordings of one step is then left out: which records it
 * were, and lines. So two steps did the same if their words are equal. */
#include "transcript.h"

#include <stdlib.h>
#include <string.h>

#include "tensor.h"

enum { HEAD = 4, PER_INT = 2 }; /* words */

static bool widen(void **array, size_t *room, size_t need, size_t size)
{
    if (need <= *room)
        return true;
    const size_t wider = need + need / 2 + 64;
    void *p = realloc(*array, wider * size);
    if (!p)
        return false;
    *array = p;
    *room = wider;
    return true;
}

/* --- numbers ----------------------------------------------------------------------------- */

static bool add_value(tg_transcript *of, const tg_tensor *t, tg_tensor *leaf)
{
    if (!widen((void **)&of->leaves, &of->value_room, of->n_values + 1, sizeof(tg_tensor *)))
        return false;
    of->leaves[of->n_values++] = leaf;
    of->numbers[t->index] = (uint32_t)of->n_values;
    return true;
}

size_t tg_transcript_find(const tg_transcript *of, const tg_tensor *t)
{
    return of->numbers[t->index] ? of->numbers[t->index] - (size_t)1 : SIZE_MAX;
}

size_t tg_transcript_number(tg_transcript *of, tg_tensor *t)
{
    const size_t known = tg_transcript_find(of, t);
    if (known != SIZE_MAX)
        return known;
    if (add_value(of, t, t))
        return of->n_values - 1;
    tg_fail_memory();
    return SIZE_MAX;
}

/* --- words --------------------------------------------------------------------------------- */

static int write_entry(tg_transcript *to, const tg_entry *e)
{
    const int op = tg_entry_op(e), ndim = e->out->ndim, n_params = e->n_p ? e->n_p + 1 : 0;
    const size_t words = HEAD + e->n_in + PER_INT * (size_t)(n_params + ndim);
    if (!widen((void **)&to->words, &to->room, to->n + words, sizeof *to->words))
        return tg_fail_memory();
    uint32_t *head = to->words + to->n, *at = head + HEAD;
    for (int i = 0; i < e->n_in; ++i) {
        const size_t number = tg_transcript_number(to, tg_entry_in(e)[i]);
        if (number == SIZE_MAX)
            return TG_EMEMORY;
        *at++ = (uint32_t)number;
    }
    if (tg_transcript_find(to, e->out) == SIZE_MAX && !add_value(to, e->out, NULL))
        return tg_fail_memory();
    head[0] = (uint32_t)(uint16_t)op | (uint32_t)e->n_in << 16;
    head[1] = e->n_p | (uint32_t)ndim << 16 | (uint32_t)e->out->dtype << 24;
    head[2] = e->versions; /* a trace keeps its notes there */
    head[3] = (uint32_t)tg_transcript_find(to, e->out);
    if (n_params) {
        memcpy(at, tg_entry_params(e), PER_INT * (size_t)n_params * sizeof *at);
        if (tg_entry_is_call(e))
            memset(at, 0, PER_INT * sizeof *at);
        at += PER_INT * n_params;
    }
    if (ndim)
        memcpy(at, tg_shape(e->out), PER_INT * (size_t)ndim * sizeof *at);
    to->n += words;
    return TG_OK;
}

int tg_transcript_write(tg_transcript *to, const tg_trace *trace)
{
    *to = (tg_transcript){.numbers = calloc(tg_record_room() + 1, sizeof *to->numbers)};
    int status = to->numbers ? TG_OK : tg_fail_memory();
    for (size_t i = 0; i < trace->n && !status; ++i)
        status = write_entry(to, &trace->entries[i]);
    return status;
}

void tg_transcript_clear(tg_transcript *t)
{
    free(t->words);
    free(t->numbers);
    free(t->leaves);
    memset(t, 0, sizeof *t);
}

const uint32_t *tg_transcript_read(const uint32_t *words, tg_statement *to)
{
    *to = (tg_statement){.op = (int16_t)(words[0] & 0xffff),
                         .n_in = (int)(words[0] >> 16),
                         .n_p = (int)(words[1] & 0xffff),
                         .ndim = (int)(words[1] >> 16 & 0xff),
                         .dtype = (int)(words[1] >> 24),
                         .notes = words[2],
                         .out = words[3],
                         .in = words + HEAD};
    to->params = to->in + to->n_in;
    const uint32_t *shape = to->in + to->n_in + PER_INT * (to->n_p ? to->n_p + 1 : 0);
    to->shape = shape;
    return shape + PER_INT * to->ndim;
}
