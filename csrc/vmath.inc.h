/* vmath.inc.h: what the rows of ops.def call, for one (ISA, dtype). */
#include "vexp.inc.h"
#include "vlog.inc.h"

#define vzmul FN(vzmul)
#define vsign FN(vsign)
#define vmaximum FN(vmaximum)
#define vminimum FN(vminimum)
#define vtie FN(vtie)

/* a * b, but 0 wherever a is 0: a zero cotangent stays zero beside an infinite partial. */
VFN V vzmul(V a, V b) { return vselect(veq(a, vset(0)), vset(0), a * b); }

/* -1, 0, 1; nan stays. sign(-0) is +0, as NumPy's. */
VFN V vsign(V x)
{
    V unit = vcopysign(vset(1), x);
    V r = vselect(veq(x, vset(0)), vset(0), unit);
    return vselect(veq(x, x), r, x);
}

/* NumPy's maximum and minimum: nan wins; of two zeros the first. */
VFN V vmaximum(V a, V b) { return vselect(vlt(a, b) | vne(b, b), b, a); }
VFN V vminimum(V a, V b) { return vselect(vlt(b, a) | vne(b, b), b, a); }

/* A chosen operand's share: 1 where it wins, half of a tie, else 0. */
VFN V vtie(M wins, M tie)
{
    return vselect(wins, vset(1), vselect(tie, vset(K(0.5)), vset(0)));
}
