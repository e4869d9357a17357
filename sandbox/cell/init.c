/* init.c: pid 1 of a cell, from clone to its end. Theory of operation:
 *
 * A cell is born as a copy of the launcher, in new PID, mount, network, IPC and UTS namespaces that belong to the
 * initial user namespace. It joins its cgroup, builds its file system, gives up every privilege, makes the process that
 * will be the target, and only then says READY and waits; this is the state in which cells can be kept ahead of time. One
 * plan makes it run one target. When the target ends, everything else in the PID namespace is killed, and the cell reports
 * and exits. It serves nothing twice.
 *
 * Init parses the plan (made by the engine) and nothing that a job wrote. If the engine goes away, its end of the
 * control socket closes and init exits, which is the end of every process in the namespace. */
#include "sandbox/cell/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/priority.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

/* How the target ended. */
struct ending {
	int status;
	struct rusage usage;
	uint64_t at_nsec;
};

static uint64_t cpu_at_join_nsec;  /* init's own CPU time when it entered the cgroup */
static uint64_t target_setup_nsec; /* what the target's process used before it was the target */

/* CPU time in the cell's cgroup that is not the job's. Where the clock fails, none of init's is taken off. */
static uint64_t own_cpu_nsec(void)
{
	uint64_t now = sys_own_cpu_nsec();
	return (now == SYS_CPU_UNKNOWN ? 0 : now - cpu_at_join_nsec) + target_setup_nsec;
}

static void send_event(const struct wire_event *event)
{
	/* The engine's limits and its verdict rest on these words: what it cannot be told must not go on. It sees the
	 * cell end, and says that this was the host's fault. */
	if (wire_send(CELL_CONTROL_FD, event, sizeof(*event), NULL, 0) < 0)
		_exit(1);
}

_Noreturn static void fail(const struct sandbox_error *err, int control_fd)
{
	struct wire_event event = {.type = WIRE_FAILED, .error = *err, .at_nsec = sys_now_nsec()};
	(void)wire_send(control_fd, &event, sizeof(event), NULL, 0);
	_exit(1);
}

/* cgroup v1: "0" is the writer. On v2 the launcher has put the cell into its group with CLONE_INTO_CGROUP, and all its
 * CPU time is counted there. The reading before the last write makes the kernel book what has run up to then: it would
 * book that, up to a tick, to the group that is entered. */
