/* SQS, DynamoDB or S3 cannot be had: who asks is told so, and that it will pass. */
#include "sandbox/base/fd.h"
#include "tests/lib/aws_place.h"
#include "tests/lib/client.h"
#include "tests/lib/http_client.h"
#include "tests/lib/jobs.h"
#include "tests/lib/objects_contract.h"
#include "tests/lib/place.h"
#include "tests/lib/service.h"
#include "tests/lib/store_contract.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	LARGE_BYTES = 200 * 1024, /* of code: it goes to S3 */
	LEASE_SEC = 3,
	PATIENCE = 600,
	PAUSE_MSEC = 100,
};
#define LEASE_TEXT "3"

static struct aws_place place;
static struct test_service api;
static struct sandbox_error err;

/* MAX_RECEIVES: 0 is setup's standard. */
static void set_up(unsigned max_receives)
{
	aws_place_open(&place,
		&(struct aws_place_plan){AWS_PLACE_ALL, .has_proxies = true, .max_receives = max_receives});
	ck_assert_int_eq(setenv("LEASE_SEC", LEASE_TEXT, 1), 0);
}

/* --- over HTTP ---------------------------------------------------------------------------------------------------- */

static void start_api(void)
{
	static const char *const options[] = {"--role=api", "--code-max=1000000", NULL};

	service_begin(&api);
	service_start(&api, NULL, options);
}

static void expect_ready(void)
{
	json_t *answer = jobs_get(&api, "/ready", 200);

	ck_assert(json_is_true(json_object_get(answer, "ready")));
	json_decref(answer);
}

/* 503, and only CHECK says more than "ok": which service of AWS does not answer, and how. */
static void expect_not_ready(const char *check, const char *word)
{
	json_t *answer = jobs_get(&api, "/ready", 503), *value;
	const char *name;

	ck_assert(json_is_false(json_object_get(answer, "ready")));
	json_object_foreach(json_object_get(answer, "checks"), name, value)
	{
		const char *said = json_string_value(value);
		ck_assert_ptr_nonnull(said);
		if (strcmp(name, check) == 0)
			ck_assert_msg(strstr(said, word) != NULL && strstr(said, "127.0.0.1") != NULL,
				"%s: %s", name, said);
		else
			ck_assert_msg(strcmp(said, "ok") == 0, "%s: %s", name, said);
	}
	json_decref(answer);
}

static void submit(size_t code_bytes, long status)
{
	struct http_client_request request = {.headers = {"Content-Type: application/json"}};
	struct http_client_answer answer;
	char *code = calloc(1, code_bytes + 1), url[256];

	ck_assert_ptr_nonnull(code);
	memset(code, '/', code_bytes);
	json_t *body = json_pack("{s:s, s:s, s:s}", "userId", "ann", "language", "cpp", "code", code);
	char *text = json_dumps(body, 0);
	(void)snprintf(url, sizeof(url), "%s/submit", api.url);
	request.url = url;
	request.body = text;
	http_client_send(&request, &answer);
	ck_assert_msg(answer.status == status, "%ld: %s", answer.status, answer.body);
	ck_assert_int_eq(http_client_header(&answer, "retry-after") != NULL, status == 503);
	http_client_answer_free(&answer);
	free(text);
	free(code);
	json_decref(body);
}

START_TEST(a_node_says_which_of_them_is_down_and_accepts_nothing_that_needs_it)
{
	static const struct {
		const char *check, *word;
		size_t code_bytes;
	} needs[AWS_PLACE_PROXY_N] = {
		[AWS_PLACE_SQS] = {"queue", "GetQueueAttributes", 2},
		[AWS_PLACE_DYNAMODB] = {"store", "GetItem", 2},
		[AWS_PLACE_S3] = {"objects", "GetObject", LARGE_BYTES},
	};

	NEEDS_EMULATORS();
	set_up(0);
	start_api();
	expect_ready();
	for (size_t i = 0; i < AWS_PLACE_PROXY_N; i++) {
		faulty_set(&place.proxies[i], FAULTY_DOWN);
		expect_not_ready(needs[i].check, needs[i].word);
		submit(needs[i].code_bytes, 503);
		faulty_set(&place.proxies[i], FAULTY_PASS);
		expect_ready();
		submit(needs[i].code_bytes, 202);
	}
	/* What is small needs no S3. */
	faulty_set(&place.proxies[AWS_PLACE_S3], FAULTY_DOWN);
	submit(2, 202);
	service_end(&api);
	aws_place_close(&place);
}
END_TEST

/* --- within --------------------------------------------------------------------------------------------------------- */

static int put_one(void)
{
	char name[CONTRACT_NAME_SIZE];

	contract_name(name);
	err = (struct sandbox_error){0};
	return place.objects->operations->put(place.objects, name, STDIN_FILENO, 0, &err);
}

static int renew(const struct job *job)
{
	err = (struct sandbox_error){0};
	return place.store->operations->renew(place.store, job, 60, &err);
}

