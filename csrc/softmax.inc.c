/* softmax.inc.c: the kernels of softmax.h for one ISA and dtype. */
#define term FN(term)
#define term_block FN(term_block)
#define term_sum FN(term_sum)
#define row_max FN(row_max)
#define max_across FN(max_across)
#define finite_or_zero FN(finite_or_zero)
#define row_stats FN(row_stats)
#define softmax_row FN(softmax_row)

/* --- sums of terms --------------------------------------------------------------------------- */

/* The L terms from i on, or the first `part` of them (then the other lanes add nothing). */
VFN V term(int what, const T *x, const T *y, T *out, V m, size_t i, size_t part)
{
    const V nothing = vset(what == TG_TERM_EXP ? K(-__builtin_inf()) : K(-0.0));
    V v = part ? vloadpart(x + i, part, nothing) : vload(x + i);
    if (what == TG_TERM_PRODUCT)
        return vzmul(v, part ? vloadpart(y + i, part, vset(0)) : vload(y + i));
    if (what == TG_TERM_EXP) {
        v = vexp(v - m);
        if (out && part)
            vstorepart(out + i, v, part);
        else if (out)
            vstore(out + i, v);
    }
    return v;
}

/* acc = lanes of n terms, at most a block of them. */
VFN void term_block(int what, V *acc, const T *x, const T *y, T *out, V m, size_t n)
{
    size_t i = 0;
    for (int k = 0; k < NV; ++k)
        acc[k] = n >= LANES ? term(what, x, y, out, m, (size_t)(k * L), 0) : vset(K(-0.0));
    if (n >= LANES)
        for (i = LANES; i + LANES <= n; i += LANES)
            for (int k = 0; k < NV; ++k)
                acc[k] += term(what, x, y, out, m, i + (size_t)(k * L), 0);
    for (int k = 0; k < NV && i < n; ++k, i += (size_t)L)
        acc[k] += term(what, x, y, out, m, i, n - i >= (size_t)L ? 0 : n - i);
}

/* The sum of n terms, in the order of reduce.h, any n >= 1. */
VFN T term_sum(int what, const T *x, const T *y, T *out, T max, size_t n)
{
    const V m = vset(max);
    V acc[NV];
    if (n <= (size_t)L)
        return fold_across(TG_FOLD_SUM, term(what, x, y, out, m, 0, n));
    if (n <= LANES * TG_ROWS) {
        term_block(what, acc, x, y, out, m, n);
        return fold_vectors(TG_FOLD_SUM, acc, n);
    }
    V level[48][NV];                    /* [l]: 2^l blocks that wait for their neighbours */
    size_t block = 0;
    for (size_t i = 0;; ++block, i += LANES * TG_ROWS) {
        const size_t left = n - i;
        const bool is_last = left <= LANES * TG_ROWS;
        term_block(what, acc, x + i, y ? y + i : y, out ? out + i : out, m,
                   is_last ? left : LANES * TG_ROWS);
        if (is_last)
            break;
        int l = 0;
        for (size_t b = block; b & 1; b >>= 1, ++l)
            for (int k = 0; k < NV; ++k)
                acc[k] = level[l][k] + acc[k];
        for (int k = 0; k < NV; ++k)
            level[l][k] = acc[k];
    }
    for (int l = 0; block; block >>= 1, ++l)
        if (block & 1)
            for (int k = 0; k < NV; ++k)
                acc[k] = level[l][k] + acc[k];
    return fold_vectors(TG_FOLD_SUM, acc, n);
}

/* The lanes' maximum; what it is if one is nan does not matter: the sums will be nan. */
VFN T max_across(V v) { return fold_across(TG_FOLD_MAX_NUMBER, v); }

