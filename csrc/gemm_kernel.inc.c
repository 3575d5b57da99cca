/* gemm_kernel.inc.c: the micro-kernels of matrix products for one ISA and dtype: a tile of C, up
 * to 12 rows by 4 vectors, kept in registers while k runs. Included by kernels.inc.c after vec.h.
 *
 * Order of arithmetic: each element is one accumulator that starts at 0 and takes a * b by fused
 * multiply-add, k in order. Which tile an element lies in never shows in its bits. */
#include "gemm.h"

#ifdef __clang__
  #define UNROLL _Pragma("clang loop unroll(full)")
#else
  #define UNROLL _Pragma("GCC unroll 16")
#endif

/* Rows of a tile that is 1, 2, 3, 4 vectors wide: as many as the registers hold next to one row
 * of B and a broadcast of A. Generic vectors are slow in any case: little code instead. */
#undef TILES
#if defined TG_ISA_AVX512 || defined __aarch64__
static const uint8_t FN(tile_rows)[] = {0, 12, 12, 8, 6};
// clang-format off: a table
  #define TILES(DO)                                            \
      DO(1, 1) DO(2, 1) DO(3, 1) DO(4, 1) DO(5, 1) DO(6, 1)    \
      DO(7, 1) DO(8, 1) DO(9, 1) DO(10, 1) DO(11, 1) DO(12, 1) \
      DO(1, 2) DO(2, 2) DO(3, 2) DO(4, 2) DO(5, 2) DO(6, 2)    \
      DO(7, 2) DO(8, 2) DO(9, 2) DO(10, 2) DO(11, 2) DO(12, 2) \
      DO(1, 3) DO(2, 3) DO(3, 3) DO(4, 3) DO(5, 3) DO(6, 3)    \
      DO(7, 3) DO(8, 3)                                        \
      DO(1, 4) DO(2, 4) DO(3, 4) DO(4, 4) DO(5, 4) DO(6, 4)
// clang-format on
#elif defined TG_ISA_AVX2
static const uint8_t FN(tile_rows)[] = {0, 12, 6, 4, 3};
// clang-format off: a table
  #define TILES(DO)                                            \
      DO(1, 1) DO(2, 1) DO(3, 1) DO(4, 1) DO(5, 1) DO(6, 1)    \
      DO(7, 1) DO(8, 1) DO(9, 1) DO(10, 1) DO(11, 1) DO(12, 1) \
      DO(1, 2) DO(2, 2) DO(3, 2) DO(4, 2) DO(5, 2) DO(6, 2)    \
      DO(1, 3) DO(2, 3) DO(3, 3) DO(4, 3)                      \
      DO(1, 4) DO(2, 4) DO(3, 4)
// clang-format on
#else
static const uint8_t FN(tile_rows)[] = {0, 4, 2, 1, 1};
// clang-format off: a table
  #define TILES(DO)                       \
      DO(1, 1) DO(2, 1) DO(3, 1) DO(4, 1) \
      DO(1, 2) DO(2, 2)                   \
      DO(1, 3)                            \
      DO(1, 4)
// clang-format on
#endif

/* The first n of a vector's lanes, 1 <= n <= L. Lanes not loaded are 0. */
#undef vfma_low
#define vfma_low FN(vfma_low)
#ifdef TG_ISA_AVX512
VFN V FN(vload_part)(const T *p, size_t n)
{
    return (V)X(_mm512_maskz_loadu)((M)((1u << n) - 1), p);
}
VFN void FN(vstore_part)(T *p, V v, size_t n)
{
    X(_mm512_mask_storeu)(p, (M)((1u << n) - 1), v);
}
/* a * b + c in the lower half of the lanes, in half the time where the units are that wide. */
VFN V vfma_low(V a, V b, V c)
{
  #if TG_REAL == 32
    return (V)_mm512_castps256_ps512(_mm256_fmadd_ps(
        _mm512_castps512_ps256(a), _mm512_castps512_ps256(b), _mm512_castps512_ps256(c)));
  #else
    return (V)_mm512_castpd256_pd512(_mm256_fmadd_pd(
        _mm512_castpd512_pd256(a), _mm512_castpd512_pd256(b), _mm512_castpd512_pd256(c)));
  #endif
}
#else
  #undef vfma_low
  #define vfma_low vfma
  #ifdef TG_ISA_AVX2
