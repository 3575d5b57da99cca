/* pytensor.c: the Python Tensor's base class, its operators, and apply. */
#include "python.h"

#include <stdlib.h>
#include <structmember.h>

#include "kernels.h"
#include "pool.h"
#include "threads.h"

python_side tg_python;

/* --- Tensor objects ------------------------------------------------------------------------ */

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

/* --- errors ------------------------------------------------------------------------------ */

PyObject *tg_raise(int status, int op, PyObject *inputs)
{
    if (status == TG_EPYTHON)
        return NULL;
    if (status == TG_EMEMORY && !tg_python.raise_error)
        return PyErr_NoMemory();
    PyObject *r = PyObject_CallFunction(tg_python.raise_error, "isiO", status, tg_error_text(), op,
                                        inputs ? inputs : Py_None);
    Py_XDECREF(r);
    if (r)
        PyErr_SetString(PyExc_SystemError, "tapegrad: an error was not raised");
    return NULL;
}

void tg_mark_line(tg_list *list)
{
    PyObject *id = PyObject_CallFunctionObjArgs(tg_python.here, NULL);
    list->line = id ? (uint32_t)PyLong_AsUnsignedLong(id) : 0;
    Py_XDECREF(id);
    PyErr_Clear();                   /* a line that cannot be found is not worth an error */
}

/* --- apply ------------------------------------------------------------------------------- */

static bool is_native_dtype(const tg_tensor *t) { return t->dtype <= TG_F64; }

/* An operand as a record, held: a Tensor's own, or a weak scalar in like's dtype. NULL without
 * an error set: for the slow path to sort out. */
static tg_tensor *operand(PyObject *o, const tg_tensor *like)
{
    tg_tensor *t = tg_tensor_of(o);
    if (t) {
        tg_tensor *settled = NULL;
        if (!t->buffer || !t->buffer->writers)
            return tg_hold(t);
        return tg_settle(t, &settled) == TG_OK ? settled : NULL;
    }
    if (!like || !is_native_dtype(like))
        return NULL;
    if (PyFloat_CheckExact(o))
        return tg_scalar(like->dtype, PyFloat_AsDouble(o));
    if (PyLong_CheckExact(o)) {
        const double v = PyLong_AsDouble(o);
        if (v == -1.0 && PyErr_Occurred())
            PyErr_Clear();
        else
            return tg_scalar(like->dtype, v);
    }
    return NULL;
}

static PyObject *finish(int status, int op, tg_tensor *out, PyObject *inputs, PyObject *params)
{
    if (status == TG_OK)
        return tg_wrap(out);
    if (status == TG_ENOKERNEL)
        return PyObject_CallFunction(tg_python.slow_apply, "iOO", op, inputs, params);
    return tg_raise(status, op, inputs);
}

enum { NEAR = 8 };

