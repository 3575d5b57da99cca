/* random.c: random numbers from a counter: Philox 4x32-10 (Salmon, Moraes, Dror & Shaw 2011,
 * Parallel random numbers: as easy as 1, 2, 3). Word w of the stream (seed, counter) is word w % 4
 * of block counter + w / 4, so any part of it can be had alone. tapegrad/random.py has the same
 * stream in NumPy and owns the counters. Nothing here keeps state. */
#include "core.h"

enum {
    BLOCKS = 64, /* blocks made at a time: a loop that compilers vectorize */
    WORDS = 4 * BLOCKS,
};

/* words[4 * b + k] = word k of block `counter` + b with upper counter words c2, c3. */
static void philox(uint32_t *words, uint64_t seed, uint64_t counter, uint32_t c2, uint32_t c3)
{
    uint32_t x[4][BLOCKS];
    for (uint32_t b = 0; b < BLOCKS; ++b) {
        const uint64_t c = counter + b;
        x[0][b] = (uint32_t)c;
        x[1][b] = (uint32_t)(c >> 32);
        x[2][b] = c2;
        x[3][b] = c3;
    }
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int b = 0; b < BLOCKS; ++b) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * x[0][b];
            const uint64_t p1 = (uint64_t)0xCD9E8D57u * x[2][b];
            x[0][b] = (uint32_t)(p1 >> 32) ^ x[1][b] ^ k0;
            x[1][b] = (uint32_t)p1;
            x[2][b] = (uint32_t)(p0 >> 32) ^ x[3][b] ^ k1;
            x[3][b] = (uint32_t)p0;
        }
    for (int b = 0; b < BLOCKS; ++b)
        for (int k = 0; k < 4; ++k)
            words[4 * b + k] = x[k][b];
}

void tg_philox(uint32_t words[4], uint64_t seed, const uint32_t counter[4])
{
    uint32_t all[WORDS];
    philox(all, seed, counter[0] | (uint64_t)counter[1] << 32, counter[2], counter[3]);
    memcpy(words, all, 4 * sizeof *words);
}

static uint64_t word64(const uint32_t *words, int64_t i)
{
    return words[2 * i] | (uint64_t)words[2 * i + 1] << 32;
}

/* Floor of w * range / 2^64: 0 <= result < range; its bias is below range / 2^64. */
static uint64_t below(uint64_t w, uint64_t range)
{
    return (uint64_t)((unsigned __int128)w * range >> 64);
}

/* --- normal -------------------------------------------------------------------------------- */

/* log(x), x a positive normal number, to 1e-16 of its value: x = 2^k m, and the series of
 * 2 atanh((m - 1) / (m + 1)) for m in [sqrt(1/2), sqrt(2)). */
static double log_of(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int64_t shifted = bits - 0x3fe6a09e667f3bcd;
    const int64_t k = shifted >> 52;
    bits -= k * ((int64_t)1 << 52);
    double m;
    memcpy(&m, &bits, sizeof m);
    const double f = (m - 1) / (m + 1), z = f * f;
    double series = 1.0 / 23;
    for (int i = 21; i >= 1; i -= 2)
        series = series * z + 1.0 / i;
    return (double)k * 0x1.62e42fefa39efp-1 + 2 * f * series;
}

static double ratio(const double *a, const double *b, double x)
{
    double p = a[7], q = b[7];
    for (int i = 6; i >= 0; --i) {
        p = p * x + a[i];
        q = q * x + b[i];
    }
    return p / q;
}

/* The x with normal distribution function p, 0 < p < 1, to 1e-16 relative: Wichura (1988),
 * algorithm AS 241. */
static double normal_quantile(double p)
{
    static const double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                               1.9715909503065514427e3, 1.3731693765509461125e4,
                               4.5921953931549871457e4, 6.7265770927008700853e4,
                               3.3430575583588128105e4, 2.5090809287301226727e3};
    static const double b[] = {1.0,
                               4.2313330701600911252e1,
                               6.8718700749205790830e2,
                               5.3941960214247511077e3,
                               2.1213794301586595867e4,
                               3.9307895800092710610e4,
                               2.8729085735721942674e4,
                               5.2264952788528545610e3};
    static const double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                               5.76949722146069140550e0,  3.64784832476320460504e0,
                               1.27045825245236838258e0,  2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[] = {1.0,
                               2.05319162663775882187e0,
                               1.67638483018380384940e0,
                               6.89767334985100004550e-1,
                               1.48103976427480074590e-1,
                               1.51986665636164571966e-2,
                               5.47593808499534494600e-4,
                               1.05075007164441684324e-9};
    static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                               1.78482653991729133580e0,  2.96560571828504891230e-1,
                               2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[] = {1.0,
                               5.99832206555887937690e-1,
                               1.36929880922735805310e-1,
                               1.48753612908506148525e-2,
                               7.86869131145613259100e-4,
                               1.84631831751005468180e-5,
                               1.42151175831644588870e-7,
                               2.04426310338993978564e-15};
    const double q = p - 0.5;
    if (q > -0.425 && q < 0.425)
        return q * ratio(a, b, 0.180625 - q * q);
    const double r = __builtin_sqrt(-log_of(q < 0 ? p : 1 - p));
    const double x = r <= 5 ? ratio(c, d, r - 1.6) : ratio(e, f, r - 5);
    return q < 0 ? -x : x;
}

