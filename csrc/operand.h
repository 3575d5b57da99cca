/* operand.h: one operand of an elementwise loop: how its elements come to the kernel. Shared by
 * blocks.c (one row) and group.c (many). See operand.c. */
#ifndef TG_OPERAND_H
#define TG_OPERAND_H

#include "core.h"
#include "move.h"

/* WHOLE: read where it lies, C order. REPEATED: one value. GATHERED: any other layout, block by
 * block. ABSENT: nobody reads it. */
enum tg_mode { TG_ABSENT, TG_WHOLE, TG_REPEATED, TG_GATHERED };

typedef struct tg_operand {
    enum tg_mode mode;
    int ndim; /* of a gathered one, adjacent axes merged */
    size_t item;
    size_t period; /* elements after which a gathered one comes again; 0: it does not */
    const char *data;
    tg_tensor *copy; /* what data is of, when made for the plan: the caller's to drop */
    _Alignas(TG_PAD) char value[TG_PAD]; /* of a repeated one */
    int64_t shape[TG_MAX_NDIM], strides[TG_MAX_NDIM];
} tg_operand;

extern const char tg_nothing[TG_PAD]; /* what absent operands are: readable, aligned */

/* How t (NULL: absent) is read where ndim axes of that shape, n elements, are walked.
 * TG_EMEMORY if a copy cannot be made. */
int tg_operand_plan(tg_operand *o, tg_tensor *t, int ndim, const int64_t *shape, size_t n);
/* Fill the vector of a repeated operand from data. */
void tg_operand_repeat(tg_operand *o);
/* Where elements [first, first + n) of a gathered operand lie side by side; NULL: they do not. */
const char *tg_operand_run(const tg_operand *o, size_t first, size_t n);
/* Elements [first, first + n), in C order, of a gathered operand, into dst. */
void tg_operand_gather(char *dst, const tg_operand *o, size_t first, size_t n);
/* Whether some axis steps less than the last: gathering block by block would touch a cache line
 * per element, where a copy goes by tiles. */
bool tg_is_turned(const tg_tensor *t);

/* Past the caches: dst 64-byte aligned. tg_stream_fence after the last. */
void tg_stream(char *dst, const char *src, size_t bytes);
void tg_stream_fence(void);

/* Whether kernels may read (or write) whole vectors over n elements of a C-order tensor. */
static inline bool tg_has_room(const tg_tensor *t, size_t n, size_t lanes, size_t item)
{
    return t->data + tg_round_up(n, lanes) * item <= t->buffer->data + t->buffer->capacity;
}

/* The first of n elements again in the lanes left over up to `bytes`: whatever lay there could
 * be subnormal or special and send the whole vector the slow way. */
static inline void tg_fill_rest(char *to, size_t n, size_t item, size_t bytes)
{
    size_t at = n * item;
    if (item == 4)
        for (; at < bytes; at += 4)
            memcpy(to + at, to, 4);
    else if (item == 8)
        for (; at < bytes; at += 8)
            memcpy(to + at, to, 8);
    else
        memset(to + at, *to, bytes - at);
}

/* A copy of n elements, at least one, that ends as tg_fill_rest says. */
static inline void *tg_fill_lanes(char *to, const char *from, size_t n, size_t item,
                                  size_t bytes)
{
    memcpy(to, from, item);
    if (n > 1)
        memcpy(to, from, n * item);
    tg_fill_rest(to, n, item, bytes);
    return to;
}

#endif
