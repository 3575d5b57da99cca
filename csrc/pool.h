/* pool.h: blocks and buffers. See pool.c. */
#ifndef TG_POOL_H
#define TG_POOL_H

#include "core.h"

enum { TG_N_CLASSES = 2 + 4 * 57 };

uint32_t tg_class_of(size_t bytes);
size_t tg_class_bytes(uint32_t class);
void *tg_alloc(uint32_t class);                /* NULL: out of memory */
void tg_free(void *p, uint32_t class);

tg_buffer *tg_buffer_new(size_t bytes);        /* refs = 1; NULL: out of memory */
void tg_buffer_drop(tg_buffer *b);

#endif