/* By this a worker knows that it is none of its job's failures. */
START_TEST(whoever_asks_is_told_that_it_will_pass)
{
	char id[JOB_ID_SIZE];

	NEEDS_EMULATORS();
	set_up(0);
	contract_create(place.store, id);
	struct job job = contract_claim(place.store, id);
	for (int mode = FAULTY_PASS; mode < FAULTY_MODE_N; mode++) {
		bool is_served = mode == FAULTY_PASS || mode == FAULTY_SLOW || mode == FAULTY_REPEAT;
		faulty_set(&place.proxies[AWS_PLACE_S3], (enum faulty_mode)mode);
		faulty_set(&place.proxies[AWS_PLACE_DYNAMODB], (enum faulty_mode)mode);
		ck_assert_msg(put_one() == (is_served ? 0 : -EAGAIN), "%s: put: %s",
			faulty_mode_name((enum faulty_mode)mode), err.message);
		ck_assert_msg(renew(&job) == (is_served ? 0 : -EAGAIN), "%s: renew: %s",
			faulty_mode_name((enum faulty_mode)mode), err.message);
	}
	job_free(&job);
	aws_place_close(&place);
}
END_TEST

/* --- a worker --------------------------------------------------------------------------------------------------------- */

/* It says in its log that it holds on to something. */
static void wait_until_held(const struct test_service *worker)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/service.log", worker->dir);
	for (int i = 0; i < PATIENCE; i++) {
		_cleanup_free_ char *log = NULL;
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
		size_t size;
		ck_assert_int_eq(fd_read_all(fd, 1 << 20, &log, &size), 0);
		if (strstr(log, "job.held") != NULL)
			return;
		client_pause(PAUSE_MSEC);
	}
	ck_abort_msg("it holds on to nothing");
}

/* A worker that has received a job while BACKEND is down. THREADS: "--workers=1". */
static void start_held(struct test_service *worker, const struct supervisor *supervisor, const char *threads,
	enum aws_place_proxy backend, char id[JOB_ID_SIZE])
{
	const char *const options[] = {"--role=worker", threads, NULL};

	contract_create(place.store, id);
	const struct job_ticket ticket = {id, "cpp", false};
	ck_assert_int_eq(place.queue->operations->send(place.queue, &ticket, &err), 0);
	faulty_set(&place.proxies[backend], FAULTY_DOWN);
	service_begin(worker);
	service_start(worker, supervisor, options);
	wait_until_held(worker);
}

/* The message is delivered once, or SQS gives it up; and the job runs once. */
START_TEST(what_a_worker_has_in_hand_waits_for_a_backend)
{
	static const enum aws_place_proxy backends[] = {AWS_PLACE_DYNAMODB, AWS_PLACE_S3};
	struct test_service worker;
	struct job job = {0};
	char id[JOB_ID_SIZE];

	NEEDS_EMULATORS();
	NEEDS_IMAGE("cpp");
	SUPERVISOR(supervisor);
	set_up(1);
	start_held(&worker, &supervisor, "--workers=2", backends[_i], id);
	client_pause(
		2 * LEASE_SEC * 1000); /* held, and not merely hidden: the other thread would receive it */
	faulty_set(&place.proxies[backends[_i]], FAULTY_PASS);
	for (int i = 0; i < PATIENCE && !job_is_finished(job.status); i++) {
		job_free(&job);
		client_pause(PAUSE_MSEC);
		ck_assert_int_eq(place.store->operations->get(place.store, id, &job, &err), 0);
	}
	ck_assert_msg(job.status == JOB_COMPLETED, "%s: %s", job_status_name(job.status), job.error);
	ck_assert_uint_eq(job.attempt, 1);
	job_free(&job);
	service_end(&worker);
	ck_assert_uint_eq(aws_place_messages(&place, place.queue_url), 0);
	ck_assert_uint_eq(aws_place_messages(&place, place.dead_url), 0);
	aws_place_close(&place);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(what_it_holds_it_gives_back_when_it_is_to_stop)
{
	struct test_service worker;
	char id[JOB_ID_SIZE];

	NEEDS_EMULATORS();
	NEEDS_IMAGE("cpp");
	SUPERVISOR(supervisor);
	set_up(0);
	/* Another thread's poll, which ends as well, might take what is given back. */
	start_held(&worker, &supervisor, "--workers=1", AWS_PLACE_S3, id);
	service_stop(&worker);
	contract_expect_status(place.store, id, JOB_QUEUED);
	uint64_t depth = 0; /* not hidden */
	ck_assert_int_eq(place.queue->operations->depth(place.queue, &depth, &err), 0);
	ck_assert_uint_eq(depth, 1);
	service_end(&worker);
	aws_place_close(&place);
	supervisor_close(&supervisor);
}
END_TEST

TEST_PROGRAM("down", 120, AWS_PLACE_SHARE(tc, EMULATOR_FAUXQS, EMULATOR_DYNALITE, EMULATOR_RGW);
	     tcase_add_test(tc, a_node_says_which_of_them_is_down_and_accepts_nothing_that_needs_it);
	     tcase_add_test(tc, whoever_asks_is_told_that_it_will_pass);
	     tcase_add_loop_test(tc, what_a_worker_has_in_hand_waits_for_a_backend, 0, 2);
	     tcase_add_test(tc, what_it_holds_it_gives_back_when_it_is_to_stop))
