/* pycall.c: CompiledCall: a replayed call from its Python arguments to its result. Everything that
 * could make the replay wrong is looked at first; where something is not as it was when the program
 * was recorded, it gives NotImplemented and tapegrad/replay/compiled.py takes over. */
#include "pypattern.h"
#include "pyprogram.h"

#include <stdlib.h>

#include "tape.h"
#include "turn.h"

typedef struct call_object {
    PyObject_HEAD PyObject
        *held; /* the constructor's arguments: what all else is borrowed from */
    program_object *program;
    PyObject *turn; /* of all calls of the compiled function */
    PyObject *guards; /* tuple of Checks */
    PyObject *numbers; /* Checks, owned: of what `refresh` has read; or None */
    PyObject *refresh, *seeds, *ran; /* callables or None */
    tg_pattern *args, *kwargs, *result;
    int state; /* of recording: 0, or -1 inside no_grad */
    bool busy; /* its rooms are in use: what a match looks at may call it again */
    int n_arrays, n_reads, n_without, n_cleared;
    tg_tensor **reads, **without, **cleared; /* variables */
    tg_tensor **grads; /* room for what reads' .grad are during a run */
    PyObject **arrays; /* room for a call's */
    tg_memory *memory;
    int64_t (*dims)[2 * TG_MAX_NDIM];
} call_object;

/* --- making -------------------------------------------------------------------------------- */

static tg_tensor **variables_of(PyObject *list, int *n)
{
    *n = (int)PyList_Size(list);
    tg_tensor **to = calloc((size_t)*n + 1, sizeof *to);
    for (int i = 0; to && i < *n; ++i)
        if (!(to[i] = tg_tensor_of(PyList_GetItem(list, i)))) {
            PyErr_SetString(PyExc_TypeError, "CompiledCall: variables are native Tensors");
            break;
        }
    if (!to)
        PyErr_NoMemory();
    return to;
}

static bool fill(call_object *self, PyObject *args)
{
    PyObject *program, *arguments, *keywords, *reads, *without, *cleared, *result;
    if (!PyArg_ParseTuple(args, "OiOOO!OOO!O!O!OOOO", &program, &self->state, &arguments,
                          &keywords, &PyTuple_Type, &self->guards, &self->numbers,
                          &self->refresh, &PyList_Type, &reads, &PyList_Type, &without,
                          &PyList_Type, &cleared, &self->seeds, &self->ran, &result,
                          &self->turn)) {
        self->numbers = NULL;
        return false;
    }
    Py_INCREF(self->numbers);
    Py_INCREF(args);
    self->held = args;
    self->program = (program_object *)program;
    bool fits = tg_is_program(program);
    for (Py_ssize_t i = 0; fits && i < PyTuple_Size(self->guards); ++i)
        fits = tg_is_checks(PyTuple_GetItem(self->guards, i));
    fits = fits && tg_is_turn(self->turn);
    if (!fits || (self->numbers != Py_None && !tg_is_checks(self->numbers))) {
        PyErr_SetString(PyExc_TypeError, "CompiledCall: need a Program, Checks and a Turn");
        return false;
    }
    self->reads = variables_of(reads, &self->n_reads);
    self->without = variables_of(without, &self->n_without);
    self->cleared = variables_of(cleared, &self->n_cleared);
    const tg_program *g = self->program->program;
    self->n_arrays = g->n_inputs - self->n_reads;
    if (PyErr_Occurred())
        return false;
    if (self->n_arrays < 0) {
        PyErr_SetString(PyExc_ValueError, "CompiledCall: more gradients than inputs");
        return false;
    }
    const size_t n = (size_t)self->n_arrays + 1;
    self->arrays = calloc(n, sizeof *self->arrays);
    self->memory = calloc(n, sizeof *self->memory);
    self->dims = calloc(n, sizeof *self->dims);
    self->grads = calloc((size_t)self->n_reads + 1, sizeof *self->grads);
    if (!self->arrays || !self->memory || !self->dims || !self->grads)
        return PyErr_NoMemory() != NULL;
    self->args = tg_pattern_new(arguments, self->n_arrays);
    self->kwargs = self->args ? tg_pattern_new(keywords, self->n_arrays) : NULL;
    self->result = self->kwargs ? tg_pattern_new(result, self->program->n_outputs) : NULL;
    return self->result != NULL;
}

/* CompiledCall(program, state, args, kwargs, guards, numbers, refresh, reads, without, cleared,
 * seeds, ran, result, turn) */
