#include "sandbox/cli/child.h"

#include "sandbox/base/fd.h"
#include "sandbox/cli/cli.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum {
	WAIT_FIRST_MSEC = 100,
	WAIT_MAX_MSEC = 5000,
	LONG_LIFE_MSEC = 10000, /* who lived that long may be started anew without suspicion */
};

uint64_t child_now_msec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- in the child ------------------------------------------------------------------------------------------- */

static pid_t parent;

static int settle(int ready_fd, struct sandbox_error *err)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* Its own process group: Ctrl-C is for `serve`, which stops its children in their order. */
	if (null < 0 || setpgid(0, 0) < 0 || chdir("/") < 0)
		return error_errno(err, "child.start", "settle");
	if (dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return error_errno(err, "child.start", "standard streams");
	if (ready_fd != CHILD_READY_FD && dup2(ready_fd, CHILD_READY_FD) < 0)
		return error_errno(err, "child.start", "descriptor");
	if (fcntl(CHILD_READY_FD, F_SETFD, 0) < 0)
		return error_errno(err, "child.start", "descriptor");
	/* Linux 5.11. Everything of ours is O_CLOEXEC; this is for what we inherited. */
	if (close_range(CHILD_READY_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return error_errno(err, "child.start", "close_range");
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return error_errno(err, "child.start", "signals");
	(void)signal(SIGPIPE, SIG_DFL);
	(void)unsetenv("NOTIFY_SOCKET"); /* it is `serve` that systemd waits for */
	return 0;
}

int child_follow_parent(struct sandbox_error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return error_errno(err, "child.start", "parent death signal");
	if (getppid() != parent)
		return error_set(err, ESRCH, "child.start", "the parent is gone");
	return 0;
}

/* --- in the parent ------------------------------------------------------------------------------------------ */

int child_start(struct child *child, int (*become)(const void *user, struct sandbox_error *err),
	const void *user, struct sandbox_error *err)
{
	_cleanup_close_ int ready = -1, says_ready = -1;
	int pair[2];

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_errno(err, "child.start", "pipe");
	ready = pair[0];
	says_ready = pair[1];
	parent = getpid();
	pid_t pid = fork();
	if (pid < 0)
		return error_errno(err, "child.start", "fork");
	if (pid == 0) {
		struct sandbox_error fault = {0};
		int r = settle(says_ready, &fault);
		if (r == 0)
			(void)become(user, &fault);
		_exit(cli_complain(&fault));
	}
	/* Nobody else waits for it: PID is its own until we do. */
	child->pidfd = pidfd_open(pid, 0);
	if (child->pidfd < 0) {
		int r = error_errno(err, "child.start", "pidfd_open");
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	child->ready_fd = TAKE_FD(ready);
	child->started_msec = child_now_msec();
	return 0;
}

static int reap(struct child *child, int *status, struct sandbox_error *err)
{
	siginfo_t info = {0};
	int r;

	do
		r = waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return error_errno(err, "child.wait", "%s", child->name);
	*status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
	child->pidfd = fd_close(child->pidfd);
	child->ready_fd = fd_close(child->ready_fd);
	return 0;
}

int child_ended(struct child *child, int *status, struct sandbox_error *err)
{
	uint64_t now = child_now_msec();

	int r = reap(child, status, err);
	if (r < 0)
		return r;
	if (now - child->started_msec > LONG_LIFE_MSEC)
		child->wait_msec = 0;
	child->wait_msec = child->wait_msec == 0 ? WAIT_FIRST_MSEC : child->wait_msec * 2;
	if (child->wait_msec > WAIT_MAX_MSEC)
		child->wait_msec = WAIT_MAX_MSEC;
	child->start_msec = now + child->wait_msec;
	return 0;
}

bool child_is_ready(struct child *child, char *line, size_t size)
{
	static const char word[] = "READY";
	char text[256];
	ssize_t n = read(child->ready_fd, text, sizeof(text) - 1);

	child->ready_fd = fd_close(child->ready_fd);
	if (n < (ssize_t)sizeof(word) - 1 || memcmp(text, word, sizeof(word) - 1) != 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	const char *rest = text + sizeof(word) - 1;
	(void)snprintf(line, size, "%s", rest + strspn(rest, " "));
	child->has_been_ready = true;
	return true;
}

void child_stop(struct child *child)
{
	struct sandbox_error err = {0};
	int status;

	if (child->pidfd < 0)
		return;
	struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
	uint64_t deadline = child_now_msec() + (uint64_t)CHILD_STOP_SEC * 1000, now;
	int r = 0;

	(void)pidfd_send_signal(child->pidfd, SIGTERM, NULL, 0);
	while (r <= 0 && (now = child_now_msec()) < deadline)
		r = poll(&end, 1, (int)(deadline - now));
	if (r <= 0)
		(void)pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
	(void)reap(child, &status, &err);
}
