/* pytape.c: the Python tape's base class. */
#include "python.h"

#include <stdlib.h>

#include "kernels.h"

/* --- sequences of Tensors ------------------------------------------------------------------ */

/* Records of a list's Tensors, borrowed; NULL with an error set. */
static tg_tensor **records_of(PyObject *list, Py_ssize_t n)
{
    tg_tensor **records = malloc((size_t)(n + 1) * sizeof *records);
    if (!records) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; ++i)
        if (!(records[i] = tg_tensor_of(PyList_GetItem(list, i)))) {
            PyErr_Format(PyExc_TypeError, "expected native Tensors, got %R",
                         PyList_GetItem(list, i));
            free(records);
            return NULL;
        }
    return records;
}

static PyObject *list_of(tg_tensor **records, Py_ssize_t n)
{
    PyObject *list = PyList_New(n);
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject *o = Py_None;
        if (records[i])
            o = tg_wrap(records[i]);
        else
            Py_INCREF(o);
        if (list && o)
            PyList_SetItem(list, i, o);
        else
            Py_XDECREF(o);
    }
    return list;
}

/* A cotangent, held: the Tensor given, or ones shaped like y for None. NULL: error set. */
static tg_tensor *cotangent_of(PyObject *given, const tg_tensor *y)
{
    tg_tensor *t = tg_tensor_of(given);
    if (t)
        return tg_hold(t);
    if (given != Py_None) {
        PyErr_SetString(PyExc_TypeError, "a cotangent must be a native Tensor");
        return NULL;
    }
    const int dtype = tg_is_compute(y->dtype) ? y->dtype : TG_F64;
    t = tg_new(dtype, y->ndim, tg_shape(y));
    if (!t) {
        tg_raise(TG_EMEMORY, -1, NULL);
        return NULL;
    }
    for (int64_t i = 0; i < t->size; ++i) {
        if (dtype == TG_F32)
            ((float *)(void *)t->data)[i] = 1;
        else
            ((double *)(void *)t->data)[i] = 1;
    }
    if (dtype == y->dtype)
        return t;
    tg_tensor *cast = NULL;
    const int status =
        tg_apply_op(tg_op_find("astype"), &cast, 1, &t, 1, (int64_t[]){y->dtype});
    tg_drop(t);
    if (status)
        tg_raise(status, -1, NULL);
    return cast;
}

static PyTypeObject *tape_type;

/* --- the tape's base class ----------------------------------------------------------------- */

static PyObject *tape_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)kwargs;
    int persistent = 0, automatic = 1, lines = 0;
    if (!PyArg_ParseTuple(args, "|iii", &persistent, &automatic, &lines))
        return NULL;
    tape_object *self = (tape_object *)PyType_GenericAlloc(type, 0);
    if (self && !(self->tape = tg_tape_new(persistent, automatic, lines))) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void tape_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    if (((tape_object *)o)->tape)
        tg_tape_drop(((tape_object *)o)->tape);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(o);
    Py_DECREF(type);
}

#define TAPE(o) (((tape_object *)(o))->tape)

static PyObject *answer(int status)
{
    if (status)
        return tg_raise(status, -1, NULL);
    Py_RETURN_NONE;
}

static PyObject *tape_open(PyObject *o, PyObject *u)
{
    (void)u;
    return answer(tg_tape_open(TAPE(o)));
}
static PyObject *tape_close(PyObject *o, PyObject *u)
{
    (void)u;
    return answer(tg_tape_close(TAPE(o)));
}
static PyObject *tape_pause(PyObject *o, PyObject *u)
{
    (void)u;
    return answer(tg_tape_pause(TAPE(o)));
}
static PyObject *tape_resume(PyObject *o, PyObject *u)
{
    (void)u;
    return answer(tg_tape_resume(TAPE(o)));
}
static PyObject *tape_reset(PyObject *o, PyObject *u)
{
    (void)u;
    return answer(tg_tape_reset(TAPE(o)));
}

static PyObject *tape_watch(PyObject *o, PyObject *tensor)
{
    tg_tensor *t = tg_tensor_of(tensor);
    if (!t) {
        PyErr_SetString(PyExc_TypeError, "watch: not a native Tensor");
        return NULL;
    }
    return answer(tg_tape_watch(TAPE(o), t));
}

