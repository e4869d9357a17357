/* store_sqlite.c: the embedded store. One table of jobs; their code and input, written once, lie in another, so that no
 * change of a job's state rewrites them. */
#include "service/store.h"

#include "sandbox/base/fd.h"
#include "sandbox/json/json_text.h"
#include "service/sqlite_util.h"
#include "service/store_sqlite_expire.h"
#include "service/store_sqlite_list.h"
#include "service/store_sqlite_row.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>

static const char stage[] = "store.sqlite";

enum { USEC_PER_SEC = 1000000 };

enum statement {
	CREATE,
	CREATE_SOURCE,
	GET,
	GET_WHOLE,
	CLAIM,
	FINISH,
	RENEW,
	REVIVE,
	RELEASE,
	BURY,
	RECOVER,
	UNFINISHED,
	STATEMENT_N,
};

/* NOW: a parameter. */
#define LIVING(now) "(expires_usec IS NULL OR expires_usec > " now ")"
#define CLAIMABLE(now)                                                                                       \
	"(status = 'queued' OR (status = 'running' AND lease_usec <= " now ")) AND " LIVING(now)

static const char *const statements[STATEMENT_N] = {
	[CREATE] = "INSERT INTO jobs (id, user_id, language, status, attempt, created_usec, updated_usec,"
		   " expires_usec, urgent) VALUES (?, ?, ?, 'queued', 0, ?, ?, ?, ?) ON CONFLICT (id) DO "
		   "NOTHING",
	[CREATE_SOURCE] = "INSERT INTO sources (job, code, input) VALUES (last_insert_rowid(), ?, ?)",
	[GET] = "SELECT " STORE_SQLITE_COLUMNS " FROM jobs WHERE id = ?1 AND " LIVING("?2"),
	[GET_WHOLE] = "SELECT " STORE_SQLITE_COLUMNS
		      ", code, input FROM jobs JOIN sources ON job = seq WHERE id = ?",
	[CLAIM] = "UPDATE jobs SET started_usec = ?1, updated_usec = ?1, status = 'running',"
		  " attempt = attempt + 1, lease_usec = ?2, worker = ?3 WHERE id = ?4 AND " CLAIMABLE("?1"),
	[RENEW] = "UPDATE jobs SET lease_usec = ? WHERE id = ? AND status = 'running' AND attempt = ?",
	[FINISH] = "UPDATE jobs SET status = ?, verdict = ?, error = ?, output_path = ?, stdout_preview = ?,"
		   " updated_usec = ?, completed_usec = ?, exec_duration_usec = ?, compile = ?, run = ?,"
		   " compile_cached = ?"
		   " WHERE id = ? AND status = 'running' AND attempt = ?",
	[REVIVE] = "UPDATE jobs SET updated_usec = ?, status = 'queued', failures = 0, verdict = NULL, error "
		   "= NULL,"
		   " started_usec = NULL, completed_usec = NULL, output_path = NULL, stdout_preview = NULL,"
		   " exec_duration_usec = NULL, compile = NULL, run = NULL, compile_cached = 0"
		   " WHERE id = ? AND status = 'failed' AND verdict = 'internal_error'",
	[RELEASE] = "UPDATE jobs SET updated_usec = ?, failures = failures + ?, started_usec = NULL,"
		    " status = 'queued'"
		    " WHERE id = ? AND status = 'running' AND attempt = ?",
	[BURY] = "UPDATE jobs SET updated_usec = ?1, completed_usec = ?1, status = ?2, verdict = ?3, error = "
		 "?4"
		 " WHERE id = ?5 AND " CLAIMABLE("?1"),
	/* In the words of the index: it, not the table of all jobs, is searched. */
	[RECOVER] = "UPDATE jobs SET updated_usec = ?, started_usec = NULL, status = 'queued'"
		    " WHERE status IN ('queued', 'running') AND status = 'running'",
	[UNFINISHED] = "SELECT seq, id, language, urgent FROM jobs"
		       " WHERE status IN ('queued', 'running') AND seq > ? ORDER BY seq LIMIT 1",
};

struct store_sqlite {
	struct store base;
	struct sqlite_client client, expiry, list;
	int worker_fd; /* owned; -1: recover was not called */
};

static struct store_sqlite *from_base(struct store *store)
{
	return (struct store_sqlite *)store;
}

/* Every operation below holds the lock from begin to end. */
static struct sqlite_client *lock(struct store *store)
{
	struct sqlite_client *client = &from_base(store)->client;

	sqlite_lock(client);
	return client;
}

static int no_memory(struct sandbox_error *err)
{
	return error_set(err, ENOMEM, stage, "no memory");
}

/* --- get ------------------------------------------------------------------------------------------------------- */

