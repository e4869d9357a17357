/* Batches of store, queue and objects: together or not at all, seen by others only when they are whole. */
#include "sandbox/base/fd.h"
#include "service/batch.h"
#include "service/database.h"
#include "service/objects.h"
#include "service/queue.h"
#include "service/store.h"
#include "tests/lib/scratch.h"
#include "tests/lib/state.h"
#include "tests/lib/store_contract.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct scratch scratch;
static struct database *database;
static struct store *store;
static struct queue *queue;
static struct objects *objects;
static struct batch *batch;
static struct sandbox_error err;

static void set_up(void)
{
	char dir[128];

	err = (struct sandbox_error){0};
	scratch_open(&scratch);
	ck_assert_int_eq(mkdir(scratch_path(&scratch, "service", dir, sizeof(dir)), 0700), 0);
	int r = database_open(dir, &database, &err);
	if (r == 0)
		r = store_sqlite_open(database, &store, &err);
	if (r == 0)
		r = queue_sqlite_open(database, &queue, &err);
	if (r == 0)
		r = objects_files_open(database, &objects, &err);
	if (r == 0)
		r = batch_sqlite_open(database, &batch, &err);
	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
}

static void tear_down(void)
{
	batch = batch->operations->close(batch);
	ck_assert_ptr_null(batch);
	(void)objects->operations->close(objects);
	(void)queue->operations->close(queue);
	(void)store->operations->close(store);
	(void)database_close(database);
	scratch_close(&scratch);
}

/* Rows of TABLE, as another process sees them. */
static int seen(const char *table)
{
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	return state_count(scratch.dir, sql);
}

static void expect_seen(int jobs, int messages, int outputs)
{
	ck_assert_int_eq(seen("jobs"), jobs);
	ck_assert_int_eq(seen("messages"), messages);
	ck_assert_int_eq(seen("objects"), outputs);
}

static int put_output(const char *id)
{
	_cleanup_close_ int fd = fd_memfd("output", "42\n", 3);
	char name[64];

	(void)snprintf(name, sizeof(name), "outputs/%s.txt", id);
	return objects->operations->put(objects, name, fd, 3, &err);
}

static int fill(const struct job *job)
{
	int r = store->operations->create(store, job, &err);

	if (r == 0)
		r = queue->operations->send(queue, &(struct job_ticket){job->id, job->language, false}, &err);
	return r == 0 ? put_output(job->id) : r;
}

START_TEST(others_see_it_when_it_is_whole)
{
	set_up();
	struct job job = contract_job("cpp", "code", "input");
	ck_assert(batch_begin(batch));
	ck_assert_int_eq(fill(&job), 0);
	expect_seen(0, 0, 0);
	ck_assert(batch_end(batch, true));
	expect_seen(1, 1, 1);
	contract_expect_status(store, job.id, JOB_QUEUED);
	job_free(&job);
	tear_down();
}
END_TEST

START_TEST(what_is_not_good_leaves_nothing)
{
	set_up();
	struct job job = contract_job("cpp", "code", "input");
	ck_assert(batch_begin(batch));
	ck_assert_int_eq(fill(&job), 0);
	ck_assert(!batch_end(batch, false));
	expect_seen(0, 0, 0);
	/* And the same calls one by one are as good as ever. */
	ck_assert_int_eq(fill(&job), 0);
	expect_seen(1, 1, 1);
	job_free(&job);
	tear_down();
}
END_TEST

/* Of a conflict, too: the store has rolled back itself. */
START_TEST(a_call_without_success_takes_the_others_along)
{
	struct queue_message message;
	struct job taken = {0};
	uint64_t depth;

	set_up();
	struct job job = contract_job("cpp", "code", "input");
	ck_assert_int_eq(fill(&job), 0);
	taken = contract_claim(store, job.id);
	job_free(&taken);
	ck_assert(batch_begin(batch));
	ck_assert_int_eq(queue->operations->receive(queue, 0, 60, &message, &err), 0);
	ck_assert_int_eq(
		store->operations->claim(store, message.id, &(struct store_lease){60, ""}, &taken, &err),
		STORE_CONFLICT);
	ck_assert(!batch_end(batch, false));
	ck_assert_int_eq(queue->operations->depth(queue, &depth, &err), 0);
	ck_assert_uint_eq(depth, 1);
	ck_assert_int_eq(queue->operations->receive(queue, 0, 60, &message, &err), 0);
	ck_assert_uint_eq(message.receive_count, 1);
	job_free(&job);
	tear_down();
}
END_TEST

/* As many syncs as there are acceptances, and none for what came to nothing. */
START_TEST(what_must_be_durable_is_when_it_ends)
{
	set_up();
	struct job job = contract_job("cpp", "code", "input");
	uint64_t before = database->sync.done;
	ck_assert(batch_begin(batch));
	ck_assert_int_eq(fill(&job), 0);
	ck_assert(!batch_end(batch, false));
	ck_assert_uint_eq(database->sync.wanted, before);
	ck_assert(batch_begin(batch));
	ck_assert_int_eq(fill(&job), 0);
	ck_assert_uint_eq(database->sync.wanted, before);
	ck_assert(batch_end(batch, true));
	ck_assert_uint_eq(database->sync.done, before + 1);
	job_free(&job);
	tear_down();
}
END_TEST

static atomic_bool has_got;

static void *get(void *user)
{
	struct job job = {0};

	ck_assert_int_eq(store->operations->get(store, user, &job, NULL), 0);
	job_free(&job);
	atomic_store(&has_got, true);
	return NULL;
}

START_TEST(other_threads_wait_for_its_end)
{
	pthread_t thread;

	set_up();
	struct job job = contract_job("cpp", "code", "input");
	ck_assert(batch_begin(batch));
	ck_assert_int_eq(fill(&job), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, get, job.id), 0);
	(void)usleep(50 * 1000); /* time for it not to wait */
	ck_assert(!atomic_load(&has_got));
	ck_assert(batch_end(batch, true));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	job_free(&job);
	tear_down();
}
END_TEST

START_TEST(without_a_backend_for_it_there_is_none)
{
	ck_assert(!batch_begin(NULL));
}
END_TEST

TEST_PROGRAM("batch", 60, tcase_add_test(tc, others_see_it_when_it_is_whole);
	     tcase_add_test(tc, what_is_not_good_leaves_nothing);
	     tcase_add_test(tc, a_call_without_success_takes_the_others_along);
	     tcase_add_test(tc, what_must_be_durable_is_when_it_ends);
	     tcase_add_test(tc, other_threads_wait_for_its_end);
	     tcase_add_test(tc, without_a_backend_for_it_there_is_none))
