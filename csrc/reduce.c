/* reduce.c: run functions of the reductions: sum mean prod max min, sum_to.
 * Cuts what fold.c has brought to (outer, n, cols) into tasks that the pool may run in any order, and
 * calls the kernels of reduce.h, where the order of arithmetic is stated. Called by dispatch.c with
 * the interpreter lock held. */
#include <string.h>

#include "fold.h"
#include "kernels.h"
#include "move.h"

/* --- running the kernels --------------------------------------------------------------------- */

typedef struct fold_run {
    const tg_reduce_kernels *kernels;
    tg_folded f;
    int fold;
    size_t item;
    char *out;
    char *parts;                /* of chunks: [outer][chunks][width] */
    int64_t chunk, chunks;      /* rows (or elements of a row) in a chunk; chunks along n */
    int64_t panel, panels;      /* columns in a panel */
    int64_t width;              /* elements of a part, whole 64 bytes */
    int64_t batch;              /* outer positions in a task of whole rows */
} fold_run;

static void run_rows(void *ctx, size_t i)
{
    const fold_run *r = ctx;
    const int64_t from = (int64_t)i * r->batch, count = tg_least(r->batch, r->f.outer - from);
    r->kernels->rows(r->fold, r->out + from * (int64_t)r->item,
                     r->f.x + from * r->f.outer_stride * (int64_t)r->item, r->f.outer_stride,
                     (size_t)count, (size_t)r->f.n);
}

static void run_row_chunk(void *ctx, size_t i)
{
    const fold_run *r = ctx;
    const int64_t o = (int64_t)i / r->chunks, from = (int64_t)i % r->chunks * r->chunk;
    r->kernels->lanes(r->fold, r->parts + (int64_t)i * r->width * (int64_t)r->item,
                      r->f.x + (o * r->f.outer_stride + from) * (int64_t)r->item,
                      (size_t)tg_least(r->chunk, r->f.n - from));
}

/* One panel of columns of one chunk of rows, for each of a batch of outer positions. */
static void run_columns(void *ctx, size_t i)
{
    const fold_run *r = ctx;
    const int64_t panel = (int64_t)i % r->panels, rest = (int64_t)i / r->panels;
    const int64_t chunk = rest % r->chunks, first = rest / r->chunks * r->batch;
    const int64_t c = panel * r->panel, row = chunk * r->chunk;
    for (int64_t o = first; o < tg_least(first + r->batch, r->f.outer); ++o) {
        char *to = r->parts
                       ? r->parts + ((o * r->chunks + chunk) * r->width + c) * (int64_t)r->item
                       : r->out + (o * r->f.cols + c) * (int64_t)r->item;
        r->kernels->columns(r->fold, to,
                            r->f.x + (o * r->f.outer_stride + row * r->f.stride + c) *
                                         (int64_t)r->item,
                            r->f.stride, (size_t)tg_least(r->chunk, r->f.n - row),
                            (size_t)tg_least(r->panel, r->f.cols - c));
    }
}

/* Join the chunks of one outer position. */
static void run_join(void *ctx, size_t o)
{
    const fold_run *r = ctx;
    char *parts = r->parts + (int64_t)o * r->chunks * r->width * (int64_t)r->item;
    char *to = r->out + (int64_t)o * r->f.cols * (int64_t)r->item;
    r->kernels->join(r->fold, parts, (size_t)r->chunks, (size_t)r->width);
    if (r->f.cols == 1) {
        r->kernels->finish(r->fold, to, parts);
        return;
    }
    for (int64_t c = 0; c < r->f.cols; c += r->panel)
        r->kernels->columns(r->fold, to + c * (int64_t)r->item, parts + c * (int64_t)r->item, 0,
                            1, (size_t)tg_least(r->panel, r->f.cols - c));
}

enum { TASK = 32 * 1024 };      /* elements that are worth a task */

/* out[outer][cols] = fold over n. One of max, mean ... is decided by the caller; here only the
 * cutting. */
