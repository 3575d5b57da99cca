/* pyprogram.h: the Python object around a program. pyprogram_new.c makes it from lists, pyprogram.c
 * runs it. */
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
} program_object;

int tg_call_python(tg_program *program, tg_step *step);
PyObject *tg_program_object_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

#endif
