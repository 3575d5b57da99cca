/* exact.c: reductions without rounding, which may go in any order: all and any, and sums of bools
 * and int64. Called by dispatch.c and reduce.c with the interpreter lock held. */
#include "fold.h"

enum what { ALL, ANY, COUNT, SUM };

/* --- all, any ------------------------------------------------------------------------------- */

/* y[c] = y[c] & x[c], or |. */
static void join(uint8_t *restrict y, const uint8_t *restrict x, int64_t n, bool is_any)
{
    if (is_any)
        for (int64_t c = 0; c < n; ++c)
            y[c] |= x[c];
    else
        for (int64_t c = 0; c < n; ++c)
            y[c] &= x[c];
}

/* any is settled by a 1, all by a 0: a row is read as far as the first of them. */
static void decide(uint8_t *y, const tg_folded *f, bool is_any)
{
    for (int64_t o = 0; o < f->outer; ++o, y += f->cols) {
        const uint8_t *x = (const uint8_t *)f->x + o * f->outer_stride;
        if (f->cols == 1) {
            *y = (memchr(x, is_any, (size_t)f->n) != NULL) == is_any;
            continue;
        }
        memcpy(y, x, (size_t)f->cols);
        for (int64_t i = 1; i < f->n; ++i)
            join(y, x + i * f->stride, f->cols, is_any);
    }
}

/* --- counts --------------------------------------------------------------------------------- */

enum {
    PANEL = 1024,
    MOST = 255,
    LANES = 64
}; /* columns, rows that a byte can count, a row's columns */

/* y[c] += sum of x[i * stride + c] over i < rows. */
static void count_columns(int64_t *y, const uint8_t *x, int64_t stride, int64_t rows,
                          int64_t cols)
{
    for (int64_t first = 0; first < cols; first += PANEL) {
        const int64_t n = tg_least(PANEL, cols - first);
        for (int64_t from = 0; from < rows; from += MOST) {
            const int64_t to = from + tg_least(MOST, rows - from);
            uint8_t part[PANEL];
            memset(part, 0, (size_t)n);
            for (int64_t i = from; i < to; ++i) {
                const uint8_t *row = x + i * stride + first;
                for (int64_t c = 0; c < n; ++c)
                    part[c] += row[c];
            }
            for (int64_t c = 0; c < n; ++c)
                y[first + c] += part[c];
        }
    }
}

static int64_t count_row(const uint8_t *x, int64_t n)
{
    int64_t lanes[LANES] = {0}, total = 0;
    count_columns(lanes, x, LANES, n / LANES, LANES);
    count_columns(lanes, x + n / LANES * LANES, LANES, 1, n % LANES);
    for (int c = 0; c < LANES; ++c)
        total += lanes[c];
    return total;
}

static void count(int64_t *y, const tg_folded *f)
{
    for (int64_t o = 0; o < f->outer; ++o, y += f->cols) {
        const uint8_t *x = (const uint8_t *)f->x + o * f->outer_stride;
        if (f->cols == 1) {
            *y = count_row(x, f->n);
            continue;
        }
        memset(y, 0, (size_t)f->cols * sizeof *y);
        count_columns(y, x, f->stride, f->n, f->cols);
    }
}

/* y[c] += sum of x[i * stride + c] over i < rows; overflow wraps. */
static void sum_columns(uint64_t *restrict y, const uint64_t *restrict x, int64_t stride,
                        int64_t rows, int64_t cols)
{
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4, x += 4 * stride)
        for (int64_t c = 0; c < cols; ++c)
            y[c] += (x[c] + x[c + stride]) + (x[c + 2 * stride] + x[c + 3 * stride]);
    for (; i < rows; ++i, x += stride)
        for (int64_t c = 0; c < cols; ++c)
            y[c] += x[c];
}

static void sum(uint64_t *y, const tg_folded *f)
{
    for (int64_t o = 0; o < f->outer; ++o, y += f->cols) {
        const uint64_t *x = (const uint64_t *)(const void *)f->x + o * f->outer_stride;
        if (f->cols > 1) {
            memset(y, 0, (size_t)f->cols * sizeof *y);
            sum_columns(y, x, f->stride, f->n, f->cols);
            continue;
        }
        uint64_t total = 0;
        for (int64_t i = 0; i < f->n; ++i)
            total += x[i];
        *y = total;
    }
}

/* --- run functions -------------------------------------------------------------------------- */

/* p: keepdims, then the axes. */
static int fold(const tg_op *op, tg_tensor **out, tg_tensor *x, const int64_t *p, int n_p,
                enum what what)
{
    uint64_t reduced;
    if (x->dtype != (what == SUM ? TG_I64 : TG_BOOL))
        return TG_ENOKERNEL;
    int error = tg_reduced_bits(&reduced, op->name, x->ndim, p, n_p);
    if (error)
        return error;
    tg_tensor *y = tg_new_reduced(what >= COUNT ? TG_I64 : TG_BOOL, x, reduced, p[0] != 0);
    if (!y)
        return TG_EMEMORY;
    if (x->size == 0) {
        memset(y->data, what == ALL, (size_t)y->size * tg_itemsize(y->dtype));
    } else {
        tg_folded f = {0};
        error = tg_fold_axes(&f, x, reduced);
        if (!error) {
            void *lock = tg_unlock((double)x->size * (what == SUM ? 0.2 : 0.05));
            if (what == SUM)
                sum((uint64_t *)(void *)y->data, &f);
            else if (what == COUNT)
                count((int64_t *)(void *)y->data, &f);
            else
                decide((uint8_t *)y->data, &f, what == ANY);
            tg_relock(lock);
        }
        tg_drop(f.copy);
    }
    if (error)
        tg_drop(y);
    else
        *out = y;
    return error;
}

int op_all(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
           int n_p)
{
    (void)n_in;
    return fold(op, out, in[0], p, n_p, ALL);
}

int op_any(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in, const int64_t *p,
           int n_p)
{
    (void)n_in;
    return fold(op, out, in[0], p, n_p, ANY);
}

int tg_sum_exactly(const tg_op *op, tg_tensor **out, tg_tensor *x, const int64_t *p, int n_p)
{
    return fold(op, out, x, p, n_p, x->dtype == TG_BOOL ? COUNT : SUM);
}
