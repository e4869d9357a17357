/* The embedded store, queue and objects: out of memory each operation is said to have failed and has changed nothing, or
 * it has succeeded. */
#include "sandbox/base/fd.h"
#include "service/batch.h"
#include "service/database.h"
#include "service/objects.h"
#include "service/queue.h"
#include "service/store.h"
#include "tests/lib/scratch.h"
#include "tests/torture/torture.h"

#include <openssl/err.h>
#include <string.h>

#define ID "00000000-0000-4000-8000-000000000001"
#define OUTPUT "outputs/" ID ".txt"

enum { STRIDE = 3, OPEN_STRIDE = 11 };

static struct scratch scratch;
static struct database *database;
static struct store *store;
static struct queue *queue;
static struct objects *objects;
static struct batch *batch;

static struct job sample(void)
{
	static char user[] = "ann", language[] = "cpp", code[] = "int main() {}", input[] = "2 3";

	return (struct job){.id = ID,
		.user_id = user,
		.language = language,
		.code = code,
		.code_size = sizeof(code) - 1,
		.input = input,
		.input_size = sizeof(input) - 1,
		.created_usec = 1,
		.updated_usec = 1};
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static void open_database(void)
{
	struct sandbox_error err = {0};

	scratch_open(&scratch);
	ck_assert_msg(database_open(scratch.dir, &database, &err) == 0, "%s", err.message);
}

static void close_database(void)
{
	database = database_close(database);
	scratch_close(&scratch);
}

START_TEST(opening_the_database)
{
	TORTURE_EACH(turn, OPEN_STRIDE)
	{
		struct sandbox_error err = {0};
		database = NULL;
		scratch_open(&scratch);
		torture_arm(&turn);
		int r = database_open(scratch.dir, &database, &err);
		torture_disarm(&turn);
		torture_check(&turn, r, &err);
		ck_assert_int_eq(r == 0, database != NULL);
		if (r == 0)
			database = database_close(database);
		/* What was begun does not stand in the way. */
		ck_assert_int_eq(database_open(scratch.dir, &database, &err), 0);
		close_database();
	}
}
END_TEST

START_TEST(opening_the_store)
{
	open_database();
	TORTURE_EACH(turn, OPEN_STRIDE)
	{
		struct sandbox_error err = {0};
		store = NULL;
		torture_arm(&turn);
		int r = store_sqlite_open(database, &store, &err);
		torture_disarm(&turn);
		torture_check(&turn, r, &err);
		ck_assert_int_eq(r == 0, store != NULL);
		if (r == 0)
			(void)store->operations->close(store);
	}
	close_database();
}
END_TEST

START_TEST(opening_the_queue)
{
	open_database();
	TORTURE_EACH(turn, OPEN_STRIDE)
	{
		struct sandbox_error err = {0};
		queue = NULL;
		torture_arm(&turn);
		int r = queue_sqlite_open(database, &queue, &err);
		torture_disarm(&turn);
		torture_check(&turn, r, &err);
		ck_assert_int_eq(r == 0, queue != NULL);
		if (r == 0)
			(void)queue->operations->close(queue);
	}
	close_database();
}
END_TEST

START_TEST(opening_the_objects)
{
	open_database();
	TORTURE_EACH(turn, 1)
	{
		struct sandbox_error err = {0};
		objects = NULL;
		torture_arm(&turn);
		int r = objects_files_open(database, &objects, &err);
		torture_disarm(&turn);
		torture_check(&turn, r, &err);
		ck_assert_int_eq(r == 0, objects != NULL);
		if (r == 0)
			(void)objects->operations->close(objects);
		ck_assert_int_eq(objects_files_open(database, &objects, &err), 0);
		(void)objects->operations->close(objects);
	}
	close_database();
}
END_TEST

/* --- the store's operations -------------------------------------------------------------------------------------- */

/* What an operation on the sample job starts from, what it does, and what has become of the job when it succeeds. */
struct step {
	const char *name;
	enum job_status before, after;
	int (*operate)(struct sandbox_error *err);
};

static int create(struct sandbox_error *err)
{
	struct job job = sample();

	return store->operations->create(store, &job, err);
}

/* libcheck allocates: what is found out while turns are armed is asserted afterwards. */
static bool is_right;

static int get(struct sandbox_error *err)
{
	struct job job = {0};
	int r = store->operations->get(store, ID, &job, err);

	is_right = r < 0 || strcmp(job.language, "cpp") == 0;
	job_free(&job);
	return r;
}

static int claim(struct sandbox_error *err)
{
	struct job job = {0};
	int r = store->operations->claim(
		store, ID, &(struct store_lease){60, "http://127.0.0.1:1"}, &job, err);

	is_right = r < 0 || (job.attempt == 1 && strcmp(job.input, "2 3") == 0);
	job_free(&job);
	return r;
}

static int finish(struct sandbox_error *err)
{
	static char error[] = "exit code 3", preview[] = "5";
	struct job job = sample();

	job.attempt = 1;
	job.status = JOB_FAILED;
	job.verdict = REPORT_RUNTIME_ERROR;
	job.error = error;
	job.stdout_preview = preview;
	job.has_compile = job.has_run = true;
	job.run.exit_code = 3;
	return store->operations->finish(store, &job, err);
}

static int release(struct sandbox_error *err)
{
	struct job job = sample();

	job.attempt = 1;
	return store->operations->release(store, &job, true, err);
}

static int renew(struct sandbox_error *err)
{
	struct job job = sample();

	job.attempt = 1;
	return store->operations->renew(store, &job, 60, err);
}

static int bury(struct sandbox_error *err)
{
	static char error[] = "nobody could run it";
	struct job job = {.id = ID, .status = JOB_FAILED, .verdict = REPORT_INTERNAL_ERROR, .error = error};

	return store->operations->bury(store, &job, err);
}

static int list(struct sandbox_error *err)
{
	struct store_page page = {0};
	int r = store->operations->list(store, "ann", NULL, 10, &page, err);

	is_right = r < 0 || (page.n == 1 && strcmp(page.jobs[0].id, ID) == 0 && page.cursor == NULL);
	store_page_free(&page);
	return r;
}

/* Nothing has expired: nothing is touched. */
static int expire(struct sandbox_error *err)
{
	unsigned n = 0;
	int r = store->operations->expire(store, 10, NULL, NULL, &n, err);

	is_right = n == 0;
	return r;
}

static int count(const struct job_ticket *ticket, void *user)
{
	(void)ticket;
	++*(unsigned *)user;
	return 0;
}

static int recover(struct sandbox_error *err)
{
	unsigned n = 0;
	int r = store->operations->recover(store, count, &n, err);

	is_right = r < 0 || n == 1;
	return r;
}

static int ping(struct sandbox_error *err)
{
	return store->operations->ping(store, err);
}

static const struct step steps[] = {
	{"create", JOB_STATUS_N, JOB_QUEUED, create},
	{"get", JOB_QUEUED, JOB_QUEUED, get},
	{"get a finished one", JOB_FAILED, JOB_FAILED, get},
	{"claim", JOB_QUEUED, JOB_RUNNING, claim},
	{"finish", JOB_RUNNING, JOB_FAILED, finish},
	{"release", JOB_RUNNING, JOB_QUEUED, release},
	{"renew", JOB_RUNNING, JOB_RUNNING, renew},
	{"bury", JOB_QUEUED, JOB_FAILED, bury},
	{"list", JOB_QUEUED, JOB_QUEUED, list},
	{"expire", JOB_FAILED, JOB_FAILED, expire},
	{"recover", JOB_QUEUED, JOB_QUEUED, recover},
	{"ping", JOB_QUEUED, JOB_QUEUED, ping},
};

/* The job in STATUS; JOB_STATUS_N: there is none. */
static void prepare(enum job_status status)
{
	struct sandbox_error err = {0};

	ck_assert_int_eq(store_sqlite_open(database, &store, &err), 0);
	if (status == JOB_STATUS_N)
		return;
	ck_assert_int_eq(create(&err), 0);
	if (status == JOB_QUEUED)
		return;
	ck_assert_int_eq(claim(&err), 0);
	if (status == JOB_FAILED)
		ck_assert_int_eq(finish(&err), 0);
}

static enum job_status status_now(void)
{
	struct job job = {0};
	struct sandbox_error err = {0};
	int r = store->operations->get(store, ID, &job, &err);
	enum job_status status = r == STORE_MISSING ? JOB_STATUS_N : job.status;

