#include "service/runner.h"

#include "sandbox/base/fd.h"

#include <string.h>

/* One job on its way. */
struct course {
	const struct runner_options *options;
	const struct policy *policy;
	const struct job *job;
	struct runner_output *output;
	int source;  /* owned: the code */
	int program; /* owned: what the compile step produced; -1 when there is none */
	bool has_program;
	struct artifact_key key;
	struct sandbox_result compile, run;
	bool has_compile, is_compile_cached, has_run;
	char *error, *preview; /* owned */
};

static void course_end(struct course *course)
{
	course->source = fd_close(course->source);
	/* Only a result says that no process of the cell is left. */
	if (course->is_compile_cached && course->has_run)
		artifacts_give_back(
			course->options->artifacts, &course->key, TAKE_FD(course->program), &course->compile);
	course->program = fd_close(course->program);
	free(course->error);
	free(course->preview);
}

static int open_memory(const char *name, const void *data, size_t size, int *ret, struct sandbox_error *err)
{
	int fd = fd_memfd(name, data, size);

	if (fd < 0)
		return error_set(err, -fd, "runner.memfd", "%s: %s", name, strerrordesc_np(-fd));
	*ret = fd;
	return 0;
}

static int fresh_output(struct course *course, uint64_t max, struct sandbox_error *err)
{
	runner_output_close(course->output);
	return runner_output_open(max, course->output, err);
}

/* The limits in force: those asked for, the policy's where none was. */
static int step_limits(const struct course *course, enum sandbox_step step, struct sandbox_limits *ret,
	struct sandbox_error *err)
{
	if (step == SANDBOX_RUN)
		*ret = course->options->run_limits;
	else
		*ret = (struct sandbox_limits){0};
	return policy_limits(&course->policy->steps[step], ret, err);
}

static int perform(struct course *course, struct sandbox_spec *spec, bool is_merged,
	struct sandbox_result *result, struct sandbox_error *err)
{
	struct runner_step step = {
		.socket = course->options->socket,
		.stop_fd = course->options->stop_fd,
		.spec = spec,
		.is_merged = is_merged,
		.output = course->output,
	};

	spec->policy = course->policy->name;
	spec->stdout_fd = spec->stderr_fd = -1;
	int r = step_limits(course, spec->step, &spec->limits, err);
	if (r == 0)
		r = fresh_output(course, spec->limits.output_bytes, err);
	if (r < 0)
		return r;
	course->output->is_mixed = is_merged;
	live_step(course->output->live, spec->step, course->output->fd);
	return runner_step(&step, result, err);
}

static int compile(struct course *course, struct sandbox_error *err)
{
	const struct policy_step *step = &course->policy->steps[SANDBOX_COMPILE];
	int r = open_memory("program", NULL, 0, &course->program, err);
	if (r < 0)
		return r;
	struct sandbox_file file = {.name = course->policy->file_name, .fd = course->source};
	struct sandbox_collect collect = {
		.name = step->collect,
		.fd = course->program,
		.max_bytes = BOUND_INPUT_BYTES, /* it goes into the next cell */
	};
	struct sandbox_spec spec = {
		.step = SANDBOX_COMPILE,
		.files = &file,
		.nfiles = 1,
		.collects = &collect,
		.ncollects = step->collect != NULL ? 1 : 0,
		.stdin_fd = -1,
	};

	r = perform(course, &spec, true, &course->compile, err);
	if (r != 0)
		return r;
	course->has_compile = true;
	course->has_program =
		course->compile.cause == SANDBOX_EXITED && course->compile.exit_code == 0 &&
		(step->collect == NULL || course->compile.collected[0].status == SANDBOX_COLLECTED);
	return 0;
}

/* Compiles, unless the same was compiled before. */
static int compile_once(struct course *course, struct sandbox_error *err)
{
	struct artifacts *artifacts = course->options->artifacts;
	const struct sandbox_result *result = &course->compile;
	struct sandbox_limits limits;

	int r = step_limits(course, SANDBOX_COMPILE, &limits, err);
	if (r < 0)
		return r;
	bool has_key = artifacts != NULL &&
		       artifacts_key(artifacts, course->policy, course->job, &limits, &course->key);
	if (has_key && artifacts_get(artifacts, &course->key, &course->program, &course->compile)) {
		course->has_compile = course->is_compile_cached = course->has_program = true;
		return 0;
	}
	r = compile(course, err);
	if (r == 0 && has_key && course->has_program)
		artifacts_put(artifacts, &course->key, course->program, result->collected[0].bytes, result);
	return r;
}

/* The kernel does not take the compiler's product for a program (a Go package that is not main becomes an archive). That
 * is the job's doing, not the host's. */
static bool is_product_refused(const struct course *course, int r, const struct sandbox_error *err)
{
	return course->has_program && r == -ENOEXEC && strcmp(err->stage, "cell.exec") == 0;
}

