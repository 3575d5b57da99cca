/* correlate.inc.c: sums of products of one vector with another one's windows, for one ISA and dtype
 * (contract in kernels.h). Each output is one sum, its products added in order, so that it does not
 * matter which outputs are computed together. */

/* Products [from, to) of the window at `at`, of those that lie in a, onto sum. */
VFN T FN(slide)(T sum, const T *a, int64_t n, const T *v, int64_t at, int64_t from, int64_t to)
{
    if (from < -at)
        from = -at;
    if (to > n - at)
        to = n - at;
    for (int64_t i = from; i < to; ++i)
        sum += a[at + i] * v[i];
    return sum;
}

/* The outputs of `vectors` vectors of neighbouring windows, the first of them at `at`: together for
 * products that are there for all, one by one for those before and after. */
VFN void FN(slide_together)(T *y, const T *a, int64_t n, const T *v, int64_t k, int64_t at,
                            const int vectors)
{
    const int64_t lanes = vectors * L, last = n - at - (lanes - 1);
    const int64_t from = at < 0 ? -at : 0, end = k < last ? k : last,
                  to = end < from ? from : end;
    V sum[4];
    for (int64_t l = 0; l < lanes; ++l)
        y[l] = FN(slide)(0, a, n, v, at + l, 0, from < k ? from : k);
    for (int q = 0; q < vectors; ++q)
        sum[q] = vload(y + q * L);
    for (int64_t i = from; i < to; ++i) {
        const V factor = vset(v[i]);
        for (int q = 0; q < vectors; ++q)
            sum[q] += vload(a + at + i + q * L) * factor;
    }
    for (int q = 0; q < vectors; ++q)
        vstore(y + q * L, sum[q]);
    for (int64_t l = 0; l < lanes; ++l)
        y[l] = FN(slide)(y[l], a, n, v, at + l, to, k);
    for (int q = 0; q < vectors; ++q)
        vstore(y + q * L, vcanon(vload(y + q * L)));
}

static void FN(correlate)(void *out, const void *of, int64_t n, const void *with, int64_t k,
                          int64_t at, int64_t count)
{
    T *y = out;
    const T *a = of, *v = with;
    int64_t j = 0;
    for (; j + 4 * L <= count; j += 4 * L)
        FN(slide_together)(y + j, a, n, v, k, at + j, 4);
    for (; j + L <= count; j += L)
        FN(slide_together)(y + j, a, n, v, k, at + j, 1);
    if (j < count && count >= L) /* some of them again */
        FN(slide_together)(y + count - L, a, n, v, k, at + count - L, 1);
    else
        for (; j < count; ++j) {
            T sum[L] = {FN(slide)(0, a, n, v, at + j, 0, k)};
            vstore(sum, vcanon(vload(sum)));
            y[j] = sum[0];
        }
}
