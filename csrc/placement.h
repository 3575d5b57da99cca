/* placement.h: planned memory for the requests of one program's runs. See placement.c. */
#ifndef TG_PLACEMENT_H
#define TG_PLACEMENT_H

#include "core.h"

typedef struct request {                 /* one buffer asked for during a run */
    size_t bytes, offset;
    uint32_t born, died; /* times of a clock that counts requests and releases */
    tg_buffer buffer;
} request;

typedef struct tg_placement {
    bool planned;
    uint32_t clock;
    size_t n_requests, request_room, next_request;
    request **requests;
    size_t n_records, record_room, next_record;
    tg_tensor **records;
    char *block; /* the planned memory */
    size_t block_bytes;
} tg_placement;

/* Give every request of the run that has just ended its place in one block. */
int tg_placement_plan(tg_placement *placement);
void tg_placement_forget(tg_placement *placement);

#endif
