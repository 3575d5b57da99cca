/* vexp.inc.h: exp, expm1, sinh, cosh, tanh, sigmoid for one (ISA, dtype). Polynomials fitted by
 * tools/remez.py; the errors stated are checked by tests/native/test_vmath.py. */
#define vpoly FN(vpoly)
#define vexp FN(vexp)
#define vexpm1 FN(vexpm1)
#define vsinh FN(vsinh)
#define vcosh FN(vcosh)
#define vtanh FN(vtanh)
#define vsigmoid FN(vsigmoid)
#define vsilu FN(vsilu)
#define vsigmoid_sum FN(vsigmoid_sum)
#define vsigmoid_rare FN(vsigmoid_rare)
#define vgated FN(vgated)
#define vreduce_ln2 FN(vreduce_ln2)
#define vpow2 FN(vpow2)
#define vclamp FN(vclamp)
#define vquarters FN(vquarters)

#include "vexptab.inc.h"

#undef MAGIC
#undef LOG2E
#undef LN2_HI
#undef LN2_LO
#undef EXP_LO
#undef EXP_HI
#undef EXPM1_LO
#undef SIGMOID_END
#undef SIGMOID_USUAL
#undef TANH_HI
#if TG_REAL == 32
  #define LN2_HI 0x1.62e430p-1f
  #define LN2_LO -0x1.05c610p-29f
  #define EXP_LO -104.0f /* exp(x) rounds to 0 up to there, to inf above EXP_HI */
  #define EXP_HI 89.0f
  #define SIGMOID_USUAL 16.0f
  #define SIGMOID_END 120.0f /* x sigmoid(x) rounds to 0 below -SIGMOID_END */
  #define EXPM1_LO -20.0f /* expm1(x) rounds to -1 below */
static const float exp_c_f32[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558b8p-5f,
                                  0x1.1239a4p-7f, 0x1.6a4458p-10f};
static const float expm1_c_f32[] = {0x1.000000p-1f, 0x1.555554p-3f,  0x1.5554f8p-5f,
                                    0x1.1112d6p-7f, 0x1.6d3a62p-10f, 0x1.9e7782p-13f};
static const float sinh_c_f32[] = {0x1.5554b0p-3f, 0x1.1227a6p-7f};
static const float cosh_c_f32[] = {0x1.000000p-1f, 0x1.5554e6p-5f, 0x1.6d4f14p-10f};
#else
  #define LN2_HI 0x1.62e42fefa39efp-1
  #define LN2_LO 0x1.abc9e3b39803fp-56
  #define EXP_LO -746.0
  #define EXP_HI 710.0
  #define SIGMOID_USUAL 36.0
  #define SIGMOID_END 760.0
  #define EXPM1_LO -40.0
  #define TANH_HI 20.0 /* tanh(x) rounds to 1 above */
static const double exp_c_f64[] = {
    0x1.000000000000ap-1,  0x1.5555555555502p-3,  0x1.5555555550684p-5,  0x1.1111111125d42p-7,
    0x1.6c16c1848a49ap-10, 0x1.a01a013436a88p-13, 0x1.a019991d985b5p-16, 0x1.71df1002c0a89p-19,
    0x1.28ae428c13e97p-22, 0x1.ada0627d4f360p-26};
static const double expm1_c_f64[] = {
    0x1.0000000000000p-1,  0x1.5555555555559p-3,  0x1.5555555555557p-5,  0x1.111111110f701p-7,
    0x1.6c16c16c17a7ep-10, 0x1.a01a01afa8807p-13, 0x1.a01a0198388c4p-16, 0x1.71ddf9065af0cp-19,
    0x1.27e505833a8f6p-22, 0x1.af5d7af149ed4p-26, 0x1.1f262324f2428p-29};
static const double sinh_c_f64[] = {0x1.5555555555559p-3, 0x1.111111110f641p-7,
                                    0x1.a01a01b00f29cp-13, 0x1.71ddf7ecaf5e6p-19,
                                    0x1.af5f6e8531bf8p-26};
static const double cosh_c_f64[] = {0x1.0000000000000p-1,  0x1.5555555555558p-5,
                                    0x1.6c16c16c15004p-10, 0x1.a01a01ad7ae5bp-16,
                                    0x1.27e4cc1bfd595p-22, 0x1.1f8bc995b0dc9p-29};
