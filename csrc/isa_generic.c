/* isa_generic.c: the kernels for any CPU: correctness, not speed. Its multiply-add is libm's. */
#include "kernels.h"
#include "vtrig.h"

#define TG_ISA_NAME generic
#define TG_VBYTES 16
#include "kernels.inc.c"
