/* rows_processes.c: other processes, survivors, and too many of them. */
#include "sandbox/verify/inspect.h"
#include "sandbox/verify/rows.h"

#include "sandbox/base/fd.h"

/* A program that waits in this way for ever. */
#define WAIT(how, from)                                                                                      \
	{                                                                                                    \
		51, "waiting without end: " how, from, SITE_RUN | SITE_COMMAND, "attack_ways wait " how,     \
			SANDBOX_WALL_LIMIT, {"waiting"},                                                     \
		{                                                                                            \
			.wall_usec = 500000                                                                  \
		}                                                                                            \
	}

static const char *has_used_its_time(const struct site *site, const struct attempt *attempt)
{
	(void)site;
	return attempt->result.cpu_usec >= 200000 ? NULL : "less CPU time than the limit";
}

static const struct corpus_row rows[] = {
	/* 27 to 31: signals, survivors, init. */
	{27, "signals to init and to everybody", "kill(-1), forged pids", SITE_ALL, "attack_peers signals",
		SANDBOX_EXITED, {"ok=0", "child died of=9", "no_stranger=yes", "init_lives=yes"}},
	{27, "everybody stopped: the deadline still fires", "SIGSTOP against a waiting supervisor", SITE_BOTH,
		"attack_peers stop", SANDBOX_WALL_LIMIT, {"stopping"}, {.wall_usec = 1000000}},
	{28, "a double-forked daemon that holds standard output", "setsid and double fork", SITE_ALL,
		"work daemon 60000", SANDBOX_EXITED, {"main ends"}},
	{29, "children that ignore all, are stopped, wait in vfork", "SIGTERM first, SIGKILL never", SITE_ALL,
		"attack_peers survivors", SANDBOX_EXITED, {"main ends"}},
	{30, "process numbers that change while all is killed", "pid reuse against kill(pid)", SITE_BOTH,
		"attack_peers churn", SANDBOX_EXITED, {"main ends"}, {.processes = 500}},
	{31, "init as the better victim of the OOM killer", "oom_score_adj", SITE_BOTH,
		"attack_peers init-victim", SANDBOX_MEMORY_LIMIT,
		{"oom_score_adj(-1000)=EROFS", "init's oom_score_adj=E"}},

	/* 33 and 34: processes. */
	{33, "fork bomb", "the classic", SITE_ALL, "attack_limits fork-bomb", SANDBOX_PROCESS_LIMIT, {NULL}},
	{33, "thread bomb", "threads count as processes", SITE_BOTH, "attack_limits thread-bomb",
		SANDBOX_PROCESS_LIMIT, {NULL}},
	{33, "vfork bomb", "parents stuck in vfork", SITE_BOTH, "attack_limits vfork-bomb",
		SANDBOX_PROCESS_LIMIT, {NULL}},
	{33, "a loop of short-lived children", "each under a tick of the clock", SITE_BOTH,
		"attack_limits clone-loop", SANDBOX_CPU_LIMIT, {NULL}, {.cpu_usec = 300000}},
	{34, "a hoard of zombies", "they count until they are waited for", SITE_BOTH, "attack_limits zombies",
		SANDBOX_PROCESS_LIMIT, {NULL}},
	{33, "a fork bomb under the policy's own limits", "the classic", SITE_ALL, "attack_limits fork-bomb",
		SANDBOX_PROCESS_LIMIT, {NULL}, .needs = CORPUS_POLICY_LIMITS},

	/* 49 to 53: time. */
	{49, "one thread that spins", "the classic", SITE_ALL, "work burn 60000", SANDBOX_CPU_LIMIT, {NULL},
		{.cpu_usec = 200000}, .also = has_used_its_time},
	{49, "four threads that spin", "RLIMIT_CPU counts each thread's time once, and each process's anew",
		SITE_ALL, "work burn 60000 4", SANDBOX_CPU_LIMIT, {NULL},
		{.cpu_usec = 200000, .cpu_millis = 2000}, .also = has_used_its_time},
	{50, "children that spin for a millisecond each", "less than a tick of the clock, no time limit",
		SITE_ALL, "work burn-children 1", SANDBOX_CPU_LIMIT, {NULL}, {.cpu_usec = 200000},
		.also = has_used_its_time},
	WAIT("sleep", "the classic"),
	WAIT("flock", "a lock that is never given back"),
	WAIT("futex", "a word that never changes"),
	WAIT("pipe", "a pipe of its own"),
	WAIT("fifo", "an open that waits for the other end"),
	WAIT("child", "a child that never ends"),
	WAIT("vfork", "a parent that is suspended in the kernel"),
	WAIT("poll", "no descriptor at all"),
	WAIT("epoll", "no descriptor at all"),
	WAIT("sigwait", "every signal blocked"),
	WAIT("stopped", "SIGSTOP to itself"),
	DENIED(52, "stepping the host's clock", "nsjail takes the time by time(NULL)",
		"settimeofday clock_settime clock_adjtime adjtimex", "settimeofday=EPERM",
		"clock_settime=EPERM", "clock_adjtime=EPERM", "adjtimex=EPERM"),
	{52, "seen from the host: the deadlines' clock", "nsjail takes the time by time(NULL)", SITE_ALL,
		"attack_ways wait poll", .needs = CORPUS_ONCE, .perform = inspect_clock,
		.expected = "every timer on CLOCK_MONOTONIC"},
	{54, "raising limits and priority", "inherited rlimits, nice, scheduling class", SITE_ALL,
		"attack_limits rlimits", SANDBOX_EXITED,
		{"raised=0", "prlimit(init)=EPERM", "nice(-20)=E", "SCHED_FIFO=EPERM", "ioprio(RT)=EPERM"}},
};

const struct corpus_part corpus_processes = {rows, ARRAY_SIZE(rows), true};
