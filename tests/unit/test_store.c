#include "sandbox/base/fd.h"
#include "service/database.h"
#include "service/store.h"
#include "tests/lib/scratch.h"
#include "tests/lib/store_contract.h"
#include "tests/lib/test.h"

#include <seccomp.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct scratch scratch;
static struct database *database;
static struct store *store;
static struct sandbox_error err;

static void open_store(void)
{
	int r = database_open(scratch.dir, &database, &err);

	if (r == 0)
		r = store_sqlite_open(database, &store, &err);
	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
}

static void close_store(void)
{
	store = store->operations->close(store);
	ck_assert_ptr_null(store);
	database = database_close(database);
}

static void set_up(void)
{
	err = (struct sandbox_error){0};
	scratch_open(&scratch);
	open_store();
}

static void tear_down(void)
{
	close_store();
	scratch_close(&scratch);
}

/* --- what every store keeps --------------------------------------------------------------------------------------- */

#define X(name)                                                                                              \
	START_TEST(name)                                                                                     \
	{                                                                                                    \
		set_up();                                                                                    \
		store_contract_##name(store);                                                                \
		tear_down();                                                                                 \
	}                                                                                                    \
	END_TEST
STORE_CONTRACT(X)
STORE_CONTRACT_RECOVERY(X)
#undef X

/* --- what it survives --------------------------------------------------------------------------------------------- */

START_TEST(is_there_after_it_was_closed)
{
	char ids[2][JOB_ID_SIZE];
	struct job job = {0};

	set_up();
	contract_create(store, ids[0]);
	contract_create(store, ids[1]);
	job = contract_claim(store, ids[0]);
	close_store();
	open_store();
	contract_expect_status(store, ids[0], JOB_RUNNING);
	contract_expect_status(store, ids[1], JOB_QUEUED);
	job_free(&job);
	tear_down();
}
END_TEST

enum { ACKNOWLEDGED = 50 };

/* Creates jobs for ever and tells the id of each that was accepted. */
__attribute__((noreturn)) static void create_for_ever(int out)
{
	char id[JOB_ID_SIZE];

	open_store();
	for (;;) {
		contract_create(store, id);
		if (write(out, id, sizeof(id)) != (ssize_t)sizeof(id))
			_exit(1);
	}
}

START_TEST(keeps_every_accepted_job_through_kill_9)
{
	char ids[ACKNOWLEDGED][JOB_ID_SIZE];
	int pipes[2], status;

	set_up();
	close_store();
	ck_assert_int_eq(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0)
		create_for_ever(pipes[1]);
	(void)close(pipes[1]);
	for (size_t i = 0; i < ACKNOWLEDGED; i++)
		ck_assert_int_eq(read(pipes[0], ids[i], JOB_ID_SIZE), JOB_ID_SIZE);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	open_store();
	for (size_t i = 0; i < ACKNOWLEDGED; i++)
		contract_expect_status(store, ids[i], JOB_QUEUED);
	(void)close(pipes[0]);
	tear_down();
}
END_TEST

/* One that kills itself right after its job was accepted, again and again: none of them closes the database. */
START_TEST(keeps_the_last_job_of_each_process_that_was_killed)
{
	char ids[10][JOB_ID_SIZE];
	int pipes[2], status;

	set_up();
	close_store();
	ck_assert_int_eq(pipe(pipes), 0);
	for (size_t i = 0; i < 10; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			open_store();
			contract_create(store, ids[i]);
			(void)!write(pipes[1], ids[i], JOB_ID_SIZE);
			(void)raise(SIGKILL);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		ck_assert_int_eq(read(pipes[0], ids[i], JOB_ID_SIZE), JOB_ID_SIZE);
	}
	open_store();
	for (size_t i = 0; i < 10; i++)
		contract_expect_status(store, ids[i], JOB_QUEUED);
	tear_down();
}
END_TEST

