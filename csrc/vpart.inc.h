/* vpart.inc.h: loads and stores of the first k elements of a vector, 0 <= k <= L, touching no
 * memory beyond them. Included once per dtype after vec.h. */
#define vloadpart FN(vloadpart)
#define vstorepart FN(vstorepart)

/* p[0..k) in the first lanes, fill in the others. */
VFN V vloadpart(const T *p, size_t k, V fill)
{
#if defined TG_ISA_AVX512
    const M m = (M)((1u << k) - 1);
  #if TG_REAL == 32
    return (V)_mm512_mask_loadu_ps((__m512)fill, m, p);
  #else
    return (V)_mm512_mask_loadu_pd((__m512d)fill, m, p);
  #endif
#elif defined TG_ISA_AVX2
  #if TG_REAL == 32
    const VI lane = {0, 1, 2, 3, 4, 5, 6, 7};
    const M m = vilt(lane, viset((IT)k));
    return vselect(m, (V)_mm256_maskload_ps(p, (__m256i)m), fill);
  #else
    const VI lane = {0, 1, 2, 3};
    const M m = vilt(lane, viset((IT)k));
    return vselect(m, (V)_mm256_maskload_pd(p, (__m256i)m), fill);
  #endif
#else
    for (size_t i = 0; i < (size_t)L; ++i)
        if (i < k)
            fill[i] = p[i];
    return fill;
#endif
}

VFN void vstorepart(T *p, V v, size_t k)
{
#if defined TG_ISA_AVX512
    const M m = (M)((1u << k) - 1);
  #if TG_REAL == 32
    _mm512_mask_storeu_ps(p, m, (__m512)v);
  #else
    _mm512_mask_storeu_pd(p, m, (__m512d)v);
  #endif
#elif defined TG_ISA_AVX2
  #if TG_REAL == 32
    const VI lane = {0, 1, 2, 3, 4, 5, 6, 7};
    _mm256_maskstore_ps(p, (__m256i)vilt(lane, viset((IT)k)), (__m256)v);
  #else
    const VI lane = {0, 1, 2, 3};
    _mm256_maskstore_pd(p, (__m256i)vilt(lane, viset((IT)k)), (__m256d)v);
  #endif
#else
    for (size_t i = 0; i < (size_t)L; ++i)
        if (i < k)
            p[i] = v[i];
#endif
}
