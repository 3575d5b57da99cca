/* copy.c: the one strided copy of the library.
 * The axes of source and destination are flipped, sorted by the destination's strides and
 * merged where both allow it; what is left runs as memcpy, as 4 x 4 register transposes, as vectors
 * of one element, or as plain strided loops. A copy has no order of arithmetic, so the walk follows
 * memory. */
#include "move.h"

enum {
    TILE = 32, /* elements a side of a transpose tile: both sides stay in L1 */
    TASK_BYTES = 256 * 1024, /* a thread's share at a time */
};

/* What is done at once: RUN the last axis; of the last two axes TRANSPOSE, where src runs along the
 * outer one, and SPREAD, where dst holds each of src's elements several times in a row. */
enum inner { RUN, TRANSPOSE, SPREAD };

/* A copy with its axes in the order they are walked. Strides in bytes. */
typedef struct plan {
    char *dst;
    const char *src;
    size_t item;
    int ndim;
    enum inner inner;
    int64_t n[TG_MAX_NDIM], d[TG_MAX_NDIM], s[TG_MAX_NDIM];
} plan;

void tg_c_strides(int64_t *strides, int ndim, const int64_t *shape)
{
    int64_t stride = 1;
    for (int i = ndim; i-- > 0;) {
        strides[i] = stride;
        stride *= shape[i] > 0 ? shape[i] : 1;
    }
}

double tg_move_cost(int64_t size, size_t item)
{
    return (double)size * (0.1 * (double)item + 0.1);
}

/* --- along one axis ----------------------------------------------------------------------- */

static void run(const plan *p, char *dst, const char *src, int64_t n)
{
    const ptrdiff_t d = p->d[p->ndim - 1], s = p->s[p->ndim - 1];
    if (d == (ptrdiff_t)p->item)
        tg_copy_run(dst, src, s, (size_t)n, p->item);
    else
        tg_strided_run(dst, d, src, s, n, p->item);
}

/* n elements, each as often as the last axis is long. */
static void spread(const plan *p, char *dst, const char *src, int64_t n)
{
    tg_spread_run(dst, src, p->s[p->ndim - 2], n, p->n[p->ndim - 1], p->item);
}

/* --- transposes ---------------------------------------------------------------------------- */

typedef int32_t v4i __attribute__((vector_size(16)));
typedef int64_t v2l __attribute__((vector_size(16)));

/* dst[i * d + k * 4] = src[k * s + i * 4] for i, k < 4. */
static inline void transpose_4x4(char *dst, ptrdiff_t d, const char *src, ptrdiff_t s)
{
    v4i a, b, c, e;
    memcpy(&a, src, 16);
    memcpy(&b, src + s, 16);
    memcpy(&c, src + 2 * s, 16);
    memcpy(&e, src + 3 * s, 16);
    const v4i ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const v4i ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const v4i ce0 = __builtin_shufflevector(c, e, 0, 4, 1, 5);
    const v4i ce1 = __builtin_shufflevector(c, e, 2, 6, 3, 7);
    const v4i r0 = __builtin_shufflevector(ab0, ce0, 0, 1, 4, 5);
    const v4i r1 = __builtin_shufflevector(ab0, ce0, 2, 3, 6, 7);
    const v4i r2 = __builtin_shufflevector(ab1, ce1, 0, 1, 4, 5);
    const v4i r3 = __builtin_shufflevector(ab1, ce1, 2, 3, 6, 7);
    memcpy(dst, &r0, 16);
    memcpy(dst + d, &r1, 16);
    memcpy(dst + 2 * d, &r2, 16);
    memcpy(dst + 3 * d, &r3, 16);
}

/* The same for 2 x 2 elements of 8 bytes. */
static inline void transpose_2x2(char *dst, ptrdiff_t d, const char *src, ptrdiff_t s)
{
    v2l a, b;
    memcpy(&a, src, 16);
    memcpy(&b, src + s, 16);
    const v2l r0 = __builtin_shufflevector(a, b, 0, 2);
    const v2l r1 = __builtin_shufflevector(a, b, 1, 3);
    memcpy(dst, &r0, 16);
    memcpy(dst + d, &r1, 16);
}

