/* tensor.c: tensor records: making, viewing, holding and dropping them, and the table that
 * turns handles into records. A record has two counts: refs keeps the record (its shape), uses
 * keeps the data. An entry holds every operand's record but only the data some rule will read. */
#include "tensor.h"

#include <stdlib.h>

#include "pool.h"
#include "tape.h"

const uint8_t tg_itemsizes[TG_N_DTYPES] = {
    [TG_F32] = 4,
    [TG_F64] = 8,
    [TG_BOOL] = 1,
    [TG_I8] = 1,
    [TG_I16] = 2,
    [TG_I32] = 4,
    [TG_I64] = 8,
    [TG_U8] = 1,
    [TG_U16] = 2,
    [TG_U32] = 4,
    [TG_U64] = 8,
    [TG_F16] = 2,
    [TG_C64] = 8,
    [TG_C128] = 16,
    [TG_LONGDOUBLE] = sizeof(long double),
    [TG_CLONGDOUBLE] = 2 * sizeof(long double),
};

/* --- the record table ---------------------------------------------------------------------- */

enum { SLAB_BITS = 10, SLAB_SIZE = 1 << SLAB_BITS };

static tg_tensor **slabs;
static uint32_t n_slabs, slab_room;
static tg_tensor *free_records;      /* linked through ->buffer */

static bool grow_table(void)
{
    if (n_slabs == slab_room) {
        const uint32_t room = slab_room ? 2 * slab_room : 64;
        tg_tensor **wider = realloc(slabs, room * sizeof *slabs);
        if (!wider)
            return false;
        slabs = wider;
        slab_room = room;
    }
    if (n_slabs >= UINT32_MAX >> SLAB_BITS)
        return false;
    void *p = NULL;
    if (posix_memalign(&p, 64, SLAB_SIZE * sizeof(tg_tensor)) != 0)
        return false;
    tg_tensor *slab = p;
    for (uint32_t i = SLAB_SIZE; i-- > 0;) {
        slab[i].index = n_slabs * SLAB_SIZE + i;
        slab[i].gen = 1;
        slab[i].refs = 0;
        slab[i].buffer = (tg_buffer *)(void *)free_records;
        free_records = &slab[i];
    }
    slabs[n_slabs++] = slab;
    return true;
}

size_t tg_record_room(void) { return (size_t)n_slabs * SLAB_SIZE; }

tg_tensor *tg_from_handle(uint64_t handle)
{
    const uint32_t index = (uint32_t)handle;
    if (index >> SLAB_BITS >= n_slabs)
        return NULL;
    tg_tensor *t = &slabs[index >> SLAB_BITS][index & (SLAB_SIZE - 1)];
    return t->gen == (uint32_t)(handle >> 32) && t->refs ? t : NULL;
}

static int64_t *dims_for(tg_tensor *t, int ndim)
{
    if (ndim <= 2)
        return t->inline_dims;
    return tg_alloc(tg_class_of(2 * (size_t)ndim * sizeof(int64_t)));
}

/* A record out of the table, dims set; NULL: out of memory. */
static tg_tensor *take_record(int ndim)
{
    if (!free_records && !grow_table())
        return NULL;
    tg_tensor *t = free_records;
    int64_t *dims = dims_for(t, ndim);
    if (!dims)
        return NULL;
    free_records = (tg_tensor *)(void *)t->buffer;
    t->dims = dims;
    return t;
}

/* A record with refs = uses = 1 and room for dims; data unset. */
static tg_tensor *record_new(int dtype, int ndim)
{
    tg_tensor *t = tg_placing ? tg_place_record(ndim) : take_record(ndim);
    if (!t) {
        tg_fail_memory();
        return NULL;
    }
    t->refs = t->uses = 1;
    t->dtype = (uint8_t)dtype;
    t->ndim = (uint8_t)ndim;
    t->flags = 0;
    t->node = 0;
    t->tape = NULL;
    t->grad = NULL;
    t->handles = 0;
    return t;
}

