/* notes.h: what a traced run did that its profile refuses: read, said, and made into a proposal. */
#pragma once

#include "sandbox/sandbox.h"

#include <jansson.h>

/* Takes the notes out of FD (sandbox_options.trace_fd), which is empty then, and says them on standard error. *RET (owned):
 *   calls           one object per kind: name, args (index and value of those that tell), count, answer (the profile's:
 *                   an errno's name, or "ends"), made
 *   proposal        {"syscalls": [...]}, entries that stand before all others of seccomp/PROFILE.json
 *   never_proposed  one object per kind: name, count, reason
 * 0, or -errno with ERR. */
int notes_take(int fd, const char *profile, json_t **ret, struct sandbox_error *err);
