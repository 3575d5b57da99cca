/* scan.inc.c: the kernels of reduce.h that are no folds, for one ISA and dtype: positions of
 * extremes, running sums and products, scatter-adds. Included by reduce.inc.c, whose fold_block
 * they use. */
#define first_lane FN(first_lane)
#define first_equal FN(first_equal)
#define arg_row FN(arg_row)
#define arg_narrow FN(arg_narrow)
#define arg_panel FN(arg_panel)
#undef ARG_PANEL
#define ARG_PANEL ((size_t)4096 / sizeof(T)) /* columns */
#define arg_columns_of FN(arg_columns_of)

/* --- positions ------------------------------------------------------------------------------- */

/* The first lane of a mask that is not empty. */
VFN int first_lane(M m)
{
#if defined TG_ISA_AVX512
    return __builtin_ctz(m);
#elif defined TG_ISA_AVX2 && TG_REAL == 32
    return __builtin_ctz((unsigned)_mm256_movemask_ps((__m256)m));
#elif defined TG_ISA_AVX2
    return __builtin_ctz((unsigned)_mm256_movemask_pd((__m256d)m));
#else
    int i = 0;
    while (!m[i])
        ++i;
    return i;
#endif
}

/* Position of the first element of x[0..n) equal to best, or of the first nan if best is one.
 * There is one. */
VFN size_t first_equal(const T *x, size_t n, T best)
{
    const V b = vset(best);
    const bool is_nan = best != best;
    size_t i = 0;
    for (; !is_nan && i + 4 * (size_t)L <= n; i += 4 * (size_t)L) {
        const M low = veq(vload(x + i), b) | veq(vload(x + i + L), b);
        if (vany(low | veq(vload(x + i + 2 * L), b) | veq(vload(x + i + 3 * L), b)))
            break;
    }
    for (;; i += (size_t)L) {
        const V v = n - i >= (size_t)L ? vload(x + i) : vloadpart(x + i, n - i, vset(0));
        const M m = is_nan ? vne(v, v) : veq(v, b);
        if (vany(m))
            return i + (size_t)first_lane(m);
    }
}

/* The best of each block is found at full speed; only the winning block is searched. */
VFN int64_t arg_row(int what, const T *x, size_t n)
{
    if (n <= (size_t)L) {
        const V v = vloadpart(x, n, fold_identity(what));
        const T best = fold_across(what, v);
        return first_lane(best != best ? vne(v, v) : veq(v, vset(best)));
    }
    const size_t block = 16 * LANES * TG_ROWS;
    T best = 0;
    size_t winner = 0;
    for (size_t i = 0; i < n; i += block) {
        const size_t left = n - i;
        V acc[NV];
        fold_block(what, acc, x + i, left < block ? left : block);
        const T v = fold_vectors(what, acc, left);
        if (i == 0 || v != v || (what == TG_FOLD_MAX ? v > best : v < best)) {
            best = v;
            winner = i;
        }
        if (v != v)
            break;
    }
    return (int64_t)(winner + first_equal(x + winner, n - winner, best));
}

/* At most a vector of columns: the best so far and its row stay in registers. */
VFN void arg_narrow(int what, int64_t *out, const T *x, int64_t stride, size_t rows,
                    size_t cols)
{
    V best = vloadpart(x, cols, vset(0)), where = vfrombits(viset(0));
    for (size_t r = 1; r < rows; ++r) {
        x += stride;
        const V v = vloadpart(x, cols, best);
        const M beats = what == TG_FOLD_MAX ? vlt(best, v) : vlt(v, best);
        const M wins = beats | (vne(v, v) & veq(best, best));
        best = vselect(wins, v, best);
        where = vselect(wins, vfrombits(viset((IT)r)), where);
    }
    IT index[TG_VBYTES / sizeof(T)];
    memcpy(index, &where, sizeof index);
    for (size_t c = 0; c < cols; ++c)
        out[c] = index[c];
}

/* A panel of columns, row after row: the best so far and its row wait in L1. */
VFN void arg_panel(int what, int64_t *out, const T *x, int64_t stride, size_t rows, size_t cols)
{
    T best[ARG_PANEL];
    IT where[ARG_PANEL];
    for (size_t c = 0; c < cols; c += (size_t)L) {
        vstore(best + c,
               cols - c >= (size_t)L ? vload(x + c) : vloadpart(x + c, cols - c, vset(0)));
        vstore((T *)(where + c), vfrombits(viset(0)));
    }
    for (size_t r = 1; r < rows; ++r) {
        x += stride;
        const V row = vfrombits(viset((IT)r));
        for (size_t c = 0; c < cols; c += (size_t)L) {
            const V old = vload(best + c);
            const V v = cols - c >= (size_t)L ? vload(x + c) : vloadpart(x + c, cols - c, old);
            const M beats = what == TG_FOLD_MAX ? vlt(old, v) : vlt(v, old);
            const M wins = beats | (vne(v, v) & veq(old, old));
            vstore(best + c, vselect(wins, v, old));
            vstore((T *)(where + c), vselect(wins, row, vload((const T *)(where + c))));
        }
    }
    for (size_t c = 0; c < cols; ++c)
        out[c] = where[c];
}

VFN void arg_columns_of(int what, int64_t *out, const T *x, int64_t stride, size_t rows,
                        size_t cols)
{
    const size_t narrow = 2 * (size_t)L, step = cols <= narrow ? (size_t)L : ARG_PANEL;
    for (size_t c = 0; c < cols; c += step) {
        const size_t n = cols - c < step ? cols - c : step;
        if (cols <= narrow)
            arg_narrow(what, out + c, x + c, stride, rows, n);
        else
            arg_panel(what, out + c, x + c, stride, rows, n);
    }
}

