/* vtrig.inc.h: sin and cos for one (ISA, dtype). Polynomials fitted by tools/remez.py; the errors
 * stated are checked by tests/native/test_vmath.py. */
#define vsin FN(vsin)
#define vcos FN(vcos)
#define vsine FN(vsine)
#define vreduce_large FN(vreduce_large)

#undef PI_1
#undef PI_2
#undef PI_3
#undef LARGE_ANGLE
#if TG_REAL == 32
  #define PI_1 0x1.921fb6p+0f
  #define PI_2 -0x1.777a5cp-25f
  #define PI_3 -0x1.ee59dap-50f
  #define LARGE_ANGLE 0x1p15f /* below, three parts of pi / 2 are enough */
static const float sin_c_f32[] = {-0x1.555546p-3f, 0x1.110776p-7f, -0x1.995300p-13f};
static const float cos_c_f32[] = {0x1.55554ap-5f, -0x1.6c0c2ap-10f, 0x1.99e904p-16f};
#else
  #define PI_1 0x1.921fb54442d18p+0
  #define PI_2 0x1.1a62633145c07p-54
  #define PI_3 -0x1.f1976b7ed8fbcp-110
  #define LARGE_ANGLE 0x1p30
static const double sin_c_f64[] = {-0x1.5555555555548p-3,  0x1.111111110f74cp-7,
                                   -0x1.a01a019bef141p-13, 0x1.71de355bf0100p-19,
                                   -0x1.ae5e51d33a499p-26, 0x1.5d8d68498f8f4p-33};
static const double cos_c_f64[] = {0x1.555555555554bp-5,  -0x1.6c16c16c1500dp-10,
                                   0x1.a01a019c8dd1bp-16, -0x1.27e4f7f04fe2fp-22,
                                   0x1.1ee9dacb5100fp-29, -0x1.8fa5ec632f162p-37};
#endif

/* Redo the lanes of x that are large by reduce_pi.c: r, and the quadrant in t. Infinities and nans
 * give nan. */
static __attribute__((noinline)) void vreduce_large(const T *x, T *r, T *t)
{
    for (int i = 0; i < L; ++i) {
        const T a = x[i] < 0 ? -x[i] : x[i];
        int quadrant = 0;
        if (a < LARGE_ANGLE)
            continue;
        r[i] = a <= MAX_FINITE ? (T)tg_reduce_pi(x[i], &quadrant) : x[i] - x[i];
        t[i] = MAGIC + (T)quadrant;
    }
}

/* sin(x + shift pi / 2): x = k pi / 2 + r, |r| <= pi / 4; the parity of k + shift chooses between
 * the polynomials of sin and cos, its next bit the sign. */
VFN V vsine(V x, int shift)
{
    V t = vfma(x, vset(K(0.63661977236758134)), vset(MAGIC)), k = t - MAGIC;
    V r = vfma(k, vset(-PI_3), vfma(k, vset(-PI_2), vfma(k, vset(-PI_1), x)));
    if (__builtin_expect(vany(vle(vset(LARGE_ANGLE), vabs(x))), 0)) {
        T at[3][L];
        vstore(at[0], x), vstore(at[1], r), vstore(at[2], t);
        vreduce_large(at[0], at[1], at[2]);
        r = vload(at[1]), t = vload(at[2]);
    }
    V z = r * r;
    V odd = vfma(r * z, POLY(z, sin_c), r);
    V even = vfma(z, vfma(z, POLY(z, cos_c), vset(K(-0.5))), vset(1));
    VI quadrant = vbits(t) + shift;
    V y = vselect(vieq(quadrant & 1, viset(0)), odd, even);
    return vfrombits(vbits(y) ^ (quadrant >> 1 << (TG_REAL - 1)));
}

/* Any x. Max error 2 ULP. sin(-0) is -0. */
VFN V vsin(V x) { return vselect(veq(x, vset(0)), x, vsine(x, 0)); }

/* Any x. Max error 2 ULP. */
VFN V vcos(V x) { return vsine(x, 1); }
