/* program.h: a frozen list of entries that runs as one call. See program.c. */
#ifndef TG_PROGRAM_H
#define TG_PROGRAM_H

#include "tape.h"

typedef struct tg_program tg_program;

/* Freeze a trace. inputs: records whose values each run brings anew; outputs: what a run gives.
 * Every other record born outside the trace is captured: held, and read where it lies. NULL: out
 * of memory, or the trace holds ops that C does not run (tg_fail has said so). */
tg_program *tg_program_new(const tg_trace *trace, size_t n_inputs, tg_tensor *const *inputs,
                           size_t n_outputs, tg_tensor *const *outputs);
void tg_program_free(tg_program *program);

/* Run it. inputs: as at tg_program_new in number, shape and dtype, any layout. outputs: room for
 * as many fresh tensors, held for the caller. */
int tg_program_run(tg_program *program, tg_tensor *const *inputs, tg_tensor **outputs);

size_t tg_program_length(const tg_program *program);
size_t tg_program_planned_bytes(const tg_program *program);    /* 0 before the first run */

#endif
