/* pyarray.c: NumPy arrays in and out, without NumPy's headers: by its array interface. */
#include "python.h"

#include "pool.h"
#include "program.h"

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

enum { NATIVE_BYTES = 0x200, WRITABLE = 0x400 };

static const struct {
    char kind;
    int itemsize, dtype;
} known[] = {{'f', 4, TG_F32},
             {'f', 8, TG_F64},
             {'b', 1, TG_BOOL},
             {'i', 8, TG_I64},
             {'i', 4, TG_I32},
             {'i', 2, TG_I16},
             {'i', 1, TG_I8},
             {'u', 8, TG_U64},
             {'u', 4, TG_U32},
             {'u', 2, TG_U16},
             {'u', 1, TG_U8},
             {'f', 2, TG_F16},
             {'c', 8, TG_C64},
             {'c', 16, TG_C128},
             {'f', sizeof(long double), TG_LONGDOUBLE},
             {'c', 2 * sizeof(long double), TG_CLONGDOUBLE}};
enum { KNOWN = sizeof known / sizeof *known };

static int dtype_of(const array_interface *a)
{
    for (size_t i = 0; i < KNOWN; ++i)
        if (known[i].kind == a->kind && known[i].itemsize == a->itemsize)
            return known[i].dtype;
    return -1;
}

/* The dtype of the array a describes, its shape and strides in dims; negative for what no tensor
 * can be as it is: another byte order, strides that are not whole elements. */
static int layout_of(const array_interface *a, int64_t dims[2 * TG_MAX_NDIM])
{
    const int dtype = dtype_of(a);
    if (a->two != 2 || a->ndim > TG_MAX_NDIM || dtype < 0 || !(a->flags & NATIVE_BYTES))
        return -1;
    for (int i = 0; i < a->ndim; ++i) {
        dims[i] = a->shape[i];
        const bool walks = a->shape[i] > 1; /* else the stride may be anything */
        dims[a->ndim + i] = walks ? a->strides[i] / a->itemsize : 1;
        if (walks && a->strides[i] % a->itemsize)
            return -1;
    }
    return dtype;
}

/* A Tensor's copy of the values a describes; NULL, no error set, where layout_of gives none. */
static tg_tensor *copy_in(const array_interface *a)
{
    int64_t dims[2 * TG_MAX_NDIM];
    const int dtype = layout_of(a, dims);
    if (dtype < 0)
        return NULL;
    tg_tensor *t = tg_new(dtype, a->ndim, dims);
    if (!t) {
        tg_raise(TG_EMEMORY);
        return NULL;
    }
    tg_buffer foreign = {.data = a->data, .refs = 2};
    tg_tensor source = *t;
    source.buffer = &foreign;
    source.data = a->data;
    source.dims = dims;
    if (t->size)
        tg_copy(t, &source);
    return t;
}

/* Strides of axes no longer than 1 are never walked, and NumPy lets them be anything. */
static bool read_memory(tg_memory *m, int64_t *dims, const array_interface *a)
{
    m->dtype = dtype_of(a);
    if (a->two != 2 || a->ndim > TG_MAX_NDIM || m->dtype < 0 || !(a->flags & NATIVE_BYTES))
        return false;
    const Py_ssize_t align = a->itemsize < 8 ? a->itemsize : 8;
    bool fits = (uintptr_t)a->data % (size_t)align == 0, is_empty = false;
    m->ndim = a->ndim;
    m->shape = dims;
    m->strides = dims + a->ndim;
    m->data = m->begin = m->end = a->data;
    for (int i = 0; i < a->ndim; ++i) {
        const Py_ssize_t n = a->shape[i], step = n > 1 ? a->strides[i] : 0;
        dims[i] = n;
        dims[a->ndim + i] = n > 1 ? step / a->itemsize : 1;
        fits &= step % a->itemsize == 0;
        is_empty |= n == 0;
        *(step < 0 ? &m->begin : &m->end) += n > 1 ? (n - 1) * step : 0;
    }
    m->end = is_empty ? m->begin : m->end + a->itemsize;
    return fits;
}

int tg_memory_of_array(PyObject *array, tg_memory *m, int64_t *dims)
{
    static PyObject *name; /* made once: a string for each look would cost more than the look */
    if (!name && !(name = PyUnicode_InternFromString("__array_struct__"))) {
        PyErr_Clear();
        return 0;
    }
    PyObject *capsule = PyObject_GetAttr(array, name);
    const array_interface *a = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
    const bool fits = a && read_memory(m, dims, a);
    if (!a)
        PyErr_Clear();
    Py_XDECREF(capsule);
    return fits;
}

static tg_tensor *copy_of(PyObject *array)
{
    PyObject *capsule = PyObject_GetAttrString(array, "__array_struct__");
    const array_interface *a = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
    tg_tensor *t = a ? copy_in(a) : NULL;
    if (!a)
        PyErr_Clear();
    Py_XDECREF(capsule);
    return t;
}

tg_tensor *tg_tensor_from_array(PyObject *array)
{
    tg_tensor *t = copy_of(array);
    if (t && tg_trace_source(t, array) != TG_OK) {
        tg_drop(t);
        return NULL;
    }
    return t;
}

