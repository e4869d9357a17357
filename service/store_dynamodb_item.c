#include "service/store_dynamodb_item.h"

#include "sandbox/base/fd.h"
#include "sandbox/json/json_text.h"
#include "service/runner_text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static const char stage[] = "store.dynamodb";

enum { USEC_PER_SEC = 1000000, USEC_PER_MSEC = 1000 };

/* --- values --------------------------------------------------------------------------------------------------- */

json_t *dynamodb_text(const char *text)
{
	const struct runner_text_limits limits = {.chars = SIZE_MAX, .bytes = SIZE_MAX};

	if (*text == '\0')
		return json_pack("{s:b}", "NULL", true);
	json_t *value = json_string(text);
	if (value == NULL) {
		_cleanup_free_ char *clean = runner_text(text, strlen(text), false, &limits);
		value = clean ? json_string(clean) : NULL;
	}
	return json_pack("{s:o}", "S", value);
}

json_t *dynamodb_number(int64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, number);
	return json_pack("{s:s}", "N", text);
}

json_t *dynamodb_bool(bool value)
{
	return json_pack("{s:b}", "BOOL", value);
}

void dynamodb_time_text(int64_t usec, char text[DYNAMODB_TIME_SIZE])
{
	time_t seconds = (time_t)(usec / USEC_PER_SEC);
	char date[DYNAMODB_TIME_SIZE - 8];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		date[0] = '\0';
	(void)snprintf(
		text, DYNAMODB_TIME_SIZE, "%s.%06uZ", date, (unsigned)(usec % USEC_PER_SEC) % USEC_PER_SEC);
}

bool dynamodb_time_parse(const char *text, int64_t *ret)
{
	char again[DYNAMODB_TIME_SIZE];
	struct tm tm = {0};
	unsigned usec;

	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end == NULL || sscanf(end, ".%6uZ", &usec) != 1)
		return false;
	*ret = (int64_t)timegm(&tm) * USEC_PER_SEC + usec;
	/* Only what we write ourselves. */
	dynamodb_time_text(*ret, again);
	return strcmp(again, text) == 0;
}

json_t *dynamodb_time(int64_t usec)
{
	char text[DYNAMODB_TIME_SIZE];

	dynamodb_time_text(usec, text);
	return dynamodb_text(text);
}

json_t *dynamodb_duration(int64_t usec)
{
	char text[32];

	(void)snprintf(
		text, sizeof(text), "%" PRId64 ".%03" PRId64, usec / USEC_PER_MSEC, usec % USEC_PER_MSEC);
	return json_pack("{s:s}", "N", text);
}

json_t *dynamodb_result(const struct sandbox_result *result)
{
	json_t *json = report_result(result);
	_cleanup_free_ char *text = json_text_print(json, JSON_COMPACT, NULL);

	json_decref(json);
	return text ? dynamodb_text(text) : NULL;
}

/* --- an item as a job ----------------------------------------------------------------------------------------- */

const char *dynamodb_take_text(const json_t *item, const char *name)
{
	const json_t *value = json_object_get(item, name);

	if (json_is_true(json_object_get(value, "NULL")))
		return "";
	return json_string_value(json_object_get(value, "S"));
}

int64_t dynamodb_take_number(const json_t *item, const char *name, int64_t absent)
{
	const char *text = json_string_value(json_object_get(json_object_get(item, name), "N"));

	return text != NULL ? strtoll(text, NULL, 10) : absent;
}

static bool take_bool(const json_t *item, const char *name)
{
	return json_is_true(json_object_get(json_object_get(item, name), "BOOL"));
}

static int64_t take_duration(const json_t *item)
{
	const char *text = json_string_value(json_object_get(json_object_get(item, "execDurationMs"), "N"));

	return text != NULL ? (int64_t)(strtod(text, NULL) * USEC_PER_MSEC + 0.5) : -1;
}

static int damaged(const struct job *job, const char *attribute, struct sandbox_error *err)
{
	return error_set(err, EUCLEAN, stage, "job %s: attribute %s has no meaning", job->id, attribute);
}

