/* pyprogram.c: traces and programs as Python sees them. */
#include "program.h"
#include "python.h"

#include <stdlib.h>

typedef struct program_object {
    PyObject_HEAD tg_program *program;
    Py_ssize_t n_inputs, n_outputs;
} program_object;

static PyTypeObject *program_type;

static tg_tensor **records_of(PyObject *list, Py_ssize_t *n)
{
    *n = PyList_Size(list);
    tg_tensor **records = malloc((size_t)(*n + 1) * sizeof *records);
    for (Py_ssize_t i = 0; records && i < *n; ++i)
        if (!(records[i] = tg_tensor_of(PyList_GetItem(list, i)))) {
            PyErr_SetString(PyExc_TypeError, "programs take and give native Tensors");
            free(records);
            return NULL;
        }
    if (!records)
        PyErr_NoMemory();
    return records;
}

static void program_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    tg_program_free(((program_object *)o)->program);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(o);
    Py_DECREF(type);
}

/* run(inputs) -> outputs, lists of Tensors */
static PyObject *program_run(PyObject *o, PyObject *inputs)
{
    program_object *self = (program_object *)o;
    if (!PyList_Check(inputs) || PyList_Size(inputs) != self->n_inputs) {
        PyErr_Format(PyExc_TypeError, "run takes a list of %zd Tensors", self->n_inputs);
        return NULL;
    }
    Py_ssize_t n;
    tg_tensor **in = records_of(inputs, &n);
    tg_tensor **out = in ? calloc((size_t)self->n_outputs + 1, sizeof *out) : NULL;
    PyObject *answer = NULL;
    if (out) {
        const int status = tg_program_run(self->program, in, out);
        if (status)
            tg_raise(status, -1, NULL);
        else
            answer = PyList_New(self->n_outputs);
        for (Py_ssize_t k = 0; k < self->n_outputs; ++k) {
            PyObject *t = answer && out[k] ? tg_wrap(out[k]) : NULL;
            if (t)
                PyList_SetItem(answer, k, t);
            else if (!answer)
                tg_drop(out[k]);
        }
    }
    free(in);
    free(out);
    return answer;
}

static PyObject *planned_bytes(PyObject *o, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(tg_program_planned_bytes(((program_object *)o)->program));
}

static Py_ssize_t program_length(PyObject *o)
{
    return (Py_ssize_t)tg_program_length(((program_object *)o)->program);
}

static PyMethodDef program_methods[] = {
    {"run", program_run, METH_O, "run(inputs) -> outputs"},
    {0},
};

static PyGetSetDef program_getset[] = {
    {"planned_bytes", planned_bytes, NULL, "Memory of one run; 0 before the first.", NULL},
    {0},
};

static PyType_Slot program_slots[] = {
    {Py_tp_doc, "A recorded list of entries that runs as one call."},
    {Py_tp_dealloc, program_dealloc},
    {Py_tp_methods, program_methods},
    {Py_tp_getset, program_getset},
    {Py_sq_length, program_length},
    {0, NULL},
};

static PyType_Spec program_spec = {
    .name = "tapegrad._core.Program",
    .basicsize = sizeof(program_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = program_slots,
};

int tg_add_program_type(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&program_spec);
    program_type = (PyTypeObject *)type;
    if (!type || PyObject_SetAttrString(module, "Program", type) < 0)
        return TG_EPYTHON;
    return TG_OK;
}
