/* scripted.h: an HTTP server that answers as it is told, for faults that no real one shows on demand. In this process. */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>

/* SCRIPTED_HANG waits until the client has had enough, SCRIPTED_GATE until scripted_open_gate, then
 * answers and closes the connection. */
enum scripted_way { SCRIPTED_ANSWER, SCRIPTED_CLOSE, SCRIPTED_HANG, SCRIPTED_GATE };

struct scripted_step {
	const char *
		text; /* the whole answer, or what comes before the connection is closed, or before it hangs */
	enum scripted_way way;
};

enum { SCRIPTED_REQUESTS = 16, SCRIPTED_BYTES = 16384 };

struct scripted {
	const struct scripted_step *steps; /* borrowed; after the last one connections are closed */
	size_t nsteps;
	char url[64];
	char requests[SCRIPTED_REQUESTS][SCRIPTED_BYTES]; /* as they came: head and body */
	atomic_uint nrequests, nconnections;
	sem_t gate;
	int listen_fd;
	pthread_t thread;
};

/* Listens on a free port of 127.0.0.1. One connection at a time. */
void scripted_start(struct scripted *server, const struct scripted_step *steps, size_t nsteps);
void scripted_stop(struct scripted *server);
/* One answer passes. */
void scripted_open_gate(struct scripted *server);
/* Until there were N requests. */
void scripted_await(struct scripted *server, unsigned n);

/* An answer of STATUS with a body of LENGTH bytes: SCRIPTED("200", "", "2", "{}"). */
#define SCRIPTED(status, headers, length, body)                                                              \
	{                                                                                                    \
		"HTTP/1.1 " status " X\r\n" headers "Content-Length: " length "\r\n\r\n" body,               \
			SCRIPTED_ANSWER                                                                      \
	}
