/* optim.h: the update rules of the optimizers as kernels, and the steps over many parameters.
 * The formulas, operation by operation, are those of tapegrad/engine/numpy_optim.py. */
#ifndef TG_OPTIM_H
#define TG_OPTIM_H

#include "core.h"

/* Hyper-parameters in the order Python gives them. */
typedef struct tg_sgd {
    double lr, momentum, dampening, weight_decay, nesterov, maximize;
} tg_sgd;

typedef struct tg_adam {
    double lr, beta1, beta2, eps, weight_decay, is_decoupled, amsgrad, maximize;
} tg_adam;

/* One update, the t-th, of n contiguous elements; scalars are worked out in double and rounded to
 * the dtype once. Arrays must not overlap. */
typedef struct tg_optim_kernels {
    /* v: velocity, not read if momentum is 0. */
    void (*sgd)(void *p, const void *g, void *v, const tg_sgd *h, int64_t t, size_t n);
    /* m, v: running means; v_max: largest v so far, not read without amsgrad. */
    void (*adam)(void *p, const void *g, void *m, void *v, void *v_max, const tg_adam *h,
                 int64_t t, size_t n);
} tg_optim_kernels;

enum { TG_MAX_STATES = 3 };

/* One parameter's update. */
typedef struct tg_update {
    tg_tensor *p, *g; /* all contiguous, of one shape and dtype */
    tg_tensor *state[TG_MAX_STATES];
    int64_t t; /* the parameter's t-th */
    int64_t first_task;
} tg_update;

typedef struct tg_updates {
    tg_update *at;
    int64_t n, tasks;
    double elements;
    const tg_sgd *sgd; /* one of the two */
    const tg_adam *adam;
} tg_updates;

/* Take u->p into the tasks of s: u is the next of s->at, its tensors' sizes are known. */
void tg_updates_count(tg_updates *s, tg_update *u);
void tg_updates_run(const tg_updates *s); /* does not touch the interpreter lock */

#endif
