/* janitor.h: removes what has had its time, now and then: jobs past their end, and their outputs. */
#pragma once

#include "service/objects.h"
#include "service/store.h"

struct janitor;

/* STORE and OBJECTS are borrowed until it is closed. */
int janitor_open(
	struct store *store, struct objects *objects, struct janitor **ret, struct sandbox_error *err);
/* Accepts NULL; returns NULL. */
struct janitor *janitor_close(struct janitor *janitor);
