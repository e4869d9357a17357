#include "service/store_sqlite_expire.h"

#include "sandbox/base/fd.h"
#include "service/job.h"

enum statement { EXPIRED, FORGET, FORGET_SOURCE, STATEMENT_N };

static const char *const statements[STATEMENT_N] = {
	[EXPIRED] = "SELECT seq, output_path FROM jobs WHERE expires_usec <= ? ORDER BY expires_usec LIMIT 1",
	[FORGET] = "DELETE FROM jobs WHERE seq = ?",
	[FORGET_SOURCE] = "DELETE FROM sources WHERE job = ?",
};

int store_sqlite_expiry_open(struct database *db, struct sqlite_client *ret, struct sandbox_error *err)
{
	return sqlite_client_open(db, "store.sqlite", statements, STATEMENT_N, ret, err);
}

/* 1: there is one; 0: there is none. */
static int next_expired(
	struct sqlite_client *client, int64_t *ret_seq, char **ret_path, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, EXPIRED);

	sqlite_put_int(&call, job_now_usec());
	int r = sqlite_run(&call, err);
	if (r <= 0)
		return r;
	*ret_seq = sqlite_take_int(&call, 0);
	*ret_path = sqlite_take_text(&call, NULL);
	r = sqlite_taken(&call, err);
	return r < 0 ? r : 1;
}

static int run_on(
	struct sqlite_client *client, enum statement statement, int64_t seq, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, statement);

	sqlite_put_int(&call, seq);
	return sqlite_run(&call, err);
}

static int forget(struct sqlite_client *client, int64_t seq, struct sandbox_error *err)
{
	int r = sqlite_begin(client, err);

	if (r == 0)
		r = run_on(client, FORGET_SOURCE, seq, err);
	if (r == 0)
		r = run_on(client, FORGET, seq, err);
	if (r == 0)
		r = sqlite_commit(client, err);
	else
		sqlite_rollback(client);
	return r;
}

int store_sqlite_expire(struct sqlite_client *client, int (*each)(const char *output_path, void *user),
	void *user, struct sandbox_error *err)
{
	_cleanup_free_ char *path = NULL;
	int64_t seq = 0;

	sqlite_lock(client);
	int r = next_expired(client, &seq, &path, err);
	sqlite_unlock(client);
	if (r <= 0)
		return r;
	r = path != NULL ? each(path, user) : 0;
	if (r < 0)
		return error_set(err, -r, client->stage, "%s could not be removed", path);
	sqlite_lock(client);
	r = forget(client, seq, err);
	sqlite_unlock(client);
	return r < 0 ? r : 1;
}