	ck_assert_msg(r >= 0, "%s", err.message);
	job_free(&job);
	return status;
}

START_TEST(a_job_is_changed_whole_or_not_at_all)
{
	const struct step *step = &steps[_i];

	TORTURE_EACH(turn, STRIDE)
	{
		struct sandbox_error err = {0};
		open_database();
		prepare(step->before);
		is_right = true;
		torture_arm(&turn);
		int r = step->operate(&err);
		torture_disarm(&turn);
		torture_check(&turn, r, &err);
		ck_assert_msg(r <= 0 && is_right, "%s: %d", step->name, r);
		ck_assert_msg(status_now() == (r == 0 ? step->after : step->before), "%s: %d after %d",
			step->name, status_now(), r);
		/* And it can be done. */
		if (r < 0)
			ck_assert_msg(
				step->operate(&err) == 0, "%s: not afterwards: %s", step->name, err.message);
		(void)store->operations->close(store);
		close_database();
	}
}
END_TEST

/* --- the queue's operations -------------------------------------------------------------------------------------- */

static struct queue_message message;

static int send(struct sandbox_error *err)
{
	return queue->operations->send(queue, &(struct job_ticket){ID, "cpp", false}, err);
}

static int receive(struct sandbox_error *err)
{
	return queue->operations->receive(queue, 0, 60, &message, err);
}

static int extend(struct sandbox_error *err)
{
	return queue->operations->extend(queue, &message, 60, err);
}

static int ack(struct sandbox_error *err)
{
	return queue->operations->ack(queue, &message, err);
}

static int nack(struct sandbox_error *err)
{
	return queue->operations->nack(queue, &message, 0, err);
}

static int depth(struct sandbox_error *err)
{
	uint64_t n;

	return queue->operations->depth(queue, &n, err);
}

/* DEPTH counts the messages that are there to be received. */
static const struct queue_step {
	const char *name;
	bool has_message, is_received;
	uint64_t before, after;
	int (*operate)(struct sandbox_error *err);
} queue_steps[] = {
	{"send", false, false, 0, 1, send},
	{"receive", true, false, 1, 0, receive},
	{"extend", true, true, 0, 0, extend},
	{"ack", true, true, 0, 0, ack},
	{"nack", true, true, 0, 1, nack},
	{"depth", true, false, 1, 1, depth},
};

START_TEST(a_message_is_moved_whole_or_not_at_all)
{
	const struct queue_step *step = &queue_steps[_i];

	TORTURE_EACH(turn, STRIDE)
	{
		struct sandbox_error err = {0};
		uint64_t n = 0;
		open_database();
		ck_assert_int_eq(queue_sqlite_open(database, &queue, &err), 0);
		if (step->has_message)
			ck_assert_int_eq(send(&err), 0);
		if (step->is_received)
			ck_assert_int_eq(receive(&err), 0);
		torture_arm(&turn);
		int r = step->operate(&err);
		torture_disarm(&turn);
		torture_check(&turn, r, &err);
		ck_assert_msg(r <= 0, "%s: %d", step->name, r);
		ck_assert_int_eq(queue->operations->depth(queue, &n, NULL), 0);
		ck_assert_msg(n == (r == 0 ? step->after : step->before),
			"%s: allocation %lu: %d, then %u to be received", step->name, turn.n, r, (unsigned)n);
		if (r < 0)
			ck_assert_msg(
				step->operate(&err) == 0, "%s: not afterwards: %s", step->name, err.message);
		(void)queue->operations->close(queue);
		close_database();
	}
}
END_TEST

/* --- batches ------------------------------------------------------------------------------------------------------ */

static int accept_job(struct sandbox_error *err)
{
	int r = create(err);

	return r == 0 ? send(err) : r;
}

static int take_job(struct sandbox_error *err)
{
	int r = receive(err);

	return r == 0 ? claim(err) : r;
}

static int finish_job(struct sandbox_error *err)
{
	_cleanup_close_ int fd = fd_memfd("output", "5", 1);

	int r = objects->operations->put(objects, OUTPUT, fd, 1, err);
	if (r == 0)
		r = finish(err);
	return r == 0 ? ack(err) : r;
}

/* What a batch begins with, what it does, and what is there when it is done: status, messages to be received, outputs. */
static const struct batch_step {
	const char *name;
	int (*prepare[2])(struct sandbox_error *err);
	int (*operate)(struct sandbox_error *err);
	struct batch_state {
		enum job_status status;
		uint64_t depth;
		bool has_output;
	} before, after;
} batch_steps[] = {
	{"accept", {NULL, NULL}, accept_job, {JOB_STATUS_N, 0, false}, {JOB_QUEUED, 1, false}},
	{"take", {accept_job, NULL}, take_job, {JOB_QUEUED, 1, false}, {JOB_RUNNING, 0, false}},
	{"finish", {accept_job, take_job}, finish_job, {JOB_RUNNING, 0, false}, {JOB_FAILED, 0, true}},
};

static void open_all(void)
{
	open_database();
	ck_assert_int_eq(store_sqlite_open(database, &store, NULL), 0);
	ck_assert_int_eq(queue_sqlite_open(database, &queue, NULL), 0);
	ck_assert_int_eq(objects_files_open(database, &objects, NULL), 0);
	ck_assert_int_eq(batch_sqlite_open(database, &batch, NULL), 0);
}

static void close_all(void)
{
	(void)batch->operations->close(batch);
	(void)objects->operations->close(objects);
	(void)queue->operations->close(queue);
	(void)store->operations->close(store);
	close_database();
}

static void expect_state(const struct batch_step *step, const struct batch_state *state)
{
	uint64_t depth, size;
	int fd = -1;

	ck_assert_msg(status_now() == state->status, "%s: status %d", step->name, status_now());
	ck_assert_int_eq(queue->operations->depth(queue, &depth, NULL), 0);
	ck_assert_msg(depth == state->depth, "%s: depth %u", step->name, (unsigned)depth);
	int r = objects->operations->open(objects, OUTPUT, &fd, &size, NULL);
	ck_assert_msg((r == 0) == state->has_output, "%s: output %d", step->name, r);
	(void)fd_close(fd);
}

START_TEST(a_batch_is_done_whole_or_not_at_all)
{
	const struct batch_step *step = &batch_steps[_i];

	TORTURE_EACH(turn, STRIDE)
	{
		struct sandbox_error err = {0};
		open_all();
		for (size_t i = 0; i < ARRAY_SIZE(step->prepare) && step->prepare[i] != NULL; i++)
			ck_assert_int_eq(step->prepare[i](&err), 0);
		torture_arm(&turn);
		bool is_done = batch_begin(batch);
		if (is_done)
			is_done = batch_end(batch, step->operate(&err) == 0);
		torture_disarm(&turn);
		ck_assert_msg(is_done || turn.has_failed, "%s: %s", step->name, err.message);
		expect_state(step, is_done ? &step->after : &step->before);
		/* And it can be done, one by one. */
		if (!is_done)
			ck_assert_msg(
				step->operate(&err) == 0, "%s: not afterwards: %s", step->name, err.message);
		expect_state(step, &step->after);
		close_all();
	}
}
END_TEST

/* --- links to objects --------------------------------------------------------------------------------------------- */

/* OpenSSL keeps what it notes of a thread's first failure. */
static void settle_openssl(void)
{
	ERR_raise(ERR_LIB_USER, 1);
	ERR_clear_error();
}

/* Short of memory no link is made, or a right one refused; never is a wrong one taken. */
START_TEST(a_link_is_right_or_refused)
{
	struct sandbox_error err = {0};

	open_database();
	settle_openssl();
	ck_assert_int_eq(objects_files_open(database, &objects, &err), 0);
	TORTURE_EACH(turn, 1)
	{
		_cleanup_free_ char *url = NULL;
		char expires[32] = "", signature[65] = "", wrong[65];
		int good = -1, bad = -1;
		memset(wrong, '0', 64);
		wrong[64] = '\0';
		err = (struct sandbox_error){0};
		torture_arm(&turn);
		int r = objects->operations->url(
			objects, OUTPUT, "http://localhost", &(unsigned){60}, &url, &err);
		if (r == 0)
			(void)sscanf(strchr(url, '?'), "?expires=%31[0-9]&signature=%64[0-9a-f]", expires,
				signature);
		if (r == 0)
			good = objects->operations->verify(objects, OUTPUT, expires, signature, NULL);
		if (r == 0)
			bad = objects->operations->verify(objects, OUTPUT, expires, wrong, NULL);
		torture_disarm(&turn);
		ck_assert_int_eq(r < 0, url == NULL);
		ck_assert_int_ne(bad, 0);
		if (!turn.has_failed)
			ck_assert_int_eq(good, 0);
		ERR_clear_error();
	}
	(void)objects->operations->close(objects);
	close_database();
}
END_TEST

/* --- objects ------------------------------------------------------------------------------------------------------ */

/* A small one, which is what allocates. */
START_TEST(an_object_is_replaced_whole_or_not_at_all)
{
	_cleanup_close_ int old = fd_memfd("old", "old", 3), new = fd_memfd("new", "new", 3);

	open_database();
	ck_assert_int_eq(objects_files_open(database, &objects, NULL), 0);
	TORTURE_EACH(turn, STRIDE)
	{
		struct sandbox_error err = {0};
		char found[3] = "";
		uint64_t size = 0;
		int fd = -1;
		ck_assert_int_eq(objects->operations->put(objects, OUTPUT, old, 3, NULL), 0);
		torture_arm(&turn);
		int r = objects->operations->put(objects, OUTPUT, new, 3, &err);
		torture_disarm(&turn);
		torture_check(&turn, r, &err);
		ck_assert_int_eq(objects->operations->open(objects, OUTPUT, &fd, &size, NULL), 0);
		ck_assert_int_eq(pread(fd, found, 3, 0), 3);
		ck_assert(size == 3 && memcmp(found, r == 0 ? "new" : "old", 3) == 0);
		(void)fd_close(fd);
	}
	(void)objects->operations->close(objects);
	close_database();
}
END_TEST

TEST_PROGRAM("torture of stores", 900, tcase_add_test(tc, opening_the_database);
	     tcase_add_test(tc, opening_the_store); tcase_add_test(tc, opening_the_queue);
	     tcase_add_test(tc, opening_the_objects);
	     tcase_add_loop_test(tc, a_job_is_changed_whole_or_not_at_all, 0, ARRAY_SIZE(steps));
	     tcase_add_loop_test(tc, a_message_is_moved_whole_or_not_at_all, 0, ARRAY_SIZE(queue_steps));
	     tcase_add_loop_test(tc, a_batch_is_done_whole_or_not_at_all, 0, ARRAY_SIZE(batch_steps));
	     tcase_add_test(tc, an_object_is_replaced_whole_or_not_at_all);
	     tcase_add_test(tc, a_link_is_right_or_refused))
