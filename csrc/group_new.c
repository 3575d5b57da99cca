/* group_new.c: from a list of calls to a fused group: kernels found, temporaries given slots that
 * are used again after their last reader, the block made to fit the first cache. */
#include <stdlib.h>

#include "fused.h"
#include "scalar.h"
#include "tensor.h"

enum {
    CACHE = 24 * 1024, /* what the places of a block may fill of the first cache */
    STRANDS_LEAST = 4, /* times what a strand does at once: from where it pays */
};
static const double STRAND_PART = 0.3; /* of a cheap row's time, in a strand */

/* Of inner temporaries until all are known: their slots come after the others. */
enum { INNER = 1 << 30 };

/* Slots free for the next temporary. */
typedef struct idle {
    int *slots, n;
} idle;

typedef struct making {
    tg_group *g;
    tg_code *codes;
    int n_codes;
    idle idle[2][2]; /* [is_inner][elements are bytes] */
    int *idle_room;
    size_t params, lanes_most;
    int dtype; /* of floats; -1: none yet */
    bool is_mixed; /* of two dtypes */
    double cheap_ns; /* the part of g->ns that strands do */
} making;

void tg_group_free(tg_group *g)
{
    if (!g)
        return;
    free(g->code);
    free(g->parts);
    free(g->strand_ops);
    free(g->strand_rows);
    free(g->scalar_code);
    free(g->rows);
    free(g->params);
    free(g->ends);
    free(g);
}

/* --- checks ---------------------------------------------------------------------------------- */

static int check_shapes(tg_group *g, tg_tensor *const *in, tg_tensor *const *out)
{
    if (g->n_out < 1)
        return tg_fail(TG_EVALUE, "a group needs an output");
    g->ndim = out[0]->ndim;
    g->n = (size_t)out[0]->size;
    memcpy(g->shape, tg_shape(out[0]), (size_t)g->ndim * sizeof *g->shape);
    for (int k = 1; k < g->n_out; ++k)
        if (out[k]->ndim != g->ndim ||
            memcmp(tg_shape(out[k]), g->shape, (size_t)g->ndim * sizeof *g->shape) != 0)
            return tg_fail(TG_ESHAPE, "output %d of a group has another shape than its first",
                           k);
    for (int k = 0; k < g->n_in; ++k) {
        const int lead = g->ndim - in[k]->ndim;
        bool fits = lead >= 0;
        for (int d = 0; d < in[k]->ndim && fits; ++d)
            fits = tg_shape(in[k])[d] == 1 || tg_shape(in[k])[d] == g->shape[lead + d];
        if (!fits)
            return tg_fail(TG_ESHAPE, "input %d of a group does not broadcast to its output",
                           k);
    }
    return TG_OK;
}

/* Codes are in range, and each output and temporary is written before it is read. */
static int check_call(const making *m, const tg_group_call *c, size_t i)
{
    const tg_group *g = m->g;
    bool fits = c->out >= g->n_in && c->out < m->n_codes && c->n_in >= 1 && c->n_in <= 5;
    for (int k = 0; k < c->n_in && fits; ++k)
        fits = c->in[k] >= -1 && c->in[k] < m->n_codes;
    if (!fits)
        return tg_fail(TG_EVALUE, "instruction %zu of a group: no such operand", i);
    for (int k = 0; k < c->n_in; ++k)
        if (c->in[k] >= 0 && m->codes[c->in[k]].dtype < 0)
            return tg_fail(TG_EVALUE,
                           "instruction %zu of a group reads %d before it is written", i,
                           c->in[k]);
    if (m->codes[c->out].dtype >= 0)
        return tg_fail(TG_EVALUE, "instruction %zu of a group writes %d a second time", i,
                       c->out);
    return TG_OK;
}

/* --- one call after the other ----------------------------------------------------------------- */

static void note_lanes(making *m, int at, size_t lanes)
{
    tg_group *g = m->g;
    if (at < g->n_in + g->n_out && g->ends[at].lanes < lanes)
        g->ends[at].lanes = lanes;
}

static bool is_temporary(const making *m, int at) { return at >= m->g->n_in + m->g->n_out; }

