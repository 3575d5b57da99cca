/* scalar.inc.c: the interpreter of scalar.h for one dtype, over the low lane of vectors of the
 * baseline ISA: rows have the same bits on every ISA. Nans stay as the arithmetic leaves them: no
 * cheap row's numbers depend on a nan's sign or payload; calls and outputs get the one nan. */

static inline T FN(canonical)(T x) { return x == x ? x : K(__builtin_nan("")); }

/* The value of the slot that word k names. */
#define SLOT(k) ((V){slots[c[k]]})
#define NEXT(words)         \
    do {                    \
        c += (words);       \
        goto *labels[c[0]]; \
    } while (0)

#define ADD(a, b) ((a) + (b))
#define SUBTRACT(a, b) ((a) - (b))
#define MULTIPLY(a, b) ((a) * (b))
#define ZMUL(a, b) vzmul(a, b)

/* One of two or three: its words begin at `at`; a is `held` if is_held. */
#define PUT(row, is_held, at)                             \
    {                                                     \
        const V b = SLOT((at) + 1);                       \
        held = row((is_held) ? held : SLOT((at) + 2), b); \
        slots[c[at]] = held[0];                           \
    }
#define TWO(row1, row2, f2)  \
    two_##row1##_##row2##f2: \
    {                        \
        V held;              \
        PUT(row1, 0, 1)      \
        PUT(row2, f2, 4)     \
        NEXT(7 - f2);        \
    }
#define THREE(row1, row2, f2, row3, f3)     \
    three_##row1##_##row2##f2##_##row3##f3: \
    {                                       \
        V held;                             \
        PUT(row1, 0, 1)                     \
        PUT(row2, f2, 4)                    \
        PUT(row3, f3, 7 - f2)               \
        NEXT(10 - f2 - f3);                 \
    }
/* For every second, or third: the same text twice, since a macro does not expand in itself. */
// clang-format off: a table
#define SECONDS(X, ...)                                              \
    X(__VA_ARGS__, ADD, 0)      X(__VA_ARGS__, ADD, 1)              \
    X(__VA_ARGS__, SUBTRACT, 0) X(__VA_ARGS__, SUBTRACT, 1)         \
    X(__VA_ARGS__, MULTIPLY, 0) X(__VA_ARGS__, MULTIPLY, 1)         \
    X(__VA_ARGS__, ZMUL, 0)     X(__VA_ARGS__, ZMUL, 1)
#define THIRDS(X, ...)                                              \
    X(__VA_ARGS__, ADD, 0)      X(__VA_ARGS__, ADD, 1)              \
    X(__VA_ARGS__, SUBTRACT, 0) X(__VA_ARGS__, SUBTRACT, 1)         \
    X(__VA_ARGS__, MULTIPLY, 0) X(__VA_ARGS__, MULTIPLY, 1)         \
    X(__VA_ARGS__, ZMUL, 0)     X(__VA_ARGS__, ZMUL, 1)
// clang-format on
#define FIRSTS(X) X(ADD) X(SUBTRACT) X(MULTIPLY) X(ZMUL)

/* A row alone: its words are out, up to four operands, params. */
#define ROW(name, ns, lets, value)                                     \
    row_##name:                                                        \
    {                                                                  \
        const double *const p = g->params + c[6];                      \
        const V p0 = vset(K(p[0])), p1 = vset(K(p[1]));                \
        (void)p0, (void)p1;                                            \
        lets const V result = (ns) <= TG_CHEAP_NS ? (value) : vset(0); \
        slots[c[1]] = result[0];                                       \
        NEXT(7);                                                       \
    }
#define LET(name, k)        \
    const V name = SLOT(k); \
    (void)name;

/* What kernels want of an operand: whole vectors. Bools fill their slot. */
static void FN(call)(const tg_group *g, T *slots, size_t i)
{
    static const size_t step[] = {1, 1, 1, 1};
    const tg_instruction *c = &g->code[i];
    _Alignas(TG_PAD) T values[5][TG_PAD / sizeof(T)];
    const void *in[4];
    for (int k = 0; k < 4; ++k) {
        const T value = FN(canonical)(slots[c->in[k]]);
        for (size_t lane = 0; lane < TG_PAD / sizeof(T); ++lane)
            values[k][lane] = value;
        in[k] = values[k];
    }
    c->kernel(values[4], in, step, g->params + c->params, 1);
    if (g->rows[i].gives_bool)
        memset(&slots[c->out], *(const uint8_t *)values[4], sizeof(T));
    else
        slots[c->out] = values[4][0];
}

