/* pyprogram.c: programs as Python runs them. */
#include "pyprogram.h"

#include <stdlib.h>

#include "gemm.h"
#include "map.h"

/* --- binding ------------------------------------------------------------------------------ */

static int bind_array(program_object *self, int value, int argument, PyObject *array,
                      PyObject **copy)
{
    tg_memory m;
    int64_t dims[2 * TG_MAX_NDIM];
    if (tg_memory_of_array(array, &m, dims))
        return tg_program_bind(self->program, value, &m, argument);
    /* odd strides or a misaligned start: what NumPy copies has neither */
    *copy = PyObject_CallMethod(array, "copy", NULL);
    if (*copy && tg_memory_of_array(*copy, &m, dims))
        return tg_program_bind(self->program, value, &m, argument);
    if (*copy)
        PyErr_Format(PyExc_TypeError,
                     "input %d: programs take native Tensors and numeric "
                     "ndarrays in native byte order",
                     argument);
    return TG_EPYTHON;
}

static int bind_argument(program_object *self, int argument, PyObject *o, PyObject **copy)
{
    const int value = self->program->argument_of[argument];
    const tg_tensor *t = tg_tensor_of(o);
    if (value < 0)
        return TG_OK;
    if (t) {
        if (!t->data)
            return tg_fail(TG_ERELEASED, "input %d has been released", argument);
        const tg_memory m = tg_memory_of(t);
        return tg_program_bind(self->program, value, &m, argument);
    }
    if (PyObject_TypeCheck(o, tg_python.ndarray))
        return bind_array(self, value, argument, o, copy);
    PyErr_Format(PyExc_TypeError, "input %d: programs take native Tensors and ndarrays",
                 argument);
    return TG_EPYTHON;
}

/* bound: what to let go of after the run; false with an error set. */
static bool bind_all(program_object *self, PyObject *inputs)
{
    int status = TG_OK;
    const int n = self->program->n_inputs;
    for (int k = 0; k < n && !status; ++k) {
        PyObject *o = PyList_GetItem(inputs, k), *copy = NULL;
        Py_INCREF(o);
        status = bind_argument(self, k, o, &copy);
        self->bound[k] = copy ? copy : o;
        if (copy)
            Py_DECREF(o);
    }
    return tg_check(status) && tg_program_bind_arrays(self);
}

bool tg_program_bind_arrays(program_object *self)
{
    const int n = self->program->n_inputs;
    int status = TG_OK;
    for (int i = 0; i < self->n_arrays && !status; ++i) {
        const int value = self->arrays[i];
        status = bind_array(self, value, n + i, self->objects[value], &self->bound[n + i]);
    }
    return tg_check(status);
}

void tg_program_let_go(program_object *self)
{
    for (int i = 0; i < self->program->n_inputs + self->n_arrays; ++i)
        Py_CLEAR(self->bound[i]);
}

bool tg_program_read_seeds(program_object *self, PyObject *seeds)
{
    const int n = self->program->n_generators;
    if (n && (!seeds || !PyTuple_Check(seeds) || PyTuple_Size(seeds) < n)) {
        PyErr_Format(PyExc_TypeError, "run takes a (seed, counter) for each of %d generators",
                     n);
        return false;
    }
    for (int i = 0; i < n; ++i) {
        PyObject *state = PyTuple_GetItem(seeds, i);
        unsigned long long seed, counter;
        if (!PyTuple_Check(state) || !PyArg_ParseTuple(state, "KK", &seed, &counter)) {
            PyErr_SetString(PyExc_TypeError, "a generator's state is (seed, counter)");
            return false;
        }
        self->seeds[i] = (tg_seed){seed, counter};
    }
    return true;
}

/* --- running ------------------------------------------------------------------------------ */

void tg_set_grad(tg_tensor *variable, tg_tensor *grad)
{
    tg_tensor *old = variable->grad;
    variable->grad = grad;
    tg_drop(old);
}

bool tg_program_set_grads(program_object *self)
{
    for (int k = 0; k < self->n_grads; ++k) {
        tg_tensor *t = tg_program_result(self->program, self->grads[k]);
        if (!t)
            return tg_check(TG_EMEMORY);
        tg_set_grad(self->grads_of[k], t);
    }
    return true;
}

