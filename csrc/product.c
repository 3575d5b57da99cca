/* product.c: products as steps of a program: shapes looked at once; one elementwise row or vjp that
 * alone reads the product applied, and the columns of the result folded, while they are in the
 * cache. A sum with another array is formed in the tiles. The result may lie in the very place
 * of what is added to it, or of what the row that follows reads for the last time, if the plan
 * says so. What one product cannot do (stacks of matrices) goes to the row's own function, the
 * elementwise kernel and the fold after it: the bits are the same. */
#include <stdlib.h>

#include "fold.h"
#include "gemm.h"
#include "map.h"
#include "operand.h"
#include "program.h"
#include "tensor.h"

struct tg_product {
    tg_gemm_args g;
    bool is_single, is_linear, is_checked; /* when it was made, not by the row's function */
    uint32_t layouts[3]; /* of the operands when g was made; 0: not yet */
    tg_group_call
        after; /* op < 0: nothing follows. Codes: the step's inputs, then its output */
    int n_codes; /* inputs, those that only `after` reads among them */
    size_t fold_bytes, room; /* on the way; with single values that `after` reads */
    int addend; /* the input to which the tiles add the product; -1: none, or by `after` */
    tg_column_fold fold; /* that the step's second output is; rows = 0: none */
    tg_map_use use;
    const void *act_in[TG_ACT_INPUTS];
    size_t act_step[TG_ACT_INPUTS];
};

void tg_product_free(tg_product *product) { free(product); }

static bool is_single_value(const tg_tensor *t) { return t->ndim == 0; }

/* Whether what follows reads values of the product's dtype and shape, or single ones. */
static bool reads_alike(const tg_program *g, const tg_step *s, int n_codes,
                        const tg_group_call *after)
{
    const tg_tensor *out = &g->values[s->out[0]].own;
    for (int k = 0; k < after->n_in; ++k) {
        const int code = after->in[k];
        if (code < 0 || code == n_codes)
            continue;
        const tg_value *v = code < n_codes ? &g->values[s->in[code]] : NULL;
        if (!v || v->role == TG_VIEW || v->own.dtype != out->dtype)
            return false;
        if (!is_single_value(&v->own) && !tg_same_shape(&v->own, out))
            return false;
    }
    return after->n_in <= TG_ACT_INPUTS && after->out == n_codes;
}

/* Whether the step is a matrix by a matrix in one block of k: what the tiles store may then
 * depend on what lies there. */
static bool is_one_block(const tg_program *g, const tg_step *s, int n_row)
{
    const tg_tensor *a = &g->values[s->in[0]].own, *b = &g->values[s->in[1]].own,
                    *c = &g->values[s->out[0]].own;
    return n_row == 2 && a->ndim == 2 && b->ndim == 2 && c->ndim == 2 && tg_shape(c)[0] > 1 &&
           tg_shape(c)[1] > 1 && (size_t)tg_shape(a)[1] <= tg_gemm_depth(a->dtype);
}

/* The input to which tiles add the product: there is one if that is what follows, and the order of
 * arithmetic lets them. Else -1. */
static int addend_of(const tg_program *g, const tg_step *s, const tg_group_call *after,
                     int n_row, int n_codes)
{
    const int other = after->in[0] == n_codes ? after->in[1] : after->in[0];
    const bool fits = strcmp(tg_ops[after->op].name, "add") == 0 && after->k < 0 &&
                      other >= n_row && other < n_codes && is_one_block(g, s, n_row) &&
                      !is_single_value(&g->values[s->in[other]].own);
    return fits ? other : -1;
}

/* Where the step's output lies among its inputs: in none's place, or exactly in that of one
 * which only what follows reads. */
static bool is_placed(const tg_program *g, const tg_step *s, int n_row, int n_codes)
{
    const tg_value *out = &g->values[s->out[0]];
    for (int i = 0; i < n_codes; ++i) {
        const tg_value *in = &g->values[s->in[i]];
        if (tg_shares_place(g, in, out) &&
            (i < n_row || in->offset != out->offset || !is_one_block(g, s, n_row)))
            return false;
    }
    return true;
}

