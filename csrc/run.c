/* run.c: copies along one axis: strided, reversed, of one element, or of each of several times; and
 * of several such runs. Called by copy.c, operand.c and reduce.c. */
#include "kernels.h"
#include "move.h"

typedef uint64_t tg_words __attribute__((vector_size(16), aligned(1), may_alias));

/* n elements one by one; item is a constant in every call, so each move is one instruction. */
static inline __attribute__((always_inline)) void
strided_run_of(char *dst, ptrdiff_t d, const char *src, ptrdiff_t s, int64_t n, size_t item)
{
    for (int64_t i = 0; i < n; ++i) {
        memcpy(dst, src, item);
        dst += d;
        src += s;
    }
}

void tg_strided_run(char *dst, ptrdiff_t d, const char *src, ptrdiff_t s, int64_t n,
                    size_t item)
{
    switch (item) {
    case 1: strided_run_of(dst, d, src, s, n, 1); break;
    case 2: strided_run_of(dst, d, src, s, n, 2); break;
    case 4:
        if (d == 4 && s != 4) { /* a constant unit stride on one side halves the work */
            strided_run_of(dst, 4, src, s, n, 4);
            break;
        }
        strided_run_of(dst, d, src, s, n, 4);
        break;
    case 8:
        if (d == 8 && s != 8) {
            strided_run_of(dst, 8, src, s, n, 8);
            break;
        }
        strided_run_of(dst, d, src, s, n, 8);
        break;
    case 16: strided_run_of(dst, d, src, s, n, 16); break;
    default: strided_run_of(dst, d, src, s, n, item); break;
    }
}

/* A vector of one element. */
static inline __attribute__((always_inline)) tg_words filled(const char *src, size_t item)
{
    uint64_t x = 0;
    memcpy(&x, src, item);
    for (; item < sizeof x; item *= 2)
        x |= x << 8 * item;
    return (tg_words){x, x};
}

/* dst[i] = *src for i < n, in elements of item bytes, 4 or 8. */
static inline __attribute__((always_inline)) void repeat_run(char *dst, const char *src,
                                                             size_t n, size_t item)
{
    char *const end = dst + n * item;
    const tg_words v = filled(src, item);
    if (n * item < sizeof v) {
        for (; dst < end; dst += item)
            memcpy(dst, &v, item);
        return;
    }
    for (; dst + sizeof v < end; dst += sizeof v)
        *(tg_words *)(void *)dst = v;
    *(tg_words *)(void *)(end - sizeof v) = v; /* over the one before, perhaps */
}

void tg_copy_run(char *dst, const char *src, ptrdiff_t step, size_t n, size_t item)
{
    if (step == (ptrdiff_t)item && n * item >= 64)
        memcpy(dst, src, n * item);
    else if (step == 0 && item >= 4 && item <= 8 && n * item >= TG_PAD)
        tg_isa->repeat[item == 8](dst, src, n);
    else if (step == 0 && item == 4)
        repeat_run(dst, src, n, 4);
    else if (step == 0 && item == 8)
        repeat_run(dst, src, n, 8);
    else if (step == -4 && item == 4) /* constants: the compiler turns vectors around */
        strided_run_of(dst, 4, src, -4, (int64_t)n, 4);
    else if (step == -8 && item == 8)
        strided_run_of(dst, 8, src, -8, (int64_t)n, 8);
    else
        tg_strided_run(dst, (ptrdiff_t)item, src, step, (int64_t)n, item);
}

/* n elements, each `times` times in a row: dst is contiguous. Whole vectors are stored, over what
 * the next elements then write; the last ones keep within dst. */
static inline __attribute__((always_inline)) void
spread_of(char *dst, const char *src, ptrdiff_t s, int64_t n, int64_t times, size_t item)
{
    const ptrdiff_t each = times * (ptrdiff_t)item, step = (ptrdiff_t)sizeof(tg_words);
    const char *const end = dst + n * each;
    for (; end - dst >= each + step; dst += each, src += s) {
        const tg_words v = filled(src, item);
        for (ptrdiff_t at = 0; at < each; at += step)
            *(tg_words *)(void *)(dst + at) = v;
    }
    for (; dst < end; dst += each, src += s) {
        const tg_words v = filled(src, item);
        ptrdiff_t at = 0;
        for (; at + step <= each; at += step)
            *(tg_words *)(void *)(dst + at) = v;
        memcpy(dst + at, &v, (size_t)(each - at));
    }
}

