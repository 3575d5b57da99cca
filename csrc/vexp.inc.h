/* vexp.inc.h: exp, expm1, sinh, cosh, tanh, sigmoid for one (ISA, dtype). Polynomials fitted by
 * tools/remez.py; the errors stated are checked by tests/native/test_vmath.py. */
#define vpoly FN(vpoly)
#define vexp FN(vexp)
#define vexpm1 FN(vexpm1)
#define vsinh FN(vsinh)
#define vcosh FN(vcosh)
#define vtanh FN(vtanh)
#define vsigmoid FN(vsigmoid)
#define vreduce_ln2 FN(vreduce_ln2)
#define vpow2 FN(vpow2)
#define vclamp FN(vclamp)

#undef MAGIC
#undef LOG2E
#undef LN2_HI
#undef LN2_LO
#undef EXP_LO
#undef EXP_HI
#undef EXPM1_LO
#undef TANH_HI
#if TG_REAL == 32
  #define LN2_HI 0x1.62e430p-1f
  #define LN2_LO -0x1.05c610p-29f
  #define EXP_LO -104.0f /* exp(x) rounds to 0 below, to inf above EXP_HI */
  #define EXP_HI 89.0f
  #define EXPM1_LO -20.0f /* expm1(x) rounds to -1 below */
static const float exp_c_f32[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558b8p-5f,
                                  0x1.1239a4p-7f, 0x1.6a4458p-10f};
static const float expm1_c_f32[] = {0x1.000000p-1f, 0x1.555554p-3f,  0x1.5554f8p-5f,
                                    0x1.1112d6p-7f, 0x1.6d3a62p-10f, 0x1.9e7782p-13f};
static const float sinh_c_f32[] = {0x1.5554b0p-3f, 0x1.1227a6p-7f};
static const float cosh_c_f32[] = {0x1.000000p-1f, 0x1.5554e6p-5f, 0x1.6d4f14p-10f};
/* tanh by quarters of binades: row 0 a base near each interval's middle, then the coefficients of a
 * polynomial in the distance from it. Entry 0 is [0, 1/8), the last in use [8, 9.02]. */
