#include "service/sqlite_util.h"

#include "sandbox/base/fd.h"

#include <string.h>

/* --- life ----------------------------------------------------------------------------------------------------- */

static int fail(const struct sqlite_client *client, int code, struct sandbox_error *err)
{
	return database_fail(client->db, client->stage, code, err);
}

int sqlite_client_open(struct database *db, const char *stage, const char *const *texts, size_t n,
	struct sqlite_client *client, struct sandbox_error *err)
{
	int code = SQLITE_OK;

	*client = (struct sqlite_client){.db = db, .stage = stage, .nstatements = n};
	client->statements = calloc(n, sizeof(sqlite3_stmt *));
	if (client->statements == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	sqlite_lock(client);
	for (size_t i = 0; i < n && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v3(
			db->handle, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &client->statements[i], NULL);
	sqlite_unlock(client);
	if (code == SQLITE_OK)
		return 0;
	int r = fail(client, code, err);
	sqlite_client_close(client);
	return r;
}

void sqlite_client_close(struct sqlite_client *client)
{
	if (client->statements == NULL)
		return;
	sqlite_lock(client);
	for (size_t i = 0; i < client->nstatements; i++)
		(void)sqlite3_finalize(client->statements[i]);
	sqlite_unlock(client);
	free(client->statements);
	*client = (struct sqlite_client){0};
}

void sqlite_lock(struct sqlite_client *client)
{
	(void)pthread_mutex_lock(&client->db->lock);
}

void sqlite_unlock(struct sqlite_client *client)
{
	(void)pthread_mutex_unlock(&client->db->lock);
}

int sqlite_end(struct sqlite_client *client, int r, enum database_sync_need need, struct sandbox_error *err)
{
	struct database *db = client->db;

	if (r == 0 && need > db->owed)
		db->owed = need;
	if (db->is_batch) {
		sqlite_unlock(client);
		return r;
	}
	need = r == 0 ? db->owed : SYNC_NONE;
	db->owed = SYNC_NONE;
	sqlite_unlock(client);
	if (need == SYNC_SOON)
		database_sync_soon(db);
	return need == SYNC_NOW ? database_sync(db, err) : r;
}

/* --- transactions --------------------------------------------------------------------------------------------- */

/* Has an earlier transaction been left for want of memory? Now, or this operation fails as well. */
static int leave_stuck(struct sqlite_client *client)
{
	if (client->db->is_stuck)
		sqlite_rollback(client);
	return client->db->is_stuck ? SQLITE_NOMEM : SQLITE_OK;
}

int sqlite_begin(struct sqlite_client *client, struct sandbox_error *err)
{
	if (client->db->is_batch)
		return 0;
	int code = leave_stuck(client);
	if (code == SQLITE_OK)
		code = database_transact(client->db, TRANSACTION_BEGIN);
	return code == SQLITE_OK ? 0 : fail(client, code, err);
}

int sqlite_commit(struct sqlite_client *client, struct sandbox_error *err)
{
	if (client->db->is_batch)
		return 0;
	int code = database_transact(client->db, TRANSACTION_COMMIT);
	if (code == SQLITE_OK)
		return 0;
	sqlite_rollback(client);
	return fail(client, code, err);
}

void sqlite_rollback(struct sqlite_client *client)
{
	struct database *db = client->db;

	/* Some failures (a full disk) have rolled back already. */
	if (sqlite3_get_autocommit(db->handle) == 0)
		(void)database_transact(db, TRANSACTION_ROLLBACK);
	db->is_stuck = sqlite3_get_autocommit(db->handle) == 0;
}

/* --- calls ---------------------------------------------------------------------------------------------------- */

struct sqlite_call sqlite_call(struct sqlite_client *client, size_t statement)
{
	return (struct sqlite_call){
		.client = client, .statement = client->statements[statement], .failed = leave_stuck(client)};
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

void sqlite_put_blob(struct sqlite_call *call, const void *bytes, size_t size)
{
	/* Without a pointer it would be NULL, not empty. */
	note(call,
		sqlite3_bind_blob64(call->statement, ++call->nput, bytes ? bytes : "", size, SQLITE_STATIC));
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
	return code == SQLITE_DONE ? 0 : fail(call->client, code, err);
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

const void *sqlite_take_blob(struct sqlite_call *call, size_t *size)
{
	int column = call->ntaken++;
	const void *bytes = sqlite3_column_blob(call->statement, column);

	*size = (size_t)sqlite3_column_bytes(call->statement, column);
	return bytes;
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
	return call->failed == SQLITE_OK ? 0 : fail(call->client, call->failed, err);
}

int sqlite_changes(const struct sqlite_client *client)
{
	return sqlite3_changes(client->db->handle);
}

void sqlite_call_end(struct sqlite_call *call)
{
	if (call->statement == NULL)
		return;
	(void)sqlite3_reset(call->statement);
	(void)sqlite3_clear_bindings(call->statement);
	call->statement = NULL;
}
