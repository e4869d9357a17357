/* refused: calls that the profile "native" refuses, in the ways that a trace must bear. */
#include "tests/probes/evidence.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

enum { NR_UNKNOWN = 900 };

static int number(int argc, char **argv, int index)
{
	return index < argc ? (int)strtoul(argv[index], NULL, 10) : 1;
}

/* The calls are made by number: libc has ways of its own. */
static long watch(void)
{
	long fd = syscall(SYS_inotify_init1, 0);

	if (fd >= 0)
		(void)close((int)fd);
	return fd;
}

/* watch N */
static void refused_watch(int argc, char **argv)
{
	for (int i = 0; i < number(argc, argv, 0); i++)
		(void)tried("inotify_init1", watch());
}

/* Refused as such, and for their arguments. */
static void refused_arguments(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)tried("socket", syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
	(void)tried("socket", syscall(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	(void)tried("socket", syscall(SYS_socket, AF_UNIX, -1L, 0));
	(void)tried("prctl", syscall(SYS_prctl, PR_SET_TIMERSLACK, 50001));
	(void)tried("fcntl", syscall(SYS_fcntl, 1, F_GETOWN));
	(void)tried("setpriority", syscall(SYS_setpriority, 0, 0, 1));
}

/* kinds N: as many socket types. */
static void refused_kinds(int argc, char **argv)
{
	struct tally tally = {.what = "socket"};

	for (int i = 0; i < number(argc, argv, 0); i++)
		tally_add(&tally, syscall(SYS_socket, AF_UNIX, 1000 + i, 0));
	tally_say(&tally);
}

/* flood N: as many different numbers. */
static void refused_flood(int argc, char **argv)
{
	for (int i = 0; i < number(argc, argv, 0); i++)
		(void)syscall(NR_UNKNOWN + i);
	say("flooded");
}

/* What no trace makes. */
static void refused_never(int argc, char **argv)
{
	static char zeros[256];
	static const struct {
		const char *name;
		long nr, args[3];
	} calls[] = {
		{"ptrace", SYS_ptrace, {0}},
		{"bpf", SYS_bpf, {0, (long)zeros, 72}},
		{"mount", SYS_mount, {(long)zeros, (long)zeros, (long)zeros}},
		{"unshare", SYS_unshare, {CLONE_NEWUSER}},
		{"clone", SYS_clone, {CLONE_NEWUSER | SIGCHLD}},
		{"clone3", SYS_clone3, {(long)zeros, 88}},
		{"seccomp", SYS_seccomp, {SECCOMP_GET_ACTION_AVAIL, 0, (long)zeros}},
		{"prctl", SYS_prctl, {PR_SET_SECCOMP, SECCOMP_MODE_STRICT}},
		{"keyctl", SYS_keyctl, {0, -3, 1}},
		{"io_uring_setup", SYS_io_uring_setup, {1, (long)zeros}},
		{"socket", SYS_socket, {AF_ALG, SOCK_SEQPACKET}},
		{"tee", SYS_tee, {0, 1, 1}},
		{"prlimit64", SYS_prlimit64, {1, 7, (long)zeros}},
		{"newer", NR_UNKNOWN, {0}},
	};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		(void)refused(calls[i].name,
			syscall(calls[i].nr, calls[i].args[0], calls[i].args[1], calls[i].args[2], 0));
}

static void refused_i386(int argc, char **argv)
{
	long result;

	(void)argc, (void)argv;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); /* getpid */
	errno = (int)-result;
	(void)refused("i386", result < 0 ? -1 : result);
}

/* An answer to a call that this process has not been asked about: what must not get as far as that. */
static void refused_answer(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)tried("send", syscall(SYS_ioctl, 0, SECCOMP_IOCTL_NOTIF_SEND, 0));
	(void)tried("send high", syscall(SYS_ioctl, 0, SECCOMP_IOCTL_NOTIF_SEND | 1ull << 32, 0));
	(void)tried("addfd", syscall(SYS_ioctl, 0, SECCOMP_IOCTL_NOTIF_ADDFD, 0));
	/* To the kernel the same call: a later version of its argument, with zeros at the end. */
	(void)tried("addfd larger", syscall(SYS_ioctl, 0, _IOC(_IOC_WRITE, '!', 3, 32), 0));
	(void)tried("recv", syscall(SYS_ioctl, 0, SECCOMP_IOCTL_NOTIF_RECV, 0));
}

static void *watch_thread(void *arg)
{
	for (int i = 0; i < *(int *)arg; i++)
		if (watch() < 0)
			_exit(3);
	return NULL;
}

/* crowd THREADS PROCESSES EACH: all at once; each of the processes has as many threads. */
static void refused_crowd(int argc, char **argv)
{
	int nthreads = number(argc, argv, 0), nprocesses = number(argc, argv, 1),
	    each = number(argc, argv, 2);
	pthread_t threads[16];
	int status, failed = watch() < 0; /* once before the crowd */

	for (int p = 0; p < nprocesses; p++) {
		if (fork() != 0)
			continue;
		for (int t = 0; t < nthreads; t++)
			if (pthread_create(&threads[t], NULL, watch_thread, &each) != 0)
				_exit(4);
		for (int t = 0; t < nthreads; t++)
			(void)pthread_join(threads[t], NULL);
		_exit(0);
	}
	while (wait(&status) > 0)
		failed += status != 0;
	say("failed=%d", failed);
}

/* dying N: as many children, each killed while it does nothing but make refused calls. */
static void refused_dying(int argc, char **argv)
{
	for (int i = 0; i < number(argc, argv, 0); i++) {
		pid_t pid = fork();
		while (pid == 0)
			(void)watch();
		(void)nanosleep(&(struct timespec){0, 100000 * (i % 20)}, NULL);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	say("survived=%d", watch() >= 0);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* alarms N: while a timer interrupts all the time. */
static void refused_alarms(int argc, char **argv)
{
	static const struct itimerval often = {{0, 1000}, {0, 1000}}, none;
	struct tally tally = {.what = "inotify_init1"};

	(void)signal(SIGALRM, on_alarm);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < number(argc, argv, 0); i++)
		tally_add(&tally, watch());
	(void)setitimer(ITIMER_REAL, &none, NULL);
	tally_say(&tally);
}

/* For ever. */
static void refused_loop(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (;;)
		(void)watch();
}

static const struct probe_case cases[] = {
	{"watch", refused_watch},
	{"arguments", refused_arguments},
	{"kinds", refused_kinds},
	{"flood", refused_flood},
	{"never", refused_never},
	{"i386", refused_i386},
	{"answer", refused_answer},
	{"crowd", refused_crowd},
	{"dying", refused_dying},
	{"alarms", refused_alarms},
	{"loop", refused_loop},
};

PROBE_PROGRAM(cases)
