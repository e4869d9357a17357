#include "sandbox/cell/launcher.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/cell.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Descriptors of the launcher itself: 0, 1, 2 are /dev/null, then these two; nothing else is inherited. */
enum { LAUNCHER_SOCK = 3, LAUNCHER_PROC = 4 };

static int reset_signals(void)
{
	sigset_t all;
	/* Ended cells need no wait: whoever cares holds a pidfd. */
	struct sigaction action = {.sa_handler = SIG_IGN};

	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sys_default_signal(sig) < 0)
			return -1;
	sigfillset(&all);
	return sigaction(SIGCHLD, &action, NULL) < 0 ? -1 : sigprocmask(SIG_UNBLOCK, &all, NULL);
}

/* Cells set their limits without privilege, so the hard limits that they start from should not be in the way. Raising
 * them needs CAP_SYS_RESOURCE, which root in a container may lack: then the lower limit holds in the cells as well. */
static int lift_hard_limits(void)
{
	static const int resources[] = {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_STACK, RLIMIT_NPROC, RLIMIT_MEMLOCK,
		RLIMIT_SIGPENDING, RLIMIT_LOCKS, RLIMIT_AS, RLIMIT_DATA, RLIMIT_RSS, RLIMIT_CORE};
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY}, files = {65536, 65536};

	for (size_t i = 0; i < ARRAY_SIZE(resources); i++)
		if (setrlimit(resources[i], &none) < 0 && errno != EPERM)
			return -1;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 && errno != EPERM ? -1 : 0;
}

/* A procfs of the host's pid namespace, attached nowhere: cells write their id maps and namespace limits through it
 * (never through a path that an image could bend: CVE-2025-52881) and close it before they wait. */
