#include "tests/lib/service.h"

#include "sandbox/base/fd.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { READY_FD = 3, START_MSEC = 60 * 1000, ARGS = 24 };

void service_begin(struct test_service *service)
{
	*service = (struct test_service){.dir = "/tmp/cofferdam-test-XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(service->dir));
}

/* For the program at PATH, beside whose folder the tests are. */
static int set_clock(long ahead_sec, const char *path)
{
	char library[4096 + 32], seconds[32];
	const char *folder = strstr(path, "/bin/");

	if (folder == NULL)
		return -1;
	(void)snprintf(library, sizeof(library), "%.*s/tests/aws/clock.so", (int)(folder - path), path);
	(void)snprintf(seconds, sizeof(seconds), "%ld", ahead_sec);
	if (access(library, R_OK) < 0 || setenv("LD_PRELOAD", library, 1) < 0)
		return -1;
	return setenv("CLOCK_AHEAD_SEC", seconds, 1);
}

/* Its log goes to DIR/service.log, so that the TAP of this test stays clean. */
static void become(const struct test_service *service, const char *const argv[], int ready_fd)
{
	const char *dir = getenv("BIN_DIR");
	char path[4096], log[128];

	(void)snprintf(path, sizeof(path), "%s/cofferdam-service", dir != NULL ? dir : "build/debug/bin");
	(void)snprintf(log, sizeof(log), "%s/service.log", service->dir);
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (out < 0 || dup2(out, STDERR_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(99);
	if (dup2(ready_fd, READY_FD) < 0 || fcntl(READY_FD, F_SETFD, 0) < 0)
		_exit(99);
	if (service->ahead_sec != 0 && set_clock(service->ahead_sec, path) < 0)
		_exit(99);
	(void)execv(path, (char *const *)(uintptr_t)argv);
	_exit(98);
}

static void wait_ready(struct test_service *service, int ready_fd)
{
	_cleanup_free_ char *line = NULL;
	struct pollfd wait = {.fd = ready_fd, .events = POLLIN};
	size_t size;

	ck_assert_int_eq(poll(&wait, 1, START_MSEC), 1);
	ck_assert_int_eq(fd_read_all(ready_fd, sizeof(service->url), &line, &size), 0);
	ck_assert_msg(strncmp(line, "READY", 5) == 0, "the service did not start; see %s/service.log",
		service->dir);
	line[strcspn(line, "\n")] = '\0';
	(void)snprintf(service->url, sizeof(service->url), "%s", line[5] == ' ' ? line + 6 : "");
}

void service_start(
	struct test_service *service, const struct supervisor *supervisor, const char *const options[])
{
	char state[128], socket[256];
	const char *argv[ARGS] = {"cofferdam-service", "--port=0", "--ready-fd=3", state, socket};
	size_t n = 5;
	int pair[2];

	(void)snprintf(state, sizeof(state), "--state-dir=%s", service->dir);
	(void)snprintf(socket, sizeof(socket), "--socket=%s",
		supervisor ? supervisor->socket : "/tmp/cofferdam-none");
	for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
		ck_assert_uint_lt(n, ARGS - 1);
		argv[n++] = options[i];
	}
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	service->pid = fork();
	ck_assert_int_ge(service->pid, 0);
	if (service->pid == 0)
		become(service, argv, pair[1]);
	(void)close(pair[1]);
	wait_ready(service, pair[0]);
	(void)close(pair[0]);
}

static int end(struct test_service *service, int number)
{
	int status = 0;

	ck_assert_int_gt(service->pid, 0);
	ck_assert_int_eq(kill(service->pid, number), 0);
	ck_assert_int_eq(waitpid(service->pid, &status, 0), service->pid);
	service->pid = 0;
	return status;
}

void service_stop(struct test_service *service)
{
	int status = end(service, SIGTERM);

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		"the service ended with %#x; see %s/service.log", (unsigned)status, service->dir);
}

void service_kill(struct test_service *service)
{
	ck_assert_int_eq(end(service, SIGKILL), SIGKILL);
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
	if (service->pid > 0)
		service_stop(service);
	ck_assert_int_eq(nftw(service->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}
