/* vpow.inc.h: powers for one (ISA, dtype). Polynomials fitted by tools/remez.py; the errors stated
 * are checked by tests/native/test_vmath.py. */
#define vpow FN(vpow)
#define vpow_by FN(vpow_by)
#define vlog2_wide FN(vlog2_wide)
#define vexp2_wide FN(vexp2_wide)
#define vpow_rare FN(vpow_rare)

#undef POW_USUAL
#undef POW_LIMIT
#if TG_REAL == 32
  #define POW_USUAL 125.0f /* |exponent| of results that are surely normal numbers */
  #define POW_LIMIT 160.0f /* and of results that are surely 0 or inf */
static const float pow_log_c_f32[] = {0x1.555558p-2f, -0x1.00014cp-2f, 0x1.9985e8p-3f,
                                      -0x1.42c242p-3f};
static const float exp2_c_f32[] = {0x1.62e430p-1f, 0x1.ebfbdcp-3f,  0x1.c6af7ap-5f,
                                   0x1.3b2ddcp-7f, 0x1.5f097cp-10f, 0x1.417040p-13f};
#else
  #define POW_USUAL 1021.0
  #define POW_LIMIT 1100.0
static const double pow_log_c_f64[] = {
    0x1.5555555555555p-2, -0x1.ffffffffffffap-3, 0x1.999999999b3e0p-3, -0x1.5555555572b89p-3,
    0x1.2492491139a0cp-3, -0x1.fffffbfd72f56p-4, 0x1.c71d08fe71964p-4, -0x1.99b0220fb92bbp-4,
    0x1.74386121baa6bp-4, -0x1.35278bf55c1d7p-4};
static const double exp2_c_f64[] = {
    0x1.62e42fefa39efp-1,  0x1.ebfbdff82c59dp-3,  0x1.c6b08d704a0d5p-5,  0x1.3b2ab6fba0f96p-7,
    0x1.5d87fe78b3576p-10, 0x1.4309130c73e45p-13, 0x1.ffcbfbfb583f8p-17, 0x1.62bfccc8e01dbp-20,
    0x1.b526071e237c9p-24, 0x1.e61373178be92p-28, 0x1.e81a1eb136d4ap-32};
#endif

/* log2(2^e m) = hi + lo, to about 8 bits more than T has; m, e, i from vsplit.
 * With c from log2's table: f + f_lo = m c - 1 exactly, w + w_lo = log(1 + f + f_lo). */
VFN V vlog2_wide(V m, V e, VI i, V *lo)
{
    const log_base base = BASE_2;
    V c = vlookup(base.table, i), minus_log_c = vlookup(base.table + 32, i);
    V product = m * c, f_lo = vfma(m, c, -product), f = product - K(1);
    V half = f * K(-0.5), w = vfma(half, f, f);
    V w_lo = vfma(half, f, f - w) + vfma(-f, f_lo, f_lo);
    w_lo = vfma(f * f * f, POLY(f, pow_log_c), w_lo);
    V sum = e + minus_log_c, sum_lo = minus_log_c - (sum - e);
    const T scale = K(0x1.71547652b82fep+0),
            scale_lo = TG_REAL == 32 ? K(0x1.4ae0c0p-26) : K(0x1.777d0ffda0d24p-56);
    V term = w * scale;
    V term_lo = vfma(w_lo, vset(scale), vfma(w, vset(scale_lo), vfma(w, vset(scale), -term)));
    V hi = sum + term;
    *lo = (term - (hi - sum)) + (sum_lo + term_lo);
    return hi;
}

/* 2^(v + v_lo) as y 2^k. */
VFN V vexp2_wide(V v, V v_lo, V *t)
{
    *t = (v + v_lo) + MAGIC; /* v_lo need not be small */
    V r = (v - (*t - MAGIC)) + v_lo;
    return vfma(r, POLY(r, exp2_c), vset(1));
}

/* a^b with C's special values. */
static __attribute__((noinline)) V vpow_rare(V a, V b)
{
    const V inf = vset(K(__builtin_inf()));
    V x = vabs(a), e, lo, t;
    VI i;
    M is_small = vlt(x, vset(MIN_NORMAL));
    V m = vsplit(vselect(is_small, x * K((IT)1 << SUBNORMAL_SHIFT), x), &e, &i);
    e = vselect(is_small, e - K(SUBNORMAL_SHIFT), e);
    V log = vlog2_wide(m, e, i, &lo);
    log = vselect(veq(x, vset(0)), -inf, vselect(veq(x, inf), inf, log));
    V v = b * log;
    V v_lo = vfma(b, lo, vfma(b, log, -v));
    M is_inside = vlt(vabs(v), vset(POW_LIMIT));
    v_lo = vselect(is_inside, v_lo, vset(0));
    V y = vexp2_wide(vclamp(v, -POW_LIMIT, POW_LIMIT), v_lo, &t);
    y = vscale(y, t);

    V half = b * K(0.5);
    M is_integer = veq(vtrunc(b), b);
    M is_odd = is_integer & vne(vtrunc(half), half);
    M is_negative = vilt(vbits(a), vbits(vset(0)));
    y = vselect(is_odd & is_negative, -y, y);
    M is_root = vlt(a, vset(0)) & vlt(-inf, a) & vnot(is_integer);
    y = vselect(is_root | vne(a, a) | vne(b, b), vset(K(__builtin_nan(""))), y);
    M is_one = veq(a, vset(1)) | veq(b, vset(0)) | (veq(a, vset(-1)) & veq(vabs(b), inf));
    return vselect(is_one, vset(1), y);
}

/* a^b. Max error 1.5 ULP. */
VFN V vpow(V a, V b)
{
    V e, lo, t;
    VI i;
    V m = vsplit(a, &e, &i);
    V log = vlog2_wide(m, e, i, &lo);
    V v = b * log;
    V v_lo = vfma(b, lo, vfma(b, log, -v));
    M is_rare = visrare(a) | vnot(vlt(vabs(v), vset(POW_USUAL)));
    if (__builtin_expect(vany(is_rare), 0))
        return vpow_rare(a, b);
    V y = vexp2_wide(v, v_lo, &t);
    return vfrombits(vbits(y) + (vbits(t) << MANTISSA_BITS));
}

/* x^b for one b in all lanes: the powers people write have shorter ways, exact to 1 ULP. */
VFN V vpow_by(V x, V b)
{
    const T power = b[0], twice = power + power;
    if (__builtin_expect(!(twice >= -2 && twice <= 6) || twice != (T)(int)twice, 1))
        return vpow(x, b);
    if (power == 2)
        return x * x;
    if (power == 3)
        return x * x * x;
    if (power == 1)
        return x;
    if (power == 0)
        return vset(1);
    if (power == -1)
        return K(1) / x;
    if (power == K(0.5)) /* as pow: of -0 it is 0, of -inf inf */
        return vselect(veq(x, vset(-K(__builtin_inf()))), vset(K(__builtin_inf())),
                       vsqrt(x + K(0)));
    return vpow(x, b);
}