/* Files may not grow: the write-ahead log cannot take the job. */
START_TEST(accepts_nothing_that_the_disk_does_not_take)
{
	struct job job = {0};
	char id[JOB_ID_SIZE], path[128];
	struct rlimit limit, none;
	struct stat log;

	set_up();
	contract_create(store, id);
	ck_assert_int_eq(stat(scratch_path(&scratch, "jobs.db-wal", path, sizeof(path)), &log), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none = (struct rlimit){(rlim_t)log.st_size, limit.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	struct job refused = contract_job("cpp", "", "");
	int r = store->operations->create(store, &refused, &err);
	ck_assert_int_lt(r, 0);
	ck_assert_int_eq(err.errno_value, -r);
	ck_assert_str_eq(err.stage, "store.sqlite");
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	err = (struct sandbox_error){0};
	ck_assert_int_eq(store->operations->get(store, refused.id, &job, &err), STORE_MISSING);
	ck_assert_int_eq(store->operations->create(store, &refused, &err), 0);
	contract_expect_status(store, id, JOB_QUEUED);
	job_free(&refused);
	tear_down();
}
END_TEST

/* --- more than one process ---------------------------------------------------------------------------------------- */

static int ignore(const struct job_ticket *ticket, void *user)
{
	(void)ticket;
	(void)user;
	return 0;
}

START_TEST(recovers_for_one_process_at_a_time)
{
	struct database *second_database = NULL;
	struct store *second = NULL;

	set_up();
	ck_assert_int_eq(store->operations->recover(store, ignore, NULL, &err), 0);
	ck_assert_int_eq(store->operations->recover(store, ignore, NULL, &err), 0);
	ck_assert_int_eq(database_open(scratch.dir, &second_database, &err), 0);
	ck_assert_int_eq(store_sqlite_open(second_database, &second, &err), 0);
	ck_assert_int_eq(second->operations->recover(second, ignore, NULL, &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.message, "another process runs these jobs"));
	close_store();
	err = (struct sandbox_error){0};
	ck_assert_int_eq(second->operations->recover(second, ignore, NULL, &err), 0);
	store = second;
	database = second_database;
	tear_down();
}
END_TEST

enum { PROCESSES = 8 };

START_TEST(is_made_once_by_many_processes_at_once)
{
	pid_t pids[PROCESSES];
	char id[JOB_ID_SIZE];
	int start[2], status;

	scratch_open(&scratch);
	ck_assert_int_eq(pipe(start), 0);
	for (size_t i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			(void)close(start[1]);
			(void)!read(start[0], id, 1);
			open_store();
			for (size_t k = 0; k < 10; k++)
				contract_create(store, id);
			close_store();
			_exit(0);
		}
	}
	(void)close(start[1]);
	for (size_t i = 0; i < PROCESSES; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	open_store();
	contract_create(store, id);
	tear_down();
}
END_TEST

/* --- the disk ----------------------------------------------------------------------------------------------------- */

/* From here on nothing can be synced, by no thread. */
static void break_the_disk(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	ck_assert_ptr_nonnull(filter);
	ck_assert_int_eq(seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1), 0);
	ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EIO), SCMP_SYS(fdatasync), 0), 0);
	ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EIO), SCMP_SYS(fsync), 0), 0);
	ck_assert_int_eq(seccomp_load(filter), 0);
	seccomp_release(filter);
}

START_TEST(accepts_no_job_that_the_disk_has_not)
{
	char user[] = "ann", language[] = "cpp";
	struct job job = {.user_id = user, .language = language, .created_usec = 1, .updated_usec = 1};

	set_up();
	break_the_disk();
	job_new_id(job.id);
	ck_assert_int_eq(store->operations->create(store, &job, &err), -EIO);
	ck_assert_str_eq(err.stage, "database");
	ck_assert_ptr_nonnull(strstr(err.message, "the disk refused a sync"));
	/* For good: the kernel says it once. */
	err = (struct sandbox_error){0};
	ck_assert_int_eq(store->operations->ping(store, &err), -EIO);
	tear_down();
}
END_TEST

START_TEST(syncs_results_without_being_asked)
{
	char id[JOB_ID_SIZE];
	struct job job = {0};
	int r = 0;

	set_up();
	contract_create(store, id);
	job = contract_claim(store, id);
	job.status = JOB_COMPLETED;
	job.verdict = REPORT_ACCEPTED;
	break_the_disk();
	ck_assert_int_eq(store->operations->finish(store, &job, &err), 0);
	for (int i = 0; i < 1000 && r == 0; i++) {
		(void)usleep(10 * 1000);
		r = store->operations->ping(store, &err);
	}
	ck_assert_int_eq(r, -EIO);
	job_free(&job);
	tear_down();
}
END_TEST

/* --- files that are not as they should be ------------------------------------------------------------------------- */

static void expect_refused(int errno_value, const char *text)
{
	ck_assert_int_eq(database_open(scratch.dir, &database, &err), -errno_value);
	ck_assert_ptr_null(database);
	ck_assert_int_eq(err.errno_value, errno_value);
	ck_assert_msg(strstr(err.message, text) != NULL, "not in \"%s\": %s", err.message, text);
	scratch_close(&scratch);
}

START_TEST(says_that_the_file_is_no_database)
{
	char garbage[8192];

	scratch_open(&scratch);
	memset(garbage, 'x', sizeof(garbage));
	scratch_write(&scratch, "jobs.db", garbage, sizeof(garbage));
	expect_refused(EUCLEAN, "jobs.db: file is not a database: the file is damaged");
}
END_TEST

