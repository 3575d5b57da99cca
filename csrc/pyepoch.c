/* pyepoch.c: Program.run_epoch: an epoch's arrays as C sees them. */
#include "epoch.h"
#include "pyprogram.h"

#include <stdlib.h>

/* What one call needs; all of it let go of at its end. */
typedef struct call {
    program_object *self;
    tg_epoch e;
    tg_stack *stacks;
    tg_carry *carries;
    uint64_t *blocks;
    int64_t (*dims)[2 * TG_MAX_NDIM]; /* of the arguments' arrays */
} call;

static bool refuse(const char *what)
{
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "run_epoch: %s", what);
    return false;
}

/* The value that a run hands over as the variable's gradient, or -1. */
static int made_for(const program_object *self, const tg_tensor *variable)
{
    for (int k = 0; k < self->n_grads; ++k)
        if (self->grads_of[k] == variable)
            return self->grads[k];
    return -1;
}

static bool add_carry(call *c, int made, int read, tg_tensor *before)
{
    const program_object *self = c->self;
    int times = 0;
    for (int k = 0; k < self->n_grads; ++k)
        times += self->grads[k] == made;
    if (made >= 0 && (times > 1 || self->program->values[made].role != TG_OUTPUT))
        return refuse("a gradient that is read must be a value of its own");
    c->e.carries[c->e.n_carries++] =
        (tg_carry){made, read, before ? tg_hold(before) : NULL, NULL};
    return true;
}

/* The variables whose .grad are the last inputs; and of a program that guards may stop, what else
 * it hands over, since the step that is stopped may have made it by then. */
static bool read_variables(call *c, PyObject *data)
{
    const program_object *self = c->self;
    const tg_program *g = self->program;
    c->carries = calloc((size_t)(g->n_inputs + self->n_grads) + 1, sizeof *c->carries);
    c->e.carries = c->carries;
    if (!c->carries)
        return PyErr_NoMemory() != NULL;
    for (int k = c->e.n_rows; k < g->n_inputs; ++k) {
        const tg_tensor *variable = tg_tensor_of(PyList_GetItem(data, k));
        if (!variable || !variable->grad || !variable->grad->data)
            return refuse("a variable after the arrays has a gradient");
        if (!add_carry(c, made_for(self, variable), g->argument_of[k], variable->grad))
            return false;
    }
    for (int k = 0; g->has_guards && k < self->n_grads; ++k) {
        bool is_carried = g->values[self->grads[k]].role != TG_OUTPUT;
        for (int i = 0; i < c->e.n_carries; ++i)
            is_carried |= c->carries[i].made == self->grads[k];
        if (!is_carried && !add_carry(c, self->grads[k], -1, NULL))
            return false;
    }
    return true;
}

/* Arrays of rows, then variables whose gradients are read. */
static bool read_data(call *c, PyObject *data)
{
    const int n = c->self->program->n_inputs;
    if (PyList_Size(data) != n)
        return refuse("one array for each input of the program");
    c->e.rows = calloc((size_t)n + 1, sizeof *c->e.rows);
    c->dims = malloc(((size_t)n + 1) * sizeof *c->dims);
    if (!c->e.rows || !c->dims)
        return PyErr_NoMemory() != NULL;
    for (c->e.n_rows = 0; c->e.n_rows < n; ++c->e.n_rows) {
        const int k = c->e.n_rows;
        PyObject *array = PyList_GetItem(data, k);
        if (tg_tensor_of(array))
            break;
        if (!tg_memory_of_array(array, &c->e.rows[k].memory, c->dims[k]))
            return refuse("data are aligned numeric ndarrays of native byte order");
        Py_INCREF(array);
        c->self->bound[k] = array;
    }
    return read_variables(c, data);
}

static bool read_order(call *c, PyObject *order)
{
    tg_memory m;
    int64_t dims[2 * TG_MAX_NDIM];
    if (order == Py_None)
        return true;
    if (!tg_memory_of_array(order, &m, dims) || m.dtype != TG_I64 || m.ndim != 1 ||
        (m.shape[0] > 1 && m.strides[0] != 1))
        return refuse("order is a contiguous int64 array of row numbers");
    c->e.order = (const int64_t *)(const void *)m.data;
    c->e.n_order = m.shape[0];
    return true;
}

