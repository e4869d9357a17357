/* Killing by what a group lists, and emptying what a dead engine left behind.
 *
 * A number in cgroup.procs is only a hint: by the time it is used it may belong to somebody else. So a process is
 * first pinned with a pidfd, then the list is read again: a process that is pinned and still listed is in the group,
 * and the pidfd cannot come to mean another. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>

enum { BATCH = 64, DEPTH_MAX = 8, PROCS_MAX = 1024 * 1024, PAUSE_NSEC = 500 * 1000 };

uint64_t cgroup_now_nsec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The text of cgroup.procs, owned by the caller; NULL when it cannot be read. The file is opened each time: v1 tells who reads
 * an open one again what it told before, for a second. */
static char *read_procs(int dir)
{
	size_t size;
	char *text = NULL;
	_cleanup_close_ int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && fd_read_all(fd, PROCS_MAX, &text, &size) == 0 ? text : NULL;
}

struct pinned {
	pid_t pid;
	int fd; /* owned */
};

/* Pins the next processes of *LIST, which it moves on. 0 stands for a process of another PID namespace: it cannot be ours. */
static size_t pin(const char **list, struct pinned ret[BATCH])
{
	size_t n = 0;

	while (**list != '\0' && n < BATCH) {
		char *end;
		pid_t pid = (pid_t)strtol(*list, &end, 10);
		if (end == *list)
			break;
		*list = end + strspn(end, "\n");
		if (pid <= 0 || pid == getpid())
			continue;
		int fd = pidfd_open(pid, 0);
		if (fd >= 0)
			ret[n++] = (struct pinned){.pid = pid, .fd = fd};
	}
	return n;
}

static bool is_listed(const char *list, pid_t pid)
{
	char word[24];
	size_t size = (size_t)snprintf(word, sizeof(word), "%d\n", (int)pid);

	for (const char *at = list; (at = strstr(at, word)) != NULL; at += size)
		if (at == list || at[-1] == '\n')
			return true;
	return false;
}

int cgroup_kill_listed(int dir)
{
	struct pinned pins[BATCH];
	size_t n, all = 0;

	_cleanup_free_ char *before = read_procs(dir);
	if (before == NULL)
		return -EIO;
	for (const char *list = before; (n = pin(&list, pins)) > 0; all += n) {
		_cleanup_free_ char *after = read_procs(dir);
		for (size_t i = 0; i < n; i++) {
			if (after != NULL && is_listed(after, pins[i].pid))
				(void)pidfd_send_signal(pins[i].fd, SIGKILL, NULL, 0);
			(void)fd_close(pins[i].fd);
		}
		if (after == NULL)
			return -EIO;
	}
	return (int)all;
}

/* One round over the processes directly in DIR. Returns how many were listed, or a negative errno. */
static int kill_round(int dir)
{
	/* Linux 5.14: the kernel kills the whole subtree at once. Fallback: pidfds (v1 always). */
	(void)fd_write_file(dir, "cgroup.kill", "1");
	return cgroup_kill_listed(dir);
}

static int pause_before(uint64_t deadline_nsec)
{
	if (cgroup_now_nsec() >= deadline_nsec)
		return -EBUSY;
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = PAUSE_NSEC}, NULL);
	return 0;
}

static int kill_all(int dir, uint64_t deadline_nsec)
{
	for (;;) {
		int n = kill_round(dir);
		if (n <= 0)
			return n;
		int r = pause_before(deadline_nsec);
		if (r < 0)
			return r;
	}
}

/* rmdir, again while processes are still on their way out. */
static int remove_group(int parent, const char *name, uint64_t deadline_nsec)
{
	while (unlinkat(parent, name, AT_REMOVEDIR) < 0) {
		if (errno == ENOENT)
			break;
		if (errno != EBUSY)
			return -errno;
		int r = pause_before(deadline_nsec);
		if (r < 0)
			return r;
	}
	return 0;
}

static int sweep(int dir, uint64_t deadline_nsec, int depth);

static int sweep_child(int dir, const char *name, uint64_t deadline_nsec, int depth)
{
	_cleanup_close_ int child = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0)
		return errno == ENOENT ? 0 : -errno;
	int r = sweep(child, deadline_nsec, depth + 1);
	return r < 0 ? r : remove_group(dir, name, deadline_nsec);
}

static int sweep(int dir, uint64_t deadline_nsec, int depth)
{
	if (depth > DEPTH_MAX)
		return -ELOOP;
	int result = kill_all(dir, deadline_nsec);
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	if (entries == NULL) {
		int r = -errno;
		(void)fd_close(fd);
		return r;
	}
	for (struct dirent *entry; errno = 0, (entry = readdir(entries)) != NULL;) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		/* One that resists does not keep the others. */
		int r = sweep_child(dir, entry->d_name, deadline_nsec, depth);
		result = result < 0 ? result : r;
	}
	result = result < 0 ? result : -errno; /* 0: there is no more, and no error */
	(void)closedir(entries);
	return result;
}

int cgroup_sweep(int dir, uint64_t deadline_nsec)
{
	return sweep(dir, deadline_nsec, 0);
}
