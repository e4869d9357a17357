/* exec.c: `cofferdam exec`: source files compiled in one cell, the program run in another. */
#include "sandbox/cli/cli.h"
#include "sandbox/cli/files.h"
#include "sandbox/cli/session.h"
#include "sandbox/report/report.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

struct exec_options {
	struct engine_config engine;
	struct sandbox_limits limits;
	const char *input, *report;
	struct session_manner manner;
};

#define CLI_LIMITS_OF exec_options
static const struct config_row rows[] = {{"stdin", CONFIG_STRING, offsetof(struct exec_options, input), 1,
						 4000, NULL, "file that the program reads as standard input"},
	{"report", CONFIG_STRING, offsetof(struct exec_options, report), 1, 4000, NULL,
		"write verdict and results as JSON to this file"},
	ENGINE_ROWS(exec_options, engine), LIMIT_TABLE(CLI_LIMIT_ROW)};

static const char usage[] = "cofferdam exec LANGUAGE FILE... [options] [-- ARGS...]\n"
			    "Compiles FILEs and runs the program with ARGS. Limits are the program's; "
			    "compiling has its policy's.\n";

/* One job. */
struct course {
	const struct exec_options *options;
	const struct cli_words *words;
	struct session session;
	struct box_files files;
	int report, input, program; /* owned */
	const struct policy *policy;
	struct sandbox_result compile, run;
	bool has_compile, has_program, has_run;
};

/* --- the files ---------------------------------------------------------------------------------------------- */

