/* pytrace.c: the log of a whole step, as tapegrad/replay/record.py asks for it. While it is open every
 * op of its thread is entered, those of sweeps too, and arrays that become Tensors are kept with
 * them, so that a program can read them again. */
#include "python.h"

#include <stdlib.h>

static _Thread_local PyObject *sources; /* [(handle, array), ...] of the open trace */

int tg_trace_source(const tg_tensor *t, PyObject *array)
{
    if (!sources)
        return TG_OK;
    PyObject *pair = Py_BuildValue("(KO)", (unsigned long long)tg_handle_of(t), array);
    const int status = pair ? PyList_Append(sources, pair) : -1;
    Py_XDECREF(pair);
    return status < 0 ? TG_EPYTHON : TG_OK;
}

static tg_trace *open_trace(void)
{
    const tg_list *list = tg_list_here();
    if (list && list->trace && list->trace->program)
        return list->trace;
    PyErr_SetString(PyExc_RuntimeError, "no trace is open");
    return NULL;
}

/* trace_begin(): log every op of this thread until trace_end. */
static PyObject *trace_begin(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    tg_list *list = tg_list_here();
    tg_trace *trace = list ? calloc(1, sizeof *trace) : NULL;
    if (!trace)
        return PyErr_NoMemory();
    if (list->trace || !(sources = PyList_New(0))) {
        free(trace);
        if (list->trace)
            PyErr_SetString(PyExc_RuntimeError, "a trace is open already");
        return NULL;
    }
    trace->program = true;
    list->trace = trace;
    list->n_lines = 1;
    Py_RETURN_NONE;
}

/* trace_length() -> entries so far */
static PyObject *trace_length(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    const tg_trace *trace = open_trace();
    return trace ? PyLong_FromSize_t(trace->n) : NULL;
}

static PyObject *handle_of(const tg_tensor *t)
{
    return PyLong_FromUnsignedLongLong(tg_handle_of(t));
}

/* What the entries read that none before them made: leaves[handle] = Tensor. */
static PyObject *read_entry(tg_entry *e, PyObject *made, PyObject *leaves)
{
    PyObject *in = PyTuple_New(e->n_in), *shape = PyTuple_New(e->out->ndim), *entry = NULL;
    PyObject *params = tg_params_tuple(e), *out = handle_of(e->out);
    if (!in || !shape || !params || !out)
        goto done;
    for (int i = 0; i < e->n_in; ++i) {
        tg_tensor *t = tg_entry_in(e)[i];
        PyObject *handle = handle_of(t);
        if (!handle || PyTuple_SetItem(in, i, handle) < 0)
            goto done;
        if (PyDict_GetItem(made, handle) || PyDict_GetItem(leaves, handle) || !t->data)
            continue;
        PyObject *leaf = tg_wrap(tg_hold(t));
        const int status = leaf ? PyDict_SetItem(leaves, handle, leaf) : -1;
        Py_XDECREF(leaf);
        if (status < 0)
            goto done;
    }
    for (int i = 0; i < e->out->ndim; ++i)
        if (PyTuple_SetItem(shape, i, PyLong_FromLongLong(tg_shape(e->out)[i])) < 0)
            goto done;
    if (PyDict_SetItem(made, out, Py_None) < 0)
        goto done;
    entry = Py_BuildValue("(iOOOkkiO)", tg_entry_op(e), in, out, params, (unsigned long)e->line,
                          (unsigned long)e->versions, (int)e->out->dtype, shape);
done:
    Py_XDECREF(in);
    Py_XDECREF(shape);
    Py_XDECREF(params);
    Py_XDECREF(out);
    return entry;
}

static PyObject *tensors(tg_tensor *const *array, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; ++i) {
        PyObject *t = tg_wrap(tg_hold(array[i]));
        if (!t || PyList_SetItem(list, (Py_ssize_t)i, t) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

/* trace_end() -> (entries, leaves, without_grad, grads_set, sources): entries are (op, inputs, output, params,
 * line, notes, dtype, shape), Tensors by handle. The handles are good while the Tensors that
 * `leaves` and the caller hold live, and no longer. */
static PyObject *trace_end(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    tg_trace *trace = open_trace();
    if (!trace)
        return NULL;
    tg_list *list = tg_list_here();
    list->trace = NULL;
    list->n_lines = 0;
    for (size_t i = 0; i < list->n_open; ++i)
        list->n_lines += list->open[i]->lines;
    PyObject *entries = PyList_New(0), *made = PyDict_New(), *leaves = PyDict_New();
    PyObject *none = tensors(trace->grads_none, trace->n_grads_none);
    PyObject *set = tensors(trace->grads_set, trace->n_grads_set), *answer = NULL;
    for (size_t i = 0; entries && made && leaves && none && set && i < trace->n; ++i) {
        PyObject *entry = read_entry(&trace->entries[i], made, leaves);
        const int status = entry ? PyList_Append(entries, entry) : -1;
        Py_XDECREF(entry);
        if (status < 0)
            break;
    }
    if (!PyErr_Occurred())
        answer = Py_BuildValue("(OOOOO)", entries, leaves, none, set, sources);
    Py_XDECREF(entries);
    Py_XDECREF(made);
    Py_XDECREF(leaves);
    Py_XDECREF(none);
    Py_XDECREF(set);
    Py_CLEAR(sources);
    tg_trace_clear(trace);
    free(trace);
    return answer;
}

/* is_recording() -> 1: a tape of this thread records; 0: none does; -1: inside no_grad */
static PyObject *is_recording(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    const tg_list *list = tg_list_here();
    return list ? PyLong_FromLong(list->off ? -1 : list->n_active != 0) : PyErr_NoMemory();
}

static PyMethodDef functions[] = {
    {"is_recording", is_recording, METH_NOARGS, "is_recording() -> 1, 0, or -1 inside no_grad"},
    {"trace_begin", trace_begin, METH_NOARGS, "trace_begin()"},
    {"trace_length", trace_length, METH_NOARGS, "trace_length() -> entries so far"},
    {"trace_end", trace_end, METH_NOARGS,
     "trace_end() -> (entries, leaves, without_grad, grads_set, sources)"},
    {0},
};

int tg_add_trace(PyObject *module) { return tg_add_functions(module, functions); }