static int run_fold(tg_tensor *out, const tg_folded *f, int fold)
{
    const size_t item = tg_itemsize(out->dtype);
    const bool columns = f->cols > 1;
    fold_run r = {.kernels = tg_isa->reduce[out->dtype],
                  .f = *f,
                  .fold = fold,
                  .item = item,
                  .out = out->data};
    r.chunk = columns ? TG_ROWS * TG_CHUNK_BLOCKS : (int64_t)tg_chunk(item);
    r.chunks = (f->n + r.chunk - 1) / r.chunk;
    r.panel = TG_PANEL_BYTES / (int64_t)item;
    r.panels = (f->cols + r.panel - 1) / r.panel;
    const int64_t each = f->n * tg_least(f->cols, r.panel);
    r.batch = each < TASK ? TASK / each : 1;
    const int64_t batches = (f->outer + r.batch - 1) / r.batch;
    const double cost = (double)f->outer * (double)f->n * (double)f->cols * 0.02 * (double)item;
    if (r.chunks == 1 && batches * r.panels == 1) {      /* small: straight to the kernel */
        (columns ? run_columns : run_rows)(&r, 0);
        return TG_OK;
    }
    tg_tensor *parts = NULL;
    if (r.chunks > 1) {
        const int64_t lanes = (int64_t)tg_lanes(item), line = TG_PAD / (int64_t)item;
        r.width = columns ? (f->cols + line - 1) / line * line : lanes;
        r.batch = columns ? r.batch : 1;
        parts = tg_new(out->dtype, 3, (int64_t[]){f->outer, r.chunks, r.width});
        if (!parts)
            return TG_EMEMORY;
        r.parts = parts->data;
    }
    void *lock = tg_unlock(cost);
    if (columns)
        tg_parallel((size_t)(batches * r.chunks * r.panels), cost, run_columns, &r);
    else if (parts)
        tg_parallel((size_t)(f->outer * r.chunks), cost, run_row_chunk, &r);
    else
        tg_parallel((size_t)batches, cost, run_rows, &r);
    if (parts)
        tg_parallel((size_t)f->outer, cost / 256, run_join, &r);
    tg_relock(lock);
    tg_drop(parts);
    return TG_OK;
}

/* --- rows that are not evenly spaced --------------------------------------------------------- */

enum { STRIP = 1024 }; /* bytes of columns taken at a time: a block of their rows fits in L1 */

typedef struct scattered_run {
    const tg_reduce_kernels *kernels;
    tg_scattered s;
    int fold;
    size_t item;
    char *out;
    int64_t batch; /* outer positions in a task */
} scattered_run;

/* n columns, whose elements begin at x, of each of `positions` outer ones that follow each other on
 * one axis: block by block of rows, brought together first. */
static void fold_strip(const scattered_run *r, char *out, const char *x, int64_t positions,
                       int64_t n)
{
    _Alignas(TG_PAD) char rows[TG_ROWS * STRIP], levels[TG_CHUNK_LEVELS * STRIP];
    const int64_t item = (int64_t)r->item, across = r->s.outer.stride[0] * item,
                  all = positions * n, count = r->s.rows.size;
    for (int64_t row = 0; row < count; row += TG_ROWS) {
        const int64_t here = tg_least(TG_ROWS, count - row);
        for (int64_t i = 0; i < here; ++i)
            tg_copy_runs(rows + i * all * item, x + tg_axes_offset(&r->s.rows, row + i) * item,
                         across, (size_t)positions, item, (size_t)n, r->item);
        r->kernels->column_block(r->fold, out, levels, STRIP / r->item, rows, all, (size_t)here,
                                 (size_t)all, (size_t)(row / TG_ROWS), row + here == count);
    }
}

static void run_scattered(void *ctx, size_t task)
{
    const scattered_run *r = ctx;
    const int64_t item = (int64_t)r->item, strip = STRIP / item, cols = r->s.cols,
                  first = (int64_t)task * r->batch,
                  end = tg_least(first + r->batch, r->s.outer.size);
    for (int64_t o = first, positions; o < end; o += positions) {
        const char *x = r->s.x + tg_axes_offset(&r->s.outer, o) * item;
        const int64_t length = r->s.outer.n[0], left = tg_least(length - o % length, end - o);
        positions = cols < strip ? tg_least(left, strip / cols) : 1;
        for (int64_t c = 0; c < cols; c += strip)
            fold_strip(r, r->out + (o * cols + c) * item, x + c * item, positions,
                       tg_least(strip, cols - c));
    }
}

