/* pyapply.c: apply, the operators, and record: how Python's calls become ops. */
#include "python.h"

#include <stdlib.h>

#include "kernels.h"

/* --- errors ------------------------------------------------------------------------------ */

PyObject *tg_raise_of(int status, int op, PyObject *inputs)
{
    if (status == TG_EPYTHON)
        return NULL;
    if (status == TG_EMEMORY && !tg_python.raise_error)
        return PyErr_NoMemory();
    const tg_error_place *at = tg_error_at();
    PyObject *written = PyTuple_New(at ? at->n_written : 0), *r = NULL;
    for (int i = 0; written && at && i < at->n_written; ++i)
        PyTuple_SetItem(written, i, PyLong_FromUnsignedLongLong(at->written[i]));
    if (written)
        r = PyObject_CallFunction(tg_python.raise_error, "isiOLO", status, tg_error_text(), op,
                                  inputs ? inputs : Py_None, at ? (long long)at->line : -1LL,
                                  written);
    Py_XDECREF(written);
    Py_XDECREF(r);
    if (r)
        PyErr_SetString(PyExc_SystemError, "tapegrad: an error was not raised");
    return NULL;
}

PyObject *tg_raise(int status) { return tg_raise_of(status, -1, NULL); }

bool tg_check(int status) { return status == TG_OK || tg_raise(status) != NULL; }

/* --- apply ------------------------------------------------------------------------------- */

static bool is_native_dtype(const tg_tensor *t) { return t->dtype <= TG_F64; }

/* An operand as a record, held: a Tensor's own, a copy of an ndarray, or a weak scalar in like's
 * dtype. NULL without an error set: for the slow path to sort out. */
static tg_tensor *operand(PyObject *o, const tg_tensor *like)
{
    tg_tensor *t = tg_tensor_of(o);
    if (t) {
        tg_tensor *settled = NULL;
        if (!t->buffer || !t->buffer->writers)
            return tg_hold(t);
        return tg_settle(t, &settled) == TG_OK ? settled : NULL;
    }
    if (Py_TYPE(o) == tg_python.ndarray)
        return tg_tensor_from_array(o);
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
    return tg_raise_of(status, op, inputs);
}

bool tg_read_params(PyObject *params, Py_ssize_t n, int64_t *p, uint64_t *floats)
{
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject *item = PyTuple_GetItem(params, i);
        if (PyFloat_Check(item)) {
            const double v = PyFloat_AsDouble(item);
            memcpy(&p[i], &v, sizeof v);
            *floats |= i < 64 ? (uint64_t)1 << i : 0;
        } else {
            p[i] = PyLong_AsLongLong(item);
            if (p[i] == -1 && PyErr_Occurred())
                return false;
        }
    }
    return true;
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
    if (n_p && !tg_read_params(params, n_p, p, &floats))
        goto done;
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
    const tg_call call = {
        .op = op, .n_in = (int)n_in, .n_p = (int)n_p, .in = in, .p = p, .floats = floats};
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
    if (!tg_read_params(args[2], n_p, p, &floats)) {
        status = TG_EPYTHON;
        goto done;
    }
    tg_list *list = tg_list_here();
    if (list && list->n_lines)
        tg_mark_line(list);
    const tg_call call = {
        .op = op, .n_in = (int)n_in, .n_p = (int)n_p, .in = in, .p = p, .floats = floats};
    status = tg_record(&call, tg_tensor_of(args[3]));
done:
    free(in);
    free(p);
    if (status)
        return tg_raise_of(status, op, args[1]);
    Py_RETURN_NONE;
}

/* --- operators --------------------------------------------------------------------------- */

enum {
    ADD,
    SUBTRACT,
    MULTIPLY,
    DIVIDE,
    MATMUL,
    NEGATIVE,
    ABSOLUTE,
    LESS,
    LESS_EQUAL,
    EQUAL,
    NOT_EQUAL,
    GREATER,
    GREATER_EQUAL,
    N_OPERATORS
};

static int operators[N_OPERATORS];

static PyObject *binary(PyObject *a, PyObject *b, int which)
{
    const int op = operators[which];
    if (!tg_python.native)
        return PyObject_CallFunction(tg_python.operate, "iOO", op, a, b);
    tg_tensor *like = tg_tensor_of(a);
    if (!like)
        like = tg_tensor_of(b);
    tg_tensor *in[2] = {operand(a, like), NULL};
    if (in[0] && !(in[1] = operand(b, like))) {
        tg_drop(in[0]);
        in[0] = NULL;
    }
    if (!in[0])
        return PyObject_CallFunction(tg_python.operate, "iOO", op, a, b);
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
        return PyObject_CallFunction(tg_python.operate, "iOO", op, a, b);
    PyObject *inputs = PyTuple_Pack(2, a, b);
    PyObject *r = inputs ? tg_raise_of(status, op, inputs) : NULL;
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
    static const int which[] = {[Py_LT] = LESS,    [Py_LE] = LESS_EQUAL,
                                [Py_EQ] = EQUAL,   [Py_NE] = NOT_EQUAL,
                                [Py_GT] = GREATER, [Py_GE] = GREATER_EQUAL};
    return binary(a, b, which[how]);
}

PyType_Slot tg_operator_slots[] = {
    {Py_tp_richcompare, richcompare},
    {Py_nb_add, nb_add},
    {Py_nb_subtract, nb_subtract},
    {Py_nb_multiply, nb_multiply},
    {Py_nb_true_divide, nb_divide},
    {Py_nb_matrix_multiply, nb_matmul},
    {Py_nb_negative, nb_negative},
    {Py_nb_absolute, nb_absolute},
    {0, NULL},
};

/* Look the operators' rows up; TG_EVALUE names one that is missing. */
int tg_find_operators(void)
{
    static const char *const names[N_OPERATORS] = {[ADD] = "add",
                                                   [SUBTRACT] = "subtract",
                                                   [MULTIPLY] = "multiply",
                                                   [DIVIDE] = "divide",
                                                   [MATMUL] = "matmul",
                                                   [NEGATIVE] = "negative",
                                                   [ABSOLUTE] = "absolute",
                                                   [LESS] = "less",
                                                   [LESS_EQUAL] = "less_equal",
                                                   [EQUAL] = "equal",
                                                   [NOT_EQUAL] = "not_equal",
                                                   [GREATER] = "greater",
                                                   [GREATER_EQUAL] = "greater_equal"};
    for (int i = 0; i < N_OPERATORS; ++i)
        if ((operators[i] = tg_op_find(names[i])) < 0)
            return tg_fail(TG_EVALUE, "csrc/ops.def has no row %s", names[i]);
    return TG_OK;
}

static PyMethodDef functions[] = {
    {"apply", TG_FAST(apply), METH_FASTCALL, "apply(op, inputs, params=()) -> Tensor"},
    {"record", TG_FAST(record), METH_FASTCALL, "record(op, inputs, params, out)"},
    {0},
};

int tg_add_apply(PyObject *module) { return tg_add_functions(module, functions); }
