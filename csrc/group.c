/* group.c: run a fused group: blocks of elements go through all its instructions while they are in
 * the first cache. The kernels are those of single rows, so the bits are too: an element's
 * depend on its operands only, not on blocks or threads. group_new.c makes groups. */
#include "group.h"

#include "fused.h"
#include "scalar.h"

enum {
    STACK = 192 * 1024, /* slots of a thread that is not the caller */
    PLACES = 256,
};

/* As in blocks.c: results nobody would find in a cache are written past them; but the copy that
 * this takes costs more than it saves where strands write them. */
static const double STREAM_BYTES = 24e6, STREAM_NS = 0.4;
static const double GATHER_NS = 0.2; /* an element of an operand that does not lie in order */

typedef struct job {
    const tg_group *g;
    bool streams;
    char *parts; /* of an ending */
    const tg_tensor *result;
} job;

/* What a thread works with: the table of places, memory for slots, and for the staged output of the
 * unit that begins at element `from`. */
typedef struct desk {
    tg_place *places;
    char *slots, *staged;
    size_t from;
} desk;

/* Those of the ISA that is chosen now. */
static void find_kernels(tg_group *g)
{
    for (size_t i = 0; i < g->n_code; ++i) {
        const tg_map_use use = {.dtype = g->rows[i].dtype};
        g->code[i].kernel = tg_map_kernel(&use, g->rows[i].op, g->rows[i].k);
    }
    const tg_strand_kernels *strands = tg_isa->strand[g->dtype];
    for (size_t i = 0; i < g->n_strand_ops; ++i) {
        const tg_strand_row *row = &g->strand_rows[i];
        g->strand_ops[i].fn = row->op >= 0                 ? strands->rows[row->op][row->form]
                              : row->op == TG_STRAND_LOAD  ? strands->load
                              : row->op == TG_STRAND_KEEP  ? strands->keep
                              : row->op == TG_STRAND_STORE ? strands->store
                                                           : strands->end;
    }
    g->isa = tg_isa;
}

/* Whether one copy of the operand does for all blocks: each begins somewhere in its period. */
static bool is_periodic(const tg_group *g, const tg_operand *o)
{
    return o->mode == TG_GATHERED && o->period && o->period <= g->block && g->block < g->n;
}

/* Where slots are, repeated values and periods: the rest of the table is set for each block. */
static void lay_out(const tg_group *g, tg_place *places, char *slots)
{
    const int n_ends = g->n_in + g->n_out;
    for (int i = 0; i < g->n_in; ++i, slots += 2 * g->slot_bytes) {
        const tg_operand *o = &g->ends[i].operand;
        if (is_periodic(g, o))
            tg_operand_gather(slots, o, 0, o->period + g->block);
        if (o->mode != TG_REPEATED)
            continue;
        places[i] = (tg_place){(char *)(uintptr_t)o->value, 0};
        if (g->ends[i].is_spread) {
            places[i].at = slots;
            for (size_t at = 0; at < TG_STRAND_BYTES; at += TG_PAD)
                memcpy(places[i].at + at, o->value, TG_PAD);
        }
    }
    slots += (size_t)g->n_out * g->slot_bytes;
    for (int i = 0; i < g->n_slots; ++i, slots += g->slot_bytes)
        places[n_ends + i] = (tg_place){slots, 1};
    for (int i = 0; i < g->n_inner; ++i)
        places[n_ends + g->n_slots + i] =
            (tg_place){slots + (size_t)i * g->inner_bytes, !g->strand};
    places[tg_group_places(g) - 1] = (tg_place){(char *)(uintptr_t)tg_nothing, 0};
}

static void run_calls(const tg_group *g, const tg_part *part, const tg_place *places, size_t n)
{
    const tg_instruction *c = g->code + part->first, *const end = g->code + part->end;
    for (; c < end; ++c) {
        const tg_place a = places[c->in[0]], b = places[c->in[1]], d = places[c->in[2]],
                       e = places[c->in[3]];
        const void *const in[] = {a.at, b.at, d.at, e.at};
        const size_t step[] = {a.step, b.step, d.step, e.step};
        c->kernel(places[c->out].at, in, step, g->params + c->params, n);
    }
}

