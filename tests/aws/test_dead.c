/* Messages that are delivered in vain too often: SQS gives them up, their jobs end, and are queued again when somebody says
 * so. And messages that make no sense. */
#include "service/janitor.h"
#include "service/objects_s3.h"
#include "service/queue_sqs.h"
#include "service/store_dynamodb.h"
#include "tests/lib/aws_place.h"
#include "tests/lib/objects_contract.h"
#include "tests/lib/program.h"
#include "tests/lib/queue_contract.h"
#include "tests/lib/store_contract.h"

#include <string.h>
#include <time.h>

enum { RECEIVES = 3, PATIENCE = 600, PAUSE_MSEC = 100 };

static struct aws_place place;
static struct queue *queue;
static struct store *store;
static struct objects *objects;
static struct sandbox_error err;

static void set_up(enum emulator_kind sqs)
{
	const struct aws_place_plan plan = {
		.sqs = sqs,
		.dynamodb = EMULATOR_DYNALITE,
		.s3 = EMULATOR_RGW,
		.has_sqs = true,
		.has_dynamodb = true,
		.has_s3 = true,
		.max_receives = RECEIVES,
	};

	aws_place_open(&place, &plan);
	const struct queue_sqs_route routes[] = {
		{place.queue_url, NULL, false}, {place.urgent_url, NULL, true}};
	const struct queue_sqs_options sqs_options = {place.sqs, routes, 2};
	ck_assert_int_eq(queue_sqs_open(&sqs_options, &queue, &err), 0);
	const struct objects_s3_options s3_options = {place.s3, AWS_PLACE_BUCKET, NULL};
	ck_assert_int_eq(objects_s3_open(&s3_options, &objects, &err), 0);
	const struct store_dynamodb_options options = {place.dynamodb, AWS_PLACE_TABLE, objects};
	ck_assert_int_eq(store_dynamodb_open(&options, &store, &err), 0);
}

static void tear_down(void)
{
	queue = queue->operations->close(queue);
	store = store->operations->close(store);
	objects = objects->operations->close(objects);
	aws_place_close(&place);
}

static void pause_a_moment(void)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_MSEC * 1000000L}, NULL);
}

/* A job of LANGUAGE whose message is received and given back until SQS gives it up. */
static void kill_by_delivery(const char *language, bool is_urgent, char id[JOB_ID_SIZE])
{
	struct job job = contract_job(language, "code", "");

	job.is_urgent = is_urgent;
	ck_assert_int_eq(store->operations->create(store, &job, &err), 0);
	const struct job_ticket ticket = {job.id, language, is_urgent};
	ck_assert_int_eq(queue->operations->send(queue, &ticket, &err), 0);
	for (int i = 0; i < RECEIVES; i++) {
		struct queue_message message = contract_receive(queue, 60);
		ck_assert_str_eq(message.id, job.id);
		ck_assert_uint_eq(message.receive_count, (unsigned)i + 1);
		ck_assert_int_eq(queue->operations->nack(queue, &message, 0, &err), 0);
	}
	contract_expect_empty(queue); /* the look that moves it */
	memcpy(id, job.id, JOB_ID_SIZE);
	job_free(&job);
}

static struct job get(const char *id)
{
	struct job job = {0};

	ck_assert_int_eq(store->operations->get(store, id, &job, &err), 0);
	return job;
}

/* As a worker's process does it beside its work. */
static void tidy_until_dead(const char *id)
{
	const struct janitor_options options = {store, objects, queue};
	struct janitor *janitor = NULL;
	struct job job = {0};

	ck_assert_int_eq(janitor_open(&options, &janitor, &err), 0);
	for (int i = 0; i < PATIENCE && !job_is_finished(job.status); i++) {
		job_free(&job);
		pause_a_moment();
		job = get(id);
	}
	janitor = janitor_close(janitor);
	ck_assert_int_eq((int)job.status, JOB_FAILED);
	ck_assert_int_eq((int)job.verdict, REPORT_INTERNAL_ERROR);
	ck_assert_ptr_nonnull(strstr(job.error, "dead-letter queue"));
	job_free(&job);
}

/* `redrive` with these options says LINES. */
static void redrive(const char *option, const char *lines)
{
	struct program program = program_run("cofferdam-service", "redrive", option);

	expect_status(program, 0);
	ck_assert_str_eq(program.out, lines);
	program_free(&program);
}

static void use_in_programs(void)
{
	ck_assert_int_eq(setenv("DYNAMODB_TABLE", AWS_PLACE_TABLE, 1), 0);
	ck_assert_int_eq(setenv("SQS_QUEUE_URL", place.queue_url, 1), 0);
	ck_assert_int_eq(setenv("SQS_QUEUE_URL_HIGH", place.urgent_url, 1), 0);
}

