/* janitor.h: removes what has had its time, now and then: jobs past their end, and their outputs. And
 * ends the jobs that the queue has given up: nobody is to wait for them. */
#pragma once

#include "service/objects.h"
#include "service/queue.h"
#include "service/store.h"

struct janitor;

/* All borrowed until it is closed. */
struct janitor_options {
	struct store *store;
	struct objects *objects;
	struct queue *queue;
};

int janitor_open(const struct janitor_options *options, struct janitor **ret, struct sandbox_error *err);
/* Accepts NULL; returns NULL. */
struct janitor *janitor_close(struct janitor *janitor);