/* out = the fold of x without a copy of x, or false: its layout does not allow or reward that. */
static bool fold_in_place(tg_tensor *out, tg_tensor *x, uint64_t reduced, int fold)
{
    const size_t item = tg_itemsize(x->dtype);
    scattered_run r = {
        .kernels = tg_isa->reduce[x->dtype], .fold = fold, .item = item, .out = out->data};
    if (!tg_fold_scattered(&r.s, x, reduced) ||
        r.s.cols * r.s.outer.n[0] * (int64_t)item < TG_PAD / 2 ||
        r.s.rows.size > TG_ROWS * TG_CHUNK_BLOCKS)
        return false;
    const int64_t each = r.s.rows.size * r.s.cols;
    const double cost = (double)x->size * 0.03 * (double)item;
    r.batch = each < TASK ? TASK / each : 1;
    void *lock = tg_unlock(cost);
    tg_parallel((size_t)((r.s.outer.size + r.batch - 1) / r.batch), cost, run_scattered, &r);
    tg_relock(lock);
    return true;
}

/* --- shapes -------------------------------------------------------------------------------- */

tg_tensor *tg_new_reduced(int dtype, const tg_tensor *x, uint64_t reduced, bool keepdims)
{
    int64_t shape[TG_MAX_NDIM];
    int ndim = 0;
    for (int i = 0; i < x->ndim; ++i)
        if (!(reduced >> i & 1))
            shape[ndim++] = tg_shape(x)[i];
        else if (keepdims)
            shape[ndim++] = 1;
    return tg_new(dtype, ndim, shape);
}

static void fill(tg_tensor *t, double value)
{
    for (int64_t i = 0; i < t->size; ++i)
        if (t->dtype == TG_F32)
            ((float *)(void *)t->data)[i] = (float)value;
        else
            ((double *)(void *)t->data)[i] = value;
}

void tg_divide(const tg_tensor *t, double divisor)
{
    const float divisor32 = (float)divisor;
    if (t->dtype == TG_F32)
        for (int64_t i = 0; i < t->size; ++i)
            ((float *)(void *)t->data)[i] /= divisor32;
    else
        for (int64_t i = 0; i < t->size; ++i)
            ((double *)(void *)t->data)[i] /= divisor;
}

static int64_t reduced_count(const tg_tensor *x, uint64_t reduced)
{
    int64_t n = 1;
    for (int i = 0; i < x->ndim; ++i)
        if (reduced >> i & 1)
            n *= tg_shape(x)[i];
    return n;
}

/* Whether each outer position is worth a kernel's call: few rows of few columns are better taken side
 * by side with the next position's. */
static bool is_large(const tg_folded *f, int dtype)
{
    return f->cols == 1 || f->outer == 1 ||
           f->n * f->cols * (int64_t)tg_itemsize(dtype) >= STRIP;
}

/* out = the fold of x over those axes; on an error out is dropped. */
static int reduce_into(const char *name, tg_tensor **out, tg_tensor *y, tg_tensor *x,
                       uint64_t reduced, int fold)
{
    tg_folded f = {0};
    int error = y ? TG_OK : TG_EMEMORY;
    if (!error && x->size == 0) {
        if (fold >= TG_FOLD_MAX && reduced_count(x, reduced) == 0) /* NumPy asks no more */
            error = tg_fail(TG_EVALUE,
                            "%s: an empty array has no %s; reduce an axis that has "
                            "elements",
                            name, name);
        else
            fill(y, fold == TG_FOLD_PROD ? 1 : 0);
    } else if (!error) {
        const bool is_even = tg_fold_view(&f, x, reduced);
        if ((is_even && is_large(&f, y->dtype)) || !fold_in_place(y, x, reduced, fold)) {
            error = is_even ? TG_OK : tg_fold_axes(&f, x, reduced);
            if (!error)
                error = run_fold(y, &f, fold);
            tg_drop(f.copy);
        }
    }
    if (error) {
        tg_drop(y);
        return error;
    }
    *out = y;
    return TG_OK;
}

