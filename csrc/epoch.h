/* epoch.h: many steps of a program over batches of rows. See epoch.c. */
#ifndef TG_EPOCH_H
#define TG_EPOCH_H

#include "program.h"

/* One argument's rows: element i of a batch is row order[first + i]. */
typedef struct tg_rows {
    tg_memory memory; /* axis 0: rows */
    bool in_place; /* batches are read where they lie */
} tg_rows;

/* Where the results of all steps go, one after the other. */
typedef struct tg_stack {
    int value;
    size_t bytes; /* of a step's */
    char *data; /* step 0's */
} tg_stack;

/* A gradient that lives on from step to step: in one of two places, as the next one is made in the
 * other. */
typedef struct tg_carry {
    int made; /* the value that a step gives it, fresh; -1: steps leave it alone */
    int read; /* the value that a step reads the last one as; -1: none does */
    tg_tensor *before; /* the gradient there was before the first step, held; or NULL */
    tg_tensor *spare; /* the other place */
} tg_carry;

typedef struct tg_epoch {
    tg_rows *rows; /* for each argument of rows; the others are gradients */
    int n_rows, n_carries;
    tg_carry *carries;
    const int64_t *order; /* row numbers; NULL: as they come */
    int64_t n_order; /* rows in it */
    int64_t batch, first, n; /* rows in a batch; first step; steps to do */
    int n_stacks;
    const tg_stack *stacks;
    tg_seed *seeds; /* moved on by `blocks` at each step */
    const uint64_t *blocks;
} tg_epoch;

/* Check e against the program and make room for batches that must be gathered, and for gradients.
 * Done with or not, tg_epoch_end gives that back. */
int tg_epoch_prepare(tg_program *program, tg_epoch *e);
void tg_epoch_end(tg_epoch *e);
/* Run up to e->n steps of a started program, or as many as fit into some 50 ms; *done counts them.
 * Lets go of the interpreter lock. An error or a guard's failure leaves the steps before it done,
 * and what is carried as they left it. */
int tg_epoch_run(tg_program *program, const tg_epoch *e, int64_t *done);

#endif