/* apply(op, inputs, params=()) -> Tensor. The one way an op runs. */
static PyObject *apply(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    (void)module;
    if (n_args < 2 || n_args > 3 || !PyTuple_Check(args[1]) ||
        (n_args == 3 && !PyTuple_Check(args[2]))) {
        PyErr_SetString(PyExc_TypeError, "apply(op: int, inputs: tuple, params: tuple = ())");
        return NULL;
    }
    const int op = (int)PyLong_AsLong(args[0]);
    if (op == -1 && PyErr_Occurred())
        return NULL;
    PyObject *inputs = args[1], *params = n_args == 3 ? args[2] : NULL;
    const Py_ssize_t n_in = PyTuple_Size(inputs), n_p = params ? PyTuple_Size(params) : 0;
    PyObject *no_params = params ? NULL : PyTuple_New(0);
    PyObject *answer = NULL;
    tg_tensor *near_in[NEAR], **in = near_in;
    int64_t near_p[NEAR], *p = near_p;
    uint64_t floats = 0;
    Py_ssize_t held = 0;
    if (!tg_python.native || op < 0 || op >= tg_op_count() || n_in < tg_ops[op].min_in ||
        n_in > tg_ops[op].max_in)
        goto slow;
    if (n_in > NEAR && !(in = malloc((size_t)n_in * sizeof *in))) {
        in = near_in;
        PyErr_NoMemory();
        goto done;
    }
    if (n_p > NEAR && !(p = malloc((size_t)n_p * sizeof *p))) {
        p = near_p;
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < n_p; ++i) {
        PyObject *item = PyTuple_GetItem(params, i);
        if (PyFloat_Check(item)) {
            const double v = PyFloat_AsDouble(item);
            memcpy(&p[i], &v, sizeof v);
            if (i < 64)
                floats |= (uint64_t)1 << i;
        } else {
            p[i] = PyLong_AsLongLong(item);
            if (p[i] == -1 && PyErr_Occurred())
                goto done;
        }
    }
    const tg_tensor *like = NULL;    /* what a scalar operand follows */
    for (Py_ssize_t i = 0; i < n_in && !like; ++i) {
        const tg_tensor *t = tg_tensor_of(PyTuple_GetItem(inputs, i));
        if (t && is_native_dtype(t))
            like = t;
    }
    for (; held < n_in; ++held)
        if (!(in[held] = operand(PyTuple_GetItem(inputs, held), like)))
            goto slow;
    tg_list *list = tg_list_here();
    if (list && list->n_lines)
        tg_mark_line(list);
    const tg_call call = {.op = op, .n_in = (int)n_in, .n_p = (int)n_p, .in = in, .p = p,
                          .floats = floats};
    tg_tensor *out = NULL;
    const int status = tg_apply(&call, &out);
    answer = finish(status, op, out, inputs, params ? params : no_params);
    goto done;
slow:
    if (!PyErr_Occurred())
        answer = PyObject_CallFunction(tg_python.slow_apply, "iOO", op, inputs,
                                       params ? params : no_params);
done:
    while (held > 0)
        tg_drop(in[--held]);
    if (in != near_in)
        free(in);
    if (p != near_p)
        free(p);
    Py_XDECREF(no_params);
    return answer;
}

/* --- operators --------------------------------------------------------------------------- */

enum { ADD, SUBTRACT, MULTIPLY, DIVIDE, MATMUL, NEGATIVE, ABSOLUTE, LESS, LESS_EQUAL, EQUAL,
       NOT_EQUAL, GREATER, GREATER_EQUAL, N_OPERATORS };

static int operators[N_OPERATORS];

static PyObject *slow_call(int op, PyObject *a, PyObject *b)
{
    return b ? PyObject_CallFunction(tg_python.slow_apply, "i(OO)()", op, a, b)
             : PyObject_CallFunction(tg_python.slow_apply, "i(O)()", op, a);
}

static PyObject *binary(PyObject *a, PyObject *b, int which)
{
    const int op = operators[which];
    if (!tg_python.native)
        return slow_call(op, a, b);
    tg_tensor *like = tg_tensor_of(a);
    if (!like)
        like = tg_tensor_of(b);
    tg_tensor *in[2] = {operand(a, like), NULL};
    if (in[0] && !(in[1] = operand(b, like))) {
        tg_drop(in[0]);
        in[0] = NULL;
    }
    if (!in[0])
        return slow_call(op, a, b);
    tg_list *list = tg_list_here();
    if (list && list->n_lines)
        tg_mark_line(list);
    const tg_call call = {.op = op, .n_in = 2, .in = in};
    tg_tensor *out = NULL;
    const int status = tg_apply(&call, &out);
    tg_drop(in[0]);
    tg_drop(in[1]);
    if (status == TG_OK)
        return tg_wrap(out);
    if (status == TG_ENOKERNEL)
        return slow_call(op, a, b);
    PyObject *inputs = PyTuple_Pack(2, a, b);
    PyObject *r = inputs ? tg_raise(status, op, inputs) : NULL;
    Py_XDECREF(inputs);
    return r;
}

static PyObject *unary(PyObject *a, int which)
{
    PyObject *inputs = PyTuple_Pack(1, a), *op = PyLong_FromLong(operators[which]);
    PyObject *args[2] = {op, inputs};
    PyObject *r = inputs && op ? apply(NULL, args, 2) : NULL;
    Py_XDECREF(inputs);
    Py_XDECREF(op);
    return r;
}

