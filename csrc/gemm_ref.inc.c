/* gemm_ref.inc.c: one element of a product by the plainest loop, for one dtype. */

/* The products of one block of k. A matrix has one accumulator; a vector (min(m, n) = 1) has
 * 64 bytes of them, that fold by halves. */
static T FN(block_sum)(size_t k, const T *a, ptrdiff_t a_step, const T *b, ptrdiff_t b_step,
                       bool is_vector)
{
    enum { N = 64 / sizeof(T) };
    T lane[N] = {0};
    for (size_t p = 0; p < k; ++p) {
        T *sum = &lane[is_vector ? p % N : 0];
        *sum = FMA1(a[(ptrdiff_t)p * a_step], b[(ptrdiff_t)p * b_step], *sum);
    }
    for (int half = N / 2; half > 0; half /= 2)
        for (int l = 0; l < half; ++l)
            lane[l] = lane[l] + lane[l + half];
    return lane[0];
}

static void FN(element)(const tg_gemm_args *g, size_t i, size_t j)
{
    const size_t block = TG_REAL == 32 ? TG_KC_F32 : TG_KC_F64;
    const T *a = (const T *)g->a + (ptrdiff_t)i * g->a_row;
    const T *b = (const T *)g->b + (ptrdiff_t)j * g->b_col;
    T *c = (T *)g->c + (ptrdiff_t)i * g->c_row + (ptrdiff_t)j * g->c_col;
    T x = 0;
    for (size_t p = 0; p < g->k; p += block) {
        const size_t k = g->k - p < block ? g->k - p : block;
        const T sum =
            FN(block_sum)(k, a + (ptrdiff_t)p * g->a_col, g->a_col, b + (ptrdiff_t)p * g->b_row,
                          g->b_row, g->m == 1 || g->n == 1);
        x = p == 0 ? sum : x + sum;
    }
    if (g->alpha != 1)
        x = (T)g->alpha * x;
    if (g->beta != 0)
        x = x + (T)g->beta * (g->addend ? (const T *)g->addend + (c - (T *)g->c) : c)[0];
    if (g->bias)
        x = x + ((const T *)g->bias)[(ptrdiff_t)i * g->bias_row + (ptrdiff_t)j * g->bias_col];
    *c = x == x ? x : (T)__builtin_nan("");
}