static int join_cgroups(const struct cell_birth *birth, struct sandbox_error *err)
{
	for (uint32_t i = 0; i < birth->order.njoin; i++) {
		cpu_at_join_nsec = sys_own_cpu_nsec();
		if (cpu_at_join_nsec == SYS_CPU_UNKNOWN)
			return error_errno(err, "cell.cgroup", "own CPU time");
		if (write(birth->join_fds[i], "0", 1) != 1)
			return error_errno(err, "cell.cgroup", "join");
	}
	/* After joining: the group joined is the root that the new cgroup namespace shows. */
	if (cell_has(birth->without, SANDBOX_LAYER_CGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return error_errno(err, "cell.cgroup", "new cgroup namespace");
	return 0;
}

static int name_host(const struct cell_birth *birth, struct sandbox_error *err)
{
	static const char name[] = "cell";
	if (!cell_has(birth->without, SANDBOX_LAYER_UTS))
		return 0; /* it would be the host's */
	if (sethostname(name, sizeof(name) - 1) < 0 || setdomainname("", 0) < 0)
		return error_errno(err, "cell.uts", "host name");
	return 0;
}

/* When memory runs out on the host as a whole, jobs go before anything else. */
static int go_first_when_memory_is_short(int proc_fd, struct sandbox_error *err)
{
	int r = fd_write_file(proc_fd, "self/oom_score_adj", "900");
	return r < 0 ? error_set(err, -r, "cell.oom", "oom_score_adj: %s", strerrordesc_np(-r)) : 0;
}

/* Init must run to report and to kill, whatever the job does with the CPUs of the cell; the target takes that off. With core
 * scheduling, the cell shares a core with nothing but itself: the threads of one core see much of what the others do. */
static int schedule(const struct layers *layers, struct sandbox_error *err)
{
	if (priority_prompt() < 0)
		return error_errno(err, "cell.birth", "scheduling");
	if (layers->has_core_scheduling &&
		prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_THREAD, 0) < 0)
		return error_errno(err, "cell.birth", "core scheduling");
	return 0;
}

/* Only the control socket stays, as CELL_CONTROL_FD; 0, 1 and 2 are the launcher's /dev/null. */
static int close_all_but_control(int control_fd, struct sandbox_error *err)
{
	if (control_fd != CELL_CONTROL_FD && dup3(control_fd, CELL_CONTROL_FD, O_CLOEXEC) < 0)
		return error_errno(err, "cell.descriptors", "move the control socket");
	/* Linux 5.9: close_range. */
	if (close_range(CELL_CONTROL_FD + 1, ~0u, 0) < 0)
		return error_errno(err, "cell.descriptors", "close_range");
	return 0;
}

/* The life of a cell up to its wait, in the order that is the security argument (docs/architecture.md). */
static int build(const struct cell_birth *birth, struct sandbox_error *err)
{
	int r = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		r = error_errno(err, "cell.birth", "parent death signal");
	if (r == 0)
		r = join_cgroups(birth, err);
	if (r == 0)
		r = go_first_when_memory_is_short(birth->proc_fd, err);
	if (r == 0)
		r = schedule(birth->layers, err);
	if (r == 0)
		r = cell_mounts(&birth->order, err);
	if (r == 0)
		r = name_host(birth, err);
	if (r == 0)
		r = cell_identity(birth, err);
	if (r == 0 && setsid() < 0)
		r = error_errno(err, "cell.birth", "setsid");
	return r;
}

/* One message of the engine's. The engine is gone: the cell ends. */
static size_t receive(void *buf, size_t size, int *fds, size_t nfds, struct sandbox_error *err)
{
	ssize_t n = wire_receive(CELL_CONTROL_FD, buf, size, fds, nfds);

	if (n == 0 || n == -ECONNRESET)
		_exit(0);
	if (n < 0) {
		(void)error_set(err, (int)-n, "cell.plan", "receive: %s", strerrordesc_np((int)-n));
		fail(err, CELL_CONTROL_FD);
	}
	return (size_t)n;
}

/* The job's seccomp program, which has come with the order. */
static struct sock_fprog receive_program(struct sandbox_error *err)
{
	static struct sock_filter insns[BOUND_FILTER_LEN];
	size_t n = receive(insns, sizeof(insns), NULL, 0, err);

	/* A part of a program is another program. */
	if (n % sizeof(insns[0]) != 0) {
		(void)error_set(err, EBADMSG, "cell.plan", "not a seccomp program");
		fail(err, CELL_CONTROL_FD);
	}
	return (struct sock_fprog){.len = (unsigned short)(n / sizeof(insns[0])), .filter = insns};
}

/* A cell whose target has ended, by the host's OOM killer for one, serves nobody: it says so, and another is made. */
static void wait_for_plan(int signal_fd, struct sandbox_error *err)
{
	struct pollfd polls[] = {
		{.fd = CELL_CONTROL_FD, .events = POLLIN},
		{.fd = signal_fd, .events = POLLIN},
	};
	int n;

	do
		n = poll(polls, ARRAY_SIZE(polls), -1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		(void)error_errno(err, "cell.plan", "poll");
	else if (polls[1].revents != 0)
		(void)error_set(err, ECHILD, "cell.target", "ended while it waited");
	else
		return;
	fail(err, CELL_CONTROL_FD);
}

static void receive_plan(struct cell_plan *plan, struct sandbox_error *err)
{
	static char buf[BOUND_PLAN_BYTES] __attribute__((aligned(16)));
	int fds[WIRE_PLAN_FDS];

	size_t n = receive(buf, sizeof(buf), fds, WIRE_PLAN_FDS, err);
	if (cell_plan_parse(buf, n, fds, plan, err) < 0)
		fail(err, CELL_CONTROL_FD);
	if (!plan->head->has_stdin) {
		plan->stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (plan->stdio[0] < 0) {
			(void)error_errno(err, "cell.plan", "/dev/null");
			fail(err, CELL_CONTROL_FD);
		}
	}
}

/* A call of the profile's kill group. The caller is held by the kernel until we answer, which only a trace does: else the
 * engine kills the cell. ENOENT, EINTR: the caller was killed or interrupted meanwhile; its call did not happen. */
static void report_forbidden(int listener)
{
	struct seccomp_notif notif = {0};
	struct sandbox_error err = {0};

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
		return;
	if (trace_is_on()) {
		if (trace_answer(listener, &notif, &err) < 0)
			fail(&err, CELL_CONTROL_FD);
		return;
	}
	struct wire_event event = {
		.type = WIRE_FORBIDDEN,
		.syscall_nr = notif.data.nr,
		.syscall_arch = notif.data.arch,
		.at_nsec = sys_now_nsec(),
	};
	send_event(&event);
}

/* Reaps what has ended, orphans included. True when the target is among them. */
static bool reap(pid_t target, struct ending *ending)
{
	struct sandbox_error err = {0};
	bool has_ended = false;
	struct rusage usage;
	int status;

	for (;;) {
		pid_t pid = wait4(-1, &status, WNOHANG, &usage);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0 && !has_ended) { /* never ECHILD: the target is there */
			(void)error_errno(&err, "cell.wait", "wait4");
			fail(&err, CELL_CONTROL_FD);
		}
		if (pid <= 0)
			return has_ended;
		if (pid == target) {
			*ending =
				(struct ending){.status = status, .usage = usage, .at_nsec = sys_now_nsec()};
			has_ended = true;
		}
	}
}

/* Serves the target until it ends. */
static void watch(pid_t target, int listener, int signal_fd, struct ending *ending)
{
	struct pollfd polls[] = {
		{.fd = signal_fd, .events = POLLIN},
		{.fd = listener, .events = POLLIN},
		{.fd = CELL_CONTROL_FD, .events = POLLIN},
	};
	struct signalfd_siginfo info[8];

	while (!reap(target, ending)) {
		if (poll(polls, ARRAY_SIZE(polls), -1) < 0)
			continue; /* EINTR */
		if (polls[2].revents != 0)
			_exit(0); /* the engine says nothing while the target runs: it has gone */
		if (polls[1].revents & POLLIN)
			report_forbidden(listener);
		else if (polls[1].revents != 0)
			polls[1].fd = -1; /* POLLHUP: no process under the filter is left */
		if (polls[0].revents != 0)
			(void)!read(signal_fd, info, sizeof(info)); /* reap() finds out who */
	}
}

/* From here on the cell holds init alone. Whoever loses its parent becomes init's child, so only ECHILD says that nobody is
 * left. kill(-1) reaches every process of the namespace but the caller; a process that forks meanwhile leaves a child that
 * the next round kills. */
static void kill_the_rest(void)
{
	while (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
		(void)kill(-1, SIGKILL);
		(void)waitpid(-1, NULL, 0);
	}
}

static void wait_for_go_on(void)
{
	char byte;
	if (wire_receive(CELL_CONTROL_FD, &byte, 1, NULL, 0) <= 0)
		_exit(0);
}

static void run_target(
	struct cell_target *target, struct cell_plan *plan, int signal_fd, struct ending *ending)
{
	struct sandbox_error err = {0};
	uint64_t files_nsec = sys_now_nsec();

	trace_into(plan->trace_fd);
	if (cell_target_start(target, plan, &err) < 0)
		fail(&err, CELL_CONTROL_FD);
	target_setup_nsec = target->setup_cpu_nsec;
	struct wire_event started = {
		.type = WIRE_STARTED,
		.at_nsec = sys_now_nsec(),
		.files_nsec = files_nsec,
		.setup_cpu_nsec = own_cpu_nsec(),
	};
	send_event(&started);
	watch(target->pid, target->listener, signal_fd, ending);
	kill_the_rest();
}

static void report_end(const struct ending *ending)
{
	struct wire_event event = {
		.type = WIRE_ENDED,
		.status = ending->status,
		.at_nsec = ending->at_nsec,
		.setup_cpu_nsec = own_cpu_nsec(),
		.switches_voluntary = (uint64_t)ending->usage.ru_nvcsw,
		.switches_involuntary = (uint64_t)ending->usage.ru_nivcsw,
	};
	send_event(&event);
}

/* SIGCHLD becomes a descriptor. Every other signal is at its default and not blocked: the kernel then drops what the
 * namespace sends to its pid 1. A blocked one it would keep, real-time signals each time, memory that no limit of the
 * job's bounds; hence the limit as well. */
static int open_signals(struct sandbox_error *err)
{
	struct rlimit pending;
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	/* The launcher ignores SIGCHLD to be rid of cells; here it must be delivered, and is, whatever the limit. */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &chld, NULL) < 0)
		return error_errno(err, "cell.signals", "mask");
	/* The soft limit alone: the target gets one of its own, below the hard one. */
	if (getrlimit(RLIMIT_SIGPENDING, &pending) < 0)
		return error_errno(err, "cell.signals", "RLIMIT_SIGPENDING");
	pending.rlim_cur = 0;
	if (setrlimit(RLIMIT_SIGPENDING, &pending) < 0)
		return error_errno(err, "cell.signals", "RLIMIT_SIGPENDING");
	int fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_errno(err, "cell.signals", "signalfd") : fd;
}