/* results[k]: (steps, *shape of output k), C order. */
static bool read_results(call *c, PyObject *results)
{
    const program_object *self = c->self;
    if (PyList_Size(results) != self->n_outputs)
        return refuse("one array for each output of the program");
    c->stacks = calloc((size_t)self->n_outputs + 1, sizeof *c->stacks);
    if (!c->stacks)
        return PyErr_NoMemory() != NULL;
    for (int k = 0; k < self->n_outputs; ++k) {
        const tg_tensor *t = &self->program->values[self->outputs[k]].own;
        tg_memory m;
        int64_t dims[2 * TG_MAX_NDIM], expected = 1;
        bool fits = tg_memory_of_array(PyList_GetItem(results, k), &m, dims) &&
                    m.dtype == t->dtype && m.ndim == t->ndim + 1 &&
                    m.shape[0] >= c->e.first + c->e.n;
        for (int d = t->ndim; fits && d >= 0; --d) {
            fits = (d == 0 || m.shape[d] == tg_shape(t)[d - 1]) &&
                   (m.shape[d] <= 1 || !t->size || m.strides[d] == expected);
            expected *= m.shape[d];
        }
        if (!fits)
            return refuse("results are C-order arrays of (steps, *shape) of the outputs");
        c->stacks[k] = (tg_stack){.value = self->outputs[k],
                                  .bytes = (size_t)t->size * tg_itemsize(t->dtype),
                                  .data = m.data};
    }
    c->e.stacks = c->stacks;
    c->e.n_stacks = self->n_outputs;
    return true;
}

/* (seed, counter, blocks that a step takes) for each generator */
static bool read_seeds(call *c, PyObject *const *seeds, Py_ssize_t n_seeds)
{
    const int n = c->self->program->n_generators;
    if (n_seeds < n)
        return refuse("a (seed, counter, blocks) for each generator");
    c->blocks = calloc((size_t)n + 1, sizeof *c->blocks);
    if (!c->blocks)
        return PyErr_NoMemory() != NULL;
    for (int i = 0; i < n; ++i) {
        unsigned long long seed, counter, blocks;
        if (!PyTuple_Check(seeds[i]) ||
            !PyArg_ParseTuple(seeds[i], "KKK", &seed, &counter, &blocks))
            return refuse("a generator is (seed, counter, blocks)");
        c->self->seeds[i] = (tg_seed){seed, counter};
        c->blocks[i] = blocks;
    }
    c->e.seeds = c->self->seeds;
    c->e.blocks = c->blocks;
    return true;
}

/* Gradients that the failed step has made over are lost. */
static void drop_made_over(call *c)
{
    program_object *self = c->self;
    const tg_program *g = self->program;
    for (int k = 0; k < self->n_grads; ++k) {
        bool is_lost = g->values[self->grads[k]].maker < g->failed_step;
        for (int i = 0; i < c->e.n_carries; ++i)
            is_lost &= c->carries[i].made != self->grads[k];
        if (is_lost)
            tg_set_grad(self->grads_of[k], NULL);
    }
}

static PyObject *run(call *c)
{
    program_object *self = c->self;
    tg_program *g = self->program;
    if (!tg_check(tg_epoch_prepare(g, &c->e)) || !tg_program_bind_arrays(self))
        return NULL;
    int status = tg_program_start(g);
    if (!status)
        status = tg_epoch_run(g, &c->e, &self->steps_done);
    const bool is_error = status && status != TG_EGUARD;
    if (is_error)
        tg_raise(status);
    const bool is_handed_over = !self->steps_done || tg_program_set_grads(self);
    if (is_error && self->steps_done)
        drop_made_over(c);
    tg_program_finish(g);
    return is_error || !is_handed_over ? NULL : PyLong_FromLongLong(self->steps_done);
}

PyObject *tg_program_run_epoch(PyObject *o, PyObject *const *args, Py_ssize_t n_args)
{
    call c = {.self = (program_object *)o};
    tg_program *g = c.self->program;
    if (n_args < 6 || !PyList_Check(args[0]) || !PyList_Check(args[5])) {
        PyErr_SetString(PyExc_TypeError, "run_epoch(data, order, batch_size, first_step, "
                                         "n_steps, results, *seeds)");
        return NULL;
    }
    if (!tg_program_is_free(c.self))
        return NULL;
    c.e.batch = PyLong_AsLongLong(args[2]);
    c.e.first = PyLong_AsLongLong(args[3]);
    c.e.n = PyLong_AsLongLong(args[4]);
    if (PyErr_Occurred())
        return NULL;
    const int64_t most = INT64_MAX / 4 / (c.e.batch > 0 ? c.e.batch : 1);
    PyObject *answer = NULL;
    c.self->steps_done = 0;
    g->failed_step = 0; /* until there is another */
    g->is_running = true;
    if (c.e.batch < 1 || c.e.first < 0 || c.e.n < 0 || c.e.first > most || c.e.n > most)
        refuse("batch_size >= 1, first_step >= 0, n_steps >= 0");
    else if (read_data(&c, args[0]) && read_order(&c, args[1]) && read_results(&c, args[5]) &&
             read_seeds(&c, args + 6, n_args - 6))
        answer = run(&c);
    tg_epoch_end(&c.e);
    tg_program_let_go(c.self);
    g->is_running = false;
    free(c.e.rows);
    free(c.dims);
    free(c.stacks);
    free(c.carries);
    free(c.blocks);
    return answer;
}
