/* store_dynamodb.c: jobs in a table of DynamoDB. Every change of a job's state is one conditional write, guarded by the
 * attempt and the lease, a random name that each claim gets. The name has a second use: when a write is refused, the first
 * try of the same write may have been what came before, its answer lost; the item tells.
 *
 * Times are the table's (aws_client_now_usec), so that the leases of machines whose clocks differ agree. */
#include "service/store_dynamodb.h"

#include "sandbox/base/fd.h"
#include "service/store_dynamodb_call.h"
#include "service/store_dynamodb_item.h"
#include "service/store_dynamodb_source.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

static const char stage[] = "store.dynamodb";

enum { USEC_PER_SEC = 1000000 };

#define LIVING "(attribute_not_exists(#expires) OR #expires > :nowUsec)"
#define CLAIMABLE "(#status = :queued OR (#status = :running AND #leaseUntil <= :nowUsec)) AND " LIVING
#define CLAIMED "#status = :running AND #attempt = :attempt AND #lease = :lease"

struct store_dynamodb {
	struct store base;
	struct dynamodb_table table;
	struct objects *objects; /* borrowed */
	atomic_bool has_clock;	 /* the table has answered once */
};

static struct store_dynamodb *from_base(struct store *store)
{
	return (struct store_dynamodb *)store;
}

static int no_memory(struct sandbox_error *err)
{
	return error_set(err, ENOMEM, stage, "no memory");
}

/* A read that finds nothing: it needs no right that the service does not need anyway. */
static int ping(struct store_dynamodb *store, struct sandbox_error *err)
{
	json_t *item = NULL;

	int r = dynamodb_get(&store->table, "none", false, &item, err);
	json_decref(item);
	if (r == 0)
		atomic_store(&store->has_clock, true);
	return r;
}

/* Any answer tells the client the time. The first time is asked for: a claim by a wrong clock would take a job away from who
 * is at it, or keep it long after the claimant's death. If that fails, so will what the time is for. */
static int64_t now_usec(struct store_dynamodb *store)
{
	struct sandbox_error ignored = {0};

	if (!atomic_load(&store->has_clock))
		(void)ping(store, &ignored);
	return aws_client_now_usec(store->table.client);
}

/* --- get ------------------------------------------------------------------------------------------------------ */

static bool is_expired(struct store_dynamodb *store, const struct job *job)
{
	return job->expires_usec != 0 && job->expires_usec <= now_usec(store);
}

static int get_living(
	struct store_dynamodb *store, const char *id, struct job *ret, struct sandbox_error *err)
{
	struct job job = {0};
	json_t *item = NULL;

	int r = dynamodb_get(&store->table, id, false, &item, err);
	if (r == 0)
		r = item == NULL ? STORE_MISSING : dynamodb_job(item, &job, err);
	json_decref(item);
	if (r == 0 && is_expired(store, &job))
		r = STORE_MISSING;
	if (r == 0)
		*ret = job;
	else
		job_free(&job);
	return r;
}

static int store_get(struct store *base, const char *id, struct job *ret, struct sandbox_error *err)
{
	return get_living(from_base(base), id, ret, err);
}

/* --- create --------------------------------------------------------------------------------------------------- */

static json_t *fresh_item(const struct job *job)
{
	char source[OBJECTS_NAME_SIZE];

	dynamodb_source_name(job->id, source);
	json_t *item = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "executionId",
		dynamodb_text(job->id), "userId", dynamodb_text(job->user_id), "language",
		dynamodb_text(job->language), "status", dynamodb_text(job_status_name(JOB_QUEUED)),
		"createdAt", dynamodb_time(job->created_usec), "updatedAt", dynamodb_time(job->updated_usec),
		"attempt", dynamodb_number(0), "failures", dynamodb_number(0));
	int r = item != NULL ? 0 : -1;
	if (r == 0 && dynamodb_source_is_small(job))
		r = json_object_set_new(item, "code", dynamodb_text(job->code ? job->code : "")) |
		    json_object_set_new(item, "input", dynamodb_text(job->input ? job->input : ""));
	else if (r == 0)
		r = json_object_set_new(item, "sourcePath", dynamodb_text(source));
	if (r == 0 && job->is_urgent)
		r = json_object_set_new(item, "urgent", dynamodb_bool(true));
	if (r == 0 && job->expires_usec != 0)
		r = json_object_set_new(item, "expires", dynamodb_number(job->expires_usec)) |
		    json_object_set_new(
			    item, "expiresAt", dynamodb_number(job->expires_usec / USEC_PER_SEC + 1));
	if (r == 0)
		return item;
	json_decref(item);
	return NULL;
}

