/* api_jobs.c: submissions, and what became of them. */
#include "sandbox/base/log.h"
#include "service/api.h"
#include "service/languages.h"
#include "service/metrics.h"
#include "service/request.h"
#include "service/runner.h"
#include "service/waiters.h"

#include <string.h>

/* --- POST /submit --------------------------------------------------------------------------------------------- */

static void reply_unsupported(struct api *api, struct http_reply *reply, const struct api_error *error)
{
	json_t *body = api_error_json(error);
	json_t *supported = languages_ids(api->service->languages);

	if (json_object_set_new(json_object_get(body, "error"), "supported", supported) < 0) {
		json_decref(body);
		body = NULL;
	}
	http_reply_json(reply, api_error_status(error->code), body);
	reply->error = api_error_name(error->code);
}

static size_t join_ids(const struct languages *languages, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < languages_count(languages) && used < size; i++)
		used += (size_t)snprintf(
			buf + used, size - used, "%s%s", i > 0 ? ", " : "", languages_at(languages, i)->name);
	return used;
}

/* Normalises the language in place. */
static int check_language(struct api *api, struct job *job, struct api_error *error)
{
	const struct policy *policy = languages_find(api->service->languages, job->language);
	char ids[160];

	if (policy == NULL) {
		(void)join_ids(api->service->languages, ids, sizeof(ids));
		return api_error_set(error, API_ERROR_UNSUPPORTED_LANGUAGE, "language",
			"this language is not supported; supported are %s", ids);
	}
	char *name = strdup(policy->name);
	if (name == NULL)
		return -ENOMEM;
	free(job->language);
	job->language = name;
	return 0;
}

static void begin_job(const struct service *service, struct job *job)
{
	static const int64_t usec_per_day = INT64_C(86400) * 1000000;
	struct store *store = service->store;

	job_new_id(job->id);
	job->status = JOB_QUEUED;
	job->created_usec = job->updated_usec = store->operations->now_usec(store);
	if (service->config.keep_days > 0)
		job->expires_usec = job->created_usec + (int64_t)service->config.keep_days * usec_per_day;
	job->exec_duration_usec = -1;
}

/* The answer is ready before the job is stored, so that what is stored is also answered. */
static int prepare_reply(struct http_reply *reply, const struct job *job, struct sandbox_error *err)
{
	http_reply_json(reply, 202, job_json(job));
	http_reply_header(reply, "Location", "/status?id=%s", job->id);
	return reply->status == 202 ? 0 : error_set(err, ENOMEM, "api.submit", "no memory");
}

/* A job that is stored, but not queued, and that the client is told is not accepted: nobody is to wait for it. */
static void take_back(struct store *store, const char *id)
{
	struct sandbox_error err = {0};
	struct job job = {0};

	memcpy(job.id, id, sizeof(job.id));
	runner_fail(&job, "queue.send", "the job could not be queued, and was not accepted");
	if (store->operations->bury(store, &job, &err) < 0)
		log_event(LOG_LEVEL_WARN, "store.bury", "s:id", job.id, "e:error", &err, NULL);
	job_free(&job);
}

/* Durable in the store first, then in the queue. Should the second fail, the client is told to try again. */
static int store_and_send(struct api *api, const struct job *job, struct sandbox_error *err)
{
	struct store *store = api->service->store;
	struct queue *queue = api->service->queue;

	int r = store->operations->create(store, job, err);
	if (r > 0)
		return error_set(err, EEXIST, "api.submit", "a fresh id exists already");
	if (r < 0)
		return r;
	const struct job_ticket ticket = {job->id, job->language, job->is_urgent};
	r = queue->operations->send(queue, &ticket, err);
	if (r < 0)
		take_back(store, job->id);
	return r;
}

static int accept(struct api *api, const struct job *job, struct sandbox_error *err)
{
	struct batch *batch = api->service->batch;
	struct sandbox_error ignored = {0};

	if (batch_begin(batch) && batch_end(batch, store_and_send(api, job, &ignored) == 0))
		return 0;
	return store_and_send(api, job, err);
}

static void note_accepted(struct api *api, const struct job *job)
{
	metrics_submitted(api->service->metrics, job->language);
	log_event(LOG_LEVEL_INFO, "job.submitted", "s:id", job->id, "s:user", job->user_id, "s:language",
		job->language, "u:code_bytes", (uint64_t)job->code_size, "u:input_bytes",
		(uint64_t)job->input_size, NULL);
}