static const IT FN(lanes)[2 * L] = {
    #if TG_REAL == 32
    -1, -1, -1, -1,
    #endif
    -1, -1, -1, -1,
};
VFN V FN(vload_part)(const T *p, size_t n)
{
    const VI keep = (VI)_mm256_loadu_si256((const __m256i *)(const void *)(FN(lanes) + L - n));
    return (V)X(_mm256_maskload)(p, (__m256i)keep);
}
  #else
VFN V FN(vload_part)(const T *p, size_t n)
{
    V v = {0};
    for (size_t i = 0; i < n; ++i)
        v[i] = p[i];
    return v;
}
  #endif
/* Masked stores are slow on the CPUs whose best is AVX2: whole pieces instead. */
VFN void FN(vstore_part)(T *p, V v, size_t n)
{
    T lane[L] __attribute__((aligned(TG_VBYTES)));
    const T *from = lane;
    if (n == L) {
        vstore(p, v);
        return;
    }
    vstore(lane, v);
    if (L > 4 && n & 4) {
        memcpy(p, from, 4 * sizeof(T));
        p += 4;
        from += 4;
    }
    if (L > 2 && n & 2) {
        memcpy(p, from, 2 * sizeof(T));
        p += 2;
        from += 2;
    }
    if (n & 1)
        *p = *from;
}
#endif

/* Rows of B that a large tile takes the time of memory for, about 400 cycles. */
#undef ROWS_AHEAD
#ifdef TG_ISA_AVX2
  #define ROWS_AHEAD 64
#else
  #define ROWS_AHEAD 16
#endif
#undef FETCH_EVERY
#undef FETCH_LINES
#define FETCH_EVERY                                                                \
    (256 / sizeof(T)) /* 4 lines of a row of A go by; one more makes up for the */
#define FETCH_LINES 5 /* last time, when the tile ends */

/* Tiles below each other. Strides of A and B in bytes. A is read one element at a time: any
 * strides; the columns of B and C are contiguous. */
typedef struct FN(tile_job) {
    size_t k, count; /* count: tiles, at least one */
    const char *a, *b;
    T *c; /* a, c and count move on with the tiles */
    ptrdiff_t a_row, a_col, b_row;
    ptrdiff_t c_row; /* in elements */
    size_t last; /* columns of C in the last vector, 1..L; B has L to read */
    T *copy; /* where the copying tile puts B's rows, one after the other */
    const T *bias; /* one per column of the tile, added last; or NULL */
    const T *add; /* added to the sums: C's own of the earlier blocks of k, or another array
                   * with its strides; moves on with the tiles; or NULL */
    /* Memory to fetch meanwhile: after each stretch of k two rows of C and FETCH_LINES of a run of
     * lines; a run for each tile. */
    size_t stretch;
    const char *run, *ahead;
    const T *c_ahead;
    ptrdiff_t ahead_line, ahead_tile; /* bytes from line to line, from run to run */
} FN(tile_job);

/* sum += column of A times row of B. at[] has one pointer for three rows of A: with one for each
 * the integer registers would not do. copy: where the row of B goes; or NULL. */
VFN void FN(outer)(V sum[TG_TILE_ROWS][TG_TILE_WIDE], const char *const *at, ptrdiff_t a_row,
                   const char *at_b, T *copy, const int rows, const int wide, const int half)
{
    const T *b = (const T *)(const void *)at_b;
    V row[TG_TILE_WIDE];
    UNROLL
    for (int j = 0; j < wide; ++j)
        row[j] = vload(b + j * L);
    if (copy)
        UNROLL
    for (int j = 0; j < wide; ++j)
        vstore(copy + j * L, row[j]);
    UNROLL
    for (int i = 0; i < rows; ++i) {
        const V x = vset(*(const T *)(const void *)(at[i / 3] + i % 3 * a_row));
        UNROLL
        for (int j = 0; j < wide; ++j)
            sum[i][j] = half && j == wide - 1 ? vfma_low(x, row[j], sum[i][j])
                                              : vfma(x, row[j], sum[i][j]);
    }
}

