/* nudge.h: no round of the door's loop waits for a stranger.
 *
 * What a client sends can be a socket that lingers: whichever call lets its last descriptor go (a close, a receive that has
 * no room for it, the end of a connection with messages that nobody read) waits in the kernel for as long as the client
 * chose, and the limits of every run go unwatched meanwhile. Such a wait ends with any signal. */
#pragma once

#include "sandbox/base/error.h"

enum { NUDGE_MSEC = 100 };

/* Gives SIGALRM a handler that does nothing. 0 or -errno with ERR. */
int nudge_open(struct sandbox_error *err);

/* From now on, until nudge_stop, a system call that waits is interrupted after NUDGE_MSEC, and again. */
void nudge_start(void);
void nudge_stop(void);