static PyObject *nb_add(PyObject *a, PyObject *b) { return binary(a, b, ADD); }
static PyObject *nb_subtract(PyObject *a, PyObject *b) { return binary(a, b, SUBTRACT); }
static PyObject *nb_multiply(PyObject *a, PyObject *b) { return binary(a, b, MULTIPLY); }
static PyObject *nb_divide(PyObject *a, PyObject *b) { return binary(a, b, DIVIDE); }
static PyObject *nb_matmul(PyObject *a, PyObject *b) { return binary(a, b, MATMUL); }
static PyObject *nb_negative(PyObject *a) { return unary(a, NEGATIVE); }
static PyObject *nb_absolute(PyObject *a) { return unary(a, ABSOLUTE); }

static PyObject *richcompare(PyObject *a, PyObject *b, int how)
{
    static const int which[] = {[Py_LT] = LESS, [Py_LE] = LESS_EQUAL, [Py_EQ] = EQUAL,
                                [Py_NE] = NOT_EQUAL, [Py_GT] = GREATER, [Py_GE] = GREATER_EQUAL};
    return binary(a, b, which[how]);
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

static PyObject *int_tuple(int n, const int64_t *values)
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
    return t ? int_tuple(t->ndim, tg_shape(t)) : node_attribute(o, "shape");
}

static PyObject *get_strides(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    return t ? int_tuple(t->ndim, tg_strides(t)) : node_attribute(o, "strides");
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
    return t ? PyLong_FromUnsignedLong(t->version) : node_attribute(o, "version");
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
    return 0;
}

