/* rows_host.c: how an end is told, what the host sees of a cell, and those who ask for runs. */
#include "sandbox/verify/clients.h"
#include "sandbox/verify/ends.h"
#include "sandbox/verify/inspect.h"

#include "sandbox/base/fd.h"

#include <signal.h>

#define EXIT(n)                                                                                              \
	{                                                                                                    \
		"work exit " #n, SANDBOX_EXITED, n, 0                                                        \
	}
#define SIGNAL(n, name)                                                                                      \
	{                                                                                                    \
		"work signal " #n, SANDBOX_SIGNALED, 0, name                                                 \
	}

static const struct end codes[] = {EXIT(0), EXIT(1), EXIT(2), EXIT(41), EXIT(77), EXIT(99), EXIT(123),
	EXIT(124), EXIT(125), EXIT(126), EXIT(127), EXIT(128), EXIT(129), EXIT(137), EXIT(139), EXIT(159),
	EXIT(254), EXIT(255)};

static const struct end signals[] = {SIGNAL(1, SIGHUP), SIGNAL(2, SIGINT), SIGNAL(3, SIGQUIT),
	SIGNAL(4, SIGILL), SIGNAL(5, SIGTRAP), SIGNAL(6, SIGABRT), SIGNAL(7, SIGBUS), SIGNAL(8, SIGFPE),
	SIGNAL(9, SIGKILL), SIGNAL(11, SIGSEGV), SIGNAL(13, SIGPIPE), SIGNAL(14, SIGALRM),
	SIGNAL(15, SIGTERM), SIGNAL(24, SIGXCPU), SIGNAL(31, SIGSYS), SIGNAL(34, 34), SIGNAL(64, 64)};

static const struct end other_ends[] = {
	{"work abort-in-thread", SANDBOX_SIGNALED, 0, SIGABRT},
	{"work null", SANDBOX_SIGNALED, 0, SIGSEGV},
	{"attack_ways exit-race", SANDBOX_EXITED, 7, 0},
	{"attack_ways exec 9", SANDBOX_EXITED, 9, 0},
	{"attack_ways exec-in-thread 11", SANDBOX_EXITED, 11, 0},
};

#define ENDS(what, from, where, ends_list, told)                                                             \
	{                                                                                                    \
		.number = 56, .name = what, .origin = from, .kinds = where, .perform = ends_perform,         \
		.data = &(const struct ends){ends_list, ARRAY_SIZE(ends_list)}, .expected = told             \
	}
#define INSPECT(row, what, from, look, told)                                                                 \
	{                                                                                                    \
		.number = row, .name = what, .origin = from, .kinds = SITE_ALL,                              \
		.command = "attack_ways wait poll", .perform = look, .expected = told                        \
	}
#define CLIENTS(row, what, from, cmd, why, act, told)                                                        \
	{                                                                                                    \
		.number = row, .name = what, .origin = from, .kinds = SITE_ALL, .needs = CORPUS_ONCE,        \
		.command = cmd, .cause = why, .perform = act, .expected = told                               \
	}

static const struct corpus_row rows[] = {
	ENDS("exit codes", "124 and 137 that others take for a limit", SITE_RUN | SITE_COMMAND, codes,
		"exited, with each code as it is"),
	ENDS("signals", "a SIGKILL of one's own is no OOM, a SIGXCPU no time limit", SITE_RUN | SITE_COMMAND,
		signals, "signaled, with each signal as it is"),
	ENDS("threads that abort, race to exit, or exec",
		"the end of a thread is no end, that of the group is", SITE_ALL, other_ends,
		"signaled 6, signaled 11, exited 7, 9, 11"),

	INSPECT(14, "seen from the host: ids and capabilities",
		"runc CVE-2022-29162: inheritable capabilities", inspect_rights,
		"every set empty, no_new_privs, seccomp"),
	INSPECT(80, "seen from the host: speculation", "Spectre v2 and v4: what a neighbour's guesses tell",
		inspect_speculation, "store bypass and indirect branches off, for good"),
	INSPECT(2, "seen from the host: namespaces", "a namespace that was forgotten", inspect_namespaces,
		"none is the host's; one mapped id"),
	INSPECT(79, "seen from the host: its network", "an address that leads out", inspect_network,
		"lo, down, unused; no route, no address"),
	INSPECT(81, "seen from the host: its mounts", "CVE-2023-25809: a writable cgroup hierarchy",
		inspect_mounts, "read-only, nosuid, nodev, private; nothing of the host"),
	INSPECT(18, "seen from the host: init's memory", "secrets of the supervisor's environment",
		inspect_memory, "nothing of the engine's environment"),
	{42, "seen from the host: limits in force, no swap", "nsjail: limits that failed open", SITE_ALL,
		"attack_ways wait poll", .needs = CORPUS_POLICY_LIMITS, .perform = inspect_cgroup,
		.expected = "memory and processes as the policy says, swap 0"},

	CLIENTS(82, "as many runs as there may be, and one more", "a launch flood", NULL, 0, clients_flood,
		"the last one refused with EAGAIN, all cancelled"),
	CLIENTS(82, "clients that vanish at any time", "slots and descriptors that stay taken", NULL, 0,
		clients_vanish, "cancelled, each"),
	CLIENTS(82, "a client that closes its pipe", "EPIPE in the supervisor", "attack_limits flood 65536",
		SANDBOX_OUTPUT_LIMIT, clients_hang_up, "output_limit all the same"),
	CLIENTS(83, "an engine that is killed", "jobs without a supervisor", NULL, 0, clients_killed,
		"its cells die, the next engine sweeps"),
	CLIENTS(84, "an engine that runs out of descriptors", "moby#45498: a control that was left out", NULL,
		0, clients_exhausted, "a fault, or a whole cell; then it recovers"),
	CLIENTS(85, "nonsense, strangers, descriptors at the door", "a protocol parser in root's hands", NULL,
		0, clients_at_the_door, "refused, with the reason; nothing is left open"),
};

const struct corpus_part corpus_host = {rows, ARRAY_SIZE(rows), false};
