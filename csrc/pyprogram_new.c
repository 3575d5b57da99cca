/* pyprogram_new.c: core.Program(values, steps, outputs, grads, block_bytes, n_inputs): the
 * lists that tapegrad/replay plans, turned into a program; a step by pystep.c. */
#include "pyprogram.h"

#include <stdlib.h>

bool tg_program_refuse(const char *what, Py_ssize_t index)
{
    if (PyErr_Occurred() &&
        PyErr_ExceptionMatches(PyExc_TypeError)) /* of a tuple's contents: say whose */
        PyErr_Clear();
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "Program: %s (at %zd)", what, index);
    return false;
}

bool tg_program_hold(program_object *self, PyObject *o)
{
    return PyList_Append(self->held, o) == 0;
}

/* --- values ---------------------------------------------------------------------------------- */

static bool add_value(program_object *self, int index, PyObject *item)
{
    int dtype, role;
    PyObject *shape, *where;
    if (!PyTuple_Check(item) ||
        !PyArg_ParseTuple(item, "iO!CO", &dtype, &PyTuple_Type, &shape, &role, &where))
        return tg_program_refuse("a value is (dtype, shape, role, where)", index);
    const Py_ssize_t ndim = PyTuple_Size(shape);
    int64_t dims[TG_MAX_NDIM];
    if (ndim > TG_MAX_NDIM)
        return tg_program_refuse("a value has too many axes", index);
    for (Py_ssize_t i = 0; i < ndim; ++i)
        dims[i] = PyLong_AsLongLong(PyTuple_GetItem(shape, i));
    size_t place = 0;
    int host = -1;
    tg_tensor *captured = NULL;
    if (role == TG_CAPTURED || role == TG_ARRAY) {
        captured = role == TG_CAPTURED ? tg_tensor_of(where) : NULL;
        if (role == TG_CAPTURED && !captured)
            return tg_program_refuse("a captured value is a native Tensor", index);
        if (!tg_program_hold(self, where))
            return false;
        self->objects[index] = where;
        if (role == TG_ARRAY)
            self->arrays[self->n_arrays++] = index;
    } else if (role == TG_PLANNED && PyTuple_Check(where) && PyTuple_Size(where) == 2) {
        place = PyLong_AsSize_t(PyTuple_GetItem(where, 0));
        host = (int)PyLong_AsLong(PyTuple_GetItem(where, 1));
    } else if (role == TG_ARGUMENT || role == TG_PLANNED)
        place = PyLong_AsSize_t(where);
    if (PyErr_Occurred())
        return false;
    return tg_check(tg_program_value(self->program, index, (char)role, dtype, (int)ndim, dims,
                                     captured, place, host));
}

/* --- the whole ---------------------------------------------------------------------------- */

static bool read_results(program_object *self, PyObject *outputs, PyObject *grads)
{
    const tg_program *g = self->program;
    for (Py_ssize_t i = 0; i < PyList_Size(outputs); ++i) {
        const long v = PyLong_AsLong(PyList_GetItem(outputs, i));
        if (v < 0 || v >= g->n_values)
            return tg_program_refuse("no such output value", i);
        self->outputs[self->n_outputs++] = (int)v;
    }
    for (Py_ssize_t i = 0; i < PyList_Size(grads); ++i) {
        PyObject *item = PyList_GetItem(grads, i), *variable;
        int v;
        if (!PyTuple_Check(item) || !PyArg_ParseTuple(item, "Oi", &variable, &v))
            return tg_program_refuse("a gradient is (variable, value)", i);
        tg_tensor *t = tg_tensor_of(variable);
        const tg_tensor *own = v >= 0 && v < g->n_values ? &g->values[v].own : NULL;
        if (!t || !own || !tg_is_like(own, t))
            return tg_program_refuse("a gradient has not its variable's shape and dtype", i);
        if (!tg_program_hold(self, variable))
            return false;
        self->grads_of[self->n_grads] = t;
        self->grads[self->n_grads++] = v;
    }
    return true;
}

static bool fill(program_object *self, PyObject *values, PyObject *steps, PyObject *outputs,
                 PyObject *grads)
{
    tg_program *g = self->program;
    for (int i = 0; i < g->n_values; ++i)
        if (!add_value(self, i, PyList_GetItem(values, i)))
            return false;
    for (int i = 0; i < g->n_steps; ++i)
        if (!tg_program_add_step(self, i, PyList_GetItem(steps, i)))
            return false;
    self->seeds = calloc((size_t)g->n_generators + 1, sizeof *self->seeds);
    self->bound = calloc((size_t)g->n_inputs + (size_t)self->n_arrays + 1, sizeof *self->bound);
    if (!self->seeds || !self->bound)
        return PyErr_NoMemory() != NULL;
    g->seeds = self->seeds;
    return read_results(self, outputs, grads) && tg_check(tg_program_ready(g));
}

PyObject *tg_program_object_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"values",      "steps",    "outputs", "grads",
                            "block_bytes", "n_inputs", NULL};
    PyObject *values, *steps, *outputs, *grads;
    Py_ssize_t block_bytes;
    int n_inputs;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!O!O!ni", names, &PyList_Type, &values,
                                     &PyList_Type, &steps, &PyList_Type, &outputs, &PyList_Type,
                                     &grads, &block_bytes, &n_inputs))
        return NULL;
    const size_t n_values = (size_t)PyList_Size(values), n_out = (size_t)PyList_Size(outputs),
                 n_grads = (size_t)PyList_Size(grads);
    if (block_bytes < 0 || n_inputs < 0 || n_values > INT32_MAX / 2 ||
        PyList_Size(steps) > INT32_MAX / 2) {
        tg_program_refuse("a size is negative or too large", 0);
        return NULL;
    }
    program_object *self = (program_object *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    self->held = PyList_New(0);
    self->objects = calloc(n_values + 1, sizeof *self->objects);
    self->arrays = calloc(n_values + 1, sizeof *self->arrays);
    self->outputs = calloc(n_out + 1, sizeof *self->outputs);
    self->grads = calloc(n_grads + 1, sizeof *self->grads);
    self->grads_of = calloc(n_grads + 1, sizeof *self->grads_of);
    self->program =
        tg_program_new((int)n_values, (int)PyList_Size(steps), (size_t)block_bytes, n_inputs);
    if (!self->program || !self->held || !self->objects || !self->arrays || !self->outputs ||
        !self->grads || !self->grads_of)
        PyErr_NoMemory();
    else {
        self->program->owner = self;
        self->program->call_python = tg_call_python;
        if (fill(self, values, steps, outputs, grads))
            return (PyObject *)self;
    }
    Py_DECREF(self);
    return NULL;
}
