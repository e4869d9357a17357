/* aws_place.h: emulators of SQS, DynamoDB and S3, shared by the tests of a program; and for each test a queue, a table and a
 * bucket of its own, made by `cofferdam-service setup`, our clients of them, and our backends over these. What fails here fails
 * the running test. */
#pragma once

#include "service/aws/client.h"
#include "service/objects.h"
#include "service/queue.h"
#include "service/store.h"
#include "tests/lib/emulator.h"
#include "tests/lib/faulty.h"
#include "tests/lib/test.h"

/* In TEST_PROGRAM: emulators of these kinds are started before the first test and end after the last. */
#define AWS_PLACE_SHARE(tc, ...)                                                                             \
	aws_place_share(tc, (const enum emulator_kind[]){__VA_ARGS__},                                       \
		sizeof((const enum emulator_kind[]){__VA_ARGS__}) / sizeof(enum emulator_kind))
void aws_place_share(TCase *tc, const enum emulator_kind *kinds, size_t n);

/* In each test that opens a place. */
#define NEEDS_EMULATORS()                                                                                    \
	if (aws_place_skip_reason() != NULL)                                                                 \
	TEST_SKIP(aws_place_skip_reason())
const char *aws_place_skip_reason(void);

/* One that the program shares. */
const struct emulator *aws_place_emulator(enum emulator_kind kind);
/* None has ended. */
void aws_place_expect_alive(void);

/* Which emulator is asked for what. */
struct aws_place_plan {
	enum emulator_kind sqs, dynamodb, s3;
	bool has_sqs, has_s3, has_dynamodb; /* a store in DynamoDB needs S3 as well; proxies need all three */
	bool has_urgent;		    /* the queue has a second one for urgent jobs */
	bool has_proxies;		    /* all calls but setup's go through proxies that can fail */
	unsigned max_receives;		    /* 0: setup's standard */
};

/* In a plan: all three, on the emulators that are quickest to start. */
#define AWS_PLACE_ALL                                                                                        \
	.sqs = EMULATOR_FAUXQS, .dynamodb = EMULATOR_DYNALITE, .s3 = EMULATOR_RGW, .has_sqs = true,          \
	.has_dynamodb = true, .has_s3 = true

enum aws_place_proxy { AWS_PLACE_SQS, AWS_PLACE_DYNAMODB, AWS_PLACE_S3, AWS_PLACE_PROXY_N };

struct aws_place {
	struct aws_place_plan plan;
	char table[64], bucket[64], queue_name[64];
	char queue_url[256], urgent_url[256], dead_url[256];
	struct aws_environment *environment;
	struct aws_client *sqs, *dynamodb, *s3; /* those that the plan has; so with the backends */
	struct queue *queue;
	struct store *store;
	struct objects *objects;
	struct faulty proxies[AWS_PLACE_PROXY_N]; /* if the plan has them */
};

/* The environment then names the place, as programs read it. */
void aws_place_open(struct aws_place *place, const struct aws_place_plan *plan);
/* Clients and backends anew, over what is there: those of another process, as far as they can tell. */
void aws_place_reopen(struct aws_place *place);
/* An operation of SQS or DynamoDB; INPUT is taken over. Its answer: owned. */
json_t *aws_place_ask(struct aws_client *client, const char *operation, json_t *input);
/* Messages in the queue of this address: those that wait and those that are hidden. */
unsigned aws_place_messages(const struct aws_place *place, const char *url);
void aws_place_close(struct aws_place *place);
