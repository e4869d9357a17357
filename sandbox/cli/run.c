/* run.c: `cofferdam run`: one command inside a cell. */
#include "sandbox/cli/cli.h"
#include "sandbox/cli/files.h"
#include "sandbox/cli/session.h"

#include <string.h>

struct run_options {
	struct engine_config engine;
	struct sandbox_limits limits;
	const char *policy, *report;
	struct config_list files, without;
	bool is_unsafe;
	struct session_manner manner;
};

#define CLI_LIMITS_OF run_options
static const struct config_row rows[] = {
	{"policy", CONFIG_STRING, offsetof(struct run_options, policy), 1, BOUND_POLICY_NAME, "default",
		"policy to run the command under"},
	{"file", CONFIG_LIST, offsetof(struct run_options, files), 1, 4000, NULL,
		"HOST[:NAME]: put a file of the host into /box, its executable bit kept"},
	{"report", CONFIG_STRING, offsetof(struct run_options, report), 1, 4000, NULL,
		"write the result as JSON to this file"},
	{"without", CONFIG_LIST, offsetof(struct run_options, without), 1, 32, NULL,
		"LAYER: leave it out, to measure what it costs (network, ipc, uts, cgroup, seccomp, "
		"landlock, "
		"memory-seal, speculation, rlimits); with --unsafe alone"},
	{"unsafe", CONFIG_FLAG, offsetof(struct run_options, is_unsafe), 0, 0, NULL,
		"the command is trusted: layers may be left out"},
	ENGINE_ROWS(run_options, engine), LIMIT_TABLE(CLI_LIMIT_ROW)};

static const char usage[] = "cofferdam run [options] -- ARGV...\n"
			    "Runs ARGV in a fresh cell; standard streams are passed through.\n";

static int run_in(struct session *session, const struct run_options *options, const struct session_step *step,
	int report, struct sandbox_error *err)
{
	struct sandbox_result result;

	int r = session_open(session, &options->engine, options->policy, &options->manner, err);
	if (r == 0)
		r = session_run(session, step, &result, err);
	if (r == 0)
		r = cli_report_write(report, session_report(session, SANDBOX_RUN, &result), err);
	if (r < 0)
		return r;
	const struct sandbox_limits limits = session_limits(session, &step->spec);
	cli_explain(&result, &limits, "");
	return cli_exit_status(&result, session->caught);
}

static int add_files(struct box_files *files, const struct config_list *list, struct sandbox_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->nitems; i++)
		r = box_files_add_spec(files, list->items[i], err);
	return r;
}

/* The exit status, or -errno with ERR. */
static int run(const struct run_options *options, char *argv[], int report, struct sandbox_error *err)
{
	struct session session = {.signal_fd = -1};
	struct box_files files = {.nfiles = 0};
	size_t argc = 0;

	while (argv[argc] != NULL)
		argc++;
	if (argc == 0)
		return error_set(err, EINVAL, "usage", "run what? (cofferdam run [options] -- ARGV...)");
	int r = add_files(&files, &options->files, err);
	if (r == 0) {
		const struct session_step step = {
			.spec = {.policy = options->policy,
				.step = SANDBOX_RUN,
				.limits = options->limits,
				.args = (const char *const *)argv,
				.nargs = argc,
				.files = files.files,
				.nfiles = files.nfiles},
			.in = STDIN_FILENO,
			.out = STDOUT_FILENO,
			.err = STDERR_FILENO,
		};
		r = run_in(&session, options, &step, report, err);
	}
	session_close(&session);
	box_files_close(&files);
	return r;
}

static int find_layer(const char *name)
{
	for (int layer = 0; layer < SANDBOX_LAYER_N; layer++)
		if (strcmp(sandbox_layer_name((enum sandbox_layer)layer), name) == 0)
			return layer;
	return -1;
}

static int parse_without(struct run_options *options, struct sandbox_error *err)
{
	const struct config_list *names = &options->without;

	if (names->nitems > 0 && !options->is_unsafe)
		return error_set(err, EINVAL, "usage", "--without takes protection away: only with --unsafe");
	for (size_t i = 0; i < names->nitems; i++) {
		int layer = find_layer(names->items[i]);
		if (layer < 0)
			return error_set(err, EINVAL, "usage",
				"--without %s: no such layer, or none that can be left out", names->items[i]);
		options->manner.without |= 1U << layer;
	}
	return 0;
}

int cli_run(int argc, char *argv[], bool is_traced)
{
	struct run_options options = {.manner = {.is_traced = is_traced}};
	struct sandbox_error err = {0};
	_cleanup_close_ int report = -1;
	int next;

	int r = config_parse(rows, ARRAY_SIZE(rows), &options, argc, argv,
		is_traced ? cli_trace_usage : usage, stdout, &next, &err);
	if (r == CONFIG_HELP)
		return 0;
	if (r == 0)
		r = parse_without(&options, &err);
	if (r == 0)
		r = cli_report_open(options.report, &report, &err);
	if (r == 0)
		r = run(&options, argv + next, report, &err);
	if (r >= 0)
		return r;
	cli_report_fault(report, &err);
	return cli_complain(&err);
}

int command_run(int argc, char *argv[])
{
	return cli_run(argc, argv, false);
}
