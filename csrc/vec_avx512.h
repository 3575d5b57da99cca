/* vec_avx512.h: vec.h's per-ISA part for AVX-512 F/BW/DQ/VL: comparisons give mask registers.
 * Included by vec.h only. */
#undef X
#if TG_REAL == 32
  #define X(name) TG_PASTE(name, _ps)
typedef __mmask16 M;
  #define XMASK(name) TG_PASTE(name, _ps_mask)
  #define XIMASK(name) TG_PASTE(name, _epi32_mask)
#else
  #undef XMASK
  #undef XIMASK
  #define X(name) TG_PASTE(name, _pd)
typedef __mmask8 M;
  #define XMASK(name) TG_PASTE(name, _pd_mask)
  #define XIMASK(name) TG_PASTE(name, _epi64_mask)
#endif

VFN V vfma(V a, V b, V c) { return (V)X(_mm512_fmadd)(a, b, c); }
VFN V vsqrt(V x) { return (V)X(_mm512_sqrt)(x); }
VFN M vlt(V a, V b) { return XMASK(_mm512_cmp)(a, b, _CMP_LT_OQ); }
VFN M vle(V a, V b) { return XMASK(_mm512_cmp)(a, b, _CMP_LE_OQ); }
VFN M veq(V a, V b) { return XMASK(_mm512_cmp)(a, b, _CMP_EQ_OQ); }
VFN M vne(V a, V b) { return XMASK(_mm512_cmp)(a, b, _CMP_NEQ_UQ); }
VFN M vilt(VI a, VI b) { return XIMASK(_mm512_cmplt)((__m512i)a, (__m512i)b); }
VFN M vieq(VI a, VI b) { return XIMASK(_mm512_cmpeq)((__m512i)a, (__m512i)b); }
VFN V vselect(M m, V a, V b) { return (V)X(_mm512_mask_blend)(m, b, a); }
VFN V vmin(V a, V b) { return (V)X(_mm512_min)(a, b); }
VFN V vmax(V a, V b) { return (V)X(_mm512_max)(a, b); }
VFN M vnot(M m) { return (M)~m; }
VFN bool vany(M m) { return m != 0; }
VFN V vround(V x) { return (V)X(_mm512_roundscale)(x, _MM_FROUND_TO_NEAREST_INT); }
VFN V vfloor(V x) { return (V)X(_mm512_roundscale)(x, _MM_FROUND_TO_NEG_INF); }
VFN V vceil(V x) { return (V)X(_mm512_roundscale)(x, _MM_FROUND_TO_POS_INF); }
VFN V vtrunc(V x) { return (V)X(_mm512_roundscale)(x, _MM_FROUND_TO_ZERO); }

VFN M visrare(V x) { return XMASK(_mm512_fpclass)(x, 0xff); }

/* One instruction: the table says which classes of x stay; the first two, the nans, do not. */
VFN V vcanon(V x)
{
#if TG_REAL == 32
    const __m512i stay = _mm512_set1_epi32(0x11111100);
#else
    const __m512i stay = _mm512_set1_epi64(0x11111100);
#endif
    return (V)X(_mm512_fixupimm)(vset(K(__builtin_nan(""))), x, stay, 0);
}

VFN V vpermute(V v, VI i) { return (V)X(_mm512_permutexvar)((__m512i)i, v); }

VFN V vscale(V y, V t)
{
    return (V)X(_mm512_scalef)(y, t - K(1.5) * (T)((IT)1 << MANTISSA_BITS));
}

#if TG_REAL == 32
VFN V vlookup(const float *table, VI i)
{
    return (V)_mm512_permutex2var_ps(vload(table), (__m512i)i, vload(table + 16));
}
#else
VFN V vlookup(const double *table, VI i)
{
    V low = (V)_mm512_permutex2var_pd(vload(table), (__m512i)i, vload(table + 8));
    V high = (V)_mm512_permutex2var_pd(vload(table + 16), (__m512i)i, vload(table + 24));
    return vselect(_mm512_test_epi64_mask((__m512i)i, _mm512_set1_epi64(16)), high, low);
}
#endif

#if TG_REAL == 32
VFN M vloadbool(const uint8_t *p)
{
    __m128i b = _mm_loadu_si128((const __m128i *)p);
    return _mm_test_epi8_mask(b, b);
}
VFN void vstorebool(uint8_t *p, M m)
{
    _mm_storeu_si128((__m128i *)p, _mm_maskz_set1_epi8(m, 1));
}
#else
VFN M vloadbool(const uint8_t *p)
{
    __m128i b = _mm_loadl_epi64((const __m128i *)p);
    return (M)_mm_test_epi8_mask(b, b);
}
VFN void vstorebool(uint8_t *p, M m)
{
    _mm_storel_epi64((__m128i *)p, _mm_maskz_set1_epi8(m, 1));
}
#endif
