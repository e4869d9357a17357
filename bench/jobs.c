/* jobs.c: a job over HTTP, from POST to its final status: alone, for the first time and again; many at once; and with a
 * backlog. Against a `cofferdam serve` of its own. */
#include "bench/lib/cell.h"
#include "bench/lib/series.h"
#include "bench/lib/service.h"
#include "sandbox/base/config.h"
#include "sandbox/base/fd.h"

#include <err.h>
#include <pthread.h>
#include <string.h>

struct options {
	const char *json;
	uint64_t first, again, seconds, clients, backlog;
};

static const struct config_row rows[] = {
	{"first", CONFIG_NUMBER, offsetof(struct options, first), 1, 10000, "10",
		"jobs whose source was never compiled, of each language"},
	{"again", CONFIG_NUMBER, offsetof(struct options, again), 1, 100000, "200",
		"jobs whose source was compiled before, of each language"},
	{"seconds", CONFIG_NUMBER, offsetof(struct options, seconds), 1, 3600, "5",
		"how long each number of clients submits"},
	{"clients", CONFIG_NUMBER, offsetof(struct options, clients), 1, 64, "8",
		"at most so many at once; begins with one and doubles"},
	{"backlog", CONFIG_NUMBER, offsetof(struct options, backlog), 0, 1000000, "2000",
		"jobs that are submitted faster than they are run"},
	{"json", CONFIG_STRING, offsetof(struct options, json), 1, 4000, NULL, "write the figures there"},
};

static const char usage[] = "jobs [options]\nJobs over HTTP: latency, throughput, backlog.\n";

static const struct language {
	const char *name, *code; /* with one %llu: another source for another number */
} languages[] = {
	{"cpp", "#include <bits/stdc++.h>\nint main() { std::cout << \"hello \" << %lluULL << std::endl; "
		"}\n"},
	{"go", "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"hello\", uint64(%llu)) }\n"},
};

static struct service service;
static const struct options *options;
static unsigned long long number = 1;

/* The JSON of a submission. Owned. */
static char *body_of(const struct language *language, unsigned long long n)
{
	char *code = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (asprintf(&code, language->code, n) < 0)
		err(1, "code");
#pragma GCC diagnostic pop
	json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "userId", "bench", "language", language->name,
		"code", code, "input", "");
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	free(code);
	return text;
}

static void one_job(struct client *client, const char *body, struct series *series)
{
	struct client_job job;
	uint64_t begin = series_now_nsec();

	client_submit(client, body, &job);
	client_wait(client, &job);
	series_add(series, series_now_nsec() - begin);
}

/* --- alone ------------------------------------------------------------------------------------------------------ */

static void alone(struct client *client, json_t *ret)
{
	static const char *const names[][2] = {{"cpp_first", "cpp_again"}, {"go_first", "go_again"}};
	struct series series[2 * ARRAY_SIZE(languages)] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(languages); i++) {
		struct series *first = &series[2 * i], *again = &series[2 * i + 1];
		first->name = names[i][0];
		first->what = "POST to final status, source not seen before";
		again->name = names[i][1];
		again->what = "the same source again";
		for (uint64_t n = 0; n < options->first; n++) {
			char *body = body_of(&languages[i], number++);
			one_job(client, body, first);
			free(body);
		}
		char *body = body_of(&languages[i], number - 1);
		for (uint64_t n = 0; n < options->again; n++)
			one_job(client, body, again);
		free(body);
	}
	series_print(series, ARRAY_SIZE(series));
	json_t *list = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(series); i++) {
		(void)json_array_append_new(list, series_json(&series[i]));
		series_free(&series[i]);
	}
	(void)json_object_set_new(ret, "alone", list);
}

/* --- many at once ----------------------------------------------------------------------------------------------- */

struct worker {
	pthread_t thread;
	const char *body;
	uint64_t end_nsec;
	struct series series;
};

static void *submit_until(void *user)
{
	struct worker *worker = user;
	struct client *client = client_open(&service);

	while (series_now_nsec() < worker->end_nsec)
		one_job(client, worker->body, &worker->series);
	client_close(client);
	return NULL;
}

static json_t *with_clients(uint64_t n, const char *body)
{
	struct worker *workers = calloc(n, sizeof(*workers));
	struct series all = {.name = "job", .what = "POST to final status"};
	uint64_t begin = series_now_nsec();

	if (workers == NULL)
		err(1, "workers");
	for (uint64_t i = 0; i < n; i++) {
		workers[i].body = body;
		workers[i].end_nsec = begin + options->seconds * 1000000000;
		if (pthread_create(&workers[i].thread, NULL, submit_until, &workers[i]) != 0)
			errx(1, "thread");
	}
	for (uint64_t i = 0; i < n; i++) {
		(void)pthread_join(workers[i].thread, NULL);
		for (size_t k = 0; k < workers[i].series.n; k++)
			series_add(&all, workers[i].series.nsec[k]);
		series_free(&workers[i].series);
	}
	double seconds = (double)(series_now_nsec() - begin) / 1e9, rate = (double)all.n / seconds;
	(void)printf("%3llu clients: %8.1f jobs/s, p50 %.1f ms, p99 %.1f ms, %.1f MiB resident\n",
		(unsigned long long)n, rate, (double)series_percentile(&all, 50) / 1e6,
		(double)series_percentile(&all, 99) / 1e6, (double)service_memory(&service) / (1 << 20));
	json_t *json = json_pack("{s:I, s:f, s:I, s:o}", "clients", (json_int_t)n, "jobs_per_second", rate,
		"memory_bytes", (json_int_t)service_memory(&service), "latency", series_json(&all));
	series_free(&all);
	free(workers);
	return json;
}

