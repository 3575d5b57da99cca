/* gemm_small.inc.c: stacks of products of a few rows and columns, one call for many of them: what a
 * large product does before its first tile takes longer than one of these. Included by
 * gemm_kernel.inc.c; the order of arithmetic is its own, and gemv.inc.c's for single columns. */

enum {
    FN(small_rows) = 6, /* of a tile */
    FN(small_room) = 16 * 1024 / sizeof(T), /* for copies of matrices whose rows are strided */
};

/* A stack of matrices: steps from one to the next in bytes, along k and across it in elements. */
typedef struct FN(small_stack) {
    const char *at;
    ptrdiff_t step, along, across;
} FN(small_stack);

VFN const T *FN(nth)(FN(small_stack) x, size_t n)
{
    return (const T *)(const void *)(x.at + (ptrdiff_t)n * x.step);
}

typedef struct FN(small_job) {
    FN(small_stack) a, b;
    char *c;
    ptrdiff_t c_step, c_row;
    size_t k, count, last; /* last: columns in the last vector, 1..L */
} FN(small_job);

/* Some rows of `count` products, whose B have contiguous rows. rows and wide are compile-time
 * constants, so that sum is registers. */
VFN void FN(small)(const FN(small_job) * job, const int rows, const int wide)
{
    const FN(small_stack) a = job->a, b = job->b;
    const size_t last = job->last;
    for (size_t n = 0; n < job->count; ++n) {
        const T *at_a = FN(nth)(a, n), *at_b = FN(nth)(b, n);
        T *c = (T *)(void *)(job->c + (ptrdiff_t)n * job->c_step);
        V sum[FN(small_rows)][2], row[2], total = {0};
        UNROLL
        for (int i = 0; i < rows; ++i)
            UNROLL
        for (int j = 0; j < wide; ++j)
            sum[i][j] = (V){0};
        for (size_t p = job->k; p > 0; --p, at_a += a.along, at_b += b.along) {
            UNROLL
            for (int j = 0; j < wide; ++j)
                row[j] =
                    j < wide - 1 ? vload(at_b + j * L) : FN(vload_part)(at_b + j * L, last);
            UNROLL
            for (int i = 0; i < rows; ++i) {
                const V x = vset(at_a[i * a.across]);
                UNROLL
                for (int j = 0; j < wide; ++j)
                    sum[i][j] = vfma(x, row[j], sum[i][j]);
            }
        }
        UNROLL
        for (int i = 0; i < rows; ++i)
            UNROLL
        for (int j = 0; j < wide; ++j)
            total += sum[i][j];
        if (__builtin_expect(vany(vne(total, total)), 0))
            UNROLL
        for (int i = 0; i < rows; ++i)
            UNROLL
        for (int j = 0; j < wide; ++j)
            sum[i][j] = vcanon(sum[i][j]);
        UNROLL
        for (int i = 0; i < rows; ++i, c += job->c_row)
            UNROLL
        for (int j = 0; j < wide; ++j) {
            if (j < wide - 1)
                vstore(c + j * L, sum[i][j]);
            else
                FN(vstore_part)(c + j * L, sum[i][j], last);
        }
    }
}

typedef void FN(small_fn)(const FN(small_job) * job);
// clang-format off: a table
#define TILES(DO)                                         \
    DO(1, 1) DO(2, 1) DO(3, 1) DO(4, 1) DO(5, 1) DO(6, 1) \
    DO(1, 2) DO(2, 2) DO(3, 2) DO(4, 2) DO(5, 2) DO(6, 2)