static void record_free(tg_tensor *t)
{
    if (t->index == TG_PLACED)
        return;                      /* its program's, for the next run */
    if (t->ndim > 2)
        tg_free(t->dims, tg_class_of(2 * (size_t)t->ndim * sizeof(int64_t)));
    if (++t->gen == 0)               /* 0 never names a live record */
        t->gen = 1;
    t->buffer = (tg_buffer *)(void *)free_records;
    free_records = t;
}

/* --- making ---------------------------------------------------------------------------- */

tg_tensor *tg_new(int dtype, int ndim, const int64_t *shape)
{
    int64_t size = 1, span = 1; /* span: size with empty axes counted as 1 (for strides) */
    for (int i = 0; i < ndim; ++i) {
        const int64_t extent = shape[i] > 0 ? shape[i] : 1;
        if (shape[i] < 0 || __builtin_mul_overflow(span, extent, &span)) {
            tg_fail(shape[i] < 0 ? TG_ESHAPE : TG_EMEMORY,
                    shape[i] < 0 ? "negative dimensions are not allowed"
                                 : "the array would be larger than the address space");
            return NULL;
        }
        size = shape[i] ? size * extent : 0;
    }
    int64_t bytes;
    if (__builtin_mul_overflow(span, (int64_t)tg_itemsize(dtype), &bytes) ||
        bytes > INT64_MAX / 4) {
        tg_fail(TG_EMEMORY, "the array would be larger than the address space");
        return NULL;
    }
    tg_buffer *buffer = tg_buffer_new((size_t)(size ? bytes : 0));
    if (!buffer) {
        tg_fail(TG_EMEMORY, "out of memory: %lld bytes", (long long)bytes);
        return NULL;
    }
    tg_tensor *t = record_new(dtype, ndim);
    if (!t) {
        tg_buffer_drop(buffer);
        return NULL;
    }
    t->buffer = buffer;
    t->data = buffer->data;
    t->size = size;
    int64_t stride = 1;
    for (int i = ndim; i-- > 0;) {
        t->dims[i] = shape[i];
        t->dims[ndim + i] = stride;
        stride *= shape[i] > 0 ? shape[i] : 1;
    }
    return t;
}

tg_tensor *tg_view(tg_tensor *base, int ndim, const int64_t *shape, const int64_t *strides,
                   int64_t offset)
{
    tg_tensor *t = record_new(base->dtype, ndim);
    if (!t)
        return NULL;
    t->buffer = base->buffer;
    ++t->buffer->refs;
    if (t->buffer->is_variable && !tg_placing) /* a program's views are never Python's */
        t->buffer->has_views = true;
    t->data = base->data + offset * (int64_t)tg_itemsize(base->dtype);
    t->size = 1;
    for (int i = 0; i < ndim; ++i) {
        t->dims[i] = shape[i];
        t->dims[ndim + i] = strides[i];
        t->size *= shape[i];
    }
    return t;
}

tg_tensor *tg_alias(tg_tensor *t)
{
    if (t->data)
        return tg_view(t, t->ndim, tg_shape(t), tg_strides(t), 0);
    tg_tensor *twin = record_new(t->dtype, t->ndim);
    if (!twin)
        return NULL;
    twin->buffer = NULL;
    twin->data = NULL;
    twin->size = t->size;
    memcpy(twin->dims, t->dims, 2 * (size_t)t->ndim * sizeof *t->dims);
    return twin;
}

tg_tensor *tg_scalar(int dtype, double value)
{
    tg_tensor *t = tg_new(dtype, 0, NULL);
    if (t && dtype == TG_F32)
        *(float *)(void *)t->data = (float)value;
    else if (t)
        *(double *)(void *)t->data = value;
    return t;
}

bool tg_is_unshared(const tg_tensor *t)
{
    return t->refs == 1 && t->buffer->refs == 1 && !t->buffer->writers;
}

bool tg_is_contiguous(const tg_tensor *t)
{
    int64_t expected = 1;
    for (int i = t->ndim; i-- > 0;) {
        if (t->dims[i] == 1)
            continue;
        if (t->dims[t->ndim + i] != expected && t->size)
            return false;
        expected *= t->dims[i];
    }
    return true;
}