static void FN(run)(const tg_group *g, T *slots)
{
    static const void *const labels[TG_SCALAR_WORDS] = {[TG_SCALAR_END] = &&end,
                                                        [TG_SCALAR_CALL] = &&call,
#define AT1(name) [TG_SCALAR_ROW + TG_MAP_##name] = &&row_##name,
#define AT_VJP(name, k)                                                          \
    [TG_SCALAR_VJP + TG_MAP_INPUTS * TG_MAP_##name + k] = &&row_##name##_vjp##k,
#define UNARY(name, ...) AT1(name) AT_VJP(name, 0)
#define BINARY(name, ...) AT1(name) AT_VJP(name, 0) AT_VJP(name, 1)
#define LINEAR1(name, ...) AT1(name) AT_VJP(name, 0)
#define LINEAR2(name, ...) AT1(name) AT_VJP(name, 0) AT_VJP(name, 1)
#define STEP(name, ...) AT1(name)
#include "ops.def"
#define AT2(row1, row2, f2)                                              \
    [TG_SCALAR_TWO + 8 * TG_SCALAR_##row1 + 2 * TG_SCALAR_##row2 + f2] = \
        &&two_##row1##_##row2##f2,
#define AT3(row1, row2, f2, row3, f3)                                            \
    [TG_SCALAR_THREE + 64 * TG_SCALAR_##row1 + 8 * (2 * TG_SCALAR_##row2 + f2) + \
        2 * TG_SCALAR_##row3 +                                                   \
        f3] = &&three_##row1##_##row2##f2##_##row3##f3,
#define ALL_AT2(row1) SECONDS(AT2, row1)
#define AT3_OF(row1, row2, f2) THIRDS(AT3, row1, row2, f2)
#define ALL_AT3(row1) SECONDS(AT3_OF, row1)
                                                        FIRSTS(ALL_AT2) FIRSTS(ALL_AT3)};
    const uint32_t *c = g->scalar_code;
    goto *labels[c[0]];

#define ALL_TWO(row1) SECONDS(TWO, row1)
#define THREE_OF(row1, row2, f2) THIRDS(THREE, row1, row2, f2)
#define ALL_THREE(row1) SECONDS(THREE_OF, row1)
    FIRSTS(ALL_TWO)
    FIRSTS(ALL_THREE)

#define LETS1 LET(x, 2)
#define LETS2 LET(a, 2) LET(b, 3)
#define VJP1(name, ns, rule) ROW(name##_vjp0, ns, LET(ct, 2) LET(x, 3) LET(y, 4), rule)
#define VJP2(name, k, ns, rule)                                            \
    ROW(name##_vjp##k, ns, LET(ct, 2) LET(a, 3) LET(b, 4) LET(y, 5), rule)
#define UNARY(name, params, ns, value, partial)                    \
    ROW(name, ns, LETS1, value) VJP1(name, ns, vzmul(ct, partial))
#define BINARY(name, ns, value, partial_a, partial_b) \
    ROW(name, ns, LETS2, value)                       \
    VJP2(name, 0, ns, vzmul(ct, partial_a))           \
    VJP2(name, 1, ns, vzmul(ct, partial_b))
#define LINEAR1(name, ns, value, rule) ROW(name, ns, LETS1, value) VJP1(name, ns, rule)
#define LINEAR2(name, ns, value, rule_a, rule_b)                                    \
    ROW(name, ns, LETS2, value) VJP2(name, 0, ns, rule_a) VJP2(name, 1, ns, rule_b)
#define STEP(name, ns, value) ROW(name, ns, LETS1, value)
#include "ops.def"

call:
    FN(call)(g, slots, c[1]);
    NEXT(2);
end:;
}

#undef SLOT
#undef NEXT
#undef ADD
#undef SUBTRACT
#undef MULTIPLY
#undef ZMUL
#undef PUT
#undef TWO
#undef THREE
#undef SECONDS
#undef THIRDS
#undef FIRSTS
#undef ROW
#undef LET
#undef AT1
#undef AT_VJP
#undef AT2
#undef AT3
#undef ALL_AT2
#undef AT3_OF
#undef ALL_AT3
#undef ALL_TWO
#undef THREE_OF
#undef ALL_THREE
#undef LETS1
#undef LETS2
#undef VJP1
#undef VJP2

/* The group's inputs, then the code, then its outputs. */
static void FN(scalar_run)(const tg_group *g, T *slots)
{
    for (int i = 0; i < g->n_in; ++i) {
        const tg_operand *o = &g->ends[i].operand;
        if (o->item == sizeof(T))
            memcpy(&slots[i], o->data, sizeof(T));
        else
            memset(&slots[i], *o->data, sizeof(T));
    }
    slots[tg_group_places(g) - 1] = 0;
    FN(run)(g, slots);
    for (int i = g->n_in; i < g->n_in + g->n_out; ++i) {
        const T value = FN(canonical)(slots[i]);
        memcpy(g->ends[i].data, &value, g->ends[i].item);
    }
}
