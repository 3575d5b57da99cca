/* vlog.inc.h: log, log2, log10, log1p, softplus for one (ISA, dtype). Polynomials fitted by
 * tools/remez.py; the errors stated are checked by tests/native/test_vmath.py. */
#define vlog FN(vlog)
#define vlog2 FN(vlog2)
#define vlog10 FN(vlog10)
#define vlog1p FN(vlog1p)
#define vsoftplus FN(vsoftplus)
#define vsoftplus_tail FN(vsoftplus_tail)
#define vsplit FN(vsplit)
#define vlog_of FN(vlog_of)
#define vlog_core FN(vlog_core)
#define vlog_special FN(vlog_special)
#define log_base FN(log_base)

#include "vlogtab.inc.h"

#undef MIN_NORMAL
#undef MAX_FINITE
#undef SUBNORMAL_SHIFT
#if TG_REAL == 32
  #define MIN_NORMAL 0x1p-126f
  #define MAX_FINITE 0x1.fffffep+127f
  #define SUBNORMAL_SHIFT 24
#else
  #define MIN_NORMAL 0x1p-1022
  #define MAX_FINITE 0x1.fffffffffffffp+1023
  #define SUBNORMAL_SHIFT 54
#endif

/* A logarithm's base: log(2^e m) = e two + ln(m) one. */
typedef struct log_base {
    T two, one;
    const T *c, *table;
} log_base;

#undef BASE_E
#undef BASE_2
#undef BASE_10
#define BASE_E                                                             \
    (log_base) { K(0x1.62e42fefa39efp-1), 1, FN(log_c), FN(log_table)[0] }
#define BASE_2                                                               \
    (log_base) { 1, K(0x1.71547652b82fep+0), FN(log2_c), FN(log2_table)[0] }
#define BASE_10                                                                           \
    (log_base)                                                                            \
    {                                                                                     \
        K(0x1.34413509f79ffp-2), K(0x1.bcb7b1526e50ep-2), FN(log10_c), FN(log10_table)[0] \
    }

/* x = 2^e m, LOW <= m < 2 LOW, for positive normal x; *i: which of 32 pieces m is in. 1 is in the
 * middle of one. */
VFN V vsplit(V x, V *e, VI *i)
{
    VI low = vbits(vset(K(0x1.6cp-1)));
    VI bits = vbits(x) - low;
    VI exponent = bits >> MANTISSA_BITS;
    *i = bits >> (MANTISSA_BITS - 5);
#if TG_REAL == 32
    *e = __builtin_convertvector(exponent, V);
#else /* few ISAs convert 64-bit integers */
    *e = vfrombits(exponent + vbits(vset(MAGIC))) - MAGIC;
#endif
    return vfrombits((bits & viset(((IT)1 << MANTISSA_BITS) - 1)) + low);
}

/* log(2^e (m + rest)): f = (m + rest) c - 1 is small, c and -log(c) from the table. Around 1 c is
 * 1 and f exact. */
VFN V vlog_core(V m, V rest, V e, VI i, log_base base)
{
    V c = vlookup(base.table, i);
    V f = vfma(rest, c, vfma(m, c, vset(-1)));
    V y = vlookup(base.table + 32, i);
    V p = vpoly(f, base.c, TG_REAL == 32 ? 4 : 8);
    if (base.one == 1)
        y = y + vfma(f * f, p, f);
    else
        y = vfma(f, vfma(f, p, vset(base.one)), y);
    return vfma(e, vset(base.two), y);
}

/* y, but what the logarithm is at 0, infinity and where there is none. */
VFN V vlog_special(V x, V y)
{
    y = vselect(veq(x, vset(0)), vset(-K(__builtin_inf())), y);
    y = vselect(veq(x, vset(K(__builtin_inf()))), x, y);
    return vselect(vle(vset(0), x), y, vset(K(__builtin_nan(""))));
}

VFN V vlog_of(V x, log_base base)
{
    V e, m;
    VI i;
    if (__builtin_expect(!vany(visrare(x)), 1)) {
        m = vsplit(x, &e, &i);
        return vlog_core(m, (V){0}, e, i, base);
    }
    M is_small = vlt(x, vset(MIN_NORMAL));
    m = vsplit(vselect(is_small, x * K((IT)1 << SUBNORMAL_SHIFT), x), &e, &i);
    e = vselect(is_small, e - K(SUBNORMAL_SHIFT), e);
    return vlog_special(x, vlog_core(m, (V){0}, e, i, base));
}

/* Natural logarithm; log(+-0) = -inf, nan below. Max error 1.5 ULP. */
VFN V vlog(V x) { return vlog_of(x, BASE_E); }

/* Max error 1.5 ULP. */
VFN V vlog2(V x) { return vlog_of(x, BASE_2); }

/* Max error 2 ULP. */
VFN V vlog10(V x) { return vlog_of(x, BASE_10); }

/* log(1 + x). Max error 1.5 ULP. What rounding 1 + x lost is added to the fraction. */
VFN V vlog1p(V x)
{
    V u = x + K(1), lost = x - (u - K(1)), e;
    VI i;
    V m = vsplit(u, &e, &i);
    V y = vlog_core(m, lost * vpow2(MAGIC - vmin(vset(100), e), 1), e, i, BASE_E);
    M is_usual = vlt(vset(-1), x) & vle(x, vset(MAX_FINITE));
    if (__builtin_expect(vany(vnot(is_usual)), 0))
        y = vlog_special(u, y);
    return vcopysign(y, x);
}

/* log(1 + z), z = exp(-|x|) in [0, 1]. Max error 2 ULP. */
VFN V vsoftplus_tail(V x)
{
    V t, r = vreduce_ln2(vmax(vset(EXP_LO), -vabs(x)), &t);
    V p = vfma(r * r, POLY(r, exp_c), r);
    V z = vscale(p + K(1), t), scale = vscale(vset(1), t);
    V one = scale + K(1), u = vfma(scale, p, one);
    V lost = vfma(scale, p, one - u);
    lost = vselect(vlt(z, vset(K(0.25))), z - (u - K(1)), lost);
    V e;
    VI i;
    V m = vsplit(u, &e, &i);
    return vlog_core(m, vselect(vlt(vset(0), e), lost * K(0.5), lost), e, i, BASE_E);
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)). Max error 2 ULP. */
VFN V vsoftplus(V x) { return vmax(vset(0), x) + vsoftplus_tail(x); }