static void run_code(const tg_group *g, tg_place *places, size_t n)
{
    if (g->strand && n < g->strand) { /* what strands leave of a span: all by calls */
        tg_place *inner = places + g->n_in + g->n_out + g->n_slots;
        for (int i = 0; i < g->n_inner; ++i)
            inner[i].step = 1;
        run_calls(g, &(tg_part){0, g->n_code, NULL}, places, n);
        for (int i = 0; i < g->n_inner; ++i)
            inner[i].step = 0;
        return;
    }
    for (const tg_part *part = g->parts; part < g->parts + g->n_parts; ++part)
        if (part->strand)
            tg_isa->strand[g->dtype]->run(part->strand, places, g->params, n);
        else
            run_calls(g, part, places, n);
}

static inline void run_once(const tg_instruction *c, const tg_place *places,
                            const double *params, size_t n)
{
    /* no more elements than a repeated value's vector has: 1 does for every step */
    static const size_t step[] = {1, 1, 1, 1};
    const void *const in[] = {places[c->in[0]].at, places[c->in[1]].at, places[c->in[2]].at,
                              places[c->in[3]].at};
    c->kernel(places[c->out].at, in, step, params + c->params, n);
}

/* Programs of scalars are bound by the prediction of the indirect calls: eight places to call
 * from have eight histories. */
static void run_code_once(const tg_group *g, const tg_place *places, size_t n)
{
    const tg_instruction *c = g->code, *const end = c + g->n_code;
    const double *params = g->params;
    for (; end - c >= 8; c += 8) {
        run_once(c, places, params, n);
        run_once(c + 1, places, params, n);
        run_once(c + 2, places, params, n);
        run_once(c + 3, places, params, n);
        run_once(c + 4, places, params, n);
        run_once(c + 5, places, params, n);
        run_once(c + 6, places, params, n);
        run_once(c + 7, places, params, n);
    }
    for (; c < end; ++c)
        run_once(c, places, params, n);
}

/* Elements [first, first + n). */
static void run_block(const job *j, size_t first, size_t n, const desk *d)
{
    const tg_group *g = j->g;
    tg_place *places = d->places;
    char *slots = d->slots;
    const int n_stored = g->n_in + g->n_out - g->ending.is_staged;
    const bool is_last = first + n == g->n, is_short = g->n < g->vector;
    for (int i = 0; i < g->n_in; ++i) {
        const tg_end *e = &g->ends[i];
        const tg_operand *o = &e->operand;
        char *slot = slots + (size_t)i * 2 * g->slot_bytes;
        const size_t item = o->item;
        if (o->mode == TG_REPEATED)
            continue; /* it is laid out */
        if (is_periodic(g, o))
            places[i] = (tg_place){slot + first % o->period * item, 1};
        else if (o->mode == TG_GATHERED) {
            tg_operand_gather(slot, o, first, n);
            if (is_last && n % e->lanes)
                tg_fill_rest(slot, n, item, tg_round_up(n, e->lanes) * item);
            places[i] = (tg_place){slot, 1};
        } else if (is_last && (is_short || !e->has_room)) {
            tg_fill_lanes(slot, o->data + first * item, n, item,
                          tg_round_up(n, e->lanes) * item);
            places[i] = (tg_place){slot, 1};
        } else
            places[i] = (tg_place){(char *)(uintptr_t)o->data + first * item, 1};
    }
    if (g->ending.is_staged)
        places[n_stored] =
            (tg_place){d->staged + (first - d->from) * g->ends[n_stored].item, 1};
    for (int i = g->n_in; i < n_stored; ++i) {
        const tg_end *e = &g->ends[i];
        const bool is_direct = !j->streams && (!is_last || e->has_room);
        char *at = is_direct ? e->data + first * e->item
                             : slots + (size_t)(g->n_in + i) * g->slot_bytes;
        places[i] = (tg_place){at, 1};
    }
    if (n <= g->vector)
        run_code_once(g, places, n);
    else
        run_code(g, places, n);
    for (int i = g->n_in; i < n_stored; ++i) {
        const tg_end *e = &g->ends[i];
        char *to = e->data + first * e->item;
        if (j->streams)
            tg_stream(to, places[i].at, n * e->item);
        else if (places[i].at != to)
            memcpy(to, places[i].at, n * e->item);
    }
}

static void run_span(const job *j, size_t first, size_t end, const desk *d)
{
    const size_t block = j->g->block;
    const size_t rest = j->g->strand ? (end - first) % j->g->strand : 0;
    for (end -= rest; first < end; first += block)
        run_block(j, first, end - first < block ? end - first : block, d);
    if (rest)
        run_block(j, end, rest, d);
    if (j->streams)
        tg_stream_fence();
}