// clang-format on
#define TILE(rows, wide)                                             \
    static void FN(small_##rows##x##wide)(const FN(small_job) * job) \
    {                                                                \
        FN(small)(job, rows, wide);                                  \
    }
TILES(TILE)
#undef TILE
/* By width, rows. */
static FN(small_fn) *const FN(smalls)[3][FN(small_rows) + 1] = {
#define TILE(rows, wide) [wide][rows] = FN(small_##rows##x##wide),
    TILES(TILE)
#undef TILE
};
#undef TILES

/* All rows. */
static void FN(small_tiles)(FN(small_job) * job, size_t m, size_t wide)
{
    const size_t tiles = (m + FN(small_rows) - 1) / FN(small_rows);
    for (size_t t = 0; t < tiles; ++t) {
        const size_t rows = m / tiles + (t < m % tiles);
        FN(smalls)[wide][rows](job);
        job->a.at += (ptrdiff_t)(rows * sizeof(T)) * job->a.across;
        job->c += (ptrdiff_t)(rows * sizeof(T)) * job->c_row;
    }
}

/* Products with one column, whose A have contiguous columns of at most a vector. */
static void FN(small_vectors)(const FN(small_job) * job)
{
    const FN(small_stack) a = job->a, b = job->b;
    T copy[TG_SMALL_DEPTH];
    V total;
    for (size_t n = 0; n < job->count; ++n) {
        const T *x = FN(nth)(b, n);
        if (b.along != 1) {
            for (size_t p = 0; p < job->k; ++p)
                copy[p] = x[(ptrdiff_t)p * b.along];
            x = copy;
        }
        FN(columns_by_vector)((T *)&total, FN(nth)(a, n), a.along, x, job->k, job->last, 1);
        FN(vstore_part)((T *)(void *)(job->c + (ptrdiff_t)n * job->c_step), vcanon(total),
                        job->last);
    }
}

/* Copies the matrices, k x n, so that they lie close to each other and their n side by side. */
static void FN(turn_stack)(FN(small_stack) * x, T *to, size_t count, size_t k, size_t n)
{
    const size_t width = (n + SIDE - 1) / SIDE * SIDE;
    for (size_t i = 0; i < count; ++i) {
        const T *from = FN(nth)(*x, i);
        T *copy = to + i * k * width;
        if (n >= SIDE)
            FN(pack_panel)(copy, width, from, x->along, x->across, k, n);
        else
            for (size_t j = 0; j < n; ++j, from += x->across)
                for (size_t p = 0; p < k; ++p)
                    copy[p * width + j] = from[(ptrdiff_t)p * x->along];
    }
    x->at = (const char *)to;
    x->step = (ptrdiff_t)(k * width * sizeof(T));
    x->along = (ptrdiff_t)width;
    x->across = 1;
}

/* With one column the rows of A are what vectors hold, else the columns of B. */
static void FN(gemm_stack)(const tg_gemm_args *g, size_t count, ptrdiff_t a_step,
                           ptrdiff_t b_step, ptrdiff_t c_step)
{
    T room[FN(small_room)] __attribute__((aligned(64)));
    const bool is_vector = g->n == 1;
    const size_t columns = is_vector ? g->m : g->n, wide = columns <= L ? 1 : 2;
    FN(small_stack) a = {g->a, a_step, g->a_col, g->a_row};
    FN(small_stack) b = {g->b, b_step, g->b_row, g->b_col};
    const bool is_turned = (is_vector ? a : b).across != 1;
    const size_t most = is_turned && g->k ? FN(small_room) / (g->k * 2 * L) : count;
    for (size_t done = 0; done < count; done += most) {
        const size_t n = count - done < most ? count - done : most;
        FN(small_job) job = {.a = a, .b = b, .c_step = c_step, .c_row = g->c_row, .k = g->k};
        job.c = (char *)g->c + (ptrdiff_t)done * c_step;
        job.count = n;
        job.last = columns - (wide - 1) * L;
        if (is_turned)
            FN(turn_stack)(is_vector ? &job.a : &job.b, room, n, g->k, columns);
        if (is_vector)
            FN(small_vectors)(&job);
        else
            FN(small_tiles)(&job, g->m, wide);
        a.at += (ptrdiff_t)n * a_step;
        b.at += (ptrdiff_t)n * b_step;
    }
}