/* The outputs as Tensors, new references; false with an error set. */
static bool wrap_outputs(program_object *self, PyObject **outputs)
{
    for (int k = 0; k < self->n_outputs; ++k) {
        tg_tensor *t = tg_program_result(self->program, self->outputs[k]);
        outputs[k] = t ? tg_wrap(t) : tg_raise(TG_EMEMORY);
        if (!outputs[k]) {
            while (k > 0)
                Py_DECREF(outputs[--k]);
            return false;
        }
    }
    return true;
}

/* The old gradients go first, so that the new ones can have their memory; but a guard's failure
 * leaves everything as it was. */
int tg_program_run_bound(program_object *self, PyObject **outputs)
{
    tg_program *g = self->program;
    for (int k = 0; k < self->n_grads && !g->has_guards; ++k)
        tg_set_grad(self->grads_of[k], NULL);
    int status = tg_program_start(g);
    if (!status)
        status = tg_program_run_steps(g);
    int ran = status == TG_EGUARD ? 0 : -1;
    if (status == TG_OK && wrap_outputs(self, outputs)) {
        ran = tg_program_set_grads(self) ? 1 : -1;
        for (int k = 0; ran < 0 && k < self->n_outputs; ++k)
            Py_DECREF(outputs[k]);
    } else if (status != TG_OK && status != TG_EGUARD)
        tg_raise(status);
    tg_program_finish(g);
    return ran;
}

/* List of the outputs, or the number of the guard that failed. */
static PyObject *run_to_list(program_object *self)
{
    PyObject **outputs = malloc(((size_t)self->n_outputs + 1) * sizeof *outputs), *list = NULL;
    if (!outputs)
        return PyErr_NoMemory();
    const int ran = tg_program_run_bound(self, outputs);
    if (ran == 0)
        list = PyLong_FromLong(self->program->failed_step);
    else if (ran > 0 && (list = PyList_New(self->n_outputs)) != NULL)
        for (int k = 0; k < self->n_outputs; ++k)
            PyList_SetItem(list, k, outputs[k]);
    free(outputs);
    return list;
}

bool tg_program_is_free(const program_object *self)
{
    if (!self->program->is_running)
        return true;
    return tg_check(tg_fail(
        TG_ETAPE, "this program is running already: a Python op of a compiled function calls "
                  "that function again, with arguments of the same shapes; call the plain "
                  "function there"));
}

static PyObject *program_run(PyObject *o, PyObject *args)
{
    program_object *self = (program_object *)o;
    tg_program *g = self->program;
    PyObject *inputs = PyTuple_Size(args) ? PyTuple_GetItem(args, 0) : NULL;
    if (!inputs || !PyList_Check(inputs) || PyList_Size(inputs) != g->n_inputs) {
        PyErr_Format(PyExc_TypeError, "run takes a list of %d Tensors or ndarrays, and seeds",
                     g->n_inputs);
        return NULL;
    }
    if (!tg_program_is_free(self))
        return NULL;
    PyObject *seeds = PyTuple_GetSlice(args, 1, PyTuple_Size(args));
    const bool fits = seeds && tg_program_read_seeds(self, seeds);
    Py_XDECREF(seeds);
    if (!fits)
        return NULL;
    g->is_running = true;
    g->failed_step = 0; /* until there is another */
    PyObject *answer = bind_all(self, inputs) ? run_to_list(self) : NULL;
    tg_program_let_go(self);
    g->is_running = false;
    return answer;
}

/* --- the type ----------------------------------------------------------------------------- */

static int program_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(((program_object *)o)->held);
    return 0;
}

static int program_clear(PyObject *o)
{
    Py_CLEAR(((program_object *)o)->held);
    return 0;
}

static void program_dealloc(PyObject *o)
{
    program_object *self = (program_object *)o;
    PyObject_GC_UnTrack(o);
    tg_program_free(self->program);
    Py_CLEAR(self->held);
    free(self->objects);
    free(self->outputs);
    free(self->grads);
    free(self->grads_of);
    free(self->arrays);
    free(self->bound);
    free(self->seeds);
    tg_free_object(o);
}

static PyObject *block_bytes(PyObject *o, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(((program_object *)o)->program->block_bytes);
}

static PyObject *fallbacks(PyObject *o, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(((program_object *)o)->program->placement.fallbacks);
}

static PyObject *ending_unit(PyObject *none, PyObject *args)
{
    Py_ssize_t size, n, cols;
    (void)none;
    if (!PyArg_ParseTuple(args, "nnn:ending_unit", &size, &n, &cols))
        return NULL;
    const bool is_fold = n > 0 && cols > 0 && n <= size / cols;
    return PyLong_FromSize_t(is_fold ? tg_ending_unit((size_t)size, (size_t)n, (size_t)cols)
                                     : 0);
}

