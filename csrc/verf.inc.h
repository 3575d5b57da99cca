/* verf.inc.h: erf and gelu for one (ISA, dtype). Polynomials fitted by tools/remez.py; the errors
 * stated are checked by tests/native/test_vmath.py. */
#define verf FN(verf)
#define vgelu FN(vgelu)
#define vtail FN(vtail)

#undef TAIL_END
#undef TAIL_ROWS
#undef TAIL_BINADE
#if TG_REAL == 32
  #define TAIL_END 15.0f /* exp(-u^2 / 2) rounds to 0 above */
  #define TAIL_ROWS 8
  #define TAIL_BINADE 0.125f
static const float erf_c_f32[] = {0x1.06eba8p-3f, -0x1.81266ep-2f, 0x1.cbae36p-4f};
#else
  #define TAIL_END 40.0
  #define TAIL_ROWS 15
  #define TAIL_BINADE 0.5
static const double erf_c_f64[] = {
    0x1.06eba8214db69p-3,   -0x1.812746b037a24p-2,  0x1.ce2f21a0457abp-4,
    -0x1.b82ce3134e85bp-6,  0x1.565bcd2b61e9ap-8,   -0x1.c02db9043fce1p-11,
    0x1.f9a3b4045dbeep-14,  -0x1.f4dc8d677b876p-17, 0x1.ba643a6e44e13p-20,
    -0x1.6369488ab1d5dp-23, 0x1.1256613786928p-26,  -0x1.c01ba9b073a13p-30,
    0x1.35c2c23a3caecp-33};
#endif

/* u exp(hi + lo) R(u), R(u) = exp(u^2 / 2) Phi(-u), u in [0, TAIL_END], as y 2^k. */
VFN V vtail(V u, V hi, V lo, V *t)
{
    V r = vreduce_ln2(hi, t) + lo;
    V tail = vquarters(u, FN(tail_table)[0], TAIL_ROWS, TAIL_BINADE);
    V p = vfma(r * r, POLY(r, exp_c), r);
    return vfma(tail, p, tail);
}

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
    V y = vtail(u, -(a * a), vset(0), &t);
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
    V y = vtail(u, square * K(-0.5), vfma(u, u, -square) * K(-0.5), &t);
    return vmax(vset(0), x) - vscale(y, t);
}
