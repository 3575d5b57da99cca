/* pystep.c: one step of core.Program from its tuple, as tapegrad/replay/native.py lowers an entry:
 * (kind, op, inputs, outputs, params, extra) and a line. What `extra` is, each kind says. */
#include "pyprogram.h"

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

static bool read_ints(int *to, PyObject *tuple)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); ++i) {
        const long n = PyLong_AsLong(PyTuple_GetItem(tuple, i));
        if (n == -1 && PyErr_Occurred())
            return false;
        to[i] = n < INT32_MIN || n > INT32_MAX ? INT32_MIN : (int)n;
    }
    return true;
}

/* The memory of a C-order ndarray of that dtype; NULL with an error set. */
static void *array_data(PyObject *array, int dtype, int64_t least)
{
    tg_memory m;
    int64_t dims[2 * TG_MAX_NDIM];
    if (tg_memory_of_array(array, &m, dims) == 1 && m.dtype == dtype && m.ndim == 1 &&
        m.shape[0] >= least && (m.shape[0] <= 1 || m.strides[0] == 1))
        return m.data;
    tg_program_refuse("an array has another dtype, or is not long enough or contiguous", least);
    return NULL;
}

/* --- what each kind keeps --------------------------------------------------------------------- */

static bool read_floats(double *to, PyObject *tuple, Py_ssize_t most)
{
    if (PyTuple_Size(tuple) > most)
        return tg_program_refuse("too many params", PyTuple_Size(tuple));
    for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); ++i)
        to[i] = PyFloat_AsDouble(PyTuple_GetItem(tuple, i));
    return !PyErr_Occurred();
}

static bool is_product(int op)
{
    return strcmp(tg_ops[op].name, "matmul") == 0 || strcmp(tg_ops[op].name, "linear") == 0;
}

static int number(PyObject *tuple, Py_ssize_t i)
{
    return (int)PyLong_AsLong(PyTuple_GetItem(tuple, i));
}

/* (row id, k, operands, dst, params), and a line, which is Python's own. There may be a hundred
 * thousand of them, and PyArg_ParseTuple would take most of the time. */
static bool read_group_call(tg_group_call *c, PyObject *item, Py_ssize_t index)
{
    const bool fits = PyTuple_Check(item) && PyTuple_Size(item) >= 5;
    PyObject *operands = fits ? PyTuple_GetItem(item, 2) : NULL;
    PyObject *params = fits ? PyTuple_GetItem(item, 4) : NULL;
    if (!fits || !PyTuple_Check(operands) || !PyTuple_Check(params))
        return tg_program_refuse("an instruction is (row, k, operands, dst, params)", index);
    c->op = number(item, 0);
    c->k = number(item, 1);
    c->out = number(item, 3);
    if (PyErr_Occurred())
        return false;
    c->n_in = (int)PyTuple_Size(operands);
    if (PyTuple_Size(operands) > 8)
        return tg_program_refuse("an instruction has too many operands", index);
    for (int i = 0; i < c->n_in; ++i) {
        PyObject *o = PyTuple_GetItem(operands, i);
        c->in[i] = o == Py_None ? -1 : (int)PyLong_AsLong(o);
        if (o != Py_None && c->in[i] < 0)
            return tg_program_refuse("an instruction's operand is no code", index);
    }
    c->n_params = (int)PyTuple_Size(params);
    return read_floats(c->params, params, 2);
}

/* params: (), or (fold, is_mean, n, cols, value): a reduction of that value is the last output.
 * If the step does not name the value among its outputs, nobody else reads it. */
static bool make_ending(const tg_program *g, const tg_step *s, tg_ending *e, tg_tensor **ends)
{
    const int n_out = s->n_out - 1, value = (int)s->p[4];
    if (s->p[2] < 1 || s->p[3] < 1 || value < 0 || value >= g->n_values)
        return tg_program_refuse("a group's params do not fit", s - g->steps);
    *e = (tg_ending){.what = (int)s->p[0],
                     .is_mean = s->p[1] != 0,
                     .n = (size_t)s->p[2],
                     .cols = (size_t)s->p[3]};
    while (e->output < n_out && s->out[e->output] != value)
        ++e->output;
    e->is_staged = e->output == n_out;
    if (e->is_staged)
        ends[s->n_in + n_out] = &g->values[value].own;
    return true;
}

