/* pylines.c: the line of the user's code that this thread is at, for entries that keep theirs:
 * the one of the innermost frame outside of tapegrad, NumPy and SciPy. tapegrad/lines.py
 * numbers lines and knows whose a file is; it is asked once per line, as it takes longer than a
 * small op. */
#include "python.h"

#include <stdlib.h>

enum { CODES = 1024, LINES = 8 };

/* What is known of a code object. It is held, so that no other one has its address. */
typedef struct known_code {
    PyObject *code;
    bool is_passed; /* a library's: the line is further out */
    int lines[LINES];
    uint32_t numbers[LINES]; /* 0: not known yet */
} known_code;

static known_code known[CODES]; /* by address; the later one of two takes the place */

static known_code *entry_of(PyObject *code)
{
    known_code *k = &known[(uintptr_t)code / 64 % CODES];
    if (k->code != code) {
        Py_XDECREF(k->code);
        *k = (known_code){.code = Py_NewRef(code)};
    }
    return k;
}

/* 0: not the user's, or an error is set. */
static uint32_t ask(PyObject *code, int line)
{
    PyObject *file = PyObject_GetAttrString(code, "co_filename");
    PyObject *number =
        file ? PyObject_CallFunction(tg_python.line_number, "Oi", file, line) : NULL;
    const unsigned long n = number ? PyLong_AsUnsignedLong(number) : 0;
    Py_XDECREF(file);
    Py_XDECREF(number);
    return PyErr_Occurred() ? 0 : (uint32_t)n;
}

/* The number of the frame's line; 0: it is a library's, or an error is set. */
static uint32_t line_in(PyFrameObject *frame)
{
    PyObject *code = (PyObject *)PyFrame_GetCode(frame);
    known_code *k = entry_of(code);
    Py_DECREF(code); /* k holds it */
    if (k->is_passed)
        return 0;
    const int line = PyFrame_GetLineNumber(frame), at = (line & INT32_MAX) % LINES;
    if (!k->numbers[at] || k->lines[at] != line) {
        const uint32_t number = ask(code, line); /* may come here, for another code */
        if (k->code != code)
            return number;
        k->is_passed = !number && !PyErr_Occurred();
        k->numbers[at] = number;
        k->lines[at] = line;
    }
    return k->numbers[at];
}

void tg_mark_line(tg_list *list)
{
    static PyObject *f_back;
    if (!f_back)
        f_back = PyUnicode_InternFromString("f_back");
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    list->line = 0;
    Py_XINCREF(frame);
    while (f_back && frame && frame != Py_None) {
        list->line = line_in((PyFrameObject *)frame);
        PyObject *back =
            list->line || PyErr_Occurred() ? NULL : PyObject_GetAttr(frame, f_back);
        Py_DECREF(frame);
        frame = back;
    }
    Py_XDECREF(frame);
    PyErr_Clear(); /* a line that cannot be found is not worth an error */
}