static const float tanh_table_f32[7][32] = {
    {0x0.0p+0f,
     0x1.200278p-3f,
     0x1.5ffecep-3f,
     0x1.9fff9ap-3f,
     0x1.dfff30p-3f,
     0x1.1ffe3ap-2f,
     0x1.600068p-2f,
     0x1.9ffd82p-2f,
     0x1.e000eap-2f,
     0x1.1ffcecp-1f,
     0x1.5ffe5ap-1f,
     0x1.9ffd40p-1f,
     0x1.e0029ap-1f,
     0x1.1ffeb6p+0f,
     0x1.6002b0p+0f,
     0x1.9fff10p+0f,
     0x1.e00076p+0f,
     0x1.1ffe24p+1f,
     0x1.600230p+1f,
     0x1.9ffd2cp+1f,
     0x1.e002cep+1f,
     0x1.1ffee2p+2f,
     0x1.60031ep+2f,
     0x1.9ffce0p+2f,
     0x1.e0031ep+2f,
     0x1.10550ap+3f,
     0,
     0,
     0,
     0,
     0,
     0},
    {0x0.0p+0f,
     0x1.1e203cp-3f,
     0x1.5c91dep-3f,
     0x1.9a5ebap-3f,
     0x1.d76598p-3f,
     0x1.18a1f6p-2f,
     0x1.52c322p-2f,
     0x1.8a85c2p-2f,
     0x1.bfaf28p-2f,
     0x1.050628p-1f,
     0x1.3156d0p-1f,
     0x1.57877cp-1f,
     0x1.77d96cp-1f,
     0x1.9e5bd2p-1f,
     0x1.c279dcp-1f,
     0x1.d9c6b6p-1f,
     0x1.e878b4p-1f,
     0x1.f4bf84p-1f,
     0x1.fbd52ep-1f,
     0x1.fe7668p-1f,
     0x1.ff6f1ep-1f,
     0x1.ffdfa6p-1f,
     0x1.fffba0p-1f,
     0x1.ffff68p-1f,
     0x1.ffffecp-1f,
     0x1.fffffep-1f,
     0,
     0,
     0,
     0,
     0,
     0},
    {0x1.000000p+0f,
     0x1.f601a0p-1f,
     0x1.f12b18p-1f,
     0x1.eb7164p-1f,
     0x1.e4dfc8p-1f,
     0x1.d98baap-1f,
     0x1.c7f704p-1f,
     0x1.b40000p-1f,
     0x1.9e235cp-1f,
     0x1.7aed3ap-1f,
     0x1.49e804p-1f,
     0x1.1981d6p-1f,
     0x1.d8314cp-2f,
     0x1.6152e4p-2f,
     0x1.ce9eb8p-3f,
     0x1.266032p-3f,
     0x1.6fce64p-4f,
     0x1.641aa8p-5f,
     0x1.099ea8p-6f,
     0x1.8900c0p-8f,
     0x1.219b08p-9f,
     0x1.02c9bap-11f,
     0x1.181792p-14f,
     0x1.2f7d9cp-17f,
     0x1.4855c0p-20f,
     0x1.5c4f96p-23f,
     0,
     0,
     0,
     0,
     0,
     0},
    {0x1.4ee488p-22f,
     -0x1.188a8ep-3f,
     -0x1.52792ap-3f,
     -0x1.89e4d4p-3f,
     -0x1.be6ca8p-3f,
     -0x1.038e2ap-2f,
     -0x1.2dafdap-2f,
     -0x1.4ff5f2p-2f,
     -0x1.6a1d98p-2f,
     -0x1.825cf0p-2f,
     -0x1.897d44p-2f,
     -0x1.79c1f6p-2f,
     -0x1.5aa09ap-2f,
     -0x1.1df1e0p-2f,
     -0x1.970834p-3f,
     -0x1.106656p-3f,
     -0x1.5ee77ap-4f,
     -0x1.5c44b2p-5f,
     -0x1.07715ap-6f,
     -0x1.87cbc6p-8f,
     -0x1.2143acp-9f,
     -0x1.0266a0p-11f,
     -0x1.19311cp-14f,
     -0x1.26fd70p-17f,
     -0x1.cc21aap-20f,
     -0x1.b6efc8p-21f,
     0,
     0,
     0,
     0,
     0,
     0},
    {-0x1.555b2ep-2f,
     -0x1.3b3b24p-2f,
     -0x1.2e4652p-2f,
     -0x1.20649ep-2f,
     -0x1.0fd8cep-2f,
     -0x1.e925d8p-3f,
     -0x1.982df8p-3f,
     -0x1.426f82p-3f,
     -0x1.d771dep-4f,
     -0x1.bd5986p-5f,
     0x1.d6b0f0p-7f,
     0x1.0706a0p-4f,
     0x1.844426p-4f,
     0x1.c68d60p-4f,
     0x1.97d5d2p-4f,
     0x1.33e114p-4f,
     0x1.a859f6p-5f,
     0x1.bbd9eap-6f,
     0x1.598866p-7f,
     0x1.03a0f2p-8f,
     0x1.80d514p-10f,
     0x1.58579ap-12f,
     0x1.75278ep-15f,
     0x1.9461d0p-18f,
     0x1.b517eep-21f,
     0x1.c7bbd2p-24f,
     0,
     0,
     0,
     0,
     0,
     0},
    {0x1.efc41ap-12f,
     0x1.6c6b12p-4f,
     0x1.b9c1d8p-4f,
     0x1.f121e8p-4f,
     0x1.1b41aap-3f,
     0x1.32ddb2p-3f,
     0x1.5035cap-3f,
     0x1.5c7294p-3f,
     0x1.58c384p-3f,
     0x1.39ff5cp-3f,
     0x1.e938f2p-4f,
     0x1.474c4cp-4f,
     0x1.62a1e6p-5f,
     0x1.e09952p-9f,
     -0x1.59fbecp-6f,
     -0x1.9bb8dep-6f,
     -0x1.55a000p-6f,
     -0x1.95e1d6p-7f,
     -0x1.514c8ap-8f,
     -0x1.034826p-9f,
     -0x1.838088p-11f,
     -0x1.68a7bcp-13f,
     -0x1.706628p-16f,
     -0x1.14cc8ep-18f,
     0x1.9a049cp-20f,
     0x1.481aaep-19f,
     0,
     0,
     0,
     0,
     0,
     0},
    {0x1.0a361ep-3f,
     0x1.3a6cf6p-1f,
     -0x1.fca236p-1f,
     0x1.9f511ap-1f,
     0x1.22271ap-6f,
     0x1.10d4fep-4f,
     -0x1.fc7f34p-6f,
     -0x1.ae1940p-10f,
     0x1.7ed922p-5f,
     -0x1.41a4fcp-5f,
     -0x1.dd4852p-5f,
     -0x1.d05460p-5f,
     -0x1.c3200cp-5f,
     -0x1.06b306p-5f,
     -0x1.39d34ep-7f,
     0x1.6860a4p-10f,
     0x1.2e916ep-8f,
     0x1.04a9b6p-8f,
     0x1.f63924p-10f,
     0x1.944fe2p-11f,
     0x1.331f5cp-12f,
     0x1.1fb164p-14f,
     0x1.35fd4ap-17f,
     0x1.4ffb86p-20f,
     0x1.77f254p-23f,
     0x1.3ec968p-25f,
     0,
     0,
     0,
     0,
     0,
     0},
};
#else
  #define LN2_HI 0x1.62e42fefa39efp-1
  #define LN2_LO 0x1.abc9e3b39803fp-56
  #define EXP_LO -746.0
  #define EXP_HI 710.0
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

