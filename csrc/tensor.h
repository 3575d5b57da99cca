/* tensor.h: records and handles beyond what core.h gives the kernels. See tensor.c. */
#ifndef TG_TENSOR_H
#define TG_TENSOR_H

#include "core.h"

int tg_fail_memory(void);
const char *tg_shape_text(char *text, size_t room, int ndim, const int64_t *shape);
/* "(3, 4), (4,)": those of the first few operands. */
const char *tg_shapes_text(char *text, size_t room, tg_tensor *const *t, int n);

tg_tensor *tg_from_handle(uint64_t handle);    /* NULL: stale */
uint64_t tg_handle_of(const tg_tensor *t);
size_t tg_record_room(void); /* every record's index is below it */
void tg_export(tg_tensor *t);         /* the caller's hold becomes a Python Tensor's */
void tg_release(tg_tensor *t);        /* a Python Tensor's hold ends */
void tg_unuse(tg_tensor *t);          /* give up the data, keep the record */
void tg_unref(tg_tensor *t);          /* give up the record */

/* Whether whoever holds t is the only one to see its values, which may then be written over. */
bool tg_is_unshared(const tg_tensor *t);

#endif
