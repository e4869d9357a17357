/* target.c: from init to the job's own program.
 *
 * Most of the way is gone before anybody asks for the cell: the target's process puts on what will hold it, its seccomp
 * program last, and waits. Compiling that program to machine code is the longest step; exec is what is left.
 *
 * The process shares init's memory and descriptor table until it execs (CLONE_VM, CLONE_FILES). So the seccomp listener
 * that its filter returns is at once init's descriptor, and what init puts into places 0, 1 and 2 is there for the target.
 * Between the two, one waits whenever the other works. exec gives the target a table and a memory of its own; of the
 * descriptors only 0, 1 and 2 are not close-on-exec. */
#include "sandbox/cell/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/priority.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Init may be woken late, when the target has long been running: no job gets more than this for nothing. */
enum { SETUP_CPU_MAX_NSEC = 20 * 1000 * 1000 };

/* What init and the target's process share. */
static struct start {
	struct cell_layers *layers;
	const struct cell_plan *plan;
	char path[BOUND_FILE_NAME + 256]; /* what to exec */
	int ready[2], go[2]; /* pipes: one byte from the target says that it waits, one to it lets it go on */
	int listener;
	uint32_t is_shared; /* the kernel clears it, and wakes who waits for that, at exec and at the end */
	/* The step that failed; before the last, that the process ended by itself; NULL: none, exec succeeded. */
	const char *failed;
	int failed_errno;
} start;

/* Never more than what this host gives (launcher.c, lift_hard_limits). */
static int set_limit(pid_t pid, int resource, uint64_t value)
{
	struct rlimit limit = {value, value}, held;

	if (prlimit(pid, resource, &limit, NULL) == 0)
		return 0;
	if (errno != EPERM || prlimit(pid, resource, NULL, &held) < 0)
		return -1;
	if (limit.rlim_max > held.rlim_max)
		limit.rlim_max = limit.rlim_cur = held.rlim_max;
	return prlimit(pid, resource, &limit, NULL);
}

/* The second line behind the cgroup: these hold per process, cost nothing, and some resources have no other. */
static int set_limits(pid_t pid, const struct sandbox_limits *limits)
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
		if (set_limit(pid, rows[i].resource, rows[i].value) < 0)
			return -1;
	return 0;
}

/* Closes the originals. */
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

static int install_filter(void)
{
	if (!cell_has(start.layers->without, SANDBOX_LAYER_SECCOMP))
		return 0; /* and nobody listens */
	/* Linux 5.0: NEW_LISTENER. Errno 524 (ENOTSUPP) here means bpf_jit_limit is used up: the host's fault. */
	unsigned long listen = SECCOMP_FILTER_FLAG_NEW_LISTENER, flags = start.layers->filter_flags;
	const struct sock_fprog *program = &start.layers->program;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listen | flags, program);
	if (fd < 0 && errno == EINVAL && flags != 0)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listen, program);
	if (fd < 0)
		return -1;
	start.listener = (int)fd;
	return 0;
}

static int clear_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

static int wait_at_gate(void)
{
	char byte;

	return write(start.ready[1], "", 1) == 1 && read(start.go[0], &byte, 1) == 1 ? 0 : -1;
}

/* In the target's process. The steps in order; what follows the filter is what every profile allows (engine.c,
 * check_filter). */
static int target_child(void *arg)
{
	struct cell_layers *layers = start.layers;

	(void)arg;
	if (setsid() < 0)
		start.failed = "setsid";
	else if (priority_plain() < 0)
		start.failed = "scheduling";
	else if (clear_signals() < 0)
		start.failed = "signal mask";
	else if (layers->seals_memory && memory_seal(layers->has_mdwe) < 0)
		start.failed = "memory seal";
	else if (landlock_enter(&layers->ruleset_fd) < 0)
		start.failed = "Landlock ruleset";
	else if (install_filter() < 0)
		start.failed = "seccomp filter";
	else if (wait_at_gate() < 0)
		start.failed = "wait for the start";
	else {
		start.failed = NULL;
		(void)execve(start.path, start.plan->argv, start.plan->env);
		start.failed = "execve";
	}
	start.failed_errno = errno;
	_exit(127);
}

