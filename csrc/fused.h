/* fused.h: what a fused group is inside: group_new.c makes it, group.c runs it. */
#ifndef TG_FUSED_H
#define TG_FUSED_H

#include "group.h"
#include "kernels.h"
#include "map.h"
#include "operand.h"
#include "strand.h"

/* A row's call in terms of places. Half a cache line: programs of scalars have many. */
typedef struct tg_instruction {
    tg_map_fn *kernel;
    uint32_t params; /* of the group's */
    uint32_t out, in[4];
} tg_instruction;

/* An input or output of the group. */
typedef struct tg_end {
    char *data; /* of an output */
    size_t item, lanes; /* lanes: kernels round n up to a multiple of this */
    uint32_t layout; /* of the input that operand was planned for; 0: none yet */
    bool has_room, is_turned;
    bool is_spread; /* strands read TG_STRAND_BYTES of it also where it is one repeated value */
    tg_operand operand; /* of an input */
} tg_end;

/* Instructions [first, end), as calls of kernels or as a strand. */
typedef struct tg_part {
    size_t first, end;
    const tg_strand_op *strand; /* NULL: as calls */
} tg_part;

/* Places are the inputs, the outputs, the slots of temporaries: first those that live from one
 * part to another, then those within one, which strands need no more than TG_STRAND_BYTES of;
 * last tg_nothing, what absent operands are. */
struct tg_group {
    int n_in, n_out, n_slots, n_inner, ndim;
    size_t n, n_code, n_parts, n_strand_ops;
    tg_instruction *code;
    tg_part *parts;
    tg_strand_op *strand_ops;
    struct tg_strand_row *strand_rows;
    uint32_t *scalar_code; /* scalar.h; NULL: blocks and calls do it */
    double *params;
    tg_end *ends; /* inputs, then outputs */
    tg_ending ending; /* n == 0: none */
    size_t unit; /* elements a thread takes at a time; a multiple of every block, or all */
    size_t part_bytes; /* what a unit leaves to be joined */
    size_t vector; /* elements that every kernel does as one vector */
    size_t block, slot_bytes, inner_bytes;
    size_t strand; /* elements that strands do a multiple of; 0: there are none */
    int dtype; /* of strands */
    double ns, cost, bytes; /* of an element; of all; that go through memory */
    const tg_kernels *isa; /* whose kernels the code has */
    struct tg_row_of *rows;
    int64_t shape[TG_MAX_NDIM];
};

/* Which row an instruction is of: to find its kernel again when the ISA changes. */
typedef struct tg_row_of {
    int16_t op;
    int8_t k;
    uint8_t dtype : 7, gives_bool : 1;
} tg_row_of;

/* Which function an operation of a strand is. */
typedef struct tg_strand_row {
    int16_t op; /* or one of these */
    int16_t form;
} tg_strand_row;
enum { TG_STRAND_LOAD = -4, TG_STRAND_KEEP, TG_STRAND_STORE, TG_STRAND_END };

enum { TG_UNIT = 16 * TG_BLOCK };

/* group_end.c: fold elements [first, first + n), which lie at `data`; then, all units done, the
 * result of their parts. */
void tg_group_fold_unit(const tg_group *group, size_t first, size_t n, const char *data,
                        char *parts, const tg_tensor *result);
void tg_group_fold_parts(const tg_group *group, char *parts, const tg_tensor *result);

static inline size_t tg_group_units(const tg_group *g)
{
    return (g->n + g->unit - 1) / g->unit;
}

/* Bytes of a unit of the output that only the ending reads; kernels write whole vectors. */
static inline size_t tg_group_staged(const tg_group *g)
{
    return g->ending.is_staged
               ? tg_round_up(g->unit * g->ends[g->n_in + g->ending.output].item, TG_PAD) +
                     TG_PAD
               : 0;
}

static inline size_t tg_group_places(const tg_group *g)
{
    return (size_t)(g->n_in + g->n_out + g->n_slots + g->n_inner) + 1;
}

/* Bytes of the slots. An input's has room for two blocks: a block from anywhere in a period. */
static inline size_t tg_group_slots(const tg_group *g)
{
    return (size_t)(2 * g->n_in + g->n_out + g->n_slots) * g->slot_bytes +
           (size_t)g->n_inner * g->inner_bytes;
}

/* --- strand_new.c, called while a group is made ---------------------------------------------- */

/* What is known of one code while the group is made. */
typedef struct tg_code {
    int dtype; /* -1: not written yet */
    int place; /* -2: given to another after its last use */
    bool is_inner; /* read only in the part that makes it */
    bool is_single; /* an input of one element */
    size_t last_use; /* the call after which nobody reads it; SIZE_MAX: nobody ever */
} tg_code;

/* Split the calls into parts, and find which temporaries are inner ones. */
int tg_group_split(tg_group *g, size_t n_calls, const tg_group_call *calls, tg_code *codes,
                   int n_codes);
/* Make the strands of a group whose instructions are complete. */
int tg_group_weave(tg_group *g, const tg_group_call *calls, const tg_code *codes);

#endif
