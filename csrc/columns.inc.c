/* columns.inc.c: the folds of reduce.h whose last axis is kept, for one ISA and dtype: a lane
 * for each column. Included by reduce.inc.c, whose folds of two vectors it uses. */
#define fold_columns FN(fold_columns)
#define column_group FN(column_group)
#define fold_column_block FN(fold_column_block)
#define load_group FN(load_group)
#define fetch_rows FN(fetch_rows)

/* v = row[0..nv * L), or the first `part` columns of one vector. */
VFN void load_group(V *v, const T *row, int nv, size_t part, V fill)
{
    if (part)
        v[0] = vloadpart(row, part, fill);
    else
        for (int k = 0; k < nv; ++k)
            v[k] = vload(row + k * L);
}

/* Ask for nv vectors of two rows of the next block, which may lie behind the array's end, where
 * asking is harmless: so many streams side by side are foreseen by no hardware. */
VFN void fetch_rows(const T *x, int64_t stride, int nv)
{
    const uintptr_t row = (uintptr_t)x + (uintptr_t)(TG_ROWS * stride) * sizeof(T);
    for (int k = 0; k < nv * TG_VBYTES; k += 64) {
        __builtin_prefetch((const char *)(row + (uintptr_t)k), 0, 2);
        __builtin_prefetch((const char *)(row + (uintptr_t)stride * sizeof(T) + (uintptr_t)k),
                           0, 2);
    }
}

/* One block of nv vectors of columns (part: the first columns of one vector, nv is 1): fold its
 * rows in order, join it with what waits for it in levels, and leave it there or, if it is the
 * last block, in out. The tree is fold_lanes', a column taking the place of a lane. */
VFN void column_group(int what, T *out, T *levels, size_t width, const T *x, int64_t stride,
                      size_t rows, size_t block, bool is_last, bool fetches, int nv,
                      size_t part)
{
    V acc[4], v[4], w[4];
    M nan[4];
    load_group(acc, x, nv, part, vset(0));
    for (int k = 0; k < nv; ++k)
        nan[k] = no_nan();
    size_t r = 1;
    for (; r + 2 <= rows; r += 2) {
        if (fetches)
            fetch_rows(x, stride, nv);
        load_group(v, x + stride, nv, part, vset(0));
        load_group(w, x + 2 * stride, nv, part, vset(0));
        x += 2 * stride;
        for (int k = 0; k < nv; ++k)
            acc[k] = fold_two(what, acc[k], v[k], w[k], &nan[k]);
    }
    if (r < rows) {
        load_group(v, x + stride, nv, part, vset(0));
        for (int k = 0; k < nv; ++k)
            acc[k] = fold(what, acc[k], v[k]);
    }
    for (int k = 0; k < nv; ++k)
        acc[k] = fold_nans(what, acc[k], nan[k]);
    for (; is_last ? block != 0 : block & 1; block >>= 1, levels += width)
        if (block & 1)
            for (int k = 0; k < nv; ++k)
                acc[k] = fold(what, vload(levels + k * L), acc[k]);
    if (!is_last)
        for (int k = 0; k < nv; ++k)
            vstore(levels + k * L, acc[k]);
    else if (part)
        vstorepart(out, vcanon(acc[0]), part);
    else
        for (int k = 0; k < nv; ++k)
            vstore(out + k * L, vcanon(acc[k]));
}

/* reduce.h's column_block. */
VFN void fold_column_block(int what, T *out, T *levels, size_t width, const T *x,
                           int64_t stride, size_t rows, size_t cols, size_t block, bool is_last)
{
    const size_t wide = 4 * (size_t)L, one = (size_t)L;
    const bool far = cols * sizeof(T) >= 2048;
    size_t c = 0;
    for (; c + wide <= cols; c += wide)
        column_group(what, out + c, levels + c, width, x + c, stride, rows, block, is_last, far,
                     4, 0);
    for (; c + one <= cols; c += one)
        column_group(what, out + c, levels + c, width, x + c, stride, rows, block, is_last,
                     false, 1, 0);
    if (c < cols)
        column_group(what, out + c, levels + c, width, x + c, stride, rows, block, is_last,
                     false, 1, cols - c);
}

VFN void fold_columns(int what, T *out, const T *x, int64_t stride, size_t rows, size_t cols)
{
    enum { WIDTH = TG_PANEL_BYTES / sizeof(T) };
    T levels[TG_CHUNK_LEVELS * WIDTH];
    for (size_t block = 0; block * TG_ROWS < rows; ++block, x += TG_ROWS * stride) {
        const size_t left = rows - block * TG_ROWS;
        fold_column_block(what, out, levels, WIDTH, x, stride, left < TG_ROWS ? left : TG_ROWS,
                          cols, block, left <= TG_ROWS);
    }
}

/* --- the kernels ----------------------------------------------------------------------------- */

static void FN(reduce_columns)(int what, void *out, const void *x, int64_t stride, size_t rows,
                               size_t cols)
{
    switch (what) {
    case TG_FOLD_SUM: fold_columns(TG_FOLD_SUM, out, x, stride, rows, cols); break;
    case TG_FOLD_PROD: fold_columns(TG_FOLD_PROD, out, x, stride, rows, cols); break;
    case TG_FOLD_MAX: fold_columns(TG_FOLD_MAX, out, x, stride, rows, cols); break;
    default: fold_columns(TG_FOLD_MIN, out, x, stride, rows, cols); break;
    }
}

static void FN(reduce_column_block)(int what, void *out, void *levels, size_t width,
                                    const void *x, int64_t stride, size_t rows, size_t cols,
                                    size_t block, bool is_last)
{
#define BLOCK(what)                                                                    \
    fold_column_block(what, out, levels, width, x, stride, rows, cols, block, is_last)
    switch (what) {
    case TG_FOLD_SUM: BLOCK(TG_FOLD_SUM); break;
    case TG_FOLD_PROD: BLOCK(TG_FOLD_PROD); break;
    case TG_FOLD_MAX: BLOCK(TG_FOLD_MAX); break;
    default: BLOCK(TG_FOLD_MIN); break;
    }
#undef BLOCK
}
