/* scalar.h: groups of single elements as compact code for an interpreter: programs of scalars have
 * so many instructions that what they take to fetch and to predict is their time. A slot is
 * one number, an instruction three words or less. scalar_new.c makes the code, scalar.c runs it. */
#ifndef TG_SCALAR_H
#define TG_SCALAR_H

#include "fused.h"

/* The code: a word that says what follows, then slots. Rows one at a time are out, then what
 * they read. The frequent ones come by twos and threes: for each out, b, and a, unless a is the
 * result before it (never of the first). */
enum {
    TG_SCALAR_END,
    TG_SCALAR_CALL, /* a kernel: the instruction's number */
    TG_SCALAR_ROW, /* + row */
    TG_SCALAR_VJP = TG_SCALAR_ROW + TG_N_MAP, /* + TG_MAP_INPUTS * row + k */
    TG_SCALAR_TWO = TG_SCALAR_VJP + TG_MAP_INPUTS * TG_N_MAP, /* + 8 first + second */
    TG_SCALAR_THREE = TG_SCALAR_TWO + 4 * 8, /* + 64 first + 8 second + third */
    TG_SCALAR_WORDS = TG_SCALAR_THREE + 4 * 8 * 8
};

/* The frequent rows; of a second or third, 2 frequent + whether a is the result before it. */
enum { TG_SCALAR_ADD, TG_SCALAR_SUBTRACT, TG_SCALAR_MULTIPLY, TG_SCALAR_ZMUL };

/* Make g->scalar_code of instructions that are complete, if it is faster than calls. */
int tg_scalar_make(tg_group *g);

/* The number of slots, and the run; slots hold the inputs, and get the outputs. */
static inline size_t tg_scalar_slots(const tg_group *g) { return tg_group_places(g); }
void tg_scalar_run(const tg_group *g, void *slots);

#endif
