/* move.h: strided copies between raw memory, shared by the files that move elements about. */
#ifndef TG_MOVE_H
#define TG_MOVE_H

#include <string.h>

#include "core.h"

/* dst[i] = src[i] for every index i of shape; strides in elements of item bytes (1, 2, 4, 8,
 * 16 or 32), of any sign. src strides may be 0; dst elements must be distinct and must not
 * overlap src. Large copies use the pool's threads; the lock is not touched. Cannot fail. */
void tg_copy_strided(char *dst, const int64_t *dst_strides, const char *src,
                     const int64_t *src_strides, int ndim, const int64_t *shape, size_t item);

typedef uint64_t tg_words __attribute__((vector_size(16), aligned(1), may_alias));

/* dst[i] = *src for i < n, in elements of item bytes, 4 or 8. */
static inline __attribute__((always_inline)) void tg_repeat_run(char *dst, const char *src,
                                                                size_t n, size_t item)
{
    char *const end = dst + n * item;
    uint64_t x = 0;
    memcpy(&x, src, item);
    if (item == 4)
        x |= x << 32;
    const tg_words v = {x, x};
    if (n * item < sizeof v) {
        for (; dst < end; dst += item)
            memcpy(dst, &x, item);
        return;
    }
    for (; dst + sizeof v < end; dst += sizeof v)
        *(tg_words *)(void *)dst = v;
    *(tg_words *)(void *)(end - sizeof v) = v; /* over the one before, perhaps */
}

/* Estimated time of moving that many elements once, in ns. */
double tg_move_cost(int64_t size, size_t item);

/* A contiguous copy of x with its axes in this order (a permutation), or NULL: out of memory.
 * Lets go of the lock if it is long. */
/* dst[i] = src[i * step] for i < n, elements of item bytes; step in bytes. */
void tg_copy_run(char *dst, const char *src, ptrdiff_t step, size_t n, size_t item);
tg_tensor *tg_copy_permuted(tg_tensor *x, const int *order);

/* The strides of a C-order array of that shape. */
void tg_c_strides(int64_t *strides, int ndim, const int64_t *shape);

#endif
