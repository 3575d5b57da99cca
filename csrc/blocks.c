/* blocks.c: run one elementwise kernel over tensors of any shapes that broadcast and any layout. A
 * call becomes a plan: per operand, whether it is read where it lies (C order), is one repeated
 * value, or is gathered block by block (any other layout). Blocks run in any order on any
 * thread: an element's bits depend on its operands only. Called by map.c. */
#include "blocks.h"

#include "move.h"

#include <stdlib.h>

#ifdef __x86_64__
  #include <emmintrin.h>
#endif

enum { CHUNK = 16 * TG_BLOCK }; /* elements a thread takes at a time; a multiple of 64 */

/* Beyond this many bytes of operands and output a row that waits for memory anyway writes its output
 * past the caches: nobody would find it there, and it saves reading the lines first. In small
 * blocks, and not for rows with more to compute, which such stores hold up. */
static const double STREAM_BYTES = 24e6, STREAM_NS = 0.2;
enum { STREAM_BLOCK = 128 };

/* An absent operand: readable, as the contract asks. */
static const _Alignas(TG_PAD) char nothing[TG_PAD];

enum mode { ABSENT, WHOLE, REPEATED, GATHERED };

typedef struct operand {
    enum mode mode;
    int ndim; /* of a gathered one, adjacent axes merged */
    size_t item;
    const char *data;
    tg_tensor *copy; /* what data is of, when made for the plan */
    int64_t shape[TG_MAX_NDIM], strides[TG_MAX_NDIM];
    _Alignas(TG_PAD) char value[TG_PAD]; /* of a repeated one */
} operand;

typedef struct plan {
    tg_map_fn *kernel;
    const double *p;
    char *out;
    size_t out_item, n;
    size_t lanes; /* kernels round n up to a multiple of this */
    int n_in;
    bool is_padded, gathers, streams;
    operand in[TG_MAX_OPERANDS];
} plan;

/* dst[i] = src[i * step], in elements of item bytes; step in bytes. */
static void copy_run(char *dst, const char *src, ptrdiff_t step, size_t n, size_t item)
{
    if (step == (ptrdiff_t)item)
        memcpy(dst, src, n * item);
    else if (item == 4 && step == 0) {
        uint32_t value;
        memcpy(&value, src, 4);
        for (size_t i = 0; i < n; ++i)
            memcpy(dst + 4 * i, &value, 4);
    } else if (item == 8 && step == 0) {
        uint64_t value;
        memcpy(&value, src, 8);
        for (size_t i = 0; i < n; ++i)
            memcpy(dst + 8 * i, &value, 8);
    } else if (item == 4)
        for (size_t i = 0; i < n; ++i)
            memcpy(dst + 4 * i, src + (ptrdiff_t)i * step, 4);
    else if (item == 8)
        for (size_t i = 0; i < n; ++i)
            memcpy(dst + 8 * i, src + (ptrdiff_t)i * step, 8);
    else
        for (size_t i = 0; i < n; ++i)
            dst[i] = src[(ptrdiff_t)i * step];
}

/* Elements [first, first + n), in C order, of a gathered operand, into dst. */
static void gather(char *dst, const operand *o, size_t first, size_t n)
{
    const int inner = o->ndim - 1;
    const ptrdiff_t item = (ptrdiff_t)o->item, step = o->strides[inner] * item;
    const char *src = o->data;
    int64_t index[TG_MAX_NDIM];
    for (int d = inner; d >= 0; --d) {
        index[d] = (int64_t)(first % (size_t)o->shape[d]);
        first /= (size_t)o->shape[d];
        src += index[d] * o->strides[d] * item;
    }
    while (n) {
        const size_t rest = (size_t)(o->shape[inner] - index[inner]);
        const size_t run = rest < n ? rest : n;
        copy_run(dst, src, step, run, o->item);
        n -= run;
        dst += run * o->item;
        src -= index[inner] * step;
        index[inner] = 0;
        for (int d = inner - 1; d >= 0; --d) {
            src += o->strides[d] * item;
            if (++index[d] < o->shape[d])
                break;
            src -= o->shape[d] * o->strides[d] * item;
            index[d] = 0;
        }
    }
}

