/* reduce.inc.c: the kernels of reduce.h for one ISA and dtype; the order of arithmetic is stated
 * there. A fold is a constant wherever it reaches an inner loop: each exported kernel switches
 * once, outside. Folds and one sequence are here; rows.inc.c, columns.inc.c and scan.inc.c have the
 * others. */
#include "vpart.inc.h"

#define fold FN(fold)
#define fold_identity FN(fold_identity)
#define either_nan FN(either_nan)
#define fold_two FN(fold_two)
#define fold_nans FN(fold_nans)
#define no_nan FN(no_nan)
#define fold_block FN(fold_block)
#define fold_lanes FN(fold_lanes)
#define fold_across FN(fold_across)
#define fold_vectors FN(fold_vectors)
#define fold_row FN(fold_row)
#define join_parts FN(join_parts)
#define lanes_to FN(lanes_to)
#define canon1 FN(canon1)

/* Vectors in a row of lanes, and elements in one. */
#define NV (TG_LANE_BYTES / TG_VBYTES)
#define LANES ((size_t)(TG_LANE_BYTES / sizeof(T)))

VFN T canon1(T x) { return x == x ? x : K(__builtin_nan("")); }

VFN V fold(int what, V a, V b)
{
    switch (what) {
    case TG_FOLD_SUM: return a + b;
    case TG_FOLD_PROD: return a * b;
    case TG_FOLD_MAX: return vmaximum(a, b);
    case TG_FOLD_MAX_NUMBER: return vmax(a, b);
    default: return vminimum(a, b);
    }
}

/* Where a or b is a nan. */
VFN M either_nan(V a, V b)
{
#if defined TG_ISA_AVX512 && TG_REAL == 32
    return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
#elif defined TG_ISA_AVX512
    return _mm512_cmp_pd_mask(a, b, _CMP_UNORD_Q);
#else
    return vne(a, a) | vne(b, b);
#endif
}

/* acc = fold(fold(acc, a), b), but that a nan in a or b may be noted in *nan instead: half the
 * work for maxima. vmax and vmin give their second operand where one is a nan. */
VFN V fold_two(int what, V acc, V a, V b, M *nan)
{
    if (what == TG_FOLD_MAX) {
        *nan |= either_nan(a, b);
        return vmax(b, vmax(a, acc));
    }
    if (what == TG_FOLD_MIN) {
        *nan |= either_nan(a, b);
        return vmin(b, vmin(a, acc));
    }
    return fold(what, fold(what, acc, a), b);
}

/* Put the nans that fold_two noted into acc. */
VFN V fold_nans(int what, V acc, M nan)
{
    if (what == TG_FOLD_MAX || what == TG_FOLD_MIN)
        return vselect(nan, vset(K(__builtin_nan(""))), acc);
    return acc;
}

VFN V fold_identity(int what)
{
    switch (what) {
    case TG_FOLD_SUM: return vset(K(-0.0));
    case TG_FOLD_PROD: return vset(1);
    case TG_FOLD_MAX: return vset(K(-__builtin_inf()));
    default: return vset(K(__builtin_inf()));
    }
}

/* --- one sequence -------------------------------------------------------------------------- */

VFN M no_nan(void) { return vne(vset(0), vset(0)); }

/* acc = lanes of x[0..n), n >= 1, every lane in order: a block's arithmetic. */
VFN void fold_block(int what, V *acc, const T *x, size_t n)
{
    const V identity = fold_identity(what);
    size_t i = 0;
    if (n >= LANES) {
        M nan = no_nan(); /* of any lane: the whole fold is a nan then */
        for (int k = 0; k < NV; ++k)
            acc[k] = vload(x + k * L);
        for (i = LANES; i + 2 * LANES <= n; i += 2 * LANES)
            for (int k = 0; k < NV; ++k) {
                const T *at = x + i + (size_t)(k * L);
                acc[k] = fold_two(what, acc[k], vload(at), vload(at + LANES), &nan);
            }
        if (i + LANES <= n) {
            for (int k = 0; k < NV; ++k)
                acc[k] = fold(what, acc[k], vload(x + i + (size_t)(k * L)));
            i += LANES;
        }
        acc[0] = fold_nans(what, acc[0], nan);
    } else {
        for (int k = 0; k < NV; ++k)
            acc[k] = identity;
    }
    for (int k = 0; k < NV; ++k, i += (size_t)L) {
        if (i + (size_t)L <= n)
            acc[k] = fold(what, acc[k], vload(x + i));
        else if (i < n)
            acc[k] = fold(what, acc[k], vloadpart(x + i, n - i, identity));
    }
}