static PyObject *get_grad(PyObject *o, void *unused)
{
    (void)unused;
    const tg_tensor *t = ((tensor_object *)o)->t;
    if (!t)
        return node_attribute(o, "grad");
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
    {"strides_in_elements", get_strides, NULL, NULL, NULL},
    {"ndim", get_ndim, NULL, "Number of axes.", NULL},
    {"size", get_size, NULL, "Number of elements.", NULL},
    {"dtype", get_dtype, NULL, "NumPy dtype of the elements.", NULL},
    {"handle", get_handle, NULL, "The C core's name for this Tensor; 0 on the NumPy engine.", NULL},
    {"version", get_version, NULL, "Writes to this parameter so far.", NULL},
    {"_flags", get_flags, set_flags, NULL, NULL},
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

static PyType_Slot tensor_slots[] = {
    {Py_tp_doc, "Base of Tensor: the hold on a C tensor, and the operators."},
    {Py_tp_new, tensor_new},
    {Py_tp_dealloc, tensor_dealloc},
    {Py_tp_getset, tensor_getset},
    {Py_tp_methods, tensor_methods},
    {Py_tp_members, tensor_members},
    {Py_tp_richcompare, richcompare},
    {Py_tp_hash, tensor_hash},
    {Py_nb_add, nb_add},
    {Py_nb_subtract, nb_subtract},
    {Py_nb_multiply, nb_multiply},
    {Py_nb_true_divide, nb_divide},
    {Py_nb_matrix_multiply, nb_matmul},
    {Py_nb_negative, nb_negative},
    {Py_nb_absolute, nb_absolute},
    {0, NULL},
};

static PyType_Spec tensor_spec = {
    .name = "tapegrad._core.TensorBase",
    .basicsize = sizeof(tensor_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = tensor_slots,
};

/* --- data in ----------------------------------------------------------------------------- */

/* NumPy's __array_struct__ (its array interface, C side). */
typedef struct array_interface {
    int two, ndim;
    char kind;
    int itemsize, flags;
    Py_ssize_t *shape, *strides;
    void *data;
    PyObject *descr;
} array_interface;

enum { NATIVE_BYTES = 0x200, ALIGNED = 0x100 };

/* from_array(array, dtype code) -> Tensor with a copy of its values. */
static PyObject *from_array(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    (void)module;
    if (n_args != 2) {
        PyErr_SetString(PyExc_TypeError, "from_array(array, dtype)");
        return NULL;
    }
    const long dtype = PyLong_AsLong(args[1]);
    if (dtype == -1 && PyErr_Occurred())
        return NULL;
    PyObject *capsule = PyObject_GetAttrString(args[0], "__array_struct__");
    array_interface *a = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
    PyObject *answer = NULL;
    if (!a)
        goto done;
    if (dtype < 0 || dtype >= TG_N_DTYPES || a->two != 2 || a->ndim > 64 ||
        (size_t)a->itemsize != tg_itemsize((int)dtype) || !(a->flags & NATIVE_BYTES)) {
        PyErr_SetString(PyExc_TypeError, "from_array: not an array of that dtype in native "
                        "byte order");
        goto done;
    }
    int64_t dims[128];
    bool whole = true;               /* strides are whole elements */
    for (int i = 0; i < a->ndim; ++i) {
        dims[i] = a->shape[i];
        dims[64 + i] = a->strides[i] / a->itemsize;
        whole &= a->strides[i] % a->itemsize == 0;
    }
    if (!whole) {
        PyErr_SetString(PyExc_ValueError, "from_array: strides are not whole elements");
        goto done;
    }
    tg_tensor *t = tg_new((int)dtype, a->ndim, dims);
    if (!t) {
        tg_raise(TG_EMEMORY, -1, NULL);
        goto done;
    }
    tg_buffer foreign = {.data = a->data, .refs = 2};
    tg_tensor source = *t;
    int64_t source_dims[128];
    source.buffer = &foreign;
    source.data = a->data;
    source.dims = source_dims;
    memcpy(source_dims, dims, (size_t)a->ndim * sizeof *dims);
    memcpy(source_dims + a->ndim, dims + 64, (size_t)a->ndim * sizeof *dims);
    if (t->size)
        tg_copy(t, &source);
    answer = tg_wrap(t);
done:
    Py_XDECREF(capsule);
    return answer;
}

/* --- data out: pins ---------------------------------------------------------------------- */

static const char pin_name[] = "tapegrad.pin";
static const char writable_pin_name[] = "tapegrad.writable_pin";

static void unpin(PyObject *capsule)
{
    const bool writable = PyCapsule_IsValid(capsule, writable_pin_name);
    tg_buffer *b = PyCapsule_GetPointer(capsule, writable ? writable_pin_name : pin_name);
    b->writers -= writable;
    tg_buffer_drop(b);
}

/* pin(tensor, writable) -> (address, capsule): the buffer lives while the capsule does. */
static PyObject *pin(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    (void)module;
    tg_tensor *t = n_args == 2 ? tg_tensor_of(args[0]) : NULL;
    if (!t) {
        PyErr_SetString(PyExc_TypeError, "pin(tensor, writable)");
        return NULL;
    }
    if (!t->data) {
        tg_fail(TG_ERELEASED, "the values of this Tensor have been released");
        return tg_raise(TG_ERELEASED, -1, NULL);
    }
    const int writable = PyObject_IsTrue(args[1]);
    PyObject *capsule =
        PyCapsule_New(t->buffer, writable ? writable_pin_name : pin_name, unpin);
    if (!capsule)
        return NULL;
    ++t->buffer->refs;
    t->buffer->writers += (uint32_t)writable;
    PyObject *r = Py_BuildValue("(KN)", (unsigned long long)(uintptr_t)t->data, capsule);
    return r;
}

/* record(op, inputs, params, out): append an op that ran in Python. */
static PyObject *record(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    (void)module;
    if (n_args != 4 || !PyTuple_Check(args[1]) || !PyTuple_Check(args[2]) ||
        !tg_tensor_of(args[3])) {
        PyErr_SetString(PyExc_TypeError, "record(op, inputs, params, out)");
        return NULL;
    }
    const int op = (int)PyLong_AsLong(args[0]);
    if (op < 0)
        return NULL;
    const Py_ssize_t n_in = PyTuple_Size(args[1]), n_p = PyTuple_Size(args[2]);
    tg_tensor **in = malloc((size_t)(n_in + 1) * sizeof *in);
    int64_t *p = malloc((size_t)(n_p + 1) * sizeof *p);
    uint64_t floats = 0;
    int status = TG_OK;
    if (!in || !p) {
        status = tg_fail_memory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < n_in; ++i)
        if (!(in[i] = tg_tensor_of(PyTuple_GetItem(args[1], i)))) {
            PyErr_SetString(PyExc_TypeError, "record: inputs must be native Tensors");
            status = TG_EPYTHON;
            goto done;
        }
    for (Py_ssize_t i = 0; i < n_p; ++i) {
        PyObject *item = PyTuple_GetItem(args[2], i);
        if (PyFloat_Check(item)) {
            const double v = PyFloat_AsDouble(item);
            memcpy(&p[i], &v, sizeof v);
            floats |= i < 64 ? (uint64_t)1 << i : 0;
        } else {
            p[i] = PyLong_AsLongLong(item);
            if (p[i] == -1 && PyErr_Occurred()) {
                status = TG_EPYTHON;
                goto done;
            }
        }
    }
    tg_list *list = tg_list_here();
    if (list && list->n_lines)
        tg_mark_line(list);
    const tg_call call = {.op = op, .n_in = (int)n_in, .n_p = (int)n_p, .in = in, .p = p,
                          .floats = floats};
    status = tg_record(&call, tg_tensor_of(args[3]));
done:
    free(in);
    free(p);
    if (status)
        return tg_raise(status, op, args[1]);
    Py_RETURN_NONE;
}

/* --- the module -------------------------------------------------------------------------- */

static void *unlock(void) { return PyEval_SaveThread(); }
static void relock(void *state) { PyEval_RestoreThread(state); }

/* setup(tensor_type, slow_apply, run_rule, raise_error, here, dtypes) */
static PyObject *setup(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *tensor, *slow_apply, *run_rule, *raise_error, *here, *dtypes;
    if (!PyArg_ParseTuple(args, "OOOOOO!", &tensor, &slow_apply, &run_rule, &raise_error, &here,
                          &PyTuple_Type, &dtypes))
        return NULL;
    if (!PyType_Check(tensor) || PyTuple_Size(dtypes) != TG_N_DTYPES) {
        PyErr_SetString(PyExc_TypeError, "setup: wrong arguments");
        return NULL;
    }
    Py_INCREF(args);                 /* all of it lives as long as the process */
    tg_python.tensor = (PyTypeObject *)tensor;
    tg_python.slow_apply = slow_apply;
    tg_python.run_rule = run_rule;
    tg_python.raise_error = raise_error;
    tg_python.here = here;
    for (int i = 0; i < TG_N_DTYPES; ++i)
        tg_python.dtypes[i] = PyTuple_GetItem(dtypes, i);
    static const char *const names[N_OPERATORS] = {
        [ADD] = "add", [SUBTRACT] = "subtract", [MULTIPLY] = "multiply", [DIVIDE] = "divide",
        [MATMUL] = "matmul", [NEGATIVE] = "negative", [ABSOLUTE] = "absolute", [LESS] = "less",
        [LESS_EQUAL] = "less_equal", [EQUAL] = "equal", [NOT_EQUAL] = "not_equal",
        [GREATER] = "greater", [GREATER_EQUAL] = "greater_equal"};
    for (int i = 0; i < N_OPERATORS; ++i)
        if ((operators[i] = tg_op_find(names[i])) < 0)
            return PyErr_Format(PyExc_SystemError, "csrc/ops.def has no row %s", names[i]);
    tg_set_lock_hooks(unlock, relock);
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

#define FAST(f) ((PyCFunction)(void (*)(void))(f))
static PyMethodDef functions[] = {
    {"apply", FAST(apply), METH_FASTCALL, "apply(op, inputs, params=()) -> Tensor"},
    {"record", FAST(record), METH_FASTCALL, "record(op, inputs, params, out)"},
    {"from_array", FAST(from_array), METH_FASTCALL, "from_array(array, dtype) -> Tensor"},
    {"pin", FAST(pin), METH_FASTCALL, "pin(tensor, writable) -> (address, owner)"},
    {"make_tensor", FAST(make_tensor), METH_FASTCALL, "make_tensor(type, node) -> Tensor"},
    {"setup", setup, METH_VARARGS, NULL},
    {"use_native", use_native, METH_O, NULL},
    {0},
};
#undef FAST

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

int tg_python_init(void)
{
    if (tg_python.base)
        return TG_OK;
    PyObject *module = PyImport_AddModule("tapegrad._core");       /* borrowed */
    PyObject *base = module ? PyType_FromSpec(&tensor_spec) : NULL;
    if (!base || PyObject_SetAttrString(module, "TensorBase", base) < 0)
        return TG_EPYTHON;
    tg_python.base = (PyTypeObject *)base;
    int status = tg_add_functions(module, functions);
    if (!status)
        status = tg_add_tape_type(module);
    return status ? status : tg_add_program_type(module);
}
