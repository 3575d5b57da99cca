/* program.h: a program: values with places, steps over them, and what a run needs. program_new.c
 * makes it, program.c runs it, steps.c and the files named there do the single steps.
 *
 * The interpreter lock guards making, binding, starting and finishing a run; in between, the steps
 * touch the program's own records and buffers, the memory behind them, and nothing shared. */
#ifndef TG_PROGRAM_H
#define TG_PROGRAM_H

#include "group.h"
#include "optim.h"
#include "placement.h"

enum {
    TG_STEP_RUN,
    TG_STEP_GROUP,
    TG_STEP_OPTIM,
    TG_STEP_RANDOM,
    TG_STEP_GUARD,
    TG_STEP_PYTHON,
    TG_STEP_PRODUCT,
    TG_N_STEPS
};

/* Where a value lies. ARGUMENT and ARRAY: the caller's memory, any layout, bound at each run.
 * CAPTURED: a Tensor's, read and written where it is. PLANNED: in the program's block. OUTPUT:
 * fresh memory of each run. VIEW: where the step that makes it says.
 * A planned value may also lie where an output will, for as long as that is not made. */
enum {
    TG_ARGUMENT = 'i',
    TG_ARRAY = 'a',
    TG_CAPTURED = 'c',
    TG_PLANNED = 'p',
    TG_OUTPUT = 'o',
    TG_VIEW = 'v'
};

typedef struct tg_value {
    char role;
    bool is_written; /* a captured one that some step writes */
    uint32_t moves; /* changes when its memory or its strides do */
    uint32_t layout; /* changes when its strides do; from 1 */
    tg_tensor *t; /* its values now: &own, or what the step of a view gave */
    tg_tensor *captured; /* the Tensor's record, held by the program's maker */
    tg_tensor *fresh; /* this run's memory of an output */
    size_t offset; /* in the block, or */
    int host; /* in the memory of this output, which is made later; -1: in the block */
    int maker; /* the step that makes it; -1: none yet */
    char *spare; /* memory of its own: a view that turned out to be a copy, rows gathered ... */
    size_t spare_bytes;
    tg_tensor own; /* alias: no count of it or of buffer is shared */
    tg_buffer buffer;
} tg_value;

struct tg_program;
struct tg_step;
typedef int tg_step_fn(struct tg_program *program, struct tg_step *step);

/* Memory of the caller's, with what it must be: a Tensor's or an ndarray's. */
typedef struct tg_memory {
    int dtype, ndim;
    const int64_t *shape, *strides; /* in elements */
    char *data, *begin, *end; /* first element; all that may be read */
} tg_memory;

/* Where the values of t are, which has not been released. */
static inline tg_memory tg_memory_of(const tg_tensor *t)
{
    return (tg_memory){.dtype = t->dtype,
                       .ndim = t->ndim,
                       .shape = tg_shape(t),
                       .strides = tg_strides(t),
                       .data = t->data,
                       .begin = t->buffer->data,
                       .end = t->buffer->data + t->buffer->capacity};
}

/* Whether its elements lie side by side in C order; none always do, whatever the strides. */
static inline bool tg_is_c_order(const tg_memory *m)
{
    bool is_so = true;
    int64_t expected = 1;
    for (int d = m->ndim; d-- > 0 && expected; expected *= m->shape[d])
        is_so &= m->shape[d] <= 1 || m->strides[d] == expected;
    return is_so || !expected;
}

typedef struct tg_random {
    int what, generator;
    int64_t offset; /* blocks from the generator's counter */
    double params[2];
    const double *live; /* params' values at run time; NULL: params */
} tg_random;

/* A product that reads its operands where they are: product.c. */
typedef struct tg_product tg_product;

typedef struct tg_optim_step {
    tg_updates updates;
    int n_states;
    bool is_adam;
    const double *hyper; /* Python's, as are the counts */
    int64_t *counts;
    int64_t *count_at; /* parameter i's place in counts */
    tg_sgd sgd;
    tg_adam adam;
} tg_optim_step;

typedef struct tg_step {
    tg_step_fn *run;
    uint8_t kind;
    bool in_place; /* its output lies where an input does */
    bool is_settled; /* has run, and gave the shape and dtype it should */
    bool is_view; /* gave a view of an operand */
    uint32_t moves; /* sum of its inputs' when a view was made */
    uint32_t layouts; /* sum of its inputs' when place_at was found out */
    int op, n_in, n_out, n_p;
    uint32_t line; /* where it was recorded; 0: not kept */
    int place_at; /* number of the request that gets the output's place; -1: not known */
    int *in, *out; /* values */
    int64_t *p;
    tg_records records;
    union {
        tg_group *group;
        tg_optim_step *optim;
        tg_random *random;
        tg_product *product;
        void *callable; /* Python's */
        int expected; /* a guard's truth */
    };
} tg_step;

