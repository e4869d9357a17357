/* internal.h: the tables of controls. Private to sandbox/host.
 *
 *   privilege.c  what this process may do: root, capabilities, namespaces
 *   kernel.c     what the kernel can do: system calls, seccomp
 *   layers.c     the layers of a cell that depend on kernel and processor
 *   mounts.c     file systems and their options
 *   groups.c     cgroup controllers, swap
 *   settings.c   sysctls and processors: defence in depth
 *   install.c    root images, disk space */
#pragma once

#include "sandbox/host/host.h"

#include <stdint.h>

/* One control. Its probe runs in a child of its own and may do there what it likes. It describes what it found with
 * host_say; the remedy is the row's unless it wrote a better one. */
struct host_row {
	const char *name;
	enum host_status (*probe)(
		const struct host_row *row, const struct host_paths *paths, struct host_control *ret);
	const char *remedy;
	const char *path; /* the file to look at, where there is one */
	uint64_t number;  /* a flag or an index, where there is one */
	uint64_t minimum; /* settings: the least good value */
	uint64_t maximum; /* settings: the largest good value */
	const char *(*needs)(
		const struct host_paths *paths); /* the control is left out when this is NULL there */
	const char *if_absent; /* settings: NULL: an absent file is a warning; else: why it is none */
};

/* Tables, each ended by a row without a name. */
extern const struct host_row host_privilege_rows[], host_kernel_rows[], host_layer_rows[], host_mount_rows[],
	host_group_rows[], host_setting_rows[], host_install_rows[];

/* What was found, and STATUS: `return host_say(ret, HOST_OK, …)`. */
enum host_status host_say(struct host_control *ret, enum host_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a call that failed: "WHAT: strerror(errno)", HOST_MISSING. */
enum host_status host_failed(struct host_control *ret, const char *what);
/* Replaces the row's remedy. */
void host_advise(struct host_control *ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
