/* group_end.c: a reduction as the last step of a fused group: each unit of elements is folded while
 * the caches hold it. A unit is a whole subtree of reduce.h's tree, or whole rows, so the bits are
 * those of the reduction by itself. */
#include "fold.h"
#include "fused.h"

enum { MOST_ROWS = TG_ROWS * TG_CHUNK_BLOCKS }; /* that the kernel of columns takes */

static bool is_columns(const tg_ending *e) { return e->cols > 1; }
static bool is_rows(const tg_group *g) { return g->ending.cols == 1 && g->ending.n < g->n; }

static size_t common_divisor(size_t a, size_t b)
{
    while (b) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Columns go in a power of two of blocks; rows in such a number that units begin on vectors, of
 * bytes too. */
size_t tg_ending_unit(size_t size, size_t n, size_t cols)
{
    if (cols > 1) {
        size_t rows = TG_ROWS;
        while (2 * rows <= TG_UNIT / cols && rows < MOST_ROWS)
            rows *= 2;
        if (n <= rows)
            return size;
        return rows <= TG_UNIT / cols && rows * cols % TG_PAD == 0 ? rows * cols : 0;
    }
    if (size <= TG_UNIT)
        return size;
    if (n == size)
        return TG_UNIT;
    const size_t together = TG_PAD / common_divisor(n, TG_PAD);
    return TG_UNIT / n / together * together * n;
}

int tg_group_end(tg_group *g, const tg_ending *e, const tg_tensor *result)
{
    const size_t n_results = e->n ? g->n / e->n : 0;
    const bool fits = e->what >= 0 && e->what <= TG_FOLD_MIN && e->output >= 0 &&
                      e->output < g->n_out && (!e->is_staged || e->output == g->n_out - 1) &&
                      !g->scalar_code && n_results && n_results * e->n == g->n &&
                      (e->cols == 1 || e->cols == n_results) &&
                      (size_t)result->size == n_results && tg_is_compute(result->dtype) &&
                      tg_itemsize(result->dtype) == g->ends[g->n_in + e->output].item;
    const size_t unit = fits ? tg_ending_unit(g->n, e->n, e->cols) : 0;
    if (!unit)
        return tg_fail(TG_EVALUE, "a group cannot end in this reduction");
    g->ending = *e;
    g->unit = unit;
    const size_t item = tg_itemsize(result->dtype);
    if (is_columns(e))
        g->part_bytes = tg_round_up(e->cols * item, TG_PAD);
    else if (!is_rows(g))
        g->part_bytes = TG_LANE_BYTES;
    return TG_OK;
}

static void fold_columns(const tg_ending *e, int dtype, char *to, const char *data, size_t rows)
{
    const size_t item = tg_itemsize(dtype), panel = TG_PANEL_BYTES / item;
    for (size_t c = 0; c < e->cols; c += panel)
        tg_isa->reduce[dtype]->columns(e->what, to + c * item, data + c * item,
                                       (int64_t)e->cols, rows,
                                       e->cols - c < panel ? e->cols - c : panel);
}

void tg_group_fold_unit(const tg_group *g, size_t first, size_t n, const char *data,
                        char *parts, const tg_tensor *result)
{
    const tg_ending *e = &g->ending;
    const tg_reduce_kernels *kernels = tg_isa->reduce[result->dtype];
    char *part = parts + first / g->unit * g->part_bytes;
    if (is_columns(e))
        fold_columns(e, result->dtype, part, data, n / e->cols);
    else if (is_rows(g))
        kernels->rows(e->what, result->data + first / e->n * tg_itemsize(result->dtype), data,
                      (int64_t)e->n, n / e->n, e->n);
    else
        kernels->lanes(e->what, part, data, n);
}

void tg_group_fold_parts(const tg_group *g, char *parts, const tg_tensor *result)
{
    const tg_ending *e = &g->ending;
    const tg_reduce_kernels *kernels = tg_isa->reduce[result->dtype];
    if (!is_rows(g))
        kernels->join(e->what, parts, tg_group_units(g),
                      g->part_bytes / tg_itemsize(result->dtype));
    if (is_columns(e))
        fold_columns(e, result->dtype, result->data, parts, 1);
    else if (!is_rows(g))
        kernels->finish(e->what, result->data, parts);
    if (e->is_mean)
        tg_divide(result, (double)e->n);
}
