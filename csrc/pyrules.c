/* pyrules.c: the bridge by which a sweep asks Python: for a rule it has no template of, or for
 * an op on a dtype without kernel. */
#include "python.h"

PyObject *tg_numbers_tuple(int n, const int64_t *p, uint64_t floats)
{
    PyObject *params = PyTuple_New(n);
    for (int i = 0; params && i < n; ++i) {
        PyObject *v = i < 64 && floats >> i & 1 ? PyFloat_FromDouble(tg_param_double(p[i]))
                                                : PyLong_FromLongLong(p[i]);
        if (!v || PyTuple_SetItem(params, i, v) < 0) {
            Py_DECREF(params);
            return NULL;
        }
    }
    return params;
}

PyObject *tg_params_tuple(const tg_entry *e)
{
    return tg_numbers_tuple(e->n_p, tg_entry_params(e), tg_entry_floats(e));
}

PyObject *tg_inputs_tuple(int n, tg_tensor *const *in)
{
    PyObject *inputs = PyTuple_New(n);
    for (int i = 0; inputs && i < n; ++i) {
        PyObject *t = tg_wrap(tg_hold(in[i]));
        if (!t || PyTuple_SetItem(inputs, i, t) < 0) {
            Py_DECREF(inputs);
            return NULL;
        }
    }
    return inputs;
}

int tg_rule_python(void *context, const tg_rule *rule, tg_tensor **result)
{
    (void)context;
    const tg_entry *e = rule->e;
    PyObject *ct = tg_wrap(tg_hold(rule->ct));
    PyObject *out = tg_wrap(tg_hold(e->out));
    PyObject *inputs = tg_inputs_tuple(e->n_in, tg_entry_in(e)), *params = tg_params_tuple(e);
    PyObject *r = ct && out && inputs && params
                      ? PyObject_CallFunction(tg_python.run_rule, "iiiOOOOL", rule->kind,
                                              tg_entry_op(e), rule->input, ct, out, inputs,
                                              params, (long long)rule->block)
                      : NULL;
    int status = r ? TG_OK : TG_EPYTHON;
    if (r && r != Py_None) {
        tg_tensor *t = tg_tensor_of(r);
        if (t) {
            *result = tg_hold(t);
        } else {
            PyErr_SetString(PyExc_TypeError, "a derivative rule must return a Tensor or None");
            status = TG_EPYTHON;
        }
    }
    Py_XDECREF(r);
    Py_XDECREF(ct);
    Py_XDECREF(out);
    Py_XDECREF(inputs);
    Py_XDECREF(params);
    return status;
}

/* An op of the sweep's own on a dtype without kernel: by NumPy, recorded as ever. */
int tg_apply_python(const tg_call *call, tg_tensor **out)
{
    PyObject *inputs = tg_inputs_tuple(call->n_in, call->in);
    PyObject *params = tg_numbers_tuple(call->n_p, call->p, call->floats);
    PyObject *r = inputs && params ? PyObject_CallFunction(tg_python.slow_apply, "iOO",
                                                           call->op, inputs, params)
                                   : NULL;
    tg_tensor *t = r ? tg_tensor_of(r) : NULL;
    if (t)
        *out = tg_hold(t);
    else if (r)
        PyErr_SetString(PyExc_TypeError, "the engine in force is not the tape's");
    Py_XDECREF(r);
    Py_XDECREF(inputs);
    Py_XDECREF(params);
    return t ? TG_OK : TG_EPYTHON;
}

/* --- calls ------------------------------------------------------------------------------- */

static PyObject *hold_python, *drop_python; /* what entries of calls tell of their number */

static void tell(PyObject *function, int64_t number)
{
    PyObject *type, *value, *traceback; /* entries go while errors are on their way */
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *r = PyObject_CallFunction(function, "L", (long long)number);
    if (!r)
        PyErr_WriteUnraisable(function);
    Py_XDECREF(r);
    PyErr_Restore(type, value, traceback);
}

static void hold_call(int64_t number) { tell(hold_python, number); }
static void drop_call(int64_t number) { tell(drop_python, number); }

/* calls(op, hold, drop): entries of op hold the call whose number is their first param. */
static PyObject *calls(PyObject *module, PyObject *args)
{
    (void)module;
    int op;
    PyObject *hold, *drop;
    if (!PyArg_ParseTuple(args, "iOO", &op, &hold, &drop))
        return NULL;
    Py_INCREF(hold);
    Py_INCREF(drop);
    Py_XDECREF(hold_python);
    Py_XDECREF(drop_python);
    hold_python = hold;
    drop_python = drop;
    tg_entry_calls(op, hold_call, drop_call);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"calls", calls, METH_VARARGS, "calls(op, hold, drop)"},
    {0},
};

int tg_add_rules(PyObject *module) { return tg_add_functions(module, functions); }
