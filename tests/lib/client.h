/* client.h: runs through the door of a real supervisor. */
#pragma once

#include "tests/lib/cell.h"
#include "tests/lib/supervisor.h"

#define SUPERVISOR(name)                                                                                     \
	struct supervisor name;                                                                              \
	if (cell_skip_reason() != NULL)                                                                      \
		TEST_SKIP(cell_skip_reason());                                                               \
	supervisor_open(&name)

struct client {
	int connection, out; /* owned */
	struct sandbox_error err;
};

/* The spec of a run of the probe "work". COMMAND is split at spaces into WORDS, room for 16; FILE's descriptor is the
 * caller's to close. */
struct sandbox_spec client_work(const char *command, const char **words, struct sandbox_file *file);

/* Starts one; both of its outputs come through one pipe. */
struct client client_start(const struct supervisor *supervisor, const char *command);
/* Until its output holds TEXT. */
void client_wait_for(const struct client *client, const char *text);
/* Its result; closes what is open. */
struct sandbox_result client_finish(struct client *client);

void client_wait_readable(int fd);
void client_pause(long msec);

void supervisor_expect_alive(const struct supervisor *supervisor);
/* Until no process runs under the user ids of its cells. */
void supervisor_wait_until_empty(const struct supervisor *supervisor);
/* Until it holds no more descriptors than that. */
void supervisor_wait_until_idle(const struct supervisor *supervisor, unsigned descriptors);