/* dst[i * d + k * item] = src[i * item + k * s] for i < rows, k < cols. */
static void transpose_tile(char *dst, ptrdiff_t d, const char *src, ptrdiff_t s, int64_t rows,
                           int64_t cols, size_t item)
{
    const ptrdiff_t one = (ptrdiff_t)item;
    int64_t done_rows = 0, done_cols = 0;
    if (item == 4) {
        done_rows = rows & ~(int64_t)3;
        done_cols = cols & ~(int64_t)3;
        for (int64_t i = 0; i < done_rows; i += 4)
            for (int64_t k = 0; k < done_cols; k += 4)
                transpose_4x4(dst + i * d + k * 4, d, src + i * 4 + k * s, s);
    } else if (item == 8) {
        done_rows = rows & ~(int64_t)1;
        done_cols = cols & ~(int64_t)1;
        for (int64_t i = 0; i < done_rows; i += 2)
            for (int64_t k = 0; k < done_cols; k += 2)
                transpose_2x2(dst + i * d + k * 8, d, src + i * 8 + k * s, s);
    }
    for (int64_t i = 0; i < done_rows; ++i)
        tg_strided_run(dst + i * d + done_cols * one, one, src + i * one + done_cols * s, s,
                       cols - done_cols, item);
    for (int64_t i = done_rows; i < rows; ++i)
        tg_strided_run(dst + i * d, one, src + i * one, s, cols, item);
}

static void transpose(const plan *p, char *dst, const char *src, int64_t rows)
{
    const int last = p->ndim - 1;
    const ptrdiff_t d = p->d[last - 1], s = p->s[last], one = (ptrdiff_t)p->item;
    const int64_t cols = p->n[last];
    for (int64_t i = 0; i < rows; i += TILE) {
        const int64_t r = rows - i < TILE ? rows - i : TILE;
        for (int64_t k = 0; k < cols; k += TILE) {
            const int64_t c = cols - k < TILE ? cols - k : TILE;
            transpose_tile(dst + i * d + k * one, d, src + i * one + k * s, s, r, c, p->item);
        }
    }
}

/* --- the plan ------------------------------------------------------------------------------ */

/* Whether an axis of these strides is to be walked outside axis j. */
static bool outside(const plan *p, int64_t d, int64_t s, int j)
{
    if (d != p->d[j])
        return d > p->d[j];
    return (s < 0 ? -s : s) > (p->s[j] < 0 ? -p->s[j] : p->s[j]);
}

static void add_axis(plan *p, int64_t n, int64_t d, int64_t s)
{
    if (d < 0) { /* walk the destination upwards */
        p->dst += (n - 1) * d;
        p->src += (n - 1) * s;
        d = -d;
        s = -s;
    }
    int at = p->ndim++;
    for (; at > 0 && outside(p, d, s, at - 1); --at) {
        p->n[at] = p->n[at - 1];
        p->d[at] = p->d[at - 1];
        p->s[at] = p->s[at - 1];
    }
    p->n[at] = n;
    p->d[at] = d;
    p->s[at] = s;
}

static void merge_axes(plan *p)
{
    int kept = 0;
    for (int i = 1; i < p->ndim; ++i) {
        if (p->d[kept] == p->d[i] * p->n[i] && p->s[kept] == p->s[i] * p->n[i])
            p->n[kept] *= p->n[i];
        else
            p->n[++kept] = p->n[i];
        p->d[kept] = p->d[i];
        p->s[kept] = p->s[i];
    }
    p->ndim = kept + 1;
}

/* Walk two axes together where src is contiguous along another axis than dst, or repeats its
 * elements. */
static void pair_axes(plan *p)
{
    const int last = p->ndim - 1;
    p->inner = RUN;
    if (p->ndim < 2 || p->d[last] != (int64_t)p->item || p->s[last] == (int64_t)p->item)
        return;
    if (p->s[last] == 0) {
        if (p->item <= 8 && p->d[last - 1] == p->n[last] * p->d[last])
            p->inner = SPREAD;
        return;
    }
    int j = last - 1;
    while (j >= 0 && p->s[j] != (int64_t)p->item)
        --j;
    if (j < 0)
        return;
    const int64_t n = p->n[j], d = p->d[j], s = p->s[j];
    for (; j < last - 1; ++j) {
        p->n[j] = p->n[j + 1];
        p->d[j] = p->d[j + 1];
        p->s[j] = p->s[j + 1];
    }
    p->n[j] = n;
    p->d[j] = d;
    p->s[j] = s;
    p->inner = TRANSPOSE;
}

