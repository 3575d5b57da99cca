/* elementwise.inc.c: the loops around the rows of ops.def, for one ISA and dtype: map kernels and
 * fused vjp kernels (contract in kernels.h). Operands are padded to 64 bytes, so whole vectors
 * cover any n without a tail. Every float result passes vcanon. */
#define KERNEL(name)                                                           \
    static void FN(name)(void *out, const void *const *in, const size_t *step, \
                         const double *p, size_t n)
#define PARAMS(count)                                                                   \
    const V p0 = vset((count) > 0 ? K(p[0]) : 0), p1 = vset((count) > 1 ? K(p[1]) : 0); \
    (void)p0, (void)p1
/* Pointers and steps in locals: a store might alias the arrays that hold them. */
#define INPUT(name, k)                  \
    const T *const name##_at = in[k];   \
    const size_t name##_step = step[k];
#define LOAD(name)                                     \
    const V name = vload(name##_at + i * name##_step); \
    (void)name;
#define EACH_VECTOR for (size_t i = 0; i < n; i += (size_t)L)
#define STORE(v) vstore((T *)out + i, vcanon(v))

/* A kernel whose INPUTs, LOADs and STORE are given. */
#define LOOP(name, params, inputs, loads, store) \
    KERNEL(name)                                 \
    {                                            \
        PARAMS(params);                          \
        (void)p;                                 \
        inputs EACH_VECTOR { loads store; }      \
    }
#define LOOP1(name, params, store) LOOP(name, params, INPUT(x, 0), LOAD(x), store)
#define LOOP2(name, store) LOOP(name, 0, INPUT(a, 0) INPUT(b, 1), LOAD(a) LOAD(b), store)
#define VJP1(name, params, rule)                                                             \
    LOOP(vjp_##name, params, INPUT(ct, 0) INPUT(x, 1) INPUT(y, 2), LOAD(ct) LOAD(x) LOAD(y), \
         STORE(rule))
#define VJP2(name, rule)                                                  \
    LOOP(vjp_##name, 0, INPUT(ct, 0) INPUT(a, 1) INPUT(b, 2) INPUT(y, 3), \
         LOAD(ct) LOAD(a) LOAD(b) LOAD(y), STORE(rule))

#define UNARY(name, params, ns, value, partial) \
    LOOP1(map_##name, params, STORE(value))     \
    VJP1(name, params, vzmul(ct, partial))
#define BINARY(name, ns, value, partial_a, partial_b) \
    LOOP2(map_##name, STORE(value))                   \
    VJP2(name##_a, vzmul(ct, partial_a))              \
    VJP2(name##_b, vzmul(ct, partial_b))
#define LINEAR1(name, ns, value, rule) \
    LOOP1(map_##name, 0, STORE(value)) \
    VJP1(name, 0, rule)
#define LINEAR2(name, ns, value, rule_a, rule_b) \
    LOOP2(map_##name, STORE(value))              \
    VJP2(name##_a, rule_a)                       \
    VJP2(name##_b, rule_b)
#define STEP(name, ns, value) LOOP1(map_##name, 0, STORE(value))
#define TEST1(name, ns, mask) LOOP1(map_##name, 0, vstorebool((uint8_t *)out + i, mask))
#define TEST2(name, ns, mask) LOOP2(map_##name, vstorebool((uint8_t *)out + i, mask))

#define INPUT_MASK(k)                     \
    const uint8_t *const mask_at = in[k]; \
    const size_t mask_step = step[k];
#define LOAD_MASK const M mask = vloadbool(mask_at + i * mask_step);
#define WHERE(name, ns)                                                                   \
    LOOP(map_##name, 0, INPUT_MASK(0) INPUT(a, 1) INPUT(b, 2), LOAD_MASK LOAD(a) LOAD(b), \
         STORE(vselect(mask, a, b)))                                                      \
    LOOP(vjp_##name##_a, 0, INPUT(ct, 0) INPUT_MASK(1), LOAD(ct) LOAD_MASK,               \
         STORE(vselect(mask, ct, vset(0))))                                               \
    LOOP(vjp_##name##_b, 0, INPUT(ct, 0) INPUT_MASK(1), LOAD(ct) LOAD_MASK,               \
         STORE(vselect(mask, vset(0), ct)))
#include "ops.def"

/* Bool rows have no dtype; made once, with the first. */
#if TG_REAL == 32
typedef uint8_t tg_bytes __attribute__((vector_size(TG_VBYTES)));
typedef uint8_t tg_bytesmem __attribute__((vector_size(TG_VBYTES), aligned(1), may_alias));
  #define LOGIC(row, n_in, expression)                                                \
      static void map_##row(void *out, const void *const *in, const size_t *step,     \
                            const double *p, size_t n)                                \
      {                                                                               \
          const uint8_t *const at0 = in[0], *const at1 = in[(n_in) - 1];              \
          const size_t step0 = step[0], step1 = step[(n_in) - 1];                     \
          (void)p;                                                                    \
          for (size_t i = 0; i < n; i += TG_VBYTES) {                                 \
              const tg_bytes a = (tg_bytes) * (const tg_bytesmem *)(at0 + i * step0); \
              const tg_bytes b = (tg_bytes) * (const tg_bytesmem *)(at1 + i * step1); \
              (void)b;                                                                \
              *(tg_bytesmem *)((uint8_t *)out + i) = (tg_bytesmem)(expression);       \
          }                                                                           \
      }
  #define LOGIC1(name, ns, bytes) LOGIC(name, 1, bytes)
  #define LOGIC2(name, ns, bytes) LOGIC(name, 2, bytes)
  #include "ops.def"
  #undef LOGIC
#endif

/* As integers, of which no bit changes on the way. */
static void FN(repeat)(void *out, const void *x, size_t n)
{
    IT bits;
    memcpy(&bits, x, sizeof bits);
    const V v = vfrombits(viset(bits));
    T *to = out, *const end = to + n;
    for (; to + L < end; to += L)
        vstore(to, v);
    vstore(end - L, v); /* over the one before, perhaps */
}

static const tg_map_kernels FN(map_kernels) = {
    .map =
        {
#define EACH(name, n_in) [TG_MAP_##name] = FN(map_##name),
#define LOGIC1(name, ...) [TG_MAP_##name] = map_##name,
#define LOGIC2(name, ...) [TG_MAP_##name] = map_##name,
#include "ops.def"
        },
    .vjp =
        {
#define ROW1(name) [TG_MAP_##name] = {FN(vjp_##name)},
#define ROW2(name) [TG_MAP_##name] = {FN(vjp_##name##_a), FN(vjp_##name##_b)},
#define UNARY(name, ...) ROW1(name)
#define LINEAR1(name, ...) ROW1(name)
#define BINARY(name, ...) ROW2(name)
#define LINEAR2(name, ...) ROW2(name)
#define WHERE(name, ...) [TG_MAP_##name] = {NULL, FN(vjp_##name##_a), FN(vjp_##name##_b)},
#include "ops.def"
#undef ROW1
#undef ROW2
        },
};

#undef KERNEL
#undef PARAMS
#undef INPUT
#undef LOAD
#undef EACH_VECTOR
#undef STORE
#undef LOOP
#undef LOOP1
#undef LOOP2
#undef VJP1
#undef VJP2
#undef INPUT_MASK
#undef LOAD_MASK
