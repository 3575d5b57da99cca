/* blocks.c: run one elementwise kernel over tensors of any shapes that broadcast and any layout. A
 * call becomes a plan: per operand, whether it is read where it lies (C order), is one repeated
 * value, or is gathered block by block (any other layout). Blocks run in any order on any
 * thread: an element's bits depend on its operands only. Called by map.c. */
#include "blocks.h"

#include "operand.h"

enum { CHUNK = 16 * TG_BLOCK }; /* elements a thread takes at a time; a multiple of 64 */

/* Beyond this many bytes of operands and output a row that waits for memory anyway writes its
 * output past the caches: nobody would find it there, and it saves reading the lines first. In
 * small blocks, and not for rows with more to compute, which such stores hold up. */
static const double STREAM_BYTES = 24e6, STREAM_NS = 0.2;
enum { STREAM_BLOCK = 128 };

typedef struct plan {
    tg_map_fn *kernel;
    const double *p;
    char *out;
    size_t out_item, n;
    size_t lanes; /* kernels round n up to a multiple of this */
    int n_in;
    bool is_padded, gathers, streams;
    tg_operand in[TG_MAX_OPERANDS];
} plan;

/* Elements [first, first + n) into out, of operands padded to whole vectors or, with is_tail,
 * by way of copies that are: then n < lanes. Gathered operands: n <= TG_BLOCK. */
static void run_block(const plan *pl, size_t first, size_t n, char *out, bool is_tail)
{
    _Alignas(TG_PAD) char copies[TG_MAX_OPERANDS][TG_BLOCK * sizeof(double)];
    const void *in[TG_MAX_OPERANDS];
    size_t step[TG_MAX_OPERANDS];
    for (int k = 0; k < pl->n_in; ++k) {
        const tg_operand *o = &pl->in[k];
        step[k] = o->mode == TG_WHOLE || o->mode == TG_GATHERED;
        in[k] = o->mode == TG_REPEATED ? o->value : o->data + step[k] * first * o->item;
        if (o->mode == TG_GATHERED) {
            if (n % pl->lanes || !(in[k] = tg_operand_run(o, first, n))) {
                tg_operand_gather(copies[k], o, first, n);
                in[k] = copies[k];
            }
        } else if (o->mode == TG_WHOLE && is_tail)
            in[k] = memcpy(copies[k], in[k], n * o->item);
    }
    if (is_tail) {
        _Alignas(TG_PAD) char result[TG_PAD];
        pl->kernel(result, in, step, pl->p, n);
        memcpy(out, result, n * pl->out_item);
    } else
        pl->kernel(out, in, step, pl->p, n);
}

static void run_span(const plan *pl, size_t first, size_t n)
{
    char *out = pl->out + first * pl->out_item;
    const size_t tail = pl->is_padded ? 0 : n % pl->lanes;
    const size_t whole = n - tail;
    const size_t block = pl->streams ? STREAM_BLOCK : pl->gathers ? TG_BLOCK : whole;
    for (size_t i = 0, m; i < whole; i += m) {
        m = whole - i < block ? whole - i : block;
        if (pl->streams) {
            _Alignas(TG_PAD) char result[STREAM_BLOCK * sizeof(double)];
            run_block(pl, first + i, m, result, false);
            tg_stream(out + i * pl->out_item, result, m * pl->out_item);
        } else
            run_block(pl, first + i, m, out + i * pl->out_item, false);
    }
    if (tail)
        run_block(pl, first + whole, tail, out + whole * pl->out_item, true);
    if (pl->streams)
        tg_stream_fence();
}

static void run_chunk(void *context, size_t chunk)
{
    const plan *pl = context;
    const size_t first = chunk * CHUNK;
    run_span(pl, first, pl->n - first < CHUNK ? pl->n - first : CHUNK);
}

int tg_broadcast(tg_tensor *const *in, int n_in, int *ndim, int64_t *shape)
{
    *ndim = 0;
    for (int k = 0; k < n_in; ++k)
        if (in[k] && in[k]->ndim > *ndim)
            *ndim = in[k]->ndim;
    for (int d = 0; d < *ndim; ++d)
        shape[d] = 1;
    for (int k = 0; k < n_in; ++k)
        for (int d = 0; in[k] && d < in[k]->ndim; ++d) {
            int64_t *length = &shape[d + *ndim - in[k]->ndim];
            const int64_t own = tg_shape(in[k])[d];
            if (*length == 1)
                *length = own;
            else if (own != 1 && own != *length)
                return tg_fail(TG_ESHAPE,
                               "operand %d has length %lld on an axis where another "
                               "has %lld: they do not broadcast",
                               k, (long long)own, (long long)*length);
        }
    return TG_OK;
}

/* The common case: all operands in C order and alike, or 0-d beside others. One look at each; that
 * which has the result's shape, NULL in other cases. */
