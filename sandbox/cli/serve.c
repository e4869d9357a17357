/* serve.c: `cofferdam serve`: both halves under one small parent.
 *
 * The supervisor stays root. The service gets its own user, no group, no capability, no_new_privs. Each says when it is
 * ready; the service is started when the supervisor is. A child that ends later is started again, after a growing pause;
 * one that never became ready ends everything, for then a person is looking. If the parent is killed, the children
 * follow it. On SIGTERM or SIGINT the service is stopped first, then the supervisor. */
#include "sandbox/base/log.h"
#include "sandbox/base/ready.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/cli/child.h"
#include "sandbox/cli/cli.h"
#include "sandbox/cli/service.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct serve_options {
	struct engine_config engine;
	const char *socket, *state_dir, *log_level;
	uint64_t service_uid, pool;
};

/* The paths of serve_options, made absolute and free of links: the children work in "/". All owned. */
struct paths {
	char *state_dir, *policies_dir, *images_dir, *socket_dir, *socket;
};

static const struct config_row rows[] = {
	{"STATE_DIR", CONFIG_STRING, offsetof(struct serve_options, state_dir), 1, 4000, "/var/lib/cofferdam",
		"directory of the socket and, in STATE_DIR/service, of jobs and outputs"},
	{"SOCKET", CONFIG_STRING, offsetof(struct serve_options, socket), 1, 107, NULL,
		"the supervisor's socket (default: STATE_DIR/supervisor.sock)"},
	{"SERVICE_UID", CONFIG_NUMBER, offsetof(struct serve_options, service_uid), 1, 0xfffffffe,
		"1879048191", "user (and group) id that the service runs as"},
	ENGINE_ROWS(serve_options, engine),
	{"POOL", CONFIG_NUMBER, offsetof(struct serve_options, pool), 0, 64, "4",
		"cells kept ready of each kind that was asked for"},
	{"LOG_LEVEL", CONFIG_STRING, offsetof(struct serve_options, log_level), 1, 16, "info",
		"debug, info, warn or error"},
};

static const char usage[] =
	"cofferdam serve [options] [options of cofferdam-service]\n"
	"Starts supervisor and service, and prints the service's address when it is ready.\n"
	"'cofferdam-service --help' lists the options that are passed on to it (--port, --workers ...).\n";

enum { SUPERVISOR, SERVICE, CHILD_N };

struct serve {
	const struct serve_options *options;
	struct child children[CHILD_N];
	struct service_start service;
	int signal_fd; /* owned */
	bool is_stopping;
};

/* --- before the children ------------------------------------------------------------------------------------ */

/* The children read the same table from the environment: what we were told becomes that. */
static int publish(const struct serve_options *options, struct sandbox_error *err)
{
	char uid_base[24], service_uid[24], pool[24];
	const struct {
		const char *name, *value;
	} values[] = {
		{"STATE_DIR", options->state_dir},
		{"SOCKET", options->socket},
		{"POLICIES_DIR", options->engine.policies_dir},
		{"IMAGES_DIR", options->engine.images_dir},
		{"CGROUP_PARENT", options->engine.cgroup_parent},
		{"UID_BASE", uid_base},
		{"SERVICE_UID", service_uid},
		{"POOL", pool},
		{"LOG_LEVEL", options->log_level},
	};

	(void)snprintf(uid_base, sizeof(uid_base), "%llu", (unsigned long long)options->engine.uid_base);
	(void)snprintf(service_uid, sizeof(service_uid), "%llu", (unsigned long long)options->service_uid);
	(void)snprintf(pool, sizeof(pool), "%llu", (unsigned long long)options->pool);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (values[i].value != NULL && setenv(values[i].name, values[i].value, 1) < 0)
			return error_errno(err, "serve.environment", "%s", values[i].name);
	return 0;
}

