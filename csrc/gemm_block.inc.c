/* gemm_block.inc.c: the loops around the micro-kernel for one ISA and dtype: blocks of k, what to
 * copy, panels of columns, tiles of rows. Included by gemm_kernel.inc.c. */

#if TG_REAL == 32
  #define KC TG_KC_F32
#else
  #define KC TG_KC_F64
#endif
enum {
    FN(dtype) = sizeof(T) == 4 ? TG_F32 : TG_F64,
    FN(slice) = 48, /* rows of A that go through all of them before the next: whole tiles */
    FN(near) = 128 * 1024 / sizeof(T), /* elements that stay close without copying */
    FN(tall) = 8 * 1024 * 1024 / sizeof(T), /* more of them come from memory each time */
};
/* Bytes of A's contiguous columns and of B that are read in place, and of C that are stored to
 * without fetching their lines first. A tile of AVX2 reads twice as often as it would with longer
 * vectors, so that rows far apart, few of which fit L1, are copied sooner; and stores to half as
 * many lines. */
#undef NARROW
#undef NEAR_A
#undef NEAR_B
#undef NEAR_C
#undef ROWS_TO_FETCH
#undef ROWS_FOR_B
#if defined TG_ISA_AVX512 || defined TG_ISA_AVX2
  #define NARROW 4 /* columns that gemm_narrow.inc.c does */
#else
  #define NARROW 0
#endif
#ifdef TG_ISA_AVX2
  #define NEAR_A (48 * 1024)
  #define NEAR_B (256 * 1024)
  #define NEAR_C SIZE_MAX
  #define ROWS_TO_FETCH 9 /* with which panels of B have a first tile of their own */
  #define ROWS_FOR_B 96 /* that a copy of B must serve */
#else
  #define NEAR_A (128 * 1024)
  #define NEAR_B (384 * 1024)
  #define NEAR_C (512 * 1024)
  #define ROWS_TO_FETCH FETCH_ROWS
  #define ROWS_FOR_B 49
#endif
enum {
    FN(a_room) = (FN(slice) + L - 1) / L * L *
        (KC + 32), /* elements of the copy of A, either way */
    FN(strip) = FN(slice) * (TG_GEMM_COLUMNS + NARROW), /* of sums that do not go to C */
    FN(few) = KC * NARROW, /* of B's last columns */
};
_Static_assert((KC * TG_GEMM_COLUMNS + FN(a_room) + FN(strip) + FN(few)) * sizeof(T) <=
                   TG_GEMM_SCRATCH,
               "the copies fit the scratch");

VFN T FN(bias_at)(const tg_gemm_args *g, size_t i, size_t j)
{
    return ((const T *)g->bias)[(ptrdiff_t)i * g->bias_row + (ptrdiff_t)j * g->bias_col];
}

/* C's elements (i.., j..) from a tile of sums. Columns of C whose elements lie side by side (a
 * product computed the other way round) are written in runs. */
static void FN(store_strided)(T *c, ptrdiff_t c_row, ptrdiff_t c_col, const T *s, size_t step,
                              size_t rows, size_t columns)
{
    size_t i = 0;
    if (columns == 1 && step == 1) { /* a vector: better one row than one column */
        columns = rows;
        rows = 1;
        c_col = c_row;
    }
    if (c_col == 1 && columns > 3) {
        for (; i < rows; ++i, c += c_row, s += step) {
            size_t j = 0;
            for (; j + L < columns; j += L)
                vstore(c + j, vload(s + j));
            FN(vstore_part)(c + j, FN(vload_part)(s + j, columns - j), columns - j);
        }
        return;
    }
    if (c_row == 1 && columns > 3)
        for (; i + SIDE <= rows; i += SIDE) {
            const T *from = s + i * step;
            T *to = c + i;
            size_t j = 0;
            for (; j + DEPTH <= columns; j += DEPTH)
                FN(transpose)(to + (ptrdiff_t)j * c_col, (size_t)c_col, from + j,
                              (ptrdiff_t)step, SIDE);
            for (; j < columns; ++j)
                for (size_t r = 0; r < SIDE; ++r)
                    to[(ptrdiff_t)j * c_col + (ptrdiff_t)r] = from[r * step + j];
        }
    for (size_t j = 0; j < columns; ++j)
        for (size_t r = i; r < rows; ++r)
            c[(ptrdiff_t)r * c_row + (ptrdiff_t)j * c_col] = s[r * step + j];
}

