/* batch.h: several writes as one, for a backend that keeps store, queue and objects in one place. It saves work and is
 * never needed: whoever cannot have a batch, or whose batch came to nothing, makes the same calls one by one. */
#pragma once

#include "sandbox/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct batch;

struct batch_operations {
	/* True: what this thread does with store, queue and objects from here on is part of the batch, until its end. Nobody
	 * else gets anywhere meanwhile, so none of it may wait: for a message, for a run, for the disk. */
	bool (*begin)(struct batch *batch);
	/* IS_GOOD: all of it at once, as durable as each call promises; else nothing of it. True when it was done. Not
	 * good is a batch in which one call did not return 0: that call may have undone those before it. */
	bool (*end)(struct batch *batch, bool is_good);
	struct batch *(*close)(struct batch *batch); /* accepts NULL, returns NULL */
};

struct batch {
	const struct batch_operations *operations;
};

/* With NULL there are none. */
static inline bool batch_begin(struct batch *batch)
{
	return batch != NULL && batch->operations->begin(batch);
}

static inline bool batch_end(struct batch *batch, bool is_good)
{
	return batch->operations->end(batch, is_good);
}

struct database;

/* For the embedded backends in DB (borrowed): one transaction. */
int batch_sqlite_open(struct database *db, struct batch **ret, struct sandbox_error *err);
