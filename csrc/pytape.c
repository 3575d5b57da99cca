/* pytape.c: the Python tape's base class. */
#include "python.h"

#include <stdlib.h>

#include "kernels.h"

PyTypeObject *tg_tape_type;

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
    if (tg_tape_of(o))
        tg_tape_drop(tg_tape_of(o));
    tg_free_object(o);
}

PyObject *tg_answer(int status)
{
    if (!tg_check(status))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *tape_open(PyObject *o, PyObject *u)
{
    (void)u;
    return tg_answer(tg_tape_open(tg_tape_of(o)));
}
static PyObject *tape_close(PyObject *o, PyObject *u)
{
    (void)u;
    return tg_answer(tg_tape_close(tg_tape_of(o)));
}
static PyObject *tape_pause(PyObject *o, PyObject *u)
{
    (void)u;
    return tg_answer(tg_tape_pause(tg_tape_of(o)));
}
static PyObject *tape_resume(PyObject *o, PyObject *u)
{
    (void)u;
    return tg_answer(tg_tape_resume(tg_tape_of(o)));
}
static PyObject *tape_reset(PyObject *o, PyObject *u)
{
    (void)u;
    return tg_answer(tg_tape_reset(tg_tape_of(o)));
}

static PyObject *tape_watch(PyObject *o, PyObject *tensor)
{
    tg_tensor *t = tg_tensor_of(tensor);
    if (!t) {
        PyErr_SetString(PyExc_TypeError, "watch: not a native Tensor");
        return NULL;
    }
    return tg_answer(tg_tape_watch(tg_tape_of(o), t));
}

static PyObject *tape_watched(PyObject *o, PyObject *u)
{
    (void)u;
    const tg_tape *tape = tg_tape_of(o);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < tape->n_watched; ++i)
        if (!tg_list_give(list, tg_wrap(tg_hold(tape->watched[i]))))
            Py_CLEAR(list);
    return list;
}

/* Number of recorded entries. Cost: one look at each position covered. */
static Py_ssize_t tape_length(PyObject *o)
{
    const tg_tape *tape = tg_tape_of(o);
    Py_ssize_t n = 0;
    if (tape->list)
        for (uint64_t i = tg_tape_begin(tape); i < tg_tape_end(tape); ++i)
            n += tg_tape_covers(tape, i) && tg_entry_at(tape->list, i) != NULL;
    return n;
}

/* entries() -> [(op, inputs, output, params, line, saved), ...]: a snapshot; saved as in
 * tg_entry */
static PyObject *tape_entries(PyObject *o, PyObject *u)
{
    (void)u;
    const tg_tape *tape = tg_tape_of(o);
    PyObject *list = PyList_New(0);
    if (!tape->list)
        return list;
    for (uint64_t i = tg_tape_begin(tape); list && i < tg_tape_end(tape); ++i) {
        const tg_entry *e = tg_tape_covers(tape, i) ? tg_entry_at(tape->list, i) : NULL;
        if (!e)
            continue;
        PyObject *parts[] = {
            PyLong_FromLong(tg_entry_op(e)),  tg_inputs_tuple(e->n_in, tg_entry_in(e)),
            tg_wrap(tg_hold(e->out)),         tg_params_tuple(e),
            PyLong_FromUnsignedLong(e->line), PyLong_FromLong(e->saved)};
        if (!tg_list_give(list, tg_tuple_give(sizeof parts / sizeof *parts, parts)))
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *get_state(PyObject *o, void *which)
{
    const tg_tape *tape = tg_tape_of(o);
    const bool states[] = {tape->persistent, tape->open, tape->paused, tape->consumed,
                           tape->list != NULL};
    return PyBool_FromLong(states[(intptr_t)which]);
}

static PyObject *tape_tracks(PyObject *o, PyObject *tensor)
{
    const tg_tensor *t = tg_tensor_of(tensor);
    return PyBool_FromLong(t && tg_tape_tracks(tg_tape_of(o), t));
}

/* mark() -> a number for cut(): where the tape stands now. */
static PyObject *tape_mark(PyObject *o, PyObject *u)
{
    (void)u;
    const tg_list *list = tg_tape_of(o)->list;
    return PyLong_FromUnsignedLongLong(list ? list->next : 0);
}

/* cut(mark) -> the Tensors that entries recorded since the mark read and the tape tracked before
 * them; the tape forgets those entries. */
static PyObject *tape_cut(PyObject *o, PyObject *mark)
{
    tg_tape *tape = tg_tape_of(o);
    const uint64_t begin = PyLong_AsUnsignedLongLong(mark);
    PyObject *read = PyErr_Occurred() ? NULL : PyList_New(0);
    for (uint64_t at = begin; read && tape->list && at < tg_tape_end(tape); ++at) {
        const tg_entry *e = tg_tape_covers(tape, at) ? tg_entry_at(tape->list, at) : NULL;
        for (int i = 0; e && read && i < e->n_in; ++i) {
            tg_tensor *t = tg_entry_in(e)[i];
            const bool inside = t->node && t->node >> TG_NODE_BITS == tape->list->id &&
                                (t->node & TG_NODE_MASK) >= begin;
            if (!inside && tg_tape_tracks(tape, t) && !tg_list_give(read, tg_wrap(tg_hold(t))))
                Py_CLEAR(read);
        }
    }
    if (read && !tg_check(tg_tape_cut(tape, begin)))
        Py_CLEAR(read);
    return read;
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
    {"sweep", tg_python_sweep, METH_VARARGS, NULL},
    {"push", tg_python_push, METH_VARARGS, NULL},
    {"entries", tape_entries, METH_NOARGS, NULL},
    {"tracks", tape_tracks, METH_O, NULL},
    {"mark", tape_mark, METH_NOARGS, NULL},
    {"cut", tape_cut, METH_O, NULL},
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

static PyObject *set_recording(PyObject *module, PyObject *on)
{
    (void)module;
    tg_list *list = tg_list_here();
    if (!list)
        return PyErr_NoMemory();
    return PyBool_FromLong(tg_set_recording(list, PyObject_IsTrue(on)));
}

/* open_tapes() -> this thread's tapes that are recording, innermost last. */
static PyObject *open_tapes(PyObject *module, PyObject *u)
{
    (void)module, (void)u;
    const tg_list *list = tg_list_here();
    PyObject *tapes = PyList_New(0);
    for (size_t i = 0; tapes && list && !list->off && i < list->n_open; ++i) {
        if (list->open[i]->paused)
            continue;
        PyObject *t = PyType_GenericAlloc(tg_tape_type, 0);
        if (t)
            ((tape_object *)t)->tape = tg_tape_hold(list->open[i]);
        if (!tg_list_give(tapes, t))
            Py_CLEAR(tapes);
    }
    return tapes;
}

static PyMethodDef functions[] = {
    {"open_tapes", open_tapes, METH_NOARGS, "open_tapes() -> tapes recording, innermost last"},
    {"set_recording", set_recording, METH_O, "set_recording(on) -> what it was; per thread"},
    {0},
};

int tg_add_tape_type(PyObject *module)
{
    tg_tape_type = tg_add_type(module, &tape_spec);
    return tg_tape_type ? tg_add_functions(module, functions) : TG_EPYTHON;
}
