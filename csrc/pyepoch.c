/* pyepoch.c: Program.run_epoch: an epoch's arrays as C sees them. */
#include "epoch.h"
#include "pyprogram.h"

#include <stdlib.h>

/* What one call needs; all of it let go of at its end. */
typedef struct call {
    program_object *self;
    tg_epoch e;
    tg_stack *stacks;
    uint64_t *blocks;
    int64_t (*dims)[2 * 64]; /* of the arguments' arrays */
} call;

static bool refuse(const char *what)
{
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "run_epoch: %s", what);
    return false;
}

static bool raise_status(int status)
{
    if (status)
        tg_raise(status, -1, NULL);
    return status == TG_OK;
}

static bool read_data(call *c, PyObject *data)
{
    const int n = c->self->program->n_inputs;
    if (PyList_Size(data) != n)
        return refuse("one array for each input of the program");
    c->e.rows = calloc((size_t)n + 1, sizeof *c->e.rows);
    c->dims = malloc(((size_t)n + 1) * sizeof *c->dims);
    if (!c->e.rows || !c->dims)
        return PyErr_NoMemory() != NULL;
    for (int k = 0; k < n; ++k) {
        PyObject *array = PyList_GetItem(data, k);
        if (!tg_memory_of_array(array, &c->e.rows[k].memory, c->dims[k]))
            return refuse("data are aligned numeric ndarrays of native byte order");
        Py_INCREF(array);
        c->self->bound[k] = array;
    }
    return true;
}

static bool read_order(call *c, PyObject *order)
{
    tg_memory m;
    int64_t dims[2 * 64];
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
        int64_t dims[2 * 64], expected = 1;
        bool fits = tg_memory_of_array(PyList_GetItem(results, k), &m, dims) &&
                    m.dtype == t->dtype && m.ndim == t->ndim + 1 &&
                    m.shape[0] >= c->e.first + c->e.n;
        for (int d = t->ndim; fits && d >= 0; --d) {
            fits = (d == 0 || m.shape[d] == tg_shape(t)[d - 1]) &&
                   (m.shape[d] <= 1 || m.strides[d] == expected);
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

static PyObject *run(call *c)
{
    program_object *self = c->self;
    tg_program *g = self->program;
    int64_t done = 0;
    if (!raise_status(tg_epoch_prepare(g, &c->e)) || !tg_program_bind_arrays(self))
        return NULL;
    int status = tg_program_start(g);
    g->failed_guard = -1;
    if (!status)
        status = tg_epoch_run(g, &c->e, &done);
    if (status == TG_EGUARD)
        status = TG_OK;
    PyObject *answer = NULL;
    if (!status && (!done || tg_program_set_grads(self)))
        answer = PyLong_FromLongLong(done);
    else if (status)
        tg_raise(status, -1, NULL);
    tg_program_finish(g);
    return answer;
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
    if (g->is_running) {
        tg_fail(TG_ETAPE, "this program is running already, in another thread or in itself");
        return tg_raise(TG_ETAPE, -1, NULL);
    }
    c.e.batch = PyLong_AsLongLong(args[2]);
    c.e.first = PyLong_AsLongLong(args[3]);
    c.e.n = PyLong_AsLongLong(args[4]);
    if (PyErr_Occurred())
        return NULL;
    const int64_t most = INT64_MAX / 4 / (c.e.batch > 0 ? c.e.batch : 1);
    PyObject *answer = NULL;
    g->is_running = true;
    if (c.e.batch < 1 || c.e.first < 0 || c.e.n < 0 || c.e.first > most || c.e.n > most)
        refuse("batch_size >= 1, first_step >= 0, n_steps >= 0");
    else if (read_data(&c, args[0]) && read_order(&c, args[1]) && read_results(&c, args[5]) &&
             read_seeds(&c, args + 6, n_args - 6))
        answer = run(&c);
    tg_program_let_go(c.self);
    g->is_running = false;
    free(c.e.rows);
    free(c.dims);
    free(c.stacks);
    free(c.blocks);
    return answer;
}
