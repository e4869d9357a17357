/* relay.h: the live output of a job that runs on another node, fetched from there in a thread of its own. */
#pragma once

#include "service/live.h"
#include "service/node.h"

enum {
	RELAY_BUFFER_BYTES = 256 * 1024, /* as much is fetched ahead; an event is never larger */
	RELAY_CONNECT_SEC = 2,
};

struct relay;

struct relay_options {
	const struct node *node; /* borrowed */
	const char *url;	 /* of the other node */
	const char *id;
	struct live_position from;
	struct waiters *waiters; /* borrowed; woken when there is more */
};

int relay_open(const struct relay_options *options, struct relay **ret, struct sandbox_error *err);
/* At once, whatever is under way. Accepts NULL; returns NULL. */
struct relay *relay_close(struct relay *relay);

enum { RELAY_EVENTS = 1, RELAY_OVER = 2 };

/* RELAY_EVENTS: whole events into *RET (owned by the caller), in which *POSITION is where the next ones begin. 0: nothing yet.
 * RELAY_OVER: nothing more will come, for whatever reason. */
int relay_take(struct relay *relay, char **ret, size_t *ret_size, struct live_position *position);