static int get_locked(
	struct sqlite_client *client, const char *id, struct job *ret, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, GET);
	struct job job = {0};

	sqlite_put_text(&call, id);
	sqlite_put_int(&call, job_now_usec());
	int r = sqlite_run(&call, err);
	if (r == 0)
		return STORE_MISSING;
	if (r > 0)
		r = store_sqlite_row(&call, &job, err);
	if (r < 0)
		job_free(&job);
	else
		*ret = job;
	return r;
}

static int get_whole(struct sqlite_client *client, const char *id, struct job *ret, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, GET_WHOLE);

	sqlite_put_text(&call, id);
	int r = sqlite_run(&call, err);
	if (r == 0)
		return STORE_MISSING;
	if (r > 0)
		r = store_sqlite_row(&call, ret, err);
	ret->code = sqlite_take_text(&call, &ret->code_size);
	ret->input = sqlite_take_text(&call, &ret->input_size);
	return r < 0 ? r : sqlite_taken(&call, err);
}

static int store_get(struct store *store, const char *id, struct job *ret, struct sandbox_error *err)
{
	struct sqlite_client *client = lock(store);
	int r = get_locked(client, id, ret, err);

	sqlite_unlock(client);
	return r;
}

/* --- create --------------------------------------------------------------------------------------------------- */

/* 0: there is none. */
static void put_time(struct sqlite_call *call, int64_t usec)
{
	if (usec != 0)
		sqlite_put_int(call, usec);
	else
		sqlite_put_null(call);
}

static int insert_job(struct sqlite_client *client, const struct job *job, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, CREATE);

	sqlite_put_text(&call, job->id);
	sqlite_put_text(&call, job->user_id);
	sqlite_put_text(&call, job->language);
	sqlite_put_int(&call, job->created_usec);
	sqlite_put_int(&call, job->updated_usec);
	put_time(&call, job->expires_usec);
	sqlite_put_int(&call, job->is_urgent);
	int r = sqlite_run(&call, err);
	return r == 0 && sqlite_changes(client) == 0 ? STORE_EXISTS : r;
}

static int insert_source(struct sqlite_client *client, const struct job *job, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, CREATE_SOURCE);

	sqlite_put_bytes(&call, job->code ? job->code : "", job->code_size);
	sqlite_put_bytes(&call, job->input ? job->input : "", job->input_size);
	return sqlite_run(&call, err);
}

static int store_create(struct store *store, const struct job *job, struct sandbox_error *err)
{
	struct sqlite_client *client = lock(store);

	int r = sqlite_begin(client, err);
	if (r == 0)
		r = insert_job(client, job, err);
	if (r == 0)
		r = insert_source(client, job, err);
	if (r == 0)
		r = sqlite_commit(client, err);
	else
		sqlite_rollback(client);
	return sqlite_end(client, r, SYNC_NOW, err);
}

/* --- from state to state -------------------------------------------------------------------------------------- */

/* Runs a conditional UPDATE of job ID. When it changed nothing: is there no such job, or is it in another state? */
static int update(struct sqlite_call *call, const char *id, struct sandbox_error *err)
{
	struct sqlite_client *client = call->client;
	struct job job = {0};

	int r = sqlite_run(call, err);
	if (r < 0 || sqlite_changes(client) > 0)
		return r;
	r = get_locked(client, id, &job, err);
	job_free(&job);
	return r == 0 ? STORE_CONFLICT : r;
}

static int set_running(struct sqlite_client *client, const char *id, const struct store_lease *lease,
	struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, CLAIM);
	int64_t now = job_now_usec();

	sqlite_put_int(&call, now);
	sqlite_put_int(&call, now + (int64_t)lease->sec * USEC_PER_SEC);
	sqlite_put_text(&call, lease->worker);
	sqlite_put_text(&call, id);
	return update(&call, id, err);
}

static int store_claim(struct store *store, const char *id, const struct store_lease *lease, struct job *ret,
	struct sandbox_error *err)
{
	struct sqlite_client *client = lock(store);
	struct job job = {0};

	int r = sqlite_begin(client, err);
	if (r == 0)
		r = set_running(client, id, lease, err);
	if (r == 0)
		r = get_whole(client, id, &job, err);
	if (r == 0)
		r = sqlite_commit(client, err);
	else
		sqlite_rollback(client);
	sqlite_unlock(client);
	if (r == 0)
		*ret = job;
	else
		job_free(&job);
	return r;
}

static int store_renew(struct store *store, const struct job *job, unsigned sec, struct sandbox_error *err)
{
	struct sqlite_client *client = lock(store);
	struct sqlite_call call = sqlite_call(client, RENEW);

	sqlite_put_int(&call, job_now_usec() + (int64_t)sec * USEC_PER_SEC);
	sqlite_put_text(&call, job->id);
	sqlite_put_int(&call, job->attempt);
	int r = update(&call, job->id, err);
	sqlite_call_end(&call);
	sqlite_unlock(client);
	return r;
}

