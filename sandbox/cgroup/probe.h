/* probe.h: finds each controller and the directory that may hold our slots. Private to sandbox/cgroup.
 *
 * Takes the kernel's tables as text and the file system through one directory descriptor, so that tests feed it the
 * tables of hosts they do not run on. It only reads. */
#pragma once

#include "sandbox/cgroup/cgroup.h"

/* With processes directly in it, a v2 group cannot hand controllers to its children ("no internal processes"). In a
 * delegated subtree the engine therefore steps aside into a leaf of this name. systemd 254's DelegateSubgroup= puts
 * a service there from the start. */
#define PROBE_LEAF "supervisor"

struct probe_input {
	const char *mountinfo; /* /proc/self/mountinfo */
	const char *self;      /* /proc/self/cgroup */
	int root_fd;	       /* borrowed; what absolute paths are relative to: "/" */
	const char *parent;    /* as cgroup_probe */
};

/* As cgroup_probe. */
int probe_controllers(const struct probe_input *input, struct cgroup_where ret[CGROUP_CONTROLLER_N],
	struct sandbox_error *err);

/* Is WORD one of the words of LIST, which SEPARATOR divides ("cpu,cpuacct"; "cpu memory pids")? */
bool probe_has_word(const char *list, char separator, const char *word);

/* Is DIR (borrowed) a v2 hierarchy's real root? Processes may live there beside children with controllers. */
bool probe_is_root(int dir);

enum probe_procs { PROBE_PROCS_NONE, PROBE_PROCS_OWN, PROBE_PROCS_FOREIGN };
/* Who is directly in DIR: nobody, only the calling process, or others too (also: it cannot be read). */
enum probe_procs probe_procs(int dir);
