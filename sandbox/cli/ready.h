/* ready.h: saying that a program is ready. */
#pragma once

#include "sandbox/base/error.h"

/* Writes LINE into FD and closes it (-1: nobody asked), and tells systemd when it started us with Type=notify
 * (sd_notify(3)). 0 or -errno with ERR. */
int ready_announce(int fd, const char *line, struct sandbox_error *err);
