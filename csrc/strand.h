/* strand.h: strands: consecutive instructions of a fused group whose rows are so cheap that loading
 * and storing their operands would take longer than they do. A strand goes over a block a
 * few vectors at a time: the result of each instruction stays in registers for the next, and goes
 * to memory only if somebody else reads it. strand.inc.c has the code of each row, strand_new.c
 * makes strands of instructions, group.c runs them. */
#ifndef TG_STRAND_H
#define TG_STRAND_H

#include "core.h"

/* Rows of at most so many ns an element (ops.def) come into strands. */
#define TG_CHEAP_NS 0.2

/* A strand does whole multiples of so many bytes of the floats it computes with. */
enum { TG_STRAND_BYTES = 512 };

/* Which operand of the row or vjp is the value in registers; the others are in memory:
 *   ROW_A     x; a, and b comes from at[0]; of where: a, and at[0] is the mask, at[1] is b
 *   ROW_B     b, and a comes from at[0]; of where: b, and at[0] is the mask, at[1] is a
 *   ROW_AB    both a and b
 *   ROW_A1, ROW_B1  as ROW_A, ROW_B, where at[0] is one repeated value
 *   VJP, VJP + 1, VJP + 2    ct of the vjp for that input; at[0] ... are the row's operands, y last
 *   READ, READ + 1, READ + 2 the one operand that this vjp reads besides ct, which is at[0]
 * A row with a bool result writes it to at[2] and leaves the registers as they are. */
enum tg_form {
    TG_ROW_A,
    TG_ROW_B,
    TG_ROW_AB,
    TG_ROW_A1,
    TG_ROW_B1,
    TG_FORM_VJP,
    TG_FORM_READ = TG_FORM_VJP + 3,
    TG_N_FORMS = TG_FORM_READ + 3
};

/* What a code stands for while a block runs. */
typedef struct tg_place {
    char *at;
    size_t step; /* in elements: 0: the same for the whole block */
} tg_place;

typedef void tg_strand_fn(void); /* its arguments are the ISA's */

typedef struct tg_strand_op {
    tg_strand_fn *fn;
    uint32_t at[3]; /* places */
    uint32_t params;
} tg_strand_op;

#endif