/* What changes little stays in memory: GCC would keep it in vector registers, whose moves queue up
 * behind the products. */
#ifndef REREAD
  #define REREAD __asm__ volatile("" ::: "memory")
#endif

/* job->count tiles below each other. rows and wide are compile-time constants: every loop over them
 * unrolls, so that sum is registers. half: at most half of the last vector counts; only
 * AVX-512, whose half vectors take half the time, has tiles for it. fetches: B is far away, in
 * rows that may lie pages apart, where no CPU fetches ahead; to the second cache, as a set of the
 * first may have to hold them all. copies: B to job->copy. */
VFN void FN(tile)(FN(tile_job) * job, const int rows, const int wide, const int half,
                  const int fetches, const int copies)
{
    do {
        REREAD;
        V sum[TG_TILE_ROWS][TG_TILE_WIDE];
        const ptrdiff_t a_row = job->a_row, a_col = job->a_col, b_row = job->b_row;
        const char *at[4] = {job->a, job->a + 3 * a_row, job->a + 6 * a_row,
                             job->a + 9 * a_row};
        const char *at_b = job->b;
        T *copy = copies ? job->copy : NULL;
        job->a += rows * a_row;
        UNROLL
        for (int i = 0; i < rows; ++i)
            UNROLL
        for (int j = 0; j < wide; ++j)
            sum[i][j] = (V){0};
        for (size_t left = job->k;;) {
            size_t p = left < job->stretch ? left : job->stretch;
            left -= p;
            for (; p > 0; --p) {
                if (fetches) {
                    const char *next = at_b + ROWS_AHEAD * b_row;
                    UNROLL
                    for (int j = 0; j < wide * (int)sizeof(V); j += 64)
                        __builtin_prefetch(next + j, 0, 2);
                    __builtin_prefetch(next + wide * (int)sizeof(V) - 1, 0, 2);
                }
                FN(outer)(sum, at, a_row, at_b, copy, rows, wide, half);
                UNROLL
                for (int i = 0; i < 4; ++i)
                    at[i] += a_col;
                at_b += b_row;
                if (copies)
                    copy += wide * L;
            }
            if (left == 0)
                break;
            REREAD;
            const char *ahead = job->ahead;
            const T *c_ahead = job->c_ahead;
            UNROLL
            for (int i = 0; i < FETCH_LINES; ++i, ahead += job->ahead_line)
                __builtin_prefetch(ahead);
            UNROLL
            for (int i = 0; i < 2; ++i, c_ahead += job->c_row)
                UNROLL
            for (int j = 0; j < wide; j += 64 / (int)sizeof(V))
                __builtin_prefetch(c_ahead + j * L, 1);
            job->ahead = ahead;
            job->c_ahead = c_ahead;
            REREAD;
        }
        REREAD;
        T *c = job->c;
        const ptrdiff_t c_row = job->c_row;
        const size_t last = job->last;
        job->ahead = job->run += job->ahead_tile;
        job->c_ahead = job->c = c + rows * c_row;
        if (job->add) {
            const T *from = job->add;
            job->add += rows * c_row;
            UNROLL
            for (int i = 0; i < rows; ++i, from += c_row)
                UNROLL
            for (int j = 0; j < wide; ++j)
                sum[i][j] += j == wide - 1 && last < L ? FN(vload_part)(from + j * L, last)
                                                       : vload(from + j * L);
        }
        if (job->bias)
            UNROLL
        for (int j = 0; j < wide; ++j) {
            const T *from = job->bias + j * L;
            const V bias = j == wide - 1 && last < L ? FN(vload_part)(from, last) : vload(from);
            UNROLL
            for (int i = 0; i < rows; ++i)
                sum[i][j] += bias;
        }
        /* The total is nan if any element is: one test a tile. */
        V total[2] = {sum[0][0], {0}};
        UNROLL
        for (int i = 0; i < rows; ++i)
            UNROLL
        for (int j = i == 0; j < wide; ++j)
            total[(i + j) & 1] += sum[i][j];
        total[0] += total[1];
        if (__builtin_expect(vany(vne(total[0], total[0])), 0))
            UNROLL
        for (int i = 0; i < rows; ++i)
            UNROLL
        for (int j = 0; j < wide; ++j)
            sum[i][j] = vcanon(sum[i][j]);
        UNROLL
        for (int i = 0; i < rows; ++i, c += c_row)
            UNROLL
        for (int j = 0; j < wide; ++j) {
            if (j == wide - 1 && last < L)
                FN(vstore_part)(c + j * L, sum[i][j], last);
            else
                vstore(c + j * L, sum[i][j]);
        }
    } while (--job->count > 0);
}

