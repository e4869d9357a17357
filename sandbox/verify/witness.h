/* witness.h: the host, as it is to be found again after an attack.
 *
 * One function looks at everything that an attack could leave behind or break; `cofferdam verify` and the tests call it
 * before and after. Two looks at a host at rest are equal, fact by fact; what differs has a name. Cells are taken down
 * in the background: look again until the host has come to rest (trial.c does).
 *
 * Not for threads: it walks directories with static buffers. Needs root to see the links of its children. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* X(symbol, name). Processes are those below the calling one. Sums are over names and values, so that an exchange of
 * one thing for another shows too. */
#define WITNESS_TABLE(X)                                                                                     \
	X(SLOT, "cgroup slot")			    /* of the engine in this process; -1: none */            \
	X(DESCRIPTORS, "descriptors of the engine") /* and what each of them is: */                          \
	X(DESCRIPTOR_SUM, "sum over its descriptors")                                                        \
	X(MOUNTS, "mounts") /* of this mount namespace */                                                    \
	X(MOUNT_SUM, "sum over the mount table")                                                             \
	X(PROCESSES, "processes below the engine")                                                           \
	X(THREADS, "threads of theirs")                                                                      \
	X(RUNNABLE, "runnable ones among them") /* load that is left */                                      \
	X(STOPPED, "stopped ones among them")                                                                \
	X(THEIR_DESCRIPTORS, "descriptors of theirs") /* the launcher's */                                   \
	X(NAMESPACES, "sum over namespaces")	      /* ours and theirs */                                  \
	X(CELL_GROUPS, "cgroups of cells")                                                                   \
	X(CELL_PROCESSES, "processes under a cell's user id")                                                \
	X(SETTINGS, "sum over the kernel's settings") /* core_pattern, modprobe, host name, swaps … */     \
	X(EXECUTABLE, "sum over the engine's own program") /* its bytes, its mode, its times */              \
	X(IMAGE, "sum over the image") /* 0 until the caller puts witness_image_sum there */

enum witness_fact {
#define X(symbol, name) WITNESS_##symbol,
	WITNESS_TABLE(X)
#undef X
		WITNESS_N,
};

struct witness {
	int64_t facts[WITNESS_N];
};

struct witness_scope {
	const char *cgroup_parent; /* as the engine was given; NULL: by probing */
	uint32_t uid_base;	   /* as the engine was given; 0: its default */
};

void witness_look(const struct witness_scope *scope, struct witness *ret);
/* The same once no process below is runnable any more, or some seconds have passed. */
void witness_look_at_rest(const struct witness_scope *scope, struct witness *ret);

bool witness_equal(const struct witness *a, const struct witness *b);
/* "mounts 31 (was 30), …" into BUF; "" when they are equal. */
void witness_difference(const struct witness *now, const struct witness *before, char *buf, size_t size);

/* A sum over names, sizes, modes, owners and times in an image's directory, and with CONTENT over every byte, through the
 * page cache. 0 when the directory cannot be read. */
uint64_t witness_image_sum(const char *path, bool has_content);

/* Living processes under the user ids of a slot. */
unsigned witness_slot_processes(uint32_t uid_base, int slot);

/* The directory of SLOT in the hierarchy of CONTROLLER (enum cgroup_controller). False: there is no such hierarchy. */
bool witness_slot_path(const char *cgroup_parent, int slot, int controller, char *path, size_t size);
