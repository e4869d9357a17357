/* client.h: the unprivileged side of the door. What the service links; no root, no engine.
 *
 * AF_UNIX SOCK_SEQPACKET, one connection per run. The client sends one request (sandbox/door/message.h: fixed layout,
 * lengths checked, version field) with all descriptors in SCM_RIGHTS; the supervisor answers with one reply and
 * closes. Closing the connection kills the run. */
#pragma once

#include "sandbox/sandbox.h"

/* Connects to the supervisor's socket at PATH, checks that the peer is root or our own user (SO_PEERCRED), and sends
 * SPEC. Nothing of SPEC is needed after it returns; the descriptors may be closed. The connection (owned by the
 * caller; closing it cancels the run) or -errno with ERR: -ECONNREFUSED/-ENOENT no supervisor, -EINVAL a bad spec. */
int door_start(const char *path, const struct sandbox_spec *spec, struct sandbox_error *err);

/* Asks for the run to be ended; the reply (cause CANCELLED, or what came first) still arrives. 0 or -errno. */
int door_cancel(int connection);

/* Receives the reply; call when CONNECTION is readable (it blocks otherwise). 0 with RESULT filled; a negative errno
 * with ERR as the supervisor reported it; -ECONNRESET when the supervisor vanished before it answered. */
int door_finish(int connection, struct sandbox_result *result, struct sandbox_error *err);

/* Is a supervisor there that accepts runs? A connection with a hello message and its reply, each of which may take a second. 0 or
 * -errno with ERR; -ETIMEDOUT: it is there and does not answer. */
int door_ping(const char *path, struct sandbox_error *err);
