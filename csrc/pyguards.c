/* pyguards.c: whether containers still hold the very objects they held (replay/checks.py says
 * the same in Python). Called once per replayed call; a few nanoseconds a row. */
#include "program.h"
#include "python.h"

#include <stdlib.h>
#include <string.h>

typedef enum how {
    ITEM,
    ATTRIBUTE,
    LENGTH,
    LIST,
    DICT,
    CELL,
    SAME,
    BYTES,
    UNSET,
    KEPT,
    N_HOWS
} how;

static const char *const hows[N_HOWS] = {"item", "attr", "len",   "list",  "dict",
                                         "cell", "same", "bytes", "unset", "kept"};

typedef struct row { /* all borrowed from checks_object.rows */
    how how;
    PyObject *container, *key, *expected;
    Py_ssize_t n; /* LENGTH: expected; BYTES: the dtype's code */
} row;

typedef struct checks_object {
    PyObject_HEAD PyObject *rows; /* tuple of tuples; NULL once cleared */
    Py_ssize_t n;
    row *table;
} checks_object;

/* A closure's cell, which the limited API does not know: what it holds lies behind the head in
 * every Python 3, and read_row() sees whether it does before it relies on it. */
typedef struct cell_object {
    PyObject_HEAD PyObject *content;
} cell_object;

/* The memory of an ndarray in C order; false: it is something else. dims: room for m's. */
static int plain_memory(tg_memory *m, int64_t *dims, PyObject *array)
{
    return PyObject_TypeCheck(array, tg_python.ndarray) && tg_memory_of_array(array, m, dims) &&
           tg_is_c_order(m);
}

static int read_row(row *to, PyObject *from)
{
    PyObject *name = PyTuple_Check(from) && PyTuple_Size(from) == 4
                         ? PyUnicode_AsASCIIString(PyTuple_GetItem(from, 3))
                         : NULL;
    if (!name)
        return 0;
    const char *text = PyBytes_AsString(name);
    int how = 0;
    while (how < N_HOWS && strcmp(hows[how], text))
        ++how;
    Py_DECREF(name);
    if (how == N_HOWS)
        return 0;
    *to = (row){.how = how,
                .container = PyTuple_GetItem(from, 0),
                .key = PyTuple_GetItem(from, 1),
                .expected = PyTuple_GetItem(from, 2)};
    if (how == LENGTH)
        to->n = PyLong_AsSsize_t(to->expected);
    if (how == BYTES) {
        tg_memory m;
        int64_t dims[2 * TG_MAX_NDIM];
        if (!PyTuple_Check(to->expected) || PyTuple_Size(to->expected) != 3 ||
            !PyTuple_Check(PyTuple_GetItem(to->expected, 0)) ||
            !PyBytes_Check(PyTuple_GetItem(to->expected, 2)) ||
            !plain_memory(&m, dims, to->container))
            return 0;
        to->n = m.dtype;
    }
    if (how == CELL && ((cell_object *)to->container)->content != to->expected)
        to->how = ATTRIBUTE;
    if ((how == LIST || how == DICT) && !PyTuple_Check(to->expected))
        return 0;
    if (how == UNSET && !PyType_GetSlot(Py_TYPE(to->key), Py_tp_descr_get))
        return 0;
    if (how == KEPT && !PyType_GetSlot(Py_TYPE(to->container), Py_tp_traverse))
        return 0;
    if (how == SAME && !(PyList_Check(to->container) && PyList_Check(to->key)))
        return 0;
    return !(how == DICT && !PyDict_Check(to->container)) && !PyErr_Occurred();
}

/* Checks(rows): rows are (container, key, expected, how). */
static PyObject *checks_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *list;
    if (keywords || !PyArg_ParseTuple(args, "O", &list))
        return PyErr_Format(PyExc_TypeError, "Checks(rows)");
    PyObject *rows = PySequence_Tuple(list);
    if (!rows)
        return NULL;
    const Py_ssize_t n = PyTuple_Size(rows);
    row *table = malloc((size_t)(n + 1) * sizeof *table);
    int fine = table != NULL;
    for (Py_ssize_t i = 0; fine && i < n; ++i)
        fine = read_row(&table[i], PyTuple_GetItem(rows, i));
    checks_object *self = fine ? (checks_object *)PyType_GenericAlloc(type, 0) : NULL;
    if (!self) {
        free(table);
        Py_DECREF(rows);
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError,
                            "Checks: rows are (container, key, expected, how)");
        return NULL;
    }
    self->rows = rows;
    self->n = n;
    self->table = table;
    return (PyObject *)self;
}

static int drop(PyObject *found, const PyObject *expected)
{
    Py_XDECREF(found);
    return found == expected;
}

static int is_list_as_it_was(const row *r)
{
    const Py_ssize_t n = PyTuple_Size(r->expected);
    if (PyObject_Size(r->container) != n)
        return 0;
    const int is_list = PyList_Check(r->container);
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject *expected = PyTuple_GetItem(r->expected, i);
        if (is_list ? PyList_GetItem(r->container, i) != expected
                    : !drop(PySequence_GetItem(r->container, i), expected))
            return 0;
    }
    return 1;
}

