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
		"how long each number of clients submits, and each backlog is watched"},
	{"clients", CONFIG_NUMBER, offsetof(struct options, clients), 1, 64, "8",
		"at most so many at once; begins with one and doubles"},
	{"backlog", CONFIG_NUMBER, offsetof(struct options, backlog), 0, 1000000, "1000",
		"at most so many jobs waiting; begins with 100 and takes ten times as many each time"},
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

enum {
	SUBMITTERS = 16,
	SAMPLES = 1000, /* submissions that are measured at each depth */
	POLL_USEC = 1000 *
		    1000, /* of the metrics: to count what waits takes ten milliseconds when it is 100,000 */
};

/* One of those that submit at the same time: N jobs from JOBS on. */
struct submitter {
	pthread_t thread;
	const char *body;
	struct client_job *jobs;
	uint64_t n;
	struct series series;
};

/* What was submitted up to now. */
struct pile {
	struct client *client;
	const char *body;
	struct client_job *jobs; /* owned */
	uint64_t n, room;
	double finished_before; /* of other parts of this benchmark */
};

static void *submit_all(void *user)
{
	struct submitter *submitter = user;
	struct client *client = client_open(&service);

	for (uint64_t i = 0; i < submitter->n; i++) {
		uint64_t begin = series_now_nsec();
		client_submit(client, submitter->body, &submitter->jobs[i]);
		series_add(&submitter->series, series_now_nsec() - begin);
	}
	client_close(client);
	return NULL;
}

/* N more jobs, as fast as they are accepted. */
static void pile_up(struct pile *pile, uint64_t n, struct series *series)
{
	struct submitter submitters[SUBMITTERS] = {0};

	if (pile->n + n > pile->room) {
		pile->room = 2 * (pile->n + n);
		pile->jobs = reallocarray(pile->jobs, pile->room, sizeof(pile->jobs[0]));
		if (pile->jobs == NULL)
			err(1, "jobs");
	}
	for (size_t i = 0; i < SUBMITTERS; i++) {
		submitters[i].body = pile->body;
		submitters[i].jobs = pile->jobs + pile->n;
		submitters[i].n = n / SUBMITTERS + (i < n % SUBMITTERS);
		pile->n += submitters[i].n;
		if (pthread_create(&submitters[i].thread, NULL, submit_all, &submitters[i]) != 0)
			errx(1, "thread");
	}
	for (size_t i = 0; i < SUBMITTERS; i++) {
		(void)pthread_join(submitters[i].thread, NULL);
		for (size_t k = 0; k < submitters[i].series.n; k++)
			series_add(series, submitters[i].series.nsec[k]);
		series_free(&submitters[i].series);
	}
}

static uint64_t finished(const struct pile *pile)
{
	return (uint64_t)(client_metric(pile->client, "cofferdam_job_seconds_count") - pile->finished_before);
}

/* How fast jobs are finished while nobody submits. */
static double drain(const struct pile *pile)
{
	uint64_t begin = series_now_nsec(), before = finished(pile);

	(void)usleep((useconds_t)(options->seconds * 1000000));
	uint64_t after = finished(pile);
	return (double)(after - before) * 1e9 / (double)(series_now_nsec() - begin);
}

/* With DEPTH jobs waiting. */
static json_t *at_depth(struct pile *pile, uint64_t depth)
{
	struct series post = {.name = "post", .what = "POST to 202"}, ignored = {0};
	uint64_t waiting;

	/* A little more, as jobs are done meanwhile. */
	while ((waiting = pile->n - finished(pile)) < depth)
		pile_up(pile, depth - waiting + depth / 50, &ignored);
	series_free(&ignored);
	pile_up(pile, depth < SAMPLES ? depth : SAMPLES, &post);
	double rate = drain(pile);
	(void)printf(
		"%7llu queued: POST p50 %.1f ms, p99 %.1f ms; %.1f jobs/s; %.1f MiB resident, log %.1f MiB\n",
		(unsigned long long)depth, (double)series_percentile(&post, 50) / 1e6,
		(double)series_percentile(&post, 99) / 1e6, rate,
		(double)service_memory(&service) / (1 << 20),
		(double)service_file_bytes(&service, "jobs.db-wal") / (1 << 20));
	json_t *json = json_pack("{s:I, s:o, s:f, s:I, s:I, s:I}", "queued", (json_int_t)depth, "post",
		series_json(&post), "jobs_per_second", rate, "memory_bytes",
		(json_int_t)service_memory(&service), "database_bytes",
		(json_int_t)service_file_bytes(&service, "jobs.db"), "log_bytes",
		(json_int_t)service_file_bytes(&service, "jobs.db-wal"));
	series_free(&post);
	return json;
}

/* All are finished, each with the verdict accepted, says the store. */
static void expect_all(const struct pile *pile)
{
	while (finished(pile) < pile->n)
		(void)usleep(POLL_USEC);
	for (uint64_t i = 0; i < pile->n; i++)
		client_wait(pile->client, &pile->jobs[i]);
}

static void backlog(struct client *client, json_t *ret)
{
	char *body = body_of(&languages[0], 0);
	struct pile pile = {.client = client,
		.body = body,
		.finished_before = client_metric(client, "cofferdam_job_seconds_count")};
	json_t *depths = json_array();
	uint64_t begin = series_now_nsec();

	for (uint64_t depth = 100; depth < options->backlog; depth *= 10)
		(void)json_array_append_new(depths, at_depth(&pile, depth));
	(void)json_array_append_new(depths, at_depth(&pile, options->backlog));
	expect_all(&pile);
	double seconds = (double)(series_now_nsec() - begin) / 1e9;
	(void)printf(
		"backlog: %llu jobs, each with its result, in %.1f s\n", (unsigned long long)pile.n, seconds);
	(void)json_object_set_new(ret, "backlog",
		json_pack("{s:I, s:f, s:I, s:o}", "jobs", (json_int_t)pile.n, "seconds", seconds,
			"memory_bytes", (json_int_t)service_memory(&service), "depths", depths));
	free(pile.jobs);
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
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* a backlog takes a while: each line when it is known */
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