static PyObject *call_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)kwargs;
    call_object *self = (call_object *)PyType_GenericAlloc(type, 0);
    if (self && !fill(self, args)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* --- before the run ------------------------------------------------------------------------ */

/* Whether ops of this thread are recorded as they were, and by the native engine. */
static bool is_state_as_it_was(const call_object *self)
{
    const tg_list *list = tg_list_here();
    return list && tg_python.native && !list->trace &&
           (list->off ? -1 : list->n_active != 0) == self->state;
}

/* Whether the variables have, or lack, a gradient where the program counts on it. */
static bool are_grads_fit(const call_object *self)
{
    for (int i = 0; i < self->n_without; ++i)
        if (self->without[i]->grad)
            return false;
    for (int i = 0; i < self->n_reads; ++i)
        if (!self->reads[i]->grad || !self->reads[i]->grad->data)
            return false;
    return true;
}

/* 1: the live numbers are where the program reads them; 0: it is not for these; -1: error. */
static int refresh_numbers(call_object *self)
{
    if (self->numbers == Py_None || tg_checks_hold(self->numbers))
        return 1;
    PyObject *fresh = PyObject_CallFunctionObjArgs(self->refresh, NULL);
    if (!fresh)
        return -1;
    const bool fits = tg_is_checks(fresh);
    if (fits) {
        PyObject *old = self->numbers;
        self->numbers = fresh;
        fresh = old;
    }
    Py_DECREF(fresh);
    return fits;
}

/* 1: the program can run for these arguments; found has its arrays. */
static int match(call_object *self, PyObject *args, PyObject *kwargs, tg_found *found)
{
    int same = tg_pattern_match(self->args, args, found);
    if (same > 0)
        same = tg_pattern_match(self->kwargs, kwargs, found);
    if (same <= 0 || found->n != self->n_arrays || !are_grads_fit(self))
        return same < 0 ? -1 : 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(self->guards); ++i)
        if (!tg_checks_hold(PyTuple_GetItem(self->guards, i)))
            return 0;
    return refresh_numbers(self);
}

/* false with an error set */
static bool bind(call_object *self, const tg_found *found)
{
    program_object *p = self->program;
    int status = TG_OK;
    for (int i = 0; i < found->n && !status; ++i) {
        const int value = p->program->argument_of[i];
        Py_INCREF(found->arrays[i]);
        p->bound[i] = found->arrays[i];
        if (value >= 0)
            status = tg_program_bind(p->program, value, &found->memory[i], i);
    }
    for (int i = 0; i < self->n_reads && !status; ++i) {
        tg_tensor *grad = self->grads[i] = tg_hold(self->reads[i]->grad);
        const int value = p->program->argument_of[self->n_arrays + i];
        const tg_memory m = tg_memory_of(grad);
        if (value >= 0)
            status = tg_program_bind(p->program, value, &m, self->n_arrays + i);
    }
    return tg_check(status) && tg_program_bind_arrays(p);
}

/* --- the call -------------------------------------------------------------------------------- */

/* Call `ran`: with nothing after a run, with the step after an error, which stays set. */
static bool tell(const call_object *self, bool is_fine)
{
    PyObject *type = NULL, *value = NULL, *traceback = NULL, *step = NULL;
    bool was_interrupted = false;
    if (self->ran == Py_None)
        return true;
    if (!is_fine) {
        PyErr_Fetch(&type, &value, &traceback);
        step = PyLong_FromLong(self->program->program->failed_step);
    }
    PyObject *done = PyObject_CallFunctionObjArgs(self->ran, step, NULL);
    if (!done && is_fine && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        /* it came during the run, and is raised at the first line of Python after it */
        is_fine = false;
        PyErr_Fetch(&type, &value, &traceback);
        Py_XDECREF(PyObject_CallFunctionObjArgs(self->ran, NULL));
        was_interrupted = true;
    }
    Py_XDECREF(done);
    Py_XDECREF(step);
    if (!is_fine)
        PyErr_Restore(type, value, traceback);
    return done != NULL && !was_interrupted;
}

/* 1: outputs are made; 0: a guard in the program failed; -1: error. */
static int run(call_object *self, const tg_found *found, PyObject **outputs)
{
    program_object *p = self->program;
    p->program->is_running = true;
    p->program->failed_step = 0; /* until there is another */
    int ran = bind(self, found) ? tg_program_run_bound(p, outputs) : -1;
    tg_program_let_go(p);
    p->program->is_running = false;
    for (int i = 0; i < self->n_reads; ++i) {
        if (ran < 0 && self->grads[i] && !self->reads[i]->grad) /* what was summed up so far */
            self->reads[i]->grad = tg_hold(self->grads[i]);
        tg_drop(self->grads[i]);
        self->grads[i] = NULL;
    }
    for (int i = 0; ran > 0 && i < self->n_cleared; ++i) {
        tg_tensor *grad = self->cleared[i]->grad;
        self->cleared[i]->grad = NULL;
        tg_drop(grad);
    }
    return ran != 0 && !tell(self, ran > 0) ? -1 : ran;
}

static bool read_seeds(call_object *self)
{
    if (self->seeds == Py_None)
        return tg_program_read_seeds(self->program, NULL);
    PyObject *seeds = PyObject_CallFunctionObjArgs(self->seeds, NULL);
    const bool fits = seeds && tg_program_read_seeds(self->program, seeds);
    Py_XDECREF(seeds);
    return fits;
}

