/* work: spends things (time, memory, processes, bytes, files) and ends in every way a program can end. */
#include "tests/probes/evidence.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static uint64_t number(int argc, char **argv, int index, uint64_t standard)
{
	return index < argc ? strtoull(argv[index], NULL, 10) : standard;
}

static const char *word(int argc, char **argv, int index, const char *standard)
{
	return index < argc ? argv[index] : standard;
}

/* exit CODE, without stdio. */
static void work_exit(int argc, char **argv)
{
	_exit((int)number(argc, argv, 0, 0));
}

/* What this process has used since it was cloned. The clock of its one thread: under an RLIMIT_CPU the process's moves at ticks. */
static void work_clock(int argc, char **argv)
{
	struct timespec ts = {0};

	(void)argc, (void)argv;
	say("reads"); /* what is needed to say so is in its place from now on */
	int r = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	if (r == 0)
		say("cpu_nsec=%llu",
			(unsigned long long)ts.tv_sec * 1000000000u + (unsigned long long)ts.tv_nsec);
	_exit(r == 0 ? 0 : 1);
}

/* Gives init children to bury until standard input ends. */
static void work_burials(int argc, char **argv)
{
	struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};

	(void)argc, (void)argv;
	say("begins");
	while (poll(&end, 1, 0) == 0) {
		pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);
		if (pid == 0)
			_exit(0);
		while (kill(pid, 0) == 0)
			(void)sched_yield();
	}
}

/* signal N: at its default, sent to itself. */
static void work_signal(int argc, char **argv)
{
	int sig = (int)number(argc, argv, 0, SIGTERM);
	sigset_t none;

	(void)sigemptyset(&none);
	(void)signal(sig, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)kill(getpid(), sig);
	say("survived=%d", sig);
}

static void *abort_thread(void *arg)
{
	(void)arg;
	abort();
}

static void work_abort_in_thread(int argc, char **argv)
{
	pthread_t thread;

	(void)argc, (void)argv;
	if (pthread_create(&thread, NULL, abort_thread, NULL) == 0)
		(void)pthread_join(thread, NULL);
}

static void work_null(int argc, char **argv)
{
	volatile int *nowhere = NULL;

	(void)argc, (void)argv;
	*nowhere = 1;
}

/* write FD TOTAL [CHUNK] */
static void work_write(int argc, char **argv)
{
	static char buf[65536];
	int fd = (int)number(argc, argv, 0, 1);
	uint64_t total = number(argc, argv, 1, 1), chunk = number(argc, argv, 2, sizeof(buf));

	memset(buf, 'x', sizeof(buf));
	if (chunk == 0 || chunk > sizeof(buf))
		chunk = sizeof(buf);
	while (total > 0) {
		ssize_t n = write(fd, buf, total < chunk ? total : chunk);
		if (n < 0)
			_exit(9);
		total -= (uint64_t)n;
	}
}

/* bytes REPEAT: every byte value in order, REPEAT times. */
static void work_bytes(int argc, char **argv)
{
	unsigned char all[256];
	uint64_t repeat = number(argc, argv, 0, 1);

	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	for (uint64_t i = 0; i < repeat; i++)
		if (write(1, all, sizeof(all)) != (ssize_t)sizeof(all))
			_exit(9);
}

static void work_both(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)!write(1, "out\n", 4);
	(void)!write(2, "err\n", 4);
}

/* Standard input: how much, its sum, its type. */
static void work_read(int argc, char **argv)
{
	static unsigned char buf[65536];
	uint64_t bytes = 0, sum = 0;
	struct stat st;
	ssize_t n;

	(void)argc, (void)argv;
	while ((n = read(0, buf, sizeof(buf))) > 0) {
		bytes += (uint64_t)n;
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + buf[i];
	}
	(void)fstat(0, &st);
	say("bytes=%llu sum=%llu end=%s fifo=%d", (unsigned long long)bytes, (unsigned long long)sum,
		n < 0 ? errno_text(errno) : "eof", S_ISFIFO(st.st_mode));
}

/* Reads one byte, says so, closes standard input, waits for MSEC. */
static void work_close_stdin(int argc, char **argv)
{
	char byte;
	ssize_t n = read(0, &byte, 1);

	(void)close(0);
	say("read=%zd", n);
	(void)usleep((useconds_t)number(argc, argv, 0, 100) * 1000);
}

