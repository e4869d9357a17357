/* store_dynamodb.h: jobs in a table of DynamoDB. */
#pragma once

#include "service/aws/client.h"
#include "service/objects.h"
#include "service/store.h"

/* The index that lists a user's jobs: userId, createdAt. */
#define STORE_DYNAMODB_INDEX "byUser"

struct store_dynamodb_options {
	struct aws_client *client; /* of AWS_DYNAMODB; borrowed, as is the rest */
	const char *table;
	struct objects *objects; /* for code and input that are too large for an item */
};

/* Asks nobody: whether the table is there, `ping` says. */
int store_dynamodb_open(
	const struct store_dynamodb_options *options, struct store **ret, struct sandbox_error *err);
