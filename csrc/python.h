/* python.h: what the files csrc/py*.c, which speak Python's limited C API, share.
 *
 * cffi binds what is called once per step or less. The calls made once per op (apply, the
 * operators, the death of a Tensor), and those of tapes and recorded steps, go through this
 * thin layer instead: it saves the interpreter work that would cost more than the op itself. It
 * is part of the same module. */
#ifndef TG_PYTHON_H
#define TG_PYTHON_H

#include <Python.h>

#include "sweep.h"
#include "tensor.h"

typedef struct tensor_object {
    PyObject_HEAD tg_tensor *t; /* a hold and a handle; NULL: the NumPy engine's, or unset */
    PyObject *node; /* the NumPy engine's value, or NULL */
    PyObject *weakrefs;
} tensor_object;

typedef struct tape_object {
    PyObject_HEAD tg_tape *tape;
} tape_object;

static inline tg_tape *tg_tape_of(PyObject *o) { return ((tape_object *)o)->tape; }

/* What Python handed over in setup(). */
typedef struct python_side {
    PyTypeObject *base; /* TensorBase */
    PyTypeObject *tensor; /* tapegrad.Tensor */
    PyTypeObject *ndarray; /* numpy.ndarray */
    PyObject *slow_apply; /* (op, inputs, params) when C cannot do it */
    PyObject *operate; /* (op, a, b): the same of an operator; may give NotImplemented */
    PyObject *run_rule; /* (kind, op, input, ct, out, inputs, params, block) */
    PyObject *raise_error; /* (code, text, op, inputs, line, written) raises */
    PyObject *line_number; /* (file, line) -> its number, 0: the file is a library's */
    PyObject *dtypes[TG_N_DTYPES];
    int native; /* the native engine is in force */
} python_side;

extern python_side tg_python;

#define TG_FAST(f) ((PyCFunction)(void (*)(void))(f)) /* of METH_FASTCALL, in a PyMethodDef */

static inline void tg_free_object(PyObject *o) /* how every dealloc ends */
{
    PyTypeObject *type = Py_TYPE(o);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(o);
    Py_DECREF(type);
}

PyObject *tg_wrap(tg_tensor *t); /* takes over the hold; NULL: error set */
tg_tensor *tg_tensor_of(PyObject *o); /* borrowed; NULL: not a native Tensor */
PyObject *tg_raise(int status); /* NULL, the error set that tg_fail has said */
PyObject *tg_raise_of(int status, int op, PyObject *inputs); /* the same, of an op's inputs */
bool tg_check(int status); /* TG_OK; else false, the error set */
PyObject *tg_params_tuple(const tg_entry *e);
PyObject *tg_numbers_tuple(int n, const int64_t *p, uint64_t floats);
PyObject *tg_ints_tuple(int n, const int64_t *values);
PyObject *tg_inputs_tuple(int n, tg_tensor *const *in);
/* Read n params into p, floats as bits and marked; false with an error set if one is no number. */
bool tg_read_params(PyObject *params, Py_ssize_t n, int64_t *p, uint64_t *floats);
void tg_mark_line(tg_list *list); /* sets list->line when lines are kept */
int tg_apply_python(const tg_call *call, tg_tensor **out);
int tg_rule_python(void *context, const tg_rule *rule, tg_tensor **result);
struct tg_memory;
/* What array's memory is, dims (room for 2 * TG_MAX_NDIM) taking shape and strides. 1: done; 0:
 * no numeric ndarray in native byte order, or not of whole and aligned elements. No error is
 * set. */
int tg_memory_of_array(PyObject *array, struct tg_memory *memory, int64_t *dims);
tg_tensor *tg_tensor_from_array(PyObject *array); /* a copy, held; NULL, no error set: odd */
int tg_trace_source(const tg_tensor *t,
                    PyObject *array); /* an open trace learns where t is from */
PyObject *tg_answer(int status); /* None, or raises */
extern PyTypeObject *tg_tape_type;
PyObject *tg_python_sweep(PyObject *tape, PyObject *args);
PyObject *tg_python_push(PyObject *tape, PyObject *args);
extern PyType_Slot tg_operator_slots[];
int tg_find_operators(void);
int tg_add_functions(PyObject *module, PyMethodDef *functions);
PyTypeObject *tg_add_type(PyObject *module, PyType_Spec *spec); /* NULL with an error set */
int tg_add_tensor_type(PyObject *module);
int tg_add_apply(PyObject *module);
int tg_add_arrays(PyObject *module);
int tg_add_tape_type(PyObject *module);
int tg_add_sweeps(PyObject *module);
int tg_add_rules(PyObject *module);
int tg_add_program_type(PyObject *module);
int tg_add_trace(PyObject *module);
int tg_add_entries(PyObject *module);
/* Append and give up o; false with an error set, also where o is NULL. */
bool tg_list_give(PyObject *list, PyObject *o);
PyObject *tg_tuple_give(Py_ssize_t n, PyObject *const *parts); /* the same of a tuple's parts */
int tg_add_checks_type(PyObject *module);
bool tg_is_checks(PyObject *o);
bool tg_checks_hold(PyObject *checks);
int tg_add_call_type(PyObject *module);
int tg_add_turn_type(PyObject *module);

#endif
