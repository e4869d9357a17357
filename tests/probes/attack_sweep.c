/* attack_sweep: everything there is of a kind, one after the other. */
#include "tests/probes/evidence.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { NUMBERS = 1024, PATIENCE_MSEC = 20000, ASLEEP_MSEC = 50 };

/* What a call came to, in memory shared with the child that made it. */
struct outcome {
	volatile bool is_made, is_done;
	volatile long result;
};

/* No function call in between: after vfork the parent goes on in the frame that the child has used. */
static inline long __attribute__((always_inline)) raw_call(long nr, long argument)
{
	register long r10 __asm__("r10") = argument;
	register long r8 __asm__("r8") = argument;
	register long r9 __asm__("r9") = argument;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(argument), "S"(argument), "d"(argument), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static void make_call(struct outcome *outcome, long nr, long argument)
{
	outcome->is_made = true;
	long result = raw_call(nr, argument);
	outcome->result = result;
	outcome->is_done = true;
	(void)raw_call(SYS_exit_group, 0);
}

/* Does PID sleep in the kernel? Without a /proc to ask: yes. */
static bool is_asleep(pid_t pid)
{
	char path[32], text[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	const char *state = n > 0 ? strrchr(text, ')') : NULL;
	return state == NULL || state[2] == 'S';
}

/* True: PID has ended. False: it waits in its call, or had all the patience there is; a busy machine takes its time. */
static bool wait_for_child(const struct outcome *outcome, pid_t pid, int *status)
{
	const struct timespec pause = {0, 1000000};
	int asleep = 0;
	sigset_t child;

	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	for (int i = 0; i < PATIENCE_MSEC && asleep < ASLEEP_MSEC; i++) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		(void)sigtimedwait(&child, NULL, &pause);
		asleep = outcome->is_made && is_asleep(pid) ? asleep + 1 : 0;
	}
	return false;
}

static void say_outcome(long nr, const struct outcome *outcome, bool has_ended, int status)
{
	if (outcome->is_done && outcome->result < 0 && outcome->result > -4096)
		(void)printf("%ld=%s\n", nr, errno_text((int)-outcome->result));
	else if (outcome->is_done)
		(void)printf("%ld=OK\n", nr);
	else if (!has_ended)
		(void)printf("%ld=waits\n", nr);
	else if (WIFSIGNALED(status))
		(void)printf("%ld=SIG%s\n", nr, sigabbrev_np(WTERMSIG(status)));
	else
		(void)printf("%ld=ends\n", nr);
}

static void try_number(struct outcome *outcome, long nr, long argument)
{
	int status = 0;

	*outcome = (struct outcome){0};
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		make_call(outcome, nr, argument);
	bool has_ended = pid > 0 && wait_for_child(outcome, pid, &status);
	if (!outcome->is_made) {
		say("BREACH %ld was not tried", nr); /* nor is anything proved by it */
		breaches++;
		return;
	}
	say_outcome(nr, outcome, has_ended, status);
	if (!has_ended) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	/* What the call itself may have left: a copy of the child by fork, clone or vfork. */
	while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
		;
}

/* numbers ARGUMENT [BUT,…]: every number from 0 to 1023 but those, each in a child of its own, with all six arguments
 * ARGUMENT. */
static void attack_numbers(int argc, char **argv)
{
	struct outcome *outcome =
		mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long argument = argc > 0 ? strtol(argv[0], NULL, 0) : 0;
	bool but[NUMBERS] = {false};
	sigset_t child;

	if (outcome == MAP_FAILED) {
		(void)tried("mmap", -1);
		exit(1);
	}
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, NULL);
	for (char *at = argc > 1 ? argv[1] : ""; *at != '\0'; at += *at == ',') {
		char *end;
		long nr = strtol(at, &end, 10);
		if (end == at || nr < 0 || nr >= NUMBERS)
			exit(2);
		but[nr] = true;
		at = end;
	}
	for (long nr = 0; nr < NUMBERS; nr++)
		if (!but[nr])
			try_number(outcome, nr, argument);
}

/* one NR [ARGUMENT]: made by the program itself. */
static void attack_one(int argc, char **argv)
{
	long nr = argc > 0 ? strtol(argv[0], NULL, 0) : 0, argument = argc > 1 ? strtol(argv[1], NULL, 0) : 0;
	long result = raw_call(nr, argument);

	say("%ld=%s", nr, result < 0 && result > -4096 ? errno_text((int)-result) : "OK");
	breaches++;
}

/* int80 NR: through the 32-bit entry. */
static void attack_int80(int argc, char **argv)
{
	long nr = argc > 0 ? strtol(argv[0], NULL, 0) : 20, r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(0L), "c"(0L), "d"(0L)
			 : "memory", "r8", "r9", "r10", "r11");
	say("int80(%ld)=%ld", nr, r);
	breaches++;
}

/* Row 8: every family to 45 and every type, with every protocol number that any of them knows; and the families that may
 * come, with some. */
static void attack_sockets(int argc, char **argv)
{
	enum { FAMILIES = 46, FUTURE = 128, TYPES = 11, PROTOCOLS = 263 };
	struct tally others = {.what = "socket(others)"}, local = {.what = "socket(unix)"},
		     pairs = {.what = "socketpair(others)"}, local_pairs = {.what = "socketpair(unix)"};
	int pair[2];

	(void)argc, (void)argv;
	for (int family = 0; family < FUTURE; family++)
		for (int type = 0; type < TYPES; type++)
			for (int protocol = 0; protocol < (family < FAMILIES ? PROTOCOLS : 2); protocol++) {
				int fd = socket(family, type | SOCK_CLOEXEC, protocol);
				tally_add(family == AF_UNIX ? &local : &others, fd);
				if (fd >= 0)
					(void)close(fd);
				int r = socketpair(family, type | SOCK_CLOEXEC, protocol, pair);
				tally_add(family == AF_UNIX ? &local_pairs : &pairs, r);
				if (r == 0)
					(void)close(pair[0]), (void)close(pair[1]);
			}
	tally_say(&others);
	tally_say(&local);
	tally_say(&pairs);
	tally_say(&local_pairs);
	(void)holds("only_unix_sockets", others.ok == 0 && pairs.ok == 0);
}

static const struct probe_case cases[] = {
	{"numbers", attack_numbers},
	{"one", attack_one},
	{"int80", attack_int80},
	{"sockets", attack_sockets},
};

PROBE_PROGRAM(cases)
