/* pymodule.c: what Python and the C core tell each other when tapegrad is imported. */
#include "python.h"

#include <string.h>

python_side tg_python;

/* --- the module -------------------------------------------------------------------------- */

static void *unlock(void) { return PyEval_SaveThread(); }
static void relock(void *state) { PyEval_RestoreThread(state); }

/* setup(tensor_type, ndarray_type, slow_apply, operate, run_rule, raise_error, line_number,
 * dtypes) */
static PyObject *setup(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *tensor, *ndarray, *slow_apply, *operate, *run_rule, *raise_error, *line_number,
        *dtypes;
    if (!PyArg_ParseTuple(args, "OOOOOOOO!", &tensor, &ndarray, &slow_apply, &operate,
                          &run_rule, &raise_error, &line_number, &PyTuple_Type, &dtypes))
        return NULL;
    if (!PyType_Check(tensor) || !PyType_Check(ndarray) ||
        PyTuple_Size(dtypes) != TG_N_DTYPES) {
        PyErr_SetString(PyExc_TypeError, "setup: wrong arguments");
        return NULL;
    }
    Py_INCREF(args);                 /* all of it lives as long as the process */
    tg_python.tensor = (PyTypeObject *)tensor;
    tg_python.ndarray = (PyTypeObject *)ndarray;
    tg_python.slow_apply = slow_apply;
    tg_python.operate = operate;
    tg_python.run_rule = run_rule;
    tg_python.raise_error = raise_error;
    tg_python.line_number = line_number;
    for (int i = 0; i < TG_N_DTYPES; ++i)
        tg_python.dtypes[i] = PyTuple_GetItem(dtypes, i);
    const int status = tg_find_operators();
    if (status)
        return tg_raise(status);
    tg_set_lock_hooks(unlock, relock);
    tg_set_elsewhere(tg_apply_python);
    Py_RETURN_NONE;
}

/* make_tensor(type, node): a Tensor of the NumPy engine. */
static PyObject *make_tensor(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    (void)module;
    if (n_args != 2 || !PyType_Check(args[0]) ||
        !PyType_IsSubtype((PyTypeObject *)args[0], tg_python.base)) {
        PyErr_SetString(PyExc_TypeError, "make_tensor(type, node)");
        return NULL;
    }
    PyObject *o = PyType_GenericAlloc((PyTypeObject *)args[0], 0);
    if (o) {
        Py_INCREF(args[1]);
        ((tensor_object *)o)->node = args[1];
    }
    return o;
}

static PyObject *use_native(PyObject *module, PyObject *on)
{
    (void)module;
    tg_python.native = PyObject_IsTrue(on);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"make_tensor", TG_FAST(make_tensor), METH_FASTCALL, "make_tensor(type, node) -> Tensor"},
    {"setup", setup, METH_VARARGS, NULL},
    {"use_native", use_native, METH_O, NULL},
    {0},
};

int tg_add_functions(PyObject *module, PyMethodDef *f)
{
    for (; f->ml_name; ++f) {
        PyObject *o = PyCFunction_NewEx(f, NULL, NULL);
        if (!o || PyObject_SetAttrString(module, f->ml_name, o) < 0)
            return TG_EPYTHON;
        Py_DECREF(o);
    }
    return TG_OK;
}

PyTypeObject *tg_add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    const char *name = strrchr(spec->name, '.') + 1;
    if (type && PyObject_SetAttrString(module, name, type) < 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

int tg_python_init(void)
{
    if (tg_python.base)
        return TG_OK;
    PyObject *module = PyImport_AddModule("tapegrad._core");       /* borrowed */
    if (!module)
        return TG_EPYTHON;
    int (*const parts[])(PyObject *) = {
        tg_add_tensor_type,  tg_add_apply,     tg_add_arrays,    tg_add_tape_type,
        tg_add_program_type, tg_add_call_type, tg_add_trace,     tg_add_checks_type,
        tg_add_sweeps,       tg_add_rules,     tg_add_turn_type, tg_add_entries};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i)
        if (parts[i](module) != TG_OK)
            return TG_EPYTHON;
    return tg_add_functions(module, functions);
}
