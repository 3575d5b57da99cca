/* placement.h: memory for what run functions ask for while a program runs. See placement.c. */
#ifndef TG_PLACEMENT_H
#define TG_PLACEMENT_H

#include "core.h"

/* The records that the run function of one step has asked for, in order; the next run gets the
 * same ones. */
typedef struct tg_records {
    struct placed_record **at;
    uint32_t n, room;
} tg_records;

typedef struct tg_placement {
    char *arena; /* bump memory, empty at the start of each step */
    size_t arena_bytes, used;
    size_t asked, wanted; /* by this step so far; by the greediest one */
    tg_records *records; /* the step's */
    uint32_t next_record;
    int next_request, place_at; /* request number place_at gets place */
    tg_buffer *place;
    struct overflow *overflows; /* requests of this step that the arena had no room for */
    uint64_t fallbacks; /* how many there were, ever */
} tg_placement;

/* Between runs: make the arena as large as steps have wanted it. */
int tg_placement_fit(tg_placement *placement);
void tg_placement_begin(tg_placement *placement, tg_records *records, tg_buffer *place,
                        int place_at);
void tg_placement_end(tg_placement *placement); /* of a step */
void tg_placement_forget(tg_placement *placement);
void tg_records_forget(tg_records *records);

#endif
