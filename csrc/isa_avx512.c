/* isa_avx512.c: the kernels for x86-64 with AVX-512 F, BW, DQ, VL and CD (x86-64-v4). */
#include "kernels.h"
#include "vtrig.h"

#ifdef __x86_64__
  #include <immintrin.h>

  #ifdef __clang__
    #pragma clang attribute push(                                                      \
        __attribute__((                                                                \
            target("avx2,fma,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd"))), \
        apply_to = function)
  #else
    #pragma GCC push_options
    #pragma GCC target("avx2,fma,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd")
  #endif

  #define TG_ISA_NAME avx512
  #define TG_ISA_AVX512
  #define TG_VBYTES 64
  #include "kernels.inc.c"

  #ifdef __clang__
    #pragma clang attribute pop
  #else
    #pragma GCC pop_options
  #endif
#endif
