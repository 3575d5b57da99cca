/* scalar.c: run groups of single elements (scalar.h). Compiled for the baseline ISA. */
#include "scalar.h"

#include "vtrig.h"

#define TG_VBYTES 16

#define TG_REAL 32
#include "vec.h"
#include "vmath.inc.h"
#include "scalar.inc.c"
#undef TG_REAL

#define TG_REAL 64
#include "vec.h"
#include "vmath.inc.h"
#include "scalar.inc.c"
#undef TG_REAL

void tg_scalar_run(const tg_group *g, void *slots)
{
    if (g->dtype == TG_F32)
        scalar_run_f32(g, slots);
    else
        scalar_run_f64(g, slots);
}
