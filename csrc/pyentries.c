/* pyentries.c: the entries of a log for Python. As tuples, to look at; or, of plain ops and vjps, as
 * the objects that replay/build.py would make of those, in less time. */
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

/* --- as tuples ------------------------------------------------------------------------------- */

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

/* --- as objects ------------------------------------------------------------------------------ */

/* Slots of replay.ir.Entry, in the order of its arguments. */
enum { KIND, OP, INPUTS, OUTPUTS, PARAMS, LINE, VIEW, K, READS, EXTRA, WRITES, N_SLOTS };
static const char *const slot_names[N_SLOTS] = {"kind",   "op",    "inputs", "outputs",
                                                "params", "line",  "view",   "k",
                                                "reads",  "extra", "writes"};

/* What is the same for all entries of a build; the first lines are attributes of the builder. */
typedef struct build {
    PyTypeObject *entry;
    PyObject *value, *kinds; /* the type; ("op", "vjp") */
    PyObject *entries, *values, *same, *add, *add_event;
    PyObject *rows, *otherwise;
    PyObject *slots[N_SLOTS]; /* their names */
    tg_statement last; /* plain one, and its value */
    PyObject *last_value;
} build;

/* The number of a value, or of the one that is its equal. New reference. */
static PyObject *number_of(const build *b, uint32_t value)
{
    PyObject *number = PyLong_FromUnsignedLong(value);
    PyObject *same = number ? PyDict_GetItemWithError(b->same, number) : NULL;
    if (!same)
        return number;
    Py_DECREF(number);
    return Py_NewRef(same);
}

static PyObject *inputs_tuple(const build *b, const tg_statement *s)
{
    PyObject *tuple = PyTuple_New(s->n_in);
    for (int i = 0; tuple && i < s->n_in; ++i)
        if (PyTuple_SetItem(tuple, i, number_of(b, s->in[i])) < 0)
            Py_CLEAR(tuple);
    return tuple;
}

/* A plain op or vjp, whose row is `row`. */
static bool add_plain(build *b, const tg_statement *s, PyObject *row, uint32_t line)
{
    const int k = (int)(s->notes >> 8 & 15) - 1;
    PyObject *out = PyLong_FromUnsignedLong(s->out);
    PyObject *parts[N_SLOTS] = {
        [KIND] = Py_XNewRef(PyTuple_GetItem(b->kinds, k >= 0)),
        [OP] = Py_NewRef(row),
        [INPUTS] = inputs_tuple(b, s),
        [OUTPUTS] = out ? PyTuple_Pack(1, out) : NULL,
        [PARAMS] = params_tuple(s),
        [LINE] = PyLong_FromUnsignedLong(line),
        [VIEW] = PyLong_FromLong(s->notes >> 4 & 15),
        [K] = PyLong_FromLong(k),
        [READS] = PyLong_FromLong(s->notes >> 12 & 15),
        [EXTRA] = Py_NewRef(Py_None),
        [WRITES] = PyTuple_New(0),
    };
    Py_XDECREF(out);
    PyObject *entry = PyType_GenericAlloc(b->entry, 0);
    bool is_whole = entry != NULL;
    for (int i = 0; i < N_SLOTS; ++i) {
        is_whole = is_whole && parts[i] && PyObject_SetAttr(entry, b->slots[i], parts[i]) == 0;
        Py_XDECREF(parts[i]);
    }
    if (is_whole)
        return tg_list_give(b->entries, entry);
    Py_XDECREF(entry);
    return false;
}

/* The value that a plain entry makes; entries of one dtype and shape in turn share it. */
static bool set_value(build *b, const tg_statement *s)
{
    const size_t bytes = (size_t)s->ndim * sizeof(int64_t);
    if (!b->last_value || s->dtype != b->last.dtype || s->ndim != b->last.ndim ||
        memcmp(s->shape, b->last.shape, bytes) != 0) {
        PyObject *shape = shape_tuple(s);
        PyObject *value = shape ? PyObject_CallFunction(b->value, "iN", s->dtype, shape) : NULL;
        if (!value)
            return false;
        Py_XDECREF(b->last_value);
        b->last_value = value;
        b->last = *s;
    }
    return PyList_SetItem(b->values, s->out, Py_NewRef(b->last_value)) == 0;
}

static bool add_statement(build *b, const tg_statement *s, uint32_t line)
{
    PyObject *row = row_of(s, b->rows, b->otherwise);
    if (!row)
        return false;
    const bool is_plain =
        row != b->otherwise && !(s->notes & (TG_TRACE_GRAD | TG_TRACE_PYTHON));
    if (is_plain && !tg_op_is_call(s->op))
        return set_value(b, s) && add_plain(b, s, row, line);
    PyObject *entry = entry_tuple(s, row);
    PyObject *done = entry ? PyObject_CallFunction(b->add, "NI", entry, line) : NULL;
    Py_XDECREF(done);
    return done != NULL;
}

/* trace_build(words, lines, stops, builder, rows, otherwise): the builder is replay/build.py's. */
static PyObject *trace_build(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *bytes, *lines, *stops, *builder;
    build b = {0};
    char *text;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "SO!O!OOO", &bytes, &PyByteArray_Type, &lines, &PyList_Type,
                          &stops, &builder, &b.rows, &b.otherwise) ||
        PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    const struct {
        const char *name;
        PyObject **to;
    } owned[] = {{"entry", (PyObject **)(void *)&b.entry},
                 {"value", &b.value},
                 {"kinds", &b.kinds},
                 {"entries", &b.entries},
                 {"values", &b.values},
                 {"same", &b.same},
                 {"add", &b.add},
                 {"add_event", &b.add_event}};
    enum { N = sizeof owned / sizeof *owned };
    bool fine = true;
    for (int i = 0; i < N && fine; ++i)
        fine = (*owned[i].to = PyObject_GetAttrString(builder, owned[i].name)) != NULL;
    for (int i = 0; i < N_SLOTS && fine; ++i)
        fine = (b.slots[i] = PyUnicode_InternFromString(slot_names[i])) != NULL;
    const uint32_t *at = (const uint32_t *)(const void *)text;
    const uint32_t *end = (const uint32_t *)(const void *)(text + size);
    const uint32_t *line = (const uint32_t *)(const void *)PyByteArray_AsString(lines);
    Py_ssize_t stop = 0;
    for (Py_ssize_t i = 0; fine && (at < end || stop < PyList_Size(stops)); ++i) {
        while (fine && stop < PyList_Size(stops) &&
               PyLong_AsSsize_t(PyList_GetItem(stops, stop)) <= i) {
            PyObject *done = PyObject_CallFunction(b.add_event, "n", stop++);
            fine = done != NULL;
            Py_XDECREF(done);
        }
        if (!fine || at >= end)
            continue;
        tg_statement s;
        at = tg_transcript_read(at, &s);
        fine = add_statement(&b, &s, line[i]);
    }
    Py_XDECREF(b.last_value);
    for (int i = 0; i < N_SLOTS; ++i)
        Py_XDECREF(b.slots[i]);
    for (int i = 0; i < N; ++i)
        Py_XDECREF(*owned[i].to);
    return fine ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef functions[] = {
    {"trace_entries", trace_entries, METH_VARARGS,
     "trace_entries(words, from, rows, otherwise) -> ([(row, inputs, output, params, notes, "
     "dtype, shape), ...], where to go on)"},
    {"trace_build", trace_build, METH_VARARGS,
     "trace_build(words, lines, stops, builder, rows, otherwise)"},
    {0},
};

int tg_add_entries(PyObject *module) { return tg_add_functions(module, functions); }
