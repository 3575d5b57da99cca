/* linear.c: products as steps of a program: shapes looked at once, bias and activation applied while
 * the tile is at hand. What one product cannot do (stacks of matrices) goes to the row's own
 * function, the activation after it: the bits are the same. */
#include <stdlib.h>

#include "gemm.h"
#include "map.h"
#include "operand.h"
#include "program.h"
#include "tensor.h"

enum { MAX_PARAMS = 2 };

struct tg_product {
    tg_gemm_args g;
    bool is_single, is_linear;
    uint32_t layouts[3]; /* of the operands when g was made; 0: not yet */
    int activation; /* a row; -1: none */
    tg_map_use use;
    double params[MAX_PARAMS];
};

void tg_product_free(tg_product *product) { free(product); }

int tg_product_new(tg_program *g, tg_step *s, int activation, const double *params,
                   int n_params)
{
    tg_product *p = calloc(1, sizeof *p);
    if (!p)
        return tg_fail_memory();
    s->product = p;
    p->is_linear = strcmp(tg_ops[s->op].name, "linear") == 0;
    p->activation = activation;
    if (activation < 0)
        return TG_OK;
    const int dtype = g->values[s->out[0]].own.dtype;
    const int status = tg_map_find(&p->use, activation, -1, &dtype, 1);
    if (status || p->use.out_dtype != dtype || p->use.n_params != n_params)
        return status == TG_EVALUE ? status : tg_fail(TG_EVALUE, "linear: no such activation");
    memcpy(p->params, params, (size_t)n_params * sizeof *params);
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

/* In place, over the result of the row's own function. */
static void activate(const tg_product *p, const tg_tensor *y)
{
    enum { PART = TG_PAD };
    tg_map_fn *kernel = tg_map_kernel(&p->use, p->activation, -1);
    const size_t item = tg_itemsize(y->dtype), n = (size_t)y->size;
    const size_t whole = n / (PART / item) * (PART / item);
    const size_t step[] = {1};
    if (whole)
        kernel(y->data, (const void *const[]){y->data}, step, p->params, whole);
    if (whole < n) {
        _Alignas(TG_PAD) char last[PART];
        char *at = y->data + whole * item;
        tg_fill_lanes(last, at, n - whole, item, PART);
        kernel(last, (const void *const[]){last}, step, p->params, n - whole);
        memcpy(at, last, (n - whole) * item);
    }
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
    if (!p->is_single || !s->is_settled) { /* the first time, for its checks */
        const int status = tg_step_run(g, s);
        if (status == TG_OK && p->activation >= 0)
            activate(p, c);
        return status;
    }
    p->g.a = a->data;
    p->g.b = b->data;
    p->g.c = c->data;
    p->g.bias = bias ? bias->data : NULL;
    if (p->activation >= 0) {
        p->g.act = tg_map_kernel(&p->use, p->activation, -1);
        p->g.act_params = p->params;
    }
    if (!c->size)
        return TG_OK;
    return tg_gemm(a->dtype, &p->g) == TG_OK ? TG_OK : tg_fail_memory();
}
