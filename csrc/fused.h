/* fused.h: what a fused group is inside: group_new.c makes it, group.c runs it. */
#ifndef TG_FUSED_H
#define TG_FUSED_H

#include "group.h"
#include "kernels.h"
#include "map.h"
#include "operand.h"

/* A row's call in terms of places. Half a cache line: programs of scalars have many. */
typedef struct tg_instruction {
    tg_map_fn *kernel;
    uint32_t params; /* of the group's */
    uint32_t out, in[4];
} tg_instruction;

/* What a code stands for while a block runs. */
typedef struct tg_place {
    char *at;
    size_t step; /* 0: one repeated value */
} tg_place;

/* An input or output of the group. */
typedef struct tg_end {
    char *data; /* of an output */
    size_t item, lanes; /* lanes: kernels round n up to a multiple of this */
    uint32_t layout; /* of the input that operand was planned for; 0: none yet */
    bool has_room, is_turned;
    tg_operand operand; /* of an input */
} tg_end;

struct tg_group {
    int n_in, n_out, n_slots, ndim;
    size_t n, n_code;
    tg_instruction *code;
    double *params;
    tg_end *ends; /* inputs, then outputs */
    size_t vector; /* elements that every kernel does as one vector */
    size_t block, slot_bytes;
    double ns, cost, bytes; /* of an element; of all; that go through memory */
    const tg_kernels *isa; /* whose kernels the code has */
    struct tg_row_of *rows;
    int64_t shape[TG_MAX_NDIM];
};

/* Which row an instruction is of: to find its kernel again when the ISA changes. */
typedef struct tg_row_of {
    int16_t op;
    int8_t k;
    uint8_t dtype;
} tg_row_of;

void tg_group_find_kernels(tg_group *group);

#endif
