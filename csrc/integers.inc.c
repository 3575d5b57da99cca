/* integers.inc.c: elementwise rows of int64, which indices and labels are, for one ISA: plain loops
 * that the compiler vectorises. What they do is exact; overflow wraps. Contract in kernels.h. */
#define WRAPPED(a, operation, b) ((int64_t)((uint64_t)(a)operation(uint64_t)(b)))
/* name, inputs, type of the result, value */
#define TG_INTEGERS(ROW)                                    \
    ROW(add, 2, int64_t, WRAPPED(a, +, b))                  \
    ROW(subtract, 2, int64_t, WRAPPED(a, -, b))             \
    ROW(multiply, 2, int64_t, WRAPPED(a, *, b))             \
    ROW(negative, 1, int64_t, WRAPPED(0, -, a))             \
    ROW(square, 1, int64_t, WRAPPED(a, *, a))               \
    ROW(absolute, 1, int64_t, a < 0 ? WRAPPED(0, -, a) : a) \
    ROW(maximum, 2, int64_t, a > b ? a : b)                 \
    ROW(minimum, 2, int64_t, a < b ? a : b)                 \
    ROW(equal, 2, uint8_t, a == b)                          \
    ROW(not_equal, 2, uint8_t, a != b)                      \
    ROW(less, 2, uint8_t, a < b)                            \
    ROW(less_equal, 2, uint8_t, a <= b)                     \
    ROW(greater, 2, uint8_t, a > b)                         \
    ROW(greater_equal, 2, uint8_t, a >= b)

#define EACH(value, step_a, step_b)                                   \
    for (size_t i = 0; i < n; ++i) {                                  \
        const int64_t a = at_a[i * (step_a)], b = at_b[i * (step_b)]; \
        (void)b;                                                      \
        y[i] = (value);                                               \
    }
#define INTEGERS(name, n_in, to, value)                                               \
    static void integers_##name(void *out, const void *const *in, const size_t *step, \
                                const double *p, size_t n)                            \
    {                                                                                 \
        to *y = out;                                                                  \
        const int64_t *at_a = in[0], *at_b = in[(n_in) - 1];                          \
        const size_t step_a = step[0], step_b = step[(n_in) - 1];                     \
        (void)p;                                                                      \
        if (step_a && step_b)                                                         \
            EACH(value, 1, 1)                                                         \
        else                                                                          \
            EACH(value, step_a, step_b)                                               \
    }
TG_INTEGERS(INTEGERS)
#undef INTEGERS

static void integers_where(void *out, const void *const *in, const size_t *step,
                           const double *p, size_t n)
{
    int64_t *y = out;
    const uint8_t *mask = in[0];
    const int64_t *a = in[1], *b = in[2];
    (void)p;
    for (size_t i = 0; i < n; ++i)
        y[i] = mask[i * step[0]] ? a[i * step[1]] : b[i * step[2]];
}
