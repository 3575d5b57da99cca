/* isa_neon.c: the kernels for AArch64, whose baseline has NEON and FMA: the plain vector
 * extension, no target region. */
#include "kernels.h"
#include "vtrig.h"

#ifdef __aarch64__
  #define TG_ISA_NAME neon
  #define TG_VBYTES 16
  #include "kernels.inc.c"
#endif
