/* errors.c: what the last failure of this thread was, in words, and where. Entry points and run
 * functions return a code; pyapply.c makes the exception. */
#include <stdarg.h>
#include <stdio.h>

#include "tensor.h"

static _Thread_local char error_text[512];
static _Thread_local tg_error_place error_place;
static _Thread_local bool has_place;

int tg_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error_text, sizeof error_text, format, args);
    va_end(args);
    has_place = false;
    return code;
}

const char *tg_error_text(void) { return error_text; }

void tg_error_was_at(const tg_error_place *place)
{
    error_place = *place;
    has_place = true;
}

const tg_error_place *tg_error_at(void)
{
    const bool had = has_place;
    has_place = false;
    return had ? &error_place : NULL;
}

int tg_fail_memory(void) { return tg_fail(TG_EMEMORY, "out of memory"); }

/* "(3, 4)", as Python writes a shape. */
const char *tg_shape_text(char *text, size_t room, int ndim, const int64_t *shape)
{
    size_t at = (size_t)snprintf(text, room, "(");
    for (int i = 0; i < ndim && at < room; ++i)
        at += (size_t)snprintf(text + at, room - at, i + 1 < ndim ? "%lld, " : "%lld",
                               (long long)shape[i]);
    if (at < room)
        snprintf(text + at, room - at, ndim == 1 ? ",)" : ")");
    return text;
}

const char *tg_shapes_text(char *text, size_t room, tg_tensor *const *t, int n)
{
    char one[80];
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < n && i < 3 && at < room; ++i)
        at += (size_t)snprintf(text + at, room - at, "%s%s", i ? ", " : "",
                               tg_shape_text(one, sizeof one, t[i]->ndim, tg_shape(t[i])));
    return text;
}
