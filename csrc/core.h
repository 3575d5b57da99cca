/* core.h: the structures every C file shares: buffers, tensors, entries, tapes, op rows.
 * Internal; the public API that cffi reads is tapegrad.h.
 *
 * Locking: the caller holds the interpreter lock for everything declared here, and that lock is
 * the only one that guards tensors, buffers and tapes. Kernels above about 20 us run
 * between tg_unlock and tg_relock, and touch nothing but the memory their operands pin. */
#ifndef TG_CORE_H
#define TG_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tapegrad.h"

enum { TG_PAD = 64 }; /* every buffer is 64-byte aligned and ends on a 64-byte boundary */
enum { TG_MAX_NDIM = 64 }; /* axes of an array: NumPy's */
static inline size_t tg_round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }
/* The capacity of a buffer for so many bytes: whole lines, and never nothing. */
static inline size_t tg_room(size_t bytes)
{
    return bytes ? tg_round_up(bytes, TG_PAD) : TG_PAD;
}
enum { TG_BLOCK = 1024 }; /* elements an elementwise loop gathers at a time */

/* Memory of one or more tensors. Freed when refs drops to 0. */
typedef struct tg_buffer {
    char *data;
    size_t capacity; /* bytes from data to the end of the block, a multiple of TG_PAD (or 16 for
                        the smallest class, whose kernels go through a stack copy) */
    uint32_t refs; /* tensors that use it, plus NumPy views */
    uint32_t writers : 30; /* writable NumPy views alive */
    bool is_variable : 1; /* of a parameter: may be written in place */
    bool has_views : 1; /* then: some other record may share it */
    uint32_t size_class;
    uint32_t version; /* bumped by every write to a parameter: views of it know */
} tg_buffer;

enum {
    TG_VARIABLE = 1, /* watched by itself: a parameter or requires_grad=True */
    TG_WATCHED = 2, /* in the watched set of some tape */
    TG_TRACED = 4, /* computed in, or given to, a step while it was recorded as a program */
    TG_PARAMETER = 8, /* written where it lies, watched or not */
    TG_UNLOGGED = 16, /* computed while its thread recorded no program */
};

/* An n-dimensional strided array. Records outlive their data: an entry needs the shape of an
 * input whose values no derivative reads. */
typedef struct tg_tensor {
    uint32_t gen; /* part of the handle: a stale handle does not match */
    uint32_t refs; /* holders of this record */
    uint32_t uses; /* holders of its data; at 0 the buffer is let go, data == NULL */
    uint8_t dtype, ndim; /* TG_F32 ...; 0..64 */
    uint16_t flags;
    tg_buffer *buffer;
    char *data; /* first element */
    int64_t size; /* elements */
    int64_t *dims; /* shape[ndim] then strides[ndim], in elements */
    int64_t inline_dims[4];
    uint64_t node; /* list id << 40 | position of the entry that made it; 0: a leaf */
    struct tg_tape
        *tape; /* innermost tape that recorded it, held while Python holds the Tensor */
    struct tg_tensor *grad; /* .grad of a variable */
    uint32_t handles; /* Python Tensors that hold this record */
    uint32_t index; /* position in the record table: low half of the handle */
} tg_tensor;

static inline const int64_t *tg_shape(const tg_tensor *t) { return t->dims; }
static inline const int64_t *tg_strides(const tg_tensor *t) { return t->dims + t->ndim; }
static inline bool tg_same_shape(const tg_tensor *a, const tg_tensor *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; ++i) /* a call of memcmp costs more than the few axes */
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}
/* Of one shape and dtype. */
static inline bool tg_is_like(const tg_tensor *a, const tg_tensor *b)
{
    return a->dtype == b->dtype && tg_same_shape(a, b);
}
static inline uint32_t tg_version(const tg_tensor *t)
{
    return t->data ? t->buffer->version : 0;
}

/* --- dtypes ----------------------------------------------------------------------------- */
extern const uint8_t tg_itemsizes[TG_N_DTYPES];
static inline size_t tg_itemsize(int dtype) { return tg_itemsizes[dtype]; }
static inline bool tg_is_compute(int dtype) { return dtype == TG_F32 || dtype == TG_F64; }

/* --- tensors (tensor.c) ----------------------------------------------------------------- */
/* Constructors return a tensor with refs = uses = 1, or NULL: out of memory or sizes overflow
 * (tg_error_code tells). tg_drop gives up one ref and one use; tg_hold takes them. */
tg_tensor *tg_new(int dtype, int ndim, const int64_t *shape); /* C order, unset */
tg_tensor *tg_view(tg_tensor *base, int ndim, const int64_t *shape, const int64_t *strides,
                   int64_t offset); /* elements */
tg_tensor *tg_alias(tg_tensor *t); /* another record of the same array; of its data, if any */
tg_tensor *tg_scalar(int dtype, double value); /* 0-d */
tg_tensor *tg_contiguous(tg_tensor *t); /* t itself, held, or a C-order copy */
tg_tensor *tg_hold(tg_tensor *t);
void tg_drop(tg_tensor *t); /* NULL is fine */
bool tg_is_contiguous(const tg_tensor *t); /* C order, no gaps */
/* Call before p, a parameter, is written in place: other Tensors that Python holds of its memory
 * (p.T, p.detach()) are values, and get memory of their own. TG_OK or TG_EMEMORY. */
int tg_before_write(const tg_tensor *p);
/* Memory of its own for t, unless it has that or is a parameter itself. */
int tg_part_from_variable(tg_tensor *t);
/* Copy src's values into dst, same shape (src may have 0 strides), any strides, same dtype.
 * The one strided copy of the library (move.c). */
void tg_copy(tg_tensor *dst, const tg_tensor *src);

/* --- errors: entry points and run functions return 0 or one of TG_E..., having said what --- */
/* Where on the Wengert list, or in a program, the last failure was: the entry's line (0: not
 * kept), and the handles of what it had saved, if it failed because one of them has been
 * written. */
typedef struct tg_error_place {
    uint32_t line;
    int n_written;
    uint64_t written[4];
} tg_error_place;

void tg_error_was_at(const tg_error_place *place);
const tg_error_place *tg_error_at(void); /* once a failure; NULL: nowhere on a tape */
int tg_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- op rows (ops.def, dispatch.c) ------------------------------------------------------- */
struct tg_op;
/* Infer the shape, allocate *out, compute. in[] all hold data; dtypes not checked yet.
 * Returns TG_OK, TG_ENOKERNEL (this op does not do these dtypes: Python will), or an error. */
typedef int tg_run(const struct tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
                   const int64_t *p, int n_p);

typedef struct tg_op {
    const char *name;
    tg_run *run;
    int id;
    uint16_t min_in, max_in;
} tg_op;

static inline double tg_param_double(int64_t bits)
{ /* float params travel as their bits */
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* --- threads.c --------------------------------------------------------------------------- */
/* for (i = 0; i < n; ++i) fn(ctx, i): over the pool when cost_ns (the whole loop's estimated
 * single-thread time) pays for waking it and the pool is free; else in the caller. fn must give
 * the same bits in any order. Does not touch the interpreter lock. */
void tg_parallel(size_t n, double cost_ns, void (*fn)(void *ctx, size_t i), void *ctx);

/* How many threads tg_parallel would use now for a loop of this estimated time: to choose n. */
int tg_threads_for(double cost_ns);

/* Release the interpreter lock around a kernel of this estimated time (NULL if too short to
 * pay); give the result to tg_relock. The operands must be held by the caller. */
void *tg_unlock(double cost_ns);
void tg_relock(void *state);

#endif
