/* repeat.c: the same program again and again: how far do its reported times spread? With and without a CPU of its own. */
#include "bench/lib/cell.h"
#include "bench/lib/series.h"
#include "sandbox/base/fd.h"

#include <err.h>
#include <sched.h>

static const struct config_row rows[] = {CELL_ROWS("1000")};
static const struct cell_usage usage = {
	rows, ARRAY_SIZE(rows), "repeat [options]\nThe spread of reported CPU and wall time.\n"};

enum figure { CPU, WALL, CPU_PINNED, WALL_PINNED, FIGURES };

static struct series series[FIGURES] = {
	[CPU] = {.name = "cpu", .what = "reported CPU time"},
	[WALL] = {.name = "wall", .what = "reported wall time"},
	[CPU_PINNED] = {.name = "cpu_pinned", .what = "reported CPU time, on the last CPU alone"},
	[WALL_PINNED] = {.name = "wall_pinned", .what = "reported wall time, on the last CPU alone"},
};

/* Cells inherit it from their launcher, and that from us. */
static struct sandbox *open_pinned(const struct cell_options *options)
{
	cpu_set_t all, last;
	int cpu = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		err(1, "affinity");
	while (cpu > 0 && !CPU_ISSET(cpu, &all))
		cpu--;
	CPU_ZERO(&last);
	CPU_SET(cpu, &last);
	if (sched_setaffinity(0, sizeof(last), &last) < 0)
		err(1, "affinity");
	struct sandbox *sandbox = cell_open(options, 2);
	if (sched_setaffinity(0, sizeof(all), &all) < 0)
		err(1, "affinity");
	return sandbox;
}

static void run(struct sandbox *sandbox, int payload_fd, struct series *cpu, struct series *wall)
{
	struct cell_work work = {
		.sandbox = sandbox, .payload_fd = payload_fd, .name = "integers", .count = "10000000"};

	cell_run(&work);
	if (work.result.cause != SANDBOX_EXITED)
		errx(1, "%s", sandbox_cause_name(work.result.cause));
	series_add(cpu, work.result.cpu_usec * 1000);
	series_add(wall, work.result.wall_usec * 1000);
}

static json_t *spread(const struct series *one)
{
	double p50 = (double)series_percentile(one, 50);
	double width = (double)(series_percentile(one, 95) - series_percentile(one, 5)) / p50;

	(void)printf("%-12s p50 %8.0f us, p5 to p95 is %.2f %% of it\n", one->name, p50 / 1e3, 100 * width);
	json_t *json = series_json(one);
	(void)json_object_set_new(json, "p5_nsec", json_integer((json_int_t)series_percentile(one, 5)));
	(void)json_object_set_new(json, "p95_nsec", json_integer((json_int_t)series_percentile(one, 95)));
	return json;
}

int main(int argc, char *argv[])
{
	static struct cell_options options;
	json_t *list = json_array();

	cell_parse(&usage, &options, argc, argv);
	int payload_fd = cell_payload(argv[0]);
	struct sandbox *free_sandbox = cell_open(&options, 2), *pinned = open_pinned(&options);
	for (uint64_t i = 0; i < options.rounds; i++) {
		run(free_sandbox, payload_fd, &series[CPU], &series[WALL]);
		run(pinned, payload_fd, &series[CPU_PINNED], &series[WALL_PINNED]);
	}
	(void)sandbox_close(pinned);
	(void)sandbox_close(free_sandbox);
	for (size_t i = 0; i < FIGURES; i++)
		(void)json_array_append_new(list, spread(&series[i]));
	json_t *report = series_report("repeat");
	(void)json_object_set_new(report, "series", list);
	series_write(report, options.json);
	return 0;
}
