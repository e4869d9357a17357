/* launcher.h: the process that makes cells. It lives in a mount namespace that holds the root images, read-only, and
 * nothing of the host; so a cell's copy of it is small, and a host path cannot be named in a cell even before its
 * root is changed. It is forked from the engine before that has grown, and does one thing. */
#pragma once

#include "sandbox/cell/wire.h"

/* Forks a launcher that takes its images from IMAGES_DIR. *RET_SOCK (owned): speak wire.h on it; closing it ends the
 * launcher and all its cells. *RET_PIDFD (owned): to be waited for. 0 or -errno with ERR. The launcher dies with its parent. */
int launcher_start(const char *images_dir, int *ret_sock, int *ret_pidfd, struct sandbox_error *err);

/* The calling process, and all it will start, cannot answer what a seccomp program asks (ENOSYS). It has no_new_privs. 0, or
 * -1 with errno. In the launcher. */
int launcher_forbid_answers(void);

/* Makes the launcher's mount namespace: the images of LIST below a read-only root. In the launcher. (rootns.c) */
int rootns_enter(const char *images_dir, const struct wire_images *list, struct sandbox_error *err);