static void execute(const char *sql)
{
	sqlite3 *db = NULL;
	char path[128];

	ck_assert_int_eq(sqlite3_open(scratch_path(&scratch, "jobs.db", path, sizeof(path)), &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

START_TEST(says_that_pages_are_damaged)
{
	char path[128], id[JOB_ID_SIZE], page[4096];
	struct job job = {0};

	set_up();
	contract_create(store, id);
	close_store();
	execute("PRAGMA wal_checkpoint(TRUNCATE)");
	FILE *file = fopen(scratch_path(&scratch, "jobs.db", path, sizeof(path)), "r+");
	memset(page, 0xee, sizeof(page));
	ck_assert_int_eq(fseek(file, 4096, SEEK_SET), 0); /* the schema is on the page before */
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(fwrite(page, sizeof(page), 1, file), 1);
	ck_assert_int_eq(fclose(file), 0);
	open_store();
	ck_assert_int_eq(store->operations->get(store, id, &job, &err), -EUCLEAN);
	ck_assert_msg(strstr(err.message, "malformed: the file is damaged") != NULL, "%s", err.message);
	tear_down();
}
END_TEST

START_TEST(refuses_what_a_newer_program_made)
{
	set_up();
	close_store();
	execute("PRAGMA user_version = 77");
	expect_refused(ENOTSUP, "has version 77");
}
END_TEST

START_TEST(says_that_a_stored_value_has_no_meaning)
{
	struct job job = {0};
	char id[JOB_ID_SIZE];

	static const char *const changes[] = {
		"UPDATE jobs SET verdict = 'splendid'",
		"UPDATE jobs SET verdict = NULL, run = '{\"cause\": 5}'",
		"UPDATE jobs SET run = '{'",
	};

	set_up();
	contract_create(store, id);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		err = (struct sandbox_error){0};
		execute(changes[i]);
		ck_assert_int_eq(store->operations->get(store, id, &job, &err), -EUCLEAN);
		ck_assert_ptr_nonnull(strstr(err.message, id));
		ck_assert_ptr_null(job.user_id);
	}
	tear_down();
}
END_TEST

START_TEST(refuses_what_is_no_regular_file)
{
	char path[128];

	scratch_open(&scratch);
	ck_assert_int_eq(mkfifo(scratch_path(&scratch, "jobs.db", path, sizeof(path)), 0600), 0);
	expect_refused(EINVAL, "is no regular file");
}
END_TEST

START_TEST(follows_no_link)
{
	char path[128];

	scratch_open(&scratch);
	ck_assert_int_eq(symlink("elsewhere.db", scratch_path(&scratch, "jobs.db", path, sizeof(path))), 0);
	expect_refused(ELOOP, "jobs.db");
}
END_TEST

START_TEST(needs_its_directory)
{
	ck_assert_int_eq(database_open("/nonexistent/cofferdam", &database, &err), -ENOENT);
	ck_assert_str_eq(err.stage, "database");
	ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent/cofferdam"));
}
END_TEST

START_TEST(is_for_its_owner_only)
{
	char id[JOB_ID_SIZE];

	(void)umask(0);
	set_up();
	contract_create(store, id);
	ck_assert_int_eq(store->operations->recover(store, ignore, NULL, &err), 0);
	ck_assert_uint_eq(scratch_mode(&scratch, "jobs.db"), 0600);
	ck_assert_uint_eq(scratch_mode(&scratch, "jobs.db-wal"), 0600);
	ck_assert_uint_eq(scratch_mode(&scratch, "jobs.db-shm"), 0600);
	ck_assert_uint_eq(scratch_mode(&scratch, "worker.lock"), 0600);
	tear_down();
}
END_TEST

#define X(name) tcase_add_test(tc, name);
TEST_PROGRAM("store", 120,
	     STORE_CONTRACT(X) STORE_CONTRACT_RECOVERY(X) tcase_add_test(tc, is_there_after_it_was_closed);
	     tcase_add_test(tc, keeps_every_accepted_job_through_kill_9);
	     tcase_add_test(tc, keeps_the_last_job_of_each_process_that_was_killed);
	     tcase_add_test(tc, accepts_nothing_that_the_disk_does_not_take);
	     tcase_add_test(tc, recovers_for_one_process_at_a_time);
	     tcase_add_test(tc, is_made_once_by_many_processes_at_once);
	     tcase_add_test(tc, accepts_no_job_that_the_disk_has_not);
	     tcase_add_test(tc, syncs_results_without_being_asked);
	     tcase_add_test(tc, says_that_the_file_is_no_database);
	     tcase_add_test(tc, says_that_pages_are_damaged);
	     tcase_add_test(tc, refuses_what_a_newer_program_made);
	     tcase_add_test(tc, says_that_a_stored_value_has_no_meaning);
	     tcase_add_test(tc, refuses_what_is_no_regular_file); tcase_add_test(tc, follows_no_link);
	     tcase_add_test(tc, needs_its_directory); tcase_add_test(tc, is_for_its_owner_only))
