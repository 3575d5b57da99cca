/* strand_new.c: which instructions of a group become strands (strand.h), and the code of those.
 * Called by group_new.c. */
#include <stdlib.h>

#include "fused.h"
#include "tensor.h"

/* --- parts ------------------------------------------------------------------------------------ */

static tg_strand_fn *find(int op, int form) { return tg_isa->strand[TG_F32]->rows[op][form]; }

/* Whether strands have this row at all: then in its first form. */
static bool is_cheap(const tg_group_call *c)
{
    return c->op >= 0 && c->op < TG_N_MAP && c->k < TG_MAP_INPUTS &&
           find(c->op, c->k < 0 ? TG_ROW_A : TG_FORM_VJP + c->k) != NULL;
}

/* Runs of at least two cheap rows, and what is between them. */
static size_t find_parts(tg_part *parts, size_t n_calls, const tg_group_call *calls)
{
    static const tg_strand_op some;
    size_t n = 0;
    for (size_t i = 0, end; i < n_calls; i = end) {
        for (end = i; end < n_calls && is_cheap(&calls[end]);)
            ++end;
        if (end - i >= 2) {
            parts[n++] = (tg_part){i, end, &some};
            continue;
        }
        end += end == i;
        if (n && !parts[n - 1].strand)
            parts[n - 1].end = end;
        else
            parts[n++] = (tg_part){i, end, NULL};
    }
    return n;
}

int tg_group_split(tg_group *g, size_t n_calls, const tg_group_call *calls, tg_code *codes,
                   int n_codes)
{
    const int n_ends = g->n_in + g->n_out;
    size_t *maker = calloc((size_t)n_codes + 1, sizeof *maker); /* first call of the part */
    if (!maker)
        return tg_fail_memory();
    g->n_parts = find_parts(g->parts, n_calls, calls);
    for (size_t p = 0; p < g->n_parts; ++p)
        for (size_t i = g->parts[p].first; i < g->parts[p].end; ++i) {
            const tg_group_call *c = &calls[i];
            for (int k = 0; k < c->n_in && k < 8; ++k)
                if (c->in[k] >= n_ends && c->in[k] < n_codes && maker[c->in[k]] != p + 1)
                    codes[c->in[k]].is_inner = false;
            if (c->out >= n_ends && c->out < n_codes) {
                maker[c->out] = p + 1;
                codes[c->out].is_inner = g->parts[p].strand != NULL;
            }
        }
    free(maker);
    return TG_OK;
}

/* --- strands ------------------------------------------------------------------------------ */

typedef struct weaving {
    tg_group *g;
    const tg_code *codes;
    int held; /* the code whose value is in the registers; -1: none */
} weaving;

static uint32_t nothing(const tg_group *g) { return (uint32_t)tg_group_places(g) - 1; }

static tg_strand_op *add(weaving *w, int op, int form)
{
    tg_group *g = w->g;
    g->strand_rows[g->n_strand_ops] = (tg_strand_row){(int16_t)op, (int16_t)form};
    tg_strand_op *o = &g->strand_ops[g->n_strand_ops++];
    o->at[0] = o->at[1] = o->at[2] = nothing(g);
    return o;
}

/* The form in which this call can take `held` from the registers, or -1. */
static int form_with(const tg_group_call *c, int held)
{
    if (held < 0)
        return -1;
    if (c->k >= 0) {
        const uint32_t reads = tg_map_reads(c->op, c->k);
        if (c->in[0] == held)
            return TG_FORM_VJP + c->k;
        for (int i = 1; i < c->n_in; ++i)
            if (reads == 1u << (i - 1) && c->in[i] == held && find(c->op, TG_FORM_READ + c->k))
                return TG_FORM_READ + c->k;
        return -1;
    }
    const int a = c->op == TG_MAP_where;
    if (c->n_in == 1)
        return c->in[0] == held ? TG_ROW_A : -1;
    if (c->in[a] == held && c->in[a + 1] == held && find(c->op, TG_ROW_AB))
        return TG_ROW_AB;
    return c->in[a] == held ? TG_ROW_A : c->in[a + 1] == held ? TG_ROW_B : -1;
}

/* The operand that call c takes from the registers if it may choose. */
static int taken(const tg_group_call *c) { return c->k < 0 && c->op == TG_MAP_where; }

