/* pool.h: blocks and buffers. See pool.c. */
#ifndef TG_POOL_H
#define TG_POOL_H

#include "core.h"

enum { TG_N_CLASSES = 2 + 4 * 57 };

uint32_t tg_class_of(size_t bytes);
size_t tg_class_bytes(uint32_t class);
void *tg_alloc(uint32_t class);                /* NULL: out of memory */
void tg_free(void *p, uint32_t class);
void *tg_system_block(size_t bytes); /* aligned; large ones in huge pages; free() it */

tg_buffer *tg_buffer_new(size_t bytes); /* refs = 1; NULL: out of memory */
void tg_buffer_drop(tg_buffer *b);

/* A buffer over memory that others own and may write: its last drop calls release(owner). It
 * counts as having a writer for as long as it lives, so tapes keep copies of what they save. */
tg_buffer *tg_buffer_foreign(char *data, size_t bytes, void *owner, void (*release)(void *));

/* A placement stands in for the pool and the record table while this thread runs a program: what
 * run functions ask for comes from the program's own memory, without the interpreter lock and
 * without an allocation. See placement.c. */
struct tg_placement;
extern _Thread_local struct tg_placement *tg_placing __attribute__((tls_model("initial-exec")));
enum { TG_PLACED = UINT32_MAX }; /* size_class, or a record's index, of such */
enum { TG_FOREIGN = UINT32_MAX - 1 }; /* size_class of memory that others own */
tg_buffer *tg_place_buffer(size_t bytes);
tg_tensor *tg_place_record(int ndim); /* dims set */
void tg_unplace_buffer(tg_buffer *b);

#endif
