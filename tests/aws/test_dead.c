/* Messages that are delivered in vain too often: SQS gives them up, their jobs end, and are queued again when somebody says
 * so. And messages that make no sense. */
#include "service/janitor.h"
#include "service/queue_sqs.h"
#include "tests/lib/aws_place.h"
#include "tests/lib/objects_contract.h"
#include "tests/lib/program.h"
#include "tests/lib/queue_contract.h"
#include "tests/lib/store_contract.h"

#include <string.h>
#include <time.h>

enum { RECEIVES = 3, PATIENCE = 600, PAUSE_MSEC = 100 };

static struct aws_place place;
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
		.has_urgent = true,
		.max_receives = RECEIVES,
	};

	aws_place_open(&place, &plan);
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
	ck_assert_int_eq(place.store->operations->create(place.store, &job, &err), 0);
	const struct job_ticket ticket = {job.id, language, is_urgent};
	ck_assert_int_eq(place.queue->operations->send(place.queue, &ticket, &err), 0);
	for (int i = 0; i < RECEIVES; i++) {
		struct queue_message message = contract_receive(place.queue, 60);
		ck_assert_str_eq(message.id, job.id);
		ck_assert_uint_eq(message.receive_count, (unsigned)i + 1);
		ck_assert_int_eq(place.queue->operations->nack(place.queue, &message, 0, &err), 0);
	}
	contract_expect_empty(place.queue); /* the look that moves it */
	memcpy(id, job.id, JOB_ID_SIZE);
	job_free(&job);
}

static struct job get(const char *id)
{
	struct job job = {0};

	ck_assert_int_eq(place.store->operations->get(place.store, id, &job, &err), 0);
	return job;
}

/* As a worker's process does it beside its work. */
static void tidy_until_dead(const char *id)
{
	const struct janitor_options options = {place.store, place.objects, place.queue};
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

static void check_dead_letters(enum emulator_kind sqs)
{
	char ids[2][JOB_ID_SIZE], line[64];

	set_up(sqs);
	kill_by_delivery("cpp", false, ids[0]);
	kill_by_delivery("go", true, ids[1]);
	tidy_until_dead(ids[0]);
	tidy_until_dead(ids[1]);
	redrive("--language=pascal", "");
	(void)snprintf(line, sizeof(line), "%s go\n", ids[1]);
	redrive("--language=go", line);
	struct queue_message message = contract_receive(place.queue, 60);
	ck_assert_str_eq(message.id, ids[1]);
	ck_assert_str_eq(message.queue, place.urgent_url);
	struct job job = contract_claim(place.store, ids[1]);
	contract_complete(&job);
	ck_assert_int_eq(place.store->operations->finish(place.store, &job, &err), 0);
	ck_assert_int_eq(place.queue->operations->ack(place.queue, &message, &err), 0);
	contract_expect_empty(place.queue);
	/* The other one is still there. */
	(void)snprintf(line, sizeof(line), "%s cpp\n", ids[0]);
	redrive("--dry-run", line);
	contract_expect_empty(place.queue);
	redrive("--count=5", line);
	contract_expect_status(place.store, ids[0], JOB_QUEUED);
	message = contract_receive(place.queue, 60);
	ck_assert_str_eq(message.id, ids[0]);
	redrive("--count=5", "");
	job_free(&job);
	aws_place_close(&place);
}

START_TEST(what_is_given_up_is_said_and_queued_again_fauxqs)
{
	NEEDS_EMULATORS();
	check_dead_letters(EMULATOR_FAUXQS);
}
END_TEST

START_TEST(what_is_given_up_is_said_and_queued_again_moto)
{
	NEEDS_EMULATORS();
	check_dead_letters(EMULATOR_MOTO_AUTH);
}
END_TEST

/* A job that has its result, and whose message came to nothing all the same. */
START_TEST(what_ended_is_not_kept_among_the_dead)
{
	struct janitor *janitor = NULL;
	char id[JOB_ID_SIZE];
	uint64_t depth = 1;

	NEEDS_EMULATORS();
	set_up(EMULATOR_FAUXQS);
	kill_by_delivery("cpp", false, id);
	struct job job = contract_claim(place.store, id);
	contract_complete(&job);
	ck_assert_int_eq(place.store->operations->finish(place.store, &job, &err), 0);
	const struct queue_sqs_route dead[] = {{place.dead_url, NULL, false}};
	const struct queue_sqs_options options = {place.sqs, dead, 1};
	struct queue *dead_queue = NULL;
	ck_assert_int_eq(queue_sqs_open(&options, &dead_queue, &err), 0);
	ck_assert_int_eq(dead_queue->operations->depth(dead_queue, &depth, &err), 0);
	ck_assert_uint_eq(depth, 1);
	ck_assert_int_eq(janitor_open(&(struct janitor_options){place.store, place.objects, place.queue},
				 &janitor, &err),
		0);
	for (int i = 0; i < PATIENCE && depth > 0; i++) {
		pause_a_moment();
		ck_assert_int_eq(dead_queue->operations->depth(dead_queue, &depth, &err), 0);
	}
	janitor = janitor_close(janitor);
	ck_assert_uint_eq(depth, 0);
	contract_expect_status(place.store, id, JOB_COMPLETED);
	(void)dead_queue->operations->close(dead_queue);
	job_free(&job);
	aws_place_close(&place);
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
	char id[JOB_ID_SIZE];

	NEEDS_EMULATORS();
	set_up(EMULATOR_FAUXQS);
	for (size_t i = 1; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		send_raw(bodies[i]);
	contract_send(place.queue, id);
	struct queue_message message = contract_receive(place.queue, 60);
	ck_assert_str_eq(message.id, id);
	ck_assert_int_eq(place.queue->operations->ack(place.queue, &message, &err), 0);
	contract_expect_empty(place.queue);
	aws_place_close(&place);
}
END_TEST

TEST_PROGRAM("dead letters", 180,
	     AWS_PLACE_SHARE(tc, EMULATOR_MOTO_AUTH, EMULATOR_FAUXQS, EMULATOR_DYNALITE, EMULATOR_RGW);
	     tcase_add_test(tc, what_is_given_up_is_said_and_queued_again_fauxqs);
	     tcase_add_test(tc, what_is_given_up_is_said_and_queued_again_moto);
	     tcase_add_test(tc, what_ended_is_not_kept_among_the_dead);
	     tcase_add_test(tc, messages_that_make_no_sense_stop_nobody))
