/* pytensor.c: the Python Tensor's type: one hold on a record, and its attributes. */
#include "python.h"

#include <stdlib.h>
#include <structmember.h>

/* --- objects ------------------------------------------------------------------------------- */

tg_tensor *tg_tensor_of(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    if (type == tg_python.tensor || PyType_IsSubtype(type, tg_python.base))
        return ((tensor_object *)o)->t;
    return NULL;
}

static PyObject *new_object(PyTypeObject *type, tg_tensor *t)
{
    tensor_object *self = (tensor_object *)PyType_GenericAlloc(type, 0);
    if (!self) {
        tg_drop(t);
        return NULL;
    }
    self->t = t;
    tg_export(t);
    return (PyObject *)self;
}

PyObject *tg_wrap(tg_tensor *t) { return new_object(tg_python.tensor, t); }

static void tensor_dealloc(PyObject *o)
{
    tensor_object *self = (tensor_object *)o;
    PyTypeObject *type = Py_TYPE(o);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(o);
    if (self->t)
        tg_release(self->t);
    Py_XDECREF(self->node);
    if (type == tg_python.tensor)
        PyObject_Free(o);
    else
        ((freefunc)PyType_GetSlot(type, Py_tp_free))(o);
    Py_DECREF(type);
}

static PyObject *tensor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)kwargs;
    PyObject *other = PyTuple_Size(args) == 1 ? PyTuple_GetItem(args, 0) : NULL;
    if (!other || !PyObject_TypeCheck(other, tg_python.base)) {
        PyErr_SetString(PyExc_TypeError, "a Tensor is made by tapegrad.tensor(data) or "
                                         "tapegrad.parameter(data), or from another Tensor");
        return NULL;
    }
    tensor_object *from = (tensor_object *)other;
    if (from->t)
        return new_object(type, tg_hold(from->t));
    tensor_object *self = (tensor_object *)PyType_GenericAlloc(type, 0);
    if (self) {
        Py_XINCREF(from->node);
        self->node = from->node;
    }
    return (PyObject *)self;
}

static Py_hash_t tensor_hash(PyObject *o) { return (Py_hash_t)((uintptr_t)o >> 4); }

/* --- attributes -------------------------------------------------------------------------- */

static PyObject *node_attribute(PyObject *o, const char *name)
{
    PyObject *node = ((tensor_object *)o)->node;
    if (!node) {
        PyErr_SetString(PyExc_RuntimeError, "this Tensor holds nothing");
        return NULL;
    }
    return PyObject_GetAttrString(node, name);
}

PyObject *tg_ints_tuple(int n, const int64_t *values)
{
    PyObject *r = PyTuple_New(n);
    for (int i = 0; r && i < n; ++i) {
        PyObject *v = PyLong_FromLongLong(values[i]);
        if (!v || PyTuple_SetItem(r, i, v) < 0) {
            Py_DECREF(r);
            return NULL;
        }
    }
    return r;
}

static PyObject *get_shape(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    return t ? tg_ints_tuple(t->ndim, tg_shape(t)) : node_attribute(o, "shape");
}

static PyObject *get_strides(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    return t ? tg_ints_tuple(t->ndim, tg_strides(t)) : node_attribute(o, "strides");
}

static PyObject *get_ndim(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    return t ? PyLong_FromLong(t->ndim) : node_attribute(o, "ndim");
}

static PyObject *get_size(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    return t ? PyLong_FromLongLong(t->size) : node_attribute(o, "size");
}

static PyObject *get_dtype(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    if (!t)
        return node_attribute(o, "dtype");
    Py_INCREF(tg_python.dtypes[t->dtype]);
    return tg_python.dtypes[t->dtype];
}

static PyObject *get_handle(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    return PyLong_FromUnsignedLongLong(t ? tg_handle_of(t) : 0);
}

static PyObject *get_version(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    return t ? PyLong_FromUnsignedLong(tg_version(t)) : node_attribute(o, "version");
}

static PyObject *get_flags(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    return t ? PyLong_FromLong(t->flags) : node_attribute(o, "flags");
}

static int set_flags(PyObject *o, PyObject *value, void *unused)
{
    (void)unused;
    tg_tensor *t = ((tensor_object *)o)->t;
    if (!t)
        return PyObject_SetAttrString(((tensor_object *)o)->node, "flags", value);
    const long flags = value ? PyLong_AsLong(value) : 0;
    if (flags == -1 && PyErr_Occurred())
        return -1;
    t->flags = (uint16_t)flags;
    if (flags & TG_VARIABLE && t->buffer)
        t->buffer->is_variable = true;
    return 0;
}

/* Whether an open tape of this thread follows the Tensor: what is done with it is recorded. */
static PyObject *get_is_tracked(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    const tg_list *list = t ? tg_list_here() : NULL;
    if (list && list->n_active && tg_is_tracked(list, t))
        Py_RETURN_TRUE;
    if (((tensor_object *)o)->node)
        return node_attribute(o, "is_tracked");
    Py_RETURN_FALSE;
}

static PyObject *get_grad(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    if (!t)
        return node_attribute(o, "grad");
    tg_trace *trace = tg_list_here() ? tg_list_here()->trace : NULL;
    if (trace && tg_trace_reads_grad(trace, ((tensor_object *)o)->t) != TG_OK)
        return PyErr_NoMemory();
    if (t->grad)
        return tg_wrap(tg_hold(t->grad));
    Py_RETURN_NONE;
}

