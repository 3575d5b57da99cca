/* matmul.c: the ops matmul (NumPy's semantics: vectors, matrices, stacks of matrices) and linear
 * (x @ w.T + b). Operands may have any strides; the product reads them where they are. */
#include "gemm.h"
#include "tensor.h"

#include <stdatomic.h>

int op_matmul(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p);
int op_linear(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p);

static int fail_shapes(const char *what, const tg_tensor *a, const tg_tensor *b)
{
    char a_text[160], b_text[160];
    return tg_fail(TG_ESHAPE, "%s: a is %s, b is %s", what,
                   tg_shape_text(a_text, sizeof a_text, a->ndim, tg_shape(a)),
                   tg_shape_text(b_text, sizeof b_text, b->ndim, tg_shape(b)));
}

tg_gemm_args tg_matrices(const tg_tensor *a, const tg_tensor *b)
{
    const int64_t *a_shape = tg_shape(a) + a->ndim, *a_step = tg_strides(a) + a->ndim;
    const int64_t *b_shape = tg_shape(b) + b->ndim, *b_step = tg_strides(b) + b->ndim;
    tg_gemm_args g = {.a = a->data, .b = b->data, .alpha = 1};
    g.k = (size_t)a_shape[-1];
    g.a_col = a_step[-1];
    g.m = a->ndim > 1 ? (size_t)a_shape[-2] : 1;
    g.a_row = a->ndim > 1 ? a_step[-2] : 0;
    g.n = b->ndim > 1 ? (size_t)b_shape[-1] : 1;
    g.b_col = b->ndim > 1 ? b_step[-1] : 1;
    g.b_row = b_step[b->ndim > 1 ? -2 : -1];
    g.c_row = (ptrdiff_t)g.n;
    g.c_col = 1;
    return g;
}

static int run(int dtype, const tg_gemm_args *g)
{
    const double cost = tg_gemm_cost(dtype, g->m, g->n, g->k);
    void *lock = tg_unlock(cost);
    const int status = tg_gemm(dtype, g);
    tg_relock(lock);
    return status == TG_OK ? TG_OK : tg_fail_memory();
}

/* --- stacks ----------------------------------------------------------------------------------- */

/* Products of the same shape, at steps in bytes along the stack's axes. */
typedef struct stack {
    tg_gemm_args g;
    int dtype, ndim;
    int64_t shape[TG_MAX_NDIM], a_step[TG_MAX_NDIM], b_step[TG_MAX_NDIM];
    size_t n, each, c_step; /* products; a piece's; bytes from result to result */
    bool is_small; /* one call of the kernel does a run of them */
    atomic_bool no_memory;
} stack;

static void run_some(void *context, size_t piece)
{
    stack *s = context;
    int64_t at[TG_MAX_NDIM];
    tg_gemm_args g = s->g;
    const size_t first = piece * s->each;
    const size_t end = s->n - first < s->each ? s->n : first + s->each;
    const char *a = s->g.a, *b = s->g.b;
    size_t rest = first;
    for (int d = s->ndim; d-- > 0;) {
        at[d] = (int64_t)(rest % (size_t)s->shape[d]);
        rest /= (size_t)s->shape[d];
        a += at[d] * s->a_step[d];
        b += at[d] * s->b_step[d];
    }
    const int inner = s->ndim - 1;
    for (size_t i = first, n = 1; i < end; i += n) {
        g.a = a;
        g.b = b;
        g.c = (char *)s->g.c + i * s->c_step;
        if (s->is_small) {
            n = (size_t)(s->shape[inner] - at[inner]);
            n = n < end - i ? n : end - i;
            tg_isa->gemm[s->dtype]->stack(&g, n, s->a_step[inner], s->b_step[inner],
                                          (ptrdiff_t)s->c_step);
        } else if (tg_gemm(s->dtype, &g) != TG_OK)
            atomic_store(&s->no_memory, true);
        for (int d = inner; d >= 0; --d) {
            const int64_t by = d == inner ? (int64_t)n : 1;
            a += by * s->a_step[d];
            b += by * s->b_step[d];
            if ((at[d] += by) < s->shape[d])
                break;
            a -= s->shape[d] * s->a_step[d];
            b -= s->shape[d] * s->b_step[d];
            at[d] = 0;
        }
    }
}