static void check_dead_letters(enum emulator_kind sqs)
{
	char ids[2][JOB_ID_SIZE], line[64];

	set_up(sqs);
	use_in_programs();
	kill_by_delivery("cpp", false, ids[0]);
	kill_by_delivery("go", true, ids[1]);
	tidy_until_dead(ids[0]);
	tidy_until_dead(ids[1]);
	redrive("--language=pascal", "");
	(void)snprintf(line, sizeof(line), "%s go\n", ids[1]);
	redrive("--language=go", line);
	struct queue_message message = contract_receive(queue, 60);
	ck_assert_str_eq(message.id, ids[1]);
	ck_assert_str_eq(message.queue, place.urgent_url);
	struct job job = contract_claim(store, ids[1]);
	contract_complete(&job);
	ck_assert_int_eq(store->operations->finish(store, &job, &err), 0);
	ck_assert_int_eq(queue->operations->ack(queue, &message, &err), 0);
	contract_expect_empty(queue);
	/* The other one is still there. */
	(void)snprintf(line, sizeof(line), "%s cpp\n", ids[0]);
	redrive("--dry-run", line);
	contract_expect_empty(queue);
	redrive("--count=5", line);
	contract_expect_status(store, ids[0], JOB_QUEUED);
	message = contract_receive(queue, 60);
	ck_assert_str_eq(message.id, ids[0]);
	redrive("--count=5", "");
	job_free(&job);
	tear_down();
}

START_TEST(what_is_given_up_is_said_and_queued_again_fauxqs)
{
	const char *reason = emulator_skip_reason();

	if (reason != NULL)
		TEST_SKIP(reason);
	check_dead_letters(EMULATOR_FAUXQS);
}
END_TEST

START_TEST(what_is_given_up_is_said_and_queued_again_moto)
{
	const char *reason = emulator_skip_reason();

	if (reason != NULL)
		TEST_SKIP(reason);
	check_dead_letters(EMULATOR_MOTO_AUTH);
}
END_TEST

/* A job that has its result, and whose message came to nothing all the same. */
START_TEST(what_ended_is_not_kept_among_the_dead)
{
	const char *reason = emulator_skip_reason();
	struct janitor *janitor = NULL;
	char id[JOB_ID_SIZE];
	uint64_t depth = 1;

	if (reason != NULL)
		TEST_SKIP(reason);
	set_up(EMULATOR_FAUXQS);
	kill_by_delivery("cpp", false, id);
	struct job job = contract_claim(store, id);
	contract_complete(&job);
	ck_assert_int_eq(store->operations->finish(store, &job, &err), 0);
	const struct queue_sqs_route dead[] = {{place.dead_url, NULL, false}};
	const struct queue_sqs_options options = {place.sqs, dead, 1};
	struct queue *dead_queue = NULL;
	ck_assert_int_eq(queue_sqs_open(&options, &dead_queue, &err), 0);
	ck_assert_int_eq(dead_queue->operations->depth(dead_queue, &depth, &err), 0);
	ck_assert_uint_eq(depth, 1);
	ck_assert_int_eq(janitor_open(&(struct janitor_options){store, objects, queue}, &janitor, &err), 0);
	for (int i = 0; i < PATIENCE && depth > 0; i++) {
		pause_a_moment();
		ck_assert_int_eq(dead_queue->operations->depth(dead_queue, &depth, &err), 0);
	}
	janitor = janitor_close(janitor);
	ck_assert_uint_eq(depth, 0);
	contract_expect_status(store, id, JOB_COMPLETED);
	(void)dead_queue->operations->close(dead_queue);
	job_free(&job);
	tear_down();
}
END_TEST

/* --- poison ----------------------------------------------------------------------------------------------------- */

static void send_raw(const char *body)
{
	json_t *in = json_pack("{s:s, s:s}", "QueueUrl", place.queue_url, "MessageBody", body), *out = NULL;
	const struct aws_json_request request = {.operation = "SendMessage", .in = in};

	ck_assert_int_eq(aws_json_call(place.sqs, &request, &out, &err), 0);
	json_decref(in);
	json_decref(out);
}

START_TEST(messages_that_make_no_sense_stop_nobody)
{
	static const char *const bodies[] = {"", "hello", "{}", "[]",
		"{\"executionId\":5,\"language\":\"cpp\"}",
		"{\"executionId\":\"../../etc/passwd\",\"language\":\"cpp\"}",
		"{\"executionId\":\"6c229b78-4e24-4cf4-b0b0-63d5d87ef910\"}", "{\"executionId\":"};
	const char *reason = emulator_skip_reason();
	char id[JOB_ID_SIZE];

	if (reason != NULL)
		TEST_SKIP(reason);
	set_up(EMULATOR_FAUXQS);
	for (size_t i = 1; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		send_raw(bodies[i]);
	contract_send(queue, id);
	struct queue_message message = contract_receive(queue, 60);
	ck_assert_str_eq(message.id, id);
	ck_assert_int_eq(queue->operations->ack(queue, &message, &err), 0);
	contract_expect_empty(queue);
	tear_down();
}
END_TEST

TEST_PROGRAM("dead letters", 180, tcase_add_test(tc, what_is_given_up_is_said_and_queued_again_fauxqs);
	     tcase_add_test(tc, what_is_given_up_is_said_and_queued_again_moto);
	     tcase_add_test(tc, what_ended_is_not_kept_among_the_dead);
	     tcase_add_test(tc, messages_that_make_no_sense_stop_nobody))
