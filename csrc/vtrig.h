/* vtrig.h: see reduce_pi.c. */
#ifndef TG_VTRIG_H
#define TG_VTRIG_H

double tg_reduce_pi(double x, int *quadrant);

#endif
