/* attack_limits: takes more than the limits give, in every currency the kernel has. Run only inside a cell. */
#include "tests/probes/evidence.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

static const size_t huge = (size_t)1 << 44;

/* Row 33. */
static void attack_fork_bomb(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (;;)
		(void)fork();
}

static void *sleeper(void *arg)
{
	(void)arg;
	for (;;)
		(void)pause();
	return NULL;
}

static void attack_thread_bomb(int argc, char **argv)
{
	pthread_attr_t small;
	pthread_t thread;

	(void)argc, (void)argv;
	(void)pthread_attr_init(&small);
	(void)pthread_attr_setstacksize(&small, 65536);
	for (;;)
		(void)pthread_create(&thread, &small, sleeper, NULL);
}

static void attack_vfork_bomb(int argc, char **argv)
{
	(void)argc, (void)argv;
	/* Each child goes on with the loop while its parent waits in the kernel. */
	for (;;)
		if (vfork() < 0)
			(void)sched_yield();
}

static void attack_clone_loop(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (;;) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		(void)waitpid(pid, NULL, 0);
	}
}

/* Row 34. */
static void attack_zombies(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (;;) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
	}
}

static void touch(char *at, size_t bytes, size_t step)
{
	for (size_t i = 0; i < bytes; i += step)
		at[i] = 1;
}

