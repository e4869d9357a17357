#include "service/store_sqlite_row.h"

#include "sandbox/base/fd.h"
#include "sandbox/json/json_text.h"

#include <string.h>

static int damaged(
	const struct sqlite_call *call, const struct job *job, const char *column, struct sandbox_error *err)
{
	return error_set(
		err, EUCLEAN, call->client->stage, "job %s: column %s has no meaning", job->id, column);
}

static int read_status(struct sqlite_call *call, struct job *job, struct sandbox_error *err)
{
	_cleanup_free_ char *status = sqlite_take_text(call, NULL);
	_cleanup_free_ char *verdict = sqlite_take_text(call, NULL);

	if (sqlite_taken(call, err) < 0)
		return -ENOMEM;
	if (job_status_parse(status, &job->status) < 0)
		return damaged(call, job, "status", err);
	job->verdict = verdict ? report_verdict_parse(verdict) : REPORT_NONE;
	if (verdict != NULL && job->verdict == REPORT_NONE)
		return damaged(call, job, "verdict", err);
	return 0;
}

static int read_result(struct sqlite_call *call, const struct job *job, bool *has_result,
	struct sandbox_result *result, struct sandbox_error *err)
{
	_cleanup_free_ char *text = sqlite_take_text(call, NULL);

	*has_result = text != NULL;
	if (text == NULL)
		return sqlite_taken(call, err);
	struct json_text_error error;
	json_t *json = NULL;
	int r = json_text_parse(text, strlen(text), &json, &error);
	if (r < 0)
		return error_set(err, ENOMEM, call->client->stage, "no memory");
	if (r == 0)
		r = report_result_parse(json, result);
	json_decref(json);
	return r != 0 ? damaged(call, job, "compile or run", err) : 0;
}

int store_sqlite_row(struct sqlite_call *call, struct job *job, struct sandbox_error *err)
{
	_cleanup_free_ char *id = sqlite_take_text(call, NULL);

	(void)snprintf(job->id, sizeof(job->id), "%s", id ? id : "");
	job->user_id = sqlite_take_text(call, NULL);
	job->language = sqlite_take_text(call, NULL);
	int r = read_status(call, job, err);
	if (r < 0)
		return r;
	job->attempt = (uint32_t)sqlite_take_int(call, 0);
	job->error = sqlite_take_text(call, NULL);
	job->output_path = sqlite_take_text(call, NULL);
	job->stdout_preview = sqlite_take_text(call, NULL);
	job->created_usec = sqlite_take_int(call, 0);
	job->updated_usec = sqlite_take_int(call, 0);
	job->started_usec = sqlite_take_int(call, 0);
	job->completed_usec = sqlite_take_int(call, 0);
	job->exec_duration_usec = sqlite_take_int(call, -1);
	r = read_result(call, job, &job->has_compile, &job->compile, err);
	if (r == 0)
		r = read_result(call, job, &job->has_run, &job->run, err);
	job->failures = (uint32_t)sqlite_take_int(call, 0);
	job->is_compile_cached = sqlite_take_int(call, 0) != 0;
	job->lease_usec = sqlite_take_int(call, 0);
	job->worker = sqlite_take_text(call, NULL);
	job->expires_usec = sqlite_take_int(call, 0);
	job->is_urgent = sqlite_take_int(call, 0) != 0;
	return r < 0 ? r : sqlite_taken(call, err);
}
