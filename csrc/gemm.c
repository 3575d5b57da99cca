/* gemm.c: matrix products: turns any strides and options into the cases the kernels do, and splits
 * large products among threads: rows and columns of C, never k. Called by matmul.c; any thread,
 * with or without the interpreter lock. */
#include "gemm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "operand.h"

/* --- scratch: each thread keeps the block its copies go to --------------------------------- */

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static bool has_scratch_key;

static void make_scratch_key(void)
{
    has_scratch_key = pthread_key_create(&scratch_key, free) == 0;
}

static void *thread_scratch(void)
{
    pthread_once(&scratch_once, make_scratch_key);
    void *scratch = has_scratch_key ? pthread_getspecific(scratch_key) : NULL;
    if (scratch || !has_scratch_key || posix_memalign(&scratch, 64, TG_GEMM_SCRATCH) != 0)
        return scratch;
    if (pthread_setspecific(scratch_key, scratch) != 0) {
        free(scratch);
        return NULL;
    }
    return scratch;
}

/* --- splitting ------------------------------------------------------------------------------ */

/* C in a grid of down x across pieces, as even as units of rows and columns allow. */
typedef struct pieces {
    const tg_gemm_args *g;
    const tg_gemm_kernels *kernels;
    size_t row_unit, col_unit, down, across;
    atomic_bool no_memory;
} pieces;

enum { NEAR = 512 * 1024 }; /* bytes that the second cache keeps */

static size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

/* Where piece i of so many begins among n rows or columns. */
static size_t cut(size_t n, size_t unit, size_t i, size_t of)
{
    const size_t at = divide_up(n, unit) * i / of * unit;
    return at < n ? at : n;
}

static void run_piece(void *context, size_t i)
{
    pieces *p = context;
    const size_t r = i / p->across, c = i % p->across, m = p->g->m, n = p->g->n;
    void *scratch = thread_scratch();
    if (scratch)
        p->kernels->block(
            p->g, cut(m, p->row_unit, r, p->down), cut(m, p->row_unit, r + 1, p->down),
            cut(n, p->col_unit, c, p->across), cut(n, p->col_unit, c + 1, p->across), scratch);
    else
        atomic_store(&p->no_memory, true);
}

static void run_rows(void *context, size_t i)
{
    const pieces *p = context;
    const size_t m = p->g->m;
    p->kernels->vector(p->g, cut(m, p->row_unit, i, p->down),
                       cut(m, p->row_unit, i + 1, p->down));
}

/* Columns first, in whole panels: then no thread copies the same part of B. Where there are too
 * few panels to share evenly, rows. A piece reads all of A: where that is far away there are no
 * more pieces than must be, else two a thread, for when one is held up. */
static void split(pieces *p, int dtype, size_t n_threads)
{
    const tg_gemm_args *g = p->g;
    p->row_unit = p->down = p->across = 1;
    p->col_unit = 2 * p->kernels->lanes;
    const size_t panels = divide_up(g->n, p->col_unit);
    if (panels >= 4 * n_threads || g->m < TG_TILE_ROWS * n_threads) {
        const size_t rounds = divide_up(g->n, TG_GEMM_COLUMNS * n_threads);
        const bool is_near = g->m * g->k * tg_itemsize(dtype) <= NEAR;
        const size_t wanted = (is_near && rounds < 2 ? 2 : rounds) * n_threads;
        p->across = wanted < panels ? wanted : panels;
    } else {
        p->down = g->m >= 256 * n_threads ? 2 * n_threads : n_threads;
    }
}

double tg_gemm_cost(int dtype, size_t m, size_t n, size_t k)
{
    /* About 50 flops a ns in float32, and each output costs a store. */
    const double lanes = dtype == TG_F32 ? 2 : 1;
    return ((double)m * (double)n * (double)k / 12.5 + (double)m * (double)n / 4) / lanes;
}

static int matrix_product(int dtype, const tg_gemm_args *g)
{
    pieces p = {.g = g, .kernels = tg_isa->gemm[dtype]};
    const double cost = tg_gemm_cost(dtype, g->m, g->n, g->k);
    const size_t n_threads = (size_t)tg_threads_for(cost);
    if (n_threads == 1) {
        void *scratch = thread_scratch();
        if (!scratch)
            return TG_EMEMORY;
        p.kernels->block(g, 0, g->m, 0, g->n, scratch);
        return TG_OK;
    }
    split(&p, dtype, n_threads);
    tg_parallel(p.down * p.across, cost, run_piece, &p);
    if (atomic_load(&p.no_memory))
        return TG_EMEMORY;
    if (p.down > 1 && g->folded)
        tg_gemm_fold(dtype, g, 0, g->m, 0, g->n);
    return TG_OK;
}