static int is_dict_as_it_was(const row *r)
{
    if (2 * PyDict_Size(r->container) != PyTuple_Size(r->expected))
        return 0;
    PyObject *key, *value;
    Py_ssize_t at = 0, i = 0;
    while (PyDict_Next(r->container, &at, &key, &value)) {
        if (key != PyTuple_GetItem(r->expected, i) ||
            value != PyTuple_GetItem(r->expected, i + 1))
            return 0;
        i += 2;
    }
    return 1;
}

/* expected: (shape, dtype, bytes). */
static int has_its_bytes(const row *r)
{
    tg_memory m;
    int64_t dims[2 * TG_MAX_NDIM];
    PyObject *shape = PyTuple_GetItem(r->expected, 0), *bytes = PyTuple_GetItem(r->expected, 2);
    if (!plain_memory(&m, dims, r->container) || m.dtype != r->n ||
        m.ndim != PyTuple_Size(shape))
        return 0;
    size_t n = tg_itemsize(m.dtype);
    for (int d = 0; d < m.ndim; n *= (size_t)m.shape[d++])
        if (m.shape[d] != PyLong_AsLongLong(PyTuple_GetItem(shape, d)))
            return 0;
    return n == (size_t)PyBytes_Size(bytes) && memcmp(m.data, PyBytes_AsString(bytes), n) == 0;
}

/* The descriptor of a slot or of a cell's content finds nothing; other errors stay set. */
static int is_unset(const row *r)
{
    descrgetfunc get = (descrgetfunc)PyType_GetSlot(Py_TYPE(r->key), Py_tp_descr_get);
    PyObject *found = get(r->key, r->container, (PyObject *)Py_TYPE(r->container));
    const int is_missing = !found && (PyErr_ExceptionMatches(PyExc_AttributeError) ||
                                      PyErr_ExceptionMatches(PyExc_ValueError));
    Py_XDECREF(found);
    if (is_missing)
        PyErr_Clear();
    return is_missing;
}

typedef struct neighbours {
    const row *row;
    PyObject *before;
    int met;
} neighbours;

static int meet(PyObject *o, void *to)
{
    neighbours *n = to;
    n->met |= n->before == n->row->key && o == n->row->expected;
    n->before = o;
    return 0;
}

/* What functools.lru_cache shows the collector: each key, and its result right after it. */
static int is_kept(const row *r)
{
    traverseproc traverse = (traverseproc)PyType_GetSlot(Py_TYPE(r->container), Py_tp_traverse);
    neighbours n = {.row = r};
    traverse(r->container, meet, &n);
    return n.met;
}

static int is_as_it_was(const row *r)
{
    switch (r->how) {
    case ITEM:
        if (PyDict_CheckExact(r->container))
            return PyDict_GetItemWithError(r->container, r->key) == r->expected;
        return drop(PyObject_GetItem(r->container, r->key), r->expected);
    case SAME: return PyList_GetItem(r->container, 0) == PyList_GetItem(r->key, 0);
    case CELL: return ((cell_object *)r->container)->content == r->expected;
    case ATTRIBUTE: return drop(PyObject_GetAttr(r->container, r->key), r->expected);
    case LENGTH: return PyObject_Size(r->container) == r->n;
    case LIST: return is_list_as_it_was(r);
    case BYTES: return has_its_bytes(r);
    case UNSET: return is_unset(r);
    case KEPT: return is_kept(r);
    default: return is_dict_as_it_was(r);
    }
}

/* What cannot be looked up any more does not hold. */
bool tg_checks_hold(PyObject *o)
{
    checks_object *self = (checks_object *)o;
    int fine = 1;
    Py_INCREF(o); /* a key's __eq__ may run anything */
    for (Py_ssize_t i = 0; fine && i < self->n; ++i)
        fine = is_as_it_was(&self->table[i]);
    Py_DECREF(o);
    if (!fine)
        PyErr_Clear();
    return fine;
}

static PyObject *checks_hold(PyObject *o, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(tg_checks_hold(o));
}

static int checks_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(((checks_object *)o)->rows);
    return 0;
}

static int checks_clear(PyObject *o)
{
    checks_object *self = (checks_object *)o;
    self->n = 0;
    Py_CLEAR(self->rows);
    return 0;
}

static void checks_dealloc(PyObject *o)
{
    PyObject_GC_UnTrack(o);
    free(((checks_object *)o)->table);
    checks_clear(o);
    tg_free_object(o);
}

static PyMethodDef checks_methods[] = {
    {"hold", checks_hold, METH_NOARGS, "hold() -> bool: everything is what it was"},
    {0},
};

static PyType_Slot checks_slots[] = {
    {Py_tp_doc, "Checks(rows): see tapegrad.replay.checks."},
    {Py_tp_new, checks_new},
    {Py_tp_dealloc, checks_dealloc},
    {Py_tp_traverse, checks_traverse},
    {Py_tp_clear, checks_clear},
    {Py_tp_methods, checks_methods},
    {0, NULL},
};

static PyType_Spec checks_spec = {
    .name = "tapegrad._core.Checks",
    .basicsize = sizeof(checks_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = checks_slots,
};

static PyTypeObject *checks_type;

bool tg_is_checks(PyObject *o) { return Py_TYPE(o) == checks_type; }

int tg_add_checks_type(PyObject *module)
{
    checks_type = tg_add_type(module, &checks_spec);
    return checks_type ? TG_OK : TG_EPYTHON;
}