/* What follows the product elementwise. */
static int set_after(tg_program *g, tg_step *s, tg_product *p, const tg_group_call *after)
{
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

/* The fold over all rows of the result that the step's second output is. */
static int set_fold(tg_program *g, const tg_step *s, tg_product *p, const tg_column_fold *fold)
{
    const tg_tensor *y = &g->values[s->out[0]].own, *to = &g->values[s->out[1]].own;
    const int64_t cols = y->ndim ? tg_shape(y)[y->ndim - 1] : 0;
    if (fold->what < 0 || fold->what > TG_FOLD_MIN || !tg_is_compute(y->dtype) || cols < 2 ||
        fold->rows < 2 || to->dtype != y->dtype || to->size != cols ||
        fold->rows != (size_t)(y->size / cols))
        return tg_fail(TG_EVALUE, "step %d: a product cannot end in this reduction",
                       (int)(s - g->steps));
    p->fold = *fold;
    const tg_gemm_args columns = {.m = fold->rows, .n = (size_t)cols};
    p->fold_bytes = tg_gemm_fold_bytes(y->dtype, &columns);
    return TG_OK;
}

bool tg_is_biased(const tg_step *s)
{
    return s->kind == TG_STEP_PRODUCT && tg_step_row_inputs(s) == 3 &&
           strcmp(tg_ops[s->op].name, "matmul") == 0;
}

static int check_bias(const tg_program *g, const tg_step *s)
{
    const tg_tensor *a = &g->values[s->in[0]].own, *b = &g->values[s->in[1]].own,
                    *bias = &g->values[s->in[2]].own;
    if (a->ndim == 2 && b->ndim == 2 && bias->ndim == 1 && tg_shape(a)[1] == tg_shape(b)[0] &&
        tg_shape(b)[1] == tg_shape(bias)[0] && a->dtype == b->dtype && a->dtype == bias->dtype)
        return TG_OK;
    return tg_fail(TG_EVALUE, "step %d: the bias does not fit the product",
                   (int)(s - g->steps));
}

int tg_product_new(tg_program *g, tg_step *s, const tg_group_call *after,
                   const tg_column_fold *fold)
{
    tg_product *p = calloc(1, sizeof *p);
    if (!p)
        return tg_fail_memory();
    s->product = p;
    p->is_linear = strcmp(tg_ops[s->op].name, "linear") == 0;
    p->after.op = p->addend = -1;
    p->n_codes = s->n_in;
    if (s->kind != TG_STEP_PRODUCT)
        return TG_OK;
    const int n_row = tg_step_row_inputs(s);
    int status = tg_is_biased(s) ? check_bias(g, s) : TG_OK;
    if (!status && after)
        status = set_after(g, s, p, after);
    if (!status && after)
        p->addend = addend_of(g, s, after, n_row, p->n_codes);
    p->is_checked = p->addend >= 0 || tg_is_biased(s) || s->in_place;
    if (!status && s->in_place && !is_placed(g, s, n_row, p->n_codes))
        status = tg_fail(TG_EVALUE, "step %d: a product cannot lie where this input does",
                         (int)(s - g->steps));
    if (!status && fold)
        status = set_fold(g, s, p, fold);
    p->room = p->fold_bytes + (after ? TG_PAD * (size_t)after->n_in : 0);
    if (p->room > g->placement.wanted)
        g->placement.wanted = p->room;
    s->n_in = n_row;
    s->n_p = 0;
    return status;
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
    if (bias)
        p->g.bias_col = tg_strides(bias)[0];
    if (!p->is_linear)
        return a->ndim <= 2 && b->ndim <= 2 &&
               p->g.k == (size_t)tg_shape(b)[b->ndim > 1 ? b->ndim - 2 : 0];
    if (b->ndim != 2 || p->g.k != (size_t)tg_shape(b)[1])
        return false;
    p->g.n = (size_t)tg_shape(b)[0];
    p->g.b_row = tg_strides(b)[1];
    p->g.b_col = tg_strides(b)[0];
    p->g.c_row = (ptrdiff_t)p->g.n;
    if (bias &&
        (bias->dtype != a->dtype || bias->ndim != 1 || tg_shape(bias)[0] != tg_shape(b)[0]))
        return false;
    return fold_rows(&p->g, a);
}

/* A value's elements in C order: its own, or a copy that lasts as long as the step. */
static const char *in_order(tg_tensor *t)
{
    if (tg_is_contiguous(t))
        return t->data;
    t = tg_contiguous(t);
    return t ? t->data : NULL;
}

/* Where this run's operands of what follows are; those that are not read: as the product.
 * Single values fill a line of room each. */
static int bind_after(const tg_program *g, const tg_step *s, tg_product *p, char *room)
{
    if (p->addend >= 0) {
        p->g.beta = 1;
        p->g.addend = in_order(g->values[s->in[p->addend]].t);
        return p->g.addend ? TG_OK : TG_EMEMORY;
    }
    p->g.act = tg_map_kernel(&p->use, p->after.op, p->after.k);
    p->g.act_params = p->after.params;
    p->g.act_in = p->act_in;
    p->g.act_step = p->act_step;
    p->g.n_act = p->after.n_in;
    for (int k = 0; k < p->after.n_in; ++k) {
        const int code = p->after.in[k];
        p->act_step[k] = 1;
        p->act_in[k] = NULL;
        if (code < 0 || code == p->n_codes)
            continue;
        tg_tensor *t = g->values[s->in[code]].t;
        if (is_single_value(t)) {
            p->act_step[k] = 0;
            p->act_in[k] = tg_fill_lanes(room + (size_t)k * TG_PAD, t->data, 1,
                                         tg_itemsize(t->dtype), TG_PAD);
        } else if (!(p->act_in[k] = in_order(t)))
            return TG_EMEMORY;
    }
    return TG_OK;
}

/* All that the product is to know of this run but its own operands. */
static int bind(tg_program *g, tg_step *s, tg_product *p)
{
    tg_placement *pl = &g->placement;
    tg_placement_begin(pl, &s->records, NULL, -1);
    pl->used = pl->asked = p->room;
    p->g.c = g->values[s->out[0]].t->data;
    p->g.folded = p->fold.rows ? g->values[s->out[1]].t->data : NULL;
    p->g.fold = p->fold.what;
    p->g.fold_room = pl->arena;
    return p->after.op < 0 ? TG_OK : bind_after(g, s, p, pl->arena + p->fold_bytes);
}

/* Over the result of the row's own function. */
static void run_after(const tg_product *p, const tg_tensor *y)
{
    tg_gemm_args g = p->g;
    g.n = (size_t)y->size;
    g.c_row = (ptrdiff_t)g.n;
    g.c_col = 1;
    if (g.n && g.act)
        tg_gemm_act(y->dtype, &g, NULL, 0, 1, 0, g.n);
    if (g.folded) {
        g.m = p->fold.rows;
        g.n /= g.m;
        g.c_row = (ptrdiff_t)g.n;
        tg_gemm_fold(y->dtype, &g, 0, g.m, 0, g.n);
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
    int status = TG_OK;
    if (p->is_single && (s->is_settled || p->is_checked)) {
        status = bind(g, s, p);
        p->g.a = a->data;
        p->g.b = b->data;
        p->g.bias = bias ? bias->data : NULL;
        if (status == TG_OK && c->size && tg_gemm(a->dtype, &p->g) != TG_OK)
            status = tg_fail_memory();
    } else if (p->is_checked) {
        status =
            tg_fail(TG_ESHAPE, "step %d: the operands' sizes do not fit", (int)(s - g->steps));
    } else { /* the first time, for its checks */
        status = tg_step_run(g, s);
        if (status == TG_OK && (status = bind(g, s, p)) == TG_OK)
            run_after(p, c);
    }
    if (status == TG_OK && p->fold.is_mean)
        tg_divide(g->values[s->out[1]].t, (double)p->fold.rows);
    return status;
}