/* n == 1. Reading A decides the time. */
static void vector_sums(int dtype, const tg_gemm_args *g)
{
    pieces p = {.g = g, .kernels = tg_isa->gemm[dtype]};
    const double cost = (double)g->m * (double)g->k * (dtype == TG_F32 ? 0.1 : 0.2);
    const size_t n_threads = (size_t)tg_threads_for(cost);
    if (n_threads == 1) {
        p.kernels->vector(g, 0, g->m);
        return;
    }
    p.row_unit = 64;
    p.down = 4 * n_threads;
    tg_parallel(p.down, cost, run_rows, &p);
}

static void vector_product(int dtype, const tg_gemm_args *g)
{
    vector_sums(dtype, g);
    if (g->act)
        tg_gemm_act(dtype, g, NULL, 0, g->m, 0, 1);
}

/* --- what follows a product ------------------------------------------------------------------ */

/* act on n elements side by side, `at` bytes into C. Kernels do whole vectors: the last ones go
 * through memory of their own, as what follows them is another thread's, or another row. */
static void act_run(const tg_gemm_args *g, const char *product, size_t at, size_t n,
                    size_t item)
{
    const void *in[TG_ACT_INPUTS];
    const size_t whole = n * item / TG_PAD * TG_PAD, rest = n - whole / item;
    for (int k = 0; k < g->n_act; ++k)
        in[k] = g->act_in[k] ? (const char *)g->act_in[k] + at * g->act_step[k] : product;
    char *out = (char *)g->c + at;
    if (whole)
        g->act(out, in, g->act_step, g->act_params, whole / item);
    if (!rest)
        return;
    _Alignas(TG_PAD) char last[1 + TG_ACT_INPUTS][TG_PAD];
    for (int k = 0; k < g->n_act; ++k)
        if (g->act_step[k])
            in[k] = tg_fill_lanes(last[1 + k], (const char *)in[k] + whole, rest, item, TG_PAD);
    g->act(last[0], in, g->act_step, g->act_params, rest);
    memcpy(out + whole, last[0], rest * item);
}

void tg_gemm_act(int dtype, const tg_gemm_args *g, const void *product, size_t i, size_t rows,
                 size_t j, size_t columns)
{
    const size_t item = tg_itemsize(dtype);
    const bool by_row = g->c_col == 1;
    size_t runs = by_row ? rows : columns, n = by_row ? columns : rows;
    const ptrdiff_t apart = by_row ? g->c_row : g->c_col;
    ptrdiff_t at = (ptrdiff_t)i * g->c_row + (ptrdiff_t)j * g->c_col;
    if (apart == (ptrdiff_t)n) {
        n *= runs;
        runs = 1;
    }
    for (const char *from = product; runs > 0; --runs, at += apart) {
        act_run(g, from ? from : (const char *)g->c + at * (ptrdiff_t)item, (size_t)at * item,
                n, item);
        if (from)
            from += n * item;
    }
}

/* Room for the levels of the tree, each as wide as C. */
static size_t fold_width(int dtype, const tg_gemm_args *g)
{
    const size_t line = TG_PAD / tg_itemsize(dtype);
    return divide_up(g->n, line) * line;
}

size_t tg_gemm_fold_bytes(int dtype, const tg_gemm_args *g)
{
    size_t levels = 0;
    for (size_t blocks = divide_up(g->m, TG_ROWS); blocks > 1; blocks = divide_up(blocks, 2))
        ++levels;
    return levels * fold_width(dtype, g) * tg_itemsize(dtype);
}

void tg_gemm_fold(int dtype, const tg_gemm_args *g, size_t i, size_t rows, size_t j,
                  size_t columns)
{
    const size_t item = tg_itemsize(dtype), width = fold_width(dtype, g);
    const size_t end = i + rows == g->m ? divide_up(g->m, TG_ROWS) : (i + rows) / TG_ROWS;
    for (size_t block = i / TG_ROWS; block < end; ++block) {
        const size_t first = block * TG_ROWS, left = g->m - first;
        const char *x =
            (const char *)g->c + ((ptrdiff_t)first * g->c_row + (ptrdiff_t)j) * (ptrdiff_t)item;
        tg_isa->reduce[dtype]->column_block(
            g->fold, (char *)g->folded + j * item, (char *)g->fold_room + j * item, width, x,
            g->c_row, left < TG_ROWS ? left : TG_ROWS, columns, block, left <= TG_ROWS);
    }
}

/* --- cases ---------------------------------------------------------------------------------- */

tg_gemm_args tg_gemm_transposed(const tg_gemm_args *g)
{
    tg_gemm_args t = *g;
    t.m = g->n;
    t.n = g->m;
    t.a = g->b;
    t.a_row = g->b_col;
    t.a_col = g->b_row;
    t.b = g->a;
    t.b_row = g->a_col;
    t.b_col = g->a_row;
    t.c_row = g->c_col;
    t.c_col = g->c_row;
    t.bias_row = g->bias_col;
    t.bias_col = g->bias_row;
    t.folded = NULL; /* its columns are rows now */
    return t;
}