static bool make_group(program_object *self, tg_step *s, PyObject *extra)
{
    tg_program *g = self->program;
    enum { ENDING = 5 };
    if (!PyList_Check(extra) || (s->n_p && s->n_p != ENDING))
        return tg_program_refuse("a group's extra is its list of instructions", s - g->steps);
    const Py_ssize_t n = PyList_Size(extra);
    const size_t n_ends = (size_t)(s->n_in + s->n_out);
    tg_group_call *calls = calloc((size_t)n + 1, sizeof *calls);
    tg_tensor **ends = malloc((n_ends + 1) * sizeof *ends);
    tg_ending ending = {0};
    bool fits = calls && ends;
    if (!fits)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n && fits; ++i)
        fits = read_group_call(&calls[i], PyList_GetItem(extra, i), i);
    for (size_t i = 0; i < n_ends && fits; ++i)
        ends[i] = &g->values[s->in[i]].own; /* out follows in */
    fits = fits && (!s->n_p || make_ending(g, s, &ending, ends));
    if (fits) {
        const int n_out = s->n_out - (s->n_p && !ending.is_staged);
        s->group = tg_group_new(s->n_in, ends, n_out, ends + s->n_in, (size_t)n, calls);
        const bool is_made =
            s->group &&
            (!s->n_p ||
             tg_group_end(s->group, &ending, &g->values[s->out[s->n_out - 1]].own) == TG_OK);
        fits = is_made || tg_check(TG_EVALUE);
    }
    free(calls);
    free(ends);
    return fits;
}

/* params: (states of a parameter, then each parameter's place in counts if it is not its own) */
static bool make_optim(program_object *self, tg_step *s, PyObject *extra)
{
    const Py_ssize_t index = s - self->program->steps;
    PyObject *hyper, *counts;
    const int n_states = s->n_p ? (int)s->p[0] : -1, each = 2 + n_states;
    if (n_states < 0 || n_states > TG_MAX_STATES || s->n_in % each)
        return tg_program_refuse("an optimizer's params or inputs do not fit", index);
    const int n = s->n_in / each;
    if (s->op < 0 || s->op > 1 || (s->n_p != 1 && s->n_p != 1 + n) || !PyTuple_Check(extra) ||
        !PyArg_ParseTuple(extra, "OO", &hyper, &counts))
        return tg_program_refuse("an optimizer's step does not fit", index);
    tg_optim_step *o = s->optim = calloc(1, sizeof *o);
    if (!o || !(o->updates.at = calloc((size_t)n + 1, sizeof *o->updates.at)) ||
        !(o->count_at = calloc((size_t)n + 1, sizeof *o->count_at)))
        return PyErr_NoMemory() != NULL;
    o->is_adam = s->op == 1;
    o->n_states = n_states;
    int64_t most = 0;
    for (int i = 0; i < n; ++i) {
        o->count_at[i] = s->n_p == 1 ? i : s->p[1 + i];
        if (o->count_at[i] < 0)
            return tg_program_refuse("an optimizer's count has no such place", index);
        most = o->count_at[i] + 1 > most ? o->count_at[i] + 1 : most;
    }
    o->hyper = array_data(hyper, TG_F64, o->is_adam ? 8 : 6);
    o->counts = o->hyper ? array_data(counts, TG_I64, most) : NULL;
    return o->counts && tg_program_hold(self, extra);
}

/* (generator, block offset) or (generator, block offset, float64 ndarray, position) */
static bool make_random(program_object *self, tg_step *s, PyObject *params, PyObject *extra)
{
    tg_program *g = self->program;
    const Py_ssize_t index = s - g->steps;
    tg_random *r = s->random = calloc(1, sizeof *r);
    PyObject *live = NULL;
    long long offset = 0, at = 0;
    const tg_tensor *out = &g->values[s->out[0]].own;
    if (!r)
        return PyErr_NoMemory() != NULL;
    if (!PyTuple_Check(extra) ||
        !PyArg_ParseTuple(extra, "iL|OL", &r->generator, &offset, &live, &at))
        return tg_program_refuse(
            "a draw's extra is (generator, offset) or with an array and a position", index);
    r->what = s->op;
    r->offset = offset;
    if (s->op < 0 || s->op > 2 || r->generator < 0 || r->generator >= INT32_MAX || at < 0 ||
        (s->op == 2 ? out->dtype != TG_BOOL : !tg_is_compute(out->dtype)))
        return tg_program_refuse("no such draw", index);
    if (r->generator >= g->n_generators)
        g->n_generators = r->generator + 1;
    if (live) {
        const double *data = array_data(live, TG_F64, at + 1 + (s->op < 2));
        r->live = data ? data + at : NULL;
        return data && tg_program_hold(self, extra);
    }
    if (s->n_p < 1 + (s->op < 2))
        return tg_program_refuse("a draw lacks params", index);
    return read_floats(r->params, params, 2);
}

