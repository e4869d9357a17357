#include "service/job.h"

#include "sandbox/base/fd.h"
#include "service/runner_text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const char *const status_names[JOB_STATUS_N] = {
	[JOB_QUEUED] = "queued",
	[JOB_RUNNING] = "running",
	[JOB_COMPLETED] = "completed",
	[JOB_FAILED] = "failed",
	[JOB_TIMEOUT] = "timeout",
	[JOB_CANCELLED] = "cancelled",
};

const char *job_status_name(enum job_status status)
{
	assert((unsigned)status < JOB_STATUS_N);
	return status_names[status];
}

int job_status_parse(const char *name, enum job_status *ret)
{
	for (unsigned i = 0; name != NULL && i < JOB_STATUS_N; i++)
		if (strcmp(status_names[i], name) == 0) {
			*ret = (enum job_status)i;
			return 0;
		}
	return -EINVAL;
}

bool job_is_finished(enum job_status status)
{
	return status != JOB_QUEUED && status != JOB_RUNNING;
}

void job_free(struct job *job)
{
	free(job->user_id);
	free(job->language);
	free(job->code);
	free(job->input);
	free(job->error);
	free(job->output_path);
	free(job->stdout_preview);
	free(job->worker);
	*job = (struct job){0};
}

/* --- identity ------------------------------------------------------------------------------------------------- */

/* RFC 9562, 4 and 5.4. */
enum { ID_VERSION_AT = 14, ID_VARIANT_AT = 19 };

static bool is_dash_place(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

void job_new_id(char id[JOB_ID_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	static const char variant[] = "89ab";
	unsigned char bytes[JOB_ID_SIZE];

	/* getrandom(2): requests of up to 256 bytes are neither interrupted nor short once the pool is ready. */
	ssize_t n = getrandom(bytes, sizeof(bytes), 0);
	assert(n == (ssize_t)sizeof(bytes));
	(void)n;
	for (size_t i = 0; i < JOB_ID_SIZE - 1; i++)
		id[i] = is_dash_place(i) ? '-' : hex[bytes[i] % 16];
	id[ID_VERSION_AT] = '4';
	id[ID_VARIANT_AT] = variant[bytes[ID_VARIANT_AT] % 4];
	id[JOB_ID_SIZE - 1] = '\0';
}

bool job_id_ok(const char *id)
{
	if (strnlen(id, JOB_ID_SIZE) != JOB_ID_SIZE - 1 || strspn(id, "0123456789abcdef-") != JOB_ID_SIZE - 1)
		return false;
	for (size_t i = 0; i < JOB_ID_SIZE - 1; i++)
		if ((id[i] == '-') != is_dash_place(i))
			return false;
	return id[ID_VERSION_AT] == '4' && strchr("89ab", id[ID_VARIANT_AT]) != NULL;
}

/* --- time ----------------------------------------------------------------------------------------------------- */

enum { USEC_PER_SEC = 1000000, USEC_PER_MSEC = 1000 };

int64_t job_now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

void job_time_text(int64_t usec, char text[JOB_TIME_SIZE])
{
	int64_t within = usec % USEC_PER_SEC;
	time_t seconds = (time_t)(usec / USEC_PER_SEC);
	char date[JOB_TIME_SIZE - sizeof(".123Z") + 1];
	struct tm tm;

	if (within < 0) { /* C rounds towards zero */
		within += USEC_PER_SEC;
		seconds--;
	}
	if (gmtime_r(&seconds, &tm) == NULL || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		date[0] = '\0';
	(void)snprintf(text, JOB_TIME_SIZE, "%s.%03uZ", date, (unsigned)(within / USEC_PER_MSEC) % 1000);
}

/* --- JSON ----------------------------------------------------------------------------------------------------- */

static json_t *time_json(int64_t usec)
{
	char text[JOB_TIME_SIZE];

	if (usec == 0)
		return json_null();
	job_time_text(usec, text);
	return json_string(text);
}

/* A host error's message may hold a path that is no UTF-8, or be cut within a sequence. Such a job must still be
 * shown. */
static json_t *text_json(const char *text)
{
	static const struct runner_text_limits limits = {.chars = SIZE_MAX, .bytes = JOB_ERROR_BYTES};

	if (text == NULL)
		return json_null();
	json_t *json = json_string(text);
	if (json != NULL)
		return json;
	_cleanup_free_ char *clean = runner_text(text, strlen(text), false, &limits);
	return clean ? json_string(clean) : NULL;
}

static json_t *duration_json(int64_t usec)
{
	return usec < 0 ? json_null() : json_real((double)usec / USEC_PER_MSEC);
}

static json_t *step_json(bool has_step, const struct sandbox_result *result)
{
	return has_step ? report_result(result) : json_null();
}

json_t *job_json(const struct job *job)
{
	const struct {
		const char *key;
		json_t *value;
	} pairs[] = {
		{"executionId", json_string(job->id)},
		{"userId", text_json(job->user_id)},
		{"language", text_json(job->language)},
		{"status", json_string(job_status_name(job->status))},
		{"verdict", text_json(report_verdict_name(job->verdict))},
		{"error", text_json(job->error)},
		{"outputPath", text_json(job->output_path)},
		{"stdoutPreview", text_json(job->stdout_preview)},
		{"createdAt", time_json(job->created_usec)},
		{"updatedAt", time_json(job->updated_usec)},
		{"startedAt", time_json(job->started_usec)},
		{"completedAt", time_json(job->completed_usec)},
		{"execDurationMs", duration_json(job->exec_duration_usec)},
		{"priority", json_string(job->is_urgent ? "high" : "normal")},
		{"attempt", json_integer(job->attempt)},
		{"compile", step_json(job->has_compile, &job->compile)},
		{"compileCached", json_boolean(job->is_compile_cached)},
		{"run", step_json(job->has_run, &job->run)},
	};
	json_t *json = json_object();
	int r = 0;

	/* Every value goes in, so that the object owns them all; a missing one fails. */
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		r |= json_object_set_new(json, pairs[i].key, pairs[i].value);
	if (r != 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}
