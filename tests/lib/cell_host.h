/* cell_host.h: the host as a test sees it, before and after. */
#pragma once

#include "sandbox/verify/witness.h"
#include "tests/lib/cell.h"

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

/* Processes of cells in the slot, as cell_pids(). */
size_t host_slot_pids(int slot, pid_t ret[CELL_PIDS]);

/* The process whose parent is PARENT: an engine's launcher. Fails the test when there is none. */
pid_t host_child_of(pid_t parent);

/* witness_look_at_rest for an engine with the usual settings. */
void host_look(struct witness *ret);
/* Living processes under the user ids of a slot, whoever's engine it is. */
unsigned host_slot_processes(int slot);
/* witness_difference in a static buffer. */
const char *host_difference(const struct witness *now, const struct witness *wanted);
