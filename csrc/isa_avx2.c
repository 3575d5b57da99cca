/* isa_avx2.c: the kernels for x86-64 with AVX2 and FMA (x86-64-v3). */
#include "kernels.h"
#include "vtrig.h"

#ifdef __x86_64__
  #include <immintrin.h>

  #ifdef __clang__
    #pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2,f16c"))), \
                                 apply_to = function)
  #else
    #pragma GCC push_options
    #pragma GCC target("avx2,fma,bmi,bmi2,f16c")
  #endif

  #define TG_ISA_NAME avx2
  #define TG_ISA_AVX2
  #define TG_VBYTES 32
  #include "kernels.inc.c"

  #ifdef __clang__
    #pragma clang attribute pop
  #else
    #pragma GCC pop_options
  #endif
#endif
