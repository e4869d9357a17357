/* ready.h: saying that a program is ready. */
#pragma once

#include "sandbox/base/error.h"

/* Writes LINE into FD and closes it. FD -1: tells systemd, when it started us with Type=notify (sd_notify(3)); a child
 * that inherits systemd's socket tells its parent through FD instead. 0 or -errno with ERR. */
int ready_announce(int fd, const char *line, struct sandbox_error *err);
