/* map.c: the elementwise rows of ops.def as ops on tensors: which kernel, which operands, which
 * dtypes. Layouts and threads are blocks.c's. */
#include "map.h"

#include "blocks.h"

enum {
    MAX_PARAMS = 2,
    CHUNK = 16 * TG_BLOCK, /* elements a thread casts at a time */
};

/* --- what ops.def says about a row -------------------------------------------------------- */
enum kind { FLOATS, TEST, LOGIC, CHOICE };

typedef struct row {
    enum kind kind;
    int n_in, n_params;
    double ns; /* per float32 element */
    const char *rules[2]; /* the partials' text */
} row;

#define UNARY(name, params, ns, value, partial) {FLOATS, 1, params, ns, {#partial, ""}},
#define BINARY(name, ns, value, partial_a, partial_b) \
    {FLOATS, 2, 0, ns, {#partial_a, #partial_b}},
#define LINEAR1(name, ns, value, rule) {FLOATS, 1, 0, ns, {#rule, ""}},
#define LINEAR2(name, ns, value, rule_a, rule_b) {FLOATS, 2, 0, ns, {#rule_a, #rule_b}},
#define STEP(name, ns, value) {FLOATS, 1, 0, ns, {"", ""}},
#define TEST1(name, ns, mask) {TEST, 1, 0, ns, {"", ""}},
#define TEST2(name, ns, mask) {TEST, 2, 0, ns, {"", ""}},
#define LOGIC1(name, ns, bytes) {LOGIC, 1, 0, ns, {"", ""}},
#define LOGIC2(name, ns, bytes) {LOGIC, 2, 0, ns, {"", ""}},
#define WHERE(name, ns) {CHOICE, 3, 0, ns, {"", ""}},
static const row rows[TG_N_MAP] = {
#include "ops.def"
};

/* What the vjp kernel for an input reads besides ct, found in the text of its rule so that
 * ops.def says it once: bit i for the row's input i, bit n_in for its output. */
static uint8_t reads[TG_N_MAP][TG_MAP_INPUTS];

static bool is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static bool mentions(const char *text, char name)
{
    for (const char *c = text; *c; ++c)
        if (*c == name && (c == text || !is_word(c[-1])) && !is_word(c[1]))
            return true;
    return false;
}

__attribute__((constructor)) static void find_reads(void)
{
    for (int op = 0; op < TG_N_MAP; ++op)
        for (int k = 0; k < TG_MAP_INPUTS; ++k) {
            const row *r = &rows[op];
            const char *rule = k < 2 ? r->rules[k] : "";
            if (r->kind == CHOICE)
                reads[op][k] = 1;
            else if (r->n_in == 1)
                reads[op][k] = (uint8_t)(mentions(rule, 'x') | mentions(rule, 'y') << 1);
            else
                reads[op][k] = (uint8_t)(mentions(rule, 'a') | mentions(rule, 'b') << 1 |
                                         mentions(rule, 'y') << 2);
        }
}

/* The compute dtype of operands that are NULL where absent, or -1. mask_at: the bool operand. */
static int dtype_of(tg_tensor *const *in, int n_in, int mask_at)
{
    int dtype = -1;
    for (int k = 0; k < n_in; ++k) {
        if (!in[k])
            continue;
        if (k == mask_at) {
            if (in[k]->dtype != TG_BOOL)
                return -1;
        } else if (dtype < 0)
            dtype = in[k]->dtype;
        else if (dtype != in[k]->dtype)
            return -1;
    }
    return dtype;
}

static void read_params(double *values, const int64_t *p, int n_p)
{
    for (int i = 0; i < n_p; ++i)
        values[i] = tg_param_double(p[i]);
}

int tg_run_map(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
               const int64_t *p, int n_p)
{
    const row *r = &rows[op->id];
    if (n_in != r->n_in || n_p != r->n_params)
        return tg_fail(TG_EVALUE, "%s takes %d operands and %d params, got %d and %d", op->name,
                       r->n_in, r->n_params, n_in, n_p);
    const int dtype = dtype_of(in, n_in, r->kind == CHOICE ? 0 : -1);
    if (dtype == TG_I64 && tg_isa->integers[op->id])
        return tg_run_blocks(tg_isa->integers[op->id], 0.2, out, NULL,
                             r->kind == TEST ? TG_BOOL : TG_I64, TG_PAD / sizeof(int64_t), in,
                             n_in, NULL);
    if (r->kind == LOGIC ? dtype != TG_BOOL : dtype != TG_F32 && dtype != TG_F64)
        return TG_ENOKERNEL;
    double values[MAX_PARAMS];
    read_params(values, p, n_p);
    const int index = r->kind == LOGIC ? TG_F32 : dtype;
    return tg_run_blocks(tg_isa->map[index]->map[op->id], r->ns, out, NULL,
                         r->kind == FLOATS || r->kind == CHOICE ? dtype : TG_BOOL,
                         r->kind == LOGIC ? 64 : TG_PAD / tg_itemsize(dtype), in, n_in, values);
}

uint32_t tg_map_reads(int op, int k) { return reads[op][k]; }

bool tg_map_is_cheap(int op) { return rows[op].ns <= TG_CHEAP_NS; }

int tg_map_vjp(int op, int k, tg_tensor **out, tg_tensor *place, tg_tensor *ct,
               tg_tensor *const *in, tg_tensor *y, const int64_t *p, int n_p)
{
    const row *r = &rows[op];
    if (!tg_is_compute(ct->dtype) || n_p != r->n_params)
        return TG_ENOKERNEL;
    tg_map_fn *kernel = tg_isa->map[ct->dtype]->vjp[op][k];
    if (!kernel)
        return TG_ENOKERNEL;
    if (r->kind != CHOICE && strcmp(r->rules[k], "ct") == 0) {
        *out = tg_hold(ct);
        return TG_OK;
    }
    tg_tensor *operands[TG_MAX_OPERANDS] = {ct};
    for (int i = 0; i <= r->n_in; ++i)
        if (reads[op][k] >> i & 1) {
            operands[1 + i] = i < r->n_in ? in[i] : y;
            if (!operands[1 + i])
                return tg_fail(TG_ERELEASED, "the vjp of %s needs a value that was not kept",
                               tg_ops[op].name);
        }
    if (dtype_of(operands, r->n_in + 2, r->kind == CHOICE ? 1 : -1) != ct->dtype)
        return TG_ENOKERNEL;
    double values[MAX_PARAMS];
    read_params(values, p, n_p);
    return tg_run_blocks(kernel, r->ns, out, place, ct->dtype, TG_PAD / tg_itemsize(ct->dtype),
                         operands, r->n_in + 2, values);
}

/* --- for programs ------------------------------------------------------------------------- */

int tg_map_find(tg_map_use *use, int op, int k, const int *dtypes, int n)
{
    if (op < 0 || op >= TG_N_MAP || k >= TG_MAP_INPUTS)
        return tg_fail(TG_EVALUE, "op %d is no elementwise row", op);
    const row *r = &rows[op];
    const int wanted = k < 0 ? r->n_in : r->n_in + 2;
    if (n != wanted)
        return tg_fail(TG_EVALUE, "%s takes %d operands, got %d", tg_ops[op].name, wanted, n);
    for (int i = 0; i < n; ++i)
        if (dtypes[i] < 0 && (k < 0 || i == 0 || reads[op][k] >> (i - 1) & 1))
            return tg_fail(TG_EVALUE, "%s reads operand %d", tg_ops[op].name, i);
    const int mask_at = r->kind == CHOICE ? k >= 0 : -1;
    int dtype = -1;
    bool fits = true;
    for (int i = 0; i < n; ++i) {
        if (dtypes[i] < 0 || (k >= 0 && i > 0 && !(reads[op][k] >> (i - 1) & 1)))
            continue;
        if (i == mask_at)
            fits &= dtypes[i] == TG_BOOL;
        else if (dtype < 0)
            dtype = dtypes[i];
        else
            fits &= dtypes[i] == dtype;
    }
    const bool is_logic = r->kind == LOGIC;
    if (!fits || (is_logic ? dtype != TG_BOOL : !tg_is_compute(dtype)))
        return TG_ENOKERNEL;
    use->dtype = is_logic ? TG_F32 : dtype;
    use->out_dtype = r->kind == TEST || is_logic ? TG_BOOL : dtype;
    use->n_params = r->n_params;
    use->lanes = is_logic ? TG_PAD : TG_PAD / tg_itemsize(dtype);
    use->ns = r->ns;
    return tg_map_kernel(use, op, k) ? TG_OK : TG_ENOKERNEL;
}

tg_map_fn *tg_map_kernel(const tg_map_use *use, int op, int k)
{
    const tg_map_kernels *kernels = tg_isa->map[use->dtype];
    return k < 0 ? kernels->map[op] : kernels->vjp[op][k];
}

/* --- casts -------------------------------------------------------------------------------- */
typedef struct cast {
    tg_cast_fn *kernel;
    const char *in;
    char *out;
    size_t in_item, out_item, n;
} cast;

static void cast_chunk(void *context, size_t chunk)
{
    const cast *c = context;
    const size_t first = chunk * CHUNK;
    c->kernel(c->out + first * c->out_item, c->in + first * c->in_item,
              c->n - first < CHUNK ? c->n - first : CHUNK);
}

/* p: dtype. */
int op_astype(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p)
{
    (void)op, (void)n_in;
    const int to = n_p == 1 && p[0] >= 0 && p[0] < TG_N_DTYPES ? (int)p[0] : -1;
    tg_cast_fn *kernel = to < 0 ? NULL : tg_isa->cast[to][in[0]->dtype];
    if (!kernel)
        return TG_ENOKERNEL;
    tg_tensor *x = tg_contiguous(in[0]);
    if (!x)
        return TG_EMEMORY;
    *out = tg_new(to, x->ndim, tg_shape(x));
    if (*out) {
        cast c = {kernel,          x->data,        (*out)->data, tg_itemsize(x->dtype),
                  tg_itemsize(to), (size_t)x->size};
        const double cost = (double)c.n * 0.2;
        void *lock = tg_unlock(cost);
        tg_parallel((c.n + CHUNK - 1) / CHUNK, cost, cast_chunk, &c);
        tg_relock(lock);
    }
    tg_drop(x);
    return *out ? TG_OK : TG_EMEMORY;
}
