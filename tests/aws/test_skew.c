/* Machines whose clocks are wrong by an hour: AWS takes their requests, and their leases are those of everybody else. This
 * program's own clock is as wrong as the test at hand wants it. */
#include "tests/lib/aws_place.h"
#include "tests/lib/client.h"
#include "tests/lib/http_client.h"
#include "tests/lib/objects_contract.h"
#include "tests/lib/place.h"
#include "tests/lib/queue_contract.h"
#include "tests/lib/service.h"
#include "tests/lib/store_contract.h"

#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	HOUR_SEC = 3600,
	NEAR_SEC = 60, /* far less than an hour, far more than a slow machine takes */
	THREADS = 8,
	PATIENCE = 600,
	PAUSE_MSEC = 100,
	USEC_PER_SEC = 1000000,
};

static const long wrongs[] = {HOUR_SEC, -HOUR_SEC};

static struct aws_place place;
static struct sandbox_error err;
static long ahead_sec;

/* In the place of libc's. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (r == 0 && clock == CLOCK_REALTIME)
		ret->tv_sec += ahead_sec;
	return r;
}

static int64_t true_usec(void)
{
	struct timespec now;

	ck_assert_int_eq(syscall(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
	return (int64_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

static void expect_near(int64_t usec, int64_t wanted)
{
	ck_assert_int_lt(llabs(usec - wanted), (int64_t)NEAR_SEC * USEC_PER_SEC);
}

/* As a process on a machine whose clock is that wrong, which has asked nobody yet. */
static void set_up(long wrong_sec)
{
	aws_place_open(&place, &(struct aws_place_plan){AWS_PLACE_ALL, .has_proxies = true});
	ahead_sec = wrong_sec;
}

static void tear_down(void)
{
	ahead_sec = 0;
	aws_place_close(&place);
}

/* --- signatures --------------------------------------------------------------------------------------------------- */

static void *put_one(void *user)
{
	struct sandbox_error own = {0};
	char name[CONTRACT_NAME_SIZE];

	contract_name(name);
	*(int *)user = place.objects->operations->put(place.objects, name, STDIN_FILENO, 0, &own);
	return NULL;
}

/* All at once, each signed before any answer told the time. */
START_TEST(what_is_refused_for_its_date_is_signed_again)
{
	pthread_t threads[THREADS];
	int results[THREADS];

	NEEDS_EMULATORS();
	set_up(wrongs[_i]);
	faulty_set(&place.proxies[AWS_PLACE_S3], FAULTY_SLOW);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, put_one, &results[i]), 0);
	for (size_t i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_int_eq(results[i], 0);
	}
	ck_assert_uint_eq(faulty_refused(&place.proxies[AWS_PLACE_S3]), THREADS);
	expect_near(aws_client_now_usec(place.s3), true_usec());
	tear_down();
}
END_TEST

/* Making one asks nobody. */
START_TEST(links_are_good)
{
	struct http_client_request request = {0};
	struct http_client_answer answer;
	char id[JOB_ID_SIZE], name[CONTRACT_NAME_SIZE];
	unsigned ttl_sec = 600;
	char *url = NULL;

	NEEDS_EMULATORS();
	set_up(0);
	contract_name(name);
	contract_put(place.objects, name, "printed", 7);
	ahead_sec = wrongs[_i];
	contract_create(place.store, id); /* whoever wants a link has asked for its job before */
	contract_expect_status(place.store, id, JOB_QUEUED);
	ck_assert_int_eq(place.objects->operations->url(place.objects, name, "", &ttl_sec, &url, &err), 0);
	request.url = url;
	http_client_send(&request, &answer);
	ck_assert_msg(answer.status == 200, "%ld: %s", answer.status, answer.body);
	http_client_answer_free(&answer);
	free(url);
	tear_down();
}
END_TEST

/* --- leases ------------------------------------------------------------------------------------------------------- */

static int claim(const char *id, unsigned sec, struct job *job)
{
	const struct store_lease lease = {sec, ""};

	return place.store->operations->claim(place.store, id, &lease, job, &err);
}

/* A job, claimed on a machine whose clock is right. */
static void claimed_job(unsigned lease_sec, char id[JOB_ID_SIZE])
{
	struct job job = {0};

	contract_create(place.store, id);
	ck_assert_int_eq(claim(id, lease_sec, &job), 0);
	job_free(&job);
}

