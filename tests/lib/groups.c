#include "tests/lib/groups.h"

#include "sandbox/base/fd.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct sandbox_error group_err;

struct cgroup_host *group_host(void)
{
	struct cgroup_host *host = NULL;

	GROUP_OK(cgroup_host_open(NULL, &host, &group_err));
	return host;
}

struct cgroup *group_make(struct cgroup_host *host, const char *name)
{
	struct cgroup *cgroup = NULL;

	GROUP_OK(cgroup_create(host, name, &cgroup, &group_err));
	return cgroup;
}

void group_limit(struct cgroup *cgroup, uint64_t memory_bytes, uint64_t processes, uint64_t cpu_millis)
{
	struct sandbox_limits limits = {
		.memory_bytes = memory_bytes, .processes = processes, .cpu_millis = cpu_millis};

	GROUP_OK(cgroup_set(cgroup, &limits, &group_err));
}

void group_where(enum cgroup_controller controller, struct cgroup_where *ret)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];

	GROUP_OK(cgroup_probe(NULL, where, &group_err));
	*ret = where[controller];
}

void group_path(const struct cgroup_host *host, enum cgroup_controller controller, const char *name,
	char *path, size_t size)
{
	struct cgroup_where where;

	group_where(controller, &where);
	(void)snprintf(
		path, size, "%s/%s/cofferdam-%u/%s", where.mount, where.parent, cgroup_host_slot(host), name);
}

void group_value(
	const struct cgroup_host *host, enum cgroup_controller controller, const char *name, char text[256])
{
	char path[2048];

	group_path(host, controller, name, path, sizeof(path));
	ck_assert_msg(fd_read_file(AT_FDCWD, path, text, 256) >= 0, "%s", path);
}

pid_t group_fork(const struct cgroup *cgroup)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup_into_fd(cgroup),
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void join(const struct cgroup *cgroup)
{
	int fds[CGROUP_CONTROLLER_N];
	size_t n = cgroup_join_fds(cgroup, fds);

	for (size_t i = 0; i < n; i++)
		if (write(fds[i], "0", 1) != 1)
			_exit(99);
}

pid_t group_spawn(const struct cgroup *cgroup, int (*body)(void))
{
	int joined[2];
	char nothing;

	ck_assert_int_eq(pipe2(joined, O_CLOEXEC), 0);
	pid_t pid = cgroup_into_fd(cgroup) >= 0 ? group_fork(cgroup) : fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		join(cgroup);
		(void)close_range(3, ~0U, 0);
		_exit(body());
	}
	(void)close(joined[1]);
	ck_assert_int_eq(read(joined[0], &nothing, 1), 0);
	(void)close(joined[0]);
	return pid;
}

int group_wait(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

void group_destroy(struct cgroup *cgroup)
{
	while (cgroup_destroy(cgroup) == CGROUP_BUSY)
		(void)usleep(1000);
}

int group_sleep(void)
{
	for (;;)
		(void)pause();
}
