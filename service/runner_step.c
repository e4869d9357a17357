#include "service/runner_step.h"

#include "sandbox/base/fd.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

/* What the loop waits for. epoll, not poll: its ready list is in order of arrival, so that standard output and error
 * mix as closely to their order as two pipes can tell. */
enum source { SOURCE_STOP, SOURCE_REPLY, SOURCE_STDOUT, SOURCE_STDERR, SOURCE_N };

struct watch {
	const struct runner_step *step;
	int epoll;	   /* owned */
	int fds[SOURCE_N]; /* owned, but for SOURCE_STOP; -1: finished or never there */
	struct sandbox_result *result;
};

static void watch_close(struct watch *watch)
{
	watch->epoll = fd_close(watch->epoll);
	for (size_t i = SOURCE_REPLY; i < SOURCE_N; i++)
		watch->fds[i] = fd_close(watch->fds[i]);
}

static int watch_add(struct watch *watch, enum source source, struct sandbox_error *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};

	if (watch->fds[source] < 0)
		return 0;
	if (epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->fds[source], &event) < 0)
		return error_errno(err, "runner.epoll", "EPOLL_CTL_ADD");
	return 0;
}

static int watch_open(struct watch *watch, struct sandbox_error *err)
{
	int r = 0;

	watch->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (watch->epoll < 0)
		return error_errno(err, "runner.epoll", "epoll_create1");
	for (size_t i = 0; i < SOURCE_N && r == 0; i++)
		r = watch_add(watch, (enum source)i, err);
	return r;
}

/* Opens the pipes and starts the run. The write ends are the supervisor's alone from then on, so that their end is
 * the run's end. */
static int start(struct watch *watch, struct sandbox_error *err)
{
	struct sandbox_spec *spec = watch->step->spec;
	_cleanup_close_ int out = -1;
	_cleanup_close_ int errors = -1;
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, "runner.pipe", "pipe2");
	watch->fds[SOURCE_STDOUT] = pair[0];
	out = pair[1];
	if (!watch->step->is_merged) {
		if (pipe2(pair, O_CLOEXEC) < 0)
			return error_errno(err, "runner.pipe", "pipe2");
		watch->fds[SOURCE_STDERR] = pair[0];
		errors = pair[1];
	}
	spec->stdout_fd = out;
	spec->stderr_fd = watch->step->is_merged ? out : errors;
	int connection = door_start(watch->step->socket, spec, err);
	spec->stdout_fd = spec->stderr_fd = -1;
	if (connection < 0)
		return strncmp(err->stage, "request.", strlen("request.")) == 0 ? connection
										: RUNNER_UNREACHABLE;
	watch->fds[SOURCE_REPLY] = connection;
	return 0;
}

static int on_output(struct watch *watch, enum source source, struct sandbox_error *err)
{
	char buf[64 * 1024];
	ssize_t n = read(watch->fds[source], buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0)
		return error_errno(err, "runner.output", "read");
	if (n == 0) {
		watch->fds[source] = fd_close(watch->fds[source]); /* leaves the epoll set with it */
		return 0;
	}
	return runner_output_take(watch->step->output, buf, (size_t)n, source == SOURCE_STDOUT, err);
}

static int on_reply(struct watch *watch, struct sandbox_error *err)
{
	int r = door_finish(watch->fds[SOURCE_REPLY], watch->result, err);

	watch->fds[SOURCE_REPLY] = fd_close(watch->fds[SOURCE_REPLY]);
	if (r == -ECONNRESET)
		return RUNNER_LOST;
	if (r == 0 && watch->result->cause == SANDBOX_CANCELLED) {
		/* Nobody here cancels a run and waits for its reply: the supervisor is being stopped. */
		(void)error_set(err, ECANCELED, "runner.reply", "the supervisor cancelled the run");
		return RUNNER_LOST;
	}
	return r;
}

static int on_event(struct watch *watch, enum source source, struct sandbox_error *err)
{
	switch (source) {
	case SOURCE_STOP:
		return RUNNER_STOPPED;
	case SOURCE_REPLY:
		return on_reply(watch, err);
	default:
		return on_output(watch, source, err);
	}
}

static bool is_over(const struct watch *watch)
{
	return watch->fds[SOURCE_REPLY] < 0 && watch->fds[SOURCE_STDOUT] < 0 && watch->fds[SOURCE_STDERR] < 0;
}

/* The reply ends the run, but what it printed may still be on its way: the pipes are read to their ends. */
static int loop(struct watch *watch, struct sandbox_error *err)
{
	struct epoll_event events[SOURCE_N];

	while (!is_over(watch)) {
		int n = epoll_wait(watch->epoll, events, SOURCE_N, -1);
		if (n < 0 && errno != EINTR)
			return error_errno(err, "runner.epoll", "epoll_wait");
		for (int i = 0; i < n; i++) {
			int r = on_event(watch, (enum source)events[i].data.u32, err);
			if (r != 0)
				return r;
		}
	}
	return 0;
}

int runner_step(const struct runner_step *step, struct sandbox_result *result, struct sandbox_error *err)
{
	struct watch watch __attribute__((cleanup(watch_close))) = {
		.step = step,
		.epoll = -1,
		.fds = {[SOURCE_STOP] = step->stop_fd,
			[SOURCE_REPLY] = -1,
			[SOURCE_STDOUT] = -1,
			[SOURCE_STDERR] = -1},
		.result = result,
	};
	int r = start(&watch, err);
	if (r == 0)
		r = watch_open(&watch, err);
	if (r == 0)
		r = loop(&watch, err);
	return r;
}
