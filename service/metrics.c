/* metrics.c: counters under one lock, and their text for Prometheus (exposition format 0.0.4). Every series that can
 * exist is printed from the start, with 0, but those of HTTP, which appear with their first request. */
#include "service/metrics.h"

#include "sandbox/base/fd.h"
#include "service/languages.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

/* The upper bounds of all histograms; the last bucket, +Inf, has none. */
static const uint64_t bounds_usec[] = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
	500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000, 300000000};

enum {
	BUCKETS = ARRAY_SIZE(bounds_usec),
	PHASES = sizeof(struct sandbox_phases) / sizeof(uint64_t),
	REQUEST_SERIES = 256, /* more than the routes times their answers; what comes beyond is not counted */
};

struct histogram {
	uint64_t buckets[BUCKETS + 1]; /* each for itself; summed up when printed */
	uint64_t count, sum_nsec;
};

struct request_count {
	const char *route; /* static */
	unsigned code;
	uint64_t count;
};

struct metrics {
	pthread_mutex_t lock;
	uint64_t running, retried;
	uint64_t compiled, reused;
	struct histogram queue, jobs;
	struct histogram phases[SANDBOX_STEP_N][PHASES];
	struct request_count requests[REQUEST_SERIES];
	size_t nrequests;
	size_t nlanguages;
	/* The last one, "removed", stands for jobs of languages that are no longer offered. */
	struct metrics_language languages[];
};

static const char *const phase_names[PHASES] = {
#define X(field) #field,
	SANDBOX_PHASE_TABLE(X)
#undef X
};

int metrics_open(const struct languages *languages, struct metrics **ret, struct sandbox_error *err)
{
	size_t n = languages_count(languages);
	struct metrics *metrics = calloc(1, sizeof(*metrics) + (n + 1) * sizeof(metrics->languages[0]));

	if (metrics == NULL)
		return error_set(err, ENOMEM, "metrics", "no memory");
	(void)pthread_mutex_init(&metrics->lock, NULL);
	for (size_t i = 0; i < n; i++)
		metrics->languages[i].name = languages_at(languages, i)->name;
	metrics->languages[n].name = "removed";
	metrics->nlanguages = n + 1;
	*ret = metrics;
	return 0;
}

struct metrics *metrics_close(struct metrics *metrics)
{
	if (metrics == NULL)
		return NULL;
	(void)pthread_mutex_destroy(&metrics->lock);
	free(metrics);
	return NULL;
}

/* --- counting ------------------------------------------------------------------------------------------------- */

static void lock(struct metrics *metrics)
{
	(void)pthread_mutex_lock(&metrics->lock);
}

static void unlock(struct metrics *metrics)
{
	(void)pthread_mutex_unlock(&metrics->lock);
}

static struct metrics_language *counts_of(struct metrics *metrics, const char *language)
{
	size_t i = 0;

	while (i < metrics->nlanguages - 1 && strcmp(metrics->languages[i].name, language) != 0)
		i++;
	return &metrics->languages[i];
}

static void observe(struct histogram *histogram, uint64_t nsec)
{
	size_t i = 0;

	while (i < BUCKETS && nsec > bounds_usec[i] * 1000)
		i++;
	histogram->buckets[i]++;
	histogram->count++;
	histogram->sum_nsec += nsec;
}

static void observe_phases(
	struct metrics *metrics, enum sandbox_step step, bool has_step, const struct sandbox_result *result)
{
	uint64_t nsec[PHASES];

	if (!has_step)
		return;
	memcpy(nsec, &result->phases, sizeof(nsec));
	for (size_t i = 0; i < PHASES; i++)
		observe(&metrics->phases[step][i], nsec[i]);
}

void metrics_submitted(struct metrics *metrics, const char *language)
{
	lock(metrics);
	counts_of(metrics, language)->submitted++;
	unlock(metrics);
}

void metrics_started(struct metrics *metrics)
{
	lock(metrics);
	metrics->running++;
	unlock(metrics);
}

void metrics_stopped(struct metrics *metrics)
{
	lock(metrics);
	metrics->running--;
	unlock(metrics);
}

/* The clock may have been set back meanwhile. */
static uint64_t nsec_between(int64_t from_usec, int64_t to_usec)
{
	return to_usec > from_usec ? (uint64_t)(to_usec - from_usec) * 1000 : 0;
}

void metrics_finished(struct metrics *metrics, const struct job *job)
{
	lock(metrics);
	counts_of(metrics, job->language)->finished[job->verdict]++;
	observe(&metrics->queue, nsec_between(job->created_usec, job->started_usec));
	observe(&metrics->jobs, nsec_between(job->created_usec, job->completed_usec));
	metrics->compiled += job->has_compile && !job->is_compile_cached;
	metrics->reused += job->has_compile && job->is_compile_cached;
	observe_phases(metrics, SANDBOX_COMPILE, job->has_compile && !job->is_compile_cached, &job->compile);
	observe_phases(metrics, SANDBOX_RUN, job->has_run, &job->run);
	unlock(metrics);
}

void metrics_retried(struct metrics *metrics)
{
	lock(metrics);
	metrics->retried++;
	unlock(metrics);
}

void metrics_request(struct metrics *metrics, const char *route, unsigned code)
{
	struct request_count *requests = metrics->requests;
	size_t i = 0;

	lock(metrics);
	while (i < metrics->nrequests && (requests[i].code != code || strcmp(requests[i].route, route) != 0))
		i++;
	if (i == metrics->nrequests && i < REQUEST_SERIES)
		requests[metrics->nrequests++] = (struct request_count){.route = route, .code = code};
	if (i < REQUEST_SERIES)
		requests[i].count++;
	unlock(metrics);
}

