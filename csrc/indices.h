/* indices.h: what ops at integer indices share. Indices are int64; negative ones count from the
 * end. */
#ifndef TG_INDICES_H
#define TG_INDICES_H

#include "core.h"

/* Hold `given` as a contiguous array whose values lie in [-n, n): the caller's to drop. Else an
 * error that names op, axis and the first index outside. */
int tg_checked_indices(const char *op, tg_tensor **index, tg_tensor *given, int64_t n,
                       int axis);

static inline int64_t tg_wrap(int64_t index, int64_t n)
{
    return index < 0 ? index + n : index;
}

#endif