/* The id is taken: by this very job, whose first try was answered into the void? */
static int check_twin(struct store_dynamodb *store, const struct job *job, struct sandbox_error *err)
{
	json_t *item = NULL;
	struct job found = {0};

	int r = dynamodb_get(&store->table, job->id, false, &item, err);
	if (r == 0 && item != NULL)
		r = dynamodb_job(item, &found, err);
	bool is_twin = r == 0 && item != NULL && found.created_usec == job->created_usec &&
		       strcmp(found.user_id, job->user_id) == 0 && strcmp(found.language, job->language) == 0;
	json_decref(item);
	job_free(&found);
	return r < 0 || is_twin ? r : STORE_EXISTS;
}

static int store_create(struct store *base, const struct job *job, struct sandbox_error *err)
{
	static const struct dynamodb_expression expressions[] = {
		{"ConditionExpression", "attribute_not_exists(#executionId)"}};
	struct store_dynamodb *store = from_base(base);

	int r = dynamodb_source_is_small(job) ? 0 : dynamodb_source_put(store->objects, job, err);
	if (r < 0)
		return r;
	json_t *request = dynamodb_request(&store->table, expressions, ARRAY_SIZE(expressions), NULL);
	if (request != NULL && json_object_set_new(request, "Item", fresh_item(job)) < 0) {
		json_decref(request);
		return no_memory(err);
	}
	r = dynamodb_call(&store->table, "PutItem", request, NULL, err);
	return r == DYNAMODB_NOT_SO ? check_twin(store, job, err) : r;
}

/* --- from state to state -------------------------------------------------------------------------------------- */

/* Whether the state in which JOB is found is what a first try of our own change made of it. */
static int settle(struct store_dynamodb *store, const struct job *job,
	bool (*is_done)(const struct job *found, const struct job *job), struct sandbox_error *err)
{
	struct job found = {0};

	int r = get_living(store, job->id, &found, err);
	if (r == 0 && !is_done(&found, job))
		r = STORE_CONFLICT;
	job_free(&found);
	return r;
}

static bool is_of_claim(const struct job *found, const struct job *job)
{
	return found->attempt == job->attempt && job->lease[0] != '\0' &&
	       strcmp(found->lease, job->lease) == 0;
}

/* --- claim and renew ------------------------------------------------------------------------------------------ */