/* C's elements from a tile s of rows x columns products, rows `step` apart: all that the
 * micro-kernel does not do itself. prior: C holds the sum of the earlier blocks of k; at_end:
 * this is the last. */
static void FN(finish_tile)(const tg_gemm_args *g, T *s, size_t step, size_t i0, size_t rows,
                            size_t j0, size_t columns, bool prior, bool at_end)
{
    const T alpha = (T)g->alpha, beta = (T)g->beta;
    const ptrdiff_t c_row = g->c_row, c_col = g->c_col;
    const ptrdiff_t first = (ptrdiff_t)i0 * c_row + (ptrdiff_t)j0 * c_col;
    T *c = (T *)g->c + first;
    const T *addend = (const T *)(g->addend ? g->addend : g->c) + first;
    const bool changes = prior || (at_end && (alpha != 1 || beta != 0 || g->bias));
    for (size_t i = 0; i < rows && changes; ++i) {
        T *x = s + i * step;
        const T *old = c + (ptrdiff_t)i * c_row, *add = addend + (ptrdiff_t)i * c_row;
        if (prior)
            for (size_t j = 0; j < columns; ++j)
                x[j] = old[(ptrdiff_t)j * c_col] + x[j];
        if (at_end && alpha != 1)
            for (size_t j = 0; j < columns; ++j)
                x[j] = alpha * x[j];
        if (at_end && beta != 0)
            for (size_t j = 0; j < columns; ++j)
                x[j] = x[j] + beta * add[(ptrdiff_t)j * c_col];
        if (at_end && g->bias)
            for (size_t j = 0; j < columns; ++j)
                x[j] = x[j] + FN(bias_at)(g, i0 + i, j0 + j);
    }
    for (size_t i = 0; i < rows && changes; ++i)
        for (size_t j = 0; j < columns; ++j) {
            const T x = s[i * step + j];
            s[i * step + j] = x == x ? x : K(__builtin_nan(""));
        }
    FN(store_strided)(c, c_row, c_col, s, step, rows, columns);
}

static void FN(gemm_finish)(const tg_gemm_args *g, void *s)
{
    FN(finish_tile)(g, s, g->n, 0, g->m, 0, g->n, false, true);
}

#if NARROW
  #include "gemm_narrow.inc.c"
#endif

/* A tile that needs more than the micro-kernel's own bias: through a copy on the stack. */
static void FN(special_tile)(const tg_gemm_args *g, FN(tile_job) * job, FN(tile_fn) * tile,
                             size_t i, size_t rows, size_t j, size_t wide, bool at_end)
{
    T s[2 * TG_TILE_ROWS * L] __attribute__((aligned(64)));
    FN(tile_job) plain = *job;
    plain.c_row = (ptrdiff_t)(wide * L);
    plain.count = 1;
    plain.c = s;
    plain.c_ahead = s;
    plain.add = NULL;
    plain.bias = NULL;
    tile(&plain);
    job->a = plain.a;
    job->run = job->ahead = plain.run;
    FN(finish_tile)(g, s, wide * L, i, rows, j, (wide - 1) * L + job->last, job->add != NULL,
                    at_end);
}

/* What the panels of a slice fetch: the next slice of A, in runs of lines. */
typedef struct FN(next_slice) {
    const char *at;
    ptrdiff_t across, along; /* bytes from run to run, from line to line */
    size_t left, a_panel; /* runs */
} FN(next_slice);

