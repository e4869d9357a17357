/* confine.h: how the privileged half holds itself down. */
#pragma once

#include "sandbox/base/error.h"

/* For the supervisor, before it makes an engine, so that the launcher is held as well: an empty network namespace, no
 * capability but those that cells need, in any set and for good (bounding set), no_new_privs. Single-threaded callers only.
 * 0 or -errno with ERR (stage "supervise.network" or "supervise.capabilities"). */
int confine_supervisor(struct sandbox_error *err);