/* The maximum of x[0..n), in any order; anything if there is a nan. */
VFN T row_max(const T *x, size_t n)
{
    const V lowest = vset(K(-__builtin_inf()));
    if (n <= (size_t)L)
        return max_across(vloadpart(x, n, lowest));
    V a = vload(x), b = lowest, c = lowest, d = lowest;
    size_t i = (size_t)L;
    for (; i + 4 * (size_t)L <= n; i += 4 * (size_t)L) {
        a = vmax(a, vload(x + i));
        b = vmax(b, vload(x + i + L));
        c = vmax(c, vload(x + i + 2 * L));
        d = vmax(d, vload(x + i + 3 * L));
    }
    for (; i + (size_t)L <= n; i += (size_t)L)
        a = vmax(a, vload(x + i));
    b = vmax(b, vload(x + n - L));      /* the tail, some of it for the second time */
    return max_across(vmax(vmax(a, b), vmax(c, d)));
}

VFN T finite_or_zero(T m)
{
    return m == K(__builtin_inf()) || m == K(-__builtin_inf()) ? 0 : m;
}

/* --- rows ------------------------------------------------------------------------------------ */

/* How many rows share one vector logarithm: L short ones, or one long one, whose elements are
 * then still in cache for a second pass. */
static size_t FN(rows_together)(size_t n) { return n <= 1024 ? (size_t)L : 1; }

/* Of the first rows of x, at most L: their maxima m and the logarithms of their sums. */
VFN void row_stats(T *m, V *log_sum, const T *x, size_t rows, size_t n)
{
    T sum[TG_VBYTES / sizeof(T)];
    memset(sum, 0, sizeof sum);
    for (size_t i = 0; i < rows; ++i, x += n) {
        m[i] = finite_or_zero(row_max(x, n));
        sum[i] = term_sum(TG_TERM_EXP, x, NULL, NULL, m[i], n);
    }
    *log_sum = vlog(vload(sum));
}

static void FN(softmax_logsumexp)(void *out, const void *in, size_t rows, size_t n)
{
    T *y = out, m[TG_VBYTES / sizeof(T)] = {0};
    const T *x = in;
    const size_t step = FN(rows_together)(n);
    for (size_t i = 0; i < rows; i += step, x += step * n) {
        const size_t count = rows - i < step ? rows - i : step;
        V log_sum;
        row_stats(m, &log_sum, x, count, n);
        vstorepart(y + i, vcanon(vload(m) + log_sum), count);
    }
}

static void FN(softmax_log)(void *out, const void *in, size_t rows, size_t n)
{
    T *y = out, m[TG_VBYTES / sizeof(T)], log_sum[TG_VBYTES / sizeof(T)];
    const T *x = in;
    const size_t step = FN(rows_together)(n);
    for (size_t i = 0; i < rows; i += step) {
        const size_t count = rows - i < step ? rows - i : step;
        V logs;
        row_stats(m, &logs, x, count, n);
        vstore(log_sum, logs);
        for (size_t r = 0; r < count; ++r, x += n, y += n) {
            const V max = vset(m[r]), log = vset(log_sum[r]);
            size_t k = 0;
            for (; k + (size_t)L <= n; k += (size_t)L)
                vstore(y + k, vcanon(vload(x + k) - max - log));
            if (k < n)
                vstorepart(y + k, vcanon(vloadpart(x + k, n - k, max) - max - log), n - k);
        }
    }
}

/* y = exp(x - m), the row's; returns 1 / their sum. */
VFN T softmax_row(T *y, const T *x, size_t n)
{
    return 1 / term_sum(TG_TERM_EXP, x, NULL, y, row_max(x, n), n);
}

static void FN(softmax_softmax)(void *out, const void *in, size_t rows, size_t n)
{
    T *y = out;
    const T *x = in;
    for (size_t i = 0; i < rows; ++i, x += n, y += n) {
        if (n <= (size_t)L) {           /* a row in one register */
            const V v = vloadpart(x, n, vset(K(-__builtin_inf())));
            const V e = vexp(v - vset(max_across(v)));
            vstorepart(y, vcanon(e * vset(1 / fold_across(TG_FOLD_SUM, e))), n);
            continue;
        }
        const V scale = vset(softmax_row(y, x, n));
        size_t k = 0;
        for (; k + (size_t)L <= n; k += (size_t)L)
            vstore(y + k, vcanon(vload(y + k) * scale));
        if (k < n)
            vstorepart(y + k, vcanon(vloadpart(y + k, n - k, scale) * scale), n - k);
    }
}