static PyObject *wrap(tg_tensor *t)
{
    if (t)
        return tg_wrap(t);
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError,
                        "from_array: need a numeric array in native byte order "
                        "whose strides are whole elements");
    return NULL;
}

/* from_array(array) -> Tensor with a copy of its values */
static PyObject *from_array(PyObject *module, PyObject *array)
{
    (void)module;
    return wrap(tg_tensor_from_array(array));
}

/* take_in(array) -> the same; but the array is the NumPy engine's memory of a Tensor that moves
 * here, not one that a traced step reads. */
static PyObject *take_in(PyObject *module, PyObject *array)
{
    (void)module;
    return wrap(copy_of(array));
}

static void let_go(void *array) { Py_DECREF((PyObject *)array); }

/* A tensor over the array's own memory, which keeps the array alive. */
static tg_tensor *borrow(const array_interface *a, PyObject *array)
{
    int64_t dims[2 * TG_MAX_NDIM];
    const int dtype = layout_of(a, dims);
    if (dtype < 0 || (uintptr_t)a->data % (size_t)a->itemsize)
        return NULL;
    /* the buffer's end bounds what kernels may read beyond an operand: nothing */
    tg_buffer *b = tg_buffer_foreign(a->data, 0, array, let_go);
    if (!b)
        return NULL;
    Py_INCREF(array);
    tg_tensor base = {.dtype = (uint8_t)dtype, .buffer = b, .data = a->data};
    tg_tensor *t = tg_view(&base, a->ndim, dims, dims + a->ndim, 0);
    tg_buffer_drop(b); /* the view holds it now */
    return t;
}

/* share_array(array) -> Tensor over the array's memory, or None where it cannot be one */
static PyObject *share_array(PyObject *module, PyObject *array)
{
    (void)module;
    PyObject *capsule = PyObject_GetAttrString(array, "__array_struct__");
    const array_interface *a = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
    tg_tensor *t = a ? borrow(a, array) : NULL;
    PyErr_Clear();
    Py_XDECREF(capsule);
    if (t)
        return tg_wrap(t);
    Py_RETURN_NONE;
}

/* --- data out: pins ---------------------------------------------------------------------- */

typedef struct pin {
    array_interface array; /* first: where a capsule points to */
    tg_buffer *buffer;
    bool is_exposed;
    Py_ssize_t dims[];
} pin;

static void unpin(PyObject *capsule)
{
    pin *p = PyCapsule_GetPointer(capsule, NULL);
    p->buffer->writers -= p->is_exposed;
    tg_buffer_drop(p->buffer);
    free(p);
}

static void describe(array_interface *a, const tg_tensor *t, Py_ssize_t *dims)
{
    size_t i = 0;
    while (i + 1 < KNOWN && known[i].dtype != t->dtype)
        ++i;
    *a = (array_interface){.two = 2,
                           .ndim = t->ndim,
                           .kind = known[i].kind,
                           .itemsize = known[i].itemsize,
                           .flags = NATIVE_BYTES,
                           .shape = dims,
                           .strides = dims + t->ndim,
                           .data = t->data};
    for (int d = 0; d < t->ndim; ++d) {
        a->shape[d] = (Py_ssize_t)tg_shape(t)[d];
        a->strides[d] = (Py_ssize_t)tg_strides(t)[d] * a->itemsize;
    }
}

/* pin_array(tensor, writable, exposed) -> what NumPy takes as an object's __array_struct__: the
 * buffer lives while it does. exposed: its writes are the user's. */
static PyObject *pin_array(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    (void)module;
    tg_tensor *t = n_args == 3 ? tg_tensor_of(args[0]) : NULL;
    if (!t) {
        PyErr_SetString(PyExc_TypeError, "pin_array(tensor, writable, exposed)");
        return NULL;
    }
    if (!t->data)
        return tg_raise(tg_fail(TG_ERELEASED,
                                "the values of this Tensor have been released: no rule "
                                "needs them; keep what the operation returned"));
    const bool is_exposed = PyObject_IsTrue(args[2]);
    const int status = is_exposed ? tg_before_write(t) : tg_part_from_variable(t);
    if (status)
        return tg_raise(status);
    pin *p = malloc(sizeof *p + 2 * t->ndim * sizeof *p->dims);
    PyObject *capsule = p ? PyCapsule_New(p, NULL, unpin) : PyErr_NoMemory();
    if (!capsule) {
        free(p);
        return NULL;
    }
    describe(&p->array, t, p->dims);
    p->array.flags |= PyObject_IsTrue(args[1]) ? WRITABLE : 0;
    p->buffer = t->buffer;
    p->is_exposed = is_exposed;
    ++t->buffer->refs;
    t->buffer->writers += is_exposed;
    return capsule;
}

static PyMethodDef functions[] = {
    {"from_array", from_array, METH_O, "from_array(array) -> Tensor"},
    {"take_in", take_in, METH_O, "take_in(array) -> Tensor"},
    {"share_array", share_array, METH_O,
     "share_array(array) -> Tensor over its memory, or None"},
    {"pin_array", TG_FAST(pin_array), METH_FASTCALL,
     "pin_array(tensor, writable, exposed) -> its memory as an __array_struct__"},
    {0},
};

int tg_add_arrays(PyObject *module) { return tg_add_functions(module, functions); }
