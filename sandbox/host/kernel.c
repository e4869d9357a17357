/* What the kernel can do, by doing it. */
#include "sandbox/base/fd.h"
#include "sandbox/host/internal.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

static enum host_status probe_version(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	struct utsname name;

	if (uname(&name) < 0)
		return host_failed(ret, "uname");
	/* The profiles' architecture handling is written for it. */
	bool is_x86_64 = strcmp(name.machine, "x86_64") == 0;
	return host_say(ret, is_x86_64 ? HOST_OK : HOST_MISSING, "%.60s %.60s on %.40s", name.sysname,
		name.release, name.machine);
}

/* clone3 with a pidfd, wait for it, all without a numeric pid. */
static enum host_status probe_clone3(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	int pidfd = -1;
	siginfo_t info;
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};

	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return host_failed(ret, "clone3 with CLONE_PIDFD and CLONE_CLEAR_SIGHAND");
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		return host_failed(ret, "waitid with P_PIDFD");
	return host_say(ret, HOST_OK, "clone3 gives a pidfd");
}

static enum host_status probe_pidfd(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	_cleanup_close_ int fd = pidfd_open(getpid(), 0);

	if (fd < 0)
		return host_failed(ret, "pidfd_open");
	if (pidfd_send_signal(fd, 0, NULL, 0) < 0)
		return host_failed(ret, "pidfd_send_signal");
	return host_say(ret, HOST_OK, "pidfd_open, pidfd_send_signal");
}

static enum host_status probe_openat2(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	if (syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how)) < 0)
		return host_failed(ret, "openat2");
	return host_say(ret, HOST_OK, "openat2 resolves beneath a directory");
}

static enum host_status probe_close_range(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;

	/* An empty range far beyond any descriptor. */
	if (close_range(~0U - 1, ~0U, 0) < 0)
		return host_failed(ret, "close_range");
	return host_say(ret, HOST_OK, "close_range");
}

static enum host_status probe_seccomp(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	static const struct {
		uint32_t action;
		const char *name;
	} actions[] = {
		{SECCOMP_RET_KILL_PROCESS, "kill_process"},
		{SECCOMP_RET_ERRNO, "errno"},
		{SECCOMP_RET_USER_NOTIF, "user_notif"},
		{SECCOMP_RET_ALLOW, "allow"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i].action) < 0)
			return host_failed(ret, actions[i].name);
	return host_say(ret, HOST_OK, "kill_process, errno and user_notif are available");
}

/* Installs a filter that allows everything, with a listener: what every target gets. */
static enum host_status probe_listener(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	struct seccomp_notif_sizes sizes;
	struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {.len = ARRAY_SIZE(allow), .filter = allow};

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return host_failed(ret, "SECCOMP_GET_NOTIF_SIZES");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return host_failed(ret, "PR_SET_NO_NEW_PRIVS");
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (fd < 0 && errno == EBUSY)
		host_advise(ret,
			"a filter above has a listener already: run outside of that sandbox or container");
	if (fd < 0)
		return host_failed(ret, "filter with a listener");
	(void)fd_close((int)fd);
	return host_say(ret, HOST_OK, "a filter with a listener can be installed");
}

const struct host_row host_kernel_rows[] = {
	{.name = "kernel.version",
		.probe = probe_version,
		.remedy = "use a machine of the architecture x86_64"},
	{.name = "kernel.clone3", .probe = probe_clone3, .remedy = "a kernel of 5.5 or later"},
	{.name = "kernel.pidfd", .probe = probe_pidfd, .remedy = "a kernel of 5.3 or later"},
	{.name = "kernel.openat2", .probe = probe_openat2, .remedy = "a kernel of 5.6 or later"},
	{.name = "kernel.close-range", .probe = probe_close_range, .remedy = "a kernel of 5.9 or later"},
	{.name = "seccomp.filter",
		.probe = probe_seccomp,
		.remedy = "a kernel of 5.0 or later with CONFIG_SECCOMP_FILTER"},
	{.name = "seccomp.notify",
		.probe = probe_listener,
		.remedy = "a kernel of 5.0 or later with CONFIG_SECCOMP_FILTER"},
	{0},
};
