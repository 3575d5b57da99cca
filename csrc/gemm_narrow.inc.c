/* gemm_narrow.inc.c: products with at most four columns and A's rows contiguous, for one x86
 * ISA and dtype. The vectors run down the rows of C; A is turned in registers on the way: it is
 * read once, so that a copy of it would not pay. Included by gemm_block.inc.c. */

#define PAIRS 2 /* vectors of SIDE rows: enough sums to hide the latency */
#ifdef TG_ISA_AVX512 /* so many of them share what is read of B, if there are registers for it */
  #define TOGETHER PAIRS
#else
  #define TOGETHER 1
#endif

VFN FN(pair) FN(pair_fma)(FN(pair) a, FN(pair) b, FN(pair) c)
{
#if TG_REAL == 32
    return (FN(pair))_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return (FN(pair))_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#endif
}

/* s (PAIRS * SIDE rows of 4) = A @ b4, its first `columns` columns (compile-time). A has n <=
 * PAIRS * SIDE rows, the missing repeat the last one; b4 is k rows of 4. */
VFN void FN(narrow_tile)(T *s, const T *a, ptrdiff_t row, const T *b4, size_t k, const int n,
                         const int columns)
{
    FN(pair) sum[PAIRS][4];
    UNROLL
    for (int g = 0; g < PAIRS; ++g)
        UNROLL
    for (int j = 0; j < 4; ++j)
        sum[g][j] = (FN(pair)){0};
    size_t p = 0;
    for (; p + DEPTH <= k; p += DEPTH, a += DEPTH, b4 += 4 * DEPTH)
        UNROLL
    for (int g = 0; g < PAIRS; g += TOGETHER) {
        FN(pair) in[TOGETHER][DEPTH];
        UNROLL
        for (int h = 0; h < TOGETHER; ++h) {
            const int here = n - (g + h) * SIDE;
            FN(load_turned)(in[h], a + (here > 0 ? (g + h) * SIDE : n - 1) * row, row,
                            here > SIDE ? SIDE
                            : here > 0  ? here
                                        : 1);
        }
        UNROLL
        for (int q = 0; q < DEPTH; ++q)
            UNROLL
        for (int j = 0; j < columns; ++j) {
            const FN(pair) b = b4[4 * q + j] - (FN(pair)){0};
            UNROLL
            for (int h = 0; h < TOGETHER; ++h)
                sum[g + h][j] = FN(pair_fma)(in[h][q], b, sum[g + h][j]);
        }
    }
    for (; p < k; ++p, ++a, b4 += 4)
        UNROLL
    for (int g = 0; g < PAIRS; ++g) {
        FN(pair) x;
        for (int i = 0; i < SIDE; ++i)
            x[i] = a[(g * SIDE + i < n ? g * SIDE + i : n - 1) * row];
        UNROLL
        for (int j = 0; j < columns; ++j)
            sum[g][j] = FN(pair_fma)(x, b4[j] - (FN(pair)){0}, sum[g][j]);
    }
    UNROLL
    for (int g = 0; g < PAIRS; ++g)
        UNROLL
    for (int j = 0; j < 4; j += DEPTH) {
        FN(pair) in[DEPTH];
        FN(turn)(in, sum[g] + j);
        UNROLL
        for (int q = 0; q < DEPTH; ++q) {
            T *to = s + (g * SIDE + q) * 4 + j;
            memcpy(to, &in[q], 16);
            memcpy(to + DEPTH * 4, (const char *)&in[q] + 16, 16);
        }
    }
}

/* Functions of their own: among the loops around them the integer registers would not do for the
 * rows' addresses. */
#define NARROW_FN(name, n, columns)                                                  \
    __attribute__((noinline)) static void FN(name)(T * s, const T *a, ptrdiff_t row, \
                                                   const T *b4, size_t k, int rows)  \
    {                                                                                \
        (void)rows;                                                                  \
        FN(narrow_tile)(s, a, row, b4, k, n, columns);                               \
    }
