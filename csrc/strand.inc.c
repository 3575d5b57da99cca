/* strand.inc.c: the code of strands (strand.h) for one ISA and dtype: a function for each cheap row
 * of ops.def and form, over eight vectors that are arguments, so in registers, and a jump to the
 * next. Nans stay as the arithmetic leaves them: no cheap row's numbers depend on a nan's sign or
 * payload, and `store` makes them the kernels' one nan. */
#define ARGUMENTS                                                                              \
    const tg_strand_op *c, const tg_place *places, const double *params, size_t i, V v0, V v1, \
        V v2, V v3, V v4, V v5, V v6, V v7
typedef void FN(strand_fn)(ARGUMENTS);
#define NEXT                                                                             \
    ((FN(strand_fn) *)c[1].fn)(c + 1, places, params, i, v0, v1, v2, v3, v4, v5, v6, v7)

/* Element i of at[k], in elements of that size. */
#define AT(k, size) (places[c->at[k]].at + (size) * (i & -places[c->at[k]].step))
#define FLOATS(k) ((T *)(void *)AT(k, sizeof(T)))
#define BYTES(k) ((uint8_t *)(void *)AT(k, 1))

/* For each vector v, whose elements begin at FROM: its operands, then what is done with a value
 * of them. */
#define LANE(j, v, lets, action, value) \
    {                                   \
        enum { FROM = (j) * L };        \
        lets(v) action(v, value);       \
    }
#define LANES8(lets, action, value)  \
    LANE(0, v0, lets, action, value) \
    LANE(1, v1, lets, action, value) \
    LANE(2, v2, lets, action, value) \
    LANE(3, v3, lets, action, value) \
    LANE(4, v4, lets, action, value) \
    LANE(5, v5, lets, action, value) \
    LANE(6, v6, lets, action, value) \
    LANE(7, v7, lets, action, value)

#define SET(v, value) v = (value)
#define TELL(v, mask) vstorebool(to + FROM, mask)
#define PUT(v, value) vstore(to + FROM, value)

#define NOTHING(v)
#define LET(name, value)    \
    const V name = (value); \
    (void)name;
#define FROM_MEMORY(k) vload(m##k + FROM)
#define LET_X(v) LET(x, v)
#define LET_A(v) LET(a, v) LET(b, FROM_MEMORY(0))
#define LET_B(v) LET(b, v) LET(a, FROM_MEMORY(0))
#define LET_A1(v) LET(a, v) LET(b, once)
#define LET_B1(v) LET(b, v) LET(a, once)
#define LET_AB(v) LET(a, v) LET(b, v)
#define LET_VJP1(v) LET(ct, v) LET(x, FROM_MEMORY(0)) LET(y, FROM_MEMORY(1))
#define LET_VJP2(v)                                                                 \
    LET(ct, v) LET(a, FROM_MEMORY(0)) LET(b, FROM_MEMORY(1)) LET(y, FROM_MEMORY(2))
#define LET_READ1(v) LET(ct, FROM_MEMORY(0)) LET(x, v) LET(y, v)
#define LET_READ2(v) LET(ct, FROM_MEMORY(0)) LET(a, v) LET(b, v) LET(y, v)
#define LET_MASK const M mask = vloadbool(mask_at + FROM);
#define LET_CHOICE_A(v) LET_MASK LET(a, v) LET(b, FROM_MEMORY(1))
#define LET_CHOICE_B(v) LET_MASK LET(b, v) LET(a, FROM_MEMORY(1))
#define LET_CHOICE_VJP(v) LET_MASK LET(ct, v)