static const double tanh_c_f64[] = {
    -0x1.55555555554fep-2,  0x1.111111110ab93p-3,  -0x1.ba1ba1b4f88e4p-5,
    0x1.664f4778775a6p-6,   -0x1.226e15eec1e15p-7, 0x1.d6cf207a15d7cp-9,
    -0x1.7d68566f7fabap-10, 0x1.336421e3ace31p-11, -0x1.df45eb1860488p-13,
    0x1.436e030036b82p-14,  -0x1.0d62dd23ea5e6p-16};
#endif
#define MAGIC (K(1.5) * (T)((IT)1 << MANTISSA_BITS)) /* x + MAGIC: x rounded, in the low bits */
#define LOG2E K(0x1.71547652b82fep+0)
#define POLY(x, name) vpoly(x, FN(name), (int)(sizeof FN(name) / sizeof(T)))

/* c[0] + c[1] x + ... + c[n-1] x^(n-1), by Horner and fma. */
VFN V vpoly(V x, const T *c, int n)
{
    V r = vset(c[n - 1]);
#pragma GCC unroll 32
    for (int i = n - 2; i >= 0; --i)
        r = vfma(r, x, vset(c[i]));
    return r;
}

/* x within [lo, hi]; nan stays. */
VFN V vclamp(V x, T lo, T hi) { return vmax(vset(lo), vmin(vset(hi), x)); }

/* x = k ln 2 + r, |r| <= ln(2) / 2. k comes as *t = k + MAGIC. */
VFN V vreduce_ln2(V x, V *t)
{
    *t = vfma(x, vset(LOG2E), vset(MAGIC));
    V k = *t - MAGIC;
    return vfma(k, vset(-LN2_LO), vfma(k, vset(-LN2_HI), x));
}

/* 2^k * unit, unit a power of 2, the result a normal number. */
VFN V vpow2(V t, T unit) { return vfrombits((vbits(t) << MANTISSA_BITS) + vbits(vset(unit))); }

/* exp(x): all x, subnormal results included. Max error 1 ULP. Masks are -inf: their 0 is one before
 * it is scaled, as some CPUs take 150 cycles for a product that rounds to 0. */
VFN V vexp(V x)
{
    const V inside = vclamp(x, EXP_LO, EXP_HI);
    V t, r = vreduce_ln2(inside, &t);
    V y = vfma(vfma(POLY(r, exp_c), r, vset(1)), r, vset(1));
    return vscale(vselect(vnot(vle(inside, vset(EXP_LO))), y, vset(0)), t);
}

/* exp(x) - 1. Max error 2 ULP. Halves keep 2^k finite up to overflow. */
VFN V vexpm1(V x)
{
    V t, r = vreduce_ln2(vclamp(x, EXPM1_LO, EXP_HI), &t);
    V p = vfma(r * r, POLY(r, expm1_c), r);
    V half = vpow2(t, K(0.5));
    V y = vfma(half, p, half - K(0.5));
    return vcopysign(y + y, x);
}

/* sinh and cosh of |x|: with cosh(r) = 1 + c and sinh(r) = r + s,
 *   sinh(k ln 2 + r) = (2^k - 2^-k) / 2 * (1 + c) + (2^k + 2^-k) / 2 * (r + s).
 * Halves keep 2^k finite up to overflow; 2^-k is 0 once it no longer counts. */

/* sinh(x). Max error 2 ULP. */
VFN V vsinh(V x)
{
    V t, r = vreduce_ln2(vmin(vset(EXP_HI + K(0.6)), vabs(x)), &t);
    V z = r * r;
    V s = r * z * POLY(z, sinh_c), c = z * POLY(z, cosh_c);
    V up = vpow2(t, K(0.25));
    VI down_bits = vbits(vset(K(0.25))) - (vbits(t) << MANTISSA_BITS);
    V down = vfrombits(down_bits & ~(down_bits >> (TG_REAL - 1)));
    V d = up - down, e = up + down;
    V y = d + vfma(e, r, vfma(e, s, d * c));
    return vcopysign(y + y, x);
}

/* cosh(x) = 2 (g + 1 / (16 g)), g = exp(|x|) / 4. Max error 2 ULP. */
VFN V vcosh(V x)
{
    V t, r = vreduce_ln2(vmin(vset(EXP_HI + K(0.6)), vabs(x)), &t);
    V g = vfma(vfma(POLY(r, exp_c), r, vset(1)), r, vset(1)) * vpow2(t, K(0.25));
    V y = g + K(0.0625) / g;
    return y + y;
}

/* A function of a >= 0 from a table: by the quarter of a's binade (entry 0: all below the first
 * binade of the table) a base, and the coefficients of a polynomial in a - base, row by row. */
