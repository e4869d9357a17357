/* serve.h: `cofferdam serve` for tests, in a place of tests/lib/place.h. Its standard error goes to "log" there. */
#pragma once

#include "tests/lib/program.h"

#include <stdbool.h>

struct serve {
	struct program program;
	unsigned port;
	char line[128]; /* what it said: its address */
};

/* Starts it and waits until it says that it is ready. */
struct serve serve_start(const char *state_dir);
/* SIGNAL must end it with 0, and the one line was all it said. */
void serve_stop(struct serve *serve, int signal);

/* Does GET /health answer 200? */
bool serve_is_healthy(unsigned port);
void serve_wait_until_healthy(unsigned port);

/* Its two halves; -1: there is none now. */
pid_t serve_service(const struct serve *serve);
pid_t serve_supervisor(const struct serve *serve);
/* The child under UID that has taken the place of OLD, or -1. */
pid_t serve_wait_for_another(const struct serve *serve, uid_t uid, pid_t old);

void serve_pause_msec(long msec);
