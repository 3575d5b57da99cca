/* gemm_pack.inc.c: copies of blocks of A and B in the order the tiles read them, for one ISA and
 * dtype. Included by gemm_kernel.inc.c. */

/* Vectors of the panel at which `left` columns of B remain: panels of at most `wide`, as even as can
 * be, as a tile one vector wide would spend its time loading A. */
VFN size_t FN(panel_vectors)(size_t left, size_t wide)
{
    const size_t vectors = (left + L - 1) / L, panels = (vectors + wide - 1) / wide;
    return (vectors + panels - 1) / panels;
}

#if TG_REAL == 32
  #define SIDE 8 /* columns transposed together: 32 bytes of a row of the panel */
  #define DEPTH 4 /* rows at a time: 16 bytes of a column */
#else
  #define SIDE 4
  #define DEPTH 2
#endif
typedef T FN(piece) __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));
typedef T FN(pair) __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));

/* out[p] has element p of each 16 bytes of in[], those of the lower halves first. */
VFN void FN(turn)(FN(pair) * out, const FN(pair) * in)
{
#if TG_REAL == 32
    const FN(pair) a = __builtin_shufflevector(in[0], in[1], 0, 8, 1, 9, 4, 12, 5, 13);
    const FN(pair) b = __builtin_shufflevector(in[2], in[3], 0, 8, 1, 9, 4, 12, 5, 13);
    const FN(pair) c = __builtin_shufflevector(in[0], in[1], 2, 10, 3, 11, 6, 14, 7, 15);
    const FN(pair) d = __builtin_shufflevector(in[2], in[3], 2, 10, 3, 11, 6, 14, 7, 15);
    out[0] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
    out[1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    out[2] = __builtin_shufflevector(c, d, 0, 1, 8, 9, 4, 5, 12, 13);
    out[3] = __builtin_shufflevector(c, d, 2, 3, 10, 11, 6, 7, 14, 15);
#else
    out[0] = __builtin_shufflevector(in[0], in[1], 0, 4, 2, 6);
    out[1] = __builtin_shufflevector(in[0], in[1], 1, 5, 3, 7);
#endif
}

/* out[p][j] = from[j * col + p] for j < SIDE, p < DEPTH. There are n <= SIDE columns: the others
 * repeat the last. */
VFN void FN(load_turned)(FN(pair) * out, const T *from, ptrdiff_t col, int n)
{
    const int last = n - 1;
    FN(pair) in[DEPTH];
    UNROLL
    for (int j = 0; j < DEPTH; ++j) {
        const FN(piece) *low = (const void *)(from + (j < last ? j : last) * col);
        const FN(piece) *high =
            (const void *)(from + (j + DEPTH < last ? j + DEPTH : last) * col);
#if defined TG_ISA_AVX512 || defined TG_ISA_AVX2 /* an insertion from memory takes no shuffle */
        in[j] = (FN(pair))_mm256_insertf128_ps(_mm256_castps128_ps256((__m128)*low),
                                               (__m128)*high, 1);
#elif TG_REAL == 32
        in[j] = __builtin_shufflevector(*low, *high, 0, 1, 2, 3, 4, 5, 6, 7);
#else
        in[j] = __builtin_shufflevector(*low, *high, 0, 1, 2, 3);
#endif
    }
    FN(turn)(out, in);
}

/* to[p * step + j] = from[j * col + p]: the same, to memory. */
VFN void FN(transpose)(T *to, size_t step, const T *from, ptrdiff_t col, int n)
{
    FN(pair) out[DEPTH];
    FN(load_turned)(out, from, col, n);
    UNROLL
    for (int p = 0; p < DEPTH; ++p)
        *(FN(pair) *)(void *)(to + (size_t)p * step) = out[p];
}

/* A panel of B, k x n, as rows of `step` elements, whole vectors. After the n-th come numbers of no
 * account, but numbers. */
static void FN(pack_panel)(T *to, size_t step, const T *b, ptrdiff_t row, ptrdiff_t col,
                           size_t k, size_t n)
{
    if (col == 1) {
        for (size_t p = 0; p < k; ++p, to += step, b += row) {
            size_t j = 0;
            for (; j + L < n; j += L) {
                __builtin_prefetch(b + ROWS_AHEAD * row + j);
                vstore(to + j, vload(b + j));
            }
            __builtin_prefetch(b + ROWS_AHEAD * row + j);
            vstore(to + j, FN(vload_part)(b + j, n - j));
        }
        return;
    }
    size_t j = 0;
    if (row == 1) /* twice as many columns at a time: whole lines written soon after another */
        for (; j + 2 * SIDE <= n; j += 2 * SIDE) {
            const T *from = b + (ptrdiff_t)j * col;
            size_t p = 0;
            for (; p + DEPTH <= k; p += DEPTH) {
                FN(transpose)(to + p * step + j, step, from + p, col, SIDE);
                FN(transpose)(to + p * step + j + SIDE, step, from + SIDE * col + p, col, SIDE);
            }
            for (; p < k; ++p)
                for (int i = 0; i < 2 * SIDE; ++i)
                    to[p * step + j + (size_t)i] = from[i * col + (ptrdiff_t)p];
        }
    const size_t whole = step / SIDE * SIDE;
    for (; j < n && j < whole; j += SIDE) {
        const T *from = b + (ptrdiff_t)j * col;
        const int columns = n - j < SIDE ? (int)(n - j) : SIDE;
        size_t p = 0;
        if (row == 1 && columns == SIDE)
            for (; p + DEPTH <= k; p += DEPTH)
                FN(transpose)(to + p * step + j, step, from + p, col, SIDE);
        else if (row == 1)
            for (; p + DEPTH <= k; p += DEPTH)
                FN(transpose)(to + p * step + j, step, from + p, col, columns);
        for (; p < k; ++p)
            for (int i = 0; i < SIDE; ++i)
                to[p * step + j + (size_t)i] =
                    from[(i < columns ? i : columns - 1) * col + (ptrdiff_t)p * row];
    }
    for (; j < step; ++j) /* an empty half of a vector, or vectors shorter than SIDE */
        for (size_t p = 0; p < k; ++p)
            to[p * step + j] = j < n ? b[(ptrdiff_t)j * col + (ptrdiff_t)p * row] : 0;
}

/* Rows of A, m x k, copied so that they lie close: row after row, or where A's columns are
 * contiguous, column after column if a tile's rows fill the lines it reads, else turned. Gives the
 * copy's strides. */
static void FN(pack_a)(T *to, const T *a, ptrdiff_t row, ptrdiff_t col, size_t m, size_t k,
                       ptrdiff_t *to_row, ptrdiff_t *to_col)
{
    size_t step = (k + L - 1) / L * L + 16; /* off a power of two: cache sets */
    *to_row = (ptrdiff_t)step;
    *to_col = 1;
#ifdef TG_ISA_AVX2
    if (row == 1) {
        size_t p = 0;
        for (; p + SIDE <= k; p += SIDE, a += SIDE * col) {
            size_t i = 0;
            for (; i + DEPTH <= m; i += DEPTH)
                FN(transpose)(to + i * step + p, step, a + i, col, SIDE);
            for (; i < m; ++i)
                for (int q = 0; q < SIDE; ++q)
                    to[i * step + p + (size_t)q] = a[(ptrdiff_t)i + q * col];
        }
        for (; p < k; ++p, a += col)
            for (size_t i = 0; i < m; ++i)
                to[i * step + p] = a[i];
        return;
    }
#else
    if (row == 1) {
        step = (m + L - 1) / L * L;
        for (size_t p = 0; p < k; ++p, to += step, a += col) {
            size_t i = 0;
            for (; i + L < m; i += L)
                vstore(to + i, vload(a + i));
            vstore(to + i, FN(vload_part)(a + i, m - i));
        }
        *to_row = 1;
        *to_col = (ptrdiff_t)step;
        return;
    }
#endif
    for (size_t i = 0; i < m; ++i, to += step, a += row) {
        if (col == 1)
            memcpy(to, a, k * sizeof(T));
        else
            for (size_t p = 0; p < k; ++p)
                to[p] = a[(ptrdiff_t)p * col];
    }
}
