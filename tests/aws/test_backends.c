/* The backends in AWS keep what every backend keeps: the contracts, over real emulators of each service. */
#include "service/objects_s3.h"
#include "service/queue_sqs.h"
#include "service/store_dynamodb.h"
#include "tests/lib/aws_place.h"
#include "tests/lib/objects_contract.h"
#include "tests/lib/queue_contract.h"
#include "tests/lib/store_contract.h"
#include "tests/lib/test.h"

#include <string.h>

static const char *reason;
static struct aws_place place;
static struct queue *queue;
static struct store *store;
static struct objects *objects;
static struct sandbox_error err;

/* --- SQS -------------------------------------------------------------------------------------------------------- */

static void open_queue(enum emulator_kind kind)
{
	const struct aws_place_plan plan = {.sqs = kind, .has_sqs = true};

	aws_place_open(&place, &plan);
	const struct queue_sqs_route routes[] = {{place.queue_url, NULL, false}};
	const struct queue_sqs_options options = {place.sqs, routes, 1};
	ck_assert_int_eq(queue_sqs_open(&options, &queue, &err), 0);
}

static void close_queue(void)
{
	queue = queue->operations->close(queue);
	aws_place_close(&place);
}

#define X(name)                                                                                              \
	START_TEST(fauxqs_##name)                                                                            \
	{                                                                                                    \
		if (reason != NULL)                                                                          \
			TEST_SKIP(reason);                                                                   \
		open_queue(EMULATOR_FAUXQS);                                                                 \
		queue_contract_##name(queue);                                                                \
		close_queue();                                                                               \
	}                                                                                                    \
	END_TEST                                                                                             \
	START_TEST(moto_##name)                                                                              \
	{                                                                                                    \
		if (reason != NULL)                                                                          \
			TEST_SKIP(reason);                                                                   \
		open_queue(EMULATOR_MOTO_AUTH);                                                              \
		queue_contract_##name(queue);                                                                \
		close_queue();                                                                               \
	}                                                                                                    \
	END_TEST
QUEUE_CONTRACT(X)
#undef X

/* --- DynamoDB, and what is too large for it in S3 --------------------------------------------------------------- */

static void open_store(enum emulator_kind kind)
{
	const struct aws_place_plan plan = {
		.dynamodb = kind, .has_dynamodb = true, .s3 = EMULATOR_RGW, .has_s3 = true};

	aws_place_open(&place, &plan);
	const struct objects_s3_options s3 = {place.s3, AWS_PLACE_BUCKET, NULL};
	ck_assert_int_eq(objects_s3_open(&s3, &objects, &err), 0);
	const struct store_dynamodb_options options = {place.dynamodb, AWS_PLACE_TABLE, objects};
	ck_assert_int_eq(store_dynamodb_open(&options, &store, &err), 0);
}

static void close_store(void)
{
	store = store->operations->close(store);
	objects = objects->operations->close(objects);
	aws_place_close(&place);
}

#define X(name)                                                                                              \
	START_TEST(dynalite_##name)                                                                          \
	{                                                                                                    \
		if (reason != NULL)                                                                          \
			TEST_SKIP(reason);                                                                   \
		open_store(EMULATOR_DYNALITE);                                                               \
		store_contract_##name(store);                                                                \
		close_store();                                                                               \
	}                                                                                                    \
	END_TEST                                                                                             \
	START_TEST(moto_##name)                                                                              \
	{                                                                                                    \
		if (reason != NULL)                                                                          \
			TEST_SKIP(reason);                                                                   \
		open_store(EMULATOR_MOTO_AUTH);                                                              \
		store_contract_##name(store);                                                                \
		close_store();                                                                               \
	}                                                                                                    \
	END_TEST
STORE_CONTRACT(X)
#undef X

/* --- S3 --------------------------------------------------------------------------------------------------------- */

static void open_objects(void)
{
	const struct aws_place_plan plan = {.s3 = EMULATOR_RGW, .has_s3 = true};

	aws_place_open(&place, &plan);
	const struct objects_s3_options options = {place.s3, AWS_PLACE_BUCKET, NULL};
	ck_assert_int_eq(objects_s3_open(&options, &objects, &err), 0);
}

static void close_objects(void)
{
	objects = objects->operations->close(objects);
	aws_place_close(&place);
}

#define X(name)                                                                                              \
	START_TEST(rgw_##name)                                                                               \
	{                                                                                                    \
		if (reason != NULL)                                                                          \
			TEST_SKIP(reason);                                                                   \
		open_objects();                                                                              \
		objects_contract_##name(objects);                                                            \
		close_objects();                                                                             \
	}                                                                                                    \
	END_TEST
OBJECTS_CONTRACT(X)
#undef X

#define QUEUES(name)                                                                                         \
	tcase_add_test(tc, fauxqs_##name);                                                                   \
	tcase_add_test(tc, moto_##name);
/* Of two conditional writes at the same time moto 5.1 may grant both. */
#define STORES(name)                                                                                         \
	tcase_add_test(tc, dynalite_##name);                                                                 \
	if (strstr(#name, "many_threads") == NULL)                                                           \
		tcase_add_test(tc, moto_##name);
#define OBJECTS(name) tcase_add_test(tc, rgw_##name);
TEST_PROGRAM("backends", 120, reason = emulator_skip_reason();
	     QUEUE_CONTRACT(QUEUES) STORE_CONTRACT(STORES) OBJECTS_CONTRACT(OBJECTS))
