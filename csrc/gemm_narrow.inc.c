/* gemm_narrow.inc.c: products with at most four columns and A's rows contiguous, for one x86 ISA and
 * dtype. The vectors run down the rows of C; A is turned in registers on the way: it is read
 * once, so that a copy of it would not pay. Included by gemm_block.inc.c. */

#define PAIRS 2 /* vectors of SIDE rows: enough sums to hide the latency */

VFN FN(pair) FN(pair_fma)(FN(pair) a, FN(pair) b, FN(pair) c)
{
#if TG_REAL == 32
    return (FN(pair))_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return (FN(pair))_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#endif
}

/* s (PAIRS * SIDE rows of 4) = A @ b4, its first `columns` columns (compile-time). A has n <= PAIRS * SIDE
 * rows, the missing repeat the last one; b4 is k rows of 4. */
VFN void FN(narrow_tile)(T *s, const T *a, ptrdiff_t row, const T *b4, size_t k, const int n,
                         const int columns)
{
    FN(pair) sum[PAIRS][4], in[DEPTH];
    UNROLL
    for (int g = 0; g < PAIRS; ++g)
        UNROLL
    for (int j = 0; j < 4; ++j)
        sum[g][j] = (FN(pair)){0};
    size_t p = 0;
    for (; p + DEPTH <= k; p += DEPTH, a += DEPTH, b4 += 4 * DEPTH)
        UNROLL
    for (int g = 0; g < PAIRS; ++g) {
        const int here = n - g * SIDE;
        FN(load_turned)(in, a + (here > 0 ? g * SIDE : n - 1) * row, row,
                        here > SIDE ? SIDE
                        : here > 0  ? here
                                    : 1);
        UNROLL
        for (int q = 0; q < DEPTH; ++q)
            UNROLL
        for (int j = 0; j < columns; ++j)
            sum[g][j] = FN(pair_fma)(in[q], b4[4 * q + j] - (FN(pair)){0}, sum[g][j]);
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
        FN(turn)(in, sum[g] + j);
        UNROLL
        for (int q = 0; q < DEPTH; ++q) {
            T *to = s + (g * SIDE + q) * 4 + j;
            memcpy(to, &in[q], 16);
            memcpy(to + DEPTH * 4, (const char *)&in[q] + 16, 16);
        }
    }
}

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
    T s[ROWS * 4] __attribute__((aligned(64)));
    for (size_t pc = 0; pc == 0 || pc < g->k; pc += KC) {
        const size_t k = g->k - pc < KC ? g->k - pc : KC;
        const T *b4 = FN(rows_of_four)(copy, (const T *)g->b + (ptrdiff_t)pc * g->b_row,
                                       g->b_row, g->b_col, k, g->n);
        for (size_t i = i0; i < i1; i += ROWS) {
            const size_t rows = i1 - i < ROWS ? i1 - i : ROWS;
            const T *a = (const T *)g->a + (ptrdiff_t)i * g->a_row + (ptrdiff_t)pc;
            if (rows < ROWS)
                FN(narrow_tile)(s, a, g->a_row, b4, k, (int)rows, 4);
            else if (g->n == 1)
                FN(narrow_tile)(s, a, g->a_row, b4, k, ROWS, 1);
            else if (g->n == 2)
                FN(narrow_tile)(s, a, g->a_row, b4, k, ROWS, 2);
            else
                FN(narrow_tile)(s, a, g->a_row, b4, k, ROWS, 4);
            for (size_t j = 0; j < ROWS * 4; j += L)
                vstore(s + j, vcanon(vload(s + j)));
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
    if (g->bias)
        part.bias = (const T *)g->bias + (ptrdiff_t)j * g->bias_col;
    return part;
}
#undef PAIRS
