/* setup_calls.h: the calls of `cofferdam-service setup`. Internal to setup.c. */
#pragma once

#include "service/aws/client.h"

enum { SETUP_QUEUES = 2, SETUP_NAME_SIZE = 81 };

struct setup {
	/* NULL: not wanted. */
	const char *table, *bucket;
	const char *queues[SETUP_QUEUES]; /* addresses or names */
	const char *more_queues;	  /* the same, separated by commas */
	uint64_t keep_days, lease_sec, max_receives;
	bool is_dry;

	struct aws_environment *environment; /* owned, as are the clients; NULL when it is a dry run */
	struct aws_client *dynamodb, *sqs, *s3;
};

int setup_open(struct setup *setup, struct sandbox_error *err);
void setup_close(struct setup *setup);

/* Each prints what it did, a line per step. */
int setup_table(struct setup *setup, struct sandbox_error *err);
int setup_queues(struct setup *setup, struct sandbox_error *err);
int setup_bucket(struct setup *setup, struct sandbox_error *err);

/* The name at the end of a queue's address (or a name as it is). False: there is none. */
bool setup_queue_name(const char *url, char name[SETUP_NAME_SIZE]);