tg_tensor *tg_contiguous(tg_tensor *t)
{
    if (tg_is_contiguous(t))
        return tg_hold(t);
    tg_tensor *copy = tg_new(t->dtype, t->ndim, tg_shape(t));
    if (copy)
        tg_copy(copy, t);
    return copy;
}

/* --- holding ----------------------------------------------------------------------------- */

tg_tensor *tg_hold(tg_tensor *t)
{
    ++t->refs;
    ++t->uses;
    return t;
}

void tg_unuse(tg_tensor *t)
{
    if (--t->uses == 0 && t->buffer) {
        tg_buffer_drop(t->buffer);
        t->buffer = NULL;
        t->data = NULL;
    }
}

void tg_unref(tg_tensor *t)
{
    if (--t->refs)
        return;
    /* grads are variables' own leaves, so this recursion is one deep */
    tg_tensor *grad = t->grad;
    record_free(t);
    tg_drop(grad);
}

void tg_drop(tg_tensor *t)
{
    if (!t)
        return;
    tg_unuse(t);
    tg_unref(t);
}

/* --- Python's hold: handles ---------------------------------------------------------------- */

uint64_t tg_handle_of(const tg_tensor *t) { return (uint64_t)t->gen << 32 | t->index; }

void tg_export(tg_tensor *t)
{
    if (t->handles++ == 0 && t->tape)
        tg_tape_hold(t->tape);
}

void tg_release(tg_tensor *t)
{
    tg_tape *tape = --t->handles == 0 ? t->tape : NULL;
    if (tape)
        t->tape = NULL;
    tg_drop(t);
    if (tape)
        tg_tape_drop(tape); /* last: it may free the entries that hold t */
}

/* --- parameters: the only arrays that are written in place --------------------------------- */

/* Give t memory of its own, where an axis of equal elements stays one element long. */
static int part(tg_tensor *t)
{
    int64_t shape[TG_MAX_NDIM];
    for (int i = 0; i < t->ndim; ++i)
        shape[i] = t->dims[i] > 1 && t->dims[t->ndim + i] == 0 ? 1 : t->dims[i];
    tg_tensor *distinct = tg_view(t, t->ndim, shape, tg_strides(t), 0);
    tg_tensor *own = distinct ? tg_new(t->dtype, t->ndim, shape) : NULL;
    if (own)
        tg_copy(own, distinct);
    tg_drop(distinct);
    if (!own)
        return TG_EMEMORY;
    own->buffer->version = t->buffer->version; /* what tapes saved of t is still true */
    tg_buffer_drop(t->buffer);
    t->buffer = own->buffer;
    t->data = own->data;
    for (int i = 0; i < t->ndim; ++i)
        t->dims[t->ndim + i] = shape[i] == t->dims[i] ? own->dims[t->ndim + i] : 0;
    own->buffer = NULL;
    own->data = NULL;
    tg_drop(own);
    return TG_OK;
}

int tg_part_from_variable(tg_tensor *t)
{
    const bool is_variable = t->flags & (TG_VARIABLE | TG_PARAMETER);
    return t->buffer && t->buffer->is_variable && !is_variable ? part(t) : TG_OK;
}

/* Looks at every record, but only while a view is alive as its parameter is written. */
int tg_before_write(const tg_tensor *p)
{
    tg_buffer *b = p->buffer;
    if (!b->has_views || b->refs == 1)
        return TG_OK;
    bool has_views = false;
    for (uint32_t i = 0; i < n_slabs; ++i)
        for (tg_tensor *t = slabs[i]; t < slabs[i] + SLAB_SIZE; ++t) {
            if (!t->refs || t->buffer != b || t == p)
                continue;
            if (!t->handles)
                has_views = true; /* a tape's: its sweep will say that p was written */
            else if (part(t))
                return TG_EMEMORY;
        }
    b->has_views = has_views;
    return TG_OK;
}

int tg_touch(uint64_t handle)
{
    tg_tensor *t = tg_from_handle(handle);
    if (!t || !t->data)
        return tg_fail(TG_ESTALE, "this Tensor is gone");
    if (tg_before_write(t))
        return TG_EMEMORY;
    ++t->buffer->version;
    return TG_OK;
}
