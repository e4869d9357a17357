/* address.h: the door's socket by a path of any length. sun_path holds 107 bytes; a path below a long state directory
 * does not fit. So the directory is opened, and the socket is named through /proc/self/fd/<directory>/<name>. */
#pragma once

#include "sandbox/base/error.h"

#include <sys/socket.h>
#include <sys/un.h>

struct address {
	int dir_fd; /* owned; must stay open as long as SUN is used */
	struct sockaddr_un sun;
	char name[108]; /* the last part of the path; it fits, as SUN holds it */
};

/* 0 or -errno with ERR, stage "door.address". */
int address_open(const char *path, struct address *ret, struct sandbox_error *err);
void address_close(struct address *address);

/* The user of the process at the other end, as it was when it connected (listened). 0 or -errno. */
int address_peer(int sock, struct ucred *ret);
