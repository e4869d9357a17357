#include "bench/lib/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/priority.h"

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

void cell_parse(const struct cell_usage *usage, void *options, int argc, char *argv[])
{
	struct sandbox_error error = {0};
	int next = argc;

	int r = config_parse(
		usage->rows, usage->nrows, options, argc, argv, usage->text, stdout, &next, &error);
	if (r < 0)
		errx(2, "%s", error.message);
	if (r == CONFIG_HELP)
		exit(0);
	(void)signal(SIGPIPE, SIG_IGN);
}

struct sandbox *cell_open(const struct cell_options *options, unsigned pool)
{
	const struct sandbox_options how = {
		.policies_dir = options->policies_dir, .images_dir = options->images_dir, .pool = pool};
	struct sandbox_error error = {0};
	struct sandbox *sandbox = NULL;

	/* As a supervisor does. */
	if (priority_prompt() < 0)
		err(1, "priority");
	if (sandbox_open(&how, &sandbox, &error) < 0)
		errx(1, "%s: %s", error.stage, error.message);
	return sandbox;
}

void cell_settle(struct sandbox *sandbox)
{
	enum { QUIET_MSEC = 5 };
	struct pollfd events = {.fd = sandbox_fd(sandbox), .events = POLLIN};
	struct sandbox_error error = {0};

	while (poll(&events, 1, QUIET_MSEC) > 0)
		if (sandbox_dispatch(sandbox, 0, &error) < 0)
			errx(1, "%s: %s", error.stage, error.message);
}

char *cell_cli(const char *own)
{
	const char *told = getenv("COFFERDAM"), *slash = strrchr(own, '/');
	char *path = NULL;

	int r = told != NULL
			? asprintf(&path, "%s", told)
			: asprintf(&path, "%.*s../bin/cofferdam", slash ? (int)(slash - own + 1) : 0, own);
	if (r < 0)
		err(1, "path");
	return path;
}

int cell_payload(const char *own)
{
	const char *slash = strrchr(own, '/');
	char path[4096];

	(void)snprintf(path, sizeof(path), "%.*spayload/payload", slash ? (int)(slash - own + 1) : 0, own);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

void cell_run(struct cell_work *work)
{
	const char *const args[] = {"/box/payload", work->name, work->count};
	const struct sandbox_file file = {.name = "payload", .fd = work->payload_fd, .is_executable = true};
	struct sandbox_spec spec = {.policy = "default",
		.step = SANDBOX_RUN,
		.limits = work->limits,
		.args = args,
		.nargs = ARRAY_SIZE(args),
		.files = &file,
		.nfiles = 1,
		.stdin_fd = -1,
		.stderr_fd = -1};
	struct sandbox_error error = {0};
	int out[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		err(1, "pipe");
	spec.stdout_fd = out[1];
	int r = sandbox_run_one(work->sandbox, &spec, &work->result, &error);
	(void)close(out[1]);
	if (r < 0)
		errx(1, "%s: %s", error.stage, error.message);
	ssize_t n = read(out[0], work->text, sizeof(work->text) - 1);
	work->text[n > 0 ? n : 0] = '\0';
	(void)close(out[0]);
}