static void reply_refused(struct api *api, struct http_reply *reply, int r, const struct api_error *error,
	struct sandbox_error *err)
{
	http_reply_free(reply); /* what was prepared for the other case */
	if (r == API_ERROR_UNSUPPORTED_LANGUAGE) {
		reply_unsupported(api, reply, error);
	} else if (r > 0) {
		http_reply_error(reply, error);
	} else {
		(void)error_set(err, -r, "api.submit", "no memory");
		api_reply_unavailable(reply, "submit.failed", err);
	}
}

void api_submit(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	const struct request_limits limits = {
		.code_bytes = api->service->config.code_max_bytes,
		.input_bytes = api->service->config.input_max_bytes,
	};
	struct sandbox_error err = {0};
	struct api_error error;
	struct job job = {0};

	int r = request_parse(request->body, request->body_size, &limits, &job, &error);
	if (r == 0)
		r = check_language(api, &job, &error);
	if (r == 0) {
		begin_job(api->service, &job);
		r = prepare_reply(reply, &job, &err);
	}
	if (r == 0)
		r = accept(api, &job, &err);
	if (r == 0)
		note_accepted(api, &job);
	else
		reply_refused(api, reply, r, &error, &err);
	job_free(&job);
}

/* --- GET /status, GET /result --------------------------------------------------------------------------------- */

bool api_find_job(struct api *api, const char *id, struct http_reply *reply, struct job *job)
{
	struct store *store = api->service->store;
	struct sandbox_error err = {0};
	struct api_error error;
	int r = STORE_MISSING;

	if (id != NULL && job_id_ok(id))
		r = store->operations->get(store, id, job, &err);
	if (r == STORE_MISSING) {
		(void)api_error_set(&error, API_ERROR_NOT_FOUND, "id", "there is no job of this id");
		http_reply_error(reply, &error);
	} else if (r < 0) {
		api_reply_unavailable(reply, "store.get", &err);
	}
	return r == 0;
}

/* The job of ?id=. False: REPLY says why not. */
static bool find_job(
	struct api *api, const struct http_request *request, struct http_reply *reply, struct job *job)
{
	const char *id = http_query(request, "id");
	struct api_error error;

	if (id != NULL)
		return api_find_job(api, id, reply, job);
	(void)api_error_set(&error, API_ERROR_MISSING_FIELD, "id", "the parameter id is missing");
	http_reply_error(reply, &error);
	return false;
}

void api_status(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	struct waiters *waiters = api->service->waiters;
	const char *id = http_query(request, "id");
	struct job job = {0};
	static const struct api_number wait = {"wait", 0, WAITERS_MAX_SEC, 0};
	unsigned wait_sec;

	if (!api_read_number(request, reply, &wait, &wait_sec))
		return;
	bool may_wait = wait_sec > 0 && id != NULL && job_id_ok(id) &&
			waiters_listen(waiters, request->waiter, id, wait_sec);
	if (find_job(api, request, reply, &job)) {
		reply->is_later = may_wait && !job_is_finished(job.status);
		if (!reply->is_later)
			http_reply_json(reply, 200, job_json(&job));
	}
	if (may_wait && !reply->is_later)
		waiters_leave(waiters, request->waiter);
	job_free(&job);
}

static void reply_not_finished(struct http_reply *reply, const struct job *job)
{
	const char *status = job_status_name(job->status);
	struct api_error error;

	(void)api_error_set(&error, API_ERROR_NOT_FINISHED, NULL, "the job is %s; ask again", status);
	json_t *body = api_error_json(&error);
	if (body != NULL && json_object_set_new(body, "status", json_string(status)) < 0) {
		json_decref(body);
		body = NULL;
	}
	http_reply_json(reply, api_error_status(error.code), body);
	reply->error = api_error_name(error.code);
}

/* The link and its end into RESULT; null when the job left no output. */
static int add_link(json_t *result, const struct job *job, const char *url, int64_t expires_usec)
{
	char expires[JOB_TIME_SIZE];

	job_time_text(expires_usec, expires);
	if (job->output_path == NULL)
		return json_object_update_new(result, json_pack("{s:n, s:n}", "url", "expiresAt"));
	return json_object_update_new(result, json_pack("{s:s, s:s}", "url", url, "expiresAt", expires));
}