/* STATE_DIR is root's, STATE_DIR/service the service's. */
static int make_directories(const struct serve_options *options, struct sandbox_error *err)
{
	uid_t uid = (uid_t)options->service_uid;

	if (mkdir(options->state_dir, 0755) < 0 && errno != EEXIST)
		return error_errno(err, "serve.state", "make %.200s", options->state_dir);
	_cleanup_close_ int dir = open(options->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_errno(err, "serve.state", "%.200s", options->state_dir);
	if (mkdirat(dir, "service", 0700) < 0 && errno != EEXIST)
		return error_errno(err, "serve.state", "make %.200s/service", options->state_dir);
	/* Never through a link that the service put there. */
	_cleanup_close_ int own = openat(dir, "service", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (own < 0 || fchown(own, uid, uid) < 0 || fchmod(own, 0700) < 0)
		return error_errno(err, "serve.state", "%.200s/service", options->state_dir);
	return 0;
}

static int resolve(const char *path, char **ret, struct sandbox_error *err)
{
	*ret = realpath(path, NULL);
	return *ret == NULL ? error_errno(err, "serve.path", "%.200s", path) : 0;
}

static int resolve_socket(const struct serve_options *options, struct paths *paths, struct sandbox_error *err)
{
	const char *given = options->socket ? options->socket : "supervisor.sock";
	const char *slash = strrchr(given, '/');
	_cleanup_free_ char *parent = NULL;
	int r = 0;

	if (options->socket == NULL)
		r = resolve(paths->state_dir, &paths->socket_dir, err);
	else if (slash == NULL)
		r = resolve(".", &paths->socket_dir, err);
	else if ((parent = strndup(given, (size_t)(slash - given) + 1)) == NULL)
		return error_set(err, ENOMEM, "serve.path", "no memory");
	else
		r = resolve(parent, &paths->socket_dir, err);
	if (r == 0 && asprintf(&paths->socket, "%s/%s", paths->socket_dir, slash ? slash + 1 : given) < 0) {
		paths->socket = NULL;
		return error_set(err, ENOMEM, "serve.path", "no memory");
	}
	return r;
}

static int resolve_all(struct serve_options *options, struct paths *paths, struct sandbox_error *err)
{
	int r = resolve(options->state_dir, &paths->state_dir, err);
	if (r == 0)
		r = resolve(options->engine.policies_dir, &paths->policies_dir, err);
	if (r == 0)
		r = resolve(options->engine.images_dir, &paths->images_dir, err);
	if (r == 0)
		r = resolve_socket(options, paths, err);
	if (r < 0)
		return r;
	options->state_dir = paths->state_dir;
	options->engine.policies_dir = paths->policies_dir;
	options->engine.images_dir = paths->images_dir;
	options->socket = paths->socket;
	return 0;
}

static void free_paths(struct paths *paths)
{
	free(paths->state_dir);
	free(paths->policies_dir);
	free(paths->images_dir);
	free(paths->socket_dir);
	free(paths->socket);
}

static int open_signals(struct serve *serve, struct sandbox_error *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_errno(err, "serve.signals", "sigprocmask");
	serve->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return serve->signal_fd < 0 ? error_errno(err, "serve.signals", "signalfd") : 0;
}

/* --- the children ------------------------------------------------------------------------------------------- */

static int become_supervisor(const void *user, struct sandbox_error *err)
{
	static char name[] = "cofferdam", command[] = "supervise", option[] = "--ready-fd", fd[] = "3";
	char *const argv[] = {name, command, option, fd, NULL};

	(void)user;
	_Static_assert(CHILD_READY_FD == 3, "as in FD");
	int r = child_follow_parent(err);
	if (r < 0)
		return r;
	(void)execve("/proc/self/exe", argv, environ);
	return error_errno(err, "serve.supervisor", "exec");
}

static int start_due(struct serve *serve, struct sandbox_error *err)
{
	uint64_t now = child_now_msec();
	struct child *supervisor = &serve->children[SUPERVISOR], *service = &serve->children[SERVICE];
	int r = 0;

	if (supervisor->pidfd < 0 && supervisor->start_msec <= now)
		r = child_start(supervisor, become_supervisor, NULL, err);
	if (r == 0 && supervisor->has_been_ready && service->pidfd < 0 && service->start_msec <= now)
		r = child_start(service, service_become, &serve->service, err);
	return r;
}

static int wait_msec(const struct serve *serve)
{
	uint64_t now = child_now_msec();
	int wait = -1;

	for (size_t i = 0; i < CHILD_N; i++) {
		const struct child *child = &serve->children[i];
		if (child->pidfd >= 0 || (i == SERVICE && !serve->children[SUPERVISOR].has_been_ready))
			continue;
		int due = child->start_msec > now ? (int)(child->start_msec - now) : 0;
		if (wait < 0 || due < wait)
			wait = due;
	}
	return wait;
}

static int on_end(struct child *child, struct sandbox_error *err)
{
	int status = 0;

	int r = child_ended(child, &status, err);
	if (r < 0)
		return r;
	if (!child->has_been_ready)
		return error_set(err, ECHILD, "serve.start", "the %s did not start (%s %d)", child->name,
			WIFEXITED(status) ? "exit status" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	log_event(LOG_LEVEL_WARN, "serve.restart", "s:child", child->name, "i:exit_status",
		(int64_t)(WIFEXITED(status) ? WEXITSTATUS(status) : -1), "i:signal",
		(int64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : 0), "u:wait_msec", child->wait_msec, NULL);
	return 0;
}

/* The line that people and scripts wait for comes once; after a restart the address is the same. */
static int on_ready(struct serve *serve, struct child *child, struct sandbox_error *err)
{
	bool was_ready = child->has_been_ready;
	char line[256];

	if (!child_is_ready(child, line, sizeof(line)) || was_ready || child != &serve->children[SERVICE])
		return 0;
	(void)printf("%s\n", line[0] != '\0' ? line : "ready");
	(void)fflush(stdout);
	return ready_announce(-1, "", err);
}

static void on_signal(struct serve *serve)
{
	struct signalfd_siginfo info;

	if (read(serve->signal_fd, &info, sizeof(info)) == sizeof(info))
		serve->is_stopping = true;
}

static int turn(struct serve *serve, struct sandbox_error *err)
{
	/* Entry 2i + 1: the end of child i; 2i + 2: its word. poll passes over negative descriptors. */
	struct pollfd fds[1 + 2 * CHILD_N] = {{.fd = serve->signal_fd, .events = POLLIN}};

	for (size_t i = 0; i < CHILD_N; i++) {
		fds[2 * i + 1] = (struct pollfd){serve->children[i].pidfd, POLLIN, 0};
		fds[2 * i + 2] = (struct pollfd){serve->children[i].ready_fd, POLLIN, 0};
	}
	if (poll(fds, ARRAY_SIZE(fds), wait_msec(serve)) < 0)
		return errno == EINTR ? 0 : error_errno(err, "serve.loop", "poll");
	if (fds[0].revents != 0)
		on_signal(serve);
	for (size_t i = 0; i < CHILD_N; i++) {
		int r = 0;
		if (fds[2 * i + 2].revents != 0)
			r = on_ready(serve, &serve->children[i], err);
		if (r == 0 && fds[2 * i + 1].revents != 0 && !serve->is_stopping)
			r = on_end(&serve->children[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A supervisor that had to be killed leaves its socket. */
static void remove_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
}

static int serve_until_stopped(struct serve *serve, struct sandbox_error *err)
{
	int r = 0;

	while (r == 0 && !serve->is_stopping) {
		r = start_due(serve, err);
		if (r == 0)
			r = turn(serve, err);
	}
	bool has_supervisor = serve->children[SUPERVISOR].pidfd >= 0;
	child_stop(&serve->children[SERVICE]);
	child_stop(&serve->children[SUPERVISOR]);
	if (has_supervisor)
		remove_socket(serve->options->socket);
	return r;
}

/* --- the command -------------------------------------------------------------------------------------------- */

static int serve(struct serve_options *options, char **service_options, struct sandbox_error *err)
{
	__attribute__((cleanup(free_paths))) struct paths paths = {NULL};
	struct serve serve = {
		.options = options,
		.children = {CHILD_INIT("supervisor"), CHILD_INIT("service")},
		.service = {.program_fd = -1, .options = service_options, .uid = (uid_t)options->service_uid},
		.signal_fd = -1,
	};

	if (geteuid() != 0)
		return error_set(err, EPERM, "usage", "serve is started by root (sudo cofferdam serve)");
	int r = open_signals(&serve, err);
	/* While it is alone: the supervisor finds its group empty. */
	if (r == 0)
		r = cgroup_step_aside(options->engine.cgroup_parent, err);
	if (r == 0)
		r = make_directories(options, err);
	if (r == 0)
		r = resolve_all(options, &paths, err);
	if (r == 0)
		r = publish(options, err);
	if (r == 0)
		r = service_find(&serve.service, err);
	serve.service.state_dir = paths.state_dir;
	serve.service.policies_dir = paths.policies_dir;
	serve.service.images_dir = paths.images_dir;
	serve.service.socket_dir = paths.socket_dir;
	if (r == 0)
		r = serve_until_stopped(&serve, err);
	(void)fd_close(serve.signal_fd);
	(void)fd_close(serve.service.program_fd);
	return r;
}

static int serve_words(struct cli_words *words)
{
	struct serve_options options;
	struct sandbox_error err = {0};
	int next;

	int r = config_parse(rows, ARRAY_SIZE(rows), &options, words->noptions, words->options, usage, stdout,
		&next, &err);
	if (r == CONFIG_HELP)
		return 0;
	if (r == 0 && words->nrest > 0)
		r = error_set(&err, EINVAL, "usage", "unexpected argument: %.64s", words->rest[0]);
	if (r == 0)
		r = log_set_level_name(options.log_level, &err);
	if (r == 0)
		r = serve(&options, words->words, &err);
	return r < 0 ? cli_complain(&err) : 0;
}

int command_serve(int argc, char *argv[])
{
	struct cli_words words;

	if (cli_split(rows, ARRAY_SIZE(rows), argc, argv, &words) < 0)
		return cli_complain(&(struct sandbox_error){ENOMEM, "usage", "no memory"});
	int r = serve_words(&words);
	cli_words_free(&words);
	return r;
}