static FN(next_slice) FN(slice_ahead)(const T *a, ptrdiff_t row, ptrdiff_t col, size_t rows,
                                      size_t k, size_t panels)
{
    FN(next_slice) next = {.at = (const char *)a};
    if (row != 1) {
        next.across = row * (ptrdiff_t)sizeof(T);
        next.along = 64;
        next.left = rows;
    } else { /* rows fill a line, of which each column of A has one */
        const size_t lines = (k + FETCH_EVERY - 1) / FETCH_EVERY * FETCH_LINES;
        next.along = col * (ptrdiff_t)sizeof(T);
        next.across = (ptrdiff_t)lines * next.along;
        next.left = (k + lines - 1) / lines;
    }
    next.a_panel = (next.left + panels - 1) / panels;
    return next;
}

/* Rows [i, i + m) of one panel of columns, from job->a and job->b; to job->c. first: does its
 * first rows; or NULL. */
static void FN(run_panel)(const tg_gemm_args *g, FN(tile_job) * job, size_t i, size_t m,
                          size_t j, size_t wide, FN(tile_fn) * first, bool special, bool at_end,
                          FN(next_slice) * next)
{
    const uint32_t done = first == FN(copying_tile) ? COPY_ROWS : first ? FETCH_ROWS : 0;
    const uint32_t left = (uint32_t)m - done;
    const uint32_t most = FN(tile_rows)[wide], n_tiles = (left + most - 1) / most;
    const uint32_t even = n_tiles ? left / n_tiles : 0, longer = left - even * n_tiles;
#ifdef TG_ISA_AVX512
    const bool half = job->last <= L / 2;
#else
    const bool half = false;
#endif
    FN(tile_fn) *const *tiles = FN(tiles)[half][wide];
    job->run = job->ahead = job->a;
    job->ahead_line = job->ahead_tile = 0;
    if (next->left) {
        job->run = job->ahead = next->at;
        job->ahead_line = next->along;
        job->ahead_tile = next->a_panel > 1 ? next->across : 0;
        const size_t runs = next->left < next->a_panel ? next->left : next->a_panel;
        next->left -= runs;
        next->at += (ptrdiff_t)runs * next->across;
    }
    if (special) {
        for (uint32_t t = 0; t < n_tiles; ++t) {
            const size_t rows = even + (t < longer);
            FN(special_tile)(g, job, tiles[rows], i, rows, j, wide, at_end);
            i += rows;
        }
        return;
    }
    job->c_ahead = job->c;
    if (job->add) /* its first element so far */
        job->add += (ptrdiff_t)i * g->c_row + (ptrdiff_t)j;
    if (first) {
        job->count = 1;
        first(job);
    }
    if (longer) {
        job->count = longer;
        tiles[even + 1](job);
    }
    if (n_tiles > longer) {
        job->count = n_tiles - longer;
        tiles[even](job);
    }
}

/* What is to be done with rows i.. and columns j.., whose sums are there (tg_gemm_act's
 * product), while they are in the cache; of rows [i0, i1). */
static void FN(follow)(const tg_gemm_args *g, const T *product, size_t i0, size_t i1, size_t i,
                       size_t rows, size_t j, size_t columns)
{
    if (g->act)
        tg_gemm_act(FN(dtype), g, product, i, rows, j, columns);
    if (tg_gemm_folds(g, i0, i1))
        tg_gemm_fold(FN(dtype), g, i, rows, j, columns);
}

#if NARROW
/* Rows i.. of the last columns, j.., to C or to a strip. Out of line: gemm_block's registers
 * are few. */
__attribute__((noinline)) static void FN(last_columns)(const tg_gemm_args *g, T *strip,
                                                       size_t width, size_t i, size_t rows,
                                                       size_t j, T *few)
{
    tg_gemm_args part = FN(columns_from)(g, j);
    if (!strip) {
        FN(narrow_block)(&part, i, i + rows, few);
        return;
    }
    part.m = rows;
    part.a = (const T *)g->a + (ptrdiff_t)i * g->a_row;
    part.c = strip;
    part.c_row = (ptrdiff_t)width;
    FN(narrow_block)(&part, 0, rows, few);
}
#endif