static const tg_tensor *plain_shape(tg_tensor *const *in, int n_in)
{
    const tg_tensor *like = in[0];
    for (int k = 1; k < n_in && !like->ndim; ++k)
        if (in[k])
            like = in[k];
    for (int k = 0; k < n_in; ++k) {
        if (!in[k] || !in[k]->ndim || in[k] == like)
            continue;
        if (in[k]->ndim != like->ndim || !tg_is_contiguous(in[k]))
            return NULL;
        for (int d = 0; d < like->ndim; ++d)
            if (tg_shape(in[k])[d] != tg_shape(like)[d])
                return NULL;
    }
    return tg_is_contiguous(like) ? like : NULL;
}

static tg_tensor *output(tg_tensor *place, int dtype, int ndim, const int64_t *shape)
{
    bool fits =
        place && place->dtype == dtype && place->ndim == ndim && tg_is_contiguous(place);
    for (int d = 0; fits && d < ndim; ++d)
        fits = tg_shape(place)[d] == shape[d];
    return fits ? tg_hold(place) : tg_new(dtype, ndim, shape);
}

int tg_run_blocks(tg_map_fn *kernel, double ns, tg_tensor **result, tg_tensor *place,
                  int out_dtype, size_t lanes, tg_tensor *const *in, int n_in, const double *p)
{
    tg_tensor *out;
    const tg_tensor *plain = plain_shape(in, n_in);
    if (plain)
        out = output(place, out_dtype, plain->ndim, tg_shape(plain));
    else {
        int ndim;
        int64_t shape[TG_MAX_NDIM];
        const int status = tg_broadcast(in, n_in, &ndim, shape);
        if (status)
            return status;
        out = output(place, out_dtype, ndim, shape);
    }
    if (!out)
        return TG_EMEMORY;
    *result = out;
    const size_t n = (size_t)out->size, out_item = tg_itemsize(out_dtype);
    if (!n)
        return TG_OK;
    const bool is_padded = tg_has_room(out, n, lanes, out_item);
    const void *data[TG_MAX_OPERANDS];
    size_t step[TG_MAX_OPERANDS];
    _Alignas(TG_PAD) char copies[TG_MAX_OPERANDS + 1][TG_PAD];
    if (plain && n >= lanes && n <= TG_BLOCK && is_padded) {
        bool all = true;
        for (int k = 0; k < n_in; ++k) {
            step[k] = in[k] && in[k]->ndim == plain->ndim;
            data[k] = step[k] ? in[k]->data
                      : in[k] ? tg_fill_lanes(copies[k], in[k]->data, 1,
                                              tg_itemsize(in[k]->dtype), TG_PAD)
                              : tg_nothing;
            all &= !step[k] || tg_has_room(in[k], n, lanes, tg_itemsize(in[k]->dtype));
        }
        if (all) {
            kernel(out->data, data, step, p, n);
            return TG_OK;
        }
    }
    if (plain && n <= lanes) { /* scalars above all: one vector, by way of copies */
        for (int k = 0; k < n_in; ++k) {
            step[k] = in[k] && in[k]->ndim == plain->ndim;
            data[k] = in[k] ? tg_fill_lanes(copies[k], in[k]->data, step[k] ? n : 1,
                                            tg_itemsize(in[k]->dtype), TG_PAD)
                            : tg_nothing;
        }
        kernel(copies[TG_MAX_OPERANDS], data, step, p, n);
        memcpy(out->data, copies[TG_MAX_OPERANDS], n * out_item);
        return TG_OK;
    }

    plan pl;
    pl.kernel = kernel;
    pl.p = p;
    pl.out = out->data;
    pl.out_item = out_item;
    pl.n = n;
    pl.lanes = lanes;
    pl.n_in = n_in;
    pl.is_padded = is_padded;
    pl.gathers = false;
    double bytes = (double)(n * out_item), cost = ns;
    int status = TG_OK;
    for (int k = 0; k < n_in; ++k) {
        tg_operand *o = &pl.in[k];
        status |= tg_operand_plan(o, in[k], out->ndim, tg_shape(out), n);
        if (status == TG_OK && o->mode == TG_WHOLE) {
            bytes += (double)(n * o->item);
            pl.is_padded &= tg_has_room(o->copy ? o->copy : in[k], n, lanes, o->item);
        } else if (o->mode == TG_GATHERED) {
            cost += 0.5;
            pl.gathers = true;
        }
    }
    pl.streams = !pl.gathers && bytes > STREAM_BYTES && ns <= STREAM_NS;
    cost *= (double)n * (lanes == 8 ? 2 : 1);
    if (status == TG_OK) {
        void *lock = tg_unlock(cost);
        tg_parallel((n + CHUNK - 1) / CHUNK, cost, run_chunk, &pl);
        tg_relock(lock);
    }
    for (int k = 0; k < n_in; ++k)
        tg_drop(pl.in[k].copy);
    if (status != TG_OK) {
        tg_drop(out);
        *result = NULL;
    }
    return status;
}
