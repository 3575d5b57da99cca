/* kernels.inc.c: all kernels of one ISA. Included by an isa_*.c inside its target region, with
 * TG_VBYTES (vector bytes) and TG_ISA_NAME set. Kernel files are included once per dtype: vec.h
 * gives them V, T, FN(). What is named FN(x) there is x_f32 and x_f64 here. */
#define TG_STRING2(x) #x
#define TG_STRING(x) TG_STRING2(x)
#define TG_TABLE2(isa) tg_kernels_##isa
#define TG_TABLE(isa) TG_TABLE2(isa)

#define TG_REAL 32
#include "vec.h"
#include "vmath.inc.h"
#include "elementwise.inc.c"
#include "strand.inc.c"
#include "reduce.inc.c"
#include "softmax.inc.c"
#include "optim.inc.c"
#include "correlate.inc.c"
#include "gemm_kernel.inc.c"
#undef TG_REAL

#define TG_REAL 64
#include "vec.h"
#include "vmath.inc.h"
#include "elementwise.inc.c"
#include "strand.inc.c"
#include "reduce.inc.c"
#include "softmax.inc.c"
#include "optim.inc.c"
#include "correlate.inc.c"
#include "gemm_kernel.inc.c"
#undef TG_REAL

#undef L /* some <stdint.h> pastes an L into INT64_MIN */
#include "cast.inc.c"
#include "integers.inc.c"

const tg_kernels TG_TABLE(TG_ISA_NAME) = {
    .name = TG_STRING(TG_ISA_NAME),
    .map = {&map_kernels_f32, &map_kernels_f64},
    .reduce = {&reduce_kernels_f32, &reduce_kernels_f64},
    .softmax = {&softmax_kernels_f32, &softmax_kernels_f64},
    .gemm = {&gemm_kernels_f32, &gemm_kernels_f64},
    .optim = {&optim_kernels_f32, &optim_kernels_f64},
    .strand = {&strand_kernels_f32, &strand_kernels_f64},
    .correlate = {correlate_f32, correlate_f64},
    .repeat = {repeat_f32, repeat_f64},
    .integers =
        {
#define INTEGERS(name, ...) [TG_MAP_##name] = integers_##name,
            TG_INTEGERS(INTEGERS)
#undef INTEGERS
                [TG_MAP_where] = integers_where,
        },
    .cast =
        {
#define CAST(to, to_t, from, from_t) [to][from] = cast_##to##_##from,
            TG_CASTS(CAST)
#undef CAST
        },
};