static tg_found room_of(const call_object *self)
{
    return (tg_found){.arrays = self->arrays, .memory = self->memory, .dims = self->dims};
}

static PyObject *run_call(call_object *self, PyObject *args, PyObject *kwargs, tg_found *found)
{
    PyObject *near[16], **outputs = near, *answer = NULL;
    program_object *p = self->program;
    const int same = match(self, args, kwargs, found);
    if (same < 0 || (same && !read_seeds(self)))
        return NULL;
    if (same && p->n_outputs > 16 &&
        !(outputs = malloc((size_t)p->n_outputs * sizeof(PyObject *))))
        return PyErr_NoMemory();
    const int ran = same ? run(self, found, outputs) : 0;
    if (ran > 0) {
        answer = tg_pattern_make(self->result, outputs);
        for (int k = 0; k < p->n_outputs; ++k)
            Py_DECREF(outputs[k]);
    } else if (ran == 0) {
        answer = Py_NotImplemented;
        Py_INCREF(answer);
    }
    if (outputs != near)
        free(outputs);
    return answer;
}

/* Take the turn if the program may run for this thread: ops are recorded as they were, and it
 * is not in use further up the stack. 1: taken; 0: not; -1: error. */
static int enter(call_object *self)
{
    if (!is_state_as_it_was(self)) /* no wait then: nothing would be run */
        return 0;
    if (!tg_turn_take(self->turn))
        return -1;
    if (self->busy || self->program->program->is_running) {
        tg_turn_leave(self->turn);
        return 0;
    }
    self->busy = true;
    return 1;
}

static void leave(call_object *self)
{
    self->busy = false;
    tg_turn_leave(self->turn);
}

/* call(args, kwargs) -> the function's result, or NotImplemented: something is not as it was. */
static PyObject *call(PyObject *o, PyObject *const *args, Py_ssize_t n_args)
{
    call_object *self = (call_object *)o;
    PyObject *answer = Py_NotImplemented;
    if (n_args != 2) {
        PyErr_SetString(PyExc_TypeError, "call(args, kwargs)");
        return NULL;
    }
    const int entered = enter(self);
    if (entered > 0) {
        tg_found found = room_of(self);
        answer = run_call(self, args[0], args[1], &found);
        Py_XDECREF(found.scalars);
        leave(self);
        return answer;
    }
    if (entered < 0)
        return NULL;
    Py_INCREF(answer);
    return answer;
}

/* fits(args, kwargs) -> bool: call would run the program; live numbers are where it reads them. */
static PyObject *fits(PyObject *o, PyObject *const *args, Py_ssize_t n_args)
{
    call_object *self = (call_object *)o;
    if (n_args != 2) {
        PyErr_SetString(PyExc_TypeError, "fits(args, kwargs)");
        return NULL;
    }
    int same = enter(self);
    if (same > 0) {
        tg_found found = room_of(self);
        same = match(self, args[0], args[1], &found);
        Py_XDECREF(found.scalars);
        leave(self);
    }
    return same < 0 ? NULL : PyBool_FromLong(same);
}

/* --- the type -------------------------------------------------------------------------------- */

static int call_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(((call_object *)o)->held);
    Py_VISIT(((call_object *)o)->numbers);
    return 0;
}

static void call_dealloc(PyObject *o)
{
    call_object *self = (call_object *)o;
    PyObject_GC_UnTrack(o);
    tg_pattern_free(self->args);
    tg_pattern_free(self->kwargs);
    tg_pattern_free(self->result);
    Py_CLEAR(self->numbers);
    Py_CLEAR(self->held);
    free(self->reads);
    free(self->without);
    free(self->cleared);
    free(self->grads);
    free(self->arrays);
    free(self->memory);
    free(self->dims);
    tg_free_object(o);
}

static PyMethodDef call_methods[] = {
    {"call", TG_FAST(call), METH_FASTCALL,
     "call(args, kwargs) -> result, or NotImplemented: something is not as it was recorded"},
    {"fits", TG_FAST(fits), METH_FASTCALL,
     "fits(args, kwargs) -> bool: call would run the program"},
    {0},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, "CompiledCall(program, state, args, kwargs, guards, numbers, refresh, reads, "
                "without, cleared, seeds, ran, result, turn): a replayed call."},
    {Py_tp_new, call_new},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_traverse, call_traverse},
    {Py_tp_methods, call_methods},
    {0, NULL},
};

static PyType_Spec call_spec = {
    .name = "tapegrad._core.CompiledCall",
    .basicsize = sizeof(call_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = call_slots,
};

int tg_add_call_type(PyObject *module)
{
    return tg_add_type(module, &call_spec) ? TG_OK : TG_EPYTHON;
}