/* A command without a slash is looked for along the PATH of its own environment, as execvp does. */
static void find_program(const struct cell_plan *plan)
{
	const char *name = plan->program[0] != '\0' ? plan->program : plan->argv[0], *path = NULL;

	(void)snprintf(start.path, sizeof(start.path), "%s", name);
	for (size_t i = 0; plan->env[i] != NULL; i++)
		if (strncmp(plan->env[i], "PATH=", 5) == 0)
			path = plan->env[i] + 5;
	if (strchr(name, '/') != NULL || path == NULL)
		return;
	for (size_t len; *path != '\0'; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		char candidate[sizeof(start.path)];
		(void)snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)len, path, name);
		if (access(candidate, X_OK) == 0) {
			memcpy(start.path, candidate, sizeof(candidate));
			return;
		}
	}
}

static int report_failure(struct cell_target *target, struct sandbox_error *err)
{
	(void)waitpid(target->pid, NULL, 0);
	/* Only execve can be the request's fault (no such program, a broken one); its stage says so. */
	const char *stage = strcmp(start.failed, "execve") == 0 ? "cell.exec" : "cell.target";
	const char *reason = strerrordesc_np(start.failed_errno);
	return error_set(err, start.failed_errno, stage, "%s %.128s: %s", start.failed, start.path,
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

int cell_target_prepare(
	struct cell_layers *layers, int signal_fd, struct cell_target *ret, struct sandbox_error *err)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	int flags = CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID | SIGCHLD, n;
	char byte;

	start = (struct start){
		.layers = layers,
		.listener = -1,
		.is_shared = 1,
		.failed = "ended while it waited",
		.failed_errno = ECHILD,
	};
	/* Not sockets: the job would find them in /proc/net/unix. */
	if (pipe2(start.ready, O_CLOEXEC) < 0 || pipe2(start.go, O_CLOEXEC) < 0)
		return error_errno(err, "cell.target", "pipes");
	ret->pid = clone(target_child, stack + sizeof(stack), flags, NULL, NULL, NULL, &start.is_shared);
	if (ret->pid < 0)
		return error_errno(err, "cell.target", "clone");
	/* The pipe alone would not tell its end: the process shares both ends. */
	struct pollfd polls[] = {
		{.fd = start.ready[0], .events = POLLIN},
		{.fd = signal_fd, .events = POLLIN},
	};
	do
		n = poll(polls, ARRAY_SIZE(polls), -1);
	while (n < 0 && errno == EINTR);
	if (n > 0 && polls[0].revents == 0)
		return report_failure(ret, err);
	if (n < 0 || read(start.ready[0], &byte, 1) != 1)
		return error_errno(err, "cell.target", "wait for the target's process");
	ret->listener = start.listener;
	return 0;
}

/* Until it has exec'd, or ended. */
static int wait_for_exec(void)
{
	uint32_t *word = &start.is_shared;

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != 0)
		if (syscall(SYS_futex, word, FUTEX_WAIT, 1, NULL) < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
	return 0;
}

int cell_target_start(struct cell_target *target, struct cell_plan *plan, struct sandbox_error *err)
{
	start.plan = plan;
	find_program(plan);
	if (place_stdio(plan->stdio) < 0)
		return error_errno(err, "cell.target", "descriptors 0, 1, 2");
	if (cell_has(start.layers->without, SANDBOX_LAYER_RLIMITS) &&
		set_limits(target->pid, &plan->head->limits) < 0)
		return error_errno(err, "cell.target", "rlimits");
	if (write(start.go[1], "", 1) != 1 || wait_for_exec() < 0)
		return error_errno(err, "cell.target", "start");
	target->setup_cpu_nsec = setup_cpu_nsec(target->pid);
	for (int fd = 0; fd < 3; fd++)
		(void)close(fd);
	for (int end = 0; end < 2; end++) {
		start.ready[end] = fd_close(start.ready[end]);
		start.go[end] = fd_close(start.go[end]);
	}
	return start.failed != NULL ? report_failure(target, err) : 0;
}
