/* monotonic.h: waiting until a time that no setting of the clock moves. */
#pragma once

#include <pthread.h>

/* For pthread_cond_timedwait with times of CLOCK_MONOTONIC. */
void monotonic_condition_init(pthread_cond_t *condition);