/* dst 64-byte aligned, as all outputs' chunks are. */
static void copy_past_caches(char *dst, const char *src, size_t bytes)
{
    size_t i = 0;
#ifdef __x86_64__
    for (; i + 16 <= bytes; i += 16)
        _mm_stream_si128((__m128i *)(dst + i), _mm_load_si128((const __m128i *)(src + i)));
#endif
    memcpy(dst + i, src + i, bytes - i);
}

/* Elements [first, first + n) into out, of operands padded to whole vectors or, with is_tail,
 * by way of copies that are: then n < lanes. Gathered operands: n <= TG_BLOCK. */
static void run_block(const plan *pl, size_t first, size_t n, char *out, bool is_tail)
{
    _Alignas(TG_PAD) char copies[TG_MAX_OPERANDS][TG_BLOCK * sizeof(double)];
    const void *in[TG_MAX_OPERANDS];
    size_t step[TG_MAX_OPERANDS];
    for (int k = 0; k < pl->n_in; ++k) {
        const operand *o = &pl->in[k];
        step[k] = o->mode == WHOLE || o->mode == GATHERED;
        in[k] = o->mode == REPEATED ? o->value : o->data + step[k] * first * o->item;
        if (o->mode == GATHERED) {
            gather(copies[k], o, first, n);
            in[k] = copies[k];
        } else if (o->mode == WHOLE && is_tail)
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
            copy_past_caches(out + i * pl->out_item, result, m * pl->out_item);
        } else
            run_block(pl, first + i, m, out + i * pl->out_item, false);
    }
    if (tail)
        run_block(pl, first + whole, tail, out + whole * pl->out_item, true);
#ifdef __x86_64__
    if (pl->streams)
        _mm_sfence();
#endif
}

static void run_chunk(void *context, size_t chunk)
{
    const plan *pl = context;
    const size_t first = chunk * CHUNK;
    run_span(pl, first, pl->n - first < CHUNK ? pl->n - first : CHUNK);
}

static size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

/* Whether kernels may read (or write) whole vectors over n elements of a C-order tensor. */
static bool has_room(const tg_tensor *t, size_t n, size_t lanes, size_t item)
{
    return t->data + round_up(n, lanes) * item <= t->buffer->data + t->buffer->capacity;
}

/* Merge axes that step alike; drop those of length 1. Strides of the broadcast shape. */
static void merge_axes(operand *o, const tg_tensor *t, int ndim, const int64_t *shape)
{
    int n = 0;
    for (int d = 0; d < ndim; ++d) {
        const int own = d - (ndim - t->ndim);
        const int64_t stride = own < 0 || tg_shape(t)[own] == 1 ? 0 : tg_strides(t)[own];
        if (shape[d] == 1)
            continue;
        if (n && o->strides[n - 1] == stride * shape[d]) {
            o->shape[n - 1] *= shape[d];
            o->strides[n - 1] = stride;
        } else {
            o->shape[n] = shape[d];
            o->strides[n++] = stride;
        }
    }
    o->ndim = n;
}

static void repeat(operand *o)
{
    for (size_t i = 0; i < TG_PAD; i += o->item)
        memcpy(o->value + i, o->data, o->item);
}

/* Whether some axis steps less than the last: gathering block by block would touch a cache line
 * per element, where a copy goes by tiles. */
static bool is_turned(const tg_tensor *t)
{
    int64_t last = 0;
    for (int d = t->ndim - 1; d >= 0; --d) {
        const int64_t stride = tg_shape(t)[d] == 1 ? 0 : llabs(tg_strides(t)[d]);
        if (!last)
            last = stride;
        else if (stride && stride < last)
            return true;
    }
    return false;
}