#define TILE(rows, wide)                                     \
    static void FN(tile_##rows##x##wide)(FN(tile_job) * job) \
    {                                                        \
        FN(tile)(job, rows, wide, false, false, false);      \
    }
TILES(TILE)
#undef TILE
#ifdef TG_ISA_AVX512
  #define TILE(rows, wide)                                            \
      static void FN(tile_##rows##x##wide##_half)(FN(tile_job) * job) \
      {                                                               \
          FN(tile)(job, rows, wide, true, false, false);              \
      }
TILES(TILE)
  #undef TILE
#endif

typedef void FN(tile_fn)(FN(tile_job) * job);
/* By whether at most half of the last vector counts, width, rows. */
static FN(tile_fn) *const FN(tiles)[2][TG_TILE_WIDE + 1][TG_TILE_ROWS + 1] = {
#define TILE(rows, wide) [false][wide][rows] = FN(tile_##rows##x##wide),
    TILES(TILE)
#ifdef TG_ISA_AVX512
  #undef TILE
  #define TILE(rows, wide) [true][wide][rows] = FN(tile_##rows##x##wide##_half),
        TILES(TILE)
#endif
};
#undef TILE
#undef TILES

/* The first tile of a panel that comes from far away: of few rows, which read it in place, or of
 * many, where it also makes the copy for the tiles below it: stores find room between products. */
#undef FETCH_ROWS
#undef FETCH_WIDE
#undef COPY_ROWS
#undef COPY_WIDE
#if defined TG_ISA_AVX512 || defined __aarch64__
  #define FETCH_ROWS 8
  #define FETCH_WIDE 3
  #define COPY_ROWS 6
  #define COPY_WIDE 4
#elif defined TG_ISA_AVX2
  #define FETCH_ROWS 6
  #define FETCH_WIDE 2
  #define COPY_ROWS 4
  #define COPY_WIDE 3
#else
  #define FETCH_ROWS 2
  #define FETCH_WIDE 2
  #define COPY_ROWS 2
  #define COPY_WIDE 2
#endif
static void FN(fetching_tile)(FN(tile_job) * job)
{
    FN(tile)(job, FETCH_ROWS, FETCH_WIDE, false, true, false);
}
static void FN(copying_tile)(FN(tile_job) * job)
{
    FN(tile)(job, COPY_ROWS, COPY_WIDE, false, true, true);
    job->b = (const char *)job->copy;
    job->b_row = (ptrdiff_t)(COPY_WIDE * sizeof(V));
}

#include "gemm_pack.inc.c"
#include "gemm_block.inc.c"
#include "gemv.inc.c"
#include "gemm_small.inc.c"
#undef UNROLL
#undef SIDE
#undef DEPTH

static const tg_gemm_kernels FN(gemm_kernels) = {
    .block = FN(gemm_block),
    .vector = FN(gemv_block),
    .stack = FN(gemm_stack),
    .finish = FN(gemm_finish),
    .lanes = L,
    .narrow = NARROW,
#ifdef TG_ISA_AVX512
    .portion = L / 2,
#else
    .portion = L,
#endif
};
