/* robust: what a job does to the processes that watch it. */
#include "tests/probes/evidence.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static long number(int argc, char **argv, int index, long standard)
{
	return index < argc ? strtol(argv[index], NULL, 10) : standard;
}

/* signals N: as many real-time signals for init; then, how many one may have pending oneself. */
static void robust_signals(int argc, char **argv)
{
	long n = number(argc, argv, 0, 20000), own = 0;
	const union sigval value = {0};
	sigset_t all;

	for (long i = 0; i < n && sigqueue(1, SIGRTMIN + (int)(i % 20), value) == 0; i++)
		;
	/* The kernel counts what is pending per user: what init keeps is missing here. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	while (own < n && sigqueue(getpid(), SIGRTMIN, value) == 0)
		own++;
	say("own=%ld", own);
}

/* file NAME BYTES: a file with content. */
static void robust_file(int argc, char **argv)
{
	static char chunk[1 << 16];
	long left = number(argc, argv, 1, 1);

	int fd = open(argc > 0 ? argv[0] : "product", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	memset(chunk, 'x', sizeof(chunk));
	while (fd >= 0 && left > 0) {
		ssize_t n = write(fd, chunk, left < (long)sizeof(chunk) ? (size_t)left : sizeof(chunk));
		if (n <= 0)
			_exit(9);
		left -= n;
	}
	_exit(fd < 0 ? 8 : 0);
}

/* names N: empty files; how many there came to be. */
static void robust_names(int argc, char **argv)
{
	long n = number(argc, argv, 0, 1), made = 0;

	for (; made < n; made++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "/tmp/%ld", made);
		int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd < 0)
			break;
		(void)close(fd);
	}
	say("made=%ld", made);
}

static const struct probe_case cases[] = {
	{"signals", robust_signals},
	{"file", robust_file},
	{"names", robust_names},
};

PROBE_PROGRAM(cases)
