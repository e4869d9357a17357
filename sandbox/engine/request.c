/* request.c: from a sandbox_spec to a plan. All that can be wrong with a request is found here, before anything is
 * made; stages start with "request.". */
#include "sandbox/engine/engine.h"

#include "sandbox/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { BUILDER_PAGE = 4096 };

struct builder {
	struct sandbox_run *run;
	const struct policy *policy;
	const struct sandbox_spec *spec;
	struct wire_plan *head;
	char *strings; /* where the next string goes */
	size_t room;   /* bytes left for strings */
	uint64_t input_bytes, input_inodes;
	const char *names[BOUND_FILES];
	size_t nnames;
};

/* --- descriptors --- */

/* A client's descriptor. */
struct seen {
	struct statx st;
	int flags; /* F_GETFL */
};

/* statx without asking the file's server again: a client could hand over a file of a FUSE mount that never answers,
 * and this is the process that must not wait. */
static int look_at(int fd, const char *what, struct seen *ret, struct sandbox_error *err)
{
	ret->flags = fcntl(fd, F_GETFL);
	if (ret->flags >= 0 &&
		statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &ret->st) == 0)
		return 0;
	if (errno == EBADF)
		return error_set(err, EBADF, "request.descriptor", "%s: not an open descriptor", what);
	return error_errno(err, "engine.request", "%s", what);
}

static bool has_mode(const struct seen *seen, int wanted)
{
	int mode = seen->flags & O_ACCMODE;
	return !(seen->flags & O_PATH) && (mode == wanted || mode == O_RDWR);
}

static bool is_file(const struct seen *seen)
{
	return S_ISREG(seen->st.stx_mode);
}

static bool is_pipe(const struct sandbox *sandbox, const struct seen *seen)
{
	return S_ISFIFO(seen->st.stx_mode) &&
	       makedev(seen->st.stx_dev_major, seen->st.stx_dev_minor) == sandbox->pipe_dev;
}

static int keep_fd(struct builder *builder, int fd, struct sandbox_error *err)
{
	struct sandbox_run *run = builder->run;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return error_errno(err, "engine.request", "duplicate a descriptor");
	run->fds[run->nfds++] = copy;
	return 0;
}

static int keep_file(struct builder *builder, int fd, int mode, const char *what, struct sandbox_error *err)
{
	struct seen seen = {0};
	int r = look_at(fd, what, &seen, err);
	if (r < 0)
		return r;
	if (!is_file(&seen) || !has_mode(&seen, mode))
		return error_set(err, EINVAL, "request.descriptor", "%s: must be a regular file open for %s",
			what, mode == O_RDONLY ? "reading" : "writing");
	if (mode == O_RDONLY) {
		if (seen.st.stx_size > BOUND_INPUT_BYTES)
			return error_set(err, E2BIG, "request.files", "%s: more than %d bytes", what,
				BOUND_INPUT_BYTES);
		/* As the cell's tmpfs counts: in whole pages. */
		builder->input_bytes += (seen.st.stx_size + BUILDER_PAGE - 1) / BUILDER_PAGE * BUILDER_PAGE;
	}
	return keep_fd(builder, fd, err);
}

/* --- strings --- */

static int put_string(struct builder *builder, const char *text, struct sandbox_error *err)
{
	size_t size = strlen(text) + 1;
	if (size > builder->room)
		return error_set(
			err, E2BIG, "request.plan", "arguments, names and environment together are too long");
	memcpy(builder->strings, text, size);
	builder->strings += size;
	builder->room -= size;
	builder->head->strings_bytes += (uint32_t)size;
	return 0;
}

