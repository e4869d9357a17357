/* internal.h: what the files of sandbox/cgroup share.
 *
 *   probe.c   where each controller is
 *   host.c    an engine's slot: claimed, swept, given back
 *   sweep.c   empties and removes what a dead engine left
 *   v1.c v2.c common.c the files of one version, as a table with one row per controller
 *   values.c  numbers in and out of such files
 *   cgroup.c  one cell's group, over the two tables */
#pragma once

#include "sandbox/cgroup/cgroup.h"

#include <sys/types.h>

#define CGROUP_PREFIX "cofferdam-"

enum { CGROUP_SLOTS = 1024, CGROUP_NAME_SIZE = 64 };

/* A hierarchy in use: one directory per slot and per cell, however many controllers it has. */
struct cgroup_tree {
	int version;
	unsigned controllers; /* bits 1 << enum cgroup_controller */
	const struct cgroup_where *where;
	int parent_fd; /* owned: the directory that holds the slots */
	int slot_fd;   /* owned: ours */
};

struct cgroup_host {
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	struct cgroup_tree trees[CGROUP_CONTROLLER_N];
	size_t ntrees;
	unsigned slot;
	char slot_name[32];
	int top_fd;  /* owned: the top of the first hierarchy, where slots are locked */
	int lock_fd; /* owned: our slot's directory there, with the flock */
};

enum { CGROUP_KEPT = 12 };

/* A directory of a group. What is read from it once stays open: later readings need no descriptor and no path. */
struct cgroup_dir {
	int fd; /* owned */
	struct {
		const char *file; /* static */
		int fd;		  /* owned; -1: this kernel has no such file */
	} kept[CGROUP_KEPT];
	size_t nkept;
};

struct cgroup {
	struct cgroup_host *host; /* borrowed */
	char name[CGROUP_NAME_SIZE];
	struct cgroup_dir dirs[CGROUP_CONTROLLER_N]; /* one per tree */
	int join_fds[CGROUP_CONTROLLER_N];	     /* owned, one per tree */
	struct cgroup_event events[2];		     /* fds owned */
	size_t nevents;
	uint64_t memory_seen; /* kernels without a peak: the largest usage that was read */
};

/* One controller of one version. A NULL function has nothing to do. DIR is the group's directory, borrowed. */
struct controller_ops {
	/* Files and values that no run may change, and the tightest limits, in the order of writing. */
	const struct tight_row {
		const char *file; /* NULL ends the table */
		const char *value;
		bool is_optional; /* the kernel may lack it */
	} * tight;
	/* What holds back even the end of killed processes, and the value with which it does not. */
	struct tight_row brake;
	int (*set)(int dir, const struct sandbox_limits *limits, struct sandbox_error *err);
	int (*usage)(struct cgroup_dir *dir, struct cgroup_usage *ret, struct sandbox_error *err);
	int (*evidence)(struct cgroup *cgroup, struct cgroup_dir *dir, struct cgroup_evidence *ret,
		struct sandbox_error *err);
	/* Opens what tells of an event; RET->fd is owned by the caller. 0 or a negative errno. */
	int (*watch)(int dir, struct cgroup_event *ret, struct sandbox_error *err);
	void (*clear)(int fd);
};

extern const struct controller_ops cgroup_v1_ops[CGROUP_CONTROLLER_N];
extern const struct controller_ops cgroup_v2_ops[CGROUP_CONTROLLER_N];

static inline const struct controller_ops *cgroup_ops(int version, enum cgroup_controller controller)
{
	return version == 1 ? &cgroup_v1_ops[controller] : &cgroup_v2_ops[controller];
}

/* values.c: numbers in cgroup files. All return 0 or a negative errno with ERR naming FILE, stage "cgroup.read" or
 * "cgroup.set"; none allocates. */

/* FILE (static) as text without its last newline; what does not fit is left out. Its length or a negative errno. */
ssize_t cgroup_text(struct cgroup_dir *dir, const char *file, char *buf, size_t size);
void cgroup_dir_close(struct cgroup_dir *dir);
/* The number after KEY in a file of "key value" lines ("oom_kill 3"); KEY NULL: the whole file is the number. */
int cgroup_read(
	struct cgroup_dir *dir, const char *file, const char *key, uint64_t *ret, struct sandbox_error *err);
/* The same for text already read; -ENODATA when KEY is not in it. */
int cgroup_find(const char *text, const char *key, uint64_t *ret);
/* Writes TEXT to FILE and reads it back; -EIO when another value is in force. */
int cgroup_write(int dir, const char *file, const char *text, struct sandbox_error *err);
/* The same for a number of bytes, which the kernel rounds down to whole pages. */
int cgroup_write_bytes(int dir, const char *file, uint64_t bytes, struct sandbox_error *err);

/* common.c: what both versions have in common. */

/* CPU bandwidth as the kernel takes it. */
struct cgroup_bandwidth {
	uint64_t quota_usec;
	uint64_t period_usec;
};
struct cgroup_bandwidth cgroup_bandwidth(const struct sandbox_limits *limits);
/* The pids controller has the same files in both. */
int cgroup_pids_set(int dir, const struct sandbox_limits *limits, struct sandbox_error *err);
int cgroup_pids_evidence(struct cgroup *cgroup, struct cgroup_dir *dir, struct cgroup_evidence *ret,
	struct sandbox_error *err);

/* sweep.c */
/* Kills the processes that DIR lists. Returns how many those are, or a negative errno; what they start meanwhile may escape. */
int cgroup_kill_listed(int dir);
/* Kills every process in DIR and below and removes the groups below it (not DIR itself). Gives up at
 * DEADLINE_NSEC (CLOCK_MONOTONIC) with -EBUSY. 0 or a negative errno. */
int cgroup_sweep(int dir, uint64_t deadline_nsec);
uint64_t cgroup_now_nsec(void);
