#include "sandbox/cli/session.h"

#include "sandbox/base/priority.h"
#include "sandbox/cli/notes.h"
#include "sandbox/cli/stream.h"
#include "sandbox/report/report.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

int session_open(struct session *session, const struct engine_config *config, const char *only,
	const struct session_manner *manner, struct sandbox_error *err)
{
	struct sandbox_options options = {
		.policies_dir = config->policies_dir,
		.images_dir = config->images_dir,
		.cgroup_parent = config->cgroup_parent,
		.uid_base = (uint32_t)config->uid_base,
		.only_policy = only,
		.without = manner->without,
	};

	*session = (struct session){.signal_fd = -1};
	if (geteuid() != 0)
		return error_set(err, EPERM, "usage", "cells are made by root (sudo cofferdam ...)");
	if (priority_prompt() < 0)
		return error_errno(err, "usage", "sched_setattr");
	session->signal_fd = cli_open_signals(err);
	if (session->signal_fd < 0)
		return session->signal_fd;
	if (manner->is_traced) {
		session->trace_fd = options.trace_fd = fd_memfd("trace", "", 0);
		if (options.trace_fd < 0)
			return error_set(err, -options.trace_fd, "trace", "memory file");
	}
	return sandbox_open(&options, &session->sandbox, err);
}

void session_close(struct session *session)
{
	session->sandbox = sandbox_close(session->sandbox);
	session->signal_fd = fd_close(session->signal_fd);
	if (session->trace_fd > 0)
		(void)close(session->trace_fd);
	session->trace_fd = 0;
	for (int step = 0; step < SANDBOX_STEP_N; step++)
		json_decref(session->traces[step]);
}

json_t *session_report(
	const struct session *session, enum sandbox_step step, const struct sandbox_result *result)
{
	json_t *json = report_result(result), *trace = session->traces[step];

	if (json == NULL || trace == NULL || json_object_update(json, trace) == 0)
		return json;
	json_decref(json);
	return NULL;
}

/* What the run that ended has left in the trace's file. */
static int take_notes(struct session *session, const struct sandbox_spec *spec, struct sandbox_error *err)
{
	const struct policy *policy = session_policy(session, spec->policy);
	const char *profile = policy->steps[spec->step].profile;

	return notes_take(session->trace_fd, profile, &session->traces[spec->step], err);
}

const struct policy *session_policy(const struct session *session, const char *name)
{
	return policy_find(sandbox_policies(session->sandbox), name);
}

struct sandbox_limits session_limits(const struct session *session, const struct sandbox_spec *spec)
{
	const struct policy *policy = session_policy(session, spec->policy);
	struct sandbox_limits limits = spec->limits;

	if (policy != NULL)
		(void)policy_limits(&policy->steps[spec->step], &limits, NULL);
	return limits;
}

/* --- one step ----------------------------------------------------------------------------------------------- */

struct course {
	struct session *session;
	struct sandbox_run *run; /* borrowed; NULL once it is over */
	struct sandbox_result *result;
	struct sandbox_error fault;
	struct stream in, out, err;
	int epoll; /* owned */
};

static void course_end(struct course *course)
{
	stream_close(&course->in);
	stream_close(&course->out);
	stream_close(&course->err);
	course->epoll = fd_close(course->epoll);
}

static void on_done(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	struct course *course = user;

	(void)run;
	course->run = NULL;
	stream_close(&course->in); /* nobody reads it any more */
	if (result != NULL)
		*course->result = *result;
	else
		course->fault = *error;
}

static int open_streams(struct course *course, const struct session_step *step, struct sandbox_spec *spec,
	struct sandbox_error *err)
{
	bool is_merged = stream_is_same(step->out, step->err);

	int r = stream_open_input(&course->in, step->in, err);
	if (r == 0)
		r = stream_open_output(&course->out, step->out, err);
	if (r == 0)
		r = stream_open_output(&course->err, is_merged ? -1 : step->err, err);
	spec->stdin_fd = course->in.cell_fd;
	spec->stdout_fd = course->out.cell_fd;
	spec->stderr_fd = is_merged ? course->out.cell_fd : course->err.cell_fd;
	return r;
}

static int watch(struct course *course, int fd, void *what, struct sandbox_error *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	if (epoll_ctl(course->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_errno(err, "loop", "watch");
	return 0;
}

static int start(struct course *course, const struct session_step *step, struct sandbox_error *err)
{
	struct session *session = course->session;
	struct sandbox_spec spec = step->spec;
	struct stream *streams[] = {&course->in, &course->out, &course->err};

	course->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (course->epoll < 0)
		return error_errno(err, "loop", "epoll");
	int r = watch(course, session->signal_fd, session, err);
	if (r == 0)
		r = watch(course, sandbox_fd(session->sandbox), session->sandbox, err);
	if (r == 0)
		r = open_streams(course, step, &spec, err);
	if (r == 0)
		r = sandbox_start(session->sandbox, &spec, on_done, course, &course->run, err);
	for (size_t i = 0; i < ARRAY_SIZE(streams) && r == 0; i++)
		r = stream_start(streams[i], course->epoll, err);
	return r;
}

/* The first signal ends the run, whose output so far is still passed on; one after that ends the passing on. */
static void on_signal(struct course *course)
{
	struct signalfd_siginfo info;

	if (read(course->session->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	course->session->caught = (int)info.ssi_signo;
	if (course->run != NULL) {
		sandbox_cancel(course->run);
		return;
	}
	stream_close(&course->out);
	stream_close(&course->err);
}

static int on_event(struct course *course, void *what, struct sandbox_error *err)
{
	struct session *session = course->session;

	if (what == session)
		on_signal(course);
	else if (what == session->sandbox)
		return sandbox_dispatch(session->sandbox, 0, err);
	else if (stream_is_open(what))
		return stream_move(what, course->epoll, err);
	return 0;
}

static bool is_over(const struct course *course)
{
	return course->run == NULL && !stream_is_open(&course->out) && !stream_is_open(&course->err);
}

static int loop(struct course *course, struct sandbox_error *err)
{
	struct epoll_event events[8];
	int r = 0;

	while (r == 0 && !is_over(course)) {
		int n = epoll_wait(course->epoll, events, ARRAY_SIZE(events), -1);
		if (n < 0 && errno != EINTR)
			return error_errno(err, "loop", "epoll_wait");
		for (int i = 0; r == 0 && i < n; i++)
			r = on_event(course, events[i].data.ptr, err);
	}
	return r;
}

int session_run(struct session *session, const struct session_step *step, struct sandbox_result *result,
	struct sandbox_error *err)
{
	_cleanup_free_ struct course *course = calloc(1, sizeof(*course));

	if (course == NULL)
		return error_set(err, ENOMEM, "loop", "no memory");
	course->session = session;
	course->result = result;
	course->epoll = -1;
	course->in.source = course->in.sink = -1;
	course->out.source = course->out.sink = course->err.source = course->err.sink = -1;
	int r = start(course, step, err);
	if (r == 0)
		r = loop(course, err);
	if (r < 0 && course->run != NULL) /* it reports to COURSE, which must still be there */
		session->sandbox = sandbox_close(session->sandbox);
	course_end(course);
	if (r == 0 && course->fault.errno_value != 0) {
		*err = course->fault;
		r = -course->fault.errno_value;
	}
	if (r == 0 && session->trace_fd > 0)
		r = take_notes(session, &step->spec, err);
	return r;
}