/* The part of a job that /result repeats. */
static json_t *result_json(const struct job *job, const char *url, int64_t expires_usec)
{
	static const char *const keys[] = {"executionId", "language", "status", "verdict", "error",
		"outputPath", "stdoutPreview", "completedAt", "execDurationMs"};
	json_t *whole = job_json(job);
	json_t *result = json_object();
	int r = whole == NULL || result == NULL ? -1 : 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && r == 0; i++)
		r = json_object_set(result, keys[i], json_object_get(whole, keys[i]));
	json_decref(whole);
	if (r < 0 || add_link(result, job, url, expires_usec) < 0) {
		json_decref(result);
		return NULL;
	}
	return result;
}

static void reply_result(
	struct api *api, const struct http_request *request, struct http_reply *reply, const struct job *job)
{
	struct objects *objects = api->service->objects;
	struct store *store = api->service->store;
	unsigned ttl_sec = (unsigned)api->service->config.url_ttl_sec;
	char base[API_BASE_SIZE];
	struct sandbox_error err = {0};
	char *url = NULL;
	int r = 0;

	api_base_url(request, base);
	if (job->output_path != NULL)
		r = objects->operations->url(objects, job->output_path, base, &ttl_sec, &url, &err);
	int64_t expires_usec = store->operations->now_usec(store) + (int64_t)ttl_sec * 1000000;
	if (r < 0)
		api_reply_unavailable(reply, "objects.url", &err);
	else
		http_reply_json(reply, 200, result_json(job, url, expires_usec));
	free(url);
}

void api_result(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	struct job job = {0};

	if (find_job(api, request, reply, &job)) {
		if (job.status == JOB_QUEUED || job.status == JOB_RUNNING)
			reply_not_finished(reply, &job);
		else
			reply_result(api, request, reply, &job);
	}
	job_free(&job);
}

/* --- GET /objects/outputs/<id>.txt ---------------------------------------------------------------------------- */

/* 0: the link is good; an enum api_error_code with ERROR; or a negative errno with ERR: who knows. */
static int check_link(struct api *api, const struct http_request *request, const char *name,
	struct api_error *error, struct sandbox_error *err)
{
	struct objects *objects = api->service->objects;
	const char *expires = http_query(request, "expires");
	const char *signature = http_query(request, "signature");
	int r = -EACCES;

	if (expires != NULL && signature != NULL)
		r = objects->operations->verify(objects, name, expires, signature, err);
	if (r != -EACCES)
		return r;
	if (strcmp(err->stage, "objects.expired") == 0)
		return api_error_set(error, API_ERROR_LINK_EXPIRED, NULL,
			"this link has expired; GET /result makes a new one");
	return api_error_set(error, API_ERROR_LINK_INVALID, NULL, "this link was not made by this service");
}

static void reply_object(struct api *api, struct http_reply *reply, const char *name)
{
	struct objects *objects = api->service->objects;
	struct sandbox_error err = {0};
	struct api_error error;

	int r = objects->operations->open(objects, name, &reply->fd, &reply->fd_size, &err);
	if (r == OBJECTS_MISSING) {
		(void)api_error_set(&error, API_ERROR_NOT_FOUND, NULL, "there is no such object");
		http_reply_error(reply, &error);
	} else if (r < 0) {
		api_reply_unavailable(reply, "objects.open", &err);
	} else {
		/* A job's bytes: never to be taken for a page of this service. */
		reply->content_type = "text/plain; charset=utf-8";
		http_reply_header(
			reply, "Content-Disposition", "attachment; filename=\"%s\"", strrchr(name, '/') + 1);
	}
}

void api_object(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	const char *name = request->path + strlen("/objects/");
	struct sandbox_error err = {0};
	struct api_error error;
	int r;

	if (strncmp(name, "outputs/", strlen("outputs/")) != 0 || !objects_name_ok(name))
		r = api_error_set(&error, API_ERROR_NOT_FOUND, NULL, "there is nothing at this path");
	else
		r = check_link(api, request, name, &error, &err);
	if (r == -ENOTSUP) /* links go elsewhere */
		r = api_error_set(&error, API_ERROR_NOT_FOUND, NULL, "there is nothing at this path");
	if (r > 0)
		http_reply_error(reply, &error);
	else if (r < 0)
		api_reply_unavailable(reply, "objects.verify", &err);
	else
		reply_object(api, reply, name);
}
