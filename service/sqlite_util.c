#include "service/sqlite_util.h"

#include "sandbox/base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Another process of the same STATE_DIR may write: so long we wait for it. */
enum { BUSY_MSEC = 10 * 1000 };

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

static int fail(const struct sqlite_db *db, int code, struct sandbox_error *err)
{
	int errno_value = EIO;
	const char *advice = "";

	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (failures[i].code == (code & 0xff)) {
			errno_value = failures[i].errno_value;
			advice = failures[i].advice;
		}
	return error_set(
		err, errno_value, db->schema->stage, "%s: %s%s", db->path, sqlite3_errstr(code), advice);
}

/* --- open ----------------------------------------------------------------------------------------------------- */

/* The directory, locked: of several processes one at a time opens what is in it. To make a write-ahead log, SQLite needs
 * the file for itself, and it says SQLITE_BUSY without waiting when another process is about the same. */
static int lock_directory(const char *dir, const char *stage, int *ret, struct sandbox_error *err)
{
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return error_errno(err, stage, "%s", dir);
	if (flock(dirfd, LOCK_EX) < 0)
		return error_errno(err, stage, "%s: flock", dir);
	*ret = TAKE_FD(dirfd);
	return 0;
}

/* The file is there, private, regular and durable in its directory, before SQLite sees it; -wal and -shm take its
 * mode. */
static int make_file(struct sqlite_db *db, int dirfd, struct sandbox_error *err)
{
	const char *stage = db->schema->stage;
	struct stat st;

	_cleanup_close_ int fd =
		openat(dirfd, db->schema->file, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, stage, "%s", db->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, stage, "%s: is no regular file", db->path);
	return fsync(dirfd) < 0 ? error_errno(err, stage, "%s: fsync of its directory", db->path) : 0;
}

static int execute(struct sqlite_db *db, const char *sql, struct sandbox_error *err)
{
	int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : fail(db, code, err);
}

/* The first column of the first row. */
static int ask(struct sqlite_db *db, const char *sql, char *text, size_t size, struct sandbox_error *err)
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

