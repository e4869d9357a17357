#include "service/database.h"

#include "sandbox/base/fd.h"
#include "service/database_checkpoint.h"
#include "service/database_sync.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static const char file_name[] = "jobs.db";
static const char stage[] = "database";

enum {
	BUSY_MSEC = 10 * 1000, /* another process of the same STATE_DIR may write: so long we wait for it */
};

/* versions[n] takes a database of version n (PRAGMA user_version) to n + 1. */
static const char *const versions[] = {
	/* store_sqlite.c */
	"CREATE TABLE jobs ("
	" seq INTEGER PRIMARY KEY," /* order of creation */
	" id TEXT NOT NULL UNIQUE,"
	" user_id TEXT NOT NULL,"
	" language TEXT NOT NULL,"
	" status TEXT NOT NULL"
	"  CHECK (status IN ('queued', 'running', 'completed', 'failed', 'timeout', 'cancelled')),"
	" verdict TEXT,"
	" attempt INTEGER NOT NULL,"
	" error TEXT,"
	" output_path TEXT,"
	" stdout_preview TEXT,"
	" created_usec INTEGER NOT NULL,"
	" updated_usec INTEGER NOT NULL,"
	" started_usec INTEGER,"
	" completed_usec INTEGER,"
	" exec_duration_usec INTEGER,"
	" compile TEXT," /* report_result */
	" run TEXT"
	") STRICT;"
	"CREATE INDEX jobs_unfinished ON jobs (seq) WHERE status IN ('queued', 'running');"
	"CREATE TABLE sources ("
	" job INTEGER PRIMARY KEY REFERENCES jobs (seq),"
	" code TEXT NOT NULL,"
	" input TEXT NOT NULL"
	") STRICT;",
	"ALTER TABLE jobs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;",
	/* queue_sqlite.c; what an older version had queued comes from the store (store->recover) */
	"CREATE TABLE messages ("
	" seq INTEGER PRIMARY KEY," /* order of arrival */
	" id TEXT NOT NULL UNIQUE,"
	" language TEXT NOT NULL,"
	" visible_usec INTEGER NOT NULL,"
	" receipt TEXT," /* NULL: not leased */
	" receive_count INTEGER NOT NULL"
	") STRICT;"
	/* objects_files.c: the small ones */
	"CREATE TABLE objects ("
	" seq INTEGER PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE,"
	" bytes BLOB NOT NULL"
	") STRICT;",
	"ALTER TABLE jobs ADD COLUMN compile_cached INTEGER NOT NULL DEFAULT 0;",
	"ALTER TABLE jobs ADD COLUMN lease_usec INTEGER;"
	"ALTER TABLE jobs ADD COLUMN worker TEXT;"
	"ALTER TABLE jobs ADD COLUMN expires_usec INTEGER;"
	"ALTER TABLE jobs ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX jobs_of_user ON jobs (user_id, seq);"
	"CREATE INDEX jobs_expiring ON jobs (expires_usec) WHERE expires_usec IS NOT NULL;",
};

/* --- errors --------------------------------------------------------------------------------------------------- */

/* By primary result code (the low byte). */
static const struct {
	int code;
	int errno_value;
	const char *advice;
} failures[] = {
	{SQLITE_CORRUPT, EUCLEAN, ": the file is damaged; restore it or move it away"},
	{SQLITE_NOTADB, EUCLEAN, ": the file is damaged; restore it or move it away"},
	{SQLITE_FULL, ENOSPC, ""},
	{SQLITE_NOMEM, ENOMEM, ""},
	{SQLITE_TOOBIG, EFBIG, ""},
	{SQLITE_BUSY, EBUSY, ": another process holds it"},
	{SQLITE_READONLY, EROFS, ""},
	{SQLITE_CANTOPEN, EACCES, ""},
	{SQLITE_PERM, EACCES, ""},
};

int database_fail(const struct database *db, const char *of_stage, int code, struct sandbox_error *err)
{
	int errno_value = EIO;
	const char *advice = "";

	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (failures[i].code == (code & 0xff)) {
			errno_value = failures[i].errno_value;
			advice = failures[i].advice;
		}
	return error_set(err, errno_value, of_stage, "%s: %s%s", db->path, sqlite3_errstr(code), advice);
}

static int fail(const struct database *db, int code, struct sandbox_error *err)
{
	return database_fail(db, stage, code, err);
}

/* --- open ----------------------------------------------------------------------------------------------------- */

/* The directory, locked: of several processes one at a time opens what is in it. To make a write-ahead log, SQLite needs
 * the file for itself, and it says SQLITE_BUSY without waiting when another process is about the same. */
static int lock_directory(const char *dir, int *ret, struct sandbox_error *err)
{
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return error_errno(err, stage, "%s", dir);
	if (flock(dirfd, LOCK_EX) < 0)
		return error_errno(err, stage, "%s: flock", dir);
	*ret = TAKE_FD(dirfd);
	return 0;
}

/* The file is there, private and regular, before SQLite sees it; -wal and -shm take its mode. */
static int make_file(struct database *db, struct sandbox_error *err)
{
	struct stat st;

	_cleanup_close_ int fd =
		openat(db->dirfd, file_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, stage, "%s", db->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, stage, "%s: is no regular file", db->path);
	return 0;
}

static int execute(struct database *db, const char *sql, struct sandbox_error *err)
{
	int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : fail(db, code, err);
}

/* The first column of the first row. */
static int ask(struct database *db, const char *sql, char *text, size_t size, struct sandbox_error *err)
{
	sqlite3_stmt *statement = NULL;

	int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	const unsigned char *answer = code == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
	if (code == SQLITE_ROW && answer == NULL)
		code = SQLITE_NOMEM;
	if (answer != NULL)
		(void)snprintf(text, size, "%s", (const char *)answer);
	(void)sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 0 : fail(db, code, err);
}

