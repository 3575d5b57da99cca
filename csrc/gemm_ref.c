/* gemm_ref.c: the plain loops that define what tg_gemm computes, to the bit. For tests. */
#include "gemm.h"

#define TG_VBYTES 16
#define TG_REAL 32
#include "vec.h"
#include "gemm_ref.inc.c"
#undef TG_REAL
#define TG_REAL 64
#include "vec.h"
#include "gemm_ref.inc.c"

void tg_gemm_ref(int dtype, const tg_gemm_args *g)
{
    for (size_t i = 0; i < g->m; ++i)
        for (size_t j = 0; j < g->n; ++j)
            if (dtype == TG_F32)
                element_f32(g, i, j);
            else
                element_f64(g, i, j);
}