static char *map(size_t bytes, int protection, int flags)
{
	return mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* Row 35. ARGV[0]: in so many processes at once. */
static void attack_memory(int argc, char **argv)
{
	int processes = argc > 0 ? (int)strtol(argv[0], NULL, 10) : 1;

	for (int i = 1; i < processes; i++)
		if (fork() == 0)
			break;
	char *at = map((size_t)1 << 30, PROT_READ | PROT_WRITE, 0);
	if (at == MAP_FAILED)
		(void)refused("mmap", -1);
	else
		touch(at, (size_t)1 << 30, 4096);
	say("touched");
}

/* The child is the fat one; main would go on as if nothing had happened. */
static void attack_memory_child(int argc, char **argv)
{
	(void)argc, (void)argv;
	pid_t pid = fork();
	if (pid == 0)
		attack_memory(0, NULL);
	(void)waitpid(pid, NULL, 0);
	say("main goes on");
	(void)sleep(30);
}

static uint64_t fill(int fd, uint64_t most)
{
	static char buf[65536];
	uint64_t done = 0;
	ssize_t n;

	while (done < most && (n = write(fd, buf, sizeof(buf))) > 0)
		done += (uint64_t)n;
	return done;
}

/* Row 36. ARGV: directories; files of 1 MiB each until none can be made. */
static void attack_disk(int argc, char **argv)
{
	char path[256];

	for (int d = 0; d < argc; d++) {
		uint64_t total = 0, got = 1;
		int saved = 0;
		for (int i = 0; got > 0 && i < 4096; i++) {
			(void)snprintf(path, sizeof(path), "%s/fill%d", argv[d], i);
			int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
			got = fd < 0 ? 0 : fill(fd, 1 << 20);
			saved = errno;
			total += got;
			if (fd >= 0)
				(void)close(fd);
		}
		say("%s: bytes=%llu end=%s", argv[d], (unsigned long long)total, errno_text(saved));
	}
}

/* Row 37: memory by other names. ARGV[0] says which. */
static void attack_other_memory(int argc, char **argv)
{
	const char *kind = argc > 0 ? argv[0] : "";

	if (strcmp(kind, "memfd") == 0) {
		for (int i = 0; i < 1000; i++) {
			int fd = (int)syscall(SYS_memfd_create, "hog", 1);
			if (fd < 0) {
				(void)refused("memfd_create", fd);
				return;
			}
			(void)fill(fd, 8 << 20);
		}
	} else if (strcmp(kind, "shared") == 0) {
		char *at = mmap(
			NULL, (size_t)1 << 30, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (at != MAP_FAILED)
			touch(at, (size_t)1 << 30, 4096);
	} else if (strcmp(kind, "populate") == 0) {
		(void)tried("mmap",
			map((size_t)1 << 30, PROT_READ | PROT_WRITE, MAP_POPULATE) == MAP_FAILED ? -1 : 0);
	} else if (strcmp(kind, "mlock") == 0) {
		char *at = map((size_t)1 << 30, PROT_READ | PROT_WRITE, 0);
		(void)refused("mlock", mlock(at, (size_t)1 << 30));
		(void)refused("mlockall", syscall(SYS_mlockall, 3));
	} else if (strcmp(kind, "hugetlb") == 0) {
		/* Reserved, so that the kernel must say no here and not by a signal. */
		char *at = mmap(NULL, (size_t)256 << 20, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		if (at != MAP_FAILED)
			touch(at, (size_t)256 << 20, 2 << 20);
		(void)refused("hugetlb", at == MAP_FAILED ? -1 : 0);
	}
}

/* Row 38: one read per 2 MiB costs a page table of 4 KiB and no page. */
static void attack_page_tables(int argc, char **argv)
{
	char *at = map(huge, PROT_READ, 0);

	(void)argc, (void)argv;
	if (at == MAP_FAILED) {
		(void)refused("mmap(16 TiB)", -1);
		return;
	}
	(void)madvise(at, huge, MADV_NOHUGEPAGE);
	volatile char sum = 0;
	for (size_t i = 0; i < huge; i += 2 << 20)
		sum = (char)(sum + at[i]);
	say("walked");
}

/* Row 39: buffers in the kernel. */
static void attack_pipes(int argc, char **argv)
{
	unsigned pipes = 0;
	uint64_t total = 0;
	int fds[2];

	(void)argc, (void)argv;
	while (pipe2(fds, O_NONBLOCK) == 0) {
		pipes++;
		(void)fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
		total += fill(fds[1], 1 << 20);
	}
	int saved = errno;
	say("pipes=%u bytes=%llu end=%s", pipes, (unsigned long long)total, errno_text(saved));
	errno = saved;
	(void)refused("one more pipe", -1);
}

static int send_fd(int through, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec piece = {&byte, 1};
	struct msghdr message = {.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	return (int)sendmsg(through, &message, MSG_DONTWAIT);
}

/* Descriptors in flight: the end of each pair that holds the one before is sent through the next and closed, so the
 * number of open descriptors stays small. */
static void attack_fd_chain(int argc, char **argv)
{
	int previous[2] = {-1, -1}, next[2];
	unsigned sent = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 100000; i++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, next) < 0 ||
			(previous[0] >= 0 && send_fd(next[0], previous[1]) < 0))
			break;
		sent++;
		if (previous[0] >= 0)
			(void)close(previous[0]), (void)close(previous[1]);
		previous[0] = next[0], previous[1] = next[1];
	}
	say("in flight=%u end=%s", sent, errno_text(errno));
	(void)holds("bounded", sent < 100000);
}

static void attack_socket_buffers(int argc, char **argv)
{
	int size = 1 << 30, fds[2];
	unsigned pairs = 0;
	uint64_t total = 0;

	(void)argc, (void)argv;
	while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0) {
		pairs++;
		(void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		total += fill(fds[0], 1 << 30) + fill(fds[1], 1 << 30);
	}
	say("pairs=%u bytes=%llu end=%s", pairs, (unsigned long long)total, errno_text(errno));
	(void)holds("bounded", total < (uint64_t)1 << 30);
}

/* Row 40: kernel objects without end. */
static void attack_vmas(int argc, char **argv)
{
	size_t bytes = (size_t)1 << 30;
	char *at = map(bytes, PROT_READ, 0);
	unsigned stripes = 0;

	(void)argc, (void)argv;
	for (size_t i = 0; i < bytes; i += 8192)
		if (mprotect(at + i, 4096, PROT_READ | PROT_WRITE) < 0) {
			(void)tried("mprotect", -1);
			break;
		} else {
			stripes++;
		}
	say("stripes=%u", stripes);
	(void)holds("bounded", stripes < 70000);
}

static void attack_objects(int argc, char **argv)
{
	unsigned made = 0;

	(void)argc, (void)argv;
	for (;; made++) {
		int fd = made % 3 == 0	 ? epoll_create1(0)
			 : made % 3 == 1 ? eventfd(0, 0)
					 : timerfd_create(CLOCK_MONOTONIC, 0);
		if (fd < 0 && (errno == EMFILE || errno == ENOMEM))
			break;
		if (fd < 0 && made > 1000000)
			break;
	}
	say("objects=%u end=%s", made, errno_text(errno));
	(void)holds("bounded", made < 100000);
}

static void attack_timers(int argc, char **argv)
{
	struct sigevent event = {.sigev_notify = SIGEV_NONE};
	unsigned made = 0;
	timer_t timer;

	(void)argc, (void)argv;
	while (made < 1000000 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
		made++;
	say("timers=%u end=%s", made, made < 1000000 ? errno_text(errno) : "none");
	(void)holds("bounded", made < 1000000);
}

/* Names that do not exist, in a directory that the whole host shares, cost kernel memory too. */
static void attack_dentries(int argc, char **argv)
{
	char path[256];
	struct stat st;
	unsigned long asked = argc > 0 ? strtoul(argv[0], NULL, 10) : 300000;

	for (unsigned long i = 0; i < asked; i++) {
		(void)snprintf(path, sizeof(path), "/%s/%0200lu", i % 2 ? "usr" : "box", i);
		(void)stat(path, &st);
	}
	say("asked=%lu", asked);
}

/* Row 43. */
static void attack_inodes(int argc, char **argv)
{
	char path[256];
	unsigned made = 0;
	int r = 0;

	for (; r >= 0 && made < 1000000; made++) {
		(void)snprintf(path, sizeof(path), "%s/n%u", argc > 0 ? argv[0] : "/tmp", made);
		r = made % 3 == 0   ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)
		    : made % 3 == 1 ? mkdir(path, 0700)
				    : symlink("x", path);
		if (made % 3 == 0 && r >= 0)
			(void)close(r);
	}
	int saved = errno;
	say("inodes=%u end=%s", made, errno_text(saved));
	errno = saved;
	(void)refused("one more inode", r);
}

/* Row 44: sizes without bytes. SIGXFSZ is ignored so that the answer can be told. */
static void attack_sparse(int argc, char **argv)
{
	int fd = open("/box/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)argc, (void)argv;
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)refused("pwrite(8 EiB)", pwrite(fd, "x", 1, INT64_MAX - 4096));
	(void)refused("ftruncate(8 EiB)", ftruncate(fd, INT64_MAX - 4096));
	(void)refused("ftruncate(1 TiB)", ftruncate(fd, (off_t)1 << 40));
	(void)refused("fallocate(1 TiB)", fallocate(fd, 0, 0, (off_t)1 << 40));
}

/* Row 45. ARGV[0]: bytes per write; ARGV[1]: descriptor. */
static void attack_flood(int argc, char **argv)
{
	static char buf[1 << 20];
	size_t size = argc > 0 ? strtoul(argv[0], NULL, 10) : sizeof(buf);
	int fd = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1;

	memset(buf, 'A', sizeof(buf));
	(void)signal(SIGPIPE, SIG_IGN);
	for (;;)
		(void)!write(fd, buf, size < sizeof(buf) ? size : sizeof(buf));
}

/* Row 54. */
static void attack_rlimits(int argc, char **argv)
{
	char what[64];
	unsigned raised = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 16; i++) {
		struct rlimit limit;
		if (getrlimit((__rlimit_resource_t)i, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
			continue;
		limit.rlim_cur = ++limit.rlim_max;
		(void)snprintf(what, sizeof(what), "setrlimit(%d)", i);
		raised += !refused(what, setrlimit((__rlimit_resource_t)i, &limit));
	}
	struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
	(void)refused("prlimit(init)", prlimit(1, RLIMIT_NOFILE, &none, NULL));
	(void)refused("nice(-20)", setpriority(PRIO_PROCESS, 0, -20));
	struct sched_param fifo = {.sched_priority = 50};
	(void)refused("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &fifo));
	(void)refused("ioprio(RT)", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
	say("raised=%u", raised);
}

/* Row 55: flushes of the whole host are answered with a lie. */
static void attack_sync(int argc, char **argv)
{
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	(void)argc, (void)argv;
	for (int i = 0; i < 100000; i++) {
		sync();
		(void)syncfs(fd);
	}
	say("synced");
}

/* Rows 62 and 63: a tree that is unpleasant to remove. */
static void attack_deep(int argc, char **argv)
{
	unsigned depth = 0;

	(void)argc, (void)argv;
	while (depth < 100000 && mkdir("d", 0700) == 0 && chdir("d") == 0)
		depth++;
	int saved = errno;
	(void)!symlink("/", "out");
	(void)mkdir("/tmp/locked", 0000);
	(void)chmod("/tmp", 0000), (void)chmod("/box", 0000);
	say("depth=%u end=%s", depth, errno_text(saved));
}

/* Row 57. */
static void attack_core(int argc, char **argv)
{
	int status = 0;
	pid_t pid = fork();

	(void)argc, (void)argv;
	if (pid == 0)
		abort();
	(void)waitpid(pid, &status, 0);
	say("signal=%d dumped=%s", WTERMSIG(status), WCOREDUMP(status) ? "yes" : "no");
	(void)holds("not_dumped", !WCOREDUMP(status));
	(void)refused("core", access("/box/core", F_OK));
}

static const struct probe_case cases[] = {
	{"fork-bomb", attack_fork_bomb},
	{"thread-bomb", attack_thread_bomb},
	{"vfork-bomb", attack_vfork_bomb},
	{"clone-loop", attack_clone_loop},
	{"zombies", attack_zombies},
	{"memory", attack_memory},
	{"memory-child", attack_memory_child},
	{"disk", attack_disk},
	{"other-memory", attack_other_memory},
	{"page-tables", attack_page_tables},
	{"pipes", attack_pipes},
	{"fd-chain", attack_fd_chain},
	{"socket-buffers", attack_socket_buffers},
	{"vmas", attack_vmas},
	{"objects", attack_objects},
	{"timers", attack_timers},
	{"dentries", attack_dentries},
	{"inodes", attack_inodes},
	{"sparse", attack_sparse},
	{"flood", attack_flood},
	{"rlimits", attack_rlimits},
	{"sync", attack_sync},
	{"core", attack_core},
	{"deep", attack_deep},
};

PROBE_PROGRAM(cases)
