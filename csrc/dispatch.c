/* dispatch.c: which instruction set the kernels use, and the op table. Compiled without any ISA
 * option: it runs before we know what the CPU has. */
#include "kernels.h"
#include "map.h"

extern const tg_kernels tg_kernels_generic;
#if defined __x86_64__
extern const tg_kernels tg_kernels_avx2, tg_kernels_avx512;

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
}
#elif defined __aarch64__
extern const tg_kernels tg_kernels_neon;
#endif
static bool has_baseline(void) { return true; }

/* Best first; the last runs everywhere. */
static const struct {
    const tg_kernels *kernels;
    bool (*is_supported)(void);
} isas[] = {
#if defined __x86_64__
    {&tg_kernels_avx512, has_avx512},
    {&tg_kernels_avx2, has_avx2},
#elif defined __aarch64__
    {&tg_kernels_neon, has_baseline},
#endif
    {&tg_kernels_generic, has_baseline},
};
enum { N_ISAS = sizeof isas / sizeof *isas };

const tg_kernels *tg_isa = &tg_kernels_generic;

/* At load, so that no kernel ever runs on a slower ISA by accident. */
__attribute__((constructor)) static void detect(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
#endif
    int best = 0;
    while (!isas[best].is_supported())
        ++best;
    tg_isa = isas[best].kernels;
}

int tg_isa_count(void)
{
    int n = 0;
    for (int i = 0; i < N_ISAS; ++i)
        n += isas[i].is_supported();
    return n;
}

const char *tg_isa_available(int index)
{
    for (int i = 0; i < N_ISAS; ++i)
        if (isas[i].is_supported() && index-- == 0)
            return isas[i].kernels->name;
    return NULL;
}

const char *tg_isa_name(void) { return tg_isa->name; }

int tg_isa_select(const char *name)
{
    for (int i = 0; i < N_ISAS; ++i) {
        if (strcmp(isas[i].kernels->name, name) != 0)
            continue;
        if (!isas[i].is_supported())
            return tg_fail(TG_EVALUE, "this CPU does not support instruction set '%s'", name);
        tg_isa = isas[i].kernels;
        return TG_OK;
    }
    return tg_fail(TG_EVALUE, "unknown instruction set '%s'", name);
}

/* --- the op table ------------------------------------------------------------------------- */
#define STRUCT(name, min_in, max_in, run) tg_run run;
#include "ops.def"

#define STRUCT(name, ...) TG_OP_##name,
enum {
    TG_LAST_MAP = TG_N_MAP - 1,
#include "ops.def"
    TG_N_OPS
};

#define EACH(name, n_in) [TG_MAP_##name] = {#name, tg_run_map, TG_MAP_##name, n_in, n_in},
#define STRUCT(name, min_in, max_in, run)                        \
    [TG_OP_##name] = {#name, run, TG_OP_##name, min_in, max_in},
const tg_op tg_ops[TG_N_OPS] = {
#include "ops.def"
};

int tg_op_count(void) { return TG_N_OPS; }
const char *tg_op_name(int op) { return op >= 0 && op < TG_N_OPS ? tg_ops[op].name : NULL; }
