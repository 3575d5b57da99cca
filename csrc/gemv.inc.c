/* gemv.inc.c: products with one column (y = A @ x), for one ISA and dtype; one row is the
 * transposed product. Included by gemm_kernel.inc.c.
 *
 * Order of arithmetic: DOT_LANES virtual lanes, 64 bytes of them on every ISA. Within a block
 * of KC, lane l starts at 0 and takes the products k = l, l + DOT_LANES, ... by fused
 * multiply-add; then the upper half of the lanes is added to the lower half until one is left;
 * blocks are added in order. A lane never is -0, so that lanes without products may be left
 * out. */

#if TG_REAL == 32
  #define KC TG_KC_F32
#else
  #define KC TG_KC_F64
#endif
#define DOT_LANES (64 / (int)sizeof(T))
#define DOT_VECTORS (DOT_LANES / L) /* vectors that hold all lanes */
#define QUAD (16 / (int)sizeof(T))
#define OUTPUTS 1024 /* most that are computed before they are stored */
#define FAR (1024 * 1024) /* bytes that the second cache does not keep */

/* The i-th 16 bytes of the lanes. */
#define QUARTER_AT(i, at) ((i) % (L / QUAD) * QUAD + (at))
#if TG_REAL == 32
  #define QUARTER(sum, i)                                                           \
      __builtin_shufflevector((sum)[(i) / (L / QUAD)], (sum)[(i) / (L / QUAD)],     \
                              QUARTER_AT(i, 0), QUARTER_AT(i, 1), QUARTER_AT(i, 2), \
                              QUARTER_AT(i, 3))
#else
  #define QUARTER(sum, i)                                                       \
      __builtin_shufflevector((sum)[(i) / (L / QUAD)], (sum)[(i) / (L / QUAD)], \
                              QUARTER_AT(i, 0), QUARTER_AT(i, 1))
#endif

/* sum[r] = a[r] . x[r] over k <= KC elements, for `rows` rows (compile-time) a_row and x_row
 * apart. */
VFN void FN(dots)(T *total, const T *a, ptrdiff_t a_row, const T *x, ptrdiff_t x_row, size_t k,
                  const int rows)
{
    V sum[8][DOT_VECTORS];
    UNROLL
    for (int r = 0; r < rows; ++r)
        UNROLL
    for (int v = 0; v < DOT_VECTORS; ++v)
        sum[r][v] = (V){0};
    size_t p = 0;
    for (; p + DOT_LANES <= k; p += DOT_LANES)
        UNROLL
    for (int r = 0; r < rows; ++r)
        UNROLL
    for (int v = 0; v < DOT_VECTORS; ++v)
        sum[r][v] = vfma(vload(a + r * a_row + (ptrdiff_t)p + v * L),
                         vload(x + r * x_row + (ptrdiff_t)p + v * L), sum[r][v]);
    if (p < k)
        UNROLL
    for (int v = 0; v < DOT_VECTORS; ++v) {
        const size_t left = k - p - (size_t)(v * L);
        if (p + (size_t)(v * L) >= k)
            break;
        UNROLL
        for (int r = 0; r < rows; ++r)
            sum[r][v] =
                vfma(FN(vload_part)(a + r * a_row + (ptrdiff_t)p + v * L, left < L ? left : L),
                     FN(vload_part)(x + r * x_row + (ptrdiff_t)p + v * L, left < L ? left : L),
                     sum[r][v]);
    }
    UNROLL
    for (int r = 0; r < rows; ++r) {
        const FN(piece) q = (QUARTER(sum[r], 0) + QUARTER(sum[r], 2)) +
                            (QUARTER(sum[r], 1) + QUARTER(sum[r], 3));
#if TG_REAL == 32
        total[r] = (q[0] + q[2]) + (q[1] + q[3]);
#else
        total[r] = q[0] + q[1];
#endif
    }
}

/* total[i] = sum over k of a[i + k * col] * x[k], where A's rows are contiguous, not its
 * columns: one accumulator a lane for `wide` vectors of outputs (compile-time), a quarter of
 * the lanes at a time: those that fold together first. */
