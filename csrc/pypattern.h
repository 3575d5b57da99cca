/* pypattern.h: nestings of arguments and results, as CompiledCall matches and makes them. */
#ifndef TG_PYPATTERN_H
#define TG_PYPATTERN_H

#include "program.h"
#include "python.h"

/* What an argument must be: nested tuples
 *   ("array", number, dtype, shape, strides)  the number-th array; strides in elements, or None: a
 *       Tensor that is no variable, or a C-order ndarray
 *   ("scalar", number, dtype, type)   the number-th array: a number of one of NumPy's types
 *   ("same", number)      the very object that array is
 *   ("is", object), ("equal", object)   this one; one of its type that is equal
 *   ("tuple", parts), ("list", parts), ("dict", keys, parts)   exactly that type
 * or what a result is made of: ("made", number of the output), ("value", object), tuples, lists and
 * dicts as above. */
typedef struct tg_pattern tg_pattern;

/* Where the arrays of a call are found. */
typedef struct tg_found {
    PyObject **arrays; /* borrowed from the arguments, or from scalars */
    PyObject *scalars; /* NULL, or a list of the 0-d arrays of NumPy's numbers; the caller's */
    tg_memory *memory;
    int64_t (*dims)[2 * TG_MAX_NDIM];
    int n;
} tg_found;

/* spec outlives the pattern. n_arrays: how many there may be. NULL with an error set. */
tg_pattern *tg_pattern_new(PyObject *spec, int n_arrays);
void tg_pattern_free(tg_pattern *pattern);
/* 1: o is as the pattern says; 0: not; -1: an error is set. */
int tg_pattern_match(const tg_pattern *pattern, PyObject *o, tg_found *found);
PyObject *tg_pattern_make(const tg_pattern *pattern, PyObject *const *made); /* new reference */

#endif
