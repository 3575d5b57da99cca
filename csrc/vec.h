/* vec.h: the vector of one (ISA, dtype): the only place that knows how an instruction set
 * compares, selects or rounds. No include guard: kernels.inc.c includes it once per dtype, inside
 * the target region of an isa_*.c, with TG_REAL = 32 or 64 and TG_VBYTES set. It defines
 *   T IT        element type; signed integer of the same width
 *   V VI M      L of them in a vector; VI is also V's bits; M is what comparisons give: a bit
 *               mask on AVX-512, a VI of 0 / -1 lanes elsewhere (combine with & and |, vnot)
 *   FN(name)    name for this dtype, so that one source makes both
 *   K(c)        c rounded to T: `K(2) * x`. Never mix a bare double into a row.
 * Arithmetic is the vector extension's own + - * / (one IEEE operation each, contraction is off);
 * multiply-add only where vfma says so. Every function gives the same bits on every ISA. */
#undef T
#undef IT
#undef V
#undef VI
#undef M
#undef L
#undef FN
#undef K
#undef MANTISSA_BITS
#undef EXPONENT_BIAS
#undef FMA1
#undef SQRT1

#define TG_PASTE(a, b) a##b
#if TG_REAL == 32
  #define T float
  #define IT int32_t
  #define FN(name) TG_PASTE(name, _f32)
  #define MANTISSA_BITS 23
  #define EXPONENT_BIAS 127
  #define FMA1 __builtin_fmaf
  #define SQRT1 __builtin_sqrtf
#else
  #define T double
  #define IT int64_t
  #define FN(name) TG_PASTE(name, _f64)
  #define MANTISSA_BITS 52
  #define EXPONENT_BIAS 1023
  #define FMA1 __builtin_fma
  #define SQRT1 __builtin_sqrt
#endif
#define L ((int)(TG_VBYTES / sizeof(T)))
#define K(c) ((T)(c))
#define V FN(vec)
#define VI FN(veci)
#define M FN(mask)

#ifndef VFN
  #define VFN static inline __attribute__((always_inline))
#endif

typedef T V __attribute__((vector_size(TG_VBYTES)));
typedef IT VI __attribute__((vector_size(TG_VBYTES)));
typedef T FN(vecmem) __attribute__((vector_size(TG_VBYTES), aligned(sizeof(T)), may_alias));
typedef int8_t FN(bytes) __attribute__((vector_size(TG_VBYTES / (TG_REAL / 8))));

#define vload FN(vload)
#define vstore FN(vstore)
#define vset FN(vset)
#define viset FN(viset)
#define vbits FN(vbits)
#define vfrombits FN(vfrombits)

VFN V vload(const T *p) { return (V) * (const FN(vecmem) *)p; } /* any alignment of T */
VFN void vstore(T *p, V v) { *(FN(vecmem) *)p = (FN(vecmem))v; }
VFN V vset(T s) { return s - (V){0}; } /* s - 0 is s for every s, -0 too */
VFN VI viset(IT s) { return s + (VI){0}; }
VFN VI vbits(V v) { return (VI)v; }
VFN V vfrombits(VI v) { return (V)v; }

/* --- what differs per ISA ----------------------------------------------------------------
 * vfma(a, b, c): a * b + c, rounded once          vsqrt(x): correctly rounded
 * vlt vle veq vne: false on nan, but vne: true    vselect(m, a, b): m ? a : b, bit for bit
 * vmin(a, b): a < b ? a : b                       vmax(a, b): a > b ? a : b  (b if either is nan)
 * vnot(m), vany(m)                                vround: half to even; vfloor, vceil, vtrunc
 * vcanon(x): every nan becomes the same quiet positive nan: which operand's payload survives an
 *   operation differs between ISAs and compilers
 * visrare(x): whether x is anything but a positive normal number
 * vscale(y, t): y 2^k rounded once, t = k + 1.5 * 2^mantissa bits (k an integer in its low bits),
 *   y 2^(k/2) not below the normal numbers
 * vlookup(table, i): table[i] of 32 entries; i's higher bits do not count
 * vpermute(v, i): v[i], 0 <= i < L
 * vloadbool(p), vstorebool(p, m): L bytes of 0/1 (any nonzero byte is true) */
#define vfma FN(vfma)
#define vsqrt FN(vsqrt)
#define vlt FN(vlt)
#define vle FN(vle)
#define veq FN(veq)
#define vne FN(vne)
#define vilt FN(vilt)
#define vieq FN(vieq)
#define vselect FN(vselect)
#define vmin FN(vmin)
#define vmax FN(vmax)
#define vnot FN(vnot)
#define vany FN(vany)
#define vround FN(vround)
#define vfloor FN(vfloor)
#define vceil FN(vceil)
#define vtrunc FN(vtrunc)
#define vscale FN(vscale)
#define visrare FN(visrare)
#define vlookup FN(vlookup)
#define vpermute FN(vpermute)
#define vloadbool FN(vloadbool)
#define vstorebool FN(vstorebool)
#define vabs FN(vabs)
#define vcopysign FN(vcopysign)
#define vsignbit FN(vsignbit)
#define vcanon FN(vcanon)

#if TG_VBYTES == 64 && defined TG_ISA_AVX512
  #include "vec_avx512.h"
#else
  #include "vec_plain.h"
#endif

VFN V vabs(V x) { return vfrombits(vbits(x) & ~vbits(vset(K(-0.0)))); }

/* |magnitude| with the sign bit of `sign`. */
VFN V vcopysign(V magnitude, V sign)
{
    VI s = vbits(vset(K(-0.0)));
    return vfrombits((vbits(magnitude) & ~s) | (vbits(sign) & s));
}

/* Whether the sign bit is set. Of nan it counts as not: where none is stored its sign is any. */
VFN M vsignbit(V x) { return vilt(vbits(x), viset(0)) & veq(x, x); }
