/* optim.inc.c: the kernels of optim.h for one ISA and dtype. No multiply-add: the same bits as
 * NumPy, up to the power in the bias correction. */
#define sgd_vector FN(sgd_vector)
#define adam_vector FN(adam_vector)
#define load_some FN(load_some)
#define store_some FN(store_some)
#define normal FN(normal)
#undef SMALLEST
#if TG_REAL == 32
  #define SMALLEST 0x1p-126f
#else
  #define SMALLEST 0x1p-1022
#endif

/* b^t by squaring: no libm. */
static double FN(power)(double b, int64_t t)
{
    double y = 1;
    for (; t > 0; t >>= 1, b *= b)
        if (t & 1)
            y *= b;
    return y;
}

/* A whole vector, or its first k elements. */
VFN V load_some(const T *p, size_t k)
{
    return k >= (size_t)L ? vload(p) : vloadpart(p, k, vset(0));
}

VFN void store_some(T *p, V v, size_t k)
{
    if (k >= (size_t)L)
        vstore(p, v);
    else
        vstorepart(p, v, k);
}

/* x, and 0 where it is subnormal. Moments of what has no gradient any more decay to there, and
 * would stay, since less than half a unit is lost in rounding; each step would pay for it. */
VFN V normal(V x) { return vselect(vlt(vabs(x), vset(SMALLEST)), vset(0), x); }

/* --- SGD ----------------------------------------------------------------------------------- */

typedef struct FN(sgd_scalars) {
    T lr, momentum, undamped, weight_decay;
    bool first, nesterov, maximize;
} FN(sgd_scalars);

VFN void sgd_vector(T *p, const T *g, T *v, FN(sgd_scalars) s, size_t k)
{
    V x = load_some(p, k), d = load_some(g, k);
    if (s.maximize)
        d = -d;
    if (s.weight_decay != 0)
        d = d + s.weight_decay * x;
    if (s.momentum != 0) {
        const V velocity = normal(s.first ? d : s.momentum * load_some(v, k) + s.undamped * d);
        store_some(v, velocity, k);
        d = s.nesterov ? d + s.momentum * velocity : velocity;
    }
    store_some(p, vcanon(x - s.lr * d), k);
}

static void FN(optim_sgd)(void *p, const void *g, void *v, const tg_sgd *h, int64_t t, size_t n)
{
    const FN(sgd_scalars) s = {.lr = K(h->lr),
                               .momentum = K(h->momentum),
                               .undamped = K(1 - h->dampening),
                               .weight_decay = K(h->weight_decay),
                               .first = t == 1,
                               .nesterov = h->nesterov != 0,
                               .maximize = h->maximize != 0};
    for (size_t i = 0; i < n; i += (size_t)L)
        sgd_vector((T *)p + i, (const T *)g + i, v ? (T *)v + i : NULL, s, n - i);
}

/* --- Adam ---------------------------------------------------------------------------------- */

typedef struct FN(adam_scalars) {
    T step, shrink, weight_decay, rest1, beta2, rest2, eps;
    bool is_decoupled, amsgrad, maximize;
} FN(adam_scalars);

VFN void adam_vector(T *p, const T *g, T *m, T *v, T *v_max, FN(adam_scalars) s, size_t k)
{
    V x = load_some(p, k), d = load_some(g, k), mean = load_some(m, k);
    if (s.maximize)
        d = -d;
    if (s.weight_decay != 0 && s.is_decoupled)
        x = x * s.shrink;
    else if (s.weight_decay != 0)
        d = d + s.weight_decay * x;
    mean = normal(mean + s.rest1 * (d - mean));
    V square = normal(load_some(v, k) * s.beta2 + s.rest2 * (d * d));
    store_some(m, mean, k);
    store_some(v, square, k);
    if (s.amsgrad) {
        square = vmaximum(load_some(v_max, k), square);
        store_some(v_max, square, k);
    }
    store_some(p, vcanon(x - s.step * (mean / (vsqrt(square) + s.eps))), k);
}

static void FN(optim_adam)(void *p, const void *g, void *m, void *v, void *v_max,
                           const tg_adam *h, int64_t t, size_t n)
{
    /* Both corrections go into the scalars, as Kingma and Ba (2015), section 2, do: square roots
     * and divisions are what takes the time. */
    const double root = __builtin_sqrt(1 - FN(power)(h->beta2, t));
    const FN(adam_scalars) s = {.step = K(h->lr * root / (1 - FN(power)(h->beta1, t))),
                                .shrink = K(1 - h->lr * h->weight_decay),
                                .weight_decay = K(h->weight_decay),
                                .rest1 = K(1 - h->beta1),
                                .beta2 = K(h->beta2),
                                .rest2 = K(1 - h->beta2),
                                .eps = K(h->eps * root),
                                .is_decoupled = h->is_decoupled != 0,
                                .amsgrad = h->amsgrad != 0,
                                .maximize = h->maximize != 0};
    for (size_t i = 0; i < n; i += (size_t)L)
        adam_vector((T *)p + i, (const T *)g + i, (T *)m + i, (T *)v + i,
                    v_max ? (T *)v_max + i : NULL, s, n - i);
}

static const tg_optim_kernels FN(optim_kernels) = {
    .sgd = FN(optim_sgd),
    .adam = FN(optim_adam),
};
