#include "tests/lib/service.h"

#include "sandbox/base/fd.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { READY_FD = 3, START_MSEC = 60 * 1000, ARGS = 24 };

static const char *binary(const char *name, char *buf, size_t size)
{
	const char *dir = getenv("BIN_DIR");

	ck_assert_msg(dir != NULL, "BIN_DIR is not set; `make test` sets it");
	(void)snprintf(buf, size, "%s/%s", dir, name);
	return buf;
}

void service_begin(struct test_service *service)
{
	*service = (struct test_service){.dir = "/tmp/cofferdam-test-XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(service->dir));
	ck_assert_int_eq(chmod(service->dir, 0755), 0);
}

/* Its own log goes to DIR/NAME.log, so that the TAP of this test stays clean. */
static pid_t spawn(const struct test_service *service, const char *name, const char *const argv[], int ready)
{
	char path[4096], log[128];

	(void)binary(argv[0], path, sizeof(path));
	(void)snprintf(log, sizeof(log), "%s/%s.log", service->dir, name);
	pid_t parent = getpid();
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (out < 0 || dup2(out, STDERR_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
		dup2(ready, READY_FD) < 0 || fcntl(READY_FD, F_SETFD, 0) < 0)
		_exit(127);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	execv(path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* Runs argv and waits for the line that it writes into READY_FD: "" when it ended without one. */
static pid_t start(const struct test_service *service, const char *name, const char *const argv[], char *line,
	size_t size)
{
	int pair[2];

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	pid_t pid = spawn(service, name, argv, pair[1]);
	(void)close(pair[1]);
	struct pollfd ready = {.fd = pair[0], .events = POLLIN};
	ck_assert_msg(poll(&ready, 1, START_MSEC) == 1, "%s does not get ready", name);
	ssize_t n = read(pair[0], line, size - 1);
	ck_assert_int_ge(n, 0);
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	(void)close(pair[0]);
	return pid;
}

void service_start(struct test_service *service, const char *const options[])
{
	char state[128], line[128];
	const char *argv[ARGS] = {"cofferdam-service", "--port=0", "--ready-fd=3", state};
	size_t n = 4;

	(void)snprintf(state, sizeof(state), "--state-dir=%s", service->dir);
	for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
		ck_assert_uint_lt(n, ARGS - 1);
		argv[n++] = options[i];
	}
	service->service = start(service, "service", argv, line, sizeof(line));
	ck_assert_msg(strncmp(line, "READY", 5) == 0, "cofferdam-service did not start; see %s/service.log",
		service->dir);
	(void)snprintf(service->url, sizeof(service->url), "%s", line[5] == ' ' ? line + 6 : "");
}

static int stop(pid_t *pid)
{
	int status = 0;

	ck_assert_int_gt(*pid, 0);
	ck_assert_int_eq(kill(*pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(*pid, &status, 0), *pid);
	*pid = 0;
	return status;
}

void service_stop(struct test_service *service)
{
	int status = stop(&service->service);

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		"cofferdam-service ended with status %#x; see %s", (unsigned)status, service->dir);
}

bool service_start_supervisor(struct test_service *service)
{
	char state[128], line[128];
	const char *argv[] = {"cofferdam", "supervise", "--ready-fd=3", state, NULL};

	if (geteuid() != 0)
		return false;
	(void)snprintf(state, sizeof(state), "--state-dir=%s", service->dir);
	service->supervisor = start(service, "supervisor", argv, line, sizeof(line));
	ck_assert_msg(strncmp(line, "READY", 5) == 0,
		"cofferdam supervise did not start; see %s/supervisor.log", service->dir);
	return true;
}

void service_stop_supervisor(struct test_service *service)
{
	(void)stop(&service->supervisor);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void service_end(struct test_service *service)
{
	if (service->service > 0)
		service_stop(service);
	if (service->supervisor > 0)
		service_stop_supervisor(service);
	ck_assert_int_eq(nftw(service->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}
