/* nodes.c: how many jobs per second on one machine's own store and queue, and on those of AWS (--local: emulators of these),
 * with one worker and with three? Each way is started anew in each round, they follow each other, and the way that begins
 * changes. All have the same CPUs, the emulators too: what a way loses here is the work that a job causes in it. */
#include "bench/lib/cell.h"
#include "bench/lib/series.h"
#include "bench/lib/service.h"
#include "sandbox/base/config.h"
#include "sandbox/base/fd.h"

#include <err.h>
#include <pthread.h>

struct options {
	const char *json, *local;
	uint64_t jobs, clients, rounds;
};

static const struct config_row rows[] = {
	{"local", CONFIG_STRING, offsetof(struct options, local), 1, 4000, NULL,
		"tests/aws/local of a clone, for the ways with AWS"},
	{"jobs", CONFIG_NUMBER, offsetof(struct options, jobs), 1, 1000000, "500", "jobs in a round"},
	{"clients", CONFIG_NUMBER, offsetof(struct options, clients), 1, 64, "8",
		"so many submit, and then wait for what they submitted"},
	{"rounds", CONFIG_NUMBER, offsetof(struct options, rounds), 1, 100, "3", "rounds of each way"},
	{"json", CONFIG_STRING, offsetof(struct options, json), 1, 4000, NULL, "write the figures there"},
};

static const char usage[] = "nodes [options]\nJobs per second on embedded backends and on those of AWS.\n";

/* Compiled once by each worker, before it counts. */
static const char body[] = "{\"userId\":\"bench\",\"language\":\"cpp\",\"input\":\"\",\"code\":"
			   "\"#include <cstdio>\\nint main() { std::puts(\\\"hello\\\"); }\\n\"}";

enum { WARM_JOBS = 40 };

static struct way {
	const char *name;
	unsigned workers;
	bool is_local;
	struct series jobs; /* what one takes of a round's time: the inverse of the rate */
	struct series post;
} ways[] = {
	{.name = "embedded", .workers = 1},
	{.name = "aws_one_worker", .workers = 1, .is_local = true},
	{.name = "aws_three_workers", .workers = 3, .is_local = true},
};

/* --- a round ---------------------------------------------------------------------------------------------------- */

/* One of those that submit at the same time. */
struct submitter {
	pthread_t thread;
	const struct service *service;
	uint64_t n;
	struct series post;
};

static void *submit_and_wait(void *user)
{
	struct submitter *submitter = user;
	struct client *client = client_open(submitter->service);
	struct client_job *jobs = calloc(submitter->n, sizeof(*jobs));

	if (jobs == NULL && submitter->n > 0)
		err(1, "jobs");
	for (uint64_t i = 0; i < submitter->n; i++) {
		uint64_t begin = series_now_nsec();
		client_submit(client, body, &jobs[i]);
		series_add(&submitter->post, series_now_nsec() - begin);
	}
	for (uint64_t i = 0; i < submitter->n; i++)
		client_wait(client, &jobs[i]);
	free(jobs);
	client_close(client);
	return NULL;
}

/* N jobs, from the first POST until the last has its result. */
static uint64_t all_of(const struct service *service, uint64_t clients, uint64_t n, struct series *post)
{
	struct submitter *submitters = calloc(clients, sizeof(*submitters));
	uint64_t begin = series_now_nsec();

	if (submitters == NULL)
		err(1, "submitters");
	for (uint64_t i = 0; i < clients; i++) {
		submitters[i].service = service;
		submitters[i].n = n / clients + (i < n % clients);
		if (pthread_create(&submitters[i].thread, NULL, submit_and_wait, &submitters[i]) != 0)
			errx(1, "thread");
	}
	for (uint64_t i = 0; i < clients; i++) {
		(void)pthread_join(submitters[i].thread, NULL);
		for (size_t k = 0; k < submitters[i].post.n; k++)
			series_add(post, submitters[i].post.nsec[k]);
		series_free(&submitters[i].post);
	}
	free(submitters);
	return series_now_nsec() - begin;
}

static void run_round(struct way *way, const struct options *options, const char *cli)
{
	struct service service;
	struct series ignored = {0};

	if (way->is_local)
		service_start_local(&service, options->local, cli, way->workers);
	else
		service_start(&service, cli);
	(void)all_of(&service, options->clients, WARM_JOBS * way->workers, &ignored);
	uint64_t nsec = all_of(&service, options->clients, options->jobs, &way->post);
	series_add(&way->jobs, nsec / options->jobs);
	series_free(&ignored);
	service_stop(&service);
	(void)printf("%-18s %8.1f jobs/s\n", way->name, (double)options->jobs * 1e9 / (double)nsec);
}

/* --- all -------------------------------------------------------------------------------------------------------- */

static void report(json_t *ret)
{
	json_t *list = json_array();

	(void)printf("\n");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct way *way = &ways[i];
		if (way->jobs.n > 0) {
			double rate = 1e9 / (double)series_percentile(&way->jobs, 50);
			(void)printf("%-18s %8.1f jobs/s in the median round, POST p50 %.1f ms, p99 %.1f "
				     "ms\n",
				way->name, rate, (double)series_percentile(&way->post, 50) / 1e6,
				(double)series_percentile(&way->post, 99) / 1e6);
			(void)json_array_append_new(
				list, json_pack("{s:s, s:i, s:f, s:o, s:o}", "name", way->name, "workers",
					      (int)way->workers, "jobs_per_second", rate, "job",
					      series_json(&way->jobs), "post", series_json(&way->post)));
		}
		series_free(&way->jobs);
		series_free(&way->post);
	}
	(void)json_object_set_new(ret, "ways", list);
}

int main(int argc, char *argv[])
{
	struct options options = {0};
	struct sandbox_error error = {0};
	size_t n = ARRAY_SIZE(ways);
	int next = argc;

	int r = config_parse(rows, ARRAY_SIZE(rows), &options, argc, argv, usage, stdout, &next, &error);
	if (r != 0) {
		if (r < 0)
			errx(2, "%s", error.message);
		return 0;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	char *cli = cell_cli(argv[0]);
	for (size_t i = 0; i < n; i++) {
		ways[i].jobs = (struct series){.name = "job", .what = "a round's time by its jobs"};
		ways[i].post = (struct series){.name = "post", .what = "POST to 202"};
	}
	for (uint64_t round = 0; round < options.rounds; round++)
		for (size_t i = 0; i < n; i++) {
			struct way *way = &ways[(round + i) % n];
			if (!way->is_local || options.local != NULL)
				run_round(way, &options, cli);
		}
	free(cli);
	json_t *json = series_report("nodes");
	(void)json_object_set_new(json, "jobs", json_integer((json_int_t)options.jobs));
	report(json);
	series_write(json, options.json);
	return 0;
}
