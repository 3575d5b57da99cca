/* pypattern.c: match a call's arguments against the signature a program was recorded for, and
 * nest its outputs as the function did. Called by pycall.c once a call. */
#include "pypattern.h"

#include <stdlib.h>

#include "operand.h"

/* KEYWORDS: a dict in any order. */
typedef enum kind {
    ARRAY,
    SCALAR,
    SAME,
    IS,
    EQUAL,
    MADE,
    VALUE,
    TUPLE,
    LIST,
    DICT,
    KEYWORDS,
    N_KINDS
} kind;

static const char *const kinds[N_KINDS] = {"array", "scalar", "same", "is",   "equal",   "made",
                                           "value", "tuple",  "list", "dict", "keywords"};

struct tg_pattern {
    kind kind;
    PyObject
        *object; /* IS, EQUAL, VALUE: it; SCALAR: its type; DICT, KEYWORDS: the tuple of keys.
                  * Borrowed from the spec */
    int number, dtype, ndim;
    bool strided;
    int64_t *dims; /* shape, then strides */
    int n;
    tg_pattern **parts;
};

/* --- making -------------------------------------------------------------------------------- */

void tg_pattern_free(tg_pattern *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n; ++i)
        tg_pattern_free(p->parts[i]);
    free(p->parts);
    free(p->dims);
    free(p);
}

static bool refuse(void)
{
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "CompiledCall: no such pattern");
    return false;
}

static bool read_dims(int64_t *to, PyObject *tuple, int n)
{
    if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) != n)
        return refuse();
    for (int i = 0; i < n; ++i)
        to[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, i));
    return !PyErr_Occurred();
}

static bool read_array(tg_pattern *p, PyObject *spec, int n_arrays)
{
    PyObject *name, *shape, *strides;
    if (!PyArg_ParseTuple(spec, "OiiO!O", &name, &p->number, &p->dtype, &PyTuple_Type, &shape,
                          &strides))
        return false;
    p->ndim = (int)PyTuple_Size(shape);
    p->strided = strides != Py_None;
    if (p->number < 0 || p->number >= n_arrays || p->ndim > TG_MAX_NDIM)
        return refuse();
    p->dims = malloc(((size_t)p->ndim * 2 + 1) * sizeof *p->dims);
    if (!p->dims)
        return PyErr_NoMemory() != NULL;
    return read_dims(p->dims, shape, p->ndim) &&
           (!p->strided || read_dims(p->dims + p->ndim, strides, p->ndim));
}

static bool read_scalar(tg_pattern *p, PyObject *spec, int n_arrays)
{
    PyObject *name;
    if (!PyArg_ParseTuple(spec, "OiiO!", &name, &p->number, &p->dtype, &PyType_Type,
                          &p->object))
        return false;
    return p->number >= 0 && p->number < n_arrays ? true : refuse();
}

static bool read_parts(tg_pattern *p, PyObject *parts, int n_arrays)
{
    if (!PyTuple_Check(parts) ||
        (p->kind >= DICT &&
         (!PyTuple_Check(p->object) || PyTuple_Size(p->object) != PyTuple_Size(parts))))
        return refuse();
    const int n = (int)PyTuple_Size(parts);
    p->parts = calloc((size_t)n + 1, sizeof(tg_pattern *));
    if (!p->parts)
        return PyErr_NoMemory() != NULL;
    for (; p->n < n; ++p->n)
        if (!(p->parts[p->n] = tg_pattern_new(PyTuple_GetItem(parts, p->n), n_arrays)))
            return false;
    return true;
}

static bool read_spec(tg_pattern *p, PyObject *spec, int n_arrays)
{
    const Py_ssize_t n = PyTuple_Check(spec) ? PyTuple_Size(spec) : 0;
    PyObject *name = n >= 2 ? PyTuple_GetItem(spec, 0) : NULL;
    for (p->kind = 0; name && p->kind < N_KINDS; ++p->kind)
        if (PyUnicode_Check(name) &&
            PyUnicode_CompareWithASCIIString(name, kinds[p->kind]) == 0)
            break;
    if (!name || p->kind == N_KINDS)
        return refuse();
    switch (p->kind) {
    case ARRAY: return read_array(p, spec, n_arrays);
    case SCALAR: return read_scalar(p, spec, n_arrays);
    case SAME:
    case MADE:
        p->number = (int)PyLong_AsLong(PyTuple_GetItem(spec, 1));
        return p->number >= 0 && p->number < n_arrays ? true : refuse();
    case DICT:
    case KEYWORDS:
        p->object = PyTuple_GetItem(spec, 1);
        return n == 3 ? read_parts(p, PyTuple_GetItem(spec, 2), n_arrays) : refuse();
    case TUPLE:
    case LIST: return read_parts(p, PyTuple_GetItem(spec, 1), n_arrays);
    default: p->object = PyTuple_GetItem(spec, 1); return true;
    }
}

tg_pattern *tg_pattern_new(PyObject *spec, int n_arrays)
{
    tg_pattern *p = calloc(1, sizeof *p);
    if (!p) {
        PyErr_NoMemory();
        return NULL;
    }
    if (read_spec(p, spec, n_arrays))
        return p;
    tg_pattern_free(p);
    return NULL;
}

/* --- matching ------------------------------------------------------------------------------ */

/* Where the values of an array argument are; false: no array of ours, or a variable. */
static bool look_at(PyObject *o, tg_memory *m, int64_t *dims, bool *is_tensor)
{
    const tg_tensor *t = tg_tensor_of(o);
    *is_tensor = t != NULL;
    if (!t)
        return Py_TYPE(o) == tg_python.ndarray && tg_memory_of_array(o, m, dims);
    if (!t->data || t->flags & (TG_VARIABLE | TG_PARAMETER))
        return false;
    *m = tg_memory_of(t);
    return true;
}

