/* cgroup.h: one small interface over cgroup v2, v1 and hybrids, chosen per controller by probing.
 *
 * An engine claims one slot: a directory "cofferdam-<n>" in each hierarchy it uses, held by an flock for as long as
 * the engine lives (the kernel drops it when the engine dies, however). The slot's number also gives the engine its
 * block of user ids. Slots whose lock is free are swept by the next engine. A forked child that outlives the engine must
 * close what it inherited, else it keeps the lock. */
#pragma once

#include "sandbox/base/error.h"
#include "sandbox/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cgroup_controller { CGROUP_CPU, CGROUP_CPUACCT, CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CONTROLLER_N };

/* "cpu", "cpuacct", "memory", "pids". */
const char *cgroup_controller_name(enum cgroup_controller controller);

/* Where one controller lives. CPUACCT on v2 is cpu.stat of the cpu controller's directory. */
struct cgroup_where {
	int version;	  /* 1 or 2; 0: not found */
	char mount[256];  /* "/sys/fs/cgroup/memory" */
	char parent[512]; /* directory, relative to the mount, that holds the slots; "" is the mount itself */
	char reason[128]; /* version 0: why, and what to change */
};

/* What this host offers; changes nothing on it. PARENT: NULL, or a path below every used mount (configuration; the
 * directory must exist). Without one: on v2 our own group when systemd delegated it to us (the extended attribute;
 * being in its leaf "supervisor" counts too), else the top of the mount; on v1 the top of the mount.
 * Always fills all entries; returns 0, or -ENOTSUP with ERR naming the first missing controller and the remedy. */
int cgroup_probe(const char *parent, struct cgroup_where ret[CGROUP_CONTROLLER_N], struct sandbox_error *err);

struct cgroup_host; /* an engine's slot */

/* To be called before the process that will open a slot forks anything. With processes in it a v2 group cannot hand
 * controllers down; so where the caller is alone in the parent that cgroup_probe finds (a delegated group), it moves
 * into a leaf "supervisor" below, where its children then begin. The leaf stays. Elsewhere nothing happens. 0, or what
 * cgroup_probe returns, or a negative errno with ERR. */
int cgroup_step_aside(const char *parent, struct sandbox_error *err);

/* Probes, claims a free slot, sweeps dead ones (kills what is left in them, removes their directories), and tries
 * every limit once on a scratch group. Controllers that a v2 parent hands down for it stay handed down. 0, or a
 * negative errno with ERR: -ENOTSUP when this host cannot enforce a limit. */
int cgroup_host_open(const char *parent, struct cgroup_host **ret, struct sandbox_error *err);
/* Removes the slot's directories. Accepts NULL; returns NULL. */
struct cgroup_host *cgroup_host_close(struct cgroup_host *host);
/* 0..1023: this engine's slot on this kernel. */
unsigned cgroup_host_slot(const struct cgroup_host *host);

struct cgroup; /* one cell's group: a directory per hierarchy below the slot */

/* A group for one cell, named NAME (at most 63 bytes, no '/'; fresh: an existing directory is -EEXIST, never reused),
 * with limits under which nothing lives: no memory, no fork, 1 % of a CPU. Give it its real ones with cgroup_set
 * before anything joins. */
int cgroup_create(struct cgroup_host *host, const char *name, struct cgroup **ret, struct sandbox_error *err);

/* Sets memory (no swap), processes (+1 for init), CPU bandwidth. Verified by reading back; -EIO when the kernel
 * holds another value. */
int cgroup_set(struct cgroup *cgroup, const struct sandbox_limits *limits, struct sandbox_error *err);

/* For the launcher, when every controller is on v2: the group's directory for clone3's CLONE_INTO_CGROUP (Linux 5.7),
 * borrowed; cgroup_join_fds then returns 0. Otherwise -1. */
int cgroup_into_fd(const struct cgroup *cgroup);

/* For the launcher otherwise: descriptors of the files into which a process writes "0" to join (v1 `tasks`, which moves
 * one thread: join before making others; v2 `cgroup.procs`), one per hierarchy, that which counts CPU
 * time last; borrowed. Returns how many (at most CGROUP_CONTROLLER_N). */
size_t cgroup_join_fds(const struct cgroup *cgroup, int ret[CGROUP_CONTROLLER_N]);

struct cgroup_usage {
	uint64_t cpu_usec; /* the kernel's total */
	uint64_t user_usec;
	uint64_t system_usec;
};
/* CPU used by the whole group until now, ended processes included. Lags by a scheduler tick per CPU at most. */
int cgroup_usage(struct cgroup *cgroup, struct cgroup_usage *ret, struct sandbox_error *err);

struct cgroup_evidence {
	uint64_t memory_peak_bytes;
	uint64_t oom_kills;
	uint64_t processes_peak; /* init included; 0: the kernel does not tell */
	uint64_t forks_refused;
};
int cgroup_evidence(struct cgroup *cgroup, struct cgroup_evidence *ret, struct sandbox_error *err);

/* Descriptors to watch for "an OOM kill or a refused fork may have happened" with epoll events EVENTS (v2: EPOLLPRI
 * on *.events; v1: EPOLLIN on an eventfd); after one fires, clear it, then read cgroup_evidence. Borrowed.
 * *NEEDS_POLL is true (v1) when that is not enough and evidence must be looked for from time to time: v1 announces
 * an OOM just before it kills, so that the evidence may follow the event, and does not announce refused forks. */
struct cgroup_event {
	int fd;
	uint32_t events;
};
size_t cgroup_events(const struct cgroup *cgroup, struct cgroup_event ret[2], bool *needs_poll);
/* Re-arms an event descriptor after it fired (v1: reads the eventfd; v2: reads the file). */
void cgroup_event_clear(struct cgroup *cgroup, int fd);

/* Kills the processes of the group: all of them at once where the kernel can (v2 cgroup.kill, 5.14); elsewhere one after the
 * other, by pidfds, and what they start meanwhile may escape: who must be sure kills a cell's init as well. The limit on
 * CPU bandwidth is lifted: it would hold back their end. 0 or a negative errno. */
int cgroup_kill(struct cgroup *cgroup);

/* Removes the directories. 0: gone and freed. CGROUP_BUSY (1): not yet, as processes are still ending or the kernel
 * refuses otherwise; call again later, or cgroup_forget it. */
enum { CGROUP_BUSY = 1 };
int cgroup_destroy(struct cgroup *cgroup);
/* Frees it alone. What is left of the directories goes with the slot. */
void cgroup_forget(struct cgroup *cgroup);
