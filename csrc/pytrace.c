/* pytrace.c: the log of a whole step, as tapegrad/replay/record.py asks for it. While it is
 * open every op of its thread is entered, those of sweeps too, and arrays that become Tensors
 * are kept with them, so that a program can read them again. */
#include "python.h"

#include <stdlib.h>
#include <string.h>

#include "transcript.h"

typedef struct step_trace {
    tg_trace trace;
    PyObject *sources; /* [(handle, array), ...] */
    struct step_trace *outer; /* the one that waits for this one's end */
    tg_trace *before; /* what was the list's */
} step_trace;

static _Thread_local step_trace *step; /* the open one */

int tg_trace_source(const tg_tensor *t, PyObject *array)
{
    if (!step)
        return TG_OK;
    PyObject *pair = Py_BuildValue("(KO)", (unsigned long long)tg_handle_of(t), array);
    const int status = pair ? PyList_Append(step->sources, pair) : -1;
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

/* trace_begin(is_step): log every op of this thread until trace_end. A trace that is open does
 * not see them. A step's will be replayed. */
static PyObject *trace_begin(PyObject *module, PyObject *is_step)
{
    (void)module;
    tg_list *list = tg_list_here();
    step_trace *inner = list ? calloc(1, sizeof *inner) : NULL;
    if (!inner)
        return PyErr_NoMemory();
    if (!(inner->sources = PyList_New(0))) {
        free(inner);
        return NULL;
    }
    inner->trace.program = true;
    inner->trace.first = PyObject_IsTrue(is_step) ? list->next : 0;
    inner->outer = step;
    inner->before = list->trace;
    step = inner;
    list->trace = &inner->trace;
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

/* --- the end of a trace ---------------------------------------------------------------------- */

static PyObject *number_or_none(size_t number)
{
    return number == SIZE_MAX ? Py_NewRef(Py_None) : PyLong_FromSize_t(number);
}

/* What of the trace Python cannot read off the words; NULL: error set. */
typedef struct findings {
    PyObject *lines, *asked, *leaves, *read, *without, *set, *arrays, *calls;
} findings;

static bool find_entries(findings *f, const tg_trace *trace)
{
    uint32_t *line = (uint32_t *)(void *)PyByteArray_AsString(f->lines);
    for (size_t i = 0; i < trace->n; ++i) {
        const tg_entry *e = &trace->entries[i];
        line[i] = e->line;
        if (e->versions & TG_TRACE_GRAD) {
            if (!tg_list_give(f->read, tg_wrap(tg_hold(tg_entry_in(e)[0]))))
                return false;
        } else if (tg_entry_is_call(e)) {
            if (!tg_list_give(f->calls, PyLong_FromLongLong(tg_entry_params(e)[0])))
                return false;
        }
    }
    return true;
}

static PyObject *numbers_of(tg_transcript *words, PyObject *tensors)
{
    PyObject *numbers = PyList_New(0);
    for (Py_ssize_t i = 0; numbers && i < PyList_Size(tensors); ++i) {
        const size_t n = tg_transcript_number(words, tg_tensor_of(PyList_GetItem(tensors, i)));
        if (n == SIZE_MAX || !tg_list_give(numbers, PyLong_FromSize_t(n)))
            Py_CLEAR(numbers);
    }
    return numbers;
}

static bool find_asked(findings *f, tg_transcript *words, PyObject *asked)
{
    for (Py_ssize_t i = 0; i < PyList_Size(asked); ++i)
        if (!tg_list_give(f->asked, numbers_of(words, PyList_GetItem(asked, i))))
            return false;
    return true;
}

static bool find_leaves(findings *f, const tg_transcript *words)
{
    for (size_t i = 0; i < words->n_values; ++i) {
        tg_tensor *t = words->leaves[i];
        if (!t || !t->data)
            continue;
        /* from elsewhere: what no Python Tensor holds, too, if another thread made it */
        const bool outside = t->handles || t->flags & TG_UNLOGGED;
        const uint64_t record = outside ? tg_handle_of(t) : 0;
        PyObject *parts[] = {PyLong_FromSize_t(i), tg_wrap(tg_hold(t)),
                             PyLong_FromLong(t->dtype), tg_ints_tuple(t->ndim, tg_shape(t)),
                             PyLong_FromUnsignedLongLong(record)};
        if (!tg_list_give(f->leaves, tg_tuple_give(sizeof parts / sizeof *parts, parts)))
            return false;
    }
    return true;
}

static bool find_variables(findings *f, const tg_transcript *words, const tg_trace *trace)
{
    for (size_t i = 0; i < trace->n_grads_none; ++i)
        if (!tg_list_give(f->without, tg_wrap(tg_hold(trace->grads_none[i]))))
            return false;
    for (size_t i = 0; i < trace->n_grads_set; ++i) {
        tg_tensor *variable = trace->grads_set[i];
        PyObject *number = number_or_none(
            variable->grad ? tg_transcript_find(words, variable->grad) : SIZE_MAX);
        PyObject *o = number ? tg_wrap(tg_hold(variable)) : NULL;
        if (!tg_list_give(f->set, o ? Py_BuildValue("(NN)", o, number) : NULL))
            return false;
    }
    return true;
}

static bool find_arrays(findings *f, const tg_transcript *words)
{
    for (Py_ssize_t i = 0; i < PyList_Size(step->sources); ++i) {
        PyObject *pair = PyList_GetItem(step->sources, i);
        const uint64_t handle = PyLong_AsUnsignedLongLong(PyTuple_GetItem(pair, 0));
        const tg_tensor *t = tg_from_handle(handle);
        const size_t number = t ? tg_transcript_find(words, t) : SIZE_MAX;
        if (number != SIZE_MAX &&
            !tg_list_give(f->arrays,
                          Py_BuildValue("(nO)", (Py_ssize_t)number, PyTuple_GetItem(pair, 1))))
            return false;
    }
    return true;
}

static PyObject *report(const tg_trace *trace, tg_transcript *words, PyObject *asked)
{
    findings f = {
        PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)(trace->n * sizeof(uint32_t))),
        PyList_New(0),
        PyList_New(0),
        PyList_New(0),
        PyList_New(0),
        PyList_New(0),
        PyList_New(0),
        PyList_New(0)};
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)words->words,
                                                (Py_ssize_t)(words->n * sizeof *words->words));
    PyObject *all[] = {bytes,     f.lines, f.asked,  f.leaves, f.read,
                       f.without, f.set,   f.arrays, f.calls};
    enum { N = sizeof all / sizeof *all };
    PyObject *answer = PyTuple_New(N);
    bool fine = answer != NULL;
    for (int i = 0; i < N; ++i)
        fine = fine && all[i] && PyTuple_SetItem(answer, i, Py_NewRef(all[i])) == 0;
    fine = fine && find_entries(&f, trace) && find_asked(&f, words, asked) &&
           find_leaves(&f, words) && find_variables(&f, words, trace) && find_arrays(&f, words);
    for (int i = 0; i < N; ++i)
        Py_XDECREF(all[i]);
    if (!fine)
        Py_CLEAR(answer);
    return answer;
}

