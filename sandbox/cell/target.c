/* target.c: from init to the job's own program.
 *
 * The child shares init's memory and descriptor table until it execs, and init sleeps meanwhile (CLONE_VM,
 * CLONE_VFORK, CLONE_FILES). So the seccomp listener that the child's filter returns is at once init's descriptor,
 * and the child needs no system call to hand it over: its filter may be as narrow as it likes. exec gives the child a
 * table and a memory of its own; of the descriptors only 0, 1 and 2 are not close-on-exec. */
#include "sandbox/cell/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Init may be woken late, when the target has long been running: no job gets more than this for nothing. */
enum { SETUP_CPU_MAX_NSEC = 20 * 1000 * 1000 };

struct start {
	struct cell_plan *plan;
	struct cell_layers *layers;
	char path[BOUND_FILE_NAME + 256]; /* what to exec */
	int listener;
	const char *failed; /* the step that failed; NULL: none, exec succeeded */
	int failed_errno;
};

/* Never more than what this host gives (launcher.c, lift_hard_limits). */
static int set_limit(int resource, uint64_t value)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return -1;
	if (limit.rlim_max > value)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(resource, &limit);
}

/* The second line behind the cgroup: these hold per process, cost nothing, and some resources have no other. */
static int set_limits(const struct sandbox_limits *limits)
{
	const struct {
		int resource;
		uint64_t value;
	} rows[] = {
		{RLIMIT_CPU,
			limits->cpu_usec / 1000000 + 2}, /* whole seconds; the supervisor strikes first */
		{RLIMIT_FSIZE, limits->file_bytes},
		{RLIMIT_NOFILE, limits->open_files},
		{RLIMIT_STACK, limits->stack_bytes},
		/* Twice what the cgroup allows: the cgroup must be the one to refuse, as it leaves evidence. */
		{RLIMIT_NPROC, limits->processes * 2 + 16},
		/* 1, not 0: a piped core_pattern ignores 0 (core(5), fs/coredump.c); no file fits into one byte. */
		{RLIMIT_CORE, 1},
		{RLIMIT_MEMLOCK, UINT64_C(64) * 1024},
		{RLIMIT_MSGQUEUE, 0},
		{RLIMIT_NICE, 0},
		{RLIMIT_RTPRIO, 0},
		{RLIMIT_SIGPENDING, 1024},
		{RLIMIT_LOCKS, 1024},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (set_limit(rows[i].resource, rows[i].value) < 0)
			return -1;
	return 0;
}

/* Closes the originals, for init as well, so that the seccomp listener gets a low number: the target's limit on open
 * descriptors holds for it already. */
static int place_stdio(int stdio[3])
{
	/* None of them is 0, 1 or 2 already: init keeps those numbers occupied. */
	for (int fd = 0; fd < 3; fd++)
		if (dup2(stdio[fd], fd) < 0)
			return -1;
	for (int fd = 0; fd < 3; fd++)
		stdio[fd] = fd_close(stdio[fd]);
	return 0;
}

static int install_filter(struct start *start)
{
	struct sock_fprog program = {
		.len = (unsigned short)start->plan->head->filter_len,
		.filter = start->plan->filter,
	};
	/* Linux 5.0: NEW_LISTENER. Errno 524 (ENOTSUPP) here means bpf_jit_limit is used up: the host's fault. */
	unsigned long listen = SECCOMP_FILTER_FLAG_NEW_LISTENER, flags = start->plan->filter_flags;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listen | flags, &program);
	if (fd < 0 && errno == EINVAL && flags != 0)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listen, &program);
	if (fd < 0)
		return -1;
	start->listener = (int)fd;
	return 0;
}

static int clear_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. The steps in order; the filter is the last thing before exec. */
static int target_child(void *arg)
{
	struct start *start = arg;
	struct cell_plan *plan = start->plan;

	if (setsid() < 0)
		start->failed = "setsid";
	else if (clear_signals() < 0)
		start->failed = "signal mask";
	else if (place_stdio(plan->stdio) < 0)
		start->failed = "descriptors 0, 1, 2";
	else if (set_limits(&plan->head->limits) < 0)
		start->failed = "rlimits";
	else if (start->layers->seals_memory && memory_seal(start->layers->has_mdwe) < 0)
		start->failed = "memory seal";
	else if (landlock_enter(&start->layers->ruleset_fd) < 0)
		start->failed = "Landlock ruleset";
	else if (install_filter(start) < 0)
		start->failed = "seccomp filter";
	else {
		(void)execve(start->path, plan->argv, plan->env);
		start->failed = "execve";
	}
	start->failed_errno = errno;
	_exit(127);
}

/* A command without a slash is looked for along the PATH of its own environment, as execvp does. */
static void find_program(struct start *start)
{
	const char *name = start->plan->argv[0], *path = NULL;

	(void)snprintf(start->path, sizeof(start->path), "%s", name);
	for (size_t i = 0; start->plan->env[i] != NULL; i++)
		if (strncmp(start->plan->env[i], "PATH=", 5) == 0)
			path = start->plan->env[i] + 5;
	if (strchr(name, '/') != NULL || path == NULL)
		return;
	for (size_t len; *path != '\0'; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		char candidate[sizeof(start->path)];
		(void)snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)len, path, name);
		if (access(candidate, X_OK) == 0) {
			memcpy(start->path, candidate, sizeof(candidate));
			return;
		}
	}
}

static int report_failure(struct start *start, pid_t pid, struct sandbox_error *err)
{
	(void)waitpid(pid, NULL, 0);
	start->listener = fd_close(start->listener);
	/* Only execve can be the request's fault (no such program, a broken one); its stage says so. */
	const char *stage = strcmp(start->failed, "execve") == 0 ? "cell.exec" : "cell.target";
	const char *reason = strerrordesc_np(start->failed_errno);
	return error_set(err, start->failed_errno, stage, "%s %.128s: %s", start->failed, start->path,
		reason ? reason : "errno outside the table (524: bpf_jit_limit)");
}

/* What the process has used up to now: since its birth, when it is asked at once. */
static uint64_t setup_cpu_nsec(pid_t pid)
{
	clockid_t clock;
	struct timespec ts;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0; /* only the figure is less exact, and not in the job's favour */
	uint64_t nsec = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	return nsec < SETUP_CPU_MAX_NSEC ? nsec : SETUP_CPU_MAX_NSEC;
}

int cell_target_start(struct cell_plan *plan, struct cell_layers *layers, int *ret_listener,
	uint64_t *ret_cpu_nsec, struct sandbox_error *err)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	static struct start start; /* shared with the child */

	start = (struct start){.plan = plan, .layers = layers, .listener = -1};
	find_program(&start);
	pid_t pid = clone(
		target_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &start);
	if (pid < 0)
		return error_errno(err, "cell.target", "clone");
	/* Here the child has exec'd, or it has ended. */
	*ret_cpu_nsec = setup_cpu_nsec(pid);
	for (int fd = 0; fd < 3; fd++) {
		(void)close(fd);
		plan->stdio[fd] = fd_close(plan->stdio[fd]);
	}
	if (start.failed != NULL)
		return report_failure(&start, pid, err);
	*ret_listener = TAKE_FD(start.listener);
	return pid;
}