/* Vectors run along the rows of C. A narrow C, or one whose columns are contiguous, is better
 * computed as its transpose: fewer lanes idle, at the price of turning A instead of B. In
 * lanes; copying an element takes about as long as three vectors of products have per lane. */
static bool pays_transposed(int dtype, const tg_gemm_args *g)
{
    const tg_gemm_kernels *kernels = tg_isa->gemm[dtype];
    const size_t lanes = kernels->lanes, portion = kernels->portion; /* powers of two */
    if (g->n <= kernels->narrow && g->a_col == 1 && g->m >= 4)
        return false;
    if (g->m <= kernels->narrow && g->b_row == 1 && g->b_col != 1 && g->n >= 4)
        return true;
    const size_t rest = g->n & (lanes - 1);
    size_t n_lanes = (g->n + portion - 1) & ~(portion - 1);
    if (rest && rest <= kernels->narrow &&
        g->a_col == 1) /* turned on the way, as narrow ones are */
        n_lanes = g->n - rest + lanes / 4;
    else if (n_lanes < 2 * lanes &&
             n_lanes & (lanes - 1)) /* a portion is not cheap on its own */
        n_lanes = n_lanes < lanes ? lanes : n_lanes + lanes / 4;
    const size_t m_lanes = (g->m + portion - 1) & ~(portion - 1);
    if (g->c_col == 1 && (n_lanes == g->n || g->m < lanes || g->n >= 8 * lanes))
        return false;
    const size_t copy = lanes * 3 / 8, store = lanes;
    const size_t straight = g->m * n_lanes * g->k + (g->b_col == 1 ? 0 : g->k * g->n * copy) +
                            (g->c_col == 1 ? 0 : g->m * g->n * store);
    const size_t turned = g->n * m_lanes * g->k + (g->a_row == 1 ? 0 : g->k * g->m * copy) +
                          (g->c_row == 1 ? 0 : g->m * g->n * store);
    return turned < straight;
}

/* C keeps the sums of k's blocks until the last one. Where it is the addend they go through a
 * product of their own. */
static int product_apart(int dtype, const tg_gemm_args *g)
{
    const size_t size = tg_itemsize(dtype);
    void *sums = NULL;
    if (posix_memalign(&sums, 64, (g->m * g->n * size + 63) & ~(size_t)63) != 0)
        return TG_EMEMORY;
    tg_gemm_args plain = *g;
    plain.c = sums;
    plain.c_row = (ptrdiff_t)g->n;
    plain.c_col = 1;
    plain.alpha = 1;
    plain.beta = 0;
    plain.bias = NULL;
    plain.act = NULL;
    plain.folded = NULL;
    const int status = matrix_product(dtype, &plain);
    if (status == TG_OK)
        tg_isa->gemm[dtype]->finish(g, sums);
    if (status == TG_OK && g->act)
        tg_gemm_act(dtype, g, NULL, 0, g->m, 0, g->n);
    free(sums);
    return status;
}

bool tg_gemm_is_small(int dtype, const tg_gemm_args *g)
{
    const size_t lanes = tg_isa->gemm[dtype]->lanes;
    const bool is_plain = g->alpha == 1 && g->beta == 0 && !g->bias && !g->act && !g->folded;
    if (g->n == 1)
        return is_plain && g->m <= lanes && g->k <= TG_SMALL_DEPTH && g->c_row == 1;
    return is_plain && g->m > 1 && g->m <= TG_SMALL_ROWS && g->n <= 2 * lanes &&
           g->k <= TG_SMALL_DEPTH && g->c_col == 1;
}

int tg_gemm(int dtype, const tg_gemm_args *g)
{
    tg_gemm_args t;
    const tg_gemm_args *as = g;
    int status = TG_OK;
    bool is_folded = false;
    if (g->m == 0 || g->n == 0)
        return TG_OK;
    if (g->n != 1 && g->m == 1) {
        t = tg_gemm_transposed(g);
        as = &t;
    }
    if (tg_gemm_is_small(dtype, as)) {
        tg_isa->gemm[dtype]->stack(as, 1, 0, 0, 0);
        return TG_OK;
    }
    if (g->n != 1 && g->m != 1 && !tg_gemm_reads_c(g) && pays_transposed(dtype, g)) {
        t = tg_gemm_transposed(g);
        as = &t;
    }
    if (g->n == 1 || g->m == 1) {
        vector_product(dtype, as);
    } else if (g->beta != 0 && (!g->addend || g->addend == g->c) &&
               g->k > tg_gemm_depth(dtype)) {
        status = product_apart(dtype, as);
    } else {
        status = matrix_product(dtype, as);
        is_folded = as == g;
    }
    if (status == TG_OK && g->folded && !is_folded)
        tg_gemm_fold(dtype, g, 0, g->m, 0, g->n);
    return status;
}