/* exp(x): all x, subnormal results included. Max error 1 ULP. */
VFN V vexp(V x)
{
    V t, r = vreduce_ln2(vclamp(x, EXP_LO, EXP_HI), &t);
    V y = vfma(vfma(POLY(r, exp_c), r, vset(1)), r, vset(1));
    return vscale(y, t);
}

/* exp(x) - 1. Max error 1.5 ULP. Halves keep 2^k finite up to overflow. */
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

/* tanh(x). Max error 1.5 ULP. */
#if TG_REAL == 32
/* From the table: exp and a division would take twice as long. */
VFN V vtanh(V x)
{
    V a = vmin(vset(9.02f), vabs(x));
    VI quarter = vbits(vmax(vset(0.12f), a)) >> (MANTISSA_BITS - 2);
    VI i = quarter - (vbits(vset(0.125f)) >> (MANTISSA_BITS - 2)) + 1;
    V d = a - vlookup(tanh_table_f32[0], i);
    V y = vlookup(tanh_table_f32[6], i);
  #pragma GCC unroll 8
    for (int c = 5; c >= 1; --c)
        y = vfma(y, d, vlookup(tanh_table_f32[c], i));
    return vcopysign(y, x);
}
#else
/* Near 0 a polynomial, else 1 - 2 / (exp(2 |x|) + 1). */
VFN V vtanh(V x)
{
    V a = vmin(vset(TANH_HI), vabs(x));
    V t, r = vreduce_ln2(a + a, &t);
    V e = vfma(vfma(POLY(r, exp_c), r, vset(1)), r, vset(1));
    e = vfrombits(vbits(e) + (vbits(t) << MANTISSA_BITS));
    V far = vcopysign(K(1) - K(2) / (e + K(1)), x);
    V z = x * x;
    V near = vfma(x * z, POLY(z, tanh_c), x);
    return vselect(vle(vset(K(0.625)), a), far, near); /* nan: near */
}
#endif

/* 1 / (1 + exp(-x)). Max error 1.5 ULP. exp(-x) = 2^k (1 + p); for k > 0 both sides of the
 * division are scaled by 2^-k, and d + d_lo is the denominator almost exactly. */
VFN V vsigmoid(V x)
{
    V t, r = vreduce_ln2(vclamp(-x, -EXP_HI, -EXP_LO), &t);
    V p = vfma(r * r, POLY(r, exp_c), r);
    V k = t - MAGIC;
    M grows = vlt(vset(0), k);
    V small = vpow2(MAGIC - vmin(vset(100), vabs(k)), 1);
    V weight = vselect(grows, vset(1), small);
    V one = small + K(1);
    V d = vfma(weight, p, one);
    V d_lo = vfma(weight, p, one - d) + (small - (one - K(1)));
    V q = K(1) / d;
    q = vfma(-(q * q), d_lo, q);
    return vscale(q, vselect(grows, MAGIC - k, vset(MAGIC)));
}