static bool match_array(const tg_pattern *p, PyObject *o, tg_found *found)
{
    tg_memory *m = &found->memory[p->number];
    bool is_tensor;
    for (int i = 0; i < found->n; ++i)
        if (found->arrays[i] == o) /* the same array twice is another signature */
            return false;
    if (found->n != p->number || !look_at(o, m, found->dims[p->number], &is_tensor) ||
        m->dtype != p->dtype || m->ndim != p->ndim)
        return false;
    const size_t bytes = (size_t)p->ndim * sizeof *p->dims;
    if (memcmp(m->shape, p->dims, bytes) != 0)
        return false;
    if (p->strided ? is_tensor || memcmp(m->strides, p->dims + p->ndim, bytes) != 0
                   : !is_tensor && !tg_is_c_order(m))
        return false;
    found->arrays[found->n++] = o;
    return true;
}

static int match_scalar(const tg_pattern *p, PyObject *o, tg_found *found)
{
    if ((PyObject *)Py_TYPE(o) != p->object || found->n != p->number)
        return 0;
    if (!found->scalars && !(found->scalars = PyList_New(0)))
        return -1;
    PyObject *array = PyObject_CallMethod(o, "__array__", NULL); /* a copy: o owns no memory */
    if (!tg_list_give(found->scalars, array))
        return -1;
    tg_memory *m = &found->memory[p->number];
    if (!tg_memory_of_array(array, m, found->dims[p->number]) || m->dtype != p->dtype)
        return 0;
    found->arrays[found->n++] = array;
    return 1;
}

/* Whether two keys are one, or equal and of a type whose equals nobody can tell apart. */
static int is_same_key(PyObject *wanted, PyObject *key)
{
    if (wanted == key)
        return 1;
    const int is_plain = PyUnicode_CheckExact(key) || PyLong_CheckExact(key);
    return is_plain && Py_TYPE(wanted) == Py_TYPE(key)
               ? PyObject_RichCompareBool(wanted, key, Py_EQ)
               : 0;
}

static int match_dict(const tg_pattern *p, PyObject *o, tg_found *found)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (!PyDict_CheckExact(o) || PyDict_Size(o) != p->n)
        return 0;
    for (int i = 0; PyDict_Next(o, &at, &key, &value); ++i) {
        PyObject *wanted = i < p->n ? PyTuple_GetItem(p->object, i) : NULL;
        int same = wanted ? is_same_key(wanted, key) : 0;
        if (same > 0)
            same = tg_pattern_match(p->parts[i], value, found);
        if (same <= 0)
            return same;
    }
    return 1;
}

static int match_keywords(const tg_pattern *p, PyObject *o, tg_found *found)
{
    int same = PyDict_CheckExact(o) && PyDict_Size(o) == p->n;
    for (int i = 0; i < p->n && same > 0; ++i) {
        PyObject *value = PyDict_GetItemWithError(o, PyTuple_GetItem(p->object, i));
        if (!value)
            return PyErr_Occurred() ? -1 : 0;
        same = tg_pattern_match(p->parts[i], value, found);
    }
    return same;
}

int tg_pattern_match(const tg_pattern *p, PyObject *o, tg_found *found)
{
    int same = 1;
    switch (p->kind) {
    case ARRAY: return match_array(p, o, found);
    case SCALAR: return match_scalar(p, o, found);
    case SAME: return p->number < found->n && found->arrays[p->number] == o;
    case IS: return p->object == o;
    case EQUAL:
        if (p->object == o)
            return 1;
        return Py_TYPE(o) == Py_TYPE(p->object) ? PyObject_RichCompareBool(o, p->object, Py_EQ)
                                                : 0;
    case TUPLE:
        if (!PyTuple_CheckExact(o) || PyTuple_Size(o) != p->n)
            return 0;
        for (int i = 0; i < p->n && same > 0; ++i)
            same = tg_pattern_match(p->parts[i], PyTuple_GetItem(o, i), found);
        return same;
    case LIST:
        if (!PyList_CheckExact(o) || PyList_Size(o) != p->n)
            return 0;
        for (int i = 0; i < p->n && same > 0; ++i)
            same = tg_pattern_match(p->parts[i], PyList_GetItem(o, i), found);
        return same;
    case DICT: return match_dict(p, o, found);
    case KEYWORDS: return match_keywords(p, o, found);
    default: return 0;
    }
}

/* --- results --------------------------------------------------------------------------------- */

static PyObject *make_dict(const tg_pattern *p, PyObject *const *made)
{
    PyObject *o = PyDict_New();
    for (int i = 0; o && i < p->n; ++i) {
        PyObject *part = tg_pattern_make(p->parts[i], made);
        if (!part || PyDict_SetItem(o, PyTuple_GetItem(p->object, i), part) < 0)
            Py_CLEAR(o);
        Py_XDECREF(part);
    }
    return o;
}

PyObject *tg_pattern_make(const tg_pattern *p, PyObject *const *made)
{
    PyObject *o = p->kind == MADE ? made[p->number] : p->object;
    if (p->kind == DICT)
        return make_dict(p, made);
    if (p->kind != TUPLE && p->kind != LIST) {
        Py_XINCREF(o);
        return o;
    }
    o = p->kind == TUPLE ? PyTuple_New(p->n) : PyList_New(p->n);
    for (int i = 0; o && i < p->n; ++i) {
        PyObject *part = tg_pattern_make(p->parts[i], made);
        if (!part)
            Py_CLEAR(o);
        else if (p->kind == TUPLE)
            PyTuple_SetItem(o, i, part);
        else
            PyList_SetItem(o, i, part);
    }
    return o;
}
