/* vec_plain.h: vec.h's per-ISA part where a mask is a vector of 0 / -1 lanes: AVX2 by a few
 * intrinsics, generic and NEON by the vector extension alone. Included by vec.h only. */
typedef VI M;

#undef X
#if TG_REAL == 32
  #define X(name) TG_PASTE(name, _ps)
#else
  #define X(name) TG_PASTE(name, _pd)
#endif

VFN M vlt(V a, V b) { return (M)(a < b); }
VFN M vle(V a, V b) { return (M)(a <= b); }
VFN M veq(V a, V b) { return (M)(a == b); }
VFN M vne(V a, V b) { return (M)(a != b); }
VFN M vilt(VI a, VI b) { return (M)(a < b); }
VFN M vieq(VI a, VI b) { return (M)(a == b); }
VFN M vnot(M m) { return ~m; }

#ifdef TG_ISA_AVX2
VFN V vfma(V a, V b, V c) { return (V)X(_mm256_fmadd)(a, b, c); }
VFN V vsqrt(V x) { return (V)X(_mm256_sqrt)(x); }
VFN V vselect(M m, V a, V b) { return (V)X(_mm256_blendv)(b, a, (V)m); }
VFN V vmin(V a, V b) { return (V)X(_mm256_min)(a, b); }
VFN V vmax(V a, V b) { return (V)X(_mm256_max)(a, b); }
VFN bool vany(M m) { return X(_mm256_movemask)((V)m) != 0; }
VFN V vround(V x) { return (V)X(_mm256_round)(x, _MM_FROUND_TO_NEAREST_INT); }
VFN V vfloor(V x) { return (V)X(_mm256_floor)(x); }
VFN V vceil(V x) { return (V)X(_mm256_ceil)(x); }
VFN V vtrunc(V x) { return (V)X(_mm256_round)(x, _MM_FROUND_TO_ZERO); }
#else
VFN V vfma(V a, V b, V c)
{
    V r;
    for (int i = 0; i < L; ++i)
        r[i] = FMA1(a[i], b[i], c[i]);
    return r;
}
VFN V vsqrt(V x)
{
    V r;
    for (int i = 0; i < L; ++i)
        r[i] = SQRT1(x[i]);
    return r;
}
VFN V vselect(M m, V a, V b) { return vfrombits((m & vbits(a)) | (~m & vbits(b))); }
VFN V vmin(V a, V b) { return vselect(vlt(a, b), a, b); }
VFN V vmax(V a, V b) { return vselect(vlt(b, a), a, b); }
VFN bool vany(M m)
{
    IT any = 0;
    for (int i = 0; i < L; ++i)
        any |= m[i];
    return any != 0;
}

/* Adding and taking away 2^mantissa_bits rounds half to even what is below it, and everything
 * not below it is an integer, an inf or a nan already. The sign is put back for -0. */
VFN V vround(V x)
{
    VI sign = vbits(vset(K(-0.0)));
    V big = vset((T)((IT)1 << MANTISSA_BITS));
    V magnitude = vfrombits(vbits(x) & ~sign);
    V rounded = vfrombits(vbits((magnitude + big) - big) | (vbits(x) & sign));
    return vselect(vlt(magnitude, big), rounded, x);
}
VFN V vfloor(V x)
{
    VI sign = vbits(vset(K(-0.0)));
    V r = vround(x);
    V lower = vselect(vlt(x, r), r - K(1), r);
    return vfrombits(vbits(lower) | (vbits(x) & sign)); /* floor never turns - into + */
}
VFN V vceil(V x) { return -vfloor(-x); }
VFN V vtrunc(V x)
{
    VI sign = vbits(vset(K(-0.0)));
    V magnitude = vfloor(vfrombits(vbits(x) & ~sign));
    return vfrombits(vbits(magnitude) | (vbits(x) & sign));
}
#endif

VFN M vloadbool(const uint8_t *p)
{
    FN(bytes) b;
    memcpy(&b, p, sizeof b);
    return __builtin_convertvector(b, VI) != 0;
}
VFN void vstorebool(uint8_t *p, M m)
{
    FN(bytes) b = __builtin_convertvector(m, FN(bytes)) & 1;
    memcpy(p, &b, sizeof b);
}