static PyObject *tape_watched(PyObject *o, PyObject *u)
{
    (void)u;
    const tg_tape *tape = TAPE(o);
    PyObject *list = PyList_New((Py_ssize_t)tape->n_watched);
    for (size_t i = 0; list && i < tape->n_watched; ++i) {
        PyObject *t = tg_wrap(tg_hold(tape->watched[i]));
        if (!t) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SetItem(list, (Py_ssize_t)i, t);
    }
    return list;
}

/* sweep(targets, cotangents, sources, block=0, keep=False) -> list of Tensor or None */
static PyObject *tape_sweep(PyObject *o, PyObject *args)
{
    PyObject *targets, *cts, *sources;
    long long block = 0;
    int keep = 0;
    if (!PyArg_ParseTuple(args, "O!O!O!|Lp", &PyList_Type, &targets, &PyList_Type, &cts,
                          &PyList_Type, &sources, &block, &keep))
        return NULL;
    const tg_walk_options options = {block, keep, tg_rule_python, NULL};
    const Py_ssize_t n = PyList_Size(targets), m = PyList_Size(sources);
    if (PyList_Size(cts) != n) {
        PyErr_SetString(PyExc_ValueError, "sweep: one cotangent for each target");
        return NULL;
    }
    tg_tensor **y = records_of(targets, n);
    tg_tensor **ct = y ? calloc((size_t)n + 1, sizeof *ct) : NULL;
    tg_tensor **x = ct ? records_of(sources, m) : NULL;
    tg_tensor **dx = x ? calloc((size_t)m + 1, sizeof *dx) : NULL;
    PyObject *result = NULL;
    Py_ssize_t seeded = 0;
    while (dx && seeded < n &&
           (ct[seeded] = cotangent_of(PyList_GetItem(cts, seeded), y[seeded])))
        ++seeded;
    if (dx && seeded < n) {
        /* the error is set */
    } else if (dx) {
        const int status = tg_sweep(TAPE(o), (size_t)n, y, ct, (size_t)m, x, dx, &options);
        result = status ? tg_raise(status, -1, NULL) : list_of(dx, m);
    } else if (x || (y && !ct)) {
        PyErr_NoMemory();
    }
    while (seeded > 0)
        tg_drop(ct[--seeded]);
    free(y);
    free(ct);
    free(x);
    free(dx);
    return result;
}

/* push(sources, tangents, targets, block=0, keep=False) -> list of Tensor or None */
static PyObject *tape_push(PyObject *o, PyObject *args)
{
    PyObject *sources, *tangents, *targets;
    long long block = 0;
    int keep = 0;
    if (!PyArg_ParseTuple(args, "O!O!O!|Lp", &PyList_Type, &sources, &PyList_Type, &tangents,
                          &PyList_Type, &targets, &block, &keep))
        return NULL;
    const tg_walk_options options = {block, keep, tg_rule_python, NULL};
    const Py_ssize_t n = PyList_Size(sources), m = PyList_Size(targets);
    if (PyList_Size(tangents) != n) {
        PyErr_SetString(PyExc_ValueError, "push: one tangent for each source");
        return NULL;
    }
    tg_tensor **x = records_of(sources, n), **dx = x ? records_of(tangents, n) : NULL;
    tg_tensor **y = dx ? records_of(targets, m) : NULL;
    tg_tensor **dy = y ? calloc((size_t)m + 1, sizeof *dy) : NULL;
    PyObject *result = NULL;
    if (dy) {
        const int status = tg_push(TAPE(o), (size_t)n, x, dx, (size_t)m, y, dy, &options);
        result = status ? tg_raise(status, -1, NULL) : list_of(dy, m);
    } else if (y) {
        PyErr_NoMemory();
    }
    free(x);
    free(dx);
    free(y);
    free(dy);
    return result;
}

/* Number of recorded entries. Cost: one look at each position covered. */
static Py_ssize_t tape_length(PyObject *o)
{
    const tg_tape *tape = TAPE(o);
    Py_ssize_t n = 0;
    if (tape->list)
        for (uint64_t i = tg_tape_begin(tape); i < tg_tape_end(tape); ++i)
            n += tg_tape_covers(tape, i) && tg_entry_at(tape->list, i) != NULL;
    return n;
}

