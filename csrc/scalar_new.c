/* scalar_new.c: the code of groups of single elements (scalar.h). Called by group_new.c. */
#include "scalar.h"

#include <stdlib.h>

#include "tensor.h"

/* Calls cost more from here than from group.c: there may be one in so many instructions. */
enum { CALLS_ONE_IN = 4 };

/* --- what the interpreter has --------------------------------------------------------------- */

#define IS_CHEAP(name, ns) [TG_MAP_##name] = (ns) <= TG_CHEAP_NS,
#define UNARY(name, params, ns, ...) IS_CHEAP(name, ns)
#define BINARY(name, ns, ...) IS_CHEAP(name, ns)
#define LINEAR1(name, ns, ...) IS_CHEAP(name, ns)
#define LINEAR2(name, ns, ...) IS_CHEAP(name, ns)
#define STEP(name, ns, ...) IS_CHEAP(name, ns)
static const bool is_cheap[TG_N_MAP] = {
#include "ops.def"
};
#undef IS_CHEAP

/* Which of the frequent rows, or -1. */
static int frequent(const tg_row_of *row)
{
    if (row->k >= 0)
        return row->op == TG_MAP_multiply ? TG_SCALAR_ZMUL : -1;
    return row->op == TG_MAP_add        ? TG_SCALAR_ADD
           : row->op == TG_MAP_subtract ? TG_SCALAR_SUBTRACT
           : row->op == TG_MAP_multiply ? TG_SCALAR_MULTIPLY
           : row->op == TG_MAP_zmul     ? TG_SCALAR_ZMUL
                                        : -1;
}

/* --- the code --------------------------------------------------------------------------------- */

/* The slots a and b of a frequent instruction; a is `held` if one may be. */
static void operands_of(const tg_group *g, size_t i, uint32_t held, uint32_t *a, uint32_t *b)
{
    const tg_instruction *c = &g->code[i];
    const int what = frequent(&g->rows[i]);
    *a = c->in[0];
    *b = c->in[g->rows[i].k == 0 ? 2 : 1]; /* of the vjps, ct and what the partial reads */
    if (*b == held && *a != held && (what == TG_SCALAR_ADD || what == TG_SCALAR_MULTIPLY)) {
        *b = *a;
        *a = held;
    }
}

/* Instructions [i, i + n), two or three frequent ones; the words written. */
static size_t put_frequent(const tg_group *g, size_t i, size_t n, uint32_t *to)
{
    uint32_t word = 0, held = UINT32_MAX, *at = to + 1;
    for (size_t k = i; k < i + n; ++k) {
        uint32_t a, b;
        operands_of(g, k, held, &a, &b);
        const bool is_held = k > i && a == held;
        word = k == i ? (uint32_t)frequent(&g->rows[k])
                      : 8 * word + 2 * (uint32_t)frequent(&g->rows[k]) + is_held;
        *at++ = held = g->code[k].out;
        *at++ = b;
        if (!is_held)
            *at++ = a;
    }
    *to = word + (n == 2 ? TG_SCALAR_TWO : TG_SCALAR_THREE);
    return (size_t)(at - to);
}

static size_t put_one(const tg_group *g, size_t i, uint32_t *to)
{
    const tg_row_of *row = &g->rows[i];
    const tg_instruction *c = &g->code[i];
    if (!is_cheap[row->op]) {
        to[0] = TG_SCALAR_CALL;
        to[1] = (uint32_t)i;
        return 2;
    }
    to[0] = (uint32_t)(row->k < 0 ? TG_SCALAR_ROW + row->op
                                  : TG_SCALAR_VJP + TG_MAP_INPUTS * row->op + row->k);
    to[1] = c->out;
    memcpy(to + 2, c->in, sizeof c->in);
    to[6] = c->params;
    return 7;
}

int tg_scalar_make(tg_group *g)
{
    size_t n_calls = 0;
    for (size_t i = 0; i < g->n_code; ++i)
        n_calls += !is_cheap[g->rows[i].op];
    if (n_calls * CALLS_ONE_IN > g->n_code)
        return TG_OK;
    uint32_t *code = malloc((7 * g->n_code + 1) * sizeof *code), *to = code;
    if (!code)
        return tg_fail_memory();
    for (size_t i = 0; i < g->n_code;) {
        size_t n = 0;
        while (n < 3 && i + n < g->n_code && frequent(&g->rows[i + n]) >= 0)
            ++n;
        to += n >= 2 ? put_frequent(g, i, n, to) : put_one(g, i, to);
        i += n ? n : 1;
    }
    *to++ = TG_SCALAR_END;
    uint32_t *fitting = realloc(code, (size_t)(to - code) * sizeof *code);
    g->scalar_code = fitting ? fitting : code;
    return TG_OK;
}
