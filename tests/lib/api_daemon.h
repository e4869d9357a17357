/* api_daemon.h: the service's HTTP side within this process: the real API on real (small) stores behind a libmicrohttpd
 * that is driven from here, one connection at a time over a socket pair. No port, and no thread but the one that syncs the stores, so that every step can be
 * watched and repeated. For fuzzers too: nothing here needs libcheck. */
#pragma once

#include "service/api.h"
#include "service/database.h"
#include "service/http_exchange.h"

#include <stdbool.h>

/* In the store from the start: a finished job with an output, and one that is queued. */
#define API_DAEMON_FINISHED "00000000-0000-4000-8000-000000000001"
#define API_DAEMON_QUEUED "00000000-0000-4000-8000-000000000002"

struct api_daemon {
	char dir[256]; /* of the stores; below TMPDIR */
	struct database *database;
	struct service service;
	struct api api;
	struct http_exchanges exchanges;
	struct MHD_Daemon *daemon;
};

/* Links are signed with a key of 'k' alone, so that they can be written down. 0 or a negative errno. */
int api_daemon_open(struct api_daemon *daemon, const char *policies_dir);
void api_daemon_close(struct api_daemon *daemon);
/* The stores anew, as they were at first. */
int api_daemon_reset(struct api_daemon *daemon);

/* The stores alone, for who wants to open and close them. */
int api_daemon_open_stores(struct api_daemon *daemon);
void api_daemon_close_stores(struct api_daemon *daemon);

/* A client sends DATA, CHUNK bytes at a time, closes its side, and reads into ANSWER (of ROOM bytes; the rest is
 * dropped) until the connection ends. Returns the size of what it read, or a negative errno: -ENOMEM when the
 * connection was not taken, -ETIMEDOUT when it does not end. */
ssize_t api_daemon_talk(
	struct api_daemon *daemon, const void *data, size_t size, size_t chunk, char *answer, size_t room);
