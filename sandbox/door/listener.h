/* listener.h: the supervisor's socket in the file system. */
#pragma once

#include "sandbox/door/address.h"

#include <sys/stat.h>

struct listener {
	int fd;			/* owned; non-blocking; -1: closed */
	struct address address; /* owned */
	dev_t dev;		/* of the socket that we made */
	ino_t ino;
};

/* Listens at PATH, for everybody: who may talk is decided by SO_PEERCRED, not by the file's mode. A socket at PATH that
 * nobody answers is replaced; -EADDRINUSE when somebody does, -EEXIST when PATH is no socket; ERR filled. */
int listener_open(const char *path, struct listener *ret, struct sandbox_error *err);

/* Closes it, and removes the socket if it is still the one we made. */
void listener_close(struct listener *listener);
