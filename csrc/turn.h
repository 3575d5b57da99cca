/* turn.h: one thread after the other. See pyturn.c. */
#ifndef TG_TURN_H
#define TG_TURN_H

#include "python.h"

bool tg_is_turn(PyObject *o);
/* Wait until no other thread has the turn, and take it; a thread that has it may take it again.
 * Lets go of the interpreter lock while it waits. false, an error set: interrupted, or the wait
 * would never end. */
bool tg_turn_take(PyObject *turn);
void tg_turn_leave(PyObject *turn); /* once for each take */

#endif
