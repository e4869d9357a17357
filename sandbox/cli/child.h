/* child.h: a process that `cofferdam serve` keeps alive. */
#pragma once

#include "sandbox/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
	CHILD_READY_FD = 3, /* in the child: where it says READY */
	CHILD_STOP_SEC = 15,
};

struct child {
	const char *name;      /* borrowed: "supervisor" */
	int pidfd;	       /* owned; -1: not running */
	int ready_fd;	       /* owned; -1: not running, or ready */
	bool has_been_ready;   /* ever */
	uint64_t start_msec;   /* not running: when to start it */
	uint64_t started_msec; /* running: since when */
	uint64_t wait_msec;    /* before the next start, should it end soon */
};

#define CHILD_INIT(its_name)                                                                                 \
	{                                                                                                    \
		.name = its_name, .pidfd = -1, .ready_fd = -1                                                \
	}

/* Starts it: standard input /dev/null, standard output where errors go, no signal blocked, no other descriptor than
 * CHILD_READY_FD, working directory "/". BECOME is called in it, to exec; it returns only on failure. 0 or -errno. */
int child_start(struct child *child, int (*become)(const void *user, struct sandbox_error *err),
	const void *user, struct sandbox_error *err);

/* In BECOME, after the last change of user: ends the child by SIGTERM when its parent is gone. */
int child_follow_parent(struct sandbox_error *err);

/* Its pidfd is readable: *STATUS is as wait(2) tells it. Plans the next start: at once after a long life, else after
 * a growing pause. */
int child_ended(struct child *child, int *status, struct sandbox_error *err);

/* Its ready_fd is readable: what it says, without "READY" and the line's end. False: nothing; it is about to end. */
bool child_is_ready(struct child *child, char *line, size_t size);

/* SIGTERM, CHILD_STOP_SEC of patience, SIGKILL. */
void child_stop(struct child *child);

uint64_t child_now_msec(void);
