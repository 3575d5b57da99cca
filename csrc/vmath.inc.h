/* vmath.inc.h: what the rows of ops.def call, for one (ISA, dtype). */
#include "vexp.inc.h"
#include "vlog.inc.h"
#include "vpow.inc.h"
#include "vtrig.inc.h"
#include "verf.inc.h"

#define vzmul FN(vzmul)
#define vzzmul FN(vzzmul)
#define vsign FN(vsign)
#define vmaximum FN(vmaximum)
#define vminimum FN(vminimum)
#define vtie FN(vtie)
#define vhypot FN(vhypot)
#define vhypot_da FN(vhypot_da)
#define vlogaddexp FN(vlogaddexp)
#define vpower_da FN(vpower_da)
#define vpow_by_dx FN(vpow_by_dx)
#define vsilu_dx FN(vsilu_dx)
#define vgelu_tanh FN(vgelu_tanh)
#define vgelu_tanh_dx FN(vgelu_tanh_dx)

/* a * b, but 0 wherever a is 0: a zero cotangent stays zero beside an infinite partial. */
VFN V vzmul(V a, V b) { return vselect(veq(a, vset(0)), vset(0), a * b); }
VFN V vzzmul(V a, V b) { return vselect(veq(b, vset(0)), vset(0), vzmul(a, b)); }

/* -1, 0, 1; nan stays. sign(-0) is +0, as NumPy's. */
VFN V vsign(V x)
{
    V unit = vcopysign(vset(1), x);
    V r = vselect(veq(x, vset(0)), vset(0), unit);
    return vselect(veq(x, x), r, x);
}

/* NumPy's maximum and minimum: nan wins; of two zeros the first. vmax(b, a) is a unless b is
 * greater: right but where b is nan. */
VFN V vmaximum(V a, V b) { return vselect(veq(b, b), vmax(b, a), b); }
VFN V vminimum(V a, V b) { return vselect(veq(b, b), vmin(b, a), b); }

/* A chosen operand's share: 1 where it wins, half of a tie, else 0. */
VFN V vtie(M wins, M tie)
{
    return vselect(wins, vset(1), vselect(tie, vset(K(0.5)), vset(0)));
}

#define LARGE K(TG_REAL == 32 ? 0x1p60 : 0x1p500)
#define LARGE_SCALE K(TG_REAL == 32 ? 0x1p-66 : 0x1p-600)
#define SMALL_SCALE K(TG_REAL == 32 ? 0x1p90 : 0x1p600)
/* sqrt(a a + b b). Numbers whose squares might leave the range are scaled by powers of two first.
 * Infinity wins, even over nan. Max error 1.2 ULP. */
VFN V vhypot(V a, V b)
{
    const V m = vmax(vabs(a), vabs(b)), inf = vset(K(__builtin_inf()));
    const M is_large = vlt(vset(LARGE), m), is_small = vlt(m, vset(1 / LARGE));
    const V scale =
        vselect(is_large, vset(LARGE_SCALE), vselect(is_small, vset(SMALL_SCALE), vset(1)));
    const V back = vselect(is_large, vset(1 / LARGE_SCALE),
                           vselect(is_small, vset(1 / SMALL_SCALE), vset(1)));
    const V x = a * scale, y = b * scale;
    return vselect(veq(vabs(a), inf) | veq(vabs(b), inf), inf, vsqrt(x * x + y * y) * back);
}

/* log(exp(a) + exp(b)). Max error 3 ULP, of the larger one where what is added cancels it. */
VFN V vlogaddexp(V a, V b)
{
    return vmaximum(a, b) + vsoftplus_tail(vselect(veq(a, b), vset(0), a - b));
}

/* --- partials too long for a row; the same operations as in tapegrad/ops/elementwise.py --- */

/* b a^(b - 1), and 0 for b = 0 even where a is 0. */
VFN V vpower_da(V a, V b) { return vselect(veq(b, vset(0)), vset(0), b * vpow(a, b - K(1))); }

/* a / y, and 0 where y is. */
VFN V vhypot_da(V a, V y) { return a / vselect(veq(y, vset(0)), vset(K(__builtin_inf())), y); }

VFN V vpow_by_dx(V x, V power, V less)
{
    return vselect(veq(power, vset(0)), vset(0), power * vpow_by(x, less));
}

VFN V vsilu_dx(V x)
{
    V s = vsigmoid(x);
    return s * (K(1) + x * (K(1) - s));
}

/* (1 + tanh(u)) / 2 = sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3). */
#define GELU_1 K(1.5957691216057308)
#define GELU_3 K(0.07135481627260025)
#define GELU_1_LO                                                          \
    K(TG_REAL == 32 ? -4.534068042105272e-08                               \
                    : -9.96930880911092e-17) /* what rounding them lost */
#define GELU_3_LO K(TG_REAL == 32 ? 2.3988323959931355e-09 : -6.175149918155315e-19)

/* The tanh form of gelu, x sigmoid(2 u). Max error 2 ULP, also in the tail: 2 u is taken to twice
 * the precision. */
VFN V vgelu_tanh(V x)
{
    V a = vclamp(x, -SIGMOID_END, SIGMOID_END);
    V square = a * a, square_lo = vfma(a, a, -square);
    V cubic = square * GELU_3, cubic_lo = vfma(square, vset(GELU_3), -cubic);
    V c = cubic + GELU_1, other = c - cubic;
    V c_lo = (cubic - (c - other)) + (GELU_1 - other) + cubic_lo;
    c_lo += vfma(square_lo, vset(GELU_3), vset(GELU_1_LO));
    c_lo = vfma(square, vset(GELU_3_LO), c_lo);
    V u = a * c, u_lo = vfma(a, c_lo, vfma(a, c, -u));
    return vgated(x, u, u_lo);
}

VFN V vgelu_tanh_dx(V x)
{
    const T root = K(0.7978845608028654);
    V square = x * x;
    V t = vtanh(root * (x + K(0.044715) * (square * x)));
    V slope = root * (K(1) + K(0.134145) * square);
    return K(0.5) * (K(1) + t) + K(0.5) * x * (K(1) - t * t) * slope;
}