/* Operand k of call i if it is a temporary that nobody reads later, and still has its slot. */
static tg_code *dying(const making *m, const tg_group_call *c, int k, size_t i)
{
    tg_code *from = c->in[k] < 0 ? NULL : &m->codes[c->in[k]];
    return from && is_temporary(m, c->in[k]) && from->last_use == i && from->place >= 0 ? from
                                                                                        : NULL;
}

/* Of elements as wide: a strand runs all calls before the next one does, so that wider elements
 * would lie on what later strands have yet to read. */
static idle *idle_slots(making *m, bool is_inner, size_t item)
{
    return &m->idle[is_inner][item == 1];
}

static void give_back(making *m, const tg_code *from)
{
    idle *to = idle_slots(m, from->is_inner, tg_itemsize(from->dtype));
    to->slots[to->n++] = from->place;
}

/* A slot for the temporary that call i writes: that of an operand which dies with it if the
 * elements are as wide (kernels may write where they read), else an idle or a new one. */
static int slot_for(making *m, const tg_group_call *c, size_t i, size_t item)
{
    const bool is_inner = m->codes[c->out].is_inner;
    for (int k = 0; k < c->n_in; ++k) {
        tg_code *from = dying(m, c, k, i);
        if (from && from->is_inner == is_inner && tg_itemsize(from->dtype) == item) {
            const int slot = from->place;
            from->place = -2;
            return slot;
        }
    }
    idle *free = idle_slots(m, is_inner, item);
    if (free->n)
        return free->slots[--free->n];
    return is_inner ? INNER + m->g->n_inner++ : m->g->n_in + m->g->n_out + m->g->n_slots++;
}

/* Where call i writes: to an output, or to a slot. What dies with the call gives its slot back. */
static int place_result(making *m, const tg_group_call *c, size_t i, int dtype)
{
    tg_group *g = m->g;
    tg_code *out = &m->codes[c->out];
    const bool is_slot = is_temporary(m, c->out);
    const size_t item = tg_itemsize(dtype);
    if (!is_slot && g->ends[c->out].item != item)
        return tg_fail(TG_EDTYPE, "instruction %zu of a group: output %d is of another dtype",
                       i, c->out - g->n_in);
    if (is_slot)
        out->place = slot_for(m, c, i, item);
    out->dtype = dtype;
    for (int k = 0; k < c->n_in; ++k) {
        tg_code *from = dying(m, c, k, i);
        if (from) {
            give_back(m, from);
            from->place = -2;
        }
    }
    if (is_slot && out->last_use == SIZE_MAX)
        give_back(m, out);
    return TG_OK;
}

/* What a call adds to what is known of all: dtypes, vectors, time. */
static void count(making *m, const tg_map_use *use)
{
    tg_group *g = m->g;
    if (use->lanes != TG_PAD) { /* else of bools only */
        m->is_mixed |= m->dtype >= 0 && m->dtype != use->dtype;
        m->dtype = use->dtype;
    }
    const size_t vector = TG_PAD / tg_itemsize(use->dtype);
    g->vector = g->vector && g->vector < vector ? g->vector : vector;
    m->lanes_most = use->lanes > m->lanes_most ? use->lanes : m->lanes_most;
    const double ns = use->ns * (use->dtype == TG_F64 ? 2 : 1);
    g->ns += ns;
    m->cheap_ns += use->ns <= TG_CHEAP_NS ? ns : 0;
}

