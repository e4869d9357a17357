/* event_stream.h: a client of GET /jobs/ID/events, for tests: one event after the other, as they arrive. */
#pragma once

#include "tests/lib/service.h"

#include <jansson.h>

struct event_stream {
	int fd;	     /* owned; -1: closed */
	long status; /* of the answer */
	char *text;  /* owned: what arrived and was not taken yet; NUL-terminated */
	size_t size;
	unsigned ncomments; /* so far */
};

struct event {
	char name[16], id[64]; /* "": none */
	json_t *data;	       /* owned */
};

/* Asks SERVICE for job ID's events, from LAST_ID on (NULL: from the begin), and waits for the answer's headers. */
void event_stream_open(
	struct event_stream *stream, const struct test_service *service, const char *id, const char *last_id);
void event_stream_close(struct event_stream *stream);
/* Waits for the next event into *RET (event_free). False: the stream has ended. */
bool event_stream_next(struct event_stream *stream, struct event *ret);
/* Waits until at least N comments have come since the begin; an event before that fails the running test. */
void event_stream_await_comments(struct event_stream *stream, unsigned n);
void event_free(struct event *event);
/* The bytes of a chunk; owned. */
char *event_bytes(const struct event *event, size_t *ret_size);
