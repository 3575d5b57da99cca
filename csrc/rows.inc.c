/* rows.inc.c: the folds of reduce.h whose last axis is reduced, many rows at a time, for one ISA
 * and dtype. Rows of at most one vector, whose lanes are then joined by halves, would leave most
 * of it idle: L of them take those steps together. Included by reduce.inc.c. */
#define fold_halves FN(fold_halves)
#define fold_together FN(fold_together)
#define load_rows FN(load_rows)
#define short_rows FN(short_rows)
#define fold_rows FN(fold_rows)

#undef EVERY
#if TG_VBYTES * 8 / TG_REAL == 16
  #define EVERY(f, h)                                                                  \
      f(0, h), f(1, h), f(2, h), f(3, h), f(4, h), f(5, h), f(6, h), f(7, h), f(8, h), \
          f(9, h), f(10, h), f(11, h), f(12, h), f(13, h), f(14, h), f(15, h)
#elif TG_VBYTES * 8 / TG_REAL == 8
  #define EVERY(f, h) f(0, h), f(1, h), f(2, h), f(3, h), f(4, h), f(5, h), f(6, h), f(7, h)
#elif TG_VBYTES * 8 / TG_REAL == 4
  #define EVERY(f, h) f(0, h), f(1, h), f(2, h), f(3, h)
#else
  #define EVERY(f, h) f(0, h), f(1, h)
#endif

/* Element i of the first and of the second halves of rows of 2 * h elements in two vectors. */
#define LOW(i, h) (((i) / (h) * 2 * (h) + (i) % (h)) & (2 * L - 1))
#define HIGH(i, h) ((LOW(i, h) + (h)) & (2 * L - 1))

/* Two vectors of rows of 2 * half elements, 2 * half <= L: each row's halves folded. */
VFN V fold_halves(int what, V a, V b, int half)
{
#define HALVES(h)                                                       \
    case h:                                                             \
        return fold(what, __builtin_shufflevector(a, b, EVERY(LOW, h)), \
                    __builtin_shufflevector(a, b, EVERY(HIGH, h)));
    switch (half) {
        HALVES(8)
        HALVES(4)
        HALVES(2)
    default: HALVES(1)
    }
#undef HALVES
}

/* The folds of L rows of m elements, 2 <= m <= L a power of two, that lie one after the other in
 * v[0..m): those of fold_across. Overwrites v. */
VFN V fold_together(int what, V *v, int m)
{
    for (int k = 0; m > 8 && k < 8; ++k)
        v[k] = fold_halves(what, v[2 * k], v[2 * k + 1], 8);
    for (int k = 0; m > 4 && k < 4; ++k)
        v[k] = fold_halves(what, v[2 * k], v[2 * k + 1], 4);
    for (int k = 0; m > 2 && k < 2; ++k)
        v[k] = fold_halves(what, v[2 * k], v[2 * k + 1], 2);
    return fold_halves(what, v[0], v[1], 1);
}

/* As many rows of n elements as a vector holds when each is filled up to m with the identity:
 * one, or rows without gaps. at: where the vector's elements lie in memory, from x on. */
VFN V load_rows(const T *x, size_t n, int m, VI at, V identity)
{
    if (m == L)
        return vloadpart(x, n, identity);
    if (n == (size_t)m)
        return vload(x);
    return vpermute(vloadpart(x, (size_t)(L / m) * n, identity), at);
}

/* out[i] = fold of x[i * stride + 0..n), i < rows, a multiple of L; n <= m. */
VFN void short_rows(int what, T *out, const T *x, int64_t stride, size_t rows, size_t n, int m)
{
    const V identity = fold_identity(what);
    VI at;
    for (int i = 0; i < L; ++i) /* the last element of a load that leaves gaps is an identity */
        at[i] = (IT)((size_t)(i % m) < n ? i / m * (int)n + i % m : L - 1);
    for (size_t i = 0; i < rows; i += (size_t)L) {
        V v[TG_VBYTES / sizeof(T)];
        for (int k = 0; k < m; ++k, x += L / m * stride)
            v[k] = load_rows(x, n, m, at, identity);
        vstore(out + i, vcanon(fold_together(what, v, m)));
    }
}

/* out[i] = fold of x[i * stride + 0..n). */
VFN void fold_rows(int what, T *out, const T *x, int64_t stride, size_t rows, size_t n)
{
    const size_t together = n <= (size_t)L ? rows - rows % (size_t)L : 0;
    size_t m = stride == (int64_t)n ? 2 : (size_t)L; /* rows with gaps: each a vector */
    while (m < n)
        m *= 2;
    if (together)
        switch (m) {
#define SHORT(m)                                              \
    case m:                                                   \
        if (m <= L)                                           \
            short_rows(what, out, x, stride, together, n, m); \
        break;
            SHORT(2)
            SHORT(4)
            SHORT(8)
            SHORT(16)
#undef SHORT
        }
    x += (int64_t)together * stride;
    for (size_t i = together; i < rows; ++i, x += stride)
        out[i] = canon1(fold_row(what, x, n));
}

/* --- the kernels ----------------------------------------------------------------------------- */

static void FN(reduce_rows)(int what, void *out, const void *x, int64_t stride, size_t rows,
                            size_t n)
{
    switch (what) {
    case TG_FOLD_SUM: fold_rows(TG_FOLD_SUM, out, x, stride, rows, n); break;
    case TG_FOLD_PROD: fold_rows(TG_FOLD_PROD, out, x, stride, rows, n); break;
    case TG_FOLD_MAX: fold_rows(TG_FOLD_MAX, out, x, stride, rows, n); break;
    default: fold_rows(TG_FOLD_MIN, out, x, stride, rows, n); break;
    }
}

static void FN(reduce_finish)(int what, void *out, const void *lanes)
{
    FN(reduce_rows)(what, out, lanes, 0, 1, LANES);
}
