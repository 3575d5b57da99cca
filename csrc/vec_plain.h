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

VFN M visrare(V x)
{
    V least = vset(TG_REAL == 32 ? K(0x1p-126) : K(0x1p-1022)), inf = vset(K(__builtin_inf()));
    return ~((M)(least <= x) & (M)(x < inf));
}

VFN V vcanon(V x) { return vselect(veq(x, x), x, vset(K(__builtin_nan("")))); }

#if defined TG_ISA_AVX2 && TG_REAL == 32
/* Four tables of eight; several times faster than a gather. */
VFN V vlookup(const float *table, VI i)
{
    V part[4];
    for (int k = 0; k < 4; ++k)
        part[k] = (V)_mm256_permutevar8x32_ps(vload(table + 8 * k), (__m256i)i);
    const V bit3 = vfrombits(i << 28), bit4 = vfrombits(i << 27);
    V low = (V)_mm256_blendv_ps(part[0], part[1], bit3);
    V high = (V)_mm256_blendv_ps(part[2], part[3], bit3);
    return (V)_mm256_blendv_ps(low, high, bit4);
}
#elif defined TG_ISA_AVX2
VFN V vlookup(const double *table, VI i)
{
    return (V)_mm256_i64gather_pd(table, (__m256i)(i & 31), 8);
}
#else
VFN V vlookup(const T *table, VI i)
{
    V r;
    for (int lane = 0; lane < L; ++lane)
        r[lane] = table[i[lane] & 31];
    return r;
}
#endif

VFN V vpermute(V v, VI i)
{
#if defined TG_ISA_AVX2 && TG_REAL == 32
    return (V)_mm256_permutevar8x32_ps(v, (__m256i)i);
#else
    V r;
    for (int lane = 0; lane < L; ++lane)
        r[lane] = v[i[lane] & (L - 1)];
    return r;
#endif
}

/* In two steps, since 2^k itself may be out of range; only the second can round. */
VFN V vscale(V y, V t)
{
    VI k = vbits(t) - vbits(vset(K(1.5) * (T)((IT)1 << MANTISSA_BITS)));
    VI half = k >> 1, one = vbits(vset(1));
    V first = vfrombits((half << MANTISSA_BITS) + one);
    V second = vfrombits(((k - half) << MANTISSA_BITS) + one);
    return y * first * second;
}

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