/* The stack's shape, and a's and b's steps along it (0 where they are broadcast). */
static int broadcast_stacks(stack *s, const tg_tensor *a, const tg_tensor *b)
{
    const int64_t item = (int64_t)tg_itemsize(a->dtype);
    const int a_ndim = a->ndim > 2 ? a->ndim - 2 : 0, b_ndim = b->ndim > 2 ? b->ndim - 2 : 0;
    s->ndim = a_ndim > b_ndim ? a_ndim : b_ndim;
    for (int d = 0; d < s->ndim; ++d) {
        const int a_axis = d - (s->ndim - a_ndim), b_axis = d - (s->ndim - b_ndim);
        const int64_t a_size = a_axis < 0 ? 1 : tg_shape(a)[a_axis];
        const int64_t b_size = b_axis < 0 ? 1 : tg_shape(b)[b_axis];
        if (a_size != b_size && a_size != 1 && b_size != 1)
            return fail_shapes("stacks of matrices do not broadcast", a, b);
        s->shape[d] = a_size == 1 ? b_size : a_size;
        s->a_step[d] = a_size == 1 ? 0 : tg_strides(a)[a_axis] * item;
        s->b_step[d] = b_size == 1 ? 0 : tg_strides(b)[b_axis] * item;
    }
    return TG_OK;
}

/* One b for all of a's matrices, which lie row after row: one product with more rows. Not when the
 * matrices are single rows: those have an order of arithmetic of their own. */
static void merge_rows(stack *s)
{
    const int64_t item = (int64_t)tg_itemsize(s->dtype);
    while (s->ndim > 0 && (s->g.m > 1 || s->g.n == 1)) {
        const int d = s->ndim - 1;
        if (s->b_step[d] != 0 || s->a_step[d] != (int64_t)s->g.m * s->g.a_row * item)
            return;
        s->g.m *= (size_t)s->shape[d];
        --s->ndim;
    }
}

static int run_stack(stack *s)
{
    s->n = 1;
    for (int d = 0; d < s->ndim; ++d)
        s->n *= (size_t)s->shape[d];
    if (s->n == 1)
        return run(s->dtype, &s->g);
    s->c_step = s->g.m * s->g.n * tg_itemsize(s->dtype);
    if (s->g.m == 1 && s->g.n > 1) { /* rows as columns */
        s->g = tg_gemm_transposed(&s->g);
        for (int d = 0; d < s->ndim; ++d) {
            const int64_t a_step = s->a_step[d];
            s->a_step[d] = s->b_step[d];
            s->b_step[d] = a_step;
        }
    }
    s->is_small = tg_gemm_is_small(s->dtype, &s->g);
    const double each = s->is_small ? 5 : 30;
    const double cost = (double)s->n * (tg_gemm_cost(s->dtype, s->g.m, s->g.n, s->g.k) + each);
    const size_t n_threads = (size_t)tg_threads_for(cost);
    void *lock = tg_unlock(cost);
    if (s->n < 2 * n_threads) { /* a few large ones: each uses the threads itself */
        s->each = s->n;
        run_some(s, 0);
    } else {
        s->each = (s->n + 4 * n_threads - 1) / (4 * n_threads);
        tg_parallel((s->n + s->each - 1) / s->each, cost, run_some, s);
    }
    tg_relock(lock);
    return atomic_load(&s->no_memory) ? tg_fail_memory() : TG_OK;
}

