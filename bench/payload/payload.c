/* payload.c: work to be measured inside and outside of a cell. `payload NAME COUNT` does it COUNT times and prints the
 * nanoseconds that took, by its own clock: starting and ending are not in them. Static, so that it is the same program
 * everywhere. Works in the current directory. */
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, FILE_PAGES = 256 };

static volatile uint64_t sink; /* what is computed is used */

static void integers(uint64_t count)
{
	uint64_t x = 88172645463325252U;

	for (uint64_t i = 0; i < count; i++) { /* xorshift64 */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	sink = x;
}

static void floats(uint64_t count)
{
	double x = 0.5;

	for (uint64_t i = 0; i < count; i++)
		x = sqrt(x * 3.25 + 1.0) - 0.75;
	sink = (uint64_t)(x * 1e6);
}

/* Blocks of many sizes, a thousand of them alive. */
static void allocations(uint64_t count)
{
	static char *blocks[1000];

	for (uint64_t i = 0; i < count; i++) {
		char **block = &blocks[i * 7919 % 1000];
		free(*block);
		*block = malloc(16 + i * 6151 % 4000);
		if (*block == NULL)
			err(1, "malloc");
		**block = (char)i;
	}
}

/* Pages that the kernel has to give, and takes back. */
static void pages(uint64_t count)
{
	enum { BYTES = 16 << 20 };

	for (uint64_t i = 0; i < count; i++) {
		char *block = malloc(BYTES);
		if (block == NULL)
			err(1, "malloc");
		for (size_t at = 0; at < BYTES; at += PAGE)
			block[at] = 1;
		sink = (uint64_t)block[BYTES / 2];
		free(block);
	}
}

static void copies(uint64_t count)
{
	enum { BYTES = 8 << 20 };
	char *from = calloc(2, BYTES), *to = from + BYTES;

	if (from == NULL)
		err(1, "calloc");
	for (uint64_t i = 0; i < count; i++) {
		memcpy(to, from, BYTES);
		from[i % BYTES] = to[BYTES - 1];
	}
	sink = (uint64_t)to[7];
	free(from);
}

static void getppids(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		(void)syscall(SYS_getppid);
}

static int open_file(void)
{
	static const char zeros[PAGE];
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (int i = 0; fd >= 0 && i < FILE_PAGES; i++)
		if (write(fd, zeros, PAGE) != PAGE)
			err(1, "write");
	if (fd < 0)
		err(1, "file");
	return fd;
}

static void reads(uint64_t count)
{
	char page[PAGE];
	int fd = open_file();

	for (uint64_t i = 0; i < count; i++)
		if (pread(fd, page, PAGE, (off_t)(i % FILE_PAGES) * PAGE) != PAGE)
			err(1, "read");
	(void)close(fd);
}

static void writes(uint64_t count)
{
	static const char page[PAGE];
	int fd = open_file();

	for (uint64_t i = 0; i < count; i++)
		if (pwrite(fd, page, PAGE, (off_t)(i % FILE_PAGES) * PAGE) != PAGE)
			err(1, "write");
	(void)close(fd);
}

static void files(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		int fd = open("small", O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0 || unlink("small") < 0)
			err(1, "small");
	}
}

/* There and back again, from process to process. */
static void pipes(uint64_t count)
{
	int there[2], back[2];
	char byte = 0;

	if (pipe(there) < 0 || pipe(back) < 0)
		err(1, "pipe");
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(there[1]);
		while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
			continue;
		_exit(0);
	}
	for (uint64_t i = 0; i < count; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			err(1, "pipe");
	(void)close(there[1]);
	(void)waitpid(pid, NULL, 0);
}

static void *nothing(void *user)
{
	return user;
}

static void threads(uint64_t count)
{
	pthread_t thread;

	for (uint64_t i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
			errx(1, "thread");
}

static void forks(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			err(1, "fork");
	}
}

/* --- for what is known beforehand -------------------------------------------------------------------------------- */

static uint64_t clock_nsec(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Until its own CPU clock has reached COUNT milliseconds. The thread's: under an RLIMIT_CPU the process's moves at ticks only. */
static void burn(uint64_t count)
{
	while (clock_nsec(CLOCK_THREAD_CPUTIME_ID) < count * 1000000)
		integers(1000);
}

/* Never ends, on COUNT threads. */
static void *spin_on(void *user)
{
	for (;;)
		sink++;
	return user;
}

static void spin(uint64_t count)
{
	pthread_t thread;

	for (uint64_t i = 1; i < count; i++)
		if (pthread_create(&thread, NULL, spin_on, NULL) != 0)
			errx(1, "thread");
	(void)spin_on(NULL);
}

static void wait_for_ever(uint64_t count)
{
	(void)count;
	for (;;)
		(void)pause();
}

/* COUNT MiB, all at once. */
static void touch(uint64_t count)
{
	char *block = malloc(count << 20);

	if (block == NULL)
		err(1, "malloc");
	for (size_t at = 0; at < count << 20; at += PAGE)
		block[at] = 1;
	sink = (uint64_t)block[0];
}

static const struct {
	const char *name;
	void (*work)(uint64_t count);
} works[] = {
	{"integers", integers},
	{"floats", floats},
	{"allocations", allocations},
	{"pages", pages},
	{"copies", copies},
	{"getppids", getppids},
	{"reads", reads},
	{"writes", writes},
	{"files", files},
	{"pipes", pipes},
	{"threads", threads},
	{"forks", forks},
	{"burn", burn},
	{"spin", spin},
	{"wait", wait_for_ever},
	{"touch", touch},
};

int main(int argc, char *argv[])
{
	for (size_t i = 0; argc == 3 && i < sizeof(works) / sizeof(works[0]); i++)
		if (strcmp(argv[1], works[i].name) == 0) {
			clockid_t clock = works[i].work == burn ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
			uint64_t begin = clock_nsec(clock);
			works[i].work(strtoull(argv[2], NULL, 10));
			(void)printf("%llu\n", (unsigned long long)(clock_nsec(clock) - begin));
			return 0;
		}
	errx(2, "payload NAME COUNT");
}
