#include "tests/lib/program.h"

#include "sandbox/base/fd.h"
#include "tests/lib/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { OUTPUT_MAX = 1 << 26 };

static const char *path_of(const char *name)
{
	static char path[4096];
	const char *dir = getenv("BIN_DIR");

	if (strcmp(name, "cofferdam") == 0)
		return supervisor_program();
	if (strcmp(name, "cofferdam-service") != 0)
		return name;
	(void)snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "build/debug/bin", name);
	return path;
}

static void become(const struct program_plan *plan, int in, int out, int err)
{
	char *argv[64] = {NULL};
	sigset_t none;

	for (size_t i = 0; i < 63 && plan->argv[i] != NULL; i++)
		argv[i] = strdup(plan->argv[i]);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(99);
	(void)execv(path_of(argv[0]), argv);
	_exit(98);
}

static int open_output(bool is_given, int given, int *ret_ours)
{
	int pair[2];

	*ret_ours = -1;
	if (is_given)
		return fcntl(given, F_DUPFD_CLOEXEC, 3);
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	*ret_ours = pair[0];
	return pair[1];
}

struct program program_start(const struct program_plan *plan)
{
	struct program program = {.out_fd = -1, .err_fd = -1};
	_cleanup_close_ int in =
		plan->has_in ? fcntl(plan->in, F_DUPFD_CLOEXEC, 3) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = open_output(plan->has_out, plan->out, &program.out_fd);
	_cleanup_close_ int err = open_output(plan->has_err, plan->err, &program.err_fd);

	ck_assert(in >= 0 && out >= 0 && err >= 0);
	program.pid = fork();
	ck_assert_int_ge(program.pid, 0);
	if (program.pid == 0)
		become(plan, in, out, err);
	return program;
}

struct sink {
	char *text;
	size_t used;
};

/* False: the end. */
static bool take(int fd, struct sink *sink)
{
	char buf[1 << 16];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0)
		return false;
	ck_assert_uint_lt(sink->used + (size_t)n, OUTPUT_MAX);
	sink->text = realloc(sink->text, sink->used + (size_t)n + 1);
	ck_assert_ptr_nonnull(sink->text);
	memcpy(sink->text + sink->used, buf, (size_t)n);
	sink->used += (size_t)n;
	sink->text[sink->used] = '\0';
	return true;
}

void program_finish(struct program *program)
{
	struct sink sinks[2] = {{calloc(1, 1), 0}, {calloc(1, 1), 0}};
	int *fds[2] = {&program->out_fd, &program->err_fd};
	int status = 0;

	while (*fds[0] >= 0 || *fds[1] >= 0) {
		struct pollfd wait[2] = {{*fds[0], POLLIN, 0}, {*fds[1], POLLIN, 0}};
		if (poll(wait, 2, PROGRAM_PATIENCE_SEC * 1000) <= 0) {
			(void)kill(program->pid, SIGKILL);
			ck_abort_msg("the program says nothing and does not end; so far: %s", sinks[1].text);
		}
		for (int i = 0; i < 2; i++)
			if (wait[i].revents != 0 && !take(*fds[i], &sinks[i]))
				*fds[i] = fd_close(*fds[i]);
	}
	ck_assert_int_eq(waitpid(program->pid, &status, 0), program->pid);
	program->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	program->out = sinks[0].text;
	program->err = sinks[1].text;
}

void program_free(struct program *program)
{
	program->out_fd = fd_close(program->out_fd);
	program->err_fd = fd_close(program->err_fd);
	mem_freep(&program->out);
	mem_freep(&program->err);
}

struct program program_run_plan(const struct program_plan *plan)
{
	struct program program = program_start(plan);

	program_finish(&program);
	return program;
}