/* TG_EMEMORY if a copy cannot be made. */
static int plan_operand(plan *pl, operand *o, tg_tensor *t, const tg_tensor *out)
{
    o->mode = ABSENT;
    o->copy = NULL;
    if (!t) {
        o->data = nothing;
        o->item = 0;
        return TG_OK;
    }
    if (is_turned(t) && !(t = o->copy = tg_contiguous(t)))
        return TG_EMEMORY;
    o->data = t->data;
    o->item = tg_itemsize(t->dtype);
    if (t->size == 1 && pl->n > 1) {
        o->mode = REPEATED;
        repeat(o);
    } else if (t->size == out->size && tg_is_contiguous(t)) {
        o->mode = WHOLE;
        pl->is_padded &= has_room(t, pl->n, pl->lanes, o->item);
    } else {
        merge_axes(o, t, out->ndim, tg_shape(out));
        if (o->ndim == 1 && o->strides[0] == 0) {
            o->mode = REPEATED;
            repeat(o);
        } else {
            o->mode = GATHERED;
            pl->gathers = true;
        }
    }
    return TG_OK;
}

/* Broadcast shape of the operands that are there. */
static int broadcast(tg_tensor *const *in, int n_in, int *ndim, int64_t *shape)
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

/* All operands alike and in C order, the common case: one look at each. */
static bool is_plain(tg_tensor *const *in, int n_in)
{
    const tg_tensor *first = in[0];
    for (int k = 0; k < n_in; ++k) {
        if (!in[k])
            continue;
        if (in[k]->ndim != first->ndim || !tg_is_contiguous(in[k]))
            return false;
        for (int d = 0; k && d < first->ndim; ++d)
            if (tg_shape(in[k])[d] != tg_shape(first)[d])
                return false;
    }
    return true;
}

/* n elements, fewer than fill a vector, and the first of them again in the lanes left over: whatever
 * lay there could be subnormal or special and send the whole vector the slow way. */
static void *fill_vector(char *to, const char *from, size_t n, size_t item)
{
    size_t at = n * item;
    memcpy(to, from, item);
    if (n > 1)
        memcpy(to, from, at);
    if (item == 4)
        for (; at < TG_PAD; at += 4)
            memcpy(to + at, to, 4);
    else if (item == 8)
        for (; at < TG_PAD; at += 8)
            memcpy(to + at, to, 8);
    else
        memset(to + at, *to, TG_PAD - at);
    return to;
}

int tg_run_blocks(tg_map_fn *kernel, double ns, tg_tensor **result, int out_dtype, size_t lanes,
                  tg_tensor *const *in, int n_in, const double *p)
{
    tg_tensor *out;
    const bool plain = is_plain(in, n_in);
    if (plain)
        out = tg_new(out_dtype, in[0]->ndim, tg_shape(in[0]));
    else {
        int ndim;
        int64_t shape[TG_MAX_NDIM];
        const int status = broadcast(in, n_in, &ndim, shape);
        if (status)
            return status;
        out = tg_new(out_dtype, ndim, shape);
    }
    if (!out)
        return TG_EMEMORY;
    *result = out;
    const size_t n = (size_t)out->size, out_item = tg_itemsize(out_dtype);
    if (!n)
        return TG_OK;
    const bool is_padded = has_room(out, n, lanes, out_item);
    const void *data[TG_MAX_OPERANDS];
    size_t step[TG_MAX_OPERANDS];
    if (plain && n >= lanes && n <= TG_BLOCK && is_padded) {
        bool all = true;
        for (int k = 0; k < n_in; ++k) {
            data[k] = in[k] ? in[k]->data : nothing;
            step[k] = in[k] != NULL;
            all &= !in[k] || has_room(in[k], n, lanes, tg_itemsize(in[k]->dtype));
        }
        if (all) {
            kernel(out->data, data, step, p, n);
            return TG_OK;
        }
    }
    if (plain && n <= lanes) { /* scalars above all: one vector, by way of copies */
        _Alignas(TG_PAD) char copies[TG_MAX_OPERANDS + 1][TG_PAD];
        for (int k = 0; k < n_in; ++k) {
            step[k] = in[k] != NULL;
            data[k] = in[k] ? fill_vector(copies[k], in[k]->data, n, tg_itemsize(in[k]->dtype))
                            : nothing;
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
        status |= plan_operand(&pl, &pl.in[k], in[k], out);
        if (pl.in[k].mode == WHOLE)
            bytes += (double)(n * pl.in[k].item);
        else if (pl.in[k].mode == GATHERED)
            cost += 0.5;
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