/* --- derivatives ----------------------------------------------------------------------------- */

static void FN(softmax_softmax_vjp)(void *out, const void *cts, const void *ys, size_t rows,
                                    size_t n)
{
    T *dx = out;
    const T *ct = cts, *y = ys;
    for (size_t i = 0; i < rows; ++i, ct += n, y += n, dx += n) {
        const V s = vset(term_sum(TG_TERM_PRODUCT, ct, y, NULL, 0, n));
        size_t k = 0;
        for (; k + (size_t)L <= n; k += (size_t)L)
            vstore(dx + k, vcanon(vzmul(vload(ct + k) - s, vload(y + k))));
        if (k < n)
            vstorepart(
                dx + k,
                vcanon(vzmul(vloadpart(ct + k, n - k, s) - s, vloadpart(y + k, n - k, s))),
                n - k);
    }
}

static void FN(softmax_log_vjp)(void *out, const void *cts, const void *ys, size_t rows,
                                size_t n)
{
    T *dx = out;
    const T *ct = cts, *y = ys;
    for (size_t i = 0; i < rows; ++i, ct += n, y += n, dx += n) {
        const V s = vset(term_sum(TG_TERM_X, ct, NULL, NULL, 0, n));
        size_t k = 0;
        for (; k + (size_t)L <= n; k += (size_t)L)
            vstore(dx + k, vcanon(vload(ct + k) - vzmul(s, vexp(vload(y + k)))));
        if (k < n)
            vstorepart(dx + k,
                       vcanon(vloadpart(ct + k, n - k, s) -
                              vzmul(s, vexp(vloadpart(y + k, n - k, vset(0))))),
                       n - k);
    }
}

/* --- cross entropy --------------------------------------------------------------------------- */

static void FN(softmax_cross_entropy)(void *out, const void *in, const int64_t *label,
                                      size_t rows, size_t n)
{
    T *loss = out, m[TG_VBYTES / sizeof(T)] = {0}, own[TG_VBYTES / sizeof(T)] = {0};
    const T *x = in;
    const size_t step = FN(rows_together)(n);
    for (size_t i = 0; i < rows; i += step, x += step * n) {
        const size_t count = rows - i < step ? rows - i : step;
        V log_sum;
        row_stats(m, &log_sum, x, count, n);
        for (size_t r = 0; r < count; ++r)
            own[r] = x[r * n + (size_t)label[i + r]] - m[r];
        vstorepart(loss + i, vcanon(log_sum - vload(own)), count);
    }
}

static void FN(softmax_cross_entropy_vjp)(void *out, const void *cts, const void *in,
                                          const int64_t *label, size_t rows, size_t n)
{
    T *dx = out;
    const T *x = in, *ct = cts;
    for (size_t i = 0; i < rows; ++i, x += n, dx += n) {
        if (ct[i] == 0) {
            memset(dx, 0, n * sizeof(T));
            continue;
        }
        const T scale1 = softmax_row(dx, x, n);
        const V scale = vset(scale1), c = vset(ct[i]);
        const T own = canon1(ct[i] * (dx[label[i]] * scale1 - 1));
        size_t k = 0;
        for (; k + (size_t)L <= n; k += (size_t)L)
            vstore(dx + k, vcanon(c * (vload(dx + k) * scale)));
        if (k < n)
            vstorepart(dx + k, vcanon(c * (vloadpart(dx + k, n - k, scale) * scale)), n - k);
        dx[label[i]] = own;
    }
}

static const tg_softmax_kernels FN(softmax_kernels) = {
    .logsumexp = FN(softmax_logsumexp),
    .softmax = FN(softmax_softmax),
    .log_softmax = FN(softmax_log),
    .softmax_vjp = FN(softmax_softmax_vjp),
    .log_softmax_vjp = FN(softmax_log_vjp),
    .cross_entropy = FN(softmax_cross_entropy),
    .cross_entropy_vjp = FN(softmax_cross_entropy_vjp),
};
