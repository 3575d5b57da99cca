/* pool.c: the one allocator: size-class free lists of 64-byte aligned blocks.
 * A training step asks for the same sizes again and again, so a freed block goes on its class's
 * list and the next request pops it. Small blocks are carved from slabs and kept for good;
 * large ones go back to the system once more than TG_POOL_KEEP bytes lie idle.
 * Called with the interpreter lock held. Nothing is freed at exit. */
#include "pool.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    SLAB = 256 * 1024,          /* bytes carved at a time */
    CARVED = 16 * 1024,         /* blocks up to this size come from slabs */
    HUGE_PAGE = 2 * 1024 * 1024,
};
static const size_t TG_POOL_KEEP = (size_t)512 << 20;

typedef struct block {
    struct block *next;
} block;

static block *free_blocks[TG_N_CLASSES];
static size_t idle_bytes;       /* of large blocks on the free lists */
static size_t live_bytes;       /* handed out, all classes */
static size_t peak_bytes;       /* most of them since somebody asked */
static uint64_t system_calls;   /* requests that reached malloc: a steady state adds none */
static char *slab, *slab_end;

/* Class 0 is 48 bytes (a buffer with 16 bytes of data), class 1 is 64; above, four classes to
 * each doubling, so at most a fifth of a block is slack. */
uint32_t tg_class_of(size_t bytes)
{
    if (bytes <= 64)
        return bytes <= 48 ? 0 : 1;
    const int top = 63 - __builtin_clzll((bytes - 1) | 1);       /* 2^top <= bytes - 1 */
    const size_t quarter = (size_t)1 << (top - 2);
    const size_t step = (bytes - 1 - ((size_t)1 << top)) / quarter;   /* 0..3 */
    return (uint32_t)(2 + (top - 6) * 4 + (int)step);
}

size_t tg_class_bytes(uint32_t class)
{
    if (class < 2)
        return class == 0 ? 48 : 64;
    const uint32_t top = (class - 2) / 4 + 6, step = (class - 2) % 4 + 1;
    const size_t bytes = ((size_t)1 << top) + step * ((size_t)1 << (top - 2));
    return (bytes + 63) & ~(size_t)63;
}

/* First-touch page faults cost more than most kernels: ask for huge pages where there are any. */
void *tg_system_block(size_t bytes)
{
    void *p = NULL;
    ++system_calls;
    if (posix_memalign(&p, bytes >= HUGE_PAGE ? HUGE_PAGE : 64, bytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (bytes >= 2 * HUGE_PAGE)
        (void)madvise(p, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
#endif
    return p;
}

static void *carve(size_t bytes)
{
    if ((size_t)(slab_end - slab) < bytes) {
        char *fresh = tg_system_block(SLAB);
        if (!fresh)
            return NULL;
        slab = fresh;           /* the old slab's last few bytes are given up */
        slab_end = fresh + SLAB;
    }
    void *p = slab;
    slab += bytes;
    return p;
}

/* 48-byte blocks are carved three to a 192-byte run, so that the slab stays 64-byte aligned. */
static void *carve_tiny(void)
{
    char *run = carve(192);
    if (!run)
        return NULL;
    for (int i = 1; i < 4; ++i) {
        block *b = (block *)(void *)(run + 48 * i);
        b->next = free_blocks[0];
        free_blocks[0] = b;
    }
    return run;
}

static void release_idle(void)
{
    for (uint32_t c = TG_N_CLASSES; c-- > 0 && tg_class_bytes(c) > CARVED;) {
        while (free_blocks[c]) {
            block *b = free_blocks[c];
            free_blocks[c] = b->next;
            free(b);
        }
    }
    idle_bytes = 0;
}

static void count(size_t bytes)
{
    live_bytes += bytes;
    if (live_bytes > peak_bytes)
        peak_bytes = live_bytes;
}

void *tg_alloc(uint32_t class)
{
    const size_t bytes = tg_class_bytes(class);
    block *b = free_blocks[class];
    if (b) {
        free_blocks[class] = b->next;
        if (bytes > CARVED)
            idle_bytes -= bytes;
        count(bytes);
        return b;
    }
    void *p;
    if (class == 0) {
        p = carve_tiny();
    } else if (bytes <= CARVED) {
        p = carve(bytes);
    } else {
        p = tg_system_block(bytes);
        if (!p && idle_bytes) {
            release_idle();
            p = tg_system_block(bytes);
        }
    }
    if (p)
        count(bytes);
    return p;
}

void tg_free(void *p, uint32_t class)
{
    const size_t bytes = tg_class_bytes(class);
    live_bytes -= bytes;
    if (bytes > CARVED) {
        if (idle_bytes + bytes > TG_POOL_KEEP) {
            free(p);
            return;
        }
        idle_bytes += bytes;
    }
    block *b = p;
    b->next = free_blocks[class];
    free_blocks[class] = b;
}

uint64_t tg_pool_live_bytes(void) { return live_bytes; }
uint64_t tg_pool_peak_bytes(void)
{
    const size_t peak = peak_bytes;
    peak_bytes = live_bytes;
    return peak;
}
uint64_t tg_pool_system_calls(void) { return system_calls; }

/* --- buffers --------------------------------------------------------------------------- */

enum { TINY = 16 };             /* data bytes that ride in the header's own block */

_Thread_local struct tg_placement *tg_placing __attribute__((tls_model("initial-exec")));

tg_buffer *tg_buffer_new(size_t bytes)
{
    if (tg_placing)
        return tg_place_buffer(bytes);
    tg_buffer *b = tg_alloc(0);
    if (!b)
        return NULL;
    b->refs = 1;
    b->writers = 0;
    b->is_variable = b->has_views = false;
    b->version = 0;
    if (bytes <= TINY) {
        b->data = (char *)(b + 1);
        b->capacity = TINY;
        b->size_class = 0;
        return b;
    }
    if (bytes > PTRDIFF_MAX / 2) {
        tg_free(b, 0);
        return NULL;
    }
    b->size_class = tg_class_of(bytes < 64 ? 64 : bytes);
    b->data = tg_alloc(b->size_class);
    if (!b->data) {
        tg_free(b, 0);
        return NULL;
    }
    b->capacity = tg_class_bytes(b->size_class);
    return b;
}

struct lender {
    void *owner;
    void (*release)(void *);
};
_Static_assert(sizeof(struct lender) <= TINY, "a lender rides where tiny data does");

tg_buffer *tg_buffer_foreign(char *data, size_t bytes, void *owner, void (*release)(void *))
{
    tg_buffer *b = tg_alloc(0);
    if (!b)
        return NULL;
    *b = (tg_buffer){
        .data = data, .capacity = bytes, .refs = 1, .writers = 1, .size_class = TG_FOREIGN};
    const struct lender lender = {owner, release};
    memcpy(b + 1, &lender, sizeof lender);
    return b;
}

void tg_buffer_drop(tg_buffer *b)
{
    if (--b->refs)
        return;
    if (b->size_class == TG_FOREIGN) {
        struct lender lender;
        memcpy(&lender, b + 1, sizeof lender);
        tg_free(b, 0);
        lender.release(lender.owner);
        return;
    }
    if (b->size_class == TG_PLACED) {
        tg_unplace_buffer(b);
        return;
    }
    if (b->size_class)
        tg_free(b->data, b->size_class);
    tg_free(b, 0);
}