void tg_spread_run(char *dst, const char *src, ptrdiff_t s, int64_t n, int64_t times,
                   size_t item)
{
#define SPREAD(times, item)                                                \
    case times << 4 | item: spread_of(dst, src, s, n, times, item); break;
    switch (times < 5 ? times << 4 | (int64_t)item : (int64_t)item) {
        SPREAD(2, 4) /* constants: one store an element */
        SPREAD(3, 4)
        SPREAD(4, 4)
        SPREAD(2, 8)
        SPREAD(3, 8)
        SPREAD(4, 8)
    default:
        switch (item) {
        case 1: spread_of(dst, src, s, n, times, 1); break;
        case 2: spread_of(dst, src, s, n, times, 2); break;
        case 4: spread_of(dst, src, s, n, times, 4); break;
        default: spread_of(dst, src, s, n, times, 8); break;
        }
    }
#undef SPREAD
}

/* --- several runs ------------------------------------------------------------------------------ */

/* tg_copy_run for `rows` runs `across` bytes apart, one after the other: n, item are constants. */
static inline __attribute__((always_inline)) void
copy_short_runs(char *dst, const char *src, ptrdiff_t across, size_t rows, ptrdiff_t step,
                const size_t n, const size_t item)
{
    for (; rows > 0; --rows, src += across)
        for (size_t i = 0; i < n; ++i, dst += item)
            memcpy(dst, src + (ptrdiff_t)i * step, item);
}

/* The same for runs of contiguous elements, 16 bytes or more; the last 16 over those before. */
static inline __attribute__((always_inline)) void
copy_close_runs(char *dst, const char *src, ptrdiff_t across, size_t rows, const size_t bytes)
{
    for (; rows > 0; --rows, src += across, dst += bytes) {
        for (size_t at = 0; at + 16 < bytes; at += 16)
            memcpy(dst + at, src + at, 16);
        memcpy(dst + bytes - 16, src + bytes - 16, 16);
    }
}

/* Of short runs (points of the plane or of space, channels) calls and loops would take longer than the
 * elements. */
void tg_copy_runs(char *dst, const char *src, ptrdiff_t across, size_t rows, ptrdiff_t step,
                  size_t n, size_t item)
{
#define SHORT(n, item)                                                                 \
    case n << 4 | item: copy_short_runs(dst, src, across, rows, step, n, item); break;
#define SHORTS(item)                                                                          \
    SHORT(1, item) SHORT(2, item) SHORT(3, item) SHORT(4, item) SHORT(5, item) SHORT(6, item)
    const size_t bytes = n * item;
    if (across == 0 && rows > 8) { /* the first one again and again */
        tg_copy_run(dst, src, step, n, item);
        for (size_t done = bytes, all = rows * bytes; done < all; done *= 2)
            memcpy(dst + done, dst, done < all - done ? done : all - done);
        return;
    }
    if (step == (ptrdiff_t)item && bytes >= 16 && bytes <= 256) {
        if (bytes == 32) /* a constant: eight channels in float32 */
            copy_close_runs(dst, src, across, rows, 32);
        else
            copy_close_runs(dst, src, across, rows, bytes);
        return;
    }
    if (step == 0 && item <= 8 && bytes < TG_PAD) {
        tg_spread_run(dst, src, across, (int64_t)rows, (int64_t)n, item);
        return;
    }
    switch (n < 8 ? n << 4 | item : 0) {
        SHORTS(4)
        SHORTS(8)
    default:
        for (; rows > 0; --rows, src += across, dst += bytes)
            tg_copy_run(dst, src, step, n, item);
    }
#undef SHORT
#undef SHORTS
}