/* Operand numbers of c that are read from memory in that form, in the order of at[]. */
static int in_memory(const tg_group_call *c, int form, int operands[3])
{
    if (form >= TG_FORM_READ)
        return operands[0] = 0, 1;
    if (form >= TG_FORM_VJP) {
        const uint32_t reads = tg_map_reads(c->op, c->k);
        for (int i = 0; i < 3; ++i)
            operands[i] = reads >> i & 1 ? i + 1 : -1;
        return 3;
    }
    if (c->op == TG_MAP_where)
        return operands[0] = 0, operands[1] = form == TG_ROW_A ? 2 : 1, 2;
    return operands[0] = form == TG_ROW_A, c->n_in == 1 || form == TG_ROW_AB ? 0 : 1;
}

/* That form, or the same for a repeated value in memory. */
static int form_once(const weaving *w, const tg_group_call *c, int form, int operand)
{
    const int once = form == TG_ROW_A ? TG_ROW_A1 : form == TG_ROW_B ? TG_ROW_B1 : -1;
    return once >= 0 && c->n_in == 2 && w->codes[c->in[operand]].is_single && find(c->op, once)
               ? once
               : form;
}

/* Whether the value that call i leaves in the registers is read elsewhere than by the next call
 * of its strand from there. */
static bool is_kept(const weaving *w, const tg_group_call *calls, size_t i, size_t end)
{
    const tg_group_call *c = &calls[i];
    const tg_code *code = &w->codes[c->out];
    if (!code->is_inner)
        return true;
    if (code->last_use == SIZE_MAX)
        return false;
    const int form = i + 1 < end ? form_with(c + 1, c->out) : -1;
    if (form < 0 || code->last_use > i + 1)
        return true;
    int operands[3];
    for (int k = in_memory(c + 1, form, operands); k-- > 0;)
        if (operands[k] >= 0 && c[1].in[operands[k]] == c->out)
            return true;
    return false;
}

/* A place that is read as a whole, whatever it is. */
static uint32_t spread(const weaving *w, uint32_t place)
{
    if (place < (uint32_t)w->g->n_in)
        w->g->ends[place].is_spread = true;
    return place;
}

static void weave(weaving *w, const tg_group_call *calls, size_t i, size_t end)
{
    const tg_group_call *c = &calls[i];
    const tg_group *g = w->g;
    const tg_instruction *to = &g->code[i];
    int form = form_with(c, w->held), operands[3];
    if (form < 0) {
        add(w, TG_STRAND_LOAD, 0)->at[0] = spread(w, to->in[taken(c)]);
        w->held = c->in[taken(c)];
        form = form_with(c, w->held);
    }
    const int n_operands = in_memory(c, form, operands);
    const int once = form_once(w, c, form, operands[0]);
    tg_strand_op *o = add(w, c->op, once);
    o->params = to->params;
    for (int k = n_operands; k-- > 0;)
        if (operands[k] >= 0)
            o->at[k] = once == form ? spread(w, to->in[operands[k]]) : to->in[operands[k]];
    if (w->codes[c->out].dtype == TG_BOOL) {
        o->at[2] = to->out;
        return;
    }
    w->held = c->out;
    if (is_kept(w, calls, i, end))
        add(w, w->codes[c->out].is_inner ? TG_STRAND_KEEP : TG_STRAND_STORE, 0)->at[0] =
            to->out;
}

int tg_group_weave(tg_group *g, const tg_group_call *calls, const tg_code *codes)
{
    size_t most = 0;
    for (size_t p = 0; p < g->n_parts; ++p)
        most += g->parts[p].strand ? 3 * (g->parts[p].end - g->parts[p].first) + 1 : 0;
    g->strand_ops = calloc(most + 1, sizeof *g->strand_ops);
    g->strand_rows = calloc(most + 1, sizeof *g->strand_rows);
    if (!g->strand_ops || !g->strand_rows)
        return tg_fail_memory();
    for (size_t p = 0; p < g->n_parts; ++p) {
        tg_part *part = &g->parts[p];
        if (!part->strand)
            continue;
        weaving w = {g, codes, -1};
        part->strand = g->strand_ops + g->n_strand_ops;
        for (size_t i = part->first; i < part->end; ++i)
            weave(&w, calls, i, part->end);
        add(&w, TG_STRAND_END, 0);
    }
    return TG_OK;
}