static int stacked_matmul(tg_tensor **out, const tg_tensor *a, const tg_tensor *b,
                          tg_gemm_args *g)
{
    int64_t shape[TG_MAX_NDIM];
    stack s;
    int status = broadcast_stacks(&s, a, b);
    if (status != TG_OK)
        return status;
    int ndim = s.ndim;
    memcpy(shape, s.shape, (size_t)ndim * sizeof *shape);
    if (a->ndim > 1)
        shape[ndim++] = (int64_t)g->m;
    if (b->ndim > 1)
        shape[ndim++] = (int64_t)g->n;
    tg_tensor *c = tg_new(a->dtype, ndim, shape);
    if (!c)
        return TG_EMEMORY;
    g->c = c->data;
    s.g = *g;
    s.dtype = a->dtype;
    atomic_init(&s.no_memory, false);
    if (c->size > 0) {
        merge_rows(&s);
        status = run_stack(&s);
    }
    if (status != TG_OK) {
        tg_drop(c);
        return status;
    }
    *out = c;
    return TG_OK;
}

/* --- rows that repeat --------------------------------------------------------------------- */

/* The product of x's distinct rows with the matrix that g has as b, for an x that repeats along
 * some axes (the cotangents that a batch's rows share), as a view that repeats along them too. The
 * bits are those of the whole product as long as several rows are left: one alone has an order of
 * arithmetic of its own. *out stays NULL where there is nothing to gain. */
static int repeating_product(tg_tensor **out, const tg_tensor *x, const tg_tensor *bias,
                             tg_gemm_args g)
{
    int64_t shape[TG_MAX_NDIM], steps[TG_MAX_NDIM], rows = 1, all = 1;
    const int last = x->ndim - 1;
    for (int d = 0; d < last; ++d) {
        shape[d] = tg_strides(x)[d] ? tg_shape(x)[d] : 1;
        rows *= shape[d];
        all *= tg_shape(x)[d];
    }
    if (x->ndim < 3 || tg_shape(x)[last - 1] < 2 || rows < 2 || all <= rows || !g.n || !g.k)
        return TG_OK;
    shape[last] = tg_shape(x)[last];
    tg_tensor *cut = tg_view((tg_tensor *)x, x->ndim, shape, tg_strides(x), 0);
    tg_tensor *distinct = cut ? tg_contiguous(cut) : NULL;
    shape[last] = (int64_t)g.n;
    tg_tensor *c = distinct ? tg_new(x->dtype, x->ndim, shape) : NULL;
    int status = c ? TG_OK : TG_EMEMORY;
    if (c) {
        g.a = distinct->data;
        g.a_row = (ptrdiff_t)g.k;
        g.a_col = 1;
        g.m = (size_t)rows;
        g.c = c->data;
        g.c_row = (ptrdiff_t)g.n;
        if (bias) {
            g.bias = bias->data;
            g.bias_col = tg_strides(bias)[0];
        }
        status = run(x->dtype, &g);
    }
    if (!status) {
        memcpy(steps, tg_strides(c), (size_t)x->ndim * sizeof *steps);
        for (int d = 0; d < last; ++d) {
            shape[d] = tg_shape(x)[d];
            steps[d] = tg_strides(x)[d] ? steps[d] : 0;
        }
        *out = tg_view(c, x->ndim, shape, steps, 0);
        status = *out ? TG_OK : TG_EMEMORY;
    }
    tg_drop(cut);
    tg_drop(distinct);
    tg_drop(c);
    return status;
}

/* --- ops -------------------------------------------------------------------------------------- */

