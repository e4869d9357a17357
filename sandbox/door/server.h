/* server.h: the privileged side of the door: the supervisor's loop. Part of the program `cofferdam supervise`: it logs.
 *
 * One thread, one epoll: the listening socket, the engine, a signalfd, and one descriptor per connection. Nothing here
 * ever waits for a client: requests and replies are single messages, received and sent without blocking; output is
 * spliced by the engine. A connection goes through these states:
 *
 *   WAITING  accepted, its peer's uid allowed; must send its request within DOOR_PATIENCE_SEC
 *   RUNNING  its run is with the engine; CANCEL or a hang-up ends the run
 *   ORPHAN   the client is gone or was refused; the run is being taken down
 *
 * It is closed with its reply. What is malformed gets an error reply; the server goes on. */
#pragma once

#include "sandbox/sandbox.h"

#include <sys/types.h>

enum {
	DOOR_PATIENCE_SEC = 5,
	DOOR_UIDS_MAX = 8,
};

struct door_options {
	const char *path;	   /* of the socket; a stale socket there is replaced, anything else is not */
	uid_t uids[DOOR_UIDS_MAX]; /* who may connect */
	size_t nuids;
};

struct door;

/* Listens for requests to SANDBOX (borrowed until door_close). SIGTERM and SIGINT are blocked from here on: they end
 * door_run. 0 or -errno with ERR: -EADDRINUSE when another supervisor answers at the path. */
int door_open(const struct door_options *options, struct sandbox *sandbox, struct door **ret,
	struct sandbox_error *err);

/* Serves until SIGTERM or SIGINT: 0; or until the host fails: -errno with ERR. Runs may still be open. */
int door_run(struct door *door, struct sandbox_error *err);

/* Stops listening, removes the socket if it is still ours. Open runs are reported to nobody. Call it after
 * sandbox_close, which ends them. Accepts NULL; returns NULL. */
struct door *door_close(struct door *door);
