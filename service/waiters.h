/* waiters.h: requests that wait for something to happen to a job. A request that waits keeps its connection and costs no
 * thread: it is suspended (libmicrohttpd), and its handler is called again when something happened or the time is over. */
#pragma once

#include "service/http.h"
#include "service/job.h"

#include <sys/queue.h>

enum {
	WAITERS_MAX = HTTP_CONNECTIONS / 2, /* the other connections are for those who do not wait */
	WAITERS_MAX_SEC = 30,
};

struct waiters;

enum waiter_state { WAITER_NONE, WAITER_LISTENING, WAITER_WOKEN, WAITER_SUSPENDED };

/* A part of each exchange; all zeroes at its begin. Once in the list it stays there until its request leaves or ends. */
struct waiter {
	TAILQ_ENTRY(waiter) link; /* in the list unless NONE */
	enum waiter_state state;
	struct MHD_Connection *connection;
	char id[JOB_ID_SIZE];
	int64_t end_usec,
		due_usec; /* CLOCK_MONOTONIC: when it ends, 0 before it has begun; when it is to look again */
};

/* LOOK_MSEC: so often a waiting request looks by itself; 0: every end is told to waiters_wake. */
int waiters_open(unsigned look_msec, struct waiters **ret, struct sandbox_error *err);
/* Resumes all; from now on nobody waits. Before the HTTP server is closed. Accepts NULL. */
void waiters_stop(struct waiters *waiters);
/* Accepts NULL; returns NULL. */
struct waiters *waiters_close(struct waiters *waiters);

/* Something happened to the job: it is finished, as everybody can see by now, or there is more to read of it. Accepts NULL. */
void waiters_wake(struct waiters *waiters, const char *id);

/* For a handler, before it looks at the job: from here on nothing is missed. False: SEC seconds are over since its first
 * call for this request, or nobody else may wait: it has to answer now, whatever it sees. */
bool waiters_listen(struct waiters *waiters, struct waiter *waiter, const char *id, unsigned sec);
/* The same for an answer that goes on and on: SEC seconds from this call. False: nobody else may wait. */
bool waiters_follow(struct waiters *waiters, struct waiter *waiter, const char *id, unsigned sec);
/* The request is answered, or over. */
void waiters_leave(struct waiters *waiters, struct waiter *waiter);
/* For the exchange: suspends CONNECTION, whose handler is running and would wait. False: something happened meanwhile, the
 * handler is to be called again at once. */
bool waiters_suspend(struct waiters *waiters, struct waiter *waiter, struct MHD_Connection *connection);
