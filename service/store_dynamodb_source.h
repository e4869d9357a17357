/* store_dynamodb_source.h: a job's code and input: in its item, or, where they are too large for that, in an object. Internal
 * to store_dynamodb.c. */
#pragma once

#include "service/job.h"
#include "service/objects.h"

#include <jansson.h>

/* May the item hold them? */
bool dynamodb_source_is_small(const struct job *job);
/* "sources/<id>.json" */
void dynamodb_source_name(const char *id, char name[OBJECTS_NAME_SIZE]);
/* Writes the object of JOB. */
int dynamodb_source_put(struct objects *objects, const struct job *job, struct sandbox_error *err);
/* Code and input of ITEM into JOB, wherever they are. */
int dynamodb_source_read(
	struct objects *objects, const json_t *item, struct job *job, struct sandbox_error *err);
