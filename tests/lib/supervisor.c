#include "tests/lib/supervisor.h"

#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"
#include "tests/lib/cell_host.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

const char *supervisor_program(void)
{
	static char path[4096];
	const char *dir = getenv("BIN_DIR");

	(void)snprintf(path, sizeof(path), "%s/cofferdam", dir != NULL ? dir : "build/debug/bin");
	return path;
}

static void become(const struct supervisor *supervisor, int ready_fd)
{
	char *const argv[] = {strdup("cofferdam"), strdup("supervise"), strdup("--ready-fd=3"),
		supervisor->argument != NULL ? strdup(supervisor->argument) : NULL, NULL};

	/* LeakSanitizer's way is a process that traces this one, and the supervisor's filter has neither. What the engine
	 * leaks is found where it is in the tests' own process. */
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	(void)setenv("POLICIES_DIR", supervisor->policies, 1);
	(void)setenv("IMAGES_DIR", cell_images_dir(), 1);
	(void)setenv("STATE_DIR", supervisor->state_dir, 1);
	(void)unsetenv("SOCKET");
	(void)setenv(
		"POOL", "0", 0); /* so that what is left after a run is the run's; test_pool.c has others */
	if (dup2(ready_fd, 3) < 0 || fcntl(3, F_SETFD, 0) < 0)
		_exit(99);
	(void)execv(supervisor_program(), argv);
	_exit(98);
}

static pid_t spawn(const struct supervisor *supervisor, int *ret_ready)
{
	int pair[2];

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		become(supervisor, pair[1]);
	(void)close(pair[1]);
	*ret_ready = pair[0];
	return pid;
}

/* Its engine holds the slot by a descriptor of a directory "cofferdam-N". */
static int find_slot(pid_t pid, unsigned *ret_descriptors)
{
	char path[64], target[4096];
	int slot = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	*ret_descriptors = 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		++*ret_descriptors;
		target[n] = '\0';
		const char *at = strstr(target, "/cofferdam-");
		if (at != NULL && strstr(target, "/cgroup") != NULL)
			slot = (int)strtol(at + strlen("/cofferdam-"), NULL, 10);
	}
	(void)closedir(dir);
	return slot;
}

unsigned supervisor_descriptors(const struct supervisor *supervisor)
{
	unsigned n;

	(void)find_slot(supervisor->pid, &n);
	return n;
}

void supervisor_start(struct supervisor *supervisor)
{
	_cleanup_free_ char *word = NULL;
	unsigned descriptors;
	size_t size;
	int ready;

	supervisor->pid = spawn(supervisor, &ready);
	struct pollfd wait = {.fd = ready, .events = POLLIN};
	ck_assert_int_eq(poll(&wait, 1, CELL_PATIENCE_MSEC), 1);
	/* To its end: the supervisor has closed it, and its descriptors can be counted. */
	ck_assert_int_eq(fd_read_all(ready, 16, &word, &size), 0);
	(void)close(ready);
	ck_assert_msg(strcmp(word, "READY\n") == 0, "the supervisor did not start");
	supervisor->slot = find_slot(supervisor->pid, &descriptors);
	ck_assert_int_ge(supervisor->slot, 0);
}

void supervisor_open(struct supervisor *supervisor)
{
	supervisor->argument = NULL;
	(void)signal(SIGPIPE, SIG_IGN);
	cell_make_policies(supervisor->policies, sizeof(supervisor->policies));
	(void)snprintf(supervisor->state_dir, sizeof(supervisor->state_dir), "/tmp/cofferdam-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(supervisor->state_dir));
	ck_assert_int_eq(chmod(supervisor->state_dir, 0755), 0);
	(void)snprintf(
		supervisor->socket, sizeof(supervisor->socket), "%s/supervisor.sock", supervisor->state_dir);
	supervisor_start(supervisor);
}

static int reap(pid_t pid)
{
	int status = -1;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

void supervisor_close(struct supervisor *supervisor)
{
	(void)kill(supervisor->pid, SIGTERM);
	int status = reap(supervisor->pid);
	bool has_socket = access(supervisor->socket, F_OK) == 0;
	(void)unlink(supervisor->socket);
	(void)rmdir(supervisor->state_dir);
	cell_remove_policies(supervisor->policies);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the supervisor ended with %#x", status);
	ck_assert_msg(!has_socket, "the socket is still there");
	ck_assert_msg(host_slot_is_free(supervisor->slot), "the slot's cgroup is still there");
	ck_assert_uint_eq(host_slot_processes(supervisor->slot), 0);
}

void supervisor_kill(struct supervisor *supervisor)
{
	(void)kill(supervisor->pid, SIGKILL);
	ck_assert_int_eq(reap(supervisor->pid), SIGKILL);
}

int supervisor_try(const struct supervisor *supervisor)
{
	int ready;
	pid_t pid = spawn(supervisor, &ready);

	(void)close(ready);
	int status = reap(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
