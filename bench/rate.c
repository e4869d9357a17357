/* rate.c: how many fresh cells per second can all CPUs together keep up, and how long does one take at half of that?
 *
 * Rounds of the two ways follow each other: bare processes in seven new namespaces, one maker per CPU, and runs of one
 * engine, as many open at a time as keep it busy. At half of the engine's rate runs then come at even intervals, whether
 * the last has ended or not; each is counted from when it was due. */
#include "bench/lib/cell.h"
#include "bench/lib/floor.h"
#include "bench/lib/series.h"
#include "sandbox/base/fd.h"

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#define NSEC_PER_SEC 1e9

struct options {
	struct cell_options cell;
	uint64_t seconds, open, pool;
	bool is_cells_only;
};

static const struct config_row rows[] = {
	CELL_ROWS("5"),
	{"seconds", CONFIG_NUMBER, offsetof(struct options, seconds), 1, 600, "2", "length of a round"},
	{"open", CONFIG_NUMBER, offsetof(struct options, open), 1, 256, "4", "runs open at a time"},
	{"pool", CONFIG_NUMBER, offsetof(struct options, pool), 0, 64, "4", "cells kept ready"},
	{"cells-only", CONFIG_FLAG, offsetof(struct options, is_cells_only), 0, 0, NULL,
		"nothing else, to be looked at with a profiler"},
};

static const struct cell_usage usage = {rows, ARRAY_SIZE(rows),
	"rate [options]\nFresh cells per second, and their latency at half that rate.\n"};

static char true_path[] = "/bin/true";
static char *const true_argv[] = {true_path, NULL};

static const struct options *options;
static struct sandbox *engine;

/* --- bare namespaces -------------------------------------------------------------------------------------------- */

/* Makes until END; tells through FD how many. */
static _Noreturn void make_bare(uint64_t end, int fd)
{
	uint64_t made = 0;

	for (; series_now_nsec() < end; made++)
		if (floor_clone_all(true_argv) != 0)
			_exit(1);
	_exit(write(fd, &made, sizeof(made)) == sizeof(made) ? 0 : 1);
}