static int set_grad(PyObject *o, PyObject *value, void *unused)
{
    (void)unused;
    tg_tensor *t = ((tensor_object *)o)->t;
    if (!t)
        return PyObject_SetAttrString(((tensor_object *)o)->node, "grad",
                                      value ? value : Py_None);
    tg_tensor *grad = value && value != Py_None ? tg_tensor_of(value) : NULL;
    if (value && value != Py_None &&
        (!grad || grad->dtype != t->dtype || grad->ndim != t->ndim || grad == t ||
         memcmp(grad->dims, t->dims, t->ndim * sizeof *t->dims) != 0)) {
        PyErr_SetString(PyExc_ValueError, "grad must be a Tensor of its variable's shape and "
                                          "dtype, or None");
        return -1;
    }
    tg_trace *trace = tg_list_here() ? tg_list_here()->trace : NULL;
    if ((grad && tg_part_from_variable(grad) != TG_OK) ||
        (trace && tg_trace_sets_grad(trace, t) != TG_OK)) {
        PyErr_NoMemory();
        return -1;
    }
    tg_tensor *old = t->grad;
    t->grad = grad ? tg_hold(grad) : NULL;
    tg_drop(old);
    return 0;
}

static PyObject *get_node(PyObject *o, void *unused)
{
    (void)unused;
    PyObject *node = ((tensor_object *)o)->node;
    if (!node)
        Py_RETURN_NONE;
    Py_INCREF(node);
    return node;
}

static int set_node(PyObject *o, PyObject *value, void *unused)
{
    (void)unused;
    tensor_object *self = (tensor_object *)o;
    PyObject *old = self->node;
    Py_XINCREF(value);
    self->node = value;
    Py_XDECREF(old);
    return 0;
}

/* item(): the one value of a real float, integer or bool Tensor; other dtypes go by NumPy. */
static PyObject *native_item(PyObject *o, PyObject *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    if (!t || t->size != 1 || !t->data)
        Py_RETURN_NOTIMPLEMENTED;
    const void *d = t->data;
    switch (t->dtype) {
    case TG_F32: return PyFloat_FromDouble(*(const float *)d);
    case TG_F64: return PyFloat_FromDouble(*(const double *)d);
    case TG_I32: return PyLong_FromLong(*(const int32_t *)d);
    case TG_I64: return PyLong_FromLongLong(*(const int64_t *)d);
    case TG_BOOL: return PyBool_FromLong(*(const uint8_t *)d);
    default: Py_RETURN_NOTIMPLEMENTED;
    }
}

/* _become(other): hold other's values from now on. Who took views of the old ones keeps them. */
static PyObject *become(PyObject *o, PyObject *other)
{
    if (!PyObject_TypeCheck(other, tg_python.base)) {
        PyErr_SetString(PyExc_TypeError, "_become(tensor)");
        return NULL;
    }
    tensor_object *self = (tensor_object *)o, *from = (tensor_object *)other;
    tg_tensor *old = self->t;
    PyObject *old_node = self->node;
    if (from->t) {
        tg_hold(from->t);
        tg_export(from->t);
    }
    Py_XINCREF(from->node);
    self->t = from->t;
    self->node = from->node;
    if (old)
        tg_release(old);
    Py_XDECREF(old_node);
    Py_RETURN_NONE;
}

static PyGetSetDef tensor_getset[] = {
    {"shape", get_shape, NULL, "Lengths of the axes, a tuple.", NULL},
    {"strides_in_elements", get_strides, NULL,
     "Steps in memory from one index to the next, a tuple.", NULL},
    {"ndim", get_ndim, NULL, "Number of axes.", NULL},
    {"size", get_size, NULL, "Number of elements.", NULL},
    {"dtype", get_dtype, NULL, "NumPy dtype of the elements.", NULL},
    {"handle", get_handle, NULL, "The C core's name for this Tensor; 0 on the NumPy engine.",
     NULL},
    {"version", get_version, NULL, "Writes to this parameter so far.", NULL},
    {"_flags", get_flags, set_flags, NULL, NULL},
    {"_is_tracked", get_is_tracked, NULL, NULL, NULL},
    {"_grad", get_grad, set_grad, NULL, NULL},
    {"_node", get_node, set_node, NULL, NULL},
    {0},
};

static PyMethodDef tensor_methods[] = {
    {"_item", native_item, METH_NOARGS, NULL},
    {"_become", become, METH_O, NULL},
    {0},
};

static PyMemberDef tensor_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(tensor_object, weakrefs), READONLY, NULL},
    {0},
};

/* --- the type ---------------------------------------------------------------------------- */

static PyType_Slot own_slots[] = {
    {Py_tp_doc, "Base of Tensor: the hold on a C tensor, and the operators."},
    {Py_tp_new, tensor_new},
    {Py_tp_dealloc, tensor_dealloc},
    {Py_tp_getset, tensor_getset},
    {Py_tp_methods, tensor_methods},
    {Py_tp_members, tensor_members},
    {Py_tp_hash, tensor_hash},
    {0, NULL},
};

int tg_add_tensor_type(PyObject *module)
{
    PyType_Slot slots[48];
    size_t n = 0;
    for (const PyType_Slot *s = own_slots; s->slot; ++s)
        slots[n++] = *s;
    for (const PyType_Slot *s = tg_operator_slots; s->slot; ++s)
        slots[n++] = *s;
    slots[n] = (PyType_Slot){0, NULL};
    PyType_Spec spec = {
        .name = "tapegrad._core.TensorBase",
        .basicsize = sizeof(tensor_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
        .slots = slots,
    };
    tg_python.base = tg_add_type(module, &spec);
    return tg_python.base ? TG_OK : TG_EPYTHON;
}