_Noreturn void cell_main(const struct cell_birth *birth)
{
	struct sandbox_error err = {0};
	static struct cell_plan plan;
	struct cell_target target;
	struct ending ending = {0};
	struct cell_layers layers = {
		.ruleset_fd = -1,
		.without = birth->without,
		.seals_memory = !birth->order.can_make_memory_executable &&
				cell_has(birth->without, SANDBOX_LAYER_MEMORY_SEAL),
		.has_mdwe = birth->layers->has_mdwe,
	};

	if (build(birth, &err) < 0 || close_all_but_control(birth->control_fd, &err) < 0)
		fail(&err, birth->control_fd);
	int signal_fd = open_signals(&err);
	int landlock = cell_has(birth->without, SANDBOX_LAYER_LANDLOCK) ? birth->layers->landlock_abi : 0;
	if (signal_fd < 0 || landlock_open(&birth->order, landlock, &layers.ruleset_fd, &err) < 0)
		fail(&err, CELL_CONTROL_FD);
	layers.program = receive_program(&err);
	if (birth->order.is_traced)
		trace_begin(&layers);
	if (cell_target_prepare(&layers, signal_fd, &target, &err) < 0)
		fail(&err, CELL_CONTROL_FD);
	struct wire_event event = {.type = WIRE_READY, .at_nsec = sys_now_nsec()};
	send_event(&event);

	wait_for_plan(signal_fd, &err);
	receive_plan(&plan, &err);
	if (cell_program(&birth->order, target.pid, &plan, &err) < 0 || cell_files_in(&plan, &err) < 0)
		fail(&err, CELL_CONTROL_FD);
	run_target(&target, &plan, signal_fd, &ending);
	report_end(&ending);
	wait_for_go_on();

	event = (struct wire_event){.type = WIRE_COLLECTED};
	if (cell_collect(&plan, event.collected, &err) < 0)
		fail(&err, CELL_CONTROL_FD);
	event.at_nsec = sys_now_nsec();
	send_event(&event);
	_exit(0);
}
