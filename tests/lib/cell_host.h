/* cell_host.h: the host as a test sees it, before and after. */
#pragma once

#include "tests/lib/cell.h"

struct host_state {
	int slot;	      /* of the engine that this process holds; -1: none */
	unsigned descriptors; /* of this process */
	unsigned mounts;      /* of this mount namespace */
	unsigned processes;   /* below this process */
	unsigned cell_groups; /* cgroup directories below the slot */
	unsigned cell_owned;  /* processes under a user id of the engine's block */
};

/* The directories of a slot, by inode: a later engine's slot of the same number is another one. */
struct host_slot {
	int slot;
	ino_t directories[4]; /* per controller; 0: none */
};

void host_slot_read(int slot, struct host_slot *ret);
/* Is every one of them gone? */
bool host_slot_is_gone(const struct host_slot *slot);

/* By number alone, for an engine of another process: gone, or already a later engine's. */
bool host_slot_is_free(int slot);

void host_state_read(struct host_state *ret);
bool host_state_equal(const struct host_state *a, const struct host_state *b);
/* Living processes under the user ids of a slot, whoever's engine it is. */
unsigned host_slot_processes(int slot);
/* Static buffer. */
const char *host_state_difference(const struct host_state *now, const struct host_state *wanted);
