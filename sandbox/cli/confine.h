/* confine.h: how `cofferdam` holds down what it becomes: the supervisor, the service. */
#pragma once

#include "sandbox/base/error.h"
#include "sandbox/policy/filter.h"

/* For the supervisor, before it makes an engine, so that the launcher is held as well: an empty network namespace, no
 * capability but those that cells need, in any set and for good (bounding set), no_new_privs. Single-threaded callers only.
 * 0 or -errno with ERR (stage "supervise.network" or "supervise.capabilities"). */
int confine_supervisor(struct sandbox_error *err);

/* The seccomp program of "supervisor" or "service", from POLICIES_DIR/seccomp/NAME.json. *RET: the caller's (filter_free).
 * 0 or -errno with ERR. */
int confine_read(
	const char *policies_dir, const char *name, struct filter_program *ret, struct sandbox_error *err);
/* Puts PROGRAM on this process and all that it becomes. Needs no_new_privs. 0 or -errno with ERR. */
int confine_enter(const struct filter_program *program, struct sandbox_error *err);