static double bare_rate(void)
{
	enum { CPUS_MAX = 256 };
	long online = sysconf(_SC_NPROCESSORS_ONLN), cpus = online < CPUS_MAX ? online : CPUS_MAX;
	pid_t pids[CPUS_MAX];
	uint64_t begin = series_now_nsec(), end = begin + options->seconds * 1000000000, all = 0, made;
	int out[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		err(1, "pipe");
	for (long i = 0; i < cpus; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			err(1, "fork");
		if (pids[i] == 0)
			make_bare(end, out[1]);
	}
	(void)close(out[1]);
	for (long i = 0; i < cpus; i++) {
		if (read(out[0], &made, sizeof(made)) != sizeof(made))
			errx(1, "bare namespaces could not be made");
		all += made;
	}
	double taken = (double)(series_now_nsec() - begin) / NSEC_PER_SEC;
	(void)close(out[0]);
	for (long i = 0; i < cpus; i++)
		(void)waitpid(pids[i], NULL, 0);
	return (double)all / taken;
}

/* --- cells ------------------------------------------------------------------------------------------------------ */

static struct series half = {
	.name = "half_rate", .what = "a run of /bin/true, from when it was due to its result"};
static uint64_t nopen, ndone;

/* USER: when it was due; 0: nobody wants to know how long it took. */
static void done(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	(void)run;
	if (error != NULL)
		errx(1, "%s: %s", error->stage, error->message);
	if (result->cause != SANDBOX_EXITED || result->exit_code != 0)
		errx(1, "/bin/true in a cell: %s", sandbox_cause_name(result->cause));
	nopen--;
	ndone++;
	if (user != NULL)
		series_add(&half, series_now_nsec() - (uint64_t)(uintptr_t)user);
}

static void start(uint64_t due_nsec)
{
	static const char *const args[] = {"/bin/true"};
	const struct sandbox_spec spec = {.policy = "default",
		.step = SANDBOX_RUN,
		.args = args,
		.nargs = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};
	struct sandbox_error error = {0};

	if (sandbox_start(engine, &spec, done, (void *)(uintptr_t)due_nsec, NULL, &error) < 0)
		errx(1, "%s: %s", error.stage, error.message);
	nopen++;
}

static void turn(int timeout_msec)
{
	struct sandbox_error error = {0};

	if (sandbox_dispatch(engine, timeout_msec, &error) < 0)
		errx(1, "%s: %s", error.stage, error.message);
}

static void finish(void)
{
	while (nopen > 0)
		turn(-1);
}

static double cell_rate(void)
{
	uint64_t begin = series_now_nsec(), end = begin + options->seconds * 1000000000;

	ndone = 0;
	while (series_now_nsec() < end) {
		while (nopen < options->open)
			start(0);
		turn(-1);
	}
	finish();
	return (double)ndone / ((double)(series_now_nsec() - begin) / NSEC_PER_SEC);
}

/* Sleeps to the nanosecond, for ppoll can; the engine works meanwhile. */
static void work_until(uint64_t due_nsec)
{
	struct pollfd poll = {.fd = sandbox_fd(engine), .events = POLLIN};

	for (uint64_t now; (now = series_now_nsec()) < due_nsec;) {
		const struct timespec wait = {
			(time_t)((due_nsec - now) / 1000000000), (long)((due_nsec - now) % 1000000000)};
		if (ppoll(&poll, 1, &wait, NULL) > 0)
			turn(0);
	}
}

static void run_at(double rate)
{
	uint64_t interval = (uint64_t)(NSEC_PER_SEC / rate), due = series_now_nsec();
	uint64_t end = due + options->cell.rounds * options->seconds * 1000000000;

	for (; due < end; due += interval) {
		work_until(due);
		start(due);
	}
	finish();
}

/* --- measuring -------------------------------------------------------------------------------------------------- */

static int smaller(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), smaller);
	return values[n / 2];
}

int main(int argc, char *argv[])
{
	enum { ROUNDS_MAX = 1000 };
	static double bare[ROUNDS_MAX], cells[ROUNDS_MAX];
	static struct options parsed;

	cell_parse(&usage, &parsed, argc, argv);
	options = &parsed;
	size_t rounds = parsed.cell.rounds < ROUNDS_MAX ? parsed.cell.rounds : ROUNDS_MAX;
	engine = cell_open(&parsed.cell, (unsigned)parsed.pool);
	for (size_t i = 0; i < rounds; i++) {
		bare[i] = parsed.is_cells_only ? 0 : bare_rate();
		cells[i] = cell_rate();
	}
	double bare_median = median(bare, rounds), cell_median = median(cells, rounds);
	if (parsed.is_cells_only) {
		(void)printf("cells           %8.0f per second\n", cell_median);
		engine = sandbox_close(engine);
		return 0;
	}
	(void)printf("bare namespaces %8.0f per second\ncells           %8.0f per second, %.2f of that\n",
		bare_median, cell_median, cell_median / bare_median);
	run_at(cell_median / 2);
	engine = sandbox_close(engine);
	double p50 = (double)series_percentile(&half, 50), p99 = (double)series_percentile(&half, 99);
	(void)printf("at half of it   %8.1f us p50, %.1f us p99, %.1f times that\n", p50 / 1e3, p99 / 1e3,
		p99 / p50);
	json_t *report = series_report("rate");
	(void)json_object_set_new(report, "bare_per_second", json_real(bare_median));
	(void)json_object_set_new(report, "cells_per_second", json_real(cell_median));
	(void)json_object_set_new(report, "half", series_json(&half));
	series_write(report, parsed.cell.json);
	series_free(&half);
	return 0;
}