static int check_arg_bytes(const struct sandbox_spec *spec, struct sandbox_error *err)
{
	size_t bytes = 0;

	if (spec->nargs > BOUND_ARGS)
		return error_set(err, E2BIG, "request.argv", "more than %d arguments", BOUND_ARGS);
	for (size_t i = 0; i < spec->nargs; i++)
		bytes += strlen(spec->args[i]) + 1;
	if (bytes > BOUND_ARG_BYTES)
		return error_set(
			err, E2BIG, "request.argv", "more than %d bytes of arguments", BOUND_ARG_BYTES);
	return 0;
}

static int put_argv(struct builder *builder, struct sandbox_error *err)
{
	const struct sandbox_spec *spec = builder->spec;
	const char *argv[BOUND_ARGS + 1];
	int r = check_arg_bytes(spec, err);
	if (r < 0)
		return r;
	int argc = policy_argv(
		builder->policy, spec->step, spec->files, spec->nfiles, spec->args, spec->nargs, argv, err);
	for (int i = 0; i < argc; i++) {
		r = put_string(builder, argv[i], err);
		if (r < 0)
			return r;
	}
	if (argc >= 0)
		builder->head->nargs = (uint32_t)argc;
	return argc < 0 ? argc : 0;
}

static int put_env(struct builder *builder, struct sandbox_error *err)
{
	char **env = builder->run->step->env;

	for (; env[builder->head->nenv] != NULL; builder->head->nenv++) {
		int r = put_string(builder, env[builder->head->nenv], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- files --- */

static bool is_taken(const struct builder *builder, const char *name)
{
	for (size_t i = 0; i < builder->nnames; i++)
		if (strcmp(builder->names[i], name) == 0)
			return true;
	return false;
}

/* How many directories NAME needs that no file before it has brought along. */
static uint64_t count_new_parents(const struct builder *builder, const char *name)
{
	uint64_t parents = 0;

	for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - name) + 1;
		bool is_there = false;
		for (size_t i = 0; i < builder->nnames && !is_there; i++)
			is_there = strncmp(builder->names[i], name, len) == 0;
		parents += !is_there;
	}
	return parents;
}

/* Is one of the two the other's directory? */
static bool is_below(const char *a, const char *b)
{
	size_t i = 0;

	while (a[i] != '\0' && a[i] == b[i])
		i++;
	return (a[i] == '\0' && b[i] == '/') || (a[i] == '/' && b[i] == '\0');
}

static int check_unique(const struct builder *builder, const char *name, struct sandbox_error *err)
{
	if (is_taken(builder, name))
		return error_set(err, EINVAL, "request.files", "two files named %s", name);
	for (size_t i = 0; i < builder->nnames; i++)
		if (is_below(builder->names[i], name))
			return error_set(err, EINVAL, "request.files", "%s and %s: a file is no directory",
				builder->names[i], name);
	return 0;
}

static int check_name(const char *name, struct sandbox_error *err)
{
	if (!policy_file_name_ok(name))
		return error_set(err, EINVAL, "request.files",
			"file names are relative, of [A-Za-z0-9._+-] and '/', at most %d bytes and %d levels",
			BOUND_FILE_NAME, BOUND_FILE_DEPTH);
	return 0;
}

static int put_file_name(
	struct builder *builder, const char *name, bool is_executable, struct sandbox_error *err)
{
	int r = check_name(name, err);
	if (r < 0)
		return r;
	r = check_unique(builder, name, err);
	if (r < 0)
		return r;
	if (builder->nnames == BOUND_FILES)
		return error_set(err, E2BIG, "request.files", "more than %d files", BOUND_FILES);
	builder->input_inodes += 1 + count_new_parents(builder, name);
	builder->names[builder->nnames++] = name;
	if (is_executable)
		builder->head->files_executable |= UINT64_C(1) << builder->head->nfiles;
	builder->head->nfiles++;
	return put_string(builder, name, err);
}

static int put_client_files(struct builder *builder, struct sandbox_error *err)
{
	const struct sandbox_spec *spec = builder->spec;
	size_t name_bytes = 0;

	for (size_t i = 0; i < spec->nfiles; i++) {
		const struct sandbox_file *file = &spec->files[i];
		int r = put_file_name(builder, file->name, file->is_executable, err);
		if (r == 0)
			r = keep_file(builder, file->fd, O_RDONLY, file->name, err);
		if (r < 0)
			return r;
		name_bytes += strlen(file->name) + 1;
	}
	if (name_bytes > BOUND_NAME_BYTES)
		return error_set(
			err, E2BIG, "request.files", "more than %d bytes of file names", BOUND_NAME_BYTES);
	return 0;
}

/* Files of the policy, where the client sent none of that name. */
static int put_extras(struct builder *builder, struct sandbox_error *err)
{
	const struct policy_step *step = builder->run->step;

	for (size_t i = 0; i < step->nextras; i++) {
		const struct policy_extra *extra = &step->extras[i];
		if (is_taken(builder, extra->name))
			continue;
		_cleanup_close_ int fd = fd_memfd(extra->name, extra->content, strlen(extra->content));
		if (fd < 0)
			return error_set(err, -fd, "engine.request", "memory file: %s", strerrordesc_np(-fd));
		int r = put_file_name(builder, extra->name, false, err);
		if (r == 0)
			r = keep_file(builder, fd, O_RDONLY, extra->name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_collects(struct builder *builder, struct sandbox_error *err)
{
	const struct sandbox_spec *spec = builder->spec;

	if (spec->ncollects > BOUND_COLLECT)
		return error_set(err, E2BIG, "request.collect", "more than %d result files", BOUND_COLLECT);
	for (size_t i = 0; i < spec->ncollects; i++) {
		const struct sandbox_collect *collect = &spec->collects[i];
		int r = check_name(collect->name, err);
		if (r == 0)
			r = put_string(builder, collect->name, err);
		if (r == 0)
			r = keep_file(builder, collect->fd, O_WRONLY, collect->name, err);
		if (r < 0)
			return r;
		builder->head->collect_max[i] = collect->max_bytes;
		builder->head->ncollects++;
		builder->run->result.collected[i].status = SANDBOX_COLLECT_MISSING;
	}
	builder->run->ncollects = builder->head->ncollects;
	return 0;
}

/* Not for the request to ask: the engine was opened so. */
static int put_trace(struct builder *builder, struct sandbox_error *err)
{
	int fd = builder->run->sandbox->trace_fd;

	if (fd <= 0)
		return 0;
	builder->head->is_traced = builder->run->result.is_traced = 1;
	return keep_file(builder, fd, O_WRONLY, "trace_fd", err);
}

/* --- standard streams --- */

static int put_stdin(struct builder *builder, struct sandbox_error *err)
{
	struct seen seen = {0};
	int fd = builder->spec->stdin_fd;

	if (fd < 0)
		return 0;
	int r = look_at(fd, "standard input", &seen, err);
	if (r < 0)
		return r;
	builder->head->has_stdin = 1;
	if (is_file(&seen)) {
		builder->head->stdin_is_file = 1;
		builder->input_inodes++;
		return keep_file(builder, fd, O_RDONLY, "standard input", err);
	}
	if (!is_pipe(builder->run->sandbox, &seen) || !has_mode(&seen, O_RDONLY))
		return error_set(err, EINVAL, "request.descriptor",
			"standard input: must be a regular file or a pipe, open for reading");
	return keep_fd(builder, fd, err);
}

static int check_output(struct builder *builder, int fd, const char *what, struct sandbox_error *err)
{
	struct seen seen = {0};

	if (fd < 0)
		return 0;
	int r = look_at(fd, what, &seen, err);
	if (r < 0)
		return r;
	if (!is_pipe(builder->run->sandbox, &seen) || !has_mode(&seen, O_WRONLY))
		return error_set(
			err, EINVAL, "request.descriptor", "%s: must be a pipe open for writing", what);
	return 0;
}

/* One pipe for both streams when the client gave one descriptor for both: their order is then kept exactly. */
static int put_outputs(struct builder *builder, struct sandbox_error *err)
{
	const struct sandbox_spec *spec = builder->spec;
	struct sandbox_run *run = builder->run;
	_cleanup_close_ int out = -1, error = -1;

	int r = check_output(builder, spec->stdout_fd, "standard output", err);
	if (r == 0)
		r = check_output(builder, spec->stderr_fd, "standard error", err);
	if (r == 0)
		r = pump_open(&run->pumps[0], run, spec->stdout_fd, &out, err);
	if (r == 0)
		r = keep_fd(builder, out, err);
	if (r < 0)
		return r;
	if (spec->stdout_fd >= 0 && spec->stdout_fd == spec->stderr_fd)
		return keep_fd(builder, out, err);
	r = pump_open(&run->pumps[1], run, spec->stderr_fd, &error, err);
	return r == 0 ? keep_fd(builder, error, err) : r;
}

/* --- the whole --- */

static int check_sizes(struct builder *builder, struct sandbox_error *err)
{
	const struct sandbox_limits *limits = &builder->run->limits;
	if (builder->input_bytes > limits->disk_bytes)
		return error_set(err, E2BIG, "request.files",
			"the input files need %llu bytes, the disk limit is %llu",
			(unsigned long long)builder->input_bytes, (unsigned long long)limits->disk_bytes);
	if (builder->input_inodes > limits->inodes)
		return error_set(err, E2BIG, "request.files",
			"the input files and their directories are %llu inodes, the limit is %llu",
			(unsigned long long)builder->input_inodes, (unsigned long long)limits->inodes);
	return 0;
}

static int build(struct builder *builder, struct sandbox_error *err)
{
	int r = put_argv(builder, err);
	if (r == 0)
		r = put_env(builder, err);
	if (r == 0)
		r = put_stdin(builder, err);
	if (r == 0)
		r = put_outputs(builder, err);
	if (r == 0)
		r = put_client_files(builder, err);
	if (r == 0)
		r = put_extras(builder, err);
	if (r == 0)
		r = put_collects(builder, err);
	if (r == 0)
		r = put_trace(builder, err);
	return r == 0 ? check_sizes(builder, err) : r;
}

static void start_plan(struct builder *builder)
{
	struct sandbox_run *run = builder->run;

	builder->head = (struct wire_plan *)run->sandbox->plan;
	*builder->head = (struct wire_plan){.limits = run->limits};
	builder->strings = run->sandbox->plan + sizeof(struct wire_plan);
	builder->room = BOUND_PLAN_BYTES - sizeof(struct wire_plan);
}

static int keep_plan(struct builder *builder, struct sandbox_error *err)
{
	struct sandbox_run *run = builder->run;

	run->plan_size = (size_t)(builder->strings - (char *)builder->head);
	run->plan = malloc(run->plan_size);
	if (run->plan == NULL)
		return error_set(err, ENOMEM, "engine.request", "plan");
	memcpy(run->plan, builder->head, run->plan_size);
	return 0;
}

int request_prepare(struct sandbox_run *run, const struct sandbox_spec *spec, struct sandbox_error *err)
{
	struct builder builder = {.run = run, .spec = spec};

	builder.policy = spec->policy ? policy_find(run->sandbox->policies, spec->policy) : NULL;
	if (builder.policy == NULL)
		return error_set(err, ENOENT, "request.policy", "there is no policy of that name");
	if ((unsigned)spec->step >= SANDBOX_STEP_N || !builder.policy->steps[spec->step].is_present)
		return error_set(
			err, EINVAL, "request.step", "policy %s has no such step", builder.policy->name);
	run->step = &builder.policy->steps[spec->step];
	run->limits = spec->limits;
	int r = policy_limits(run->step, &run->limits, err);
	start_plan(&builder);
	if (r == 0)
		r = build(&builder, err);
	return r == 0 ? keep_plan(&builder, err) : r;
}
