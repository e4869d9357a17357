/* The backends in AWS keep what every backend keeps: the contracts, over real emulators of each service. */
#include "tests/lib/aws_place.h"
#include "tests/lib/objects_contract.h"
#include "tests/lib/queue_contract.h"
#include "tests/lib/store_contract.h"
#include "tests/lib/test.h"

#include <string.h>

static struct aws_place place;

/* --- SQS -------------------------------------------------------------------------------------------------------- */

static void open_queue(enum emulator_kind kind)
{
	aws_place_open(&place, &(struct aws_place_plan){.sqs = kind, .has_sqs = true});
}

#define X(name)                                                                                              \
	START_TEST(fauxqs_##name)                                                                            \
	{                                                                                                    \
		NEEDS_EMULATORS();                                                                           \
		open_queue(EMULATOR_FAUXQS);                                                                 \
		queue_contract_##name(place.queue);                                                          \
		aws_place_close(&place);                                                                     \
	}                                                                                                    \
	END_TEST                                                                                             \
	START_TEST(moto_##name)                                                                              \
	{                                                                                                    \
		NEEDS_EMULATORS();                                                                           \
		open_queue(EMULATOR_MOTO_AUTH);                                                              \
		queue_contract_##name(place.queue);                                                          \
		aws_place_close(&place);                                                                     \
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
}

#define X(name)                                                                                              \
	START_TEST(dynalite_##name)                                                                          \
	{                                                                                                    \
		NEEDS_EMULATORS();                                                                           \
		open_store(EMULATOR_DYNALITE);                                                               \
		store_contract_##name(place.store);                                                          \
		aws_place_close(&place);                                                                     \
	}                                                                                                    \
	END_TEST                                                                                             \
	START_TEST(moto_##name)                                                                              \
	{                                                                                                    \
		NEEDS_EMULATORS();                                                                           \
		open_store(EMULATOR_MOTO_AUTH);                                                              \
		store_contract_##name(place.store);                                                          \
		aws_place_close(&place);                                                                     \
	}                                                                                                    \
	END_TEST
STORE_CONTRACT(X)
#undef X

/* --- S3 --------------------------------------------------------------------------------------------------------- */

#define X(name)                                                                                              \
	START_TEST(rgw_##name)                                                                               \
	{                                                                                                    \
		NEEDS_EMULATORS();                                                                           \
		aws_place_open(&place, &(struct aws_place_plan){.s3 = EMULATOR_RGW, .has_s3 = true});        \
		objects_contract_##name(place.objects);                                                      \
		aws_place_close(&place);                                                                     \
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
TEST_PROGRAM("backends", 120,
	     AWS_PLACE_SHARE(tc, EMULATOR_MOTO_AUTH, EMULATOR_FAUXQS, EMULATOR_DYNALITE, EMULATOR_RGW);
	     QUEUE_CONTRACT(QUEUES) STORE_CONTRACT(STORES) OBJECTS_CONTRACT(OBJECTS))
