/* service.h: the real service, and the real supervisor behind it, for tests. Needs BIN_DIR (and IMAGES_DIR for the
 * supervisor) in the environment, as `make test` sets them. What fails here fails the running test; libcheck then kills
 * the processes with it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct test_service {
	char dir[64];		   /* STATE_DIR, fresh */
	char url[128];		   /* "http://127.0.0.1:43210" */
	pid_t service, supervisor; /* 0: not running */
};

void service_begin(struct test_service *service);
/* Starts cofferdam-service on any free port with further OPTIONS ("--role=api", …; NULL-terminated, may be NULL) and
 * waits until it is ready. */
void service_start(struct test_service *service, const char *const options[]);
/* SIGTERM; it must end with status 0. */
void service_stop(struct test_service *service);
/* Starts `cofferdam supervise` and waits until it accepts runs. False: this host cannot (not root, no images). */
bool service_start_supervisor(struct test_service *service);
void service_stop_supervisor(struct test_service *service);
/* Stops what runs and removes the directory. */
void service_end(struct test_service *service);