/* n positions of the outermost axis of those that are walked at once. */
static void run_inner(const plan *p, char *dst, const char *src, int64_t n)
{
    switch (p->inner) {
    case RUN: run(p, dst, src, n); break;
    case TRANSPOSE: transpose(p, dst, src, n); break;
    case SPREAD: spread(p, dst, src, n); break;
    }
}

/* Positions [from, to) of the outermost axis. */
static void run_plan(const plan *p, int64_t from, int64_t to)
{
    const int inner = p->ndim - (p->inner == RUN ? 1 : 2); /* axes outside */
    char *dst = p->dst + from * p->d[0];
    const char *src = p->src + from * p->s[0];
    if (inner == 0) {
        run_inner(p, dst, src, to - from);
        return;
    }
    int64_t index[TG_MAX_NDIM] = {0};
    index[0] = from;
    for (;;) {
        run_inner(p, dst, src, p->n[inner]);
        int k = inner - 1;
        for (;; --k) {
            dst += p->d[k];
            src += p->s[k];
            if (++index[k] < (k ? p->n[k] : to))
                break;
            if (k == 0)
                return;
            dst -= p->n[k] * p->d[k];
            src -= p->n[k] * p->s[k];
            index[k] = 0;
        }
    }
}

typedef struct shares {
    const plan *plan;
    int64_t step;
} shares;

static void run_share(void *ctx, size_t i)
{
    const shares *share = ctx;
    const int64_t from = (int64_t)i * share->step, n = share->plan->n[0];
    run_plan(share->plan, from, n - from < share->step ? n : from + share->step);
}

void tg_copy_strided(char *dst, const int64_t *dst_strides, const char *src,
                     const int64_t *src_strides, int ndim, const int64_t *shape, size_t item)
{
    plan p;
    p.dst = dst;
    p.src = src;
    p.item = item;
    p.ndim = 0;
    int64_t size = 1;
    for (int i = 0; i < ndim; ++i) {
        size *= shape[i];
        if (shape[i] == 0)
            return;
        if (shape[i] > 1)
            add_axis(&p, shape[i], dst_strides[i] * (int64_t)item,
                     src_strides[i] * (int64_t)item);
    }
    if (p.ndim == 0)
        add_axis(&p, 1, (int64_t)item, (int64_t)item);
    merge_axes(&p);
    pair_axes(&p);
    const double cost = tg_move_cost(size, item);
    const int64_t bytes_each = size / p.n[0] * (int64_t)item; /* of the outermost axis */
    int64_t step = TASK_BYTES / (bytes_each ? bytes_each : 1);
    step = step < TILE ? TILE : step - step % TILE;
    if (step >= p.n[0]) {
        run_plan(&p, 0, p.n[0]);
        return;
    }
    shares all = {&p, step};
    tg_parallel((size_t)((p.n[0] + step - 1) / step), cost, run_share, &all);
}

void tg_copy(tg_tensor *dst, const tg_tensor *src)
{
    const size_t item = tg_itemsize(dst->dtype);
    if (dst->size == 0)
        return;
    if (dst->size == 1) {
        memcpy(dst->data, src->data, item);
        return;
    }
    const double cost = tg_move_cost(dst->size, item);
    void *lock = tg_unlock(cost);
    tg_copy_strided(dst->data, tg_strides(dst), src->data, tg_strides(src), dst->ndim,
                    tg_shape(dst), item);
    tg_relock(lock);
}

tg_tensor *tg_copy_permuted(tg_tensor *x, const int *order)
{
    int64_t shape[TG_MAX_NDIM], strides[TG_MAX_NDIM];
    for (int i = 0; i < x->ndim; ++i) {
        shape[i] = tg_shape(x)[order[i]];
        strides[i] = tg_strides(x)[order[i]];
    }
    tg_tensor *copy = tg_new(x->dtype, x->ndim, shape);
    if (!copy || !copy->size)
        return copy;
    const size_t item = tg_itemsize(x->dtype);
    void *lock = tg_unlock(tg_move_cost(x->size, item));
    tg_copy_strided(copy->data, tg_strides(copy), x->data, strides, x->ndim, shape, item);
    tg_relock(lock);
    return copy;
}