static void FN(gemm_block)(const tg_gemm_args *g, size_t i0, size_t i1, size_t j0, size_t j1,
                           void *scratch)
{
    const size_t m = i1 - i0, k = g->k;
    const bool reads_c = tg_gemm_reads_c(g);
    T *const b_copy = scratch, *const a_copy = b_copy + KC * TG_GEMM_COLUMNS,
             *const strip = reads_c ? a_copy + FN(a_room) : NULL;
    size_t beside = 0; /* last columns, which narrow_block does */
#if NARROW
    /* A few columns, or a few more than vectors hold. */
    const size_t rest = g->n <= NARROW && !strip    ? g->n
                        : j1 == g->n && j1 - j0 > L ? (j1 - j0) % L
                                                    : 0;
    if (rest > 0 && rest <= NARROW && g->a_col == 1 && m >= 4) {
        j1 -= rest;
        beside = rest;
        if (j0 == j1) {
            FN(narrow_block)(g, i0, i1, scratch);
            FN(follow)(g, NULL, i0, i1, i0, m, j1, rest);
            return;
        }
    }
#endif
    const size_t n = j1 - j0;
    const bool odd_bias = g->bias && (g->bias_row || g->bias_col != 1);
    const bool accumulates =
        g->alpha == 1 && g->beta == 1 && k <= KC && g->c_col == 1 && !odd_bias;
    const bool special = g->alpha != 1 || (g->beta != 0 && !accumulates) || odd_bias;
    const T *const addend = accumulates ? (const T *)(g->addend ? g->addend : g->c) : NULL;
    const size_t depth = k < KC ? k : KC;
    const bool far = n >= 128 && depth * m > FN(near);
    const bool far_b =
        m >= ROWS_TO_FETCH && depth >= 2 * ROWS_AHEAD && depth * n * sizeof(T) > NEAR_B;
    /* What is short in k stores to lines of C so soon that a tile fetches all of its own, two rows
     * a stretch; what is long in k fetches some, and A. */
    const bool far_c = !strip && depth < 4 * FETCH_EVERY && m * n * sizeof(T) > NEAR_C;
    /* Wide tiles: the fewest instructions a product, which count where two threads share a core.
     * Of few rows, as many as there are: it is the number of sums that hides the latency. */
    const size_t vectors = (n + L - 1) / L;
    const size_t most = m <= FN(tile_rows)[4]     ? 4
                        : m <= FN(tile_rows)[3]   ? 3
                        : far_b && m < ROWS_FOR_B ? FETCH_WIDE
                                                  : COPY_WIDE;
    const size_t wide = vectors < most ? vectors : most;
    /* All panels over some rows before the next: what comes from memory comes once. */
    const bool tall =
        (n > 3 * L || beside) && n < 128 && k >= 64 && g->a_col == 1 && m * k > FN(tall);
    const bool copy_b = g->b_col != 1 || (tall && n % L) || (far_b && m >= ROWS_FOR_B);
    const bool copy_a = g->a_col != 1 && n >= 128 && depth * m * sizeof(T) > NEAR_A;
    const bool sliced = far || copy_a || tall;
    const bool keep_b = copy_b && sliced; /* each panel's copy for the slices to come */
    /* In even parts: a short last one would cost as much copying of A as the others. */
    const size_t parts = keep_b || strip ? (n + TG_GEMM_COLUMNS - 1) / TG_GEMM_COLUMNS : 1;
    const size_t nc = ((n + parts - 1) / parts + L - 1) / L * L;
    const size_t slice = sliced ? FN(slice) : strip ? FN(strip) / (nc + beside) : m;
    FN(tile_job) job;
    job.stretch = far_c ? (depth + TG_TILE_ROWS / 2) / (TG_TILE_ROWS / 2 + 1)
                  : far ? FETCH_EVERY
                        : SIZE_MAX;
    for (size_t jc = 0; jc < n; jc += nc) {
        const size_t columns = n - jc < nc ? n - jc : nc;
        const size_t width = columns + (jc + columns == n ? beside : 0);
        size_t pc = 0;
        job.c_row = strip ? (ptrdiff_t)width : g->c_row;
        do {
            const size_t kc = k - pc < KC ? k - pc : KC;
            const bool at_end = pc + kc == k;
            const T *a_block =
                (const T *)g->a + (ptrdiff_t)i0 * g->a_row + (ptrdiff_t)pc * g->a_col;
            const T *b_block =
                (const T *)g->b + (ptrdiff_t)pc * g->b_row + (ptrdiff_t)(j0 + jc) * g->b_col;
            job.k = kc;
            for (size_t ic = 0; ic < m; ic += slice) {
                const size_t i = i0 + ic, rows = m - ic < slice ? m - ic : slice;
                const T *a = a_block + (ptrdiff_t)ic * g->a_row;
                ptrdiff_t a_row = g->a_row, a_col = g->a_col;
                FN(next_slice) next = {.left = 0};
                if (far && !far_c && ic + slice < m)
                    next = FN(slice_ahead)(a + (ptrdiff_t)slice * a_row, a_row, a_col,
                                           m - ic - slice < slice ? m - ic - slice : slice, kc,
                                           (columns + wide * L - 1) / (wide * L));
                if (copy_a) {
                    FN(pack_a)(a_copy, a, g->a_row, g->a_col, rows, kc, &a_row, &a_col);
                    a = a_copy;
                }
                T *const to =
                    strip ? strip : (T *)g->c + (ptrdiff_t)i * g->c_row + (ptrdiff_t)(j0 + jc);
                job.a_row = a_row * (ptrdiff_t)sizeof(T);
                job.a_col = a_col * (ptrdiff_t)sizeof(T);
                for (size_t j = 0; j < columns;) {
                    const size_t v = FN(panel_vectors)(columns - j, wide);
                    const size_t left = columns - j - (v - 1) * L;
                    const bool copied = copy_b || left < L; /* tiles read whole vectors */
                    const bool is_new = ic == 0 || !keep_b;
                    const bool through = g->c_col != 1 || (special && at_end);
                    const T *b = b_block + (ptrdiff_t)j * g->b_col;
                    ptrdiff_t b_row = g->b_row;
                    FN(tile_fn) *first = NULL;
                    job.last = left < L ? left : L;
                    job.copy = keep_b ? b_copy + j * kc : b_copy; /* one place stays near */
                    if (far_b && is_new && g->b_col == 1 && left >= L &&
                        v == (copied ? COPY_WIDE : FETCH_WIDE) &&
                        rows >= (copied ? COPY_ROWS : FETCH_ROWS) && !through) {
                        first = copied ? FN(copying_tile) : FN(fetching_tile);
                    } else if (copied) {
                        if (is_new)
                            FN(pack_panel)(job.copy, v * L, b, b_row, g->b_col, kc,
                                           (v - 1) * L + job.last);
                        b = job.copy;
                        b_row = (ptrdiff_t)(v * L);
                    }
                    job.a = (const char *)a;
                    job.b = (const char *)b;
                    job.b_row = b_row * (ptrdiff_t)sizeof(T);
                    job.bias = at_end && g->bias ? (const T *)g->bias + j0 + jc + j : NULL;
                    job.add = pc > 0 ? (const T *)g->c : addend;
                    job.c = to + j;
                    FN(run_panel)(g, &job, i, rows, j0 + jc + j, v, first, through, at_end,
                                  &next);
                    j += v * L;
                }
#if NARROW
                if (at_end && width > columns)
                    FN(last_columns)(g, strip ? strip + columns : NULL, width, i, rows, j1,
                                     a_copy + FN(a_room) + FN(strip));
#endif
                if (at_end)
                    FN(follow)(g, strip, i0, i1, i, rows, j0 + jc, width);
            }
            pc += kc;
        } while (pc < k);
    }
}
#undef KC
