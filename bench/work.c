/* work.c: how much slower is work inside a cell?
 *
 * The same static program does the same work outside, outside under the cell's seccomp program alone, under its restraint
 * of speculation alone, under both, and inside, in turns. It takes the time itself, so that starting a cell is no part of it. */
#include "bench/lib/cell.h"
#include "bench/lib/series.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/layers.h"
#include "sandbox/policy/policy.h"

#include <err.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct options {
	struct cell_options cell;
	const char *only;
};

static const struct config_row rows[] = {
	CELL_ROWS("7"),
	{"only", CONFIG_STRING, offsetof(struct options, only), 1, 32, NULL, "this work alone"},
};

static const struct cell_usage usage = {
	rows, ARRAY_SIZE(rows), "work [options]\nThe same work outside and inside of a cell.\n"};

/* About a fifth of a second each. */
static const struct work {
	const char *name, *count;
} works[] = {
	{"integers", "100000000"},
	{"floats", "20000000"},
	{"allocations", "3000000"},
	{"pages", "40"},
	{"copies", "60"},
	{"getppids", "2000000"},
	{"reads", "300000"},
	{"writes", "300000"},
	{"files", "30000"},
	{"pipes", "20000"},
	{"threads", "6000"},
	{"forks", "1500"},
};

/* Bits: what of a cell is put on outside. */
enum { FILTERED = 1, RESTRAINED = 2 };
enum way {
	NATIVE,
	FILTER_ALONE = FILTERED,
	SPECULATION_ALONE = RESTRAINED,
	BOTH = FILTERED | RESTRAINED,
	INSIDE,
	WAYS
};

static const char *const way_names[WAYS] = {"native", "seccomp", "speculation", "both", "cell"};
static const char *const way_whats[WAYS] = {"outside", "outside, under the cell's seccomp program",
	"outside, with the cell's restraint of speculation", "outside, with both", "inside a cell"};

static struct sandbox *sandbox;
static const struct options *options;
static int payload_fd = -1;
static struct layers layers;

/* --- outside ---------------------------------------------------------------------------------------------------- */

/* The kill group's calls would be held for a listener; without one they fail. */
static void put_filter_on(void)
{
	const struct policy *policy = policy_find(sandbox_policies(sandbox), "default");
	const struct filter_program *program = &policy->steps[SANDBOX_RUN].filter;
	const struct sock_fprog filter = {.len = program->len, .filter = program->insns};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		_exit(126);
}

/* A tmpfs, as a cell's /box is: the medium is not what is compared. */
static const char directory[] = "/dev/shm/cofferdam-bench";

static uint64_t parse(const char *text, const char *what)
{
	char *end;
	unsigned long long nsec = strtoull(text, &end, 10);

	if (end == text || *end != '\n')
		errx(1, "%s printed \"%s\"", what, text);
	return nsec;
}

static uint64_t outside(const struct work *work, unsigned with)
{
	char text[64] = "";
	int out[2], status = -1;

	if (pipe2(out, O_CLOEXEC) < 0)
		err(1, "pipe");
	pid_t pid = fork();
	if (pid == 0) {
		char *const argv[] = {(char[]){"payload"}, (char *)(uintptr_t)work->name,
			(char *)(uintptr_t)work->count, NULL};
		(void)dup2(out[1], 1);
		if (chdir(directory) < 0)
			_exit(125);
		if ((with & RESTRAINED) && layers_restrain_speculation(&layers, NULL) < 0)
			_exit(126);
		if (with & FILTERED)
			put_filter_on();
		(void)fexecve(payload_fd, argv, environ);
		_exit(127);
	}
	(void)close(out[1]);
	(void)!read(out[0], text, sizeof(text) - 1);
	(void)close(out[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "%s outside: wait status 0x%x", work->name, (unsigned)status);
	return parse(text, work->name);
}

/* --- inside ----------------------------------------------------------------------------------------------------- */

static uint64_t inside(const struct work *work)
{
	struct cell_work cell = {
		.sandbox = sandbox, .payload_fd = payload_fd, .name = work->name, .count = work->count};

	cell_run(&cell);
	if (cell.result.cause != SANDBOX_EXITED || cell.result.exit_code != 0)
		errx(1, "%s in a cell: %s %s", work->name, sandbox_cause_name(cell.result.cause),
			cell.result.syscall_name);
	return parse(cell.text, work->name);
}

/* --- measuring -------------------------------------------------------------------------------------------------- */

static json_t *measure(const struct work *work)
{
	struct series series[WAYS] = {0};
	json_t *list = json_array();

	for (uint64_t round = 0; round < options->cell.rounds; round++)
		for (unsigned i = 0; i < WAYS; i++) {
			unsigned way = (unsigned)(round + i) % WAYS;
			series_add(&series[way], way == INSIDE ? inside(work) : outside(work, way));
		}
	double native = (double)series_percentile(&series[NATIVE], 50);
	(void)printf("%-12s %9.1f ms native", work->name, native / 1e6);
	for (unsigned i = NATIVE + 1; i < WAYS; i++)
		(void)printf(", %6.3f %s", (double)series_percentile(&series[i], 50) / native, way_names[i]);
	(void)printf("\n");
	(void)fflush(stdout);
	for (unsigned i = 0; i < WAYS; i++) {
		series[i].name = way_names[i];
		series[i].what = way_whats[i];
		(void)json_array_append_new(list, series_json(&series[i]));
		series_free(&series[i]);
	}
	return json_pack("{s:s, s:s, s:o}", "work", work->name, "count", work->count, "series", list);
}

static void remove_directory(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/file", directory);
	(void)unlink(path);
	(void)rmdir(directory);
}

int main(int argc, char *argv[])
{
	static struct options parsed;
	struct sandbox_error error = {0};
	json_t *list = json_array();

	cell_parse(&usage, &parsed, argc, argv);
	options = &parsed;
	payload_fd = cell_payload(argv[0]);
	if (layers_probe(&layers, &error) < 0)
		errx(1, "%s: %s", error.stage, error.message);
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		err(1, "%s", directory);
	sandbox = cell_open(&parsed.cell, 2);
	for (size_t i = 0; i < ARRAY_SIZE(works); i++)
		if (parsed.only == NULL || strcmp(parsed.only, works[i].name) == 0)
			(void)json_array_append_new(list, measure(&works[i]));
	sandbox = sandbox_close(sandbox);
	remove_directory();
	json_t *report = series_report("work");
	(void)json_object_set_new(report, "works", list);
	series_write(report, parsed.cell.json);
	return 0;
}
