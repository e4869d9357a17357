/* attack_ways: other ways to the same ends: to spend time and memory unseen, to end in a way that is told wrongly, to find
 * out where one is. */
#include "tests/probes/evidence.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

/* --- time ------------------------------------------------------------------------------------------------------ */

static void wait_in_flock(void)
{
	int a = open("/box/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int b = open("/box/lock", O_RDWR | O_CLOEXEC);

	if (flock(a, LOCK_EX) < 0)
		(void)pause(); /* refused here; then it waits otherwise */
	(void)flock(b, LOCK_EX);
}

static void wait_in_futex(void)
{
	int word = 0;

	(void)syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void wait_in_pipe(void)
{
	int fds[2];
	char byte;

	(void)!pipe(fds);
	(void)!read(fds[0], &byte, 1);
}

static void wait_in_fifo(void)
{
	(void)mkfifo("/box/fifo", 0600);
	(void)open("/box/fifo", O_RDONLY | O_CLOEXEC);
}

static void wait_in_child(void)
{
	if (fork() == 0)
		for (;;)
			(void)pause();
	(void)wait(NULL);
}

static void wait_in_vfork(void)
{
	if (vfork() == 0)
		for (;;)
			(void)pause();
}

static void wait_in_poll(void)
{
	(void)poll(NULL, 0, -1);
}

static void wait_in_epoll(void)
{
	struct epoll_event event;

	(void)epoll_wait(epoll_create1(EPOLL_CLOEXEC), &event, 1, -1);
}

static void wait_in_sigwait(void)
{
	sigset_t all;
	int sig;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)sigwait(&all, &sig);
}

static void wait_in_sleep(void)
{
	const struct timespec year = {365 * 86400, 0};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &year, NULL);
}

static void wait_stopped(void)
{
	(void)kill(getpid(), SIGSTOP);
}

/* wait HOW: in a call that never returns. */
static void attack_wait(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*wait)(void);
	} ways[] = {{"flock", wait_in_flock}, {"futex", wait_in_futex}, {"pipe", wait_in_pipe},
		{"fifo", wait_in_fifo}, {"child", wait_in_child}, {"vfork", wait_in_vfork},
		{"poll", wait_in_poll}, {"epoll", wait_in_epoll}, {"sigwait", wait_in_sigwait},
		{"sleep", wait_in_sleep}, {"stopped", wait_stopped}};

	for (size_t i = 0; argc > 0 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[0]) == 0) {
			say("waiting");
			for (;;)
				ways[i].wait();
		}
	exit(2);
}

/* --- memory ---------------------------------------------------------------------------------------------------- */

static char *map(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		(void)refused("mmap", -1);
		exit(1);
	}
	return at;
}

/* Linux 6.12: of huge pages that are short of memory, what holds nothing but zeros is taken back and is no memory at all. */
static void touch(char *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4096)
		at[i] = 1;
}

/* spike BYTES: touched and given back at once. */
static void attack_spike(int argc, char **argv)
{
	size_t bytes = argc > 0 ? strtoul(argv[0], NULL, 10) : 1 << 20;
	char *at = map(bytes);

	touch(at, bytes);
	(void)munmap(at, bytes);
	say("given back");
}

/* Pages that are asked to be swapped out, and more of them than there is memory. */
static void attack_swap(int argc, char **argv)
{
	size_t bytes = (size_t)1 << 30, step = 8 << 20;
	char *at = map(bytes);

	(void)argc, (void)argv;
	for (size_t i = 0; i < bytes; i += step) {
		touch(at + i, step);
		(void)madvise(at + i, step, MADV_PAGEOUT);
	}
	say("all of it");
}

/* --- ends ------------------------------------------------------------------------------------------------------ */

static pthread_barrier_t start;

static void *end_thread(void *arg)
{
	(void)arg;
	(void)pthread_barrier_wait(&start);
	_exit(7);
}