/* Let Tensors of the NumPy engine be native ones; makes records, so it comes before the words. */
static bool adopt_all(PyObject *asked, PyObject *adopt)
{
    for (Py_ssize_t i = 0; i < PyList_Size(asked); ++i) {
        PyObject *tensors = PyList_GetItem(asked, i);
        for (Py_ssize_t k = 0; k < PyList_Size(tensors); ++k) {
            PyObject *tensor = PyList_GetItem(tensors, k);
            if (tg_tensor_of(tensor))
                continue;
            Py_XDECREF(PyObject_CallFunctionObjArgs(adopt, tensor, NULL));
            if (!PyErr_Occurred() && !tg_tensor_of(tensor))
                PyErr_SetString(PyExc_TypeError, "trace_end: need Tensors");
            if (PyErr_Occurred())
                return false;
        }
    }
    return !PyErr_Occurred();
}

/* trace_end(lists of Tensors, adopt) -> see engine/interface.py, EngineLog.end. */
static PyObject *trace_end(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *asked = NULL, *adopt = NULL;
    tg_trace *trace = open_trace();
    if (!trace)
        return NULL;
    const bool is_native =
        PyArg_ParseTuple(args, "O!O", &PyList_Type, &asked, &adopt) && adopt_all(asked, adopt);
    tg_list *list = tg_list_here();
    step_trace *outer = step->outer;
    list->trace = step->before;
    list->n_lines = outer != NULL;
    for (size_t i = 0; i < list->n_open; ++i)
        list->n_lines += list->open[i]->lines;
    tg_transcript words = {0};
    const int status = tg_transcript_write(&words, trace);
    PyObject *answer = NULL;
    if (is_native)
        answer = status ? tg_raise(status) : report(trace, &words, asked);
    tg_transcript_clear(&words);
    Py_DECREF(step->sources);
    tg_trace_clear(trace);
    free(step);
    step = outer;
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
    {"trace_begin", trace_begin, METH_O, "trace_begin(is_step)"},
    {"trace_length", trace_length, METH_NOARGS, "trace_length() -> entries so far"},
    {"trace_end", trace_end, METH_VARARGS, "trace_end(Tensors, adopt) -> as EngineLog.end"},
    {0},
};

int tg_add_trace(PyObject *module) { return tg_add_functions(module, functions); }