/* Would the language take a file of this name for a source? By the patterns of its compile step, or by the ending. */
static bool is_source(const struct policy *policy, const char *name)
{
	char **patterns = policy->steps[SANDBOX_COMPILE].sources;
	const char *ending = strrchr(name, '.'), *own = strrchr(policy->file_name, '.');

	for (size_t i = 0; patterns != NULL && patterns[i] != NULL; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return ending != NULL && own != NULL && strcmp(ending, own) == 0;
}

/* A single file that the language would not recognise ("solution.txt") is given the name that it expects. */
static int add_files(struct course *course, struct sandbox_error *err)
{
	int r = 0;

	for (int i = 1; r == 0 && i < course->words->nwords; i++)
		r = box_files_add_path(&course->files, course->words->words[i], err);
	if (r == 0 && course->files.nfiles == 1 && !is_source(course->policy, course->files.files[0].name))
		course->files.files[0].name = course->policy->file_name;
	return r;
}

/* --- the steps ---------------------------------------------------------------------------------------------- */

static uint64_t program_max(const struct policy_step *step)
{
	uint64_t max = step->limits[LIMIT_ID_file_bytes].standard;

	return max < BOUND_INPUT_BYTES ? max : BOUND_INPUT_BYTES;
}

static bool has_program(const struct sandbox_result *compile, bool is_collected)
{
	uint32_t status = compile->collected[0].status;

	if (compile->cause != SANDBOX_EXITED || compile->exit_code != 0)
		return false;
	if (!is_collected || status == SANDBOX_COLLECTED)
		return true;
	(void)fprintf(stderr, "cofferdam: compile: %s\n",
		status == SANDBOX_COLLECT_TOO_LARGE ? "the program is too large"
						    : "the compiler left no program");
	return false;
}

/* The compiler's words go to standard error: standard output is the program's. */
static int compile(struct course *course, struct sandbox_error *err)
{
	const struct policy_step *policy_step = &course->policy->steps[SANDBOX_COMPILE];

	course->program = fd_memfd("program", "", 0);
	if (course->program < 0)
		return error_set(
			err, -course->program, "exec.program", "%s", strerrordesc_np(-course->program));
	const struct sandbox_collect collect = {
		.name = policy_step->collect, .fd = course->program, .max_bytes = program_max(policy_step)};
	const struct session_step step = {
		.spec = {.policy = course->policy->name,
			.step = SANDBOX_COMPILE,
			.files = course->files.files,
			.nfiles = course->files.nfiles,
			.collects = &collect,
			.ncollects = collect.name != NULL ? 1 : 0},
		.in = -1,
		.out = STDERR_FILENO,
		.err = STDERR_FILENO,
	};
	int r = session_run(&course->session, &step, &course->compile, err);
	if (r < 0)
		return r;
	const struct sandbox_limits limits = session_limits(&course->session, &step.spec);
	cli_explain(&course->compile, &limits, "compile: ");
	course->has_compile = true;
	course->has_program = has_program(&course->compile, collect.name != NULL);
	return 0;
}

/* Compiled: the program alone. Interpreted: the files as they are. */
static int run_program(struct course *course, struct sandbox_error *err)
{
	const char *name = course->policy->steps[SANDBOX_RUN].input;
	bool takes_program = course->has_compile && name != NULL;
	const struct sandbox_file program = {.name = name, .fd = course->program, .is_executable = true};
	const struct session_step step = {
		.spec = {.policy = course->policy->name,
			.step = SANDBOX_RUN,
			.limits = course->options->limits,
			.args = (const char *const *)course->words->rest,
			.nargs = (size_t)course->words->nrest,
			.files = takes_program ? &program : course->files.files,
			.nfiles = takes_program ? 1 : course->files.nfiles},
		.in = course->input >= 0 ? course->input : STDIN_FILENO,
		.out = STDOUT_FILENO,
		.err = STDERR_FILENO,
	};
	int r = session_run(&course->session, &step, &course->run, err);
	if (takes_program && r == -ENOEXEC && strcmp(err->stage, "cell.exec") == 0) {
		/* A Go package that is not main becomes an archive: the job's doing, not the host's. */
		(void)fprintf(
			stderr, "cofferdam: compile: what the compiler made is no program that can be run\n");
		*err = (struct sandbox_error){0};
		return 0;
	}
	if (r < 0)
		return r;
	const struct sandbox_limits limits = session_limits(&course->session, &step.spec);
	cli_explain(&course->run, &limits, "");
	course->has_run = true;
	return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------- */

static int write_report(struct course *course, struct sandbox_error *err)
{
	const struct sandbox_result *compiled = course->has_compile ? &course->compile : NULL;
	enum report_verdict verdict = report_verdict(compiled, course->has_run ? &course->run : NULL);

	if (verdict == REPORT_NONE) /* the compiler was content, but there is no program */
		verdict = REPORT_COMPILE_ERROR;
	return cli_report_write(course->report,
		json_pack("{s:s, s:s, s:o, s:o}", "language", course->policy->name, "verdict",
			report_verdict_name(verdict), "compile",
			compiled ? session_report(&course->session, SANDBOX_COMPILE, compiled) : json_null(),
			"run",
			course->has_run ? session_report(&course->session, SANDBOX_RUN, &course->run)
					: json_null()),
		err);
}

static int open_all(struct course *course, struct sandbox_error *err)
{
	const char *language = course->words->words[0];

	int r = session_open(
		&course->session, &course->options->engine, language, &course->options->manner, err);
	if (r < 0)
		return r;
	course->policy = session_policy(&course->session, language);
	if (course->policy == NULL || course->policy->kind != POLICY_LANGUAGE)
		return error_set(err, ENOENT, "usage", "%.64s is no language", language);
	if (course->options->input != NULL) {
		course->input = open(course->options->input, O_RDONLY | O_NOCTTY | O_CLOEXEC);
		if (course->input < 0)
			return error_errno(err, "usage", "%.200s", course->options->input);
	}
	return add_files(course, err);
}

/* The exit status, or -errno with ERR. */
static int perform(struct course *course, struct sandbox_error *err)
{
	int r = open_all(course, err);
	bool is_compiled = r == 0 && course->policy->steps[SANDBOX_COMPILE].is_present;

	if (is_compiled)
		r = compile(course, err);
	if (r == 0 && (!is_compiled || course->has_program))
		r = run_program(course, err);
	if (r == 0)
		r = write_report(course, err);
	if (r < 0)
		return r;
	if (course->has_run)
		return cli_exit_status(&course->run, course->session.caught);
	return course->compile.cause == SANDBOX_CANCELLED
		       ? cli_exit_status(&course->compile, course->session.caught)
		       : EXIT_COMPILE;
}

static int check_usage(const struct cli_words *words, int next, struct sandbox_error *err)
{
	if (next < words->noptions)
		return error_set(err, EINVAL, "usage", "unexpected argument: %.64s", words->options[next]);
	for (int i = 0; i < words->nwords; i++)
		if (words->words[i][0] == '-')
			return error_set(err, EINVAL, "usage", "there is no option %.64s", words->words[i]);
	if (words->nwords < 2)
		return error_set(
			err, EINVAL, "usage", "exec what? (cofferdam exec LANGUAGE FILE... [options])");
	return 0;
}

static int exec_words(struct cli_words *words, bool is_traced)
{
	struct exec_options options = {.manner = {.is_traced = is_traced}};
	struct course course = {
		.options = &options,
		.words = words,
		.session.signal_fd = -1,
		.report = -1,
		.input = -1,
		.program = -1,
	};
	struct sandbox_error err = {0};
	int next;

	int r = config_parse(rows, ARRAY_SIZE(rows), &options, words->noptions, words->options,
		is_traced ? cli_trace_usage : usage, stdout, &next, &err);
	if (r == CONFIG_HELP)
		return 0;
	if (r == 0)
		r = check_usage(words, next, &err);
	if (r == 0)
		r = cli_report_open(options.report, &course.report, &err);
	if (r == 0)
		r = perform(&course, &err);
	session_close(&course.session);
	box_files_close(&course.files);
	if (r < 0) {
		cli_report_fault(course.report, &err);
		r = cli_complain(&err);
	}
	(void)fd_close(course.report);
	(void)fd_close(course.input);
	(void)fd_close(course.program);
	return r;
}

int cli_exec(int argc, char *argv[], bool is_traced)
{
	struct cli_words words;

	if (cli_split(rows, ARRAY_SIZE(rows), argc, argv, &words) < 0)
		return cli_complain(&(struct sandbox_error){ENOMEM, "usage", "no memory"});
	int r = exec_words(&words, is_traced);
	cli_words_free(&words);
	return r;
}

int command_exec(int argc, char *argv[])
{
	return cli_exec(argc, argv, false);
}