/* entries() -> [(op, inputs, output, params, line), ...]: a snapshot */
static PyObject *tape_entries(PyObject *o, PyObject *u)
{
    (void)u;
    const tg_tape *tape = TAPE(o);
    PyObject *list = PyList_New(0);
    if (!list || !tape->list)
        return list;
    for (uint64_t i = tg_tape_begin(tape); i < tg_tape_end(tape); ++i) {
        const tg_entry *e = tg_tape_covers(tape, i) ? tg_entry_at(tape->list, i) : NULL;
        if (!e)
            continue;
        PyObject *inputs = tg_inputs_tuple(e->n_in, tg_entry_in(e)),
                 *params = tg_params_tuple(e);
        PyObject *out = tg_wrap(tg_hold(e->out));
        PyObject *row = inputs && params && out
                            ? Py_BuildValue("(iOOOIH)", tg_entry_op(e), inputs, out, params,
                                            e->line, e->saved)
                            : NULL;
        Py_XDECREF(inputs);
        Py_XDECREF(params);
        Py_XDECREF(out);
        if (!row || PyList_Append(list, row) < 0) {
            Py_XDECREF(row);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(row);
    }
    return list;
}

static PyObject *get_state(PyObject *o, void *which)
{
    const tg_tape *tape = TAPE(o);
    const bool states[] = {tape->persistent, tape->open, tape->paused, tape->consumed,
                           tape->list != NULL};
    return PyBool_FromLong(states[(intptr_t)which]);
}

static PyGetSetDef tape_getset[] = {
    {"persistent", get_state, NULL, NULL, (void *)0},
    {"is_open", get_state, NULL, NULL, (void *)1},
    {"is_paused", get_state, NULL, NULL, (void *)2},
    {"is_consumed", get_state, NULL, NULL, (void *)3},
    {"has_recorded", get_state, NULL, NULL, (void *)4},
    {0},
};

static PyMethodDef tape_methods[] = {
    {"open", tape_open, METH_NOARGS, NULL},
    {"close", tape_close, METH_NOARGS, NULL},
    {"pause", tape_pause, METH_NOARGS, NULL},
    {"resume", tape_resume, METH_NOARGS, NULL},
    {"reset", tape_reset, METH_NOARGS, NULL},
    {"watch", tape_watch, METH_O, NULL},
    {"watched", tape_watched, METH_NOARGS, NULL},
    {"sweep", tape_sweep, METH_VARARGS, NULL},
    {"push", tape_push, METH_VARARGS, NULL},
    {"entries", tape_entries, METH_NOARGS, NULL},
    {0},
};

static PyType_Slot tape_slots[] = {
    {Py_tp_doc, "One tape of the C core."},
    {Py_tp_new, tape_new},
    {Py_tp_dealloc, tape_dealloc},
    {Py_tp_methods, tape_methods},
    {Py_tp_getset, tape_getset},
    {Py_sq_length, tape_length},
    {0, NULL},
};

static PyType_Spec tape_spec = {
    .name = "tapegrad._core.NativeTape",
    .basicsize = sizeof(tape_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = tape_slots,
};

/* backward(target, cotangent or None, tape or None): None is the innermost tape that recorded
 * the target. */
static PyObject *backward(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *target, *cotangent, *on = Py_None;
    if (!PyArg_ParseTuple(args, "OO|O", &target, &cotangent, &on))
        return NULL;
    tg_tensor *y = tg_tensor_of(target);
    if (!y || (on != Py_None && Py_TYPE(on) != tape_type)) {
        PyErr_SetString(PyExc_TypeError, "backward: native Tensors and tapes only");
        return NULL;
    }
    tg_tape *tape = on == Py_None ? y->tape : TAPE(on);
    if (!tape)
        return answer(tg_fail(TG_ETAPE,
                              "backward: no tape recorded this Tensor; compute it "
                              "inside 'with tape():' from a parameter or a watched Tensor"));
    tg_tensor *ct = cotangent_of(cotangent, y);
    if (!ct)
        return NULL;
    const tg_walk_options options = {.python = tg_rule_python};
    const int status = tg_sweep_backward(tape, y, ct, &options);
    tg_drop(ct);
    return answer(status);
}

static PyObject *set_recording(PyObject *module, PyObject *on)
{
    (void)module;
    tg_list *list = tg_list_here();
    if (!list)
        return PyErr_NoMemory();
    return PyBool_FromLong(tg_set_recording(list, PyObject_IsTrue(on)));
}

static PyMethodDef functions[] = {
    {"backward", backward, METH_VARARGS, "backward(target, cotangent, tape=None)"},
    {"set_recording", set_recording, METH_O, "set_recording(on) -> what it was; per thread"},
    {0},
};

int tg_add_tape_type(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&tape_spec);
    tape_type = (PyTypeObject *)type;
    if (!type || PyObject_SetAttrString(module, "NativeTape", type) < 0)
        return TG_EPYTHON;
    return tg_add_functions(module, functions);
}