static int copy_text(const json_t *item, const char *name, char **ret, struct sandbox_error *err)
{
	const char *text = dynamodb_take_text(item, name);

	*ret = text != NULL ? strdup(text) : NULL;
	return text == NULL || *ret != NULL ? 0 : error_set(err, ENOMEM, stage, "no memory");
}

static int read_texts(const json_t *item, struct job *job, struct sandbox_error *err)
{
	const struct {
		const char *name;
		char **to;
	} texts[] = {
		{"userId", &job->user_id},
		{"language", &job->language},
		{"error", &job->error},
		{"outputPath", &job->output_path},
		{"stdoutPreview", &job->stdout_preview},
		{"worker", &job->worker},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts) && r == 0; i++)
		r = copy_text(item, texts[i].name, texts[i].to, err);
	if (r == 0 && (job->user_id == NULL || job->language == NULL))
		r = damaged(job, "userId or language", err);
	return r;
}

static int read_times(const json_t *item, struct job *job, struct sandbox_error *err)
{
	const struct {
		const char *name;
		int64_t *to;
	} times[] = {
		{"createdAt", &job->created_usec},
		{"updatedAt", &job->updated_usec},
		{"startedAt", &job->started_usec},
		{"completedAt", &job->completed_usec},
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		const char *text = dynamodb_take_text(item, times[i].name);
		if (text != NULL && !dynamodb_time_parse(text, times[i].to))
			return damaged(job, times[i].name, err);
	}
	return 0;
}

static int read_result(const json_t *item, const struct job *job, const char *name,
	struct sandbox_result *result, bool *has_result, struct sandbox_error *err)
{
	const char *text = dynamodb_take_text(item, name);
	struct json_text_error error;
	json_t *json = NULL;

	*has_result = text != NULL;
	if (text == NULL)
		return 0;
	int r = json_text_parse(text, strlen(text), &json, &error);
	if (r < 0)
		return error_set(err, ENOMEM, stage, "no memory");
	if (r == 0)
		r = report_result_parse(json, result);
	json_decref(json);
	return r != 0 ? damaged(job, name, err) : 0;
}

static int read_state(const json_t *item, struct job *job, struct sandbox_error *err)
{
	const char *status = dynamodb_take_text(item, "status");
	const char *verdict = dynamodb_take_text(item, "verdict");
	const char *lease = dynamodb_take_text(item, "lease");

	if (job_status_parse(status, &job->status) < 0)
		return damaged(job, "status", err);
	job->verdict = verdict ? report_verdict_parse(verdict) : REPORT_NONE;
	if (verdict != NULL && job->verdict == REPORT_NONE)
		return damaged(job, "verdict", err);
	(void)snprintf(job->lease, sizeof(job->lease), "%s", lease ? lease : "");
	job->lease_usec = dynamodb_take_number(item, "leaseUntil", 0);
	job->attempt = (uint32_t)dynamodb_take_number(item, "attempt", 0);
	job->failures = (uint32_t)dynamodb_take_number(item, "failures", 0);
	job->expires_usec = dynamodb_take_number(item, "expires", 0);
	job->exec_duration_usec = take_duration(item);
	job->is_compile_cached = take_bool(item, "compileCached");
	job->is_urgent = take_bool(item, "urgent");
	return 0;
}

int dynamodb_job(const json_t *item, struct job *job, struct sandbox_error *err)
{
	const char *id = dynamodb_take_text(item, "executionId");

	(void)snprintf(job->id, sizeof(job->id), "%s", id ? id : "");
	int r = read_texts(item, job, err);
	if (r == 0)
		r = read_times(item, job, err);
	if (r == 0)
		r = read_state(item, job, err);
	if (r == 0)
		r = read_result(item, job, "compile", &job->compile, &job->has_compile, err);
	if (r == 0)
		r = read_result(item, job, "run", &job->run, &job->has_run, err);
	return r;
}