int op_matmul(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p)
{
    (void)op, (void)n_in, (void)p, (void)n_p;
    const tg_tensor *a = in[0], *b = in[1];
    if (!tg_is_compute(a->dtype) || a->dtype != b->dtype)
        return TG_ENOKERNEL;
    if (a->ndim == 0 || b->ndim == 0)
        return fail_shapes("matmul needs at least one axis", a, b);
    tg_gemm_args g = tg_matrices(a, b);
    if (g.k != (size_t)tg_shape(b)[b->ndim > 1 ? b->ndim - 2 : 0])
        return fail_shapes("inner sizes differ", a, b);
    *out = NULL;
    if (b->ndim == 2) {
        const int status = repeating_product(out, a, NULL, g);
        if (status || *out)
            return status;
    }
    if (a->ndim > 2 || b->ndim > 2)
        return stacked_matmul(out, a, b, &g);
    int ndim = 0;
    int64_t shape[2];
    if (a->ndim > 1)
        shape[ndim++] = (int64_t)g.m;
    if (b->ndim > 1)
        shape[ndim++] = (int64_t)g.n;
    tg_tensor *c = tg_new(a->dtype, ndim, shape);
    if (!c)
        return TG_EMEMORY;
    g.c = c->data;
    const int status = run(a->dtype, &g);
    if (status != TG_OK) {
        tg_drop(c);
        return status;
    }
    *out = c;
    return TG_OK;
}

/* y (..., out) = x (..., in) @ w.T + b: w (out, in), b (out,) or missing. */
int op_linear(const tg_op *op, tg_tensor **out, tg_tensor *const *in, int n_in,
              const int64_t *p, int n_p)
{
    (void)op, (void)p, (void)n_p;
    const tg_tensor *x = in[0], *w = in[1], *bias = n_in > 2 ? in[2] : NULL;
    if (!tg_is_compute(x->dtype) || x->dtype != w->dtype || (bias && bias->dtype != x->dtype))
        return TG_ENOKERNEL;
    if (x->ndim == 0 || w->ndim != 2 || tg_shape(x)[x->ndim - 1] != tg_shape(w)[1]) {
        char x_text[160], w_text[160];
        return tg_fail(TG_ESHAPE, "linear needs x (..., in) and w (out, in): x is %s, w is %s",
                       tg_shape_text(x_text, sizeof x_text, x->ndim, tg_shape(x)),
                       tg_shape_text(w_text, sizeof w_text, w->ndim, tg_shape(w)));
    }
    if (bias && (bias->ndim != 1 || tg_shape(bias)[0] != tg_shape(w)[0])) {
        char bias_text[160];
        return tg_fail(TG_ESHAPE, "linear needs a bias of %lld elements: it is %s",
                       (long long)tg_shape(w)[0],
                       tg_shape_text(bias_text, sizeof bias_text, bias->ndim, tg_shape(bias)));
    }
    stack s;
    s.g = tg_matrices(x, w);
    s.g.n = (size_t)tg_shape(w)[0];
    s.g.b_row = tg_strides(w)[1];
    s.g.b_col = tg_strides(w)[0];
    *out = NULL;
    int status = repeating_product(out, x, bias, s.g);
    if (status || *out)
        return status;
    int64_t shape[TG_MAX_NDIM];
    memcpy(shape, tg_shape(x), x->ndim * sizeof *shape);
    shape[x->ndim - 1] = tg_shape(w)[0];
    tg_tensor *y = tg_new(x->dtype, x->ndim, shape);
    if (!y)
        return TG_EMEMORY;
    s.dtype = x->dtype;
    s.ndim = x->ndim > 2 ? x->ndim - 2 : 0;
    atomic_init(&s.no_memory, false);
    s.g.c = y->data;
    s.g.c_row = (ptrdiff_t)s.g.n;
    if (bias) {
        s.g.bias = bias->data;
        s.g.bias_col = tg_strides(bias)[0];
    }
    for (int d = 0; d < s.ndim; ++d) {
        s.shape[d] = tg_shape(x)[d];
        s.a_step[d] = tg_strides(x)[d] * (int64_t)tg_itemsize(x->dtype);
        s.b_step[d] = 0;
    }
    if (y->size > 0) {
        merge_rows(&s);
        status = run_stack(&s);
    }
    if (status != TG_OK) {
        tg_drop(y);
        return status;
    }
    *out = y;
    return TG_OK;
}
