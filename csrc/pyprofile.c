/* pyprofile.c: the times of a program's steps, for Python. */
#include <stdlib.h>

#include "pyprogram.h"

/* time_steps(on): whether runs from now on take the times of their steps. */
PyObject *tg_program_time_steps(PyObject *o, PyObject *on)
{
    program_object *self = (program_object *)o;
    tg_program *g = self->program;
    if (!tg_program_is_free(self))
        return NULL;
    free(g->step_ns);
    g->step_ns = NULL;
    if (PyObject_IsTrue(on) && !(g->step_ns = calloc((size_t)g->n_steps + 1, sizeof(double))))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* step_ns: of the last run, or None. */
PyObject *tg_program_step_ns(PyObject *o, void *unused)
{
    (void)unused;
    const tg_program *g = ((program_object *)o)->program;
    if (!g->step_ns)
        Py_RETURN_NONE;
    PyObject *list = PyList_New(g->n_steps);
    for (int j = 0; list && j < g->n_steps; ++j)
        if (PyList_SetItem(list, j, PyFloat_FromDouble(g->step_ns[j])) < 0)
            Py_CLEAR(list);
    return list;
}
