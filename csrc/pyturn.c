/* pyturn.c: Turn: calls of one compiled function, by several Python threads, one after the other.
 *
 * All of it is read and written with the interpreter lock held, so that taking a free turn is an
 * assignment. Who must wait stands in a queue, first come first served, and gets the turn handed
 * over: a thread that calls in a loop would otherwise take it back before the others wake. The
 * mutex guards a waiter's sleep only; nobody asks for the interpreter lock while holding it. */
#define _GNU_SOURCE
#include "turn.h"

#include <pthread.h>
#include <time.h>

typedef struct thread {
    struct turn_object *awaits; /* what this thread waits for */
} thread;

typedef struct waiter {
    struct waiter *next;
    thread *thread;
    pthread_cond_t come;
    bool has_turn;
} waiter;

typedef struct turn_object {
    PyObject_HEAD thread *owner; /* NULL: nobody's */
    int depth; /* takes by the owner */
    waiter *first, *last;
    unsigned forks; /* of this process, when it was last taken */
} turn_object;

static const long LOOK_NS = 50000000; /* how often a waiter looks for Ctrl-C */

static _Thread_local thread here;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned forks;

static void after_fork_in_child(void)
{
    pthread_mutex_init(&mutex, NULL);
    ++forks;
}

/* --- waiting ------------------------------------------------------------------------------- */

/* Whether whoever has the turn waits, by way of others perhaps, for one that this thread has. */
static bool would_wait_for_itself(const turn_object *self)
{
    for (; self; self = self->owner->awaits)
        if (self->owner == &here)
            return true;
    return false;
}

static void leave_queue(turn_object *self, const waiter *w)
{
    waiter **at = &self->first, *before = NULL;
    for (; *at != w; at = &before->next)
        before = *at;
    *at = w->next;
    if (self->last == w)
        self->last = before;
}

/* Without the interpreter lock until the turn has come, or some time has passed. */
static void sleep_a_while(waiter *w)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&mutex);
    PyThreadState *const state = PyEval_SaveThread();
    if (!w->has_turn)
        pthread_cond_timedwait(&w->come, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    PyEval_RestoreThread(state);
}

static bool wait_for(turn_object *self)
{
    if (would_wait_for_itself(self))
        return tg_check(
            tg_fail(TG_ETAPE, "two compiled functions wait for each other: in each of two "
                              "threads a Python op of one calls the other; call them one after "
                              "the other"));
    waiter w = {.thread = &here};
    pthread_cond_init(&w.come, NULL);
    if (self->last)
        self->last->next = &w;
    else
        self->first = &w;
    self->last = &w;
    Py_INCREF(self);
    bool is_fine = true;
    while (is_fine && !w.has_turn) {
        here.awaits = self;
        sleep_a_while(&w);
        here.awaits = NULL; /* a signal's handler may wait for other turns */
        is_fine = PyErr_CheckSignals() == 0;
    }
    if (!is_fine && w.has_turn)
        tg_turn_leave((PyObject *)self);
    else if (!is_fine)
        leave_queue(self, &w);
    pthread_cond_destroy(&w.come);
    Py_DECREF(self);
    return is_fine;
}

/* In a forked child: the threads that waited are gone, and so is who had the turn, perhaps in the
 * middle of a step. */
static bool is_lost(turn_object *self)
{
    if (self->forks == forks)
        return false;
    if (self->owner && self->owner != &here)
        return true;
    self->forks = forks;
    self->first = self->last = NULL;
    return false;
}

bool tg_turn_take(PyObject *o)
{
    turn_object *self = (turn_object *)o;
    if (is_lost(self))
        return tg_check(tg_fail(
            TG_ETAPE, "another thread was in this compiled function when the process was "
                      "forked; compile it anew in the child"));
    if (self->owner && self->owner != &here)
        return wait_for(self);
    self->owner = &here;
    ++self->depth;
    return true;
}

void tg_turn_leave(PyObject *o)
{
    turn_object *self = (turn_object *)o;
    waiter *const w = self->first;
    if (--self->depth > 0)
        return;
    self->owner = NULL;
    if (!w)
        return;
    self->first = w->next;
    if (!self->first)
        self->last = NULL;
    self->owner = w->thread;
    self->depth = 1;
    w->thread->awaits = NULL;
    pthread_mutex_lock(&mutex);
    w->has_turn = true;
    pthread_cond_signal(&w->come);
    pthread_mutex_unlock(&mutex);
}

/* --- the type -------------------------------------------------------------------------------- */

static PyObject *turn_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args, (void)kwargs;
    turn_object *self = (turn_object *)PyType_GenericAlloc(type, 0);
    if (self)
        self->forks = forks;
    return (PyObject *)self;
}

static PyObject *turn_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!tg_turn_take(self))
        return NULL;
    Py_INCREF(self);
    return self;
}

static PyObject *turn_exit(PyObject *self, PyObject *unused)
{
    (void)unused;
    tg_turn_leave(self);
    Py_RETURN_NONE;
}

/* A copy of what has a turn is free to go at once. */
static PyObject *turn_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_BuildValue("(O())", Py_TYPE(self));
}

static PyMethodDef turn_methods[] = {
    {"__enter__", turn_enter, METH_NOARGS, NULL},
    {"__exit__", turn_exit, METH_VARARGS, NULL},
    {"__reduce__", turn_reduce, METH_NOARGS, NULL},
    {0},
};

static PyType_Slot turn_slots[] = {
    {Py_tp_doc, "Turn(): a context manager that one thread at a time is in, as often as it "
                "likes; the others wait in order, and Ctrl-C ends a wait."},
    {Py_tp_new, turn_new},
    {Py_tp_dealloc, tg_free_object},
    {Py_tp_methods, turn_methods},
    {0, NULL},
};

static PyType_Spec turn_spec = {
    .name = "tapegrad._core.Turn",
    .basicsize = sizeof(turn_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = turn_slots,
};

static PyTypeObject *turn_type;

bool tg_is_turn(PyObject *o) { return Py_TYPE(o) == turn_type; }

int tg_add_turn_type(PyObject *module)
{
    if (!(turn_type = tg_add_type(module, &turn_spec)))
        return TG_EPYTHON;
    return pthread_atfork(NULL, NULL, after_fork_in_child) == 0 ? TG_OK : TG_EMEMORY;
}