VFN void FN(columns_by_vector)(T *total, const T *a, ptrdiff_t col, const T *x, size_t k,
                               size_t last, const int wide)
{
    V quarter[QUAD][4];
    const size_t far = DOT_LANES / 4;
    for (size_t l = 0; l < far; ++l) {
        V sum[4][4];
        UNROLL
        for (int s = 0; s < 4; ++s)
            UNROLL
        for (int v = 0; v < wide; ++v)
            sum[s][v] = (V){0};
        const T *from = a + (ptrdiff_t)l * col;
        for (size_t p = l; p < k; p += DOT_LANES, from += DOT_LANES * col)
            UNROLL
        for (int s = 0; s < 4; ++s) {
            if (p + (size_t)s * far >= k)
                break;
            const V factor = vset(x[p + (size_t)s * far]);
            const T *at = from + s * (ptrdiff_t)far * col;
            UNROLL
            for (int v = 0; v < wide; ++v)
                sum[s][v] =
                    vfma(v == wide - 1 ? FN(vload_part)(at + v * L, last) : vload(at + v * L),
                         factor, sum[s][v]);
        }
        UNROLL
        for (int v = 0; v < wide; ++v)
            quarter[l][v] = (sum[0][v] + sum[2][v]) + (sum[1][v] + sum[3][v]);
    }
    UNROLL
    for (int v = 0; v < wide; ++v)
#if TG_REAL == 32
        vstore(total + v * L,
               (quarter[0][v] + quarter[2][v]) + (quarter[1][v] + quarter[3][v]));
#else
        vstore(total + v * L, quarter[0][v] + quarter[1][v]);
#endif
}

/* to[j] += x[0] a[j] + x[DOT_LANES] a[step + j] + ... for j < n, `rows` rows of A
 * (compile-time) one after the other; is_first: to is 0 before. */
VFN void FN(add_rows)(T *to, const T *a, ptrdiff_t step, const T *x, size_t n, bool is_first,
                      const int rows)
{
    V factor[4];
    UNROLL
    for (int r = 0; r < rows; ++r)
        factor[r] = vset(x[r * DOT_LANES]);
    for (size_t j = 0; j < n; j += L) {
        V sum = is_first ? (V){0} : vload(to + j);
        UNROLL
        for (int r = 0; r < rows; ++r) {
            const T *at = a + r * step + j;
            sum = vfma(n - j < L ? FN(vload_part)(at, n - j) : vload(at), factor[r], sum);
        }
        vstore(to + j, sum);
    }
}

/* The same as columns_by_vector for i < n, four columns of A at a time from end to end, the
 * sums of all lanes in L1 or L2. Memory is read in its order: where A is far away that is what
 * counts. And columns a power of two apart fall into one set of L1, so that a walk across them
 * would wait for each. */
static void FN(columns_in_turn)(T *total, const T *a, ptrdiff_t col, const T *x, size_t k,
                                size_t n)
{
    T lanes[DOT_LANES * (OUTPUTS + DOT_LANES)] __attribute__((aligned(64)));
    const size_t width = (n + DOT_LANES - 1) / DOT_LANES * DOT_LANES +
                         DOT_LANES; /* one line more, for the sets' sake */
    const ptrdiff_t step = DOT_LANES * col;
    for (size_t p = 0; p == 0 || p < k; p += 4 * DOT_LANES)
        for (size_t l = 0; l < DOT_LANES; ++l) {
            const T *at = a + (ptrdiff_t)(p + l) * col, *factor = x + p + l;
            T *lane = lanes + l * width;
            const size_t left = p + l < k ? (k - p - l + DOT_LANES - 1) / DOT_LANES : 0;
            if (left >= 4)
                FN(add_rows)(lane, at, step, factor, n, p == 0, 4);
            else if (left == 3)
                FN(add_rows)(lane, at, step, factor, n, p == 0, 3);
            else if (left == 2)
                FN(add_rows)(lane, at, step, factor, n, p == 0, 2);
            else if (left == 1)
                FN(add_rows)(lane, at, step, factor, n, p == 0, 1);
            else if (p == 0)
                memset(lane, 0, width * sizeof *lane);
        }
    for (size_t j = 0; j < n; j += L) {
        V quarter[QUAD];
        UNROLL
        for (int i = 0; i < QUAD; ++i) {
            const T *lane = lanes + (size_t)i * width + j;
            quarter[i] = (vload(lane) + vload(lane + 2 * QUAD * width)) +
                         (vload(lane + QUAD * width) + vload(lane + 3 * QUAD * width));
        }
#if TG_REAL == 32
        vstore(total + j, (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]));
#else
        vstore(total + j, quarter[0] + quarter[1]);
#endif
    }
}

#define AT_ONCE (DOT_VECTORS > 2 ? 2 : 8 / DOT_VECTORS) /* rows whose sums fit the registers */

#define WIDE (TG_VBYTES == 64 ? 4 : 2)
#define CROWDED                                                                               \
    ((TG_VBYTES == 64 ? 96 : 32) * 1024) /* L1, and the more lines are read of each column */

/* The largest power of two that divides a stride, up to where L1's sets repeat: of L1's bytes
 * elements so far apart use their number times this. */
