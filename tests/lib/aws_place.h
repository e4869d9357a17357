/* aws_place.h: emulators of SQS, DynamoDB and S3 with a queue, a table and a bucket, made by `cofferdam-service setup`, and
 * our clients of them. What fails here fails the running test. */
#pragma once

#include "service/aws/client.h"
#include "tests/lib/emulator.h"

/* Which emulator is asked for what. */
struct aws_place_plan {
	const char *name;
	enum emulator_kind sqs, dynamodb, s3;
	bool has_sqs, has_dynamodb, has_s3;
	unsigned max_receives; /* 0: setup's standard */
};

enum { AWS_PLACE_EMULATORS = 3 };

struct aws_place {
	struct emulator emulators[AWS_PLACE_EMULATORS]; /* one per kind that the plan names */
	size_t nemulators;
	char queue_url[256], urgent_url[256], dead_url[256];
	struct aws_environment *environment;
	struct aws_client *sqs, *dynamodb, *s3; /* those that the plan has */
};

#define AWS_PLACE_TABLE "jobs"
#define AWS_PLACE_BUCKET "cofferdam-tests"
#define AWS_PLACE_QUEUE "jobs"
#define AWS_PLACE_URGENT "jobs-high"

void aws_place_open(struct aws_place *place, const struct aws_place_plan *plan);
void aws_place_close(struct aws_place *place);