int database_connect(struct database *db, sqlite3 **ret, struct sandbox_error *err)
{
	/* NOMUTEX: each is used by one thread at a time. */
	int code = sqlite3_open_v2(
		db->path, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

	if (code != SQLITE_OK)
		return fail(db, code, err);
	(void)sqlite3_busy_timeout(*ret, BUSY_MSEC);
	return 0;
}

static int connect_file(struct database *db, struct sandbox_error *err)
{
	char mode[16];

	int r = database_connect(db, &db->handle, err);
	if (r < 0)
		return r;
	r = execute(db, "PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=ON; PRAGMA synchronous=NORMAL;", err);
	if (r == 0)
		r = ask(db, "PRAGMA journal_mode=WAL", mode, sizeof(mode), err);
	if (r == 0 && strcmp(mode, "wal") != 0)
		r = error_set(err, ENOTSUP, stage, "%s: no write-ahead log here", db->path);
	return r;
}

/* Kept as well: short of memory, a text that is not prepared could not be. */
static int prepare_transaction(struct database *db, struct sandbox_error *err)
{
	static const char *const texts[TRANSACTION_N] = {[TRANSACTION_BEGIN] = "BEGIN IMMEDIATE",
		[TRANSACTION_COMMIT] = "COMMIT",
		[TRANSACTION_ROLLBACK] = "ROLLBACK"};

	for (size_t i = 0; i < TRANSACTION_N; i++) {
		int code = sqlite3_prepare_v3(
			db->handle, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &db->transaction[i], NULL);
		if (code != SQLITE_OK)
			return fail(db, code, err);
	}
	return 0;
}

int database_transact(struct database *db, enum database_transaction which)
{
	int code = sqlite3_step(db->transaction[which]);

	(void)sqlite3_reset(db->transaction[which]);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Within one transaction, so that of two processes one does it all and a crash leaves the old version. */
static int migrate(struct database *db, struct sandbox_error *err)
{
	char text[32], sql[64];

	int code = database_transact(db, TRANSACTION_BEGIN);
	if (code != SQLITE_OK)
		return fail(db, code, err);
	int r = ask(db, "PRAGMA user_version", text, sizeof(text), err);
	size_t version = r == 0 ? strtoul(text, NULL, 10) : 0;
	if (r == 0 && version > ARRAY_SIZE(versions))
		r = error_set(err, ENOTSUP, stage,
			"%s: has version %zu, this program knows %zu: a newer one made it", db->path, version,
			ARRAY_SIZE(versions));
	for (; r == 0 && version < ARRAY_SIZE(versions); version++)
		r = execute(db, versions[version], err);
	(void)snprintf(sql, sizeof(sql), "PRAGMA user_version=%zu", ARRAY_SIZE(versions));
	if (r == 0)
		r = execute(db, sql, err);
	if (r < 0)
		return r; /* closing the connection rolls back */
	code = database_transact(db, TRANSACTION_COMMIT);
	return code == SQLITE_OK ? 0 : fail(db, code, err);
}

/* SQLite has made it by now, and it stays for as long as we are connected. Closing it here lets go of no lock: SQLite's
 * are on the other two files. Then names and tables are made durable. */
static int open_log(struct database *db, struct sandbox_error *err)
{
	char name[sizeof(file_name) + 4];

	(void)snprintf(name, sizeof(name), "%s-wal", file_name);
	db->log_fd = openat(db->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (db->log_fd < 0)
		return error_errno(err, stage, "%s-wal", db->path);
	if (fdatasync(db->log_fd) < 0 || fsync(db->dirfd) < 0)
		return error_errno(err, stage, "%s: fsync", db->path);
	return 0;
}

static int open_file(struct database *db, struct sandbox_error *err)
{
	int r = make_file(db, err);

	if (r == 0)
		r = connect_file(db, err);
	if (r == 0)
		r = prepare_transaction(db, err);
	if (r == 0)
		r = migrate(db, err);
	return r == 0 ? open_log(db, err) : r;
}

/* Recursive: a batch holds it across the calls that it is made of. */
static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	(void)pthread_mutexattr_init(&attributes);
	(void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	(void)pthread_mutex_init(lock, &attributes);
	(void)pthread_mutexattr_destroy(&attributes);
}

int database_open(const char *dir, struct database **ret, struct sandbox_error *err)
{
	struct database *db = calloc(1, sizeof(*db));

	if (db == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	db->dirfd = db->log_fd = -1;
	init_lock(&db->lock);
	database_sync_init(&db->sync);
	int r = lock_directory(dir, &db->dirfd, err);
	if (r == 0 && asprintf(&db->path, "%s/%s", dir, file_name) < 0) {
		db->path = NULL;
		r = error_set(err, ENOMEM, stage, "no memory");
	}
	if (r == 0)
		r = open_file(db, err);
	if (r == 0)
		r = database_sync_start(db, err);
	if (r == 0)
		r = database_checkpoint_start(db, err);
	if (r == 0 && flock(db->dirfd, LOCK_UN) < 0)
		r = error_errno(err, stage, "%s: flock", dir);
	if (r < 0) {
		(void)database_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

struct database *database_close(struct database *db)
{
	if (db == NULL)
		return NULL;
	database_checkpoint_stop(db);
	database_sync_stop(db);
	for (size_t i = 0; i < TRANSACTION_N; i++)
		(void)sqlite3_finalize(db->transaction[i]);
	(void)sqlite3_close(db->handle);
	(void)fd_close(db->log_fd);
	(void)fd_close(db->dirfd);
	(void)pthread_mutex_destroy(&db->lock);
	free(db->path);
	free(db);
	return NULL;
}
