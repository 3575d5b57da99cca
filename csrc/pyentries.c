/* pyentries.c: the entries of a log for Python, as tuples. */
#include "python.h"

#include <stdlib.h>
#include <string.h>

#include "transcript.h"

bool tg_list_give(PyObject *list, PyObject *o)
{
    const int status = o ? PyList_Append(list, o) : -1;
    Py_XDECREF(o);
    return status == 0;
}

PyObject *tg_tuple_give(Py_ssize_t n, PyObject *const *parts)
{
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; i < n; ++i) {
        if (!tuple || !parts[i]) {
            Py_XDECREF(parts[i]);
            Py_CLEAR(tuple);
        } else if (PyTuple_SetItem(tuple, i, parts[i]) < 0) {
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

static PyObject *numbers_tuple(const uint32_t *in, int n)
{
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple && i < n; ++i)
        if (PyTuple_SetItem(tuple, i, PyLong_FromUnsignedLong(in[i])) < 0)
            Py_CLEAR(tuple);
    return tuple;
}

static PyObject *shape_tuple(const tg_statement *s)
{
    PyObject *tuple = PyTuple_New(s->ndim);
    for (int i = 0; tuple && i < s->ndim; ++i) {
        int64_t n;
        memcpy(&n, (const char *)s->shape + (size_t)i * sizeof n, sizeof n);
        if (PyTuple_SetItem(tuple, i, PyLong_FromLongLong(n)) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *params_tuple(const tg_statement *s)
{
    if (!s->n_p)
        return PyTuple_New(0);
    int64_t *p = malloc((size_t)(s->n_p + 1) * sizeof *p);
    if (!p)
        return PyErr_NoMemory();
    memcpy(p, s->params, (size_t)(s->n_p + 1) * sizeof *p);
    PyObject *tuple = tg_numbers_tuple(s->n_p, p, (uint64_t)p[s->n_p]);
    free(p);
    return tuple;
}

/* The row of the op table that a statement names; borrowed. */
static PyObject *row_of(const tg_statement *s, PyObject *rows, PyObject *otherwise)
{
    PyObject *id = PyLong_FromLong(s->op);
    PyObject *row = id ? PyDict_GetItemWithError(rows, id) : NULL;
    Py_XDECREF(id);
    return row || PyErr_Occurred() ? row : otherwise;
}

static PyObject *entry_tuple(const tg_statement *s, PyObject *row)
{
    PyObject *parts[] = {
        Py_XNewRef(row), numbers_tuple(s->in, s->n_in),     PyLong_FromUnsignedLong(s->out),
        params_tuple(s), PyLong_FromUnsignedLong(s->notes), PyLong_FromLong(s->dtype),
        shape_tuple(s)};
    return tg_tuple_give(sizeof parts / sizeof *parts, parts);
}

enum { AT_ONCE = 1024 }; /* entries that Python gets, few enough for the caches */

/* trace_entries(words, from, rows, otherwise) -> ([(row, inputs, output, params, notes, dtype,
 * shape), ...], where to go on): rows are those of the op table by id, `otherwise` is what has
 * none. */
static PyObject *trace_entries(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *bytes, *rows, *otherwise;
    char *text;
    Py_ssize_t from, size;
    if (!PyArg_ParseTuple(args, "SnOO", &bytes, &from, &rows, &otherwise) ||
        PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    PyObject *entries = PyList_New(0);
    const uint32_t *at = (const uint32_t *)(const void *)(text + from);
    const uint32_t *end = (const uint32_t *)(const void *)(text + size);
    for (int i = 0; entries && at < end && i < AT_ONCE; ++i) {
        tg_statement s;
        at = tg_transcript_read(at, &s);
        if (!tg_list_give(entries, entry_tuple(&s, row_of(&s, rows, otherwise))))
            Py_CLEAR(entries);
    }
    const Py_ssize_t next = (Py_ssize_t)((const char *)at - text);
    return entries ? Py_BuildValue("(Nn)", entries, next) : NULL;
}

static PyMethodDef functions[] = {
    {"trace_entries", trace_entries, METH_VARARGS,
     "trace_entries(words, from, rows, otherwise) -> ([(row, inputs, output, params, notes, "
     "dtype, shape), ...], where to go on)"},
    {0},
};

int tg_add_entries(PyObject *module) { return tg_add_functions(module, functions); }