/* NULL stays NULL: no such step. */
static int result_text(
	bool has_result, const struct sandbox_result *result, char **ret, struct sandbox_error *err)
{
	if (!has_result)
		return 0;
	json_t *json = report_result(result);
	*ret = json_text_print(json, JSON_COMPACT, NULL);
	json_decref(json);
	return *ret ? 0 : no_memory(err);
}

static int set_finished(struct sqlite_client *client, const struct job *job, const char *compile,
	const char *run, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, FINISH);

	sqlite_put_text(&call, job_status_name(job->status));
	sqlite_put_text(&call, report_verdict_name(job->verdict));
	sqlite_put_text(&call, job->error);
	sqlite_put_text(&call, job->output_path);
	sqlite_put_text(&call, job->stdout_preview);
	sqlite_put_int(&call, job->updated_usec);
	sqlite_put_int(&call, job->completed_usec);
	if (job->exec_duration_usec < 0)
		sqlite_put_null(&call);
	else
		sqlite_put_int(&call, job->exec_duration_usec);
	sqlite_put_text(&call, compile);
	sqlite_put_text(&call, run);
	sqlite_put_int(&call, job->is_compile_cached);
	sqlite_put_text(&call, job->id);
	sqlite_put_int(&call, job->attempt);
	return update(&call, job->id, err);
}

static int store_finish(struct store *store, const struct job *job, struct sandbox_error *err)
{
	_cleanup_free_ char *compile = NULL;
	_cleanup_free_ char *run = NULL;

	assert(job_is_finished(job->status));
	int r = result_text(job->has_compile, &job->compile, &compile, err);
	if (r == 0)
		r = result_text(job->has_run, &job->run, &run, err);
	if (r < 0)
		return r;
	struct sqlite_client *client = lock(store);
	r = set_finished(client, job, compile, run, err);
	return sqlite_end(client, r, SYNC_SOON, err);
}

static int set_queued(
	struct sqlite_client *client, const struct job *job, bool is_failure, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, RELEASE);

	sqlite_put_int(&call, job_now_usec());
	sqlite_put_int(&call, is_failure);
	sqlite_put_text(&call, job->id);
	sqlite_put_int(&call, job->attempt);
	return update(&call, job->id, err);
}

static int store_release(
	struct store *store, const struct job *job, bool is_failure, struct sandbox_error *err)
{
	struct sqlite_client *client = lock(store);
	int r = set_queued(client, job, is_failure, err);

	sqlite_unlock(client);
	return r;
}

static int set_buried(struct sqlite_client *client, const struct job *job, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, BURY);

	sqlite_put_int(&call, job_now_usec());
	sqlite_put_text(&call, job_status_name(job->status));
	sqlite_put_text(&call, report_verdict_name(job->verdict));
	sqlite_put_text(&call, job->error);
	sqlite_put_text(&call, job->id);
	return update(&call, job->id, err);
}

static int store_bury(struct store *store, const struct job *job, struct sandbox_error *err)
{
	assert(job_is_finished(job->status));
	struct sqlite_client *client = lock(store);
	int r = set_buried(client, job, err);

	return sqlite_end(client, r, SYNC_SOON, err);
}

static int store_revive(struct store *store, const char *id, struct job *ret, struct sandbox_error *err)
{
	struct sqlite_client *client = lock(store);
	struct sqlite_call call = sqlite_call(client, REVIVE);

	sqlite_put_int(&call, job_now_usec());
	sqlite_put_text(&call, id);
	int r = update(&call, id, err);
	sqlite_call_end(&call);
	if (r == 0)
		r = get_locked(client, id, ret, err);
	return sqlite_end(client, r, SYNC_NOW, err);
}

/* --- a user's jobs, and their end ----------------------------------------------------------------------------- */

static int store_list(struct store *store, const char *user_id, const char *cursor, unsigned limit,
	struct store_page *ret, struct sandbox_error *err)
{
	assert(limit >= 1 && limit <= STORE_PAGE_MAX);
	return store_sqlite_list(&from_base(store)->list, user_id, cursor, limit, ret, err);
}

static int store_expire(struct store *store, unsigned limit, int (*each)(const char *output_path, void *user),
	void *user, unsigned *ret, struct sandbox_error *err)
{
	int r = 1;

	for (*ret = 0; *ret < limit; (*ret)++) {
		r = store_sqlite_expire(&from_base(store)->expiry, each, user, err);
		if (r <= 0)
			break;
	}
	return r < 0 ? r : 0;
}

/* --- recover -------------------------------------------------------------------------------------------------- */