static int add_call(making *m, const tg_group_call *c, size_t i)
{
    tg_group *g = m->g;
    int status = check_call(m, c, i);
    if (status)
        return status;
    int dtypes[8];
    for (int k = 0; k < c->n_in; ++k)
        dtypes[k] = c->in[k] < 0 ? -1 : m->codes[c->in[k]].dtype;
    tg_map_use use;
    status = tg_map_find(&use, c->op, c->k, dtypes, c->n_in);
    if (status == TG_ENOKERNEL)
        return tg_fail(TG_EVALUE, "instruction %zu of a group: %s has no kernel for its dtypes",
                       i, tg_ops[c->op].name);
    if (status)
        return status;
    if (c->n_params != use.n_params)
        return tg_fail(TG_EVALUE, "%s takes %d params, got %d", tg_ops[c->op].name,
                       use.n_params, c->n_params);
    tg_instruction *to = &g->code[i];
    g->rows[i] = (tg_row_of){(int16_t)c->op, (int8_t)(c->k < 0 ? -1 : c->k), (uint8_t)use.dtype,
                             use.out_dtype == TG_BOOL};
    to->params = (uint32_t)m->params;
    for (int k = 0; k < c->n_params; ++k)
        g->params[m->params++] = c->params[k];
    for (int k = 0; k < 4; ++k)
        to->in[k] = UINT32_MAX; /* nothing: its place is known last */
    for (int k = 0; k < c->n_in; ++k)
        if (c->in[k] >= 0) {
            note_lanes(m, c->in[k], use.lanes);
            if (k < 4) /* a fifth is the output of a row of three, which none reads */
                to->in[k] = (uint32_t)m->codes[c->in[k]].place;
        }
    note_lanes(m, c->out, use.lanes);
    status = place_result(m, c, i, use.out_dtype);
    to->out = (uint32_t)m->codes[c->out].place;
    count(m, &use);
    return status;
}

/* --- the whole ---------------------------------------------------------------------------- */

/* Strands are for groups that they do most of: what they leave goes row by row. Without them inner
 * temporaries are as the others. */
static void choose_strands(making *m)
{
    tg_group *g = m->g;
    g->dtype = m->dtype == TG_F64 ? TG_F64 : TG_F32;
    g->strand = tg_round_up(TG_STRAND_BYTES / tg_itemsize(g->dtype), m->lanes_most);
    if (m->is_mixed || g->n < STRANDS_LEAST * g->strand || g->n_inner == 0)
        g->strand = 0;
    if (g->strand)
        g->ns -= (1 - STRAND_PART) * m->cheap_ns;
    else {
        g->n_parts = 1;
        g->parts[0] = (tg_part){0, g->n_code, NULL};
    }
}

static void choose_block(making *m, tg_tensor *const *in)
{
    tg_group *g = m->g;
    size_t item = 1;
    for (int k = 0; k < m->n_codes; ++k)
        if (m->codes[k].dtype >= 0 && tg_itemsize(m->codes[k].dtype) > item)
            item = tg_itemsize(m->codes[k].dtype);
    size_t n_wide = (size_t)(g->n_in + g->n_out + g->n_slots + (g->strand ? 0 : g->n_inner));
    for (int k = 0; k < g->n_in && g->strand; ++k)
        n_wide -= in[k]->size == 1;
    const size_t fitting = CACHE / (n_wide * item) / 64 * 64;
    const size_t least = g->strand ? g->strand : 64;
    g->block = fitting < least ? least : fitting < TG_BLOCK ? fitting : TG_BLOCK;
    while (g->block & (g->block - 1)) /* a power of two: chunks are whole blocks */
        g->block &= g->block - 1;
    const size_t most = tg_round_up(g->n, m->lanes_most);
    g->slot_bytes = tg_round_up((g->block < most ? g->block : most) * item, TG_PAD);
    g->inner_bytes = g->strand ? g->strand * item : g->slot_bytes;
    for (int k = 0; k < g->n_in; ++k)
        if ((size_t)in[k]->size == g->n)
            g->bytes += (double)(g->n * tg_itemsize(in[k]->dtype));
    for (int k = 0; k < g->n_out; ++k)
        g->bytes += (double)(g->n * g->ends[g->n_in + k].item);
    g->cost = g->ns * (double)g->n;
}

/* The places of inner temporaries come after those of the others, and `nothing` last. */
static void settle_place(const tg_group *g, uint32_t *place)
{
    if (*place == UINT32_MAX)
        *place = (uint32_t)tg_group_places(g) - 1;
    else if (*place >= INNER)
        *place += (uint32_t)(g->n_in + g->n_out + g->n_slots - INNER);
}

static void settle_places(tg_group *g)
{
    for (size_t i = 0; i < g->n_code; ++i) {
        settle_place(g, &g->code[i].out);
        for (int k = 0; k < 4; ++k)
            settle_place(g, &g->code[i].in[k]);
    }
}

