/* elementwise.inc.c: the loops around the rows of ops.def, for one ISA and dtype: map kernels and
 * fused vjp kernels (contract in kernels.h). Operands are padded to 64 bytes, so whole vectors
 * cover any n without a tail. Every float result passes vcanon. */
#define KERNEL(name)                                                                  \
    static void FN(name)(void *out, const void *const *in, const double *p, size_t n)
#define PARAMS(count)                                                                   \
    const V p0 = vset((count) > 0 ? K(p[0]) : 0), p1 = vset((count) > 1 ? K(p[1]) : 0); \
    (void)p0, (void)p1
#define EACH_VECTOR for (size_t i = 0; i < n; i += (size_t)L)
#define LOAD(k) vload((const T *)in[k] + i)
#define STORE(v) vstore((T *)out + i, vcanon(v))

#define UNARY(name, params, ns, value, partial)       \
    KERNEL(map_##name)                                \
    {                                                 \
        PARAMS(params);                               \
        EACH_VECTOR                                   \
        {                                             \
            V x = LOAD(0);                            \
            STORE(value);                             \
        }                                             \
    }                                                 \
    KERNEL(vjp_##name)                                \
    {                                                 \
        PARAMS(params);                               \
        EACH_VECTOR                                   \
        {                                             \
            V ct = LOAD(0), x = LOAD(1), y = LOAD(2); \
            (void)x, (void)y;                         \
            STORE(vzmul(ct, partial));                \
        }                                             \
    }
#define BINARY_VJP(name, rule)                                     \
    KERNEL(name)                                                   \
    {                                                              \
        (void)p;                                                   \
        EACH_VECTOR                                                \
        {                                                          \
            V ct = LOAD(0), a = LOAD(1), b = LOAD(2), y = LOAD(3); \
            (void)a, (void)b, (void)y;                             \
            STORE(rule);                                           \
        }                                                          \
    }
#define BINARY_MAP(name, value)         \
    KERNEL(map_##name)                  \
    {                                   \
        (void)p;                        \
        EACH_VECTOR                     \
        {                               \
            V a = LOAD(0), b = LOAD(1); \
            STORE(value);               \
        }                               \
    }
#define BINARY(name, ns, value, partial_a, partial_b) \
    BINARY_MAP(name, value)                           \
    BINARY_VJP(vjp_##name##_a, vzmul(ct, partial_a))  \
    BINARY_VJP(vjp_##name##_b, vzmul(ct, partial_b))
#define LINEAR2(name, ns, value, vjp_a, vjp_b) \
    BINARY_MAP(name, value)                    \
    BINARY_VJP(vjp_##name##_a, vjp_a)          \
    BINARY_VJP(vjp_##name##_b, vjp_b)
#define STEP(name, ns, value) \
    KERNEL(map_##name)        \
    {                         \
        (void)p;              \
        EACH_VECTOR           \
        {                     \
            V x = LOAD(0);    \
            STORE(value);     \
        }                     \
    }
#define LINEAR1(name, ns, value, vjp) \
    STEP(name, ns, value)             \
    KERNEL(vjp_##name)                \
    {                                 \
        (void)p;                      \
        EACH_VECTOR                   \
        {                             \
            V ct = LOAD(0);           \
            STORE(vjp);               \
        }                             \
    }
#define TEST1(name, ns, mask)                     \
    KERNEL(map_##name)                            \
    {                                             \
        (void)p;                                  \
        EACH_VECTOR                               \
        {                                         \
            V x = LOAD(0);                        \
            vstorebool((uint8_t *)out + i, mask); \
        }                                         \
    }
#define TEST2(name, ns, mask)                     \
    KERNEL(map_##name)                            \
    {                                             \
        (void)p;                                  \
        EACH_VECTOR                               \
        {                                         \
            V a = LOAD(0), b = LOAD(1);           \
            vstorebool((uint8_t *)out + i, mask); \
        }                                         \
    }
#define WHERE(name, ns)                                                                      \
    KERNEL(map_##name)                                                                       \
    {                                                                                        \
        (void)p;                                                                             \
        EACH_VECTOR STORE(vselect(vloadbool((const uint8_t *)in[0] + i), LOAD(1), LOAD(2))); \
    }                                                                                        \
    KERNEL(vjp_##name##_a)                                                                   \
    {                                                                                        \
        (void)p;                                                                             \
        EACH_VECTOR STORE(vselect(vloadbool((const uint8_t *)in[1] + i), LOAD(0), vset(0))); \
    }                                                                                        \
    KERNEL(vjp_##name##_b)                                                                   \
    {                                                                                        \
        (void)p;                                                                             \
        EACH_VECTOR STORE(vselect(vloadbool((const uint8_t *)in[1] + i), vset(0), LOAD(0))); \
    }
#include "ops.def"

/* Bool rows have no dtype; made once, with the first. */
#if TG_REAL == 32
typedef uint8_t tg_bytes __attribute__((vector_size(TG_VBYTES)));
typedef uint8_t tg_bytesmem __attribute__((vector_size(TG_VBYTES), aligned(1), may_alias));
  #define EACH_BYTES for (size_t i = 0; i < n; i += TG_VBYTES)
  #define BYTES(k) ((tg_bytes) * (const tg_bytesmem *)((const uint8_t *)in[k] + i))
  #define STOREBYTES(v) (*(tg_bytesmem *)((uint8_t *)out + i) = (tg_bytesmem)(v))
  #define LOGIC1(name, ns, bytes)                                                         \
      static void map_##name(void *out, const void *const *in, const double *p, size_t n) \
      {                                                                                   \
          (void)p;                                                                        \
          EACH_BYTES                                                                      \
          {                                                                               \
              tg_bytes x = BYTES(0);                                                      \
              STOREBYTES(bytes);                                                          \
          }                                                                               \
      }
  #define LOGIC2(name, ns, bytes)                                                         \
      static void map_##name(void *out, const void *const *in, const double *p, size_t n) \
      {                                                                                   \
          (void)p;                                                                        \
          EACH_BYTES                                                                      \
          {                                                                               \
              tg_bytes a = BYTES(0), b = BYTES(1);                                        \
              STOREBYTES(bytes);                                                          \
          }                                                                               \
      }
  #include "ops.def"
  #undef EACH_BYTES
  #undef BYTES
  #undef STOREBYTES
#endif

static const tg_map_kernels FN(map_kernels) = {
    .map =
        {
#define ROW(name) [TG_MAP_##name] = FN(map_##name),
#define UNARY(name, ...) ROW(name)
#define BINARY(name, ...) ROW(name)
#define LINEAR1(name, ...) ROW(name)
#define LINEAR2(name, ...) ROW(name)
#define STEP(name, ...) ROW(name)
#define TEST1(name, ...) ROW(name)
#define TEST2(name, ...) ROW(name)
#define LOGIC1(name, ...) [TG_MAP_##name] = map_##name,
#define LOGIC2(name, ...) [TG_MAP_##name] = map_##name,
#define WHERE(name, ...) ROW(name)
#include "ops.def"
#undef ROW
        },
    .vjp =
        {
#define ROW2(name) [TG_MAP_##name] = {FN(vjp_##name##_a), FN(vjp_##name##_b)},
#define UNARY(name, ...) [TG_MAP_##name] = {FN(vjp_##name)},
#define LINEAR1(name, ...) [TG_MAP_##name] = {FN(vjp_##name)},
#define BINARY(name, ...) ROW2(name)
#define LINEAR2(name, ...) ROW2(name)
#define WHERE(name, ...) [TG_MAP_##name] = {NULL, FN(vjp_##name##_a), FN(vjp_##name##_b)},
#include "ops.def"
#undef ROW2
        },
};

#undef KERNEL
#undef PARAMS
#undef EACH_VECTOR
#undef LOAD
#undef STORE
#undef BINARY_VJP
#undef BINARY_MAP