/* --- run functions ------------------------------------------------------------------------- */

static int reduce(const tg_op *op, tg_tensor **out, tg_tensor *x, const int64_t *p, int n_p,
                  int fold, bool is_mean)
{
    uint64_t reduced = 0;
    if (!tg_is_compute(x->dtype))
        return TG_ENOKERNEL;
    int error = tg_reduced_bits(&reduced, op->name, x->ndim, p, n_p);
    if (error)
        return error;
    error = reduce_into(op->name, out, tg_new_reduced(x->dtype, x, reduced, p[0] != 0), x,
                        reduced, fold);
    if (!error && is_mean && (*out)->size)
        tg_divide(*out, (double)reduced_count(x, reduced));
    return error;
}

int op_sum(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
           int n_p)
{
    (void)n_in;
    if (in[0]->dtype == TG_BOOL || in[0]->dtype == TG_I64)
        return tg_sum_exactly(op, out, in[0], p, n_p);
    return reduce(op, out, in[0], p, n_p, TG_FOLD_SUM, false);
}

/* The part of them that is true, in float64; of none it is nan. */
static int mean_of_bools(const tg_op *op, tg_tensor **out, tg_tensor *x, const int64_t *p,
                         int n_p)
{
    tg_tensor *counts;
    const int error = tg_sum_exactly(op, &counts, x, p, n_p);
    if (error)
        return error;
    *out = tg_new(TG_F64, counts->ndim, tg_shape(counts));
    for (int64_t i = 0; *out && i < counts->size; ++i)
        ((double *)(void *)(*out)->data)[i] = (double)((int64_t *)(void *)counts->data)[i];
    if (*out && counts->size)
        tg_divide(*out, (double)(x->size / counts->size));
    tg_drop(counts);
    return *out ? TG_OK : TG_EMEMORY;
}

int op_mean(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
            int n_p)
{
    (void)n_in;
    if (in[0]->dtype == TG_BOOL)
        return mean_of_bools(op, out, in[0], p, n_p);
    return reduce(op, out, in[0], p, n_p, TG_FOLD_SUM, true);
}

int op_prod(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
            int n_p)
{
    (void)n_in;
    return reduce(op, out, in[0], p, n_p, TG_FOLD_PROD, false);
}

int op_max(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
           int n_p)
{
    (void)n_in;
    return reduce(op, out, in[0], p, n_p, TG_FOLD_MAX, false);
}

int op_min(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
           int n_p)
{
    (void)n_in;
    return reduce(op, out, in[0], p, n_p, TG_FOLD_MIN, false);
}

/* The transpose of broadcast_to: p is the shape to sum down to. */
int op_sum_to(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p)
{
    (void)n_in;
    tg_tensor *x = in[0];
    const int lead = x->ndim - n_p;
    if (!tg_is_compute(x->dtype))
        return TG_ENOKERNEL;
    uint64_t reduced = 0;
    bool fits = lead >= 0, same = lead == 0;
    for (int i = 0; i < x->ndim && fits; ++i) {
        const int64_t n = tg_shape(x)[i];
        if (i < lead || (p[i - lead] == 1 && n != 1)) {
            reduced |= (uint64_t)1 << i;
            same = false;
        } else {
            fits = p[i - lead] == n;
        }
    }
    if (!fits)
        return tg_fail(TG_ESHAPE, "sum_to: the shape does not broadcast to the array's");
    if (same) {
        *out = tg_view(x, x->ndim, tg_shape(x), tg_strides(x), 0);
        return *out ? TG_OK : TG_EMEMORY;
    }
    return reduce_into(op->name, out, tg_new(x->dtype, n_p, p), x, reduced, TG_FOLD_SUM);
}