/* --- drawing ------------------------------------------------------------------------------- */

typedef struct drawing {
    enum { UNIFORM, NORMAL, BERNOULLI, INTEGERS } what;
    int dtype;
    void *out;
    int64_t n, each;            /* numbers; numbers made of BLOCKS blocks */
    double a, b;
    int64_t low;
    uint64_t range, seed, counter;
} drawing;

static void draw_f32(const drawing *d, float *out, const uint32_t *words, int64_t n)
{
    const float a = (float)d->a, b = (float)d->b;
    for (int64_t i = 0; i < n && d->what == UNIFORM; ++i)
        out[i] = (float)(words[i] >> 8) * 0x1p-24f * b + a;
    for (int64_t i = 0; i < n && d->what == NORMAL; ++i)
        out[i] = (float)normal_quantile(((double)words[i] + 0.5) * 0x1p-32) * b + a;
}

static void draw_f64(const drawing *d, double *out, const uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n && d->what == UNIFORM; ++i)
        out[i] = (double)(word64(words, i) >> 11) * 0x1p-53 * d->b + d->a;
    for (int64_t i = 0; i < n && d->what == NORMAL; ++i)
        out[i] =
            normal_quantile(((double)(word64(words, i) >> 12) + 0.5) * 0x1p-52) * d->b + d->a;
}

/* Numbers [i * each, (i + 1) * each). */
static void draw_part(void *ctx, size_t i)
{
    const drawing *d = ctx;
    uint32_t words[WORDS];
    const int64_t from = (int64_t)i * d->each, left = d->n - from;
    const int64_t n = left < d->each ? left : d->each;
    philox(words, d->seed, d->counter + i * BLOCKS, 0, 0);
    if (d->what == BERNOULLI)
        for (int64_t k = 0; k < n; ++k)
            ((uint8_t *)d->out)[from + k] = (double)words[k] * 0x1p-32 < d->a;
    else if (d->what == INTEGERS)
        for (int64_t k = 0; k < n; ++k)
            ((int64_t *)d->out)[from + k] =
                (int64_t)((uint64_t)d->low + below(word64(words, k), d->range));
    else if (d->dtype == TG_F32)
        draw_f32(d, (float *)d->out + from, words, n);
    else
        draw_f64(d, (double *)d->out + from, words, n);
}

static void draw(drawing *d, double ns_each)
{
    const bool one_word = d->what == BERNOULLI || (d->what <= NORMAL && d->dtype == TG_F32);
    d->each = one_word ? WORDS : WORDS / 2;
    const double cost = (double)d->n * ns_each;
    void *lock = tg_unlock(cost);
    tg_parallel((size_t)((d->n + d->each - 1) / d->each), cost, draw_part, d);
    tg_relock(lock);
}

int tg_random_uniform(int dtype, void *out, int64_t n, double low, double width, uint64_t seed,
                      uint64_t counter)
{
    drawing d = {.what = UNIFORM,
                 .dtype = dtype,
                 .out = out,
                 .n = n,
                 .a = low,
                 .b = width,
                 .seed = seed,
                 .counter = counter};
    if (!tg_is_compute(dtype))
        return TG_ENOKERNEL;
    draw(&d, 2);
    return TG_OK;
}

int tg_random_normal(int dtype, void *out, int64_t n, double mean, double std, uint64_t seed,
                     uint64_t counter)
{
    drawing d = {.what = NORMAL,
                 .dtype = dtype,
                 .out = out,
                 .n = n,
                 .a = mean,
                 .b = std,
                 .seed = seed,
                 .counter = counter};
    if (!tg_is_compute(dtype))
        return TG_ENOKERNEL;
    draw(&d, 15);
    return TG_OK;
}

int tg_random_bernoulli(uint8_t *out, int64_t n, double p, uint64_t seed, uint64_t counter)
{
    drawing d = {
        .what = BERNOULLI, .out = out, .n = n, .a = p, .seed = seed, .counter = counter};
    draw(&d, 1.5);
    return TG_OK;
}

int tg_random_integers(int64_t *out, int64_t n, int64_t low, uint64_t range, uint64_t seed,
                       uint64_t counter)
{
    drawing d = {.what = INTEGERS,
                 .out = out,
                 .n = n,
                 .low = low,
                 .range = range,
                 .seed = seed,
                 .counter = counter};
    draw(&d, 2);
    return TG_OK;
}

/* Fisher and Yates, from the last place down; place i takes 64-bit word n - 1 - i. */
int tg_random_permutation(int64_t *out, int64_t n, uint64_t seed, uint64_t counter)
{
    uint32_t words[WORDS];
    void *lock = tg_unlock((double)n * 4);
    for (int64_t i = 0; i < n; ++i)
        out[i] = i;
    for (int64_t i = n - 1; i > 0; --i) {
        const int64_t word = (n - 1 - i) % (WORDS / 2);
        if (word == 0)
            philox(words, seed, counter + (uint64_t)(n - 1 - i) / 2, 0, 0);
        const int64_t j = (int64_t)below(word64(words, word), (uint64_t)i + 1), other = out[j];
        out[j] = out[i];
        out[i] = other;
    }
    tg_relock(lock);
    return TG_OK;
}