NARROW_FN(narrow_1, PAIRS *SIDE, 1)
NARROW_FN(narrow_2, PAIRS *SIDE, 2)
NARROW_FN(narrow_4, PAIRS *SIDE, 4)
NARROW_FN(narrow_rest, rows, 4)
#undef NARROW_FN

/* k rows of B, n <= 4 elements each, as rows of 4. */
static const T *FN(rows_of_four)(T *copy, const T *b, ptrdiff_t row, ptrdiff_t col, size_t k,
                                 size_t n)
{
    if (n == 4 && row == 4 && col == 1)
        return b;
    for (size_t p = 0; p < k; ++p, b += row) {
        FN(piece) *to = (void *)(copy + 4 * p);
#if TG_REAL == 32
        *to = (FN(piece)){b[0], n > 1 ? b[col] : 0, n > 2 ? b[2 * col] : 0,
                          n > 3 ? b[3 * col] : 0};
#else
        to[0] = (FN(piece)){b[0], n > 1 ? b[col] : 0};
        to[1] = (FN(piece)){n > 2 ? b[2 * col] : 0, n > 3 ? b[3 * col] : 0};
#endif
    }
    return copy;
}

/* Rows i0..i1 of a product with 1 to 4 columns, a_col = 1. copy: room for KC rows of 4. */
static void FN(narrow_block)(const tg_gemm_args *g, size_t i0, size_t i1, T *copy)
{
    enum { ROWS = PAIRS * SIDE };
    T s[ROWS * 4] __attribute__((aligned(64))), bias[L] __attribute__((aligned(64)));
    /* Nothing but a bias for each column comes after the sums: it is added to whole vectors. */
    const bool is_plain =
        g->k <= KC && g->alpha == 1 && g->beta == 0 && (!g->bias || g->bias_row == 0);
    for (size_t j = 0; j < L; ++j)
        bias[j] = g->bias && j % 4 < g->n ? FN(bias_at)(g, 0, j % 4) : K(-0.0);
    for (size_t pc = 0; pc == 0 || pc < g->k; pc += KC) {
        const size_t k = g->k - pc < KC ? g->k - pc : KC;
        const T *b4 = FN(rows_of_four)(copy, (const T *)g->b + (ptrdiff_t)pc * g->b_row,
                                       g->b_row, g->b_col, k, g->n);
        for (size_t i = i0; i < i1; i += ROWS) {
            const size_t rows = i1 - i < ROWS ? i1 - i : ROWS;
            const T *a = (const T *)g->a + (ptrdiff_t)i * g->a_row + (ptrdiff_t)pc;
            (rows < ROWS ? FN(narrow_rest)
             : g->n == 1 ? FN(narrow_1)
             : g->n == 2 ? FN(narrow_2)
                         : FN(narrow_4))(s, a, g->a_row, b4, k, (int)rows);
            for (size_t j = 0; j < ROWS * 4; j += L)
                vstore(s + j, vcanon(is_plain ? vload(s + j) + vload(bias) : vload(s + j)));
            if (is_plain)
                FN(store_strided)((T *)g->c + (ptrdiff_t)i * g->c_row, g->c_row, g->c_col, s, 4,
                                  rows, g->n);
            else
                FN(finish_tile)(g, s, 4, i, rows, 0, g->n, pc > 0, pc + k == g->k);
        }
    }
}

/* Columns j.. of a product, as a product. */
VFN tg_gemm_args FN(columns_from)(const tg_gemm_args *g, size_t j)
{
    tg_gemm_args part = *g;
    part.n = g->n - j;
    part.b = (const T *)g->b + (ptrdiff_t)j * g->b_col;
    part.c = (T *)g->c + (ptrdiff_t)j * g->c_col;
    if (g->addend)
        part.addend = (const T *)g->addend + (ptrdiff_t)j * g->c_col;
    if (g->bias)
        part.bias = (const T *)g->bias + (ptrdiff_t)j * g->bias_col;
    return part;
}
#undef PAIRS
#undef TOGETHER