/* Of rows that are not cheap nothing is left: no table names these functions then. */
#define CODE(name, ns, inputs, lets, action, value)                                      \
    static void FN(strand_##name)(ARGUMENTS)                                             \
    {                                                                                    \
        if ((ns) <= TG_CHEAP_NS) {                                                       \
            const double *const p = params + c->params;                                  \
            const T *const m0 = FLOATS(0), *const m1 = FLOATS(1), *const m2 = FLOATS(2); \
            const V p0 = vset(K(p[0])), p1 = vset(K(p[1]));                              \
            (void)m0, (void)m1, (void)m2, (void)p0, (void)p1;                            \
            inputs LANES8(lets, action, value)                                           \
        }                                                                                \
        NEXT;                                                                            \
    }
#define TO_BYTES uint8_t *const to = BYTES(2);
#define MASK const uint8_t *const mask_at = BYTES(0);
#define ROW1(name, ns, value) CODE(name##_a, ns, , LET_X, SET, value)
#define ONCE const V once = vload(m0);
#define ROW2(name, ns, value)                     \
    CODE(name##_a1, ns, ONCE, LET_A1, SET, value) \
    CODE(name##_b1, ns, ONCE, LET_B1, SET, value) \
    CODE(name##_a, ns, , LET_A, SET, value)       \
    CODE(name##_b, ns, , LET_B, SET, value)       \
    CODE(name##_ab, ns, , LET_AB, SET, value)
#define VJP1(name, ns, rule)                      \
    CODE(name##_vjp, ns, , LET_VJP1, SET, rule)   \
    CODE(name##_read, ns, , LET_READ1, SET, rule)
#define VJP2(name, ns, rule)                      \
    CODE(name##_vjp, ns, , LET_VJP2, SET, rule)   \
    CODE(name##_read, ns, , LET_READ2, SET, rule)

#define UNARY(name, params, ns, value, partial)              \
    ROW1(name, ns, value) VJP1(name, ns, vzmul(ct, partial))
#define BINARY(name, ns, value, partial_a, partial_b) \
    ROW2(name, ns, value)                             \
    VJP2(name##_0, ns, vzmul(ct, partial_a))          \
    VJP2(name##_1, ns, vzmul(ct, partial_b))
#define LINEAR1(name, ns, value, rule) ROW1(name, ns, value) VJP1(name, ns, rule)
#define LINEAR2(name, ns, value, rule_a, rule_b)                                \
    ROW2(name, ns, value) VJP2(name##_0, ns, rule_a) VJP2(name##_1, ns, rule_b)
#define STEP(name, ns, value) ROW1(name, ns, value)
#define TEST1(name, ns, mask) CODE(name##_a, ns, TO_BYTES, LET_X, TELL, mask)
#define TEST2(name, ns, mask)                       \
    CODE(name##_a, ns, TO_BYTES, LET_A, TELL, mask) \
    CODE(name##_b, ns, TO_BYTES, LET_B, TELL, mask)
#define WHERE(name, ns)                                                           \
    CODE(name##_a, ns, MASK, LET_CHOICE_A, SET, vselect(mask, a, b))              \
    CODE(name##_b, ns, MASK, LET_CHOICE_B, SET, vselect(mask, a, b))              \
    CODE(name##_1_vjp, ns, MASK, LET_CHOICE_VJP, SET, vselect(mask, ct, vset(0))) \
    CODE(name##_2_vjp, ns, MASK, LET_CHOICE_VJP, SET, vselect(mask, vset(0), ct))
#include "ops.def"

static void FN(strand_load)(ARGUMENTS)
{
    const T *const m0 = FLOATS(0);
    LANES8(NOTHING, SET, FROM_MEMORY(0))
    NEXT;
}
static void FN(strand_keep)(ARGUMENTS)
{
    T *const to = FLOATS(0);
    LANES8(LET_X, PUT, x)
    NEXT;
}
static void FN(strand_store)(ARGUMENTS)
{
    T *const to = FLOATS(0);
    LANES8(LET_X, PUT, vcanon(x))
    NEXT;
}
static void FN(strand_end)(ARGUMENTS)
{
    (void)c, (void)places, (void)params, (void)i, (void)v0, (void)v1, (void)v2, (void)v3;
    (void)v4, (void)v5, (void)v6, (void)v7;
}

static void FN(strand_run)(const tg_strand_op *c, const tg_place *places, const double *params,
                           size_t n)
{
    const V v = vset(0);
    for (size_t i = 0; i < n; i += 8 * (size_t)L)
        ((FN(strand_fn) *)c->fn)(c, places, params, i, v, v, v, v, v, v, v, v);
}

static const tg_strand_kernels FN(strand_kernels) = {
    .run = FN(strand_run),
    .load = (tg_strand_fn *)FN(strand_load),
    .keep = (tg_strand_fn *)FN(strand_keep),
    .store = (tg_strand_fn *)FN(strand_store),
    .end = (tg_strand_fn *)FN(strand_end),
    .rows =
        {
#define IN(row, form, ns, name) \
    [TG_MAP_##row][TG_##form] = (ns) <= TG_CHEAP_NS ? (tg_strand_fn *)FN(strand_##name) : NULL,
#define IN1(name, ns) IN(name, ROW_A, ns, name##_a)
#define IN2(name, ns)                                               \
    IN1(name, ns)                                                   \
    IN(name, ROW_B, ns, name##_b)                                   \
    IN(name, ROW_AB, ns, name##_ab)                                 \
    IN(name, ROW_A1, ns, name##_a1) IN(name, ROW_B1, ns, name##_b1)
#define IN_VJP1(name, ns)                                                   \
    IN(name, FORM_VJP, ns, name##_vjp) IN(name, FORM_READ, ns, name##_read)
#define IN_VJP2(name, ns)                      \
    IN(name, FORM_VJP, ns, name##_0_vjp)       \
    IN(name, FORM_VJP + 1, ns, name##_1_vjp)   \
    IN(name, FORM_READ, ns, name##_0_read)     \
    IN(name, FORM_READ + 1, ns, name##_1_read)
#define UNARY(name, params, ns, ...) IN1(name, ns) IN_VJP1(name, ns)
#define BINARY(name, ns, ...) IN2(name, ns) IN_VJP2(name, ns)
#define LINEAR1(name, ns, ...) IN1(name, ns) IN_VJP1(name, ns)
#define LINEAR2(name, ns, ...) IN2(name, ns) IN_VJP2(name, ns)
#define STEP(name, ns, ...) IN1(name, ns)
#define TEST1(name, ns, ...) IN1(name, ns)
#define TEST2(name, ns, ...) IN1(name, ns) IN(name, ROW_B, ns, name##_b)
#define WHERE(name, ns)                                                               \
    IN1(name, ns)                                                                     \
    IN(name, ROW_B, ns, name##_b)                                                     \
    IN(name, FORM_VJP + 1, ns, name##_1_vjp) IN(name, FORM_VJP + 2, ns, name##_2_vjp)
#include "ops.def"
        },
};

#undef ARGUMENTS
#undef NEXT
#undef AT
#undef FLOATS
#undef BYTES
#undef LANE
#undef LANES8
#undef SET
#undef TELL
#undef PUT
#undef NOTHING
#undef LET
#undef FROM_MEMORY
#undef LET_X
#undef LET_A
#undef LET_B
#undef LET_A1
#undef LET_B1
#undef LET_AB
#undef LET_VJP1
#undef LET_VJP2
#undef LET_READ1
#undef LET_READ2
#undef LET_MASK
#undef LET_CHOICE_A
#undef LET_CHOICE_B
#undef LET_CHOICE_VJP
#undef CODE
#undef ONCE
#undef TO_BYTES
#undef MASK
#undef ROW1
#undef ROW2
#undef VJP1
#undef VJP2
#undef IN
#undef IN1
#undef IN2
#undef IN_VJP1
#undef IN_VJP2