/* To recover is to say that whoever ran jobs is gone. A lock that ends with its process, however that ends, holds a
 * second one off. */
static int become_the_worker(struct store_sqlite *store, struct sandbox_error *err)
{
	if (store->worker_fd >= 0)
		return 0;
	const struct database *db = store->client.db;
	_cleanup_close_ int fd =
		openat(db->dirfd, "worker.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, stage, "worker.lock");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? error_set(err, EBUSY, stage, "%s: another process runs these jobs", db->path)
			       : error_errno(err, stage, "worker.lock");
	store->worker_fd = TAKE_FD(fd);
	return 0;
}

static int requeue_running(struct sqlite_client *client, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, RECOVER);

	sqlite_put_int(&call, job_now_usec());
	return sqlite_run(&call, err);
}

/* The first unfinished job after *SEQ, which moves on; RET's texts are owned. 1: there is one; 0: there is none. */
static int next_unfinished(
	struct sqlite_client *client, int64_t *seq, struct job *ret, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, UNFINISHED);

	sqlite_put_int(&call, *seq);
	int r = sqlite_run(&call, err);
	if (r <= 0)
		return r;
	*seq = sqlite_take_int(&call, 0);
	sqlite_take_into(&call, ret->id, sizeof(ret->id));
	ret->language = sqlite_take_text(&call, NULL);
	ret->is_urgent = sqlite_take_int(&call, 0) != 0;
	r = sqlite_taken(&call, err);
	return r < 0 ? r : 1;
}

static int each_unfinished(struct store *store, int64_t *seq,
	int (*each)(const struct job_ticket *ticket, void *user), void *user, struct sandbox_error *err)
{
	struct job job = {0};

	struct sqlite_client *client = lock(store);
	int r = next_unfinished(client, seq, &job, err);
	sqlite_unlock(client);
	if (r > 0) {
		const struct job_ticket ticket = {job.id, job.language, job.is_urgent};
		r = each(&ticket, user);
		r = r < 0 ? error_set(err, -r, stage, "job %s could not be queued again", job.id) : 1;
	}
	job_free(&job);
	return r;
}

static int store_recover(struct store *store, int (*each)(const struct job_ticket *ticket, void *user),
	void *user, struct sandbox_error *err)
{
	int64_t seq = 0;

	struct sqlite_client *client = lock(store);
	int r = become_the_worker(from_base(store), err);
	if (r == 0)
		r = requeue_running(client, err);
	sqlite_unlock(client);
	if (r < 0)
		return r;
	while ((r = each_unfinished(store, &seq, each, user, err)) > 0)
		;
	return r;
}

/* --- life ----------------------------------------------------------------------------------------------------- */

/* One machine, one clock. */
static int64_t store_now_usec(struct store *store)
{
	(void)store;
	return job_now_usec();
}

/* Can it be read and written? Nothing is: the transaction stays empty. */
static int store_ping(struct store *store, struct sandbox_error *err)
{
	struct sqlite_client *client = lock(store);
	struct sqlite_call call = {0};

	int r = sqlite_begin(client, err);
	if (r == 0) {
		call = sqlite_call(client, UNFINISHED);
		sqlite_put_int(&call, 0);
		r = sqlite_run(&call, err);
		sqlite_call_end(&call);
		sqlite_rollback(client);
	}
	sqlite_unlock(client);
	return r < 0 ? r : database_check(client->db, err);
}

static struct store *store_close(struct store *base)
{
	struct store_sqlite *store = from_base(base);

	if (store == NULL)
		return NULL;
	sqlite_client_close(&store->list);
	sqlite_client_close(&store->expiry);
	sqlite_client_close(&store->client);
	(void)fd_close(store->worker_fd);
	free(store);
	return NULL;
}

static const struct store_operations operations = {
	.create = store_create,
	.get = store_get,
	.claim = store_claim,
	.renew = store_renew,
	.finish = store_finish,
	.release = store_release,
	.bury = store_bury,
	.revive = store_revive,
	.list = store_list,
	.expire = store_expire,
	.recover = store_recover,
	.now_usec = store_now_usec,
	.ping = store_ping,
	.close = store_close,
};

int store_sqlite_open(struct database *db, struct store **ret, struct sandbox_error *err)
{
	struct store_sqlite *store = calloc(1, sizeof(*store));
	if (store == NULL)
		return no_memory(err);
	store->base.operations = &operations;
	store->worker_fd = -1;
	int r = sqlite_client_open(db, stage, statements, STATEMENT_N, &store->client, err);
	if (r == 0)
		r = store_sqlite_expiry_open(db, &store->expiry, err);
	if (r == 0)
		r = store_sqlite_list_open(db, &store->list, err);
	if (r < 0) {
		(void)store_close(&store->base);
		return r;
	}
	*ret = (struct store *)store;
	return 0;
}
