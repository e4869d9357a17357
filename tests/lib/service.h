/* service.h: the real cofferdam-service for tests, at a supervisor of tests/lib/supervisor.h or at none. What fails
 * here fails the running test; libcheck then kills the process with it. */
#pragma once

#include "tests/lib/supervisor.h"

struct test_service {
	char dir[64];  /* STATE_DIR, fresh; its log is DIR/service.log */
	char url[128]; /* "http://127.0.0.1:43210" */
	pid_t pid;     /* 0: not running */
	/* Between begin and start: how far its wall clock is ahead of ours, in seconds (needs tests/aws/clock.so). */
	long ahead_sec;
};

/* Makes the directory. */
void service_begin(struct test_service *service);
/* Starts it on any free port with further OPTIONS ("--role=api", …; NULL-terminated, may be NULL) and waits until it is
 * ready. SUPERVISOR: NULL is none. Again after a stop or kill: it finds what it had stored. */
void service_start(
	struct test_service *service, const struct supervisor *supervisor, const char *const options[]);
/* SIGTERM; it must end with status 0. */
void service_stop(struct test_service *service);
/* SIGKILL. */
void service_kill(struct test_service *service);
/* Stops it if it runs, and removes the directory. */
void service_end(struct test_service *service);
