/* pysweep.c: the sweeps as Python calls them: lists of Tensors in, a list of Tensors or None
 * out. */
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
        tg_raise(TG_EMEMORY);
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
        tg_raise(status);
    return cast;
}

/* sweep(targets, cotangents, sources, block=0, keep=False) -> list of Tensor or None */
PyObject *tg_python_sweep(PyObject *o, PyObject *args)
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
    if (dx && seeded == n) {
        const int status =
            tg_sweep(tg_tape_of(o), (size_t)n, y, ct, (size_t)m, x, dx, &options);
        result = status ? tg_raise(status) : list_of(dx, m);
    } else if (!PyErr_Occurred()) {
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
PyObject *tg_python_push(PyObject *o, PyObject *args)
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
        const int status = tg_push(tg_tape_of(o), (size_t)n, x, dx, (size_t)m, y, dy, &options);
        result = status ? tg_raise(status) : list_of(dy, m);
    } else if (!PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    free(x);
    free(dx);
    free(y);
    free(dy);
    return result;
}

/* backward(target, cotangent or None, tape or None): None is the innermost tape that recorded
 * the target. */
static PyObject *backward(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *target, *cotangent, *on = Py_None;
    if (!PyArg_ParseTuple(args, "OO|O", &target, &cotangent, &on))
        return NULL;
    tg_tensor *y = tg_tensor_of(target);
    if (!y || (on != Py_None && Py_TYPE(on) != tg_tape_type)) {
        PyErr_SetString(PyExc_TypeError, "backward: native Tensors and tapes only");
        return NULL;
    }
    tg_tape *tape = on == Py_None ? y->tape : tg_tape_of(on);
    if (!tape)
        return tg_answer(
            tg_fail(TG_ETAPE, "backward: no tape recorded this Tensor; compute it "
                              "inside 'with tape():' from a parameter or a watched Tensor, "
                              "and where tapegrad.compile is used, call backward in the step"));
    tg_tensor *ct = cotangent_of(cotangent, y);
    if (!ct)
        return NULL;
    const tg_walk_options options = {.python = tg_rule_python};
    const int status = tg_sweep_backward(tape, y, ct, &options);
    tg_drop(ct);
    return tg_answer(status);
}

static PyMethodDef functions[] = {
    {"backward", backward, METH_VARARGS, "backward(target, cotangent, tape=None)"},
    {0},
};

int tg_add_sweeps(PyObject *module) { return tg_add_functions(module, functions); }