static void run_unit(const job *j, size_t unit, desk *d)
{
    const tg_group *g = j->g;
    const size_t first = unit * g->unit, n = g->n - first < g->unit ? g->n - first : g->unit;
    d->from = first;
    run_span(j, first, first + n, d);
    if (!g->ending.n)
        return;
    const tg_end *e = &g->ends[g->n_in + g->ending.output];
    const char *data = g->ending.is_staged ? d->staged : e->data + first * e->item;
    tg_group_fold_unit(g, first, n, data, j->parts, j->result);
}

static void run_apart(void *context, size_t unit)
{
    const job *j = context;
    _Alignas(TG_PAD) char slots[STACK], staged[TG_UNIT * sizeof(double) + TG_PAD];
    tg_place places[PLACES];
    lay_out(j->g, places, slots);
    run_unit(j, unit, &(desk){.places = places, .slots = slots, .staged = staged});
}

/* Point the ends at this run's operands. */
static int bind(tg_group *g, tg_tensor *const *in, const uint32_t *in_layouts,
                tg_tensor *const *out)
{
    int status = TG_OK;
    for (int i = 0; i < g->n_in; ++i) {
        tg_end *e = &g->ends[i];
        tg_tensor *t = in[i];
        if (e->layout != in_layouts[i] || e->is_turned) {
            e->is_turned = tg_is_turned(t);
            status |= tg_operand_plan(&e->operand, t, g->ndim, g->shape, g->n);
            e->layout = in_layouts[i];
            if (e->operand.copy)
                t = e->operand.copy;
        } else {
            e->operand.data = t->data;
            if (e->operand.mode == TG_REPEATED)
                tg_operand_repeat(&e->operand);
        }
        e->has_room = t->buffer && tg_has_room(t, g->n, e->lanes, e->operand.item);
    }
    for (int i = 0; i < g->n_out - g->ending.is_staged; ++i) {
        tg_end *e = &g->ends[g->n_in + i];
        e->data = out[i]->data;
        e->has_room = tg_has_room(out[i], g->n, e->lanes, e->item);
    }
    return status;
}

/* As tg_group_run lays it out: places, slots, a staged output, parts of an ending. */
size_t tg_group_scratch(const tg_group *g)
{
    if (g->scalar_code)
        return tg_scalar_slots(g) * sizeof(double);
    return tg_round_up(tg_group_places(g) * sizeof(tg_place), TG_PAD) + tg_group_slots(g) +
           tg_group_staged(g) + tg_group_units(g) * g->part_bytes;
}

/* Nanoseconds of a run, as far as a choice of threads needs them. */
static double cost_of(const tg_group *g)
{
    double ns = g->cost;
    for (int i = 0; i < g->n_in; ++i)
        ns += g->ends[i].operand.mode == TG_GATHERED ? GATHER_NS * (double)g->n : 0;
    return ns;
}

int tg_group_run(tg_group *g, tg_tensor *const *in, const uint32_t *in_layouts,
                 tg_tensor *const *out, char *scratch)
{
    if (!g->n)
        return TG_OK;
    if (g->isa != tg_isa)
        find_kernels(g);
    const int status = bind(g, in, in_layouts, out);
    if (status == TG_OK && g->scalar_code)
        tg_scalar_run(g, scratch);
    else if (status == TG_OK) {
        const size_t n_places = tg_group_places(g), n_units = tg_group_units(g);
        desk d = {.places = (tg_place *)(void *)scratch};
        d.slots = scratch + tg_round_up(n_places * sizeof *d.places, TG_PAD);
        d.staged = d.slots + tg_group_slots(g);
        job j = {.g = g,
                 .streams = !g->strand && g->bytes > STREAM_BYTES &&
                            g->ns <= STREAM_NS * g->n_out && !g->ending.n,
                 .parts = d.staged + tg_group_staged(g),
                 .result = g->ending.n ? out[g->n_out - g->ending.is_staged] : NULL};
        if (n_units > 1 && n_places <= PLACES && tg_group_slots(g) <= STACK)
            tg_parallel(n_units, cost_of(g), run_apart, &j);
        else {
            lay_out(g, d.places, d.slots);
            if (g->ending.n)
                for (size_t unit = 0; unit < n_units; ++unit)
                    run_unit(&j, unit, &d);
            else
                run_span(&j, 0, g->n, &d);
        }
        if (g->ending.n)
            tg_group_fold_parts(g, j.parts, j.result);
    }
    for (int i = 0; i < g->n_in; ++i)
        if (g->ends[i].is_turned) {
            tg_drop(g->ends[i].operand.copy);
            g->ends[i].operand.copy = NULL;
        }
    return status;
}
