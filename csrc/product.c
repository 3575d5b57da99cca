/* product.c: products as steps of a program: shapes looked at once, and one elementwise row or vjp
 * that alone reads the product applied while it is in the cache. What one product cannot do (stacks
 * of matrices) goes to the row's own function, the elementwise kernel after it: the bits are the same. */
#include <stdlib.h>

#include "gemm.h"
#include "map.h"
#include "program.h"
#include "tensor.h"

struct tg_product {
    tg_gemm_args g;
    bool is_single, is_linear;
    uint32_t layouts[3]; /* of the operands when g was made; 0: not yet */
    tg_group_call
        after; /* op < 0: nothing follows. Codes: the step's inputs, then its output */
    int n_codes; /* inputs, those that only `after` reads among them */
    tg_map_use use;
    const void *act_in[TG_ACT_INPUTS];
};

void tg_product_free(tg_product *product) { free(product); }

/* Whether what follows reads values of the product's shape and dtype, in C order. */
static bool reads_alike(const tg_program *g, const tg_step *s, int n_codes,
                        const tg_group_call *after)
{
    const tg_tensor *out = &g->values[s->out[0]].own;
    for (int k = 0; k < after->n_in; ++k) {
        const int code = after->in[k];
        if (code < 0 || code == n_codes)
            continue;
        const tg_value *v = code < n_codes ? &g->values[s->in[code]] : NULL;
        if (!v || (v->role != TG_PLANNED && v->role != TG_OUTPUT) ||
            v->own.dtype != out->dtype || v->own.ndim != out->ndim ||
            memcmp(tg_shape(&v->own), tg_shape(out), out->ndim * sizeof *out->dims) != 0)
            return false;
    }
    return after->n_in <= TG_ACT_INPUTS && after->out == n_codes;
}

int tg_product_new(tg_program *g, tg_step *s, const tg_group_call *after)
{
    tg_product *p = calloc(1, sizeof *p);
    if (!p)
        return tg_fail_memory();
    s->product = p;
    p->is_linear = strcmp(tg_ops[s->op].name, "linear") == 0;
    p->after.op = -1;
    p->n_codes = s->n_in;
    if (!after)
        return TG_OK;
    s->n_in = tg_step_row_inputs(s);
    s->n_p = 0;
    const int dtype = g->values[s->out[0]].own.dtype;
    int dtypes[TG_ACT_INPUTS];
    for (int k = 0; k < after->n_in && k < TG_ACT_INPUTS; ++k)
        dtypes[k] = after->in[k] < 0 ? -1 : dtype;
    const int status = reads_alike(g, s, p->n_codes, after)
                           ? tg_map_find(&p->use, after->op, after->k, dtypes, after->n_in)
                           : TG_ENOKERNEL;
    if (status || p->use.out_dtype != dtype || p->use.n_params != after->n_params)
        return status == TG_EVALUE
                   ? status
                   : tg_fail(TG_EVALUE, "step %d: %s cannot follow a product like this",
                             (int)(s - g->steps), tg_ops[after->op].name);
    p->after = *after;
    return TG_OK;
}

/* Fold x's leading axes into rows, as far as matmul.c does: the order of arithmetic of a single row
 * is another. False: some do not fold. */
static bool fold_rows(tg_gemm_args *g, const tg_tensor *x)
{
    for (int d = x->ndim - 3; d >= 0; --d) {
        if ((g->m == 1 && g->n != 1) || tg_strides(x)[d] != (int64_t)g->m * g->a_row)
            return false;
        g->m *= (size_t)tg_shape(x)[d];
    }
    return true;
}

/* Whether the step is one product, as the row's function would check it; then the product. */
static bool prepare(tg_product *p, const tg_tensor *a, const tg_tensor *b,
                    const tg_tensor *bias)
{
    if (!tg_is_compute(a->dtype) || a->dtype != b->dtype || !a->ndim || !b->ndim)
        return false;
    p->g = tg_matrices(a, b);
    if (!p->is_linear)
        return a->ndim <= 2 && b->ndim <= 2 &&
               p->g.k == (size_t)tg_shape(b)[b->ndim > 1 ? b->ndim - 2 : 0];
    if (b->ndim != 2 || p->g.k != (size_t)tg_shape(b)[1])
        return false;
    p->g.n = (size_t)tg_shape(b)[0];
    p->g.b_row = tg_strides(b)[1];
    p->g.b_col = tg_strides(b)[0];
    p->g.c_row = (ptrdiff_t)p->g.n;
    if (bias) {
        if (bias->dtype != a->dtype || bias->ndim != 1 || tg_shape(bias)[0] != tg_shape(b)[0])
            return false;
        p->g.bias_col = tg_strides(bias)[0];
    }
    return fold_rows(&p->g, a);
}

/* Where this run's operands of what follows are; those that are not read: anything readable. */
static void bind_after(const tg_program *g, const tg_step *s, tg_product *p)
{
    if (p->after.op < 0)
        return;
    p->g.act = tg_map_kernel(&p->use, p->after.op, p->after.k);
    p->g.act_params = p->after.params;
    p->g.act_in = p->act_in;
    p->g.n_act = p->after.n_in;
    for (int k = 0; k < p->after.n_in; ++k) {
        const int code = p->after.in[k];
        p->act_in[k] = code < 0 || code == p->n_codes ? p->g.c : g->values[s->in[code]].t->data;
    }
}

/* In place, over the result of the row's own function. */
static void run_after(const tg_product *p, const tg_tensor *y)
{
    tg_gemm_args g = p->g;
    g.n = (size_t)y->size;
    g.c_row = (ptrdiff_t)g.n;
    g.c_col = 1;
    if (g.n && g.act)
        tg_gemm_act(y->dtype, &g, 0, 1, 0, g.n);
}

int tg_step_product(tg_program *g, tg_step *s)
{
    tg_product *p = s->product;
    bool same = true;
    for (int i = 0; i < s->n_in; ++i) {
        const uint32_t layout = g->values[s->in[i]].layout;
        same &= p->layouts[i] == layout;
        p->layouts[i] = layout;
    }
    const tg_value *out = &g->values[s->out[0]];
    const tg_tensor *a = g->values[s->in[0]].t, *b = g->values[s->in[1]].t;
    const tg_tensor *bias = s->n_in > 2 ? g->values[s->in[2]].t : NULL, *c = out->t;
    if (!same)
        p->is_single = out->role != TG_VIEW && prepare(p, a, b, bias) && c->dtype == a->dtype &&
                       (size_t)c->size == p->g.m * p->g.n;
    p->g.c = c->data;
    bind_after(g, s, p);
    if (!p->is_single || !s->is_settled) { /* the first time, for its checks */
        const int status = tg_step_run(g, s);
        if (status == TG_OK)
            run_after(p, c);
        return status;
    }
    p->g.a = a->data;
    p->g.b = b->data;
    p->g.bias = bias ? bias->data : NULL;
    if (!c->size)
        return TG_OK;
    return tg_gemm(a->dtype, &p->g) == TG_OK ? TG_OK : tg_fail_memory();
}
