/* transcript.h: a trace in words, the same for two recordings of one step. See transcript.c. */
#ifndef TG_TRANSCRIPT_H
#define TG_TRANSCRIPT_H

#include "tape.h"

typedef struct tg_transcript {
    uint32_t *words;
    size_t n, room;
    uint32_t *numbers; /* by a record's place in the table: 1 + its value's number; 0: none */
    tg_tensor **leaves; /* values that no entry made, by number; NULL: an entry did */
    size_t n_values, value_room;
} tg_transcript;

/* An entry as words give it; what it points to lies in them and may not be aligned. */
typedef struct tg_statement {
    int op, n_in, n_p, ndim, dtype;
    uint32_t notes, out;
    const uint32_t *in;
    const void *params, *shape; /* int64 each; behind params the mask of the floats */
} tg_statement;

/* Write the entries of a trace; they must live as long as numbers are asked for, and no record be
 * made in between. Clear the transcript in any case. The first param of a call (entry.c) is its
 * number, which no two recordings share: it is left out. */
int tg_transcript_write(tg_transcript *to, const tg_trace *trace);
/* The value of a record, or a new one that nothing has made; SIZE_MAX: out of memory. */
size_t tg_transcript_number(tg_transcript *of, tg_tensor *t);
/* The value of a record, or SIZE_MAX. */
size_t tg_transcript_find(const tg_transcript *of, const tg_tensor *t);
void tg_transcript_clear(tg_transcript *t);
/* The statement at words; gives the words behind it. */
const uint32_t *tg_transcript_read(const uint32_t *words, tg_statement *to);

#endif
