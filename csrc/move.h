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

/* run.c. dst[i * d] = src[i * s] for i < n, elements of item bytes; d and s in bytes. */
void tg_strided_run(char *dst, ptrdiff_t d, const char *src, ptrdiff_t s, int64_t n,
                    size_t item);
/* The same with dst contiguous. */
void tg_copy_run(char *dst, const char *src, ptrdiff_t step, size_t n, size_t item);
/* n elements s bytes apart, of 1, 2, 4 or 8 bytes, each `times` times in a row, to contiguous
 * dst. */
void tg_spread_run(char *dst, const char *src, ptrdiff_t s, int64_t n, int64_t times,
                   size_t item);

/* `rows` runs of n elements, `across` bytes from one to the next and `step` bytes from element to
 * element, one after the other to contiguous dst. */
void tg_copy_runs(char *dst, const char *src, ptrdiff_t across, size_t rows, ptrdiff_t step,
                  size_t n, size_t item);

/* Estimated time of moving that many elements once, in ns. */
double tg_move_cost(int64_t size, size_t item);

/* A contiguous copy of x with its axes in this order (a permutation), or NULL: out of memory.
 * Lets go of the lock if it is long. */
tg_tensor *tg_copy_permuted(tg_tensor *x, const int *order);

/* The strides of a C-order array of that shape. */
void tg_c_strides(int64_t *strides, int ndim, const int64_t *shape);

#endif