static size_t FN(set_bytes)(ptrdiff_t stride)
{
    const size_t bytes = (size_t)(stride < 0 ? -stride : stride) * sizeof(T);
    const size_t power = bytes & -bytes;
    return power == 0 || power > 4096 ? 4096 : power;
}

/* The products of one block of k for n <= OUTPUTS rows of A; total has room for full vectors. */
static void FN(gemv_products)(T *total, const T *a, ptrdiff_t row, ptrdiff_t col, const T *x,
                              size_t n, size_t k, bool is_far)
{
    T copy[KC] __attribute__((aligned(64)));
    size_t i = 0;
    if ((col != 1 || k == 1) && row == 1) {
        if ((is_far && n > 2 * L) ||
            k * FN(set_bytes)(DOT_LANES / 4 * col) > (size_t)(DOT_LANES / 4 * CROWDED)) {
            FN(columns_in_turn)(total, a, col, x, k, n);
            return;
        }
        for (; i + (WIDE - 1) * L < n; i += WIDE * L)
            FN(columns_by_vector)(total + i, a + i, col, x, k,
                                  n - i < WIDE * L ? n - i - (WIDE - 1) * L : L, WIDE);
        for (; i < n; i += L)
            FN(columns_by_vector)(total + i, a + i, col, x, k, n - i < L ? n - i : L, 1);
        return;
    }
    if (col == 1)
        for (; i + AT_ONCE <= n; i += AT_ONCE)
            FN(dots)(total + i, a + (ptrdiff_t)i * row, row, x, 0, k, AT_ONCE);
    for (; i < n; ++i) {
        const T *from = a + (ptrdiff_t)i * row;
        if (col != 1) {
            for (size_t p = 0; p < k; ++p)
                copy[p] = from[(ptrdiff_t)p * col];
            from = copy;
        }
        FN(dots)(total + i, from, 0, x, 0, k, 1);
    }
}

/* One long dot product: several blocks of k side by side, so that the adds' latency hides. Returns
 * how far it came. */
static size_t FN(long_dot)(T *total, const T *a, const T *x, size_t k)
{
    size_t p = 0;
    for (; p + AT_ONCE * KC <= k; p += AT_ONCE * KC) {
        T part[AT_ONCE];
        FN(dots)(part, a + p, KC, x + p, KC, KC, AT_ONCE);
        for (int i = 0; i < AT_ONCE; ++i)
            *total = p == 0 && i == 0 ? part[i] : *total + part[i];
    }
    return p;
}

static void FN(gemv_block)(const tg_gemm_args *g, size_t i0, size_t i1)
{
    T sum[OUTPUTS] __attribute__((aligned(64))), part[OUTPUTS] __attribute__((aligned(64)));
    T copy[KC] __attribute__((aligned(64)));
    const bool is_far = g->m * g->k > FAR / sizeof(T);
    /* Rows that lie in one piece are to be read to their ends before they leave the caches. */
    const size_t most = g->a_col == 1 ? OUTPUTS / 8 : OUTPUTS;
    for (size_t i = i0; i < i1; i += most) {
        const size_t n = i1 - i < most ? i1 - i : most;
        const T *a = (const T *)g->a + (ptrdiff_t)i * g->a_row, *x = g->b;
        size_t p = n == 1 && g->a_col == 1 && g->b_row == 1 ? FN(long_dot)(sum, a, x, g->k) : 0;
        while (p < g->k || p == 0) {
            const size_t k = g->k - p < KC ? g->k - p : KC;
            const T *now = x + (ptrdiff_t)p * g->b_row;
            if (g->b_row != 1) {
                for (size_t q = 0; q < k; ++q)
                    copy[q] = now[(ptrdiff_t)q * g->b_row];
                now = copy;
            }
            FN(gemv_products)(p ? part : sum, a + (ptrdiff_t)p * g->a_col, g->a_row, g->a_col,
                              now, n, k, is_far);
            if (p)
                for (size_t j = 0; j < n; ++j)
                    sum[j] = sum[j] + part[j];
            p += k;
            if (k == 0)
                break;
        }
        for (size_t j = 0; j < n; ++j)
            sum[j] = sum[j] == sum[j] ? sum[j] : K(__builtin_nan(""));
        FN(finish_tile)(g, sum, 1, i, n, 0, 1, false, true);
    }
}
#undef KC
#undef DOT_LANES
#undef DOT_VECTORS
#undef QUAD
#undef QUARTER_AT
#undef QUARTER
#undef OUTPUTS
#undef FAR
#undef AT_ONCE
#undef WIDE
#undef CROWDED
