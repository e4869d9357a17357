/* layers.h: the payload with a chosen set of layers around it, put on by plain system calls and without the engine. */
#pragma once

#include "sandbox/base/layers.h"
#include "sandbox/cgroup/cgroup.h"

#include <linux/filter.h>
#include <stdint.h>

/* In the order in which they are put on top of each other. */
#define LAYERS_TABLE(X)                                                                                      \
	X(PID, "pid")                                                                                        \
	X(MOUNT, "mount")                                                                                    \
	X(NETWORK, "network")                                                                                \
	X(USER, "user")                                                                                      \
	X(IPC, "ipc")                                                                                        \
	X(UTS, "uts")                                                                                        \
	X(CGROUP, "cgroup")	      /* a fresh group with limits, joined and removed; and its namespace */ \
	X(SPECULATION, "speculation") /* none of store bypass and indirect branches */                       \
	X(SECCOMP, "seccomp")                                                                                \
	X(LANDLOCK, "landlock")                                                                              \
	X(RLIMITS, "rlimits")                                                                                \
	X(IMAGE, "image") /* as the root, with a tmpfs to work in; in a mount namespace */

enum layer {
#define X(symbol, name) LAYER_##symbol,
	LAYERS_TABLE(X)
#undef X
		LAYER_N,
};

struct layers_run {
	unsigned layers;	   /* bit I: layer I */
	int payload_fd;		   /* borrowed */
	const char *name, *count;  /* the payload's arguments */
	const char *directory;	   /* to work in: a tmpfs */
	const char *image;	   /* directory */
	struct cgroup_host *host;  /* where groups are made */
	struct sock_fprog program; /* borrowed */
	struct layers offered;	   /* by this kernel */
};

/* Runs it to its end. What the payload printed: the nanoseconds of its work. Ends the program when that fails. */
uint64_t layers_run(const struct layers_run *run);
