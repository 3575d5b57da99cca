/* pyprogram.h: the Python object around a program. pyprogram_new.c and pystep.c make it from lists,
 * pyprogram.c runs it. */
#ifndef TG_PYPROGRAM_H
#define TG_PYPROGRAM_H

#include "python.h"
#include "program.h"

typedef struct program_object {
    PyObject_HEAD tg_program *program;
    PyObject *held; /* list: what the program reads and calls */
    PyObject **objects; /* of captured values and arrays, by value; borrowed from held */
    int *outputs, *grads; /* values */
    tg_tensor **grads_of; /* the variables; borrowed from held */
    int *arrays; /* values read from ndarrays */
    int n_outputs, n_grads, n_arrays;
    PyObject **bound; /* arguments of this run, then copies that had to be made */
    tg_seed *seeds;
    int64_t steps_done; /* by the last run_epoch */
} program_object;

/* The ndarrays that the program itself reads; false with an error set. */
bool tg_program_bind_arrays(program_object *self);
void tg_set_grad(tg_tensor *variable, tg_tensor *grad); /* takes over the hold */
bool tg_program_set_grads(program_object *self); /* .grad of the variables, after the steps */
/* seeds: tuple of a (seed, counter) for each generator; false with an error set. */
bool tg_program_read_seeds(program_object *self, PyObject *seeds);
/* Run with all bound. 1: outputs has n_outputs new references; 0: a guard failed; -1: an error is
 * set. */
int tg_program_run_bound(program_object *self, PyObject **outputs);
bool tg_is_program(PyObject *o);
bool tg_program_is_free(const program_object *self); /* not running; false with an error set */
void tg_program_let_go(program_object *self); /* of what was bound */
PyObject *tg_program_run_epoch(PyObject *self, PyObject *const *args, Py_ssize_t n_args);
PyObject *tg_program_time_steps(PyObject *self, PyObject *on); /* pyprofile.c */
PyObject *tg_program_step_ns(PyObject *self, void *unused);
int tg_call_python(tg_program *program, tg_step *step); /* pycallable.c */
PyObject *tg_program_object_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

/* While it is made: raise ValueError, and return false; keep o alive as long as the program; read
 * step `index` of the list, false with an error set. */
bool tg_program_refuse(const char *what, Py_ssize_t index);
bool tg_program_hold(program_object *self, PyObject *o);
bool tg_program_add_step(program_object *self, int index, PyObject *item);

#endif
