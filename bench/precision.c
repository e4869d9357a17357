/* precision.c: how far beyond its limit does a program get, and how true are the figures that are reported? */
#include "bench/lib/cell.h"
#include "bench/lib/series.h"
#include "sandbox/base/fd.h"

#include <err.h>
#include <string.h>

static const struct config_row rows[] = {CELL_ROWS("50")};
static const struct cell_usage usage = {rows, ARRAY_SIZE(rows),
	"precision [options]\nOvershoot of the limits of time; truth of CPU time and memory.\n"};

static struct sandbox *sandbox;
static const struct cell_options *options;
static int payload_fd;

static uint64_t beyond(uint64_t is, uint64_t limit)
{
	return is > limit ? is - limit : 0;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* *RET_PRINTED: the number that the payload printed; NULL: not wanted. */
static struct sandbox_result run(const char *name, const char *count, const struct sandbox_limits *limits,
	enum sandbox_cause cause, uint64_t *ret_printed)
{
	struct cell_work work = {.sandbox = sandbox,
		.payload_fd = payload_fd,
		.name = name,
		.count = count,
		.limits = *limits};

	cell_run(&work);
	if (work.result.cause != cause)
		errx(1, "%s: %s, not %s", name, sandbox_cause_name(work.result.cause),
			sandbox_cause_name(cause));
	if (ret_printed != NULL)
		*ret_printed = strtoull(work.text, NULL, 10);
	return work.result;
}

/* Nanoseconds beyond the limit; or between what is reported and what is known, for `cpu_truth` and (bytes!)
 * `memory_truth`. */
enum figure { WALL, WALL_SHARED, CPU, CPU_TWO, CPU_TRUTH, MEMORY_TRUTH, FIGURES };

static struct series series[FIGURES] = {
	[WALL] = {.name = "wall", .what = "beyond a wall limit of 50 ms"},
	[WALL_SHARED] = {.name = "wall_shared",
		.what = "beyond one of 130 ms, four threads that work on half a CPU"},
	[CPU] = {.name = "cpu", .what = "beyond a CPU limit of 50 ms, one thread"},
	[CPU_TWO] = {.name = "cpu_two", .what = "the same, two threads on two CPUs"},
	[CPU_TRUTH] = {.name = "cpu_truth",
		.what = "reported CPU time of some 50 ms against the program's own clock in main()"},
	[MEMORY_TRUTH] = {.name = "memory_truth",
		.what = "reported peak beyond 64 MiB that were touched, in bytes"},
};

static void take_round(void)
{
	enum { LIMIT_MSEC = 50, SHARED_MSEC = 130, TOUCHED_MIB = 64 };
	const struct sandbox_limits wall = {.wall_usec = LIMIT_MSEC * 1000},
				    shared = {.wall_usec = SHARED_MSEC * 1000, .cpu_millis = 500},
				    cpu = {.cpu_usec = LIMIT_MSEC * 1000},
				    two = {.cpu_usec = LIMIT_MSEC * 1000, .cpu_millis = 2000}, none = {0};
	struct sandbox_result result;
	uint64_t burnt_nsec;

	result = run("wait", "1", &wall, SANDBOX_WALL_LIMIT, NULL);
	series_add(&series[WALL], beyond(result.wall_usec, wall.wall_usec) * 1000);
	result = run("spin", "4", &shared, SANDBOX_WALL_LIMIT, NULL);
	series_add(&series[WALL_SHARED], beyond(result.wall_usec, shared.wall_usec) * 1000);
	result = run("spin", "1", &cpu, SANDBOX_CPU_LIMIT, NULL);
	series_add(&series[CPU], beyond(result.cpu_usec, cpu.cpu_usec) * 1000);
	result = run("spin", "2", &two, SANDBOX_CPU_LIMIT, NULL);
	series_add(&series[CPU_TWO], beyond(result.cpu_usec, two.cpu_usec) * 1000);
	result = run("burn", "50", &none, SANDBOX_EXITED, &burnt_nsec);
	series_add(&series[CPU_TRUTH], apart(result.cpu_usec * 1000, burnt_nsec));
	result = run("touch", "64", &none, SANDBOX_EXITED, NULL);
	series_add(&series[MEMORY_TRUTH], beyond(result.memory_peak_bytes, TOUCHED_MIB << 20));
}

int main(int argc, char *argv[])
{
	static struct cell_options parsed;
	json_t *list = json_array();

	cell_parse(&usage, &parsed, argc, argv);
	options = &parsed;
	payload_fd = cell_payload(argv[0]);
	sandbox = cell_open(options, 2);
	for (uint64_t i = 0; i < options->rounds; i++)
		take_round();
	sandbox = sandbox_close(sandbox);
	series_print(series, MEMORY_TRUTH);
	(void)printf("memory_truth: p50 %.2f MiB beyond the 64 MiB that were touched\n",
		(double)series_percentile(&series[MEMORY_TRUTH], 50) / (1 << 20));
	for (size_t i = 0; i < FIGURES; i++)
		(void)json_array_append_new(list, series_json(&series[i]));
	json_t *report = series_report("precision");
	(void)json_object_set_new(report, "series", list);
	series_write(report, options->json);
	return 0;
}