typedef struct tg_seed {
    uint64_t seed, counter;
} tg_seed;

typedef struct tg_program {
    int n_values, n_steps, n_inputs, n_generators;
    tg_value *values;
    tg_step *steps;
    int *argument_of; /* the value of each argument; -1: nobody reads it */
    int n_widest; /* most operands of a step */
    tg_tensor **operands; /* room for one step's inputs and outputs */
    uint32_t *layouts;
    char *block;
    size_t block_bytes;
    tg_placement placement;
    const tg_seed *seeds; /* of this run, by generator */
    int failed_step; /* the one that ended the last run before its end; -1: none did */
    bool is_running, has_guards;
    int *captured, *outputs, *hosted; /* values of these roles; those that have a host */
    int n_captured, n_outputs, n_hosted;
    void *lock; /* what to give back to the interpreter lock while the steps run */
    double ns; /* the last run's time */
    double *step_ns; /* of its steps; NULL: nobody asks */
    void *owner; /* what call_python needs */
    /* run a PYTHON step; the lock is held and nothing is placed */
    int (*call_python)(struct tg_program *program, tg_step *step);
} tg_program;

/* --- making (program_new.c) ---------------------------------------------------------------- */
tg_program *tg_program_new(int n_values, int n_steps, size_t block_bytes, int n_inputs);
int tg_program_value(tg_program *program, int index, char role, int dtype, int ndim,
                     const int64_t *shape, tg_tensor *captured, size_t where, int host);
/* The step at index with room for its operands and params; the caller fills them in, and what
 * its kind keeps; then step_ready. NULL: out of memory. */
tg_step *tg_program_step(tg_program *program, int index, int kind, int op, int n_in, int n_out,
                         int n_p);
int tg_program_step_ready(tg_program *program, tg_step *step);
int tg_program_ready(tg_program *program); /* after the last step */
void tg_program_free(tg_program *program);

/* --- running (program.c) ------------------------------------------------------------------- */
/* The lock is held for all but run_steps. bind: argument k, or the ARRAY value -1 - k. */
int tg_program_bind(tg_program *program, int value, const tg_memory *memory, int argument);
int tg_program_spare(tg_value *value); /* its spare memory is there, once made and kept */
int tg_program_start(tg_program *program); /* outputs' memory is there */
void tg_program_move_hosted(tg_program *program); /* outputs have other memory */
/* All steps once; lets go of the lock if the run is long. What fails is failed_step. */
int tg_program_run_steps(tg_program *program);
/* The parts of it, for epoch.c: let go of the lock if ns says so; the steps; take it again; ns on
 * the clock. */
struct tg_placement *tg_program_enter(tg_program *program, double ns);
int tg_program_do_steps(tg_program *program);
void tg_program_leave(tg_program *program, struct tg_placement *outer);
double tg_program_now(void);
/* Value v's result, held and fresh: an output's own memory the first time, else a copy. */
tg_tensor *tg_program_result(tg_program *program, int value);
void tg_program_finish(
    tg_program *program); /* gives it back; outputs not asked for are dropped */

/* --- steps --------------------------------------------------------------------------------- */
/* How many of its inputs its row reads: for PRODUCT the first ones. */
static inline int tg_step_row_inputs(const tg_step *s)
{
    return s->kind == TG_STEP_PRODUCT && s->n_p ? (int)s->p[0] : s->n_in;
}
tg_tensor *const *tg_step_operands(tg_program *program, const tg_step *step);
tg_step_fn tg_step_run, tg_step_group, tg_step_optim, tg_step_random, tg_step_guard,
    tg_step_python, tg_step_product;

/* A fold (a TG_FOLD_ of reduce.h) of all rows of a matrix into one. */
typedef struct tg_column_fold {
    int what;
    bool is_mean;
    size_t rows;
} tg_column_fold;

/* Whether it is a matmul with a third input, a bias for each column: no row's function, so what it
 * reads must be two matrices. */
bool tg_is_biased(const tg_step *step);
/* Whether the planned places of two values, or of what the first shows, have bytes in common. */
bool tg_shares_place(const tg_program *program, const tg_value *in, const tg_value *out);
/* product.c: matmul and linear steps. after: one row or vjp that alone reads the product, or
 * NULL. Its codes are the step's inputs, of which the product reads the first ones (the step's
 * first param says how many), then the output: the product before, the result after. fold: the
 * step's second output, of the result's rows; or NULL. The output may lie in the place of what
 * is added to it (`after` is add), if tiles can do that: TG_EVALUE if not. */
int tg_product_new(tg_program *program, tg_step *step, const tg_group_call *after,
                   const tg_column_fold *fold);
void tg_product_free(tg_product *product);

#endif
