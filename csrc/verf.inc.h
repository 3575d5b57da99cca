/* verf.inc.h: erf and gelu for one (ISA, dtype). Polynomials fitted by tools/remez.py; the errors
 * stated are checked by tests/native/test_vmath.py. */
#define verf FN(verf)
#define vgelu FN(vgelu)
#define vgelu_slope FN(vgelu_slope)
#define vtail FN(vtail)

#include "verftab.inc.h"

#undef TAIL_END
#undef TAIL
#undef TAIL_BINADE
#if TG_REAL == 32
  #define TAIL_END 15.0f /* exp(-u^2 / 2) rounds to 0 above */
  #define TAIL_BINADE 0.125f
static const float erf_c_f32[] = {0x1.06eba8p-3f, -0x1.81266ep-2f, 0x1.cbae36p-4f};
#else
  #define TAIL_END 40.0
  #define TAIL_BINADE 0.5
static const double erf_c_f64[] = {
    0x1.06eba8214db69p-3,   -0x1.812746b037a24p-2,  0x1.ce2f21a0457abp-4,
    -0x1.b82ce3134e85bp-6,  0x1.565bcd2b61e9ap-8,   -0x1.c02db9043fce1p-11,
    0x1.f9a3b4045dbeep-14,  -0x1.f4dc8d677b876p-17, 0x1.ba643a6e44e13p-20,
    -0x1.6369488ab1d5dp-23, 0x1.1256613786928p-26,  -0x1.c01ba9b073a13p-30,
    0x1.35c2c23a3caecp-33};
#endif

/* exp(hi + lo) times what the table has at u in [0, TAIL_END], as y 2^k. tail_table:
 * u exp(u^2 / 2) Phi(-u). */
VFN V vtail(V u, V hi, V lo, const T *table, int rows, V *t)
{
    V r = vreduce_ln2(hi, t) + lo;
    V tail = vquarters(u, table, rows, TAIL_BINADE);
    V p = vfma(r * r, POLY(r, exp_c), r);
    return vfma(tail, p, tail);
}
#define TAIL(u, hi, lo, table, t)                                                  \
    vtail(u, hi, lo, FN(table)[0], (int)(sizeof FN(table) / sizeof *FN(table)), t)

/* erf(x). Max error 1.5 ULP. Near 0 an odd polynomial, then the table or 1 - 2 Phi(-sqrt(2)
 * |x|). */
VFN V verf(V x)
{
#if TG_REAL == 32
    V a = vmin(vset(3.95f), vabs(x));
    V far = vcopysign(vquarters(a, erf_table_f32[0], 7, 0.125f), x);
    M is_far = vle(vset(0.125f), a); /* not nan */
#else
    V a = vmin(vset(6), vabs(x)), u = a * 1.4142135623730951, t;
    V y = TAIL(u, -(a * a), vset(0), tail_table, &t);
    V far = vcopysign(1.0 - 2.0 * (y * vpow2(t, 1)) / u, x);
    M is_far = vle(vset(1), a);
#endif
    V near = vfma(x, POLY(x * x, erf_c), x);
    return vselect(is_far, far, near);
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|). Max error 2 ULP, also where Phi is tiny: the square in the
 * exponent is taken to twice the precision. */
VFN V vgelu(V x)
{
    V u = vmin(vset(TAIL_END), vabs(x)), t;
    V square = u * u;
    V y = TAIL(u, square * K(-0.5), vfma(u, u, -square) * K(-0.5), tail_table, &t);
    return vmax(vset(0), x) - vscale(y, t);
}

/* Phi(x) + x phi(x), which is Phi(-u) - u phi(u) for x = -u and 1 less that for u. Max error 2 ULP
 * of the larger term. */
VFN V vgelu_slope(V x)
{
    V u = vmin(vset(TAIL_END), vabs(x)), t;
    V square = u * u;
    V y = TAIL(u, square * K(-0.5), vfma(u, u, -square) * K(-0.5), slope_table, &t);
    V below = vscale(y, t);
    return vselect(vle(vset(0), x), K(1) - below, below);
}
