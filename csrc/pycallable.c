/* pycallable.c: the steps of a program that run in Python: what their callable sees, and what
 * becomes of what it gives. The interpreter lock is held. */
#include "pyprogram.h"

/* What a callable sees of a value: a captured Tensor itself, a copy of anything else, whose memory
 * the next steps write. */
static PyObject *operand_of(const program_object *self, int value)
{
    const tg_value *v = &self->program->values[value];
    if (v->role == TG_CAPTURED) {
        Py_INCREF(self->objects[value]);
        return self->objects[value];
    }
    tg_tensor *copy = tg_new(v->t->dtype, v->t->ndim, tg_shape(v->t));
    if (!copy) {
        tg_raise(TG_EMEMORY);
        return NULL;
    }
    tg_copy(copy, v->t);
    return tg_wrap(copy);
}

int tg_call_python(tg_program *g, tg_step *s)
{
    const program_object *self = g->owner;
    PyObject *inputs = PyList_New(s->n_in), *result = NULL;
    int status = TG_EPYTHON;
    for (int i = 0; inputs && i < s->n_in; ++i) {
        PyObject *o = operand_of(self, s->in[i]);
        if (!o || PyList_SetItem(inputs, i, o) < 0)
            goto done;
    }
    if (inputs)
        result = PyObject_CallFunctionObjArgs(s->callable, inputs, NULL);
    if (result && !s->n_out)
        status = TG_OK;
    if (!result || !s->n_out)
        goto done;
    const tg_value *v = &g->values[s->out[0]];
    const tg_tensor *t = tg_tensor_of(result);
    if (!t || !t->data) {
        PyErr_SetString(PyExc_TypeError, "a step in Python must give a native Tensor");
        goto done;
    }
    if (!tg_is_like(t, &v->own)) {
        status = tg_fail(TG_ESHAPE,
                         "step %d, in Python, gave another shape or dtype than when it "
                         "was recorded",
                         (int)(s - g->steps));
        goto done;
    }
    tg_copy(v->t, t);
    status = TG_OK;
done:
    Py_XDECREF(inputs);
    Py_XDECREF(result);
    return status;
}
