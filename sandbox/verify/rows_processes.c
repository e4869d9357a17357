/* rows_processes.c: other processes, survivors, and too many of them. */
#include "sandbox/verify/rows.h"

#include "sandbox/base/fd.h"

static const struct corpus_row rows[] = {
	/* 27 to 31: signals, survivors, init. 25 and 26, which need two cells, are in test_neighbours.c; 32, a program that
	 * cannot be executed, in tests/sandbox/test_ends.c. */
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
};

const struct corpus_part corpus_processes = {rows, ARRAY_SIZE(rows)};