static int new_lease(char lease[JOB_LEASE_SIZE], struct sandbox_error *err)
{
	unsigned char bytes[(JOB_LEASE_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return error_errno(err, stage, "getrandom");
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(lease + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* The item as claimed, if it was: by the answer, or, when that says that it could not be, by what is found. */
static int set_running(struct store_dynamodb *store, const char *id, const struct store_lease *lease,
	json_t **ret, struct sandbox_error *err)
{
	char name[JOB_LEASE_SIZE];
	struct job found = {0};
	int64_t now = now_usec(store);

	int r = new_lease(name, err);
	if (r < 0)
		return r;
	const struct dynamodb_change claim = {
		.id = id,
		.update = "SET #status = :running, #startedAt = :now, #updatedAt = :now, #lease = :lease,"
			  " #leaseUntil = :until, #worker = :worker ADD #attempt :one",
		.condition = "attribute_exists(#executionId) AND " CLAIMABLE,
		.values = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", ":queued",
			dynamodb_text("queued"), ":running", dynamodb_text("running"), ":now",
			dynamodb_time(now), ":nowUsec", dynamodb_number(now), ":lease", dynamodb_text(name),
			":until", dynamodb_number(now + (int64_t)lease->sec * USEC_PER_SEC), ":worker",
			dynamodb_text(lease->worker), ":one", dynamodb_number(1)),
		.wants_item = true,
	};
	r = dynamodb_change(&store->table, &claim, ret, err);
	if (r != DYNAMODB_NOT_SO)
		return r;
	r = get_living(store, id, &found, err);
	bool is_ours = r == 0 && found.status == JOB_RUNNING && strcmp(found.lease, name) == 0;
	job_free(&found);
	if (r != 0)
		return r;
	return is_ours ? dynamodb_get(&store->table, id, true, ret, err) : STORE_CONFLICT;
}

static int store_claim(struct store *base, const char *id, const struct store_lease *lease, struct job *ret,
	struct sandbox_error *err)
{
	struct store_dynamodb *store = from_base(base);
	struct job job = {0};
	json_t *item = NULL;

	int r = set_running(store, id, lease, &item, err);
	if (r == 0)
		r = dynamodb_job(item, &job, err);
	if (r == 0)
		r = dynamodb_source_read(store->objects, item, &job, err);
	json_decref(item);
	if (r == 0)
		*ret = job;
	else
		job_free(&job);
	return r;
}

static bool is_renewed(const struct job *found, const struct job *job)
{
	return found->status == JOB_RUNNING && is_of_claim(found, job);
}

/* The values that CLAIMED asks for, and those of FURTHER, which is taken over. */
static json_t *claimed_values(const struct job *job, json_t *further)
{
	json_t *values = json_pack("{s:o, s:o, s:o}", ":running", dynamodb_text("running"), ":attempt",
		dynamodb_number(job->attempt), ":lease", dynamodb_text(job->lease));

	if (values != NULL && (further == NULL || json_object_update(values, further) < 0)) {
		json_decref(values);
		values = NULL;
	}
	json_decref(further);
	return values;
}

static int store_renew(struct store *base, const struct job *job, unsigned sec, struct sandbox_error *err)
{
	struct store_dynamodb *store = from_base(base);
	int64_t until = now_usec(store) + (int64_t)sec * USEC_PER_SEC;
	const struct dynamodb_change renewal = {
		.id = job->id,
		.update = "SET #leaseUntil = :until",
		.condition = CLAIMED,
		.values = claimed_values(job, json_pack("{s:o}", ":until", dynamodb_number(until))),
	};

	int r = dynamodb_change(&store->table, &renewal, NULL, err);
	return r == DYNAMODB_NOT_SO ? settle(store, job, is_renewed, err) : r;
}

/* --- finish, release, bury ------------------------------------------------------------------------------------ */

static bool is_finished(const struct job *found, const struct job *job)
{
	return found->status == job->status && is_of_claim(found, job);
}

static json_t *text_if(const char *text)
{
	return text != NULL ? dynamodb_text(text) : NULL;
}

static int store_finish(struct store *base, const struct job *job, struct sandbox_error *err)
{
	struct store_dynamodb *store = from_base(base);
	const char *verdict = report_verdict_name(job->verdict);
	bool has_duration = job->exec_duration_usec >= 0;

	assert(job_is_finished(job->status));
	struct dynamodb_field fields[] = {
		{"status", true, dynamodb_text(job_status_name(job->status))},
		{"updatedAt", true, dynamodb_time(job->updated_usec)},
		{"completedAt", true, dynamodb_time(job->completed_usec)},
		{"compileCached", true, dynamodb_bool(job->is_compile_cached)},
		{"verdict", verdict != NULL, text_if(verdict)},
		{"error", job->error != NULL, text_if(job->error)},
		{"outputPath", job->output_path != NULL, text_if(job->output_path)},
		{"stdoutPreview", job->stdout_preview != NULL, text_if(job->stdout_preview)},
		{"execDurationMs", has_duration,
			has_duration ? dynamodb_duration(job->exec_duration_usec) : NULL},
		{"compile", job->has_compile, job->has_compile ? dynamodb_result(&job->compile) : NULL},
		{"run", job->has_run, job->has_run ? dynamodb_result(&job->run) : NULL},
	};
	const struct dynamodb_change end = {
		.id = job->id,
		.condition = CLAIMED,
		.values = claimed_values(job, json_object()),
	};
	int r = dynamodb_set(&store->table, &end, fields, ARRAY_SIZE(fields), err);
	return r == DYNAMODB_NOT_SO ? settle(store, job, is_finished, err) : r;
}

static bool is_released(const struct job *found, const struct job *job)
{
	return found->status == JOB_QUEUED && is_of_claim(found, job);
}

static int store_release(
	struct store *base, const struct job *job, bool is_failure, struct sandbox_error *err)
{
	struct store_dynamodb *store = from_base(base);
	const struct dynamodb_change release = {
		.id = job->id,
		.update = "SET #status = :queued, #updatedAt = :now REMOVE #startedAt, #worker, #leaseUntil"
			  " ADD #failures :failures",
		.condition = CLAIMED,
		.values = claimed_values(job,
			json_pack("{s:o, s:o, s:o}", ":queued", dynamodb_text("queued"), ":now",
				dynamodb_time(now_usec(store)), ":failures", dynamodb_number(is_failure))),
	};

	int r = dynamodb_change(&store->table, &release, NULL, err);
	return r == DYNAMODB_NOT_SO ? settle(store, job, is_released, err) : r;
}

static bool is_buried(const struct job *found, const struct job *job)
{
	return found->status == job->status && found->verdict == job->verdict && found->error != NULL &&
	       job->error != NULL && strcmp(found->error, job->error) == 0;
}

static int store_bury(struct store *base, const struct job *job, struct sandbox_error *err)
{
	struct store_dynamodb *store = from_base(base);
	const char *verdict = report_verdict_name(job->verdict);
	int64_t now = now_usec(store);

	assert(job_is_finished(job->status));
	struct dynamodb_field fields[] = {
		{"status", true, dynamodb_text(job_status_name(job->status))},
		{"updatedAt", true, dynamodb_time(now)},
		{"completedAt", true, dynamodb_time(now)},
		{"verdict", verdict != NULL, text_if(verdict)},
		{"error", job->error != NULL, text_if(job->error)},
	};
	const struct dynamodb_change burial = {
		.id = job->id,
		.condition = "attribute_exists(#executionId) AND " CLAIMABLE,
		.values = json_pack("{s:o, s:o, s:o}", ":queued", dynamodb_text("queued"), ":running",
			dynamodb_text("running"), ":nowUsec", dynamodb_number(now)),
	};
	int r = dynamodb_set(&store->table, &burial, fields, ARRAY_SIZE(fields), err);
	return r == DYNAMODB_NOT_SO ? settle(store, job, is_buried, err) : r;
}

static int store_revive(struct store *base, const char *id, struct job *ret, struct sandbox_error *err)
{
	struct store_dynamodb *store = from_base(base);
	const struct dynamodb_change revival = {
		.id = id,
		.update = "SET #status = :queued, #updatedAt = :now, #failures = :zero"
			  " REMOVE #verdict, #error, #startedAt, #completedAt, #outputPath, #stdoutPreview,"
			  " #execDurationMs, #compile, #run, #compileCached, #worker, #leaseUntil",
		.condition = "#status = :failed AND #verdict = :verdict",
		.values = json_pack("{s:o, s:o, s:o, s:o, s:o}", ":queued", dynamodb_text("queued"), ":now",
			dynamodb_time(now_usec(store)), ":zero", dynamodb_number(0), ":failed",
			dynamodb_text("failed"), ":verdict",
			dynamodb_text(report_verdict_name(REPORT_INTERNAL_ERROR))),
	};

	int r = dynamodb_change(&store->table, &revival, NULL, err);
	if (r < 0)
		return r;
	/* Refused: perhaps our own first try has done it. Queued is queued, whoever did that. */
	int found = get_living(store, id, ret, err);
	if (found == 0 && r == DYNAMODB_NOT_SO && ret->status != JOB_QUEUED) {
		job_free(ret);
		return STORE_CONFLICT;
	}
	return found;
}

/* --- a user's jobs -------------------------------------------------------------------------------------------- */

/* The last job of a page: "CREATED_AT/ID". */
struct cursor {
	char created_at[DYNAMODB_TIME_SIZE];
	char id[JOB_ID_SIZE];
};

static int read_cursor(const char *text, struct cursor *ret, struct sandbox_error *err)
{
	const char *slash = strchr(text, '/');
	int64_t ignored;

	*ret = (struct cursor){0};
	if (slash == NULL || (size_t)(slash - text) >= sizeof(ret->created_at) ||
		strlen(slash + 1) >= sizeof(ret->id))
		return error_set(err, EINVAL, "store.cursor", "the cursor is none of this store");
	(void)snprintf(ret->created_at, sizeof(ret->created_at), "%.*s", (int)(slash - text), text);
	(void)snprintf(ret->id, sizeof(ret->id), "%s", slash + 1);
	if (!dynamodb_time_parse(ret->created_at, &ignored) || !job_id_ok(ret->id))
		return error_set(err, EINVAL, "store.cursor", "the cursor is none of this store");
	return 0;
}

static json_t *list_request(
	struct store_dynamodb *store, const char *user_id, const struct cursor *cursor, unsigned limit)
{
	static const struct dynamodb_expression expressions[] = {
		{"KeyConditionExpression", "#userId = :user"},
		{"FilterExpression", LIVING},
		{"ProjectionExpression", DYNAMODB_ATTRIBUTES},
	};
	json_t *values = json_pack(
		"{s:o, s:o}", ":user", dynamodb_text(user_id), ":nowUsec", dynamodb_number(now_usec(store)));
	json_t *request =
		values ? dynamodb_request(&store->table, expressions, ARRAY_SIZE(expressions), values) : NULL;
	int r = request != NULL ? 0 : -1;

	if (r == 0)
		r = json_object_set_new(request, "IndexName", json_string(STORE_DYNAMODB_INDEX)) |
		    json_object_set_new(request, "ScanIndexForward", json_false()) |
		    json_object_set_new(request, "Limit", json_integer(limit));
	if (r == 0 && cursor != NULL)
		r = json_object_set_new(request, "ExclusiveStartKey",
			json_pack("{s:o, s:o, s:o}", "userId", dynamodb_text(user_id), "createdAt",
				dynamodb_text(cursor->created_at), "executionId", dynamodb_text(cursor->id)));
	if (r == 0)
		return request;
	json_decref(request);
	return NULL;
}

static int take_cursor(const json_t *answer, char **ret, struct sandbox_error *err)
{
	const json_t *last = json_object_get(answer, "LastEvaluatedKey");
	const char *created_at = dynamodb_take_text(last, "createdAt");
	const char *id = dynamodb_take_text(last, "executionId");

	if (last == NULL)
		return 0;
	if (created_at == NULL || id == NULL)
		return error_set(err, EPROTO, stage, "DynamoDB ended a page with a key that is none");
	if (asprintf(ret, "%s/%s", created_at, id) < 0) {
		*ret = NULL;
		return no_memory(err);
	}
	return 0;
}

static int take_page(const json_t *answer, unsigned limit, struct store_page *page, struct sandbox_error *err)
{
	const json_t *items = json_object_get(answer, "Items");
	int r = 0;

	page->jobs = calloc(limit, sizeof(page->jobs[0]));
	if (page->jobs == NULL)
		return no_memory(err);
	for (size_t i = 0; i < json_array_size(items) && page->n < limit && r == 0; i++)
		r = dynamodb_job(json_array_get(items, i), &page->jobs[page->n++], err);
	return r == 0 ? take_cursor(answer, &page->cursor, err) : r;
}

/* As the index has them, which follows the table by moments. */
static int store_list(struct store *base, const char *user_id, const char *cursor_text, unsigned limit,
	struct store_page *ret, struct sandbox_error *err)
{
	struct store_dynamodb *store = from_base(base);
	struct store_page page = {0};
	struct cursor cursor;
	json_t *answer = NULL;

	assert(limit >= 1 && limit <= STORE_PAGE_MAX);
	int r = cursor_text != NULL ? read_cursor(cursor_text, &cursor, err) : 0;
	if (r == 0)
		r = dynamodb_call(&store->table, "Query",
			list_request(store, user_id, cursor_text ? &cursor : NULL, limit), &answer, err);
	if (r == 0)
		r = take_page(answer, limit, &page, err);
	json_decref(answer);
	if (r == 0)
		*ret = page;
	else
		store_page_free(&page);
	return r;
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

/* DynamoDB removes what is past its time by itself, S3 by the bucket's rule. */
static int store_expire(struct store *store, unsigned limit, int (*each)(const char *output_path, void *user),
	void *user, unsigned *ret, struct sandbox_error *err)
{
	(void)store;
	(void)limit;
	(void)each;
	(void)user;
	(void)err;
	*ret = 0;
	return 0;
}

/* Others may run these jobs; the queue has their messages, and the leases end of those whose worker is gone. */
static int store_recover(struct store *store, int (*each)(const struct job_ticket *ticket, void *user),
	void *user, struct sandbox_error *err)
{
	(void)store;
	(void)each;
	(void)user;
	(void)err;
	return 0;
}

static int64_t store_now_usec(struct store *base)
{
	return now_usec(from_base(base));
}

static int store_ping(struct store *base, struct sandbox_error *err)
{
	return ping(from_base(base), err);
}

static struct store *store_close(struct store *base)
{
	free(base);
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

int store_dynamodb_open(
	const struct store_dynamodb_options *options, struct store **ret, struct sandbox_error *err)
{
	struct store_dynamodb *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return no_memory(err);
	store->base.operations = &operations;
	store->table = (struct dynamodb_table){options->client, options->table};
	store->objects = options->objects;
	*ret = &store->base;
	return 0;
}