static void many(json_t *ret)
{
	json_t *list = json_array();
	char *body = body_of(&languages[0], 0);

	for (uint64_t n = 1; n <= options->clients; n *= 2)
		(void)json_array_append_new(list, with_clients(n, body));
	free(body);
	(void)json_object_set_new(ret, "sustained", list);
}

/* --- with a backlog --------------------------------------------------------------------------------------------- */

struct submitter {
	pthread_t thread;
	const char *body;
	uint64_t n;
	struct series series;
};

static void *submit_all(void *user)
{
	struct submitter *submitter = user;
	struct client *client = client_open(&service);
	struct client_job job;

	for (uint64_t i = 0; i < submitter->n; i++) {
		uint64_t begin = series_now_nsec();
		client_submit(client, submitter->body, &job);
		series_add(&submitter->series, series_now_nsec() - begin);
	}
	client_close(client);
	return NULL;
}

/* The mean depth of the queue is what grows; a POST should not take longer for it. */
static void backlog(struct client *client, json_t *ret)
{
	enum { SUBMITTERS = 16 };
	struct submitter submitters[SUBMITTERS] = {0};
	struct series early = {.name = "early", .what = "POST, the first tenth"},
		      late = {.name = "late", .what = "POST, the last tenth"};
	char *body = body_of(&languages[0], 0);
	double before = client_metric(client, "cofferdam_job_seconds_count");
	uint64_t begin = series_now_nsec(), accepted;

	for (size_t i = 0; i < SUBMITTERS; i++) {
		submitters[i].body = body;
		submitters[i].n = options->backlog / SUBMITTERS + (i < options->backlog % SUBMITTERS);
		if (pthread_create(&submitters[i].thread, NULL, submit_all, &submitters[i]) != 0)
			errx(1, "thread");
	}
	for (size_t i = 0; i < SUBMITTERS; i++) {
		(void)pthread_join(submitters[i].thread, NULL);
		const struct series *series = &submitters[i].series;
		for (size_t k = 0; k < series->n; k++) {
			if (k < series->n / 10)
				series_add(&early, series->nsec[k]);
			if (k >= series->n - series->n / 10)
				series_add(&late, series->nsec[k]);
		}
		series_free(&submitters[i].series);
	}
	accepted = series_now_nsec() - begin;
	double depth = client_metric(client, "cofferdam_queue_depth");
	while (client_metric(client, "cofferdam_job_seconds_count") - before < (double)options->backlog)
		(void)usleep(20000);
	double seconds = (double)(series_now_nsec() - begin) / 1e9;
	(void)printf(
		"backlog: %llu jobs accepted in %.1f s (%.0f waited then), done after %.1f s: %.1f jobs/s\n",
		(unsigned long long)options->backlog, (double)accepted / 1e9, depth, seconds,
		(double)options->backlog / seconds);
	series_print((struct series[]){early, late}, 2);
	(void)json_object_set_new(ret, "backlog",
		json_pack("{s:I, s:f, s:f, s:f, s:I, s:o, s:o}", "jobs", (json_int_t)options->backlog,
			"accepted_seconds", (double)accepted / 1e9, "depth", depth, "seconds", seconds,
			"memory_bytes", (json_int_t)service_memory(&service), "early", series_json(&early),
			"late", series_json(&late)));
	series_free(&early);
	series_free(&late);
	free(body);
}

int main(int argc, char *argv[])
{
	static struct options parsed;
	struct sandbox_error error = {0};
	int next = argc;

	int r = config_parse(rows, ARRAY_SIZE(rows), &parsed, argc, argv, usage, stdout, &next, &error);
	if (r != 0) {
		if (r < 0)
			errx(2, "%s", error.message);
		return 0;
	}
	options = &parsed;
	char *cli = cell_cli(argv[0]);
	service_start(&service, cli);
	free(cli);
	json_t *report = series_report("jobs");
	(void)json_object_set_new(
		report, "idle_memory_bytes", json_integer((json_int_t)service_memory(&service)));
	(void)printf("idle: %.1f MiB resident\n", (double)service_memory(&service) / (1 << 20));
	struct client *client = client_open(&service);
	alone(client, report);
	many(report);
	if (options->backlog > 0)
		backlog(client, report);
	client_close(client);
	service_stop(&service);
	series_write(report, parsed.json);
	return 0;
}