VFN V vquarters(V a, const T *table, int rows, T first_binade)
{
    VI quarter = vbits(vmax(vset(first_binade * K(0.9)), a)) >> (MANTISSA_BITS - 2);
    VI i = quarter - (vbits(vset(first_binade)) >> (MANTISSA_BITS - 2)) + 1;
    V d = a - vlookup(table, i);
    V y = vlookup(table + (rows - 1) * 32, i);
#pragma GCC unroll 16
    for (int c = rows - 2; c >= 1; --c)
        y = vfma(y, d, vlookup(table + c * 32, i));
    return y;
}

/* tanh(x). Max error 1.5 ULP. */
#if TG_REAL == 32
/* From the table: exp and a division would take twice as long. */
VFN V vtanh(V x)
{
    return vcopysign(vquarters(vmin(vset(9.02f), vabs(x)), tanh_table_f32[0], 7, K(0.125)), x);
}
#else
/* Near 0 a polynomial, else 1 - 2 / (exp(2 |x|) + 1). */
VFN V vtanh(V x)
{
    V a = vmin(vset(TANH_HI), vabs(x));
    V t, r = vreduce_ln2(a + a, &t);
    V e = vfma(vfma(POLY(r, exp_c), r, vset(1)), r, vset(1));
    e = vfrombits(vbits(e) + (vbits(t) << MANTISSA_BITS));
    V far = K(1) - K(2) / (e + K(1));
    V z = x * x;
    V near = vfma(x * z, POLY(z, tanh_c), x); /* of -0 it is +0 */
    return vcopysign(vselect(vle(vset(K(0.625)), a), far, near), x); /* nan: near */
}
#endif

/* d + d_lo = 1 + exp(-x - x_lo), almost exactly, for |x| < SIGMOID_USUAL, where 1 + 2^k is
 * exact. */
VFN V vsigmoid_sum(V x, V x_lo, V *d_lo)
{
    V t = vfma(x, vset(-LOG2E), vset(MAGIC)), k = t - MAGIC;
    V r = vfma(k, vset(-LN2_LO), vfma(k, vset(-LN2_HI), -x)) - x_lo;
    V p = vfma(r * r, POLY(r, exp_c), r);
    V power = vpow2(t, 1), one = power + K(1);
    V d = vfma(power, p, one);
    *d_lo = vfma(power, p, one - d);
    return d;
}

/* factor / (1 + exp(-x - x_lo)) for any x. exp(-x) = 2^k (1 + p); for k > 0 both sides of the
 * division are scaled by 2^-k, and d + d_lo is the denominator almost exactly. factor beyond
 * -SIGMOID_END makes no difference. */
static __attribute__((noinline)) V vsigmoid_rare(V x, V x_lo, V factor)
{
    V t, r = vreduce_ln2(vclamp(-x, -EXP_HI, SIGMOID_END), &t) - x_lo;
    V p = vfma(r * r, POLY(r, exp_c), r);
    V k = t - MAGIC;
    M grows = vlt(vset(0), k);
    V small = vpow2(MAGIC - vmin(vset(100), vabs(k)), 1);
    V weight = vselect(grows, vset(1), small);
    V one = small + K(1);
    V d = vfma(weight, p, one);
    V d_lo = vfma(weight, p, one - d) + (small - (one - K(1)));
    V q = vmax(vset(-SIGMOID_END), factor) / d;
    q = vselect(vlt(factor, vset(K(__builtin_inf()))), vfma(-(q / d), d_lo, q), factor);
    return vscale(q, vselect(grows, MAGIC - k, vset(MAGIC)));
}

/* 1 / (1 + exp(-x)). Max error 1.5 ULP. */
VFN V vsigmoid(V x)
{
    V d_lo, d = vsigmoid_sum(x, vset(0), &d_lo), q = K(1) / d;
    q = vfma(-(q * q), d_lo, q);
    M is_usual = vlt(vabs(x), vset(SIGMOID_USUAL));
    if (__builtin_expect(vany(vnot(is_usual)), 0))
        q = vselect(is_usual, q, vsigmoid_rare(x, vset(0), vset(1)));
    return q;
}

/* x / (1 + exp(-u - u_lo)). */
VFN V vgated(V x, V u, V u_lo)
{
    V d_lo, q = x / vsigmoid_sum(u, u_lo, &d_lo);
    M is_usual = vlt(vabs(u), vset(SIGMOID_USUAL));
    if (__builtin_expect(vany(vnot(is_usual)), 0))
        q = vselect(is_usual, q, vsigmoid_rare(u, u_lo, x));
    return q;
}

/* x sigmoid(x). Max error 2 ULP. */
VFN V vsilu(V x) { return vgated(x, x, vset(0)); }
