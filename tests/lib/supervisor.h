/* supervisor.h: a real `cofferdam supervise` for tests that talk through the door. */
#pragma once

#include "sandbox/sandbox.h"
#include "tests/lib/test.h"

#include <sys/types.h>

enum { SUPERVISOR_SERVICE_UID = 1879048191 };

struct supervisor {
	pid_t pid;
	int slot;	    /* of its engine's cgroups and user ids */
	char policies[64];  /* the shipped ones and those of tests/policies */
	char state_dir[64]; /* STATE_DIR */
	char socket[128];
	const char *argument; /* borrowed; NULL, or one more for the next supervisor_start */
};

/* Starts one and waits until it is ready; the caller has asked cell_skip_reason(). Fails the test otherwise. */
void supervisor_open(struct supervisor *supervisor);
/* Starts it again in the same place. */
void supervisor_start(struct supervisor *supervisor);
/* SIGTERM: it must end with 0 and leave no socket, no cgroup, no process of a cell; its directories are removed. */
void supervisor_close(struct supervisor *supervisor);
/* SIGKILL. */
void supervisor_kill(struct supervisor *supervisor);
/* How many descriptors it has open. */
unsigned supervisor_descriptors(const struct supervisor *supervisor);
/* Runs `cofferdam supervise` in the same place until it ends by itself: its exit status. */
int supervisor_try(const struct supervisor *supervisor);

/* "DIR/cofferdam", where the build put it. */
const char *supervisor_program(void);
