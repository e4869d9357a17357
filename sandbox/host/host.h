/* host.h: what this host offers for running untrusted code and what it lacks, control by control: the answers behind
 * `cofferdam doctor`.
 *
 * Nothing is guessed from a version: every control is tried, in a forked child where trying it would change the
 * caller. Nothing is printed, and nothing on the host stays changed: a cgroup slot is claimed for a
 * moment. */
#pragma once

#include <stddef.h>

enum host_status {
	HOST_OK,
	HOST_WARN,    /* runs are possible; a layer of defence in depth is weaker than it could be */
	HOST_MISSING, /* runs would be refused */
};

/* "ok", "warn", "missing"; NULL when out of range. */
const char *host_status_name(enum host_status status);

/* One control. Plain data. */
struct host_control {
	const char
		*name; /* static: "namespace.user", "cgroup.memory", "seccomp.notify": lower case with dots */
	enum host_status status;
	char detail
		[192]; /* one line: what was found ("/sys/fs/cgroup/memory, cgroup v1", "open_tree: ENOSYS") */
	char remedy[256]; /* one line: what to change; "" when the status is HOST_OK */
};

enum { HOST_CONTROLS_MAX = 64 };

/* Where this installation lives; borrowed. A NULL leaves out the controls that need it. */
struct host_paths {
	const char *images_dir; /* holds one directory per root image */
	const char
		*state_dir; /* jobs, objects, the artifact cache: its file system's free space is looked at */
	const char *cgroup_parent; /* as sandbox_options.cgroup_parent; NULL: chosen by probing */
};

/* Tries every control, in a fixed order that reads from the kernel outwards. Returns how many entries of RET were
 * filled. Forks children and waits for them; SIGCHLD must not be ignored. A probe that cannot be carried out (no memory,
 * no process) counts as missing and says so: there is no other failure. */
size_t host_probe(const struct host_paths *paths, struct host_control ret[HOST_CONTROLS_MAX]);

/* The worst status among N controls; HOST_OK for none. `cofferdam doctor` exits with 1 when it is HOST_MISSING. */
enum host_status host_worst(const struct host_control *controls, size_t n);
