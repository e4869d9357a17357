/* http_deadline.h: a request must be complete within its time, however slowly it trickles in.
 *
 * libmicrohttpd's own timeout starts anew with every byte, so one byte every few seconds would hold a connection for
 * hours. Here every connection has a point in time by which its next request must have arrived whole. All have the
 * same time to go, so the list of connections, new and re-armed ones at its end, is sorted by itself, and one thread
 * sleeps until the first is due. It answers 408 and shuts the socket down; libmicrohttpd sees the end and cleans up. */
#pragma once

#include "sandbox/base/error.h"

struct http_deadlines;
struct http_deadline; /* one connection */

int http_deadlines_open(unsigned timeout_sec, struct http_deadlines **ret, struct sandbox_error *err);
/* After the last connection has gone. Accepts NULL; returns NULL. */
struct http_deadlines *http_deadlines_close(struct http_deadlines *deadlines);

/* A connection on SOCKET (borrowed until http_deadline_remove) begins; it is armed. NULL: no memory. */
struct http_deadline *http_deadline_add(struct http_deadlines *deadlines, int socket);
/* The request is complete, its answer may take its time. */
void http_deadline_disarm(struct http_deadline *deadline);
/* The answer is out: the time of the next request begins. */
void http_deadline_arm(struct http_deadline *deadline);
/* The socket is about to be closed. Accepts NULL. */
void http_deadline_remove(struct http_deadline *deadline);
