/* view.h: directories that a user cannot reach where they are. */
#pragma once

#include "sandbox/base/error.h"

#include <stddef.h>
#include <sys/types.h>

/* The service is no root and owns none of the directories above its own: with an installation below /root (mode 0700)
 * it could reach nothing. When a directory above one of PATHS (absolute, resolved, existing) may not be searched by UID,
 * the calling process moves to its own mount namespace in which that directory is an empty one that may, and PATHS are
 * attached at their places in it. Everything else below that directory is then out of its sight.
 *
 * Needs CAP_SYS_ADMIN. Nothing is done when every path can be reached. 0 or -errno with ERR. */
int view_make_reachable(const char *const *paths, size_t npaths, uid_t uid, struct sandbox_error *err);
