/* supervise.c: `cofferdam supervise`: the privileged half alone: an engine behind a door. */
#include "sandbox/base/log.h"
#include "sandbox/base/ready.h"
#include "sandbox/cli/cli.h"

#include "sandbox/base/priority.h"
#include "sandbox/cli/confine.h"
#include "sandbox/door/server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct supervise_options {
	struct engine_config engine;
	const char *socket, *state_dir, *log_level;
	uint64_t service_uid, ready_fd, pool;
};

static const struct config_row rows[] = {
	{"STATE_DIR", CONFIG_STRING, offsetof(struct supervise_options, state_dir), 1, 4000,
		"/var/lib/cofferdam", "directory of the socket"},
	{"SOCKET", CONFIG_STRING, offsetof(struct supervise_options, socket), 1, 4000, NULL,
		"socket to listen on (default: STATE_DIR/supervisor.sock)"},
	{"SERVICE_UID", CONFIG_NUMBER, offsetof(struct supervise_options, service_uid), 1, 0xfffffffe,
		"1879048191", "user who may use the socket, besides root"},
	ENGINE_ROWS(supervise_options, engine),
	{"POOL", CONFIG_NUMBER, offsetof(struct supervise_options, pool), 0, 64, "4",
		"cells kept ready of each kind that was asked for"},
	{"LOG_LEVEL", CONFIG_STRING, offsetof(struct supervise_options, log_level), 1, 16, "info",
		"debug, info, warn or error"},
	{"ready-fd", CONFIG_NUMBER, offsetof(struct supervise_options, ready_fd), 3, 1023, NULL,
		"open descriptor that gets the line READY once requests are accepted"},
};

static const char usage[] = "cofferdam supervise [options]\n"
			    "Runs what the service asks for, until SIGTERM or SIGINT.\n";

/* What a shell or a service manager may have left open is none of a root process's business. */
static int close_inherited(unsigned keep, struct sandbox_error *err)
{
	int r = 0;

	if (keep > 3)
		r = close_range(3, keep - 1, 0);
	if (r == 0)
		r = close_range(keep < 3 ? 3 : keep + 1, ~0u, 0);
	if (r == 0 && keep >= 3)
		r = fcntl((int)keep, F_SETFD, FD_CLOEXEC);
	return r < 0 ? error_errno(err, "supervise.descriptors", "descriptor %u", keep) : 0;
}

/* Signals wait until the loop takes them, so that a stop during the start leaves nothing behind either. */
static int settle(const struct supervise_options *options, struct sandbox_error *err)
{
	struct rlimit files;
	sigset_t set;

	if (geteuid() != 0)
		return error_set(err, EPERM, "supervise.user", "cells are made by root");
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_errno(err, "supervise.signals", "sigprocmask");
	int r = close_inherited((unsigned)options->ready_fd, err);
	if (r < 0)
		return r;
	(void)umask(022);
	/* Limits are only as precise as it is woken. */
	if (priority_prompt() < 0)
		return error_errno(err, "supervise.priority", "sched_setattr");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, "supervise.dumpable", "prctl");
	/* A run takes up to 75 descriptors from its client and twenty of its own. */
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return error_errno(err, "supervise.limits", "RLIMIT_NOFILE");
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? error_errno(err, "supervise.limits", "RLIMIT_NOFILE")
						    : 0;
}

static int open_engine(
	const struct supervise_options *options, struct sandbox **ret, struct sandbox_error *err)
{
	const struct sandbox_options engine = {
		.policies_dir = options->engine.policies_dir,
		.images_dir = options->engine.images_dir,
		.cgroup_parent = options->engine.cgroup_parent,
		.uid_base = (uint32_t)options->engine.uid_base,
		.pool = (unsigned)options->pool,
	};

	return sandbox_open(&engine, ret, err);
}

static int open_door(const struct supervise_options *options, struct sandbox *sandbox, struct door **ret,
	struct sandbox_error *err)
{
	_cleanup_free_ char *standard = NULL;
	struct door_options door = {.uids = {0, (uid_t)options->service_uid}, .nuids = 2};

	if (asprintf(&standard, "%s/supervisor.sock", options->state_dir) < 0) {
		standard = NULL;
		return error_set(err, ENOMEM, "supervise.socket", "no memory");
	}
	door.path = options->socket ? options->socket : standard;
	int r = door_open(&door, sandbox, ret, err);
	if (r == 0)
		log_event(LOG_LEVEL_INFO, "supervisor.ready", "s:socket", door.path, "u:service_uid",
			options->service_uid, NULL);
	return r;
}

static int supervise(const struct supervise_options *options, struct sandbox_error *err)
{
	struct filter_program program = {0};
	struct sandbox *sandbox = NULL;
	struct door *door = NULL;

	int r = settle(options, err);
	if (r == 0)
		r = confine_supervisor(err);
	if (r == 0)
		r = confine_read(options->engine.policies_dir, "supervisor", &program, err);
	if (r == 0)
		r = open_engine(options, &sandbox, err);
	if (r == 0)
		r = open_door(options, sandbox, &door, err);
	if (r == 0)
		r = ready_announce(options->ready_fd ? (int)options->ready_fd : -1, "READY\n", err);
	/* Nobody has been heard yet; and what had to be started, runs. */
	if (r == 0)
		r = confine_enter(&program, err);
	if (r == 0)
		r = door_run(door, err);
	if (r == 0)
		log_event(LOG_LEVEL_INFO, "supervisor.stopping", NULL);
	/* The engine first: it reports the open runs as cancelled, through the door. */
	sandbox = sandbox_close(sandbox);
	door = door_close(door);
	filter_free(&program);
	return r;
}

int command_supervise(int argc, char *argv[])
{
	struct supervise_options options;
	struct sandbox_error err = {0};
	int next;

	int r = config_parse(rows, ARRAY_SIZE(rows), &options, argc, argv, usage, stdout, &next, &err);
	if (r == CONFIG_HELP)
		return 0;
	if (r == 0 && next < argc)
		r = error_set(&err, EINVAL, "usage", "unexpected argument: %.64s", argv[next]);
	if (r == 0)
		r = log_set_level_name(options.log_level, &err);
	if (r < 0)
		return cli_complain(&err);
	r = supervise(&options, &err);
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "supervisor.failed", "e:error", &err, NULL);
	return r < 0 ? EXIT_FAULT : 0;
}
