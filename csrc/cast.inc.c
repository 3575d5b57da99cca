/* cast.inc.c: conversions between f32, f64, i32, i64, u8 and bool, for one ISA: plain loops that
 * the compiler vectorises. C leaves float to integer undefined out of range; here it is x86's
 * answer on every ISA: the lowest value. */
#define TG_CASTS_TO(CAST, to, to_t)  \
    CAST(to, to_t, TG_F32, float)    \
    CAST(to, to_t, TG_F64, double)   \
    CAST(to, to_t, TG_I32, int32_t)  \
    CAST(to, to_t, TG_I64, int64_t)  \
    CAST(to, to_t, TG_U8, uint8_t)   \
    CAST(to, to_t, TG_BOOL, uint8_t)
#define TG_CASTS(CAST)                  \
    TG_CASTS_TO(CAST, TG_F32, float)    \
    TG_CASTS_TO(CAST, TG_F64, double)   \
    TG_CASTS_TO(CAST, TG_I32, int32_t)  \
    TG_CASTS_TO(CAST, TG_I64, int64_t)  \
    TG_CASTS_TO(CAST, TG_U8, uint8_t)   \
    TG_CASTS_TO(CAST, TG_BOOL, uint8_t)

VFN int32_t to_i32(double x) { return x >= -0x1p31 && x < 0x1p31 ? (int32_t)x : INT32_MIN; }
VFN int64_t to_i64(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }

#define TO_TG_F32(x) ((float)(x))
#define TO_TG_F64(x) ((double)(x))
#define TO_TG_I32(x) _Generic((x), float: to_i32(x), double: to_i32(x), default: (int32_t)(x))
#define TO_TG_I64(x) _Generic((x), float: to_i64(x), double: to_i64(x), default: (int64_t)(x))
#define TO_TG_U8(x) ((uint8_t)TO_TG_I32(x))
#define TO_TG_BOOL(x) ((x) != 0)

#define CAST(to, to_t, from, from_t)                                    \
    static void cast_##to##_##from(void *out, const void *in, size_t n) \
    {                                                                   \
        to_t *restrict o = out;                                         \
        const from_t *restrict x = in;                                  \
        for (size_t i = 0; i < n; ++i)                                  \
            o[i] = (to_t)TO_##to(x[i]);                                 \
    }
TG_CASTS(CAST)
#undef CAST