static Py_ssize_t program_length(PyObject *o)
{
    return ((program_object *)o)->program->n_steps;
}

static PyMethodDef program_methods[] = {
    {"run", program_run, METH_VARARGS,
     "run(inputs, *seeds) -> outputs, or the number of the guard that failed"},
    {"run_epoch", TG_FAST(tg_program_run_epoch), METH_FASTCALL,
     "run_epoch(data, order, batch_size, first_step, n_steps, results, *seeds) -> steps done"},
    {"time_steps", tg_program_time_steps, METH_O, "time_steps(on)"},
    {"ending_unit", ending_unit, METH_VARARGS | METH_STATIC,
     "ending_unit(size, n, cols) -> elements of a unit of a group that ends in a fold; 0: none "
     "can"},
    {0},
};

static PyObject *failed_step(PyObject *o, void *unused)
{
    (void)unused;
    return PyLong_FromLong(((program_object *)o)->program->failed_step);
}

static PyObject *steps_done(PyObject *o, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(((program_object *)o)->steps_done);
}

static PyGetSetDef program_getset[] = {
    {"failed_step", failed_step, NULL, "Step that ended the last run before its end; or -1.",
     NULL},
    {"steps_done", steps_done, NULL, "By the last run_epoch, before an error if there was one.",
     NULL},
    {"step_ns", tg_program_step_ns, NULL, "Of the last run's steps, if time_steps is on.",
     NULL},
    {"block_bytes", block_bytes, NULL, "Planned memory.", NULL},
    {"fallbacks", fallbacks, NULL, "Requests the scratch memory had no room for, ever.", NULL},
    {0},
};

static PyType_Slot program_slots[] = {
    {Py_tp_doc, "A list of steps over placed values that runs as one call."},
    {Py_tp_new, tg_program_object_new},
    {Py_tp_dealloc, program_dealloc},
    {Py_tp_traverse, program_traverse},
    {Py_tp_clear, program_clear},
    {Py_tp_methods, program_methods},
    {Py_tp_getset, program_getset},
    {Py_sq_length, program_length},
    {0, NULL},
};

static PyType_Spec program_spec = {
    .name = "tapegrad._core.Program",
    .basicsize = sizeof(program_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = program_slots,
};

static PyTypeObject *program_type;

bool tg_is_program(PyObject *o) { return Py_TYPE(o) == program_type; }

int tg_add_program_type(PyObject *module)
{
    static const char *const kinds[TG_N_STEPS] = {
        [TG_STEP_RUN] = "RUN",        [TG_STEP_GROUP] = "GROUP", [TG_STEP_OPTIM] = "OPTIM",
        [TG_STEP_RANDOM] = "RANDOM",  [TG_STEP_GUARD] = "GUARD", [TG_STEP_PYTHON] = "PYTHON",
        [TG_STEP_PRODUCT] = "PRODUCT"};
    PyObject *type = (PyObject *)(program_type = tg_add_type(module, &program_spec));
    if (!type)
        return TG_EPYTHON;
    for (int i = 0; i < TG_N_STEPS; ++i) {
        PyObject *kind = PyLong_FromLong(i);
        if (!kind || PyObject_SetAttrString(type, kinds[i], kind) < 0)
            return TG_EPYTHON;
        Py_DECREF(kind);
    }
    /* by dtype, how deep a product may be that is added to another array in its place */
    PyObject *depths = Py_BuildValue("(nn)", (Py_ssize_t)tg_gemm_depth(TG_F32),
                                     (Py_ssize_t)tg_gemm_depth(TG_F64));
    if (!depths || PyObject_SetAttrString(type, "DEPTHS", depths) < 0)
        return TG_EPYTHON;
    Py_DECREF(depths);
    PyObject *cheap = PyFrozenSet_New(NULL); /* ids of rows */
    for (int op = 0; cheap && op < TG_N_MAP; ++op) {
        PyObject *id = tg_map_is_cheap(op) ? PyLong_FromLong(op) : NULL;
        if (id && PySet_Add(cheap, id) < 0)
            Py_CLEAR(cheap);
        Py_XDECREF(id);
    }
    if (!cheap || PyObject_SetAttrString(type, "CHEAP", cheap) < 0)
        return TG_EPYTHON;
    Py_DECREF(cheap);
    return TG_OK;
}