static void FN(reduce_arg_rows)(int what, int64_t *out, const void *x, int64_t stride,
                                size_t rows, size_t n)
{
    const T *row = x;
    for (size_t i = 0; i < rows; ++i, row += stride)
        out[i] =
            what == TG_FOLD_MAX ? arg_row(TG_FOLD_MAX, row, n) : arg_row(TG_FOLD_MIN, row, n);
}

static void FN(reduce_arg_columns)(int what, int64_t *out, const void *x, int64_t stride,
                                   size_t rows, size_t cols)
{
    if (what == TG_FOLD_MAX)
        arg_columns_of(TG_FOLD_MAX, out, x, stride, rows, cols);
    else
        arg_columns_of(TG_FOLD_MIN, out, x, stride, rows, cols);
}

/* --- running sums ------------------------------------------------------------------------ */

/* Each sum waits for the one before: four rows at a time hide the latency. */
static void FN(reduce_cumsum_rows)(void *out, const void *in, size_t rows, size_t n)
{
    T *y = out;
    const T *x = in;
    size_t i = 0;
    for (; i + 4 <= rows; i += 4, x += 4 * n, y += 4 * n) {
        T a = K(-0.0), b = K(-0.0), c = K(-0.0), d = K(-0.0);
        for (size_t k = 0; k < n; ++k) {
            y[k] = canon1(a += x[k]);
            y[n + k] = canon1(b += x[n + k]);
            y[2 * n + k] = canon1(c += x[2 * n + k]);
            y[3 * n + k] = canon1(d += x[3 * n + k]);
        }
    }
    for (; i < rows; ++i, x += n, y += n) {
        T a = K(-0.0);
        for (size_t k = 0; k < n; ++k)
            y[k] = canon1(a += x[k]);
    }
}

static void FN(reduce_cumsum_columns)(void *out, const void *in, size_t rows, size_t cols)
{
    T *y = out;
    const T *x = in;
    for (size_t r = 0; r < rows; ++r, x += cols, y += cols) {
        size_t c = 0;
        for (; c + (size_t)L <= cols; c += (size_t)L)
            vstore(y + c, vcanon(r ? vload(y + c - cols) + vload(x + c) : vload(x + c)));
        for (; c < cols; ++c)
            y[c] = canon1(r ? y[c - cols] + x[c] : x[c]);
    }
}

/* --- running products and recurrences ----------------------------------------------------- */

static void FN(reduce_cumprod)(void *out, const void *in, size_t rows, size_t n)
{
    T *y = out;
    const T *x = in;
    size_t i = 0;
    for (; i + 4 <= rows; i += 4, x += 4 * n, y += 4 * n) {
        T a = 1, b = 1, c = 1, d = 1;
        for (size_t k = 0; k < n; ++k) {
            y[k] = canon1(a *= x[k]);
            y[n + k] = canon1(b *= x[n + k]);
            y[2 * n + k] = canon1(c *= x[2 * n + k]);
            y[3 * n + k] = canon1(d *= x[3 * n + k]);
        }
    }
    for (; i < rows; ++i, x += n, y += n) {
        T a = 1;
        for (size_t k = 0; k < n; ++k)
            y[k] = canon1(a *= x[k]);
    }
}

#define zmul1 FN(zmul1)
#define recur_rows FN(recur_rows)

VFN T zmul1(T a, T b) { return a == 0 ? 0 : a * b; }

/* Rows from the element at y, a, b on, which is the first or, with step -1, the last. */
VFN void recur_rows(T *y, const T *a, const T *b, size_t rows, size_t n, ptrdiff_t step)
{
    const ptrdiff_t row = (ptrdiff_t)n;
    size_t i = 0;
    for (; i + 4 <= rows; i += 4, y += 4 * n, a += 4 * n, b += 4 * n) {
        T s = 0, t = 0, u = 0, v = 0;
        ptrdiff_t k = 0;
        for (size_t left = n; left; --left, k += step) {
            y[k] = s = canon1(a[k] + zmul1(s, b[k]));
            y[row + k] = t = canon1(a[row + k] + zmul1(t, b[row + k]));
            y[2 * row + k] = u = canon1(a[2 * row + k] + zmul1(u, b[2 * row + k]));
            y[3 * row + k] = v = canon1(a[3 * row + k] + zmul1(v, b[3 * row + k]));
        }
    }
    for (; i < rows; ++i, y += n, a += n, b += n) {
        T s = 0;
        ptrdiff_t k = 0;
        for (size_t left = n; left; --left, k += step)
            y[k] = s = canon1(a[k] + zmul1(s, b[k]));
    }
}

static void FN(reduce_recur)(void *y, const void *a, const void *b, size_t rows, size_t n)
{
    recur_rows(y, a, b, rows, n, 1);
}

static void FN(reduce_recur_back)(void *y, const void *a, const void *b, size_t rows, size_t n)
{
    recur_rows((T *)y + n - 1, (const T *)a + n - 1, (const T *)b + n - 1, rows, n, -1);
}

/* --- scatter-add ------------------------------------------------------------------------- */

static void FN(reduce_scatter_add)(void *dx, const void *ct, const int64_t *index, size_t count,
                                   int64_t n, size_t inner)
{
    const T *from = ct;
    for (size_t j = 0; j < count; ++j, from += inner) {
        T *to = (T *)dx + (index[j] < 0 ? index[j] + n : index[j]) * (int64_t)inner;
        size_t k = 0;
        for (; k + (size_t)L <= inner; k += (size_t)L)
            vstore(to + k, vcanon(vload(to + k) + vload(from + k)));
        for (; k < inner; ++k)
            to[k] = canon1(to[k] + from[k]);
    }
}