static int make(making *m, tg_tensor *const *in, tg_tensor *const *out, size_t n_calls,
                const tg_group_call *calls)
{
    tg_group *g = m->g;
    int status = check_shapes(g, in, out);
    for (int k = 0; k < g->n_in + g->n_out; ++k) {
        const tg_tensor *t = k < g->n_in ? in[k] : out[k - g->n_in];
        m->codes[k].place = k;
        m->codes[k].dtype = k < g->n_in ? t->dtype : -1;
        m->codes[k].is_single = k < g->n_in && t->size == 1;
        g->ends[k].item = tg_itemsize(t->dtype);
        g->ends[k].lanes = 1;
    }
    for (int k = g->n_in + g->n_out; k < m->n_codes; ++k)
        m->codes[k] = (tg_code){.dtype = -1, .place = -1, .last_use = SIZE_MAX};
    for (size_t i = 0; i < n_calls; ++i)
        for (int k = 0; k < calls[i].n_in && k < 8; ++k)
            if (calls[i].in[k] >= 0 && calls[i].in[k] < m->n_codes)
                m->codes[calls[i].in[k]].last_use = i;
    if (!status)
        status = tg_group_split(g, n_calls, calls, m->codes, m->n_codes);
    for (size_t i = 0; i < n_calls && !status; ++i)
        status = add_call(m, &calls[i], i);
    for (int k = 0; k < g->n_out && !status; ++k)
        if (m->codes[g->n_in + k].dtype != out[k]->dtype)
            status = tg_fail(TG_EDTYPE,
                             "output %d of a group is not written, or of another "
                             "dtype",
                             k);
    if (status)
        return status;
    choose_strands(m);
    choose_block(m, in);
    settle_places(g);
    if (g->n == 1 && !m->is_mixed)
        return tg_scalar_make(g);
    return g->strand ? tg_group_weave(g, calls, m->codes) : TG_OK;
}

/* Aligned for the vectors of repeated values. */
static tg_end *make_ends(size_t n)
{
    void *ends = NULL;
    if (posix_memalign(&ends, TG_PAD, (n + 1) * sizeof(tg_end)) != 0)
        return NULL;
    return memset(ends, 0, (n + 1) * sizeof(tg_end));
}

tg_group *tg_group_new(int n_in, tg_tensor *const *in, int n_out, tg_tensor *const *out,
                       size_t n_calls, const tg_group_call *calls)
{
    size_t n_params = 0;
    int n_codes = n_in + n_out;
    for (size_t i = 0; i < n_calls; ++i) {
        n_params += (size_t)calls[i].n_params;
        n_codes = calls[i].out >= n_codes ? calls[i].out + 1 : n_codes;
    }
    tg_group *g = calloc(1, sizeof *g);
    making m = {.g = g, .n_codes = n_codes, .dtype = -1};
    if ((size_t)n_codes > n_calls + (size_t)(n_in + n_out)) {
        tg_fail(TG_EVALUE, "a group's temporaries are numbered without gaps");
        free(g);
        return NULL;
    }
    bool is_made = g != NULL;
    if (g) {
        g->n_in = n_in;
        g->n_out = n_out;
        g->n_code = n_calls;
        g->unit = TG_UNIT;
        g->code = calloc(n_calls + 1, sizeof *g->code);
        g->rows = calloc(n_calls + 1, sizeof *g->rows);
        g->params = calloc(n_params + 2, sizeof *g->params);
        g->ends = make_ends((size_t)(n_in + n_out));
        m.codes = calloc((size_t)n_codes + 1, sizeof *m.codes);
        g->parts = calloc(n_calls + 1, sizeof *g->parts);
        m.idle_room = calloc(4 * (n_calls + 1), sizeof *m.idle_room);
        for (size_t k = 0; m.idle_room && k < 4; ++k)
            m.idle[k / 2][k % 2].slots = m.idle_room + k * (n_calls + 1);
        is_made =
            g->code && g->rows && g->params && g->ends && g->parts && m.codes && m.idle_room;
        if (!is_made)
            tg_fail_memory();
        else
            is_made = make(&m, in, out, n_calls, calls) == TG_OK;
    } else {
        tg_fail_memory();
    }
    free(m.codes);
    free(m.idle_room);
    if (!is_made) {
        tg_group_free(g);
        return NULL;
    }
    return g;
}