/* exit-race: eight threads end the process at the same time. */
static void attack_exit_race(int argc, char **argv)
{
	enum { THREADS = 8 };
	pthread_t thread;

	(void)argc, (void)argv;
	(void)pthread_barrier_init(&start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_create(&thread, NULL, end_thread, NULL);
	for (;;)
		(void)pause();
}

/* exec N: this program once more, which then exits with N. */
static void attack_exec(int argc, char **argv)
{
	if (argc > 1)
		_exit((int)strtol(argv[0], NULL, 10));
	(void)execl("/proc/self/exe", "again", "exec", argc > 0 ? argv[0] : "0", "inner", NULL);
	(void)execl("/box/attack_ways", "again", "exec", argc > 0 ? argv[0] : "0", "inner", NULL);
	_exit(99);
}

/* A thread that is not the first one execs: the others are gone, the number stays. */
static void *exec_thread(void *arg)
{
	attack_exec(1, arg);
	return NULL;
}

static void attack_exec_in_thread(int argc, char **argv)
{
	static char *number[1];
	pthread_t thread;

	number[0] = argc > 0 ? argv[0] : "0";
	(void)pthread_create(&thread, NULL, exec_thread, number);
	(void)pthread_join(thread, NULL);
}

/* --- names ----------------------------------------------------------------------------------------------------- */

/* Names that break what prints, splits or removes them. */
static void attack_names(int argc, char **argv)
{
	static char long_name[256];
	static const char *const names[] = {"new\nline", "\xff\xfe\x80", "-rf", "--", " ", "tail ",
		"\x1b[2J\x1b[31m", "...", "*", "$(id)", "'\"", "\t", long_name};
	unsigned made = 0;

	(void)argc, (void)argv;
	memset(long_name, 'n', sizeof(long_name) - 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd = open(names[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		made += fd >= 0;
		(void)close(fd);
	}
	int fd = open("result", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)!write(fd, "fine\n", 5);
	say("made=%u", made);
}

/* What is hard to remove: modes of 0, a directory in use, mapped and open files, links without end. */
static void attack_locked(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)mkdir("/box/d", 0700), (void)mkdir("/box/d/e", 0700);
	int fd = open("/box/d/e/f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	(void)!ftruncate(fd, 4096);
	char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		at[0] = 1;
	(void)!symlink("/box/loop", "/box/loop");
	(void)!symlink("..", "/box/d/up");
	(void)!chdir("/box/d/e");
	if (fork() == 0) {
		(void)setsid();
		for (;;)
			(void)pause();
	}
	(void)chmod("/box/d/e/f", 0000), (void)chmod("/box/d/e", 0000), (void)chmod("/box/d", 0000);
	(void)chmod("/box", 0000), (void)chmod("/tmp", 0000);
	(void)refused("the cell's root can be moved", rename("/box", "/tmp/box"));
	say("locked");
}

/* exchange A B: a child exchanges the two names in one step for ever, while main ends at once. */
static void attack_exchange(int argc, char **argv)
{
	const char *a = argc > 0 ? argv[0] : "a", *b = argc > 1 ? argv[1] : "b";

	if (fork() == 0)
		for (;;)
			(void)renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
	say("main ends");
}

/* grow NAME: a child makes the file longer and shorter for ever, while main ends at once. */
static void attack_grow(int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "result";
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)!write(fd, "xxxxxxxxxxxxxxxx", 16);
	if (fork() == 0)
		for (;;)
			(void)!write(fd, "xxxxxxxxxxxxxxxx", 16), (void)!ftruncate(fd, 16);
	say("main ends");
}

/* --- where one is ---------------------------------------------------------------------------------------------- */

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	int saved = errno;
	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

/* An empty file of the image tells nothing. */
static void refuse_text(const char *path)
{
	char text[4096];

	if (read_text(path, text, sizeof(text)) == 0 && text[0] == '\0')
		say("%s=EMPTY", path);
	else
		(void)refused(path, read_text(path, text, sizeof(text)));
}

/* What the mounts, the cgroup and the names tell. */
static void attack_identity(int argc, char **argv)
{
	static char text[1 << 16];
	struct utsname names;
	unsigned mounts = 0;

	(void)argc, (void)argv;
	say("uid=%u gid=%u", getuid(), getgid());
	(void)uname(&names);
	say("nodename=%s domainname=%s", names.nodename, names.domainname);
	refuse_text("/proc/sys/kernel/random/boot_id");
	refuse_text("/etc/machine-id");
	if (read_text("/etc/hostname", text, sizeof(text)) == 0)
		say("/etc/hostname=%.*s", (int)strcspn(text, "\n"), text);
	if (read_text("/proc/self/cgroup", text, sizeof(text)) == 0)
		(void)holds("cgroup_is_the_root", strstr(text, "cofferdam") == NULL &&
							  strstr(text, "slice") == NULL &&
							  strstr(text, "docker") == NULL);
	if (read_text("/proc/self/mountinfo", text, sizeof(text)) == 0)
		for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';
			mounts++) {
			char point[256] = "";
			(void)sscanf(line, "%*s %*s %*s %*s %255s", point);
			say("mounted=%s", point);
		}
	say("mounts=%u", mounts);
}

/* Does an instruction end in SIGSEGV? */
static bool is_fault(void (*instruction)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		instruction();
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void read_counter(void)
{
	__asm__ volatile("rdpmc" : : "c"(0) : "rax", "rdx");
}

static void halt(void)
{
	__asm__ volatile("hlt");
}

static void use_port(void)
{
	__asm__ volatile("outb %%al, $0x80" : : "a"(0));
}

static void read_register(void)
{
	__asm__ volatile("rdmsr" : : "c"(0x10) : "rax", "rdx");
}

/* Counters and clocks that are finer than a program needs, and what the machine is made of. */
static void attack_fingerprint(int argc, char **argv)
{
	(void)argc, (void)argv;
	refuse_text("/proc/cpuinfo");
	refuse_text("/proc/stat");
	(void)refused("/sys/devices/system/cpu", open("/sys/devices/system/cpu", O_RDONLY | O_CLOEXEC));
	(void)refused("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	(void)holds("rdpmc_faults", is_fault(read_counter));
	(void)holds("rdmsr_faults", is_fault(read_register));
	(void)holds("hlt_faults", is_fault(halt));
	(void)holds("out_faults", is_fault(use_port));
}

/* --- the network ----------------------------------------------------------------------------------------------- */

static void reach(const char *what, const char *address, int type, int protocol)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(53)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
	bool is_v6 = strchr(address, ':') != NULL;

	(void)inet_pton(AF_INET, address, &v4.sin_addr);
	(void)inet_pton(AF_INET6, address, &v6.sin6_addr);
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, protocol);
	if (fd >= 0 && is_v6)
		(void)refused(what, connect(fd, (const struct sockaddr *)&v6, sizeof(v6)));
	else if (fd >= 0)
		(void)refused(what, connect(fd, (const struct sockaddr *)&v4, sizeof(v4)));
	else
		(void)refused(what, fd);
}

static unsigned count_lines(const char *path)
{
	static char text[1 << 16];
	unsigned n = 0;

	(void)read_text(path, text, sizeof(text));
	for (const char *at = text; *at != '\0'; at++)
		n += *at == '\n';
	return n;
}

static void attack_network(int argc, char **argv)
{
	struct sockaddr_un host = {.sun_family = AF_UNIX, .sun_path = "\0/tmp/.X11-unix/X0"};

	(void)argc, (void)argv;
	reach("dns", "8.8.8.8", SOCK_DGRAM, 0);
	reach("ping", "127.0.0.1", SOCK_DGRAM, IPPROTO_ICMP);
	reach("raw", "127.0.0.1", SOCK_RAW, IPPROTO_RAW);
	reach("metadata", "169.254.169.254", SOCK_STREAM, 0);
	reach("host loopback", "127.0.0.1", SOCK_STREAM, 0);
	reach("host loopback v6", "::1", SOCK_STREAM, 0);
	reach("link-local v6", "fe80::1", SOCK_STREAM, 0);
	reach("multicast", "224.0.0.251", SOCK_DGRAM, 0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)refused("abstract socket of the host",
		fd < 0 ? -1
		       : connect(fd, (struct sockaddr *)&host, offsetof(struct sockaddr_un, sun_path) + 19));
	(void)refused("netlink", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
	(void)refused("/proc/net", open("/proc/net/tcp", O_RDONLY | O_CLOEXEC));
	(void)holds("nobody_listens",
		count_lines("/proc/self/net/tcp") <= 1 && count_lines("/proc/self/net/unix") <= 1);
	(void)refused("/etc/resolv.conf", open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC));
}

static const struct probe_case cases[] = {
	{"wait", attack_wait},
	{"spike", attack_spike},
	{"swap", attack_swap},
	{"exit-race", attack_exit_race},
	{"exec", attack_exec},
	{"exec-in-thread", attack_exec_in_thread},
	{"names", attack_names},
	{"locked", attack_locked},
	{"exchange", attack_exchange},
	{"grow", attack_grow},
	{"identity", attack_identity},
	{"fingerprint", attack_fingerprint},
	{"network", attack_network},
};

PROBE_PROGRAM(cases)
