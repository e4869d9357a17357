/* The keeper of a claim, over the embedded store and queue; and the janitor. */
#include "sandbox/base/fd.h"
#include "service/database.h"
#include "service/janitor.h"
#include "service/keeper.h"
#include "tests/lib/objects_contract.h"
#include "tests/lib/queue_contract.h"
#include "tests/lib/scratch.h"
#include "tests/lib/store_contract.h"
#include "tests/lib/test.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

/* It renews each second; a claim of its own would last three. */
enum { LEASE_SEC = 3, LONG_MSEC = 60 * 1000 };

static struct scratch scratch;
static struct database *database;
static struct store *store;
static struct queue *queue;
static struct objects *objects;
static struct keeper *keeper;
static int lost_fd;
static struct sandbox_error err;

static void set_up(void)
{
	scratch_open(&scratch);
	lost_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_eq(database_open(scratch.dir, &database, &err), 0);
	ck_assert_int_eq(store_sqlite_open(database, &store, &err), 0);
	ck_assert_int_eq(queue_sqlite_open(database, &queue, &err), 0);
	ck_assert_int_eq(objects_files_open(database, &objects, &err), 0);
	const struct keeper_options options = {store, queue, LEASE_SEC, lost_fd};
	ck_assert_int_eq(keeper_open(&options, &keeper, &err), 0);
}

static void tear_down(void)
{
	keeper = keeper_close(keeper);
	objects = objects->operations->close(objects);
	queue = queue->operations->close(queue);
	store = store->operations->close(store);
	database = database_close(database);
	(void)fd_close(lost_fd);
	scratch_close(&scratch);
}

/* A job received and claimed, both for LEASE_SEC. */
static struct job take(struct queue_message *message)
{
	const struct store_lease lease = {LEASE_SEC, ""};
	struct job job = {0};
	char id[JOB_ID_SIZE];

	contract_create(store, id);
	ck_assert_int_eq(queue->operations->send(queue, &(struct job_ticket){id, "cpp", false}, &err), 0);
	*message = contract_receive(queue, LEASE_SEC);
	ck_assert_int_eq(store->operations->claim(store, id, &lease, &job, &err), 0);
	return job;
}

static int64_t lease_of(const char *id)
{
	struct job job = {0};

	ck_assert_int_eq(store->operations->get(store, id, &job, &err), 0);
	int64_t lease_usec = job.lease_usec;
	job_free(&job);
	return lease_usec;
}

START_TEST(keeps_what_is_held)
{
	struct queue_message message, none;

	set_up();
	struct job job = take(&message);
	keeper_hold(keeper, &message, &job);
	/* Longer than the lease was. */
	ck_assert_int_eq(
		queue->operations->receive(queue, (LEASE_SEC + 1) * 1000, 60, &none, &err), QUEUE_EMPTY);
	ck_assert_int_gt(lease_of(job.id), job.lease_usec);
	ck_assert(keeper_let_go(keeper));
	ck_assert_int_eq(queue->operations->ack(queue, &message, &err), 0);
	job_free(&job);
	tear_down();
}
END_TEST

START_TEST(keeps_one_claim_after_the_other)
{
	struct queue_message message;

	set_up();
	for (size_t i = 0; i < 3; i++) {
		struct job job = take(&message);
		keeper_hold(keeper, &message, &job);
		while (lease_of(job.id) == job.lease_usec)
			(void)nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
		ck_assert(keeper_let_go(keeper));
		job_free(&job);
	}
	tear_down();
}
END_TEST

START_TEST(lets_run_out_what_is_not_held)
{
	struct queue_message message;

	set_up();
	struct job job = take(&message);
	keeper_hold(keeper, &message, &job);
	ck_assert(keeper_let_go(keeper));
	struct queue_message again = contract_receive(queue, 60);
	ck_assert_str_eq(again.id, job.id);
	ck_assert_int_eq(lease_of(job.id), job.lease_usec);
	job_free(&job);
	tear_down();
}
END_TEST

START_TEST(says_that_a_claim_is_lost)
{
	struct pollfd lost = {.events = POLLIN};
	struct queue_message message;

	set_up();
	lost.fd = lost_fd;
	struct job job = take(&message);
	keeper_hold(keeper, &message, &job);
	ck_assert_int_eq(store->operations->release(store, &job, false, &err), 0);
	struct job others = contract_claim(store, job.id);
	ck_assert_int_eq(poll(&lost, 1, LONG_MSEC), 1);
	ck_assert(!keeper_let_go(keeper));
	/* The next one is not affected. */
	ck_assert_int_eq(poll(&lost, 1, 0), 0);
	keeper_hold(keeper, &message, &others);
	ck_assert(keeper_let_go(keeper));
	job_free(&others);
	job_free(&job);
	tear_down();
}
END_TEST

/* --- the janitor ------------------------------------------------------------------------------------------------ */

START_TEST(removes_jobs_and_outputs_that_have_expired)
{
	struct job job = contract_job("cpp", "", "");
	struct janitor *janitor = NULL;
	char name[CONTRACT_NAME_SIZE], kept[JOB_ID_SIZE];
	uint64_t size;
	int fd = -1, r = 0;

	set_up();
	contract_create(store, kept);
	job.expires_usec = job_now_usec() + 1000 * 1000;
	ck_assert_int_eq(store->operations->create(store, &job, &err), 0);
	struct job claimed = contract_claim(store, job.id);
	(void)snprintf(name, sizeof(name), "outputs/%s.txt", job.id);
	contract_put(objects, name, "x", 1);
	contract_complete(&claimed);
	claimed.output_path = strdup(name);
	ck_assert_int_eq(store->operations->finish(store, &claimed, &err), 0);
	while (job_now_usec() < job.expires_usec)
		(void)nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
	ck_assert_int_eq(janitor_open(&(struct janitor_options){store, objects, queue}, &janitor, &err), 0);
	for (int i = 0; i < 1000 && r != OBJECTS_MISSING; i++) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
		r = objects->operations->open(objects, name, &fd, &size, &err);
		fd = fd_close(fd);
	}
	ck_assert_int_eq(r, OBJECTS_MISSING);
	janitor = janitor_close(janitor);
	/* The row is gone as well: the id is free. */
	ck_assert_int_eq(store->operations->create(store, &job, &err), 0);
	contract_expect_status(store, kept, JOB_QUEUED);
	job_free(&claimed);
	job_free(&job);
	tear_down();
}
END_TEST

TEST_PROGRAM("keeper", 120, tcase_add_test(tc, keeps_what_is_held);
	     tcase_add_test(tc, keeps_one_claim_after_the_other);
	     tcase_add_test(tc, lets_run_out_what_is_not_held); tcase_add_test(tc, says_that_a_claim_is_lost);
	     tcase_add_test(tc, removes_jobs_and_outputs_that_have_expired))
