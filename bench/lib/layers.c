#include "bench/lib/layers.h"

#include "sandbox/base/fd.h"

#include <err.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static bool has(const struct layers_run *run, enum layer layer)
{
	return (run->layers & 1U << layer) != 0;
}

/* --- in the process, one step after the other; each ends the process when it fails ------------------------------ */

static void must(bool is_done, const char *what)
{
	if (!is_done)
		err(1, "%s", what);
}

/* PROC: the process's own directory, opened while there was a procfs. */
static void enter_user_namespace(int proc)
{
	must(unshare(CLONE_NEWUSER) == 0, "user namespace");
	must(fd_write_file(proc, "setgroups", "deny") == 0, "setgroups");
	must(fd_write_file(proc, "gid_map", "0 0 1") == 0, "gid_map");
	must(fd_write_file(proc, "uid_map", "0 0 1") == 0, "uid_map");
}

static void enter_image(const char *image)
{
	must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
	must(mount(image, image, NULL, MS_BIND, NULL) == 0 && chdir(image) == 0, "image");
	must(mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m") == 0, "tmpfs");
	must(syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0, "pivot_root");
	must(chdir("/tmp") == 0, "/tmp");
}

static void set_limits(void)
{
	static const int resources[] = {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_STACK, RLIMIT_NPROC,
		RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_SIGPENDING,
		RLIMIT_LOCKS};
	struct rlimit limit;

	for (size_t i = 0; i < ARRAY_SIZE(resources); i++)
		must(getrlimit(resources[i], &limit) == 0 && setrlimit(resources[i], &limit) == 0, "rlimits");
}

static void grant(int ruleset, int at, uint64_t rights)
{
	const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = at};

	must(at >= 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0,
		"Landlock rule");
}

/* Everything may be read and executed, and changed where it works. */
static void enter_landlock(int payload_fd)
{
	const uint64_t execute = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
	_cleanup_close_ int root = open("/", O_PATH | O_CLOEXEC), here = open(".", O_PATH | O_CLOEXEC);
	const struct landlock_ruleset_attr attributes = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
	_cleanup_close_ int ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);

	must(ruleset >= 0, "Landlock ruleset");
	grant(ruleset, root, execute | LANDLOCK_ACCESS_FS_READ_DIR);
	grant(ruleset, here, attributes.handled_access_fs);
	grant(ruleset, payload_fd, execute);
	must(syscall(SYS_landlock_restrict_self, ruleset, 0) == 0, "Landlock");
}

static void join(const struct cgroup *group)
{
	int fds[CGROUP_CONTROLLER_N];
	size_t n = cgroup_join_fds(group, fds);

	for (size_t i = 0; i < n; i++)
		must(write(fds[i], "0", 1) == 1, "join the group");
	must(unshare(CLONE_NEWCGROUP) == 0, "cgroup namespace");
}

static _Noreturn void become(const struct layers_run *run, const struct cgroup *group, int out)
{
	char *const argv[] = {
		(char[]){"payload"}, (char *)(uintptr_t)run->name, (char *)(uintptr_t)run->count, NULL};

	_cleanup_close_ int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	must(dup2(out, 1) == 1, "output");
	must(chdir(run->directory) == 0, run->directory);
	if (group != NULL)
		join(group);
	if (has(run, LAYER_IMAGE))
		enter_image(run->image);
	if (has(run, LAYER_RLIMITS))
		set_limits();
	if (has(run, LAYER_USER))
		enter_user_namespace(proc);
	if (has(run, LAYER_SPECULATION))
		must(layers_restrain_speculation(&run->offered, NULL) == 0, "speculation");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	if (has(run, LAYER_LANDLOCK))
		enter_landlock(run->payload_fd);
	if (has(run, LAYER_SECCOMP))
		must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &run->program) == 0, "seccomp");
	(void)fexecve(run->payload_fd, argv, environ);
	err(127, "payload");
}

/* --- the caller's side ------------------------------------------------------------------------------------------ */

static uint64_t namespace_flags(const struct layers_run *run)
{
	static const struct {
		enum layer layer;
		uint64_t flag;
	} rows[] = {{LAYER_PID, CLONE_NEWPID}, {LAYER_MOUNT, CLONE_NEWNS}, {LAYER_IMAGE, CLONE_NEWNS},
		{LAYER_NETWORK, CLONE_NEWNET}, {LAYER_IPC, CLONE_NEWIPC}, {LAYER_UTS, CLONE_NEWUTS}};
	uint64_t flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (has(run, rows[i].layer))
			flags |= rows[i].flag;
	return flags;
}

static struct cgroup *make_group(const struct layers_run *run)
{
	static const struct sandbox_limits limits = {
		.memory_bytes = 512 << 20, .processes = 64, .cpu_millis = 1000};
	static unsigned made;
	struct sandbox_error error = {0};
	struct cgroup *group = NULL;
	char name[32];

	(void)snprintf(name, sizeof(name), "layers-%u", made++);
	if (cgroup_create(run->host, name, &group, &error) < 0 || cgroup_set(group, &limits, &error) < 0)
		errx(1, "%s: %s", error.stage, error.message);
	return group;
}

static void remove_group(struct cgroup *group)
{
	for (int i = 0; i < 1000; i++) {
		if (cgroup_destroy(group) == 0)
			return;
		(void)usleep(1000);
	}
	errx(1, "a group cannot be removed");
}

static pid_t start(const struct layers_run *run, const struct cgroup *group, int out)
{
	struct clone_args args = {.flags = namespace_flags(run), .exit_signal = SIGCHLD};
	int into = group != NULL ? cgroup_into_fd(group) : -1;

	if (into >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)into;
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		become(run, group, out);
	return pid;
}

uint64_t layers_run(const struct layers_run *run)
{
	struct cgroup *group = has(run, LAYER_CGROUP) ? make_group(run) : NULL;
	char text[64] = "", *end;
	int out[2], status = -1;

	if (pipe2(out, O_CLOEXEC) < 0)
		err(1, "pipe");
	pid_t pid = start(run, group, out[1]);
	(void)close(out[1]);
	(void)!read(out[0], text, sizeof(text) - 1);
	(void)close(out[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "%s with layers %#x: wait status 0x%x", run->name, run->layers, (unsigned)status);
	if (group != NULL)
		remove_group(group);
	unsigned long long nsec = strtoull(text, &end, 10);
	if (end == text)
		errx(1, "%s printed nothing", run->name);
	return nsec;
}