int metrics_count(struct metrics *metrics, struct metrics_counts *ret)
{
	size_t n = metrics->nlanguages;
	struct metrics_language *languages = calloc(n, sizeof(languages[0]));

	if (languages == NULL)
		return -ENOMEM;
	*ret = (struct metrics_counts){.nlanguages = n, .languages = languages};
	lock(metrics);
	memcpy(languages, metrics->languages, n * sizeof(languages[0]));
	ret->running = metrics->running;
	ret->retried = metrics->retried;
	unlock(metrics);
	for (size_t i = 0; i < n; i++)
		ret->submitted += languages[i].submitted;
	return 0;
}

/* --- the text ------------------------------------------------------------------------------------------------- */

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* key="value", with the escapes of the format. */
static void label(FILE *out, const char *key, const char *value)
{
	(void)fprintf(out, "%s=\"", key);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			(void)fputs("\\n", out);
		else
			(void)fprintf(out, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
	}
	(void)fputc('"', out);
}

static void number(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	(void)fprintf(out, "%s %" PRIu64 "\n", name, value);
}

/* One series of histogram NAME; LABELS as they stand between the braces, "" for none. */
static void histogram(FILE *out, const char *name, const char *labels, const struct histogram *histogram)
{
	bool has_labels = labels[0] != '\0';
	const char *open = has_labels ? "{" : "", *close = has_labels ? "}" : "";
	uint64_t sum = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		sum += histogram->buckets[i];
		(void)fprintf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels,
			has_labels ? "," : "", (double)bounds_usec[i] / 1e6, sum);
	}
	(void)fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, has_labels ? "," : "",
		histogram->count);
	(void)fprintf(
		out, "%s_sum%s%s%s %.9f\n", name, open, labels, close, (double)histogram->sum_nsec / 1e9);
	(void)fprintf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, histogram->count);
}

static void write_languages(FILE *out, const struct metrics *metrics)
{
	head(out, "cofferdam_jobs_submitted_total", "counter", "Jobs accepted.");
	for (size_t i = 0; i < metrics->nlanguages; i++) {
		(void)fputs("cofferdam_jobs_submitted_total{", out);
		label(out, "language", metrics->languages[i].name);
		(void)fprintf(out, "} %" PRIu64 "\n", metrics->languages[i].submitted);
	}
	head(out, "cofferdam_jobs_total", "counter", "Jobs finished.");
	for (size_t i = 0; i < metrics->nlanguages; i++)
		for (unsigned verdict = REPORT_NONE + 1; verdict < REPORT_VERDICT_N; verdict++) {
			(void)fputs("cofferdam_jobs_total{", out);
			label(out, "language", metrics->languages[i].name);
			(void)fputc(',', out);
			label(out, "verdict", report_verdict_name((enum report_verdict)verdict));
			(void)fprintf(out, "} %" PRIu64 "\n", metrics->languages[i].finished[verdict]);
		}
}

static void write_phases(FILE *out, const struct metrics *metrics)
{
	static const char name[] = "cofferdam_phase_seconds";
	char labels[64];

	head(out, name, "histogram", "Time of each phase of a step.");
	for (size_t step = 0; step < SANDBOX_STEP_N; step++)
		for (size_t i = 0; i < PHASES; i++) {
			(void)snprintf(labels, sizeof(labels), "step=\"%s\",phase=\"%s\"",
				sandbox_step_name((enum sandbox_step)step), phase_names[i]);
			histogram(out, name, labels, &metrics->phases[step][i]);
		}
}

static void write_requests(FILE *out, const struct metrics *metrics)
{
	head(out, "cofferdam_http_requests_total", "counter", "HTTP requests answered.");
	for (size_t i = 0; i < metrics->nrequests; i++) {
		(void)fputs("cofferdam_http_requests_total{", out);
		label(out, "route", metrics->requests[i].route);
		(void)fprintf(out, ",code=\"%u\"} %" PRIu64 "\n", metrics->requests[i].code,
			metrics->requests[i].count);
	}
}

static void write_all(FILE *out, const struct metrics *metrics, uint64_t queue_depth)
{
	write_languages(out, metrics);
	number(out, "cofferdam_jobs_retried_total", "counter", "Attempts given up because of the host.",
		metrics->retried);
	number(out, "cofferdam_compiles_total", "counter", "Jobs whose source was compiled.",
		metrics->compiled);
	number(out, "cofferdam_compiles_reused_total", "counter",
		"Jobs that ran what an earlier job's compiler had made.", metrics->reused);
	number(out, "cofferdam_jobs_running", "gauge", "Jobs that run now.", metrics->running);
	number(out, "cofferdam_queue_depth", "gauge", "Jobs that wait.", queue_depth);
	head(out, "cofferdam_queue_seconds", "histogram",
		"From the submission of a job to the beginning of its last attempt.");
	histogram(out, "cofferdam_queue_seconds", "", &metrics->queue);
	head(out, "cofferdam_job_seconds", "histogram", "From the submission of a job to its result.");
	histogram(out, "cofferdam_job_seconds", "", &metrics->jobs);
	write_phases(out, metrics);
	write_requests(out, metrics);
}

char *metrics_text(struct metrics *metrics, uint64_t queue_depth)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	lock(metrics);
	write_all(out, metrics, queue_depth);
	unlock(metrics);
	bool is_whole = ferror(out) == 0;
	if (fclose(out) == 0 && is_whole)
		return text;
	free(text);
	return NULL;
}
