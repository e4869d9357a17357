/* The write-ahead log: written to the file beside the commits, and never longer than its bound. */
#include "service/database.h"
#include "service/database_checkpoint.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#include <sys/stat.h>
#include <time.h>

enum { PAGE = 4096, FRAME = PAGE + 24, LOG_HEAD = 32, ROW = 64 * 1024, COMMIT_FRAMES = 64 };

static struct scratch scratch;
static struct database *database;

static void set_up(void)
{
	struct sandbox_error err = {0};

	scratch_open(&scratch);
	ck_assert_msg(database_open(scratch.dir, &database, &err) == 0, "%s", err.message);
}

static void tear_down(void)
{
	ck_assert_ptr_null(database_close(database));
	scratch_close(&scratch);
}

static void execute(const char *sql)
{
	ck_assert_int_eq(sqlite3_exec(database->handle, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* One commit of fewer than COMMIT_FRAMES pages. */
static void write_a_row(int i)
{
	char sql[128];

	(void)snprintf(
		sql, sizeof(sql), "INSERT INTO objects (name, bytes) VALUES ('%d', randomblob(%d))", i, ROW);
	execute(sql);
}

static off_t size_of(const char *name)
{
	char path[128];
	struct stat st;

	ck_assert_int_eq(stat(scratch_path(&scratch, name, path, sizeof(path)), &st), 0);
	return st.st_size;
}

START_TEST(the_log_has_a_bound_however_fast_commits_come)
{
	const off_t bound = LOG_HEAD + (off_t)(CHECKPOINT_MAX_FRAMES + COMMIT_FRAMES) * FRAME;
	int frames = ROW / PAGE;

	set_up();
	for (int i = 0; i * frames < 4 * CHECKPOINT_MAX_FRAMES; i++) {
		write_a_row(i);
		ck_assert_int_le(size_of("jobs.db-wal"), bound);
	}
	tear_down();
}
END_TEST

/* Far below the bound, at which a commit would do it. */
START_TEST(a_thread_writes_the_log_to_the_file)
{
	const struct timespec moment = {.tv_nsec = 20 * 1000 * 1000};
	int rows = (CHECKPOINT_STEP_FRAMES + COMMIT_FRAMES) * PAGE / ROW + 1;

	set_up();
	off_t before = size_of("jobs.db");
	for (int i = 0; i < rows; i++)
		write_a_row(i);
	for (int i = 0; i < 500 && size_of("jobs.db") < before + (off_t)CHECKPOINT_STEP_FRAMES * PAGE / 2;
		i++)
		(void)nanosleep(&moment, NULL);
	ck_assert_int_ge(size_of("jobs.db"), before + (off_t)CHECKPOINT_STEP_FRAMES * PAGE / 2);
	tear_down();
}
END_TEST

TEST_PROGRAM("database", 120, tcase_add_test(tc, the_log_has_a_bound_however_fast_commits_come);
	     tcase_add_test(tc, a_thread_writes_the_log_to_the_file);)
