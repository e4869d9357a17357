/* Every cause of an end, by one program each: the table holds on every kernel and every version of cgroups that this
 * program is run on (tests/vm), to the last field that names the end. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"

#include <signal.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

static const struct verdict_row {
	const char *command;
	struct sandbox_limits limits;
	enum sandbox_cause cause;
	int exit_code, signal;
	const char *until; /* cancelled once it has printed this */
	bool has_oom_kills, has_refused_forks;
} rows[] = {
	{"work exit 0", .cause = SANDBOX_EXITED},
	{"work exit 3", .cause = SANDBOX_EXITED, .exit_code = 3},
	{"work null", .cause = SANDBOX_SIGNALED, .exit_code = -1, .signal = SIGSEGV},
	/* What a limit looks like to the program is no limit when the program does it. */
	{"work signal 9", .cause = SANDBOX_SIGNALED, .exit_code = -1, .signal = SIGKILL},
	{"work signal 24", .cause = SANDBOX_SIGNALED, .exit_code = -1, .signal = SIGXCPU},
	{"work burn 600000", {.cpu_usec = 300000, .wall_usec = 60000000}, SANDBOX_CPU_LIMIT, .exit_code = -1,
		.signal = SIGKILL},
	{"work sleep 600000", {.wall_usec = 300000}, SANDBOX_WALL_LIMIT, .exit_code = -1, .signal = SIGKILL},
	{"work alloc 134217728", {.memory_bytes = 32 * MIB}, SANDBOX_MEMORY_LIMIT, .exit_code = -1,
		.signal = SIGKILL, .has_oom_kills = true},
	/* The kernel may kill a child only; the end is the same. */
	{"attack_limits memory-child", {.memory_bytes = 32 * MIB}, SANDBOX_MEMORY_LIMIT, .exit_code = -1,
		.signal = SIGKILL, .has_oom_kills = true},
	{"work alloc 16777216", {.memory_bytes = 32 * MIB}, SANDBOX_EXITED},
	{"attack_limits fork-bomb", {.processes = 10}, SANDBOX_PROCESS_LIMIT, .exit_code = -1,
		.signal = SIGKILL, .has_refused_forks = true},
	{"attack_limits thread-bomb", {.processes = 10}, SANDBOX_PROCESS_LIMIT, .exit_code = -1,
		.signal = SIGKILL, .has_refused_forks = true},
	{"work forks 9", {.processes = 10}, SANDBOX_EXITED},
	{"attack_limits flood 65536", {.output_bytes = 100000}, SANDBOX_OUTPUT_LIMIT, .exit_code = -1,
		.signal = SIGKILL},
	{"work fill /box/f 2097153", {.file_bytes = 2 * MIB}, SANDBOX_FILE_LIMIT, .exit_code = -1,
		.signal = SIGXFSZ},
	{"attack_calls call mount", .cause = SANDBOX_FORBIDDEN_SYSCALL, .exit_code = -1, .signal = SIGKILL},
	{"work sleep 600000", .until = "sleeping\n", .cause = SANDBOX_CANCELLED, .exit_code = -1,
		.signal = SIGKILL},
};

START_TEST(a_program_ends_the_same_way_wherever_it_runs)
{
	const struct verdict_row *row = &rows[_i];

	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_start(host,
		&(struct cell_plan){.policy = "attack-run", .command = row->command, .limits = row->limits});
	if (row->until != NULL) {
		cell_wait_for(cell, row->until);
		sandbox_cancel(cell->run);
	}
	cell_wait(cell);
	ck_assert_msg(cell->has_result, "%s: %s", row->command, cell_describe(cell));
	ck_assert_msg((enum sandbox_cause)cell->result.cause == row->cause, "%s: expected %s; %s",
		row->command, sandbox_cause_name(row->cause), cell_describe(cell));
	ck_assert_msg(cell->result.exit_code == row->exit_code && cell->result.signal == row->signal,
		"%s: expected exit code %d, signal %d; %s", row->command, row->exit_code, row->signal,
		cell_describe(cell));
	ck_assert_msg((cell->result.oom_kills > 0) == row->has_oom_kills &&
			      (cell->result.forks_refused > 0) == row->has_refused_forks,
		"%s: other evidence; %s", row->command, cell_describe(cell));
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(every_cause_has_a_row)
{
	for (enum sandbox_cause cause = 0; cause < SANDBOX_CAUSE_N; cause++) {
		size_t i = 0;
		while (i < ARRAY_SIZE(rows) && rows[i].cause != cause)
			i++;
		ck_assert_msg(i < ARRAY_SIZE(rows), "no row for %s", sandbox_cause_name(cause));
	}
}
END_TEST

TEST_PROGRAM("verdicts", 150, tcase_add_test(tc, every_cause_has_a_row);
	     tcase_add_loop_test(tc, a_program_ends_the_same_way_wherever_it_runs, 0, (int)ARRAY_SIZE(rows)))
