/* store_dynamodb_call.h: requests to one table of DynamoDB. Internal to store_dynamodb.c. */
#pragma once

#include "service/aws/client.h"

/* All attributes of a job but code and input. In our expressions each attribute is written "#name", and is never a
 * reserved word. */
#define DYNAMODB_ATTRIBUTES                                                                                  \
	"#executionId, #userId, #language, #status, #verdict, #error, #outputPath, #stdoutPreview,"          \
	" #createdAt, #updatedAt, #startedAt, #completedAt, #execDurationMs, #compile, #run, "               \
	"#compileCached,"                                                                                    \
	" #urgent, #attempt, #failures, #lease, #leaseUntil, #worker, #expires"

struct dynamodb_table {
	struct aws_client *client; /* borrowed, as is the name */
	const char *name;
};

struct dynamodb_expression {
	const char *key; /* "ConditionExpression" */
	const char *text;
};

/* {"TableName": …, the expressions, the names in them, and VALUES}. VALUES is taken over; NULL: there are none. Owned; NULL:
 * no memory. */
json_t *dynamodb_request(const struct dynamodb_table *table, const struct dynamodb_expression *expressions,
	size_t nexpressions, json_t *values);

enum { DYNAMODB_NOT_SO = 1 }; /* the condition does not hold */

/* REQUEST is taken over (NULL: no memory); *RET (may be NULL) is the answer, owned. 0, DYNAMODB_NOT_SO, or a negative errno
 * with ERR. */
int dynamodb_call(const struct dynamodb_table *table, const char *operation, json_t *request, json_t **ret,
	struct sandbox_error *err);

/* The item of ID as it is now, IS_WHOLE: with code and input. *RET: owned; NULL: there is none. */
int dynamodb_get(const struct dynamodb_table *table, const char *id, bool is_whole, json_t **ret,
	struct sandbox_error *err);

/* One conditional write. */
struct dynamodb_change {
	const char *id;
	const char *update, *condition; /* expressions */
	json_t *values;			/* taken over; NULL: no memory */
	bool wants_item;
};

/* 0 with *RET the new item if that is wanted (owned); DYNAMODB_NOT_SO; or a negative errno with ERR. */
int dynamodb_change(const struct dynamodb_table *table, const struct dynamodb_change *change, json_t **ret,
	struct sandbox_error *err);

/* An attribute to be set, if it is there. */
struct dynamodb_field {
	const char *name;
	bool is_there;
	json_t *value; /* taken over; NULL although it is there: no memory */
};

/* The same, with an update that sets FIELDS; CHANGE's values are those of its condition. */
int dynamodb_set(const struct dynamodb_table *table, const struct dynamodb_change *change,
	const struct dynamodb_field *fields, size_t nfields, struct sandbox_error *err);