static int open_proc(struct sandbox_error *err)
{
	_cleanup_close_ int fs = fsopen("proc", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(err, "launcher.proc", "procfs");
	int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? error_errno(err, "launcher.proc", "fsmount") : fd;
}

static void forget_between(unsigned long first, unsigned long end)
{
	explicit_bzero((void *)first, end - first);
}

/* A cell's init is a copy of this process, and of its parent: no copy of a cell is to hold what the supervisor was told in
 * its environment and in its arguments. The kernel knows where it has put them (proc(5): /proc/pid/stat, fields 48 to 51). */
static int forget_words(struct sandbox_error *err)
{
	unsigned long words[4];
	char text[2048];

	for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
		explicit_bzero(*entry, strlen(*entry)); /* those that setenv has put elsewhere, too */
	environ = NULL;
	if (fd_read_file(AT_FDCWD, "/proc/self/stat", text, sizeof(text)) < 0)
		return error_errno(err, "launcher.start", "/proc/self/stat");
	const char *at = strrchr(text, ')'); /* field 2, a name that may hold anything */
	for (int field = 3; at != NULL && field <= 48; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL || sscanf(at, "%lu %lu %lu %lu", &words[0], &words[1], &words[2], &words[3]) != 4)
		return error_set(err, EBADMSG, "launcher.start", "/proc/self/stat");
	forget_between(words[0], words[1]);
	forget_between(words[2], words[3]);
	return 0;
}

/* Leaves nothing of the parent but its socket, which becomes *SOCK. On failure the process ends, and with it what is
 * open. */
static int settle(int *sock, pid_t parent, struct sandbox_error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return error_errno(err, "launcher.start", "parent death signal");
	if (getppid() != parent)
		_exit(0); /* it died before the line above */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* A high number first, so that no dup2 below hits it. */
	int high_sock = fcntl(*sock, F_DUPFD_CLOEXEC, 16);
	if (null < 0 || high_sock < 0)
		return error_errno(err, "launcher.start", "descriptors");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			return error_errno(err, "launcher.start", "descriptors");
	if (dup3(high_sock, LAUNCHER_SOCK, O_CLOEXEC) < 0)
		return error_errno(err, "launcher.start", "descriptors");
	*sock = LAUNCHER_SOCK;
	if (reset_signals() < 0)
		return error_errno(err, "launcher.start", "signals");
	if (lift_hard_limits() < 0)
		return error_errno(err, "launcher.start", "limits");
	int r = forget_words(err);
	if (r < 0)
		return r;
	if (close_range(LAUNCHER_SOCK + 1, ~0u, 0) < 0)
		return error_errno(err, "launcher.start", "close_range");
	(void)prctl(PR_SET_NAME, "cofferdam-cells", 0, 0, 0); /* for people looking at ps */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? error_errno(err, "launcher.start", "dumpable") : 0;
}

static int reply(const struct sandbox_error *err, int pidfd)
{
	struct wire_reply message = {.error = *err};
	return wire_send(LAUNCHER_SOCK, &message, sizeof(message), &pidfd, pidfd >= 0 ? 1 : 0);
}

static int place_proc(struct sandbox_error *err)
{
	_cleanup_close_ int proc = open_proc(err);

	if (proc < 0)
		return proc;
	if (proc == LAUNCHER_PROC)
		(void)TAKE_FD(proc);
	else if (dup3(proc, LAUNCHER_PROC, O_CLOEXEC) < 0)
		return error_errno(err, "launcher.proc", "dup3");
	return 0;
}

/* Inits listen to what their job's program asks, and tell the engine. Who answers can let a call go on that every program
 * denies, the one below included (trace.c); so nobody answers, but in a trace. The answer to who tries stands below
 * every other but "allow", as in the program below. Numbers of other entries are that program's to deny. */
int launcher_forbid_answers(void)
{
	enum { DENY = SECCOMP_RET_USER_NOTIF, ALLOW = SECCOMP_RET_ALLOW, TYPE_AND_NUMBER = 0xffff };
	static const struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
		/* The kernel reads the lower half, and takes ADDFD in any size and direction: type and number are compared. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TYPE_AND_NUMBER),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_IOCTL_NOTIF_SEND & TYPE_AND_NUMBER, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_IOCTL_NOTIF_ADDFD & TYPE_AND_NUMBER, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, ALLOW),
		BPF_STMT(BPF_RET | BPF_K, DENY),
	};
	const struct sock_fprog program = {
		.len = ARRAY_SIZE(insns),
		.filter = (struct sock_filter *)(uintptr_t)insns,
	};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* What made the mount namespace is over: from here on launcher, init and jobs together can call what is left to do. */
static int enter_filter(struct wire_setup *setup, struct sandbox_error *err)
{
	const bool has_filter = cell_has(setup->without, SANDBOX_LAYER_SECCOMP);
	const struct sock_fprog program = {
		.len = (unsigned short)setup->filter_len,
		.filter = setup->filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, "launcher.seccomp", "no_new_privs");
	if (has_filter && !setup->may_answer && launcher_forbid_answers() < 0)
		return error_errno(err, "launcher.seccomp", "forbid answers");
	if (has_filter && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return error_errno(err, "launcher.seccomp", "put the filter on");
	return 0;
}

static struct layers layers; /* asked for once: the kernel stays the same */
static uint32_t without;     /* as the engine was told when it opened */

/* Receives what the engine has read from its policies, and becomes what it says. */
static void set_up(const char *images_dir)
{
	static struct wire_setup setup;
	struct sandbox_error err = {0};
	int r = 0;

	ssize_t n = wire_receive(LAUNCHER_SOCK, &setup, sizeof(setup), NULL, 0);
	if (n <= 0)
		_exit(0); /* the engine gave up */
	if (n != sizeof(setup) || setup.images.count > BOUND_IMAGES || setup.filter_len > BOUND_FILTER_LEN)
		r = error_set(&err, EBADMSG, "launcher.start", "images and filter");
	if (r == 0 && cell_has(setup.without, SANDBOX_LAYER_SPECULATION))
		r = layers_restrain_speculation(&layers, &err);
	if (r == 0)
		r = rootns_enter(images_dir, &setup.images, &err);
	if (r == 0)
		r = place_proc(&err);
	if (r == 0)
		r = enter_filter(&setup, &err);
	if (reply(&err, -1) < 0 || r < 0)
		_exit(1);
	without = setup.without;
}

static uint64_t namespace_flags(void)
{
	static const struct {
		enum sandbox_layer layer;
		uint64_t flag;
	} optional[] = {{SANDBOX_LAYER_NETWORK, CLONE_NEWNET}, {SANDBOX_LAYER_IPC, CLONE_NEWIPC},
		{SANDBOX_LAYER_UTS, CLONE_NEWUTS}};
	uint64_t flags = CLONE_NEWPID | CLONE_NEWNS;

	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		if (cell_has(without, optional[i].layer))
			flags |= optional[i].flag;
	return flags;
}

static int clone_cell(const struct cell_birth *birth, int into_cgroup, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = namespace_flags() | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};
	if (into_cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP; /* Linux 5.7; used only with cgroup v2 */
		args.cgroup = (uint64_t)into_cgroup;
	}
	pid_t pid = sys_clone3(&args);
	if (pid == 0)
		cell_main(birth);
	return pid < 0 ? -errno : 0;
}

/* One order: one cell, one reply. */
static void serve_order(const struct wire_order *order, int fds[WIRE_ORDER_FDS])
{
	struct cell_birth birth = {.order = *order,
		.control_fd = fds[0],
		.proc_fd = LAUNCHER_PROC,
		.layers = &layers,
		.without = without};
	struct sandbox_error err = {0};
	int pidfd = -1, into = -1;
	size_t next = 1;

	if (order->has_into_cgroup)
		into = fds[next++];
	for (uint32_t i = 0; i < order->njoin && i < WIRE_JOIN_FDS; i++)
		birth.join_fds[i] = next < WIRE_ORDER_FDS ? fds[next++] : -1;
	int r = clone_cell(&birth, into, &pidfd);
	if (r < 0)
		(void)error_set(&err, -r, "launcher.clone", "new namespaces: %s", strerrordesc_np(-r));
	for (size_t i = 0; i < WIRE_ORDER_FDS; i++)
		fds[i] = fd_close(fds[i]);
	r = reply(&err, pidfd);
	(void)fd_close(pidfd);
	if (r < 0)
		_exit(1);
}

_Noreturn static void launcher_main(int sock, const char *images_dir, pid_t parent)
{
	struct sandbox_error err = {0};
	int fds[WIRE_ORDER_FDS];
	struct wire_order order;

	if (settle(&sock, parent, &err) < 0 || layers_probe(&layers, &err) < 0) {
		struct wire_reply message = {.error = err};
		(void)wire_send(sock, &message, sizeof(message), NULL, 0);
		_exit(1);
	}
	set_up(images_dir);
	for (;;) {
		ssize_t n = wire_receive(LAUNCHER_SOCK, &order, sizeof(order), fds, WIRE_ORDER_FDS);
		/* The end of the engine, or a message that it cannot have sent: the cells go too (PDEATHSIG). */
		if (n != sizeof(order) || order.nwritable > WIRE_WRITABLE || order.njoin > WIRE_JOIN_FDS)
			_exit(n == 0 ? 0 : 1);
		serve_order(&order, fds);
	}
}

int launcher_start(const char *images_dir, int *ret_sock, int *ret_pidfd, struct sandbox_error *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, "launcher.start", "socketpair");
	_cleanup_close_ int ours = pair[0], theirs = pair[1];
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		return error_errno(err, "launcher.start", "fork");
	if (pid == 0)
		launcher_main(theirs, images_dir, parent);
	/* Nobody else waits for it: PID is its own until we do. */
	int pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		int r = error_errno(err, "launcher.start", "pidfd_open");
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	*ret_sock = TAKE_FD(ours);
	*ret_pidfd = pidfd;
	return 0;
}
