#include "tests/lib/state.h"

#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#include <sqlite3.h>

static sqlite3 *open_jobs(const char *dir)
{
	sqlite3 *db = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/service/jobs.db", dir);
	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 10000);
	return db;
}

int state_count(const char *dir, const char *sql)
{
	sqlite3 *db = open_jobs(dir);
	sqlite3_stmt *statement = NULL;

	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
	int n = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	(void)sqlite3_close(db);
	return n;
}

int state_change(const char *dir, const char *sql)
{
	sqlite3 *db = open_jobs(dir);

	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	int n = sqlite3_changes(db);
	(void)sqlite3_close(db);
	return n;
}

unsigned state_files(const char *dir, const char *name)
{
	struct scratch scratch;

	(void)snprintf(scratch.dir, sizeof(scratch.dir), "%s", dir);
	return scratch_count(&scratch, name);
}