/* alloc BYTES: touched page by page. */
static void work_alloc(int argc, char **argv)
{
	size_t bytes = number(argc, argv, 0, 1 << 20);
	/* Without a reserve, or a host that has less memory than that refuses at once. */
	char *at =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED) {
		say("mmap=%s", errno_text(errno));
		return;
	}
	for (size_t i = 0; i < bytes; i += 4096)
		at[i] = 1;
	say("touched=%zu", bytes);
}

/* forks N: children that pause; how many there were. They are killed and reaped. */
static void work_forks(int argc, char **argv)
{
	uint64_t wanted = number(argc, argv, 0, 1), got = 0;
	int failure = 0;

	(void)setpgid(0, 0);
	for (; got < wanted; got++) {
		pid_t pid = fork();
		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		if (pid < 0) {
			failure = errno;
			break;
		}
	}
	say("forks=%llu end=%s", (unsigned long long)got, failure ? errno_text(failure) : "all");
	(void)signal(SIGTERM, SIG_IGN);
	(void)kill(0, SIGTERM);
	while (wait(NULL) > 0)
		;
}

static void *pause_thread(void *arg)
{
	(void)arg;
	(void)pause();
	return NULL;
}

static void work_threads(int argc, char **argv)
{
	uint64_t wanted = number(argc, argv, 0, 1), got = 0;
	pthread_attr_t small;
	pthread_t thread;
	int r = 0;

	(void)pthread_attr_init(&small);
	(void)pthread_attr_setstacksize(&small, 65536);
	while (got < wanted && (r = pthread_create(&thread, &small, pause_thread, NULL)) == 0)
		got++;
	say("threads=%llu end=%s", (unsigned long long)got, r ? errno_text(r) : "all");
	(void)fflush(stdout);
	_exit(0);
}

static void burn(uint64_t msec)
{
	struct timespec now;

	do
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	while ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 < msec);
}

static void *burn_thread(void *arg)
{
	burn(*(uint64_t *)arg);
	return NULL;
}

/* burn MSEC [THREADS]: each thread spends MSEC of CPU. */
static void work_burn(int argc, char **argv)
{
	uint64_t msec = number(argc, argv, 0, 10), threads = number(argc, argv, 1, 1);
	pthread_t ids[16];

	if (threads > 16)
		threads = 16;
	for (uint64_t i = 1; i < threads; i++)
		(void)pthread_create(&ids[i], NULL, burn_thread, &msec);
	burn(msec);
	for (uint64_t i = 1; i < threads; i++)
		(void)pthread_join(ids[i], NULL);
	say("burnt=%llu", (unsigned long long)msec);
}

/* burn-children MSEC: for ever, one child after the other, each for MSEC. */
static void work_burn_children(int argc, char **argv)
{
	uint64_t msec = number(argc, argv, 0, 1);

	for (;;) {
		pid_t pid = fork();
		if (pid == 0) {
			burn(msec);
			_exit(0);
		}
		if (pid < 0)
			_exit(9);
		(void)waitpid(pid, NULL, 0);
	}
}

static void work_sleep(int argc, char **argv)
{
	uint64_t msec = number(argc, argv, 0, 1);
	struct timespec time = {(time_t)(msec / 1000), (long)(msec % 1000) * 1000000};

	say("sleeping");
	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}

/* Every signal that can be ignored is; then it spins (burn) or sleeps. */
static void work_stubborn(int argc, char **argv)
{
	for (int sig = 1; sig < 65; sig++)
		(void)signal(sig, SIG_IGN);
	if (strcmp(word(argc, argv, 0, "sleep"), "burn") == 0)
		for (;;)
			;
	for (;;)
		(void)usleep(1000000);
}

/* fill PATH BYTES: how many were written, why no more. */
static void work_fill(int argc, char **argv)
{
	static char buf[65536];
	const char *path = word(argc, argv, 0, "/box/fill");
	uint64_t wanted = number(argc, argv, 1, 1), done = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		(void)tried("open", fd);
		return;
	}
	ssize_t n = 0;
	while (done < wanted &&
		(n = write(fd, buf, wanted - done < sizeof(buf) ? wanted - done : sizeof(buf))) > 0)
		done += (uint64_t)n;
	say("wrote=%llu end=%s", (unsigned long long)done, n < 0 ? errno_text(errno) : "all");
}