static int connect_file(struct sqlite_db *db, struct sandbox_error *err)
{
	char mode[16];

	/* NOMUTEX: db->lock sees to it. */
	int code = sqlite3_open_v2(db->path, &db->handle,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (code != SQLITE_OK)
		return fail(db, code, err);
	(void)sqlite3_busy_timeout(db->handle, BUSY_MSEC);
	int r = execute(
		db, "PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL;", err);
	if (r == 0)
		r = ask(db, "PRAGMA journal_mode=WAL", mode, sizeof(mode), err);
	if (r == 0 && strcmp(mode, "wal") != 0)
		r = error_set(err, ENOTSUP, db->schema->stage, "%s: no write-ahead log here", db->path);
	return r;
}

/* Within one transaction, so that of two processes one does it all and a crash leaves the old version. */
static int migrate(struct sqlite_db *db, struct sandbox_error *err)
{
	const struct sqlite_schema *schema = db->schema;
	char text[32], sql[64];

	int r = ask(db, "PRAGMA user_version", text, sizeof(text), err);
	if (r < 0)
		return r;
	size_t version = strtoul(text, NULL, 10);
	if (version > schema->nversions)
		return error_set(err, ENOTSUP, schema->stage,
			"%s: has version %zu, this program knows %zu: a newer one made it", db->path, version,
			schema->nversions);
	for (; version < schema->nversions && r == 0; version++)
		r = execute(db, schema->versions[version], err);
	(void)snprintf(sql, sizeof(sql), "PRAGMA user_version=%zu", schema->nversions);
	return r < 0 ? r : execute(db, sql, err);
}

/* Those of a transaction are kept as well: short of memory, a text that is not prepared could not be. */
static int prepare_transaction(struct sqlite_db *db, struct sandbox_error *err)
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

static int prepare(struct sqlite_db *db, struct sandbox_error *err)
{
	const struct sqlite_schema *schema = db->schema;

	db->statements = calloc(schema->nstatements, sizeof(sqlite3_stmt *));
	if (db->statements == NULL)
		return error_set(err, ENOMEM, schema->stage, "no memory");
	for (size_t i = 0; i < schema->nstatements; i++) {
		int code = sqlite3_prepare_v3(db->handle, schema->statements[i], -1,
			SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL);
		if (code != SQLITE_OK)
			return fail(db, code, err);
	}
	return 0;
}

static int open_file(struct sqlite_db *db, int dirfd, struct sandbox_error *err)
{
	int r = make_file(db, dirfd, err);

	if (r == 0)
		r = connect_file(db, err);
	if (r == 0)
		r = prepare_transaction(db, err);
	if (r == 0)
		r = sqlite_begin(db, err);
	if (r == 0)
		r = migrate(db, err);
	if (r == 0)
		r = sqlite_commit(db, err);
	return r == 0 ? prepare(db, err) : r;
}

int sqlite_open(
	const char *dir, const struct sqlite_schema *schema, struct sqlite_db *db, struct sandbox_error *err)
{
	_cleanup_close_ int dirfd = -1;

	*db = (struct sqlite_db){.schema = schema};
	(void)pthread_mutex_init(&db->lock, NULL);
	int r = lock_directory(dir, schema->stage, &dirfd, err);
	if (r == 0 && asprintf(&db->path, "%s/%s", dir, schema->file) < 0) {
		db->path = NULL;
		r = error_set(err, ENOMEM, schema->stage, "no memory");
	}
	if (r == 0)
		r = open_file(db, dirfd, err);
	if (r < 0)
		sqlite_close(db);
	return r;
}

void sqlite_close(struct sqlite_db *db)
{
	if (db->schema == NULL)
		return;
	for (size_t i = 0; db->statements != NULL && i < db->schema->nstatements; i++)
		(void)sqlite3_finalize(db->statements[i]);
	for (size_t i = 0; i < TRANSACTION_N; i++)
		(void)sqlite3_finalize(db->transaction[i]);
	(void)sqlite3_close(db->handle);
	free(db->statements);
	free(db->path);
	(void)pthread_mutex_destroy(&db->lock);
	*db = (struct sqlite_db){0};
}

/* --- transactions --------------------------------------------------------------------------------------------- */

static int transact(struct sqlite_db *db, enum sqlite_transaction which)
{
	int code = sqlite3_step(db->transaction[which]);

	(void)sqlite3_reset(db->transaction[which]);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Has an earlier transaction been left for want of memory? Now, or this operation fails as well. */
static int leave_stuck(struct sqlite_db *db)
{
	if (db->is_stuck)
		sqlite_rollback(db);
	return db->is_stuck ? SQLITE_NOMEM : SQLITE_OK;
}

int sqlite_begin(struct sqlite_db *db, struct sandbox_error *err)
{
	int code = leave_stuck(db);

	if (code == SQLITE_OK)
		code = transact(db, TRANSACTION_BEGIN);

	return code == SQLITE_OK ? 0 : fail(db, code, err);
}

int sqlite_commit(struct sqlite_db *db, struct sandbox_error *err)
{
	int code = transact(db, TRANSACTION_COMMIT);

	if (code == SQLITE_OK)
		return 0;
	sqlite_rollback(db);
	return fail(db, code, err);
}

void sqlite_rollback(struct sqlite_db *db)
{
	/* Some failures (a full disk) have rolled back already. */
	if (sqlite3_get_autocommit(db->handle) == 0)
		(void)transact(db, TRANSACTION_ROLLBACK);
	db->is_stuck = sqlite3_get_autocommit(db->handle) == 0;
}

/* --- calls ---------------------------------------------------------------------------------------------------- */

struct sqlite_call sqlite_call(struct sqlite_db *db, size_t statement)
{
	return (struct sqlite_call){
		.db = db, .statement = db->statements[statement], .failed = leave_stuck(db)};
}

static void note(struct sqlite_call *call, int code)
{
	if (call->failed == SQLITE_OK)
		call->failed = code;
}

void sqlite_put_bytes(struct sqlite_call *call, const char *text, size_t size)
{
	note(call,
		sqlite3_bind_text64(call->statement, ++call->nput, text, size, SQLITE_STATIC, SQLITE_UTF8));
}

void sqlite_put_text(struct sqlite_call *call, const char *text)
{
	if (text == NULL)
		sqlite_put_null(call);
	else
		sqlite_put_bytes(call, text, strlen(text));
}

void sqlite_put_int(struct sqlite_call *call, int64_t value)
{
	note(call, sqlite3_bind_int64(call->statement, ++call->nput, value));
}

void sqlite_put_null(struct sqlite_call *call)
{
	note(call, sqlite3_bind_null(call->statement, ++call->nput));
}

int sqlite_run(struct sqlite_call *call, struct sandbox_error *err)
{
	int code = call->failed;

	if (code == SQLITE_OK)
		code = sqlite3_step(call->statement);
	call->ntaken = 0;
	if (code == SQLITE_ROW)
		return 1;
	return code == SQLITE_DONE ? 0 : fail(call->db, code, err);
}

char *sqlite_take_text(struct sqlite_call *call, size_t *size)
{
	int column = call->ntaken++;

	if (sqlite3_column_type(call->statement, column) == SQLITE_NULL)
		return NULL;
	const void *text = sqlite3_column_text(call->statement, column);
	size_t length = (size_t)sqlite3_column_bytes(call->statement, column);
	char *copy = text ? malloc(length + 1) : NULL;
	if (copy == NULL) {
		note(call, SQLITE_NOMEM);
		return NULL;
	}
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (size != NULL)
		*size = length;
	return copy;
}

void sqlite_take_into(struct sqlite_call *call, char *text, size_t size)
{
	int column = call->ntaken++;
	/* Neither of the two converts or copies what the column holds. */
	const void *bytes = sqlite3_column_blob(call->statement, column);
	size_t length = (size_t)sqlite3_column_bytes(call->statement, column);

	length = length < size ? length : size - 1;
	if (length > 0)
		memcpy(text, bytes, length);
	text[length] = '\0';
}

int64_t sqlite_take_int(struct sqlite_call *call, int64_t absent)
{
	int column = call->ntaken++;

	if (sqlite3_column_type(call->statement, column) == SQLITE_NULL)
		return absent;
	return sqlite3_column_int64(call->statement, column);
}

int sqlite_taken(const struct sqlite_call *call, struct sandbox_error *err)
{
	return call->failed == SQLITE_OK ? 0 : fail(call->db, call->failed, err);
}

int sqlite_changes(const struct sqlite_db *db)
{
	return sqlite3_changes(db->handle);
}

void sqlite_call_end(struct sqlite_call *call)
{
	if (call->statement == NULL)
		return;
	(void)sqlite3_reset(call->statement);
	(void)sqlite3_clear_bindings(call->statement);
	call->statement = NULL;
}