static int run(struct course *course, struct sandbox_error *err)
{
	const struct policy_step *step = &course->policy->steps[SANDBOX_RUN];
	bool takes_program = course->has_program && step->input != NULL;
	struct sandbox_file file = {
		.name = takes_program ? step->input : course->policy->file_name,
		.fd = takes_program ? course->program : course->source,
		.is_executable = takes_program,
	};
	_cleanup_close_ int input = -1;
	int r = open_memory("input", course->job->input, course->job->input_size, &input, err);
	if (r < 0)
		return r;
	struct sandbox_spec spec = {
		.step = SANDBOX_RUN,
		.files = &file,
		.nfiles = 1,
		.stdin_fd = input,
	};

	r = perform(course, &spec, false, &course->run, err);
	if (is_product_refused(course, r, err)) {
		*err = (struct sandbox_error){0};
		return 0;
	}
	if (r != 0)
		return r;
	course->has_run = true;
	return 0;
}

/* Why a step ended, for people. */
static int explain(const struct course *course, enum sandbox_step step, char **ret, struct sandbox_error *err)
{
	struct sandbox_limits limits;
	char line[512];

	int r = step_limits(course, step, &limits, err);
	if (r < 0)
		return r;
	report_explain(step == SANDBOX_RUN ? &course->run : &course->compile, &limits, line, sizeof(line));
	if (asprintf(ret, "%s%s", step == SANDBOX_COMPILE ? "compile: " : "", line) < 0)
		return error_set(err, ENOMEM, "runner.explain", "no memory");
	return 0;
}

/* The compiler was content, and yet there is nothing to run. */
static const char *product_fault(const struct sandbox_collected *product)
{
	switch (product->status) {
	case SANDBOX_COLLECTED:
		return "what the compiler made is no program that can be run";
	case SANDBOX_COLLECT_TOO_LARGE:
		return "the compiled program is too large";
	default:
		return "the compiler produced no program";
	}
}

/* A compiler that failed has said why; one that was ended by a limit has not. */
static int explain_compile(struct course *course, struct sandbox_error *err)
{
	const struct sandbox_result *result = &course->compile;

	if (result->cause == SANDBOX_EXITED && result->exit_code == 0) {
		course->error = strdup(product_fault(&result->collected[0]));
		return course->error ? 0 : error_set(err, ENOMEM, "runner.explain", "no memory");
	}
	if (result->cause == SANDBOX_EXITED && course->output->size > 0)
		return runner_output_text(course->output, &course->error, err);
	return explain(course, SANDBOX_COMPILE, &course->error, err);
}

static int conclude(struct course *course, enum report_verdict *ret, struct sandbox_error *err)
{
	int r = 0;

	*ret = REPORT_COMPILE_ERROR;
	if (course->has_run)
		*ret = report_verdict(course->has_compile ? &course->compile : NULL, &course->run);
	if (!course->has_run)
		r = explain_compile(course, err);
	else if (*ret != REPORT_ACCEPTED)
		r = explain(course, SANDBOX_RUN, &course->error, err);
	if (r < 0)
		return r;
	course->preview = course->has_run ? runner_output_preview(course->output) : strdup("");
	return course->preview ? 0 : error_set(err, ENOMEM, "runner.preview", "no memory");
}

static enum job_status status_of(enum report_verdict verdict)
{
	switch (verdict) {
	case REPORT_ACCEPTED:
		return JOB_COMPLETED;
	case REPORT_TIME_LIMIT:
		return JOB_TIMEOUT;
	default:
		return JOB_FAILED;
	}
}

/* Everything has worked out: from here on nothing fails. */
static void hand_over(struct course *course, struct job *job, enum report_verdict verdict)
{
	job->verdict = verdict;
	job->status = status_of(verdict);
	job->has_compile = course->has_compile;
	job->is_compile_cached = course->is_compile_cached;
	job->compile = course->compile;
	job->has_run = course->has_run;
	job->run = course->run;
	job->exec_duration_usec = course->has_run ? (int64_t)course->run.wall_usec : -1;
	free(job->error);
	job->error = TAKE_PTR(course->error);
	free(job->stdout_preview);
	job->stdout_preview = TAKE_PTR(course->preview);
}

int runner_run(const struct runner_options *options, const struct policy *policy, struct job *job,
	struct runner_output *output, struct sandbox_error *err)
{
	struct course course __attribute__((cleanup(course_end))) = {
		.options = options,
		.policy = policy,
		.job = job,
		.output = output,
		.source = -1,
		.program = -1,
	};
	enum report_verdict verdict;
	bool is_compiled = policy->steps[SANDBOX_COMPILE].is_present;

	int r = open_memory("source", job->code, job->code_size, &course.source, err);
	if (r == 0 && is_compiled)
		r = compile_once(&course, err);
	if (r == 0 && (!is_compiled || course.has_program))
		r = run(&course, err);
	if (r == 0)
		r = conclude(&course, &verdict, err);
	if (r == 0)
		hand_over(&course, job, verdict);
	return r;
}

void runner_fail(struct job *job, const char *stage, const char *message)
{
	char line[512];

	(void)snprintf(line, sizeof(line), "internal error at %s: %s", stage, message);
	free(job->error);
	job->error = strdup(line); /* without memory: no explanation, still the verdict */
	job->verdict = REPORT_INTERNAL_ERROR;
	job->status = JOB_FAILED;
	job->exec_duration_usec = -1;
}
