/* store_dynamodb_item.h: a job as an item of DynamoDB's table.
 *
 *   executionId  S  the key
 *   userId language code input status error outputPath stdoutPreview  S
 *   createdAt updatedAt startedAt completedAt  S  RFC 3339 in UTC with microseconds: their order is that of time
 *   execDurationMs  N
 * and of ours:
 *   verdict  S         compile run  S  as report_result, in text      compileCached urgent  BOOL
 *   attempt failures  N               sourcePath  S  the object that holds code and input, when the item does not
 *   lease  S  names the last claim    leaseUntil  N  microseconds since 1970      worker  S
 *   expires  N  microseconds          expiresAt  N  seconds, for DynamoDB's TTL
 * What is NULL or not yet is not there. An empty text is there: as NULL (where an empty string is refused). */
#pragma once

#include "service/job.h"

#include <jansson.h>

/* Values. NULL: no memory. */
json_t *dynamodb_text(const char *text); /* what is no UTF-8 in it is replaced */
json_t *dynamodb_number(int64_t number);
json_t *dynamodb_time(int64_t usec);
json_t *dynamodb_bool(bool value);
json_t *dynamodb_result(const struct sandbox_result *result);
json_t *dynamodb_duration(int64_t usec);

/* Borrowed from ITEM; NULL: it is not there, or is no text. An empty one is "". */
const char *dynamodb_take_text(const json_t *item, const char *name);
int64_t dynamodb_take_number(const json_t *item, const char *name, int64_t absent);

enum { DYNAMODB_TIME_SIZE = 32 };
void dynamodb_time_text(int64_t usec, char text[DYNAMODB_TIME_SIZE]);
/* The inverse. False: it is none. */
bool dynamodb_time_parse(const char *text, int64_t *ret);

/* The item as a job, but for code and input, into JOB, which is all zeroes; the caller frees it in any case. -EUCLEAN with
 * ERR: a value has no meaning; -ENOMEM. */
int dynamodb_job(const json_t *item, struct job *job, struct sandbox_error *err);