/* inodes DIR N KIND: f(ile), d(irectory), l(ink). */
static void work_inodes(int argc, char **argv)
{
	const char *dir = word(argc, argv, 0, "/box"), *kind = word(argc, argv, 2, "f");
	uint64_t wanted = number(argc, argv, 1, 1), done = 0;
	int r = 0;

	for (; done < wanted && r >= 0; done++) {
		char path[256];
		(void)snprintf(path, sizeof(path), "%s/i%llu", dir, (unsigned long long)done);
		if (kind[0] == 'd')
			r = mkdir(path, 0700);
		else if (kind[0] == 'l')
			r = symlink("nowhere", path);
		else
			r = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (kind[0] == 'f' && r >= 0)
			(void)close(r);
	}
	int failure = errno;
	if (r < 0)
		done--;
	say("inodes=%llu end=%s", (unsigned long long)done, r < 0 ? errno_text(failure) : "all");
}

static void work_openfiles(int argc, char **argv)
{
	uint64_t wanted = number(argc, argv, 0, 1), done = 0;

	while (done < wanted && dup(0) >= 0)
		done++;
	say("open=%llu end=%s", (unsigned long long)done + 3, done < wanted ? errno_text(errno) : "all");
}

/* daemon MSEC: leaves a double-forked grandchild in its own session that holds every descriptor. */
static void work_daemon(int argc, char **argv)
{
	uint64_t msec = number(argc, argv, 0, 60000);
	pid_t pid = fork();

	if (pid == 0) {
		(void)setsid();
		if (fork() != 0)
			_exit(0);
		for (int sig = 1; sig < 65; sig++)
			(void)signal(sig, SIG_IGN);
		(void)usleep((useconds_t)msec * 1000);
		say("daemon is still here");
		_exit(0);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	say("main ends");
}

/* stack BYTES: recursion until so much stack is used. Each frame is written to by the one below, so that no compiler
 * makes a loop of it. */
static void __attribute__((noinline)) descend(uint64_t left, volatile char *above)
{
	volatile char frame[4096];

	frame[0] = 1;
	if (left > sizeof(frame))
		descend(left - sizeof(frame), frame);
	above[1] = frame[0];
}

static void work_stack(int argc, char **argv)
{
	volatile char top[2];

	descend(number(argc, argv, 0, 4096), top);
	say("deep");
}

/* product NAME KIND: something under NAME for the collector. */
static void work_product(int argc, char **argv)
{
	const char *name = word(argc, argv, 0, "program"), *kind = word(argc, argv, 1, "file");
	const char *extra = word(argc, argv, 2, "/etc/passwd");
	long r = -1;

	if (strcmp(kind, "file") == 0) {
		int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
		r = write(fd, extra, strlen(extra));
	} else if (strcmp(kind, "size") == 0) {
		int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
		r = ftruncate(fd, (off_t)number(argc, argv, 2, 0));
	} else if (strcmp(kind, "symlink") == 0) {
		r = symlink(extra, name);
	} else if (strcmp(kind, "hardlink") == 0) {
		r = link(extra, name);
	} else if (strcmp(kind, "fifo") == 0) {
		r = mkfifo(name, 0600);
	} else if (strcmp(kind, "dir") == 0) {
		r = mkdir(name, 0700);
	} else if (strcmp(kind, "unreadable") == 0) {
		r = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0000);
	}
	(void)tried(kind, r);
}

/* swap A B: a child exchanges the two names for ever while main ends at once. */
static void work_swap(int argc, char **argv)
{
	const char *a = word(argc, argv, 0, "a"), *b = word(argc, argv, 1, "b");

	if (fork() == 0)
		for (;;) {
			(void)rename(a, "swap.tmp");
			(void)rename(b, a);
			(void)rename("swap.tmp", b);
		}
}

static const struct probe_case cases[] = {
	{"exit", work_exit},
	{"clock", work_clock},
	{"burials", work_burials},
	{"signal", work_signal},
	{"abort-in-thread", work_abort_in_thread},
	{"null", work_null},
	{"write", work_write},
	{"bytes", work_bytes},
	{"both", work_both},
	{"read", work_read},
	{"close-stdin", work_close_stdin},
	{"alloc", work_alloc},
	{"forks", work_forks},
	{"threads", work_threads},
	{"burn", work_burn},
	{"burn-children", work_burn_children},
	{"sleep", work_sleep},
	{"stubborn", work_stubborn},
	{"fill", work_fill},
	{"inodes", work_inodes},
	{"openfiles", work_openfiles},
	{"daemon", work_daemon},
	{"stack", work_stack},
	{"product", work_product},
	{"swap", work_swap},
};

PROBE_PROGRAM(cases)