/* The store of another process, that has asked nobody yet. */
static void begin_anew(long wrong_sec)
{
	aws_place_reopen(&place);
	ahead_sec = wrong_sec;
}

START_TEST(the_time_is_the_stores)
{
	NEEDS_EMULATORS();
	set_up(wrongs[_i]);
	expect_near(place.store->operations->now_usec(place.store), true_usec());
	tear_down();
}
END_TEST

START_TEST(a_lease_that_others_hold_is_left_alone)
{
	char id[JOB_ID_SIZE];
	struct job job = {0};

	NEEDS_EMULATORS();
	set_up(0);
	claimed_job(NEAR_SEC, id);
	begin_anew(wrongs[_i]);
	ck_assert_int_eq(claim(id, NEAR_SEC, &job), STORE_CONFLICT);
	tear_down();
}
END_TEST

START_TEST(a_lease_is_as_long_as_it_says)
{
	char id[JOB_ID_SIZE];
	struct job job = {0};

	NEEDS_EMULATORS();
	set_up(wrongs[_i]);
	contract_create(place.store, id);
	begin_anew(wrongs[_i]);
	ck_assert_int_eq(claim(id, NEAR_SEC, &job), 0);
	expect_near(job.lease_usec, true_usec() + (int64_t)NEAR_SEC * USEC_PER_SEC);
	ck_assert_int_eq(place.store->operations->renew(place.store, &job, 2 * NEAR_SEC, &err), 0);
	job_free(&job);
	ck_assert_int_eq(place.store->operations->get(place.store, id, &job, &err), 0);
	expect_near(job.lease_usec, true_usec() + (int64_t)2 * NEAR_SEC * USEC_PER_SEC);
	job_free(&job);
	tear_down();
}
END_TEST

/* --- a worker ----------------------------------------------------------------------------------------------------- */

/* The message of a job whose worker is dead: it is hidden until the lease is over, and no longer; it is not asked for again and
 * again meanwhile, which would use up its deliveries. */
START_TEST(a_dead_workers_job_is_taken_over_in_time)
{
	static const char *const options[] = {"--role=worker", "--workers=1", NULL};
	struct supervisor supervisor;
	struct test_service worker;
	char id[JOB_ID_SIZE];
	struct job job = {0};

	NEEDS_EMULATORS();
	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	supervisor_open(&supervisor);
	set_up(0);
	claimed_job(5, id);
	ck_assert_int_eq(
		place.queue->operations->send(place.queue, &(struct job_ticket){id, "cpp", false}, &err), 0);
	service_begin(&worker);
	worker.ahead_sec = wrongs[_i];
	service_start(&worker, &supervisor, options);
	for (int i = 0; i < PATIENCE && !job_is_finished(job.status); i++) {
		job_free(&job);
		client_pause(PAUSE_MSEC);
		ck_assert_int_eq(place.store->operations->get(place.store, id, &job, &err), 0);
	}
	ck_assert_msg(job.status == JOB_COMPLETED, "%s: %s", job_status_name(job.status), job.error);
	ck_assert_uint_eq(job.attempt, 2);
	expect_near(job.completed_usec, true_usec());
	job_free(&job);
	service_end(&worker);
	tear_down();
	supervisor_close(&supervisor);
}
END_TEST

enum { WRONGS = sizeof(wrongs) / sizeof(wrongs[0]) };

TEST_PROGRAM("skew", 120, AWS_PLACE_SHARE(tc, EMULATOR_FAUXQS, EMULATOR_DYNALITE, EMULATOR_RGW);
	     tcase_add_loop_test(tc, what_is_refused_for_its_date_is_signed_again, 0, WRONGS);
	     tcase_add_loop_test(tc, links_are_good, 0, WRONGS);
	     tcase_add_loop_test(tc, the_time_is_the_stores, 0, WRONGS);
	     tcase_add_loop_test(tc, a_lease_that_others_hold_is_left_alone, 0, WRONGS);
	     tcase_add_loop_test(tc, a_lease_is_as_long_as_it_says, 0, WRONGS);
	     tcase_add_loop_test(tc, a_dead_workers_job_is_taken_over_in_time, 0, WRONGS))