/* acc = lanes of x[0..n), 1 <= n <= a chunk: blocks joined pairwise. */
VFN void fold_lanes(int what, V *acc, const T *x, size_t n)
{
    V level[TG_CHUNK_LEVELS][NV]; /* [l]: a joined run of 2^l blocks that waits */
    size_t block = 0;
    for (;; ++block) {
        const size_t left = n - block * LANES * TG_ROWS;
        const bool is_last = left <= LANES * TG_ROWS;
        fold_block(what, acc, x + block * LANES * TG_ROWS, is_last ? left : LANES * TG_ROWS);
        if (is_last)
            break;
        int l = 0;
        for (size_t b = block; b & 1; b >>= 1, ++l)
            for (int k = 0; k < NV; ++k)
                acc[k] = fold(what, level[l][k], acc[k]);
        for (int k = 0; k < NV; ++k)
            level[l][k] = acc[k];
    }
    for (int l = 0; block; block >>= 1, ++l)
        if (block & 1)
            for (int k = 0; k < NV; ++k)
                acc[k] = fold(what, level[l][k], acc[k]);
}

/* v[i] with v[i ^ 8], then 4, 2, 1: lane 0 holds the fold of all. */
VFN T fold_across(int what, V v)
{
#if TG_VBYTES * 8 / TG_REAL >= 16
    v = fold(
        what, v,
        __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    v = fold(
        what, v,
        __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    v = fold(
        what, v,
        __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
    v = fold(
        what, v,
        __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
#elif TG_VBYTES * 8 / TG_REAL == 8
    v = fold(what, v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3));
    v = fold(what, v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5));
    v = fold(what, v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6));
#elif TG_VBYTES * 8 / TG_REAL == 4
    v = fold(what, v, __builtin_shufflevector(v, v, 2, 3, 0, 1));
    v = fold(what, v, __builtin_shufflevector(v, v, 1, 0, 3, 2));
#else
    v = fold(what, v, __builtin_shufflevector(v, v, 1, 0));
#endif
    return v[0];
}

/* The fold of the first `used` elements' lanes; the other lanes are the identity, and folding
 * those is exact, so they are skipped. */
VFN T fold_vectors(int what, V *acc, size_t used)
{
    for (int half = NV / 2; half; half /= 2)
        if (used > (size_t)(half * L))
            for (int k = 0; k < half; ++k)
                acc[k] = fold(what, acc[k], acc[k + half]);
    return fold_across(what, acc[0]);
}

/* The fold of x[0..n), any n. */
VFN T fold_row(int what, const T *x, size_t n)
{
    if (n <= (size_t)L)
        return fold_across(what, vloadpart(x, n, fold_identity(what)));
    V acc[NV];
    if (n <= LANES * TG_ROWS)
        fold_block(what, acc, x, n);
    else
        fold_lanes(what, acc, x, n);
    return fold_vectors(what, acc, n);
}

/* --- joining chunks -------------------------------------------------------------------------- */

VFN void join_parts(int what, T *parts, size_t n, size_t width)
{
    for (size_t step = 1; step < n; step *= 2)
        for (size_t i = 0; i + step < n; i += 2 * step) {
            T *a = parts + i * width;
            const T *b = a + step * width;
            for (size_t c = 0; c < width; c += (size_t)L)
                vstore(a + c, fold(what, vload(a + c), vload(b + c)));
        }
}

/* --- the kernels ----------------------------------------------------------------------------- */

VFN void lanes_to(int what, T *lanes, const T *x, size_t n)
{
    V acc[NV];
    fold_lanes(what, acc, x, n);
    for (int k = 0; k < NV; ++k)
        vstore(lanes + k * L, acc[k]);
}

static void FN(reduce_lanes)(int what, void *lanes, const void *x, size_t n)
{
    switch (what) {
    case TG_FOLD_SUM: lanes_to(TG_FOLD_SUM, lanes, x, n); break;
    case TG_FOLD_PROD: lanes_to(TG_FOLD_PROD, lanes, x, n); break;
    case TG_FOLD_MAX: lanes_to(TG_FOLD_MAX, lanes, x, n); break;
    default: lanes_to(TG_FOLD_MIN, lanes, x, n); break;
    }
}

static void FN(reduce_join)(int what, void *parts, size_t n, size_t width)
{
    switch (what) {
    case TG_FOLD_SUM: join_parts(TG_FOLD_SUM, parts, n, width); break;
    case TG_FOLD_PROD: join_parts(TG_FOLD_PROD, parts, n, width); break;
    case TG_FOLD_MAX: join_parts(TG_FOLD_MAX, parts, n, width); break;
    default: join_parts(TG_FOLD_MIN, parts, n, width); break;
    }
}

#include "rows.inc.c"
#include "columns.inc.c"
#include "scan.inc.c"

static const tg_reduce_kernels FN(reduce_kernels) = {
    .rows = FN(reduce_rows),
    .lanes = FN(reduce_lanes),
    .join = FN(reduce_join),
    .finish = FN(reduce_finish),
    .columns = FN(reduce_columns),
    .column_block = FN(reduce_column_block),
    .arg_rows = FN(reduce_arg_rows),
    .arg_columns = FN(reduce_arg_columns),
    .cumsum_rows = FN(reduce_cumsum_rows),
    .cumsum_columns = FN(reduce_cumsum_columns),
    .cumprod = FN(reduce_cumprod),
    .recur = FN(reduce_recur),
    .recur_back = FN(reduce_recur_back),
    .scatter_add = FN(reduce_scatter_add),
};
