/* operand.c: what the loops over elementwise rows ask of an operand of any shape that broadcasts
 * and any layout: to be seen as a whole, as one repeated value, or gathered block by block.
 * Called by blocks.c and group.c. */
#include "operand.h"

#include <stdlib.h>

#ifdef __x86_64__
  #include <emmintrin.h>
#endif

const _Alignas(TG_PAD) char tg_nothing[TG_PAD];

/* --- gathering ---------------------------------------------------------------------------- */

const char *tg_operand_run(const tg_operand *o, size_t first, size_t n)
{
    int d = o->ndim - 1;
    size_t length = (size_t)o->shape[d], at = first % length;
    if (o->strides[d] != 1 || at + n > length)
        return NULL;
    ptrdiff_t offset = (ptrdiff_t)at;
    while (d-- > 0) {
        first /= length;
        length = (size_t)o->shape[d];
        offset += (ptrdiff_t)(first % length) * o->strides[d];
    }
    return o->data + offset * (ptrdiff_t)o->item;
}

void tg_operand_gather(char *dst, const tg_operand *o, size_t first, size_t n)
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
        const size_t length = (size_t)o->shape[inner], rest = length - (size_t)index[inner];
        const size_t run = rest < n ? rest : n;
        int d = inner - 1;
        if (run == length && d >= 0) { /* whole runs, as far as the axis before goes */
            const size_t left = (size_t)(o->shape[d] - index[d]);
            const size_t rows = n / length < left ? n / length : left;
            tg_copy_runs(dst, src, o->strides[d] * item, rows, step, length, o->item);
            n -= rows * length;
            dst += rows * length * o->item;
            index[d] += (int64_t)rows - 1;
            src += (ptrdiff_t)(rows - 1) * o->strides[d] * item;
        } else {
            tg_copy_run(dst, src, step, run, o->item);
            n -= run;
            dst += run * o->item;
            src -= index[inner] * step;
            index[inner] = 0;
        }
        for (; d >= 0; --d) {
            src += o->strides[d] * item;
            if (++index[d] < o->shape[d])
                break;
            src -= o->shape[d] * o->strides[d] * item;
            index[d] = 0;
        }
    }
}

/* --- past the caches ------------------------------------------------------------------------ */

void tg_stream(char *dst, const char *src, size_t bytes)
{
    size_t i = 0;
#ifdef __x86_64__
    for (; i + 16 <= bytes; i += 16)
        _mm_stream_si128((__m128i *)(dst + i), _mm_load_si128((const __m128i *)(src + i)));
#endif
    memcpy(dst + i, src + i, bytes - i);
}

void tg_stream_fence(void)
{
#ifdef __x86_64__
    _mm_sfence();
#endif
}

/* --- planning ------------------------------------------------------------------------------- */

/* Merge axes that step alike; drop those of length 1. Strides of the broadcast shape. */
static void merge_axes(tg_operand *o, const tg_tensor *t, int ndim, const int64_t *shape)
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

void tg_operand_repeat(tg_operand *o)
{
    for (size_t i = 0; i < TG_PAD; i += o->item)
        memcpy(o->value + i, o->data, o->item);
}

bool tg_is_turned(const tg_tensor *t)
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

int tg_operand_plan(tg_operand *o, tg_tensor *t, int ndim, const int64_t *shape, size_t n)
{
    o->mode = TG_ABSENT;
    o->copy = NULL;
    if (!t) {
        o->data = tg_nothing;
        o->item = 0;
        return TG_OK;
    }
    if (tg_is_turned(t) && !(t = o->copy = tg_contiguous(t)))
        return TG_EMEMORY;
    o->data = t->data;
    o->item = tg_itemsize(t->dtype);
    if (t->size == 1 && n > 1) {
        o->mode = TG_REPEATED;
    } else if ((size_t)t->size == n && tg_is_contiguous(t)) {
        o->mode = TG_WHOLE;
        return TG_OK;
    } else {
        merge_axes(o, t, ndim, shape);
        o->mode = o->ndim == 1 && o->strides[0] == 0 ? TG_REPEATED : TG_GATHERED;
        o->period = o->strides[0] == 0 && n ? n / (size_t)o->shape[0] : 0;
    }
    if (o->mode == TG_REPEATED && n)
        tg_operand_repeat(o);
    return TG_OK;
}