/* What follows the product, as an instruction of a group, or None. params: the number of inputs
 * that the product reads; then, if there is a second output, (fold, is_mean, rows) of it. */
static bool make_product(program_object *self, tg_step *s, PyObject *extra)
{
    const Py_ssize_t index = s - self->program->steps;
    const bool folds = s->n_out == 2, follows = extra != Py_None;
    tg_group_call after = {0};
    tg_column_fold fold = {0};
    if (!is_product(s->op) || s->n_p != (folds ? 4 : 1))
        return tg_program_refuse(
            "a product's params are the number of inputs it reads, and its fold", index);
    if (folds)
        fold = (tg_column_fold){(int)s->p[1], s->p[2] != 0, s->p[3] < 0 ? 0 : (size_t)s->p[3]};
    return (!follows || read_group_call(&after, extra, index)) &&
           tg_check(
               tg_product_new(self->program, s, follows ? &after : NULL, folds ? &fold : NULL));
}

/* (number of the request that becomes the result,), or None */
static bool make_run(program_object *self, tg_step *s, PyObject *extra)
{
    tg_program *g = self->program;
    if (PyTuple_Check(extra) && PyTuple_Size(extra) && !s->in_place)
        s->place_at = (int)PyLong_AsLong(PyTuple_GetItem(extra, 0));
    if (PyErr_Occurred())
        return false;
    if (!is_product(s->op) || !s->n_out || g->values[s->out[0]].role == TG_VIEW)
        return true;
    s->run = tg_step_product;
    return tg_check(tg_product_new(g, s, NULL, NULL));
}

/* --- all kinds ------------------------------------------------------------------------------- */

bool tg_program_add_step(program_object *self, int index, PyObject *item)
{
    tg_program *g = self->program;
    int kind, op;
    unsigned int line = 0;
    PyObject *in, *out, *params, *extra;
    uint64_t floats = 0;
    if (!PyTuple_Check(item) ||
        !PyArg_ParseTuple(item, "iiO!O!O!O|I", &kind, &op, &PyTuple_Type, &in, &PyTuple_Type,
                          &out, &PyTuple_Type, &params, &extra, &line))
        return tg_program_refuse(
            "a step is (kind, op, inputs, outputs, params, extra) and a line", index);
    if (kind < 0 || kind >= TG_N_STEPS)
        return tg_program_refuse("no such kind of step", index);
    tg_step *s = tg_program_step(g, index, kind, op, (int)PyTuple_Size(in),
                                 (int)PyTuple_Size(out), (int)PyTuple_Size(params));
    if (!s)
        return tg_check(TG_EMEMORY);
    s->line = line;
    if (!read_ints(s->in, in) || !read_ints(s->out, out) ||
        !tg_read_params(params, s->n_p, s->p, &floats) ||
        !tg_check(tg_program_step_ready(g, s)))
        return false;
    switch (kind) {
    case TG_STEP_RUN: return make_run(self, s, extra);
    case TG_STEP_GROUP: return make_group(self, s, extra);
    case TG_STEP_OPTIM: return make_optim(self, s, extra);
    case TG_STEP_RANDOM: return make_random(self, s, params, extra);
    case TG_STEP_PRODUCT: return make_product(self, s, extra);
    case TG_STEP_GUARD:
        s->expected = s->n_p ? s->p[0] != 0 : 1;
        return g->values[s->in[0]].own.size == 1 ||
               tg_program_refuse("a guard looks at one number", index);
    default: /* params: the places of the inputs that it writes */
        s->callable = extra;
        return (PyCallable_Check(extra) && tg_program_hold(self, extra)) ||
               tg_program_refuse("a Python step's extra is a callable", index);
    }
}
