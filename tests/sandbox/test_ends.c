/* How a run can end, and that the report says exactly that. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/cgroup.h"
#include "tests/lib/cell.h"

#include <inttypes.h>
#include <linux/audit.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

START_TEST(an_exit_code_is_reported_as_it_is)
{
	static const int codes[] = {
		0, 1, 2, 3, 9, 42, 100, 123, 124, 125, 126, 127, 128, 129, 137, 139, 200, 254, 255};

	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		char command[32];
		(void)snprintf(command, sizeof(command), "work exit %d", codes[i]);
		struct cell *cell = cell_probe(host, command);
		cell_expect_exit(cell, codes[i]);
		cell_expect(cell, cell->result.signal == 0 && cell->result.syscall_nr == -1);
		cell_free(cell);
	}
	cell_close(host);
}
END_TEST

/* 1 to 31 without those that do not end a process (CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH) and without XFSZ,
 * which is the file limit's word; and some of the real-time ones. */
START_TEST(a_signal_is_reported_as_it_is)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE,
		SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGVTALRM,
		SIGPROF, SIGIO, SIGPWR, SIGSYS, 34, 50, 64};

	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		char command[32];
		(void)snprintf(command, sizeof(command), "work signal %d", signals[i]);
		struct cell *cell = cell_probe(host, command);
		cell_expect_cause(cell, SANDBOX_SIGNALED);
		cell_expect(cell, cell->result.signal == signals[i] && cell->result.exit_code == -1);
		cell_expect(cell, cell->result.oom_kills == 0);
		cell_free(cell);
	}
	cell_close(host);
}
END_TEST

START_TEST(a_null_dereference_is_signal_11_and_an_abort_is_6)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "work null");
	cell_expect_cause(cell, SANDBOX_SIGNALED);
	cell_expect(cell, cell->result.signal == SIGSEGV);
	cell_free(cell);
	cell = cell_probe(host, "work abort-in-thread");
	cell_expect_cause(cell, SANDBOX_SIGNALED);
	cell_expect(cell, cell->result.signal == SIGABRT);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(a_forbidden_call_is_named)
{
	static const struct {
		const char *command, *name;
		int nr;
		uint32_t arch;
	} calls[] = {{"attack_calls call mount", "mount", 165, AUDIT_ARCH_X86_64},
		{"attack_calls call ptrace", "ptrace", 101, AUDIT_ARCH_X86_64},
		{"attack_sweep one 0x400000a5", "x32:165", 0x40000000 | 165, AUDIT_ARCH_X86_64}};

	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct cell *cell = cell_probe(host, calls[i].command);
		cell_expect_cause(cell, SANDBOX_FORBIDDEN_SYSCALL);
		cell_expect(cell, strcmp(cell->result.syscall_name, calls[i].name) == 0);
		cell_expect(cell, cell->result.syscall_nr == calls[i].nr);
		cell_expect(cell, cell->result.syscall_arch == calls[i].arch);
		cell_expect(cell, cell->result.signal == SIGKILL && cell->result.exit_code == -1);
		cell_free(cell);
	}
	cell_close(host);
}
END_TEST

START_TEST(a_32_bit_call_is_forbidden_and_named)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "attack_sweep int80 21");
	if (!cell_host_has_i386()) {
		cell_expect_cause(cell, SANDBOX_SIGNALED);
		cell_expect(cell, cell->result.signal == SIGSEGV);
		test_skip(__func__, "this machine has no 32-bit system calls: int 0x80 is a fault");
	} else {
		cell_expect_cause(cell, SANDBOX_FORBIDDEN_SYSCALL);
		cell_expect(cell, strcmp(cell->result.syscall_name, "i386:21") == 0);
		cell_expect(
			cell, cell->result.syscall_nr == 21 && cell->result.syscall_arch == AUDIT_ARCH_I386);
	}
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(a_cancelled_run_says_so_at_any_time)
{
	CELL_OPEN(host, "attack-run");
	struct cell *running =
		cell_start(host, &(struct cell_plan){.policy = "attack-run", .command = "work sleep 60000"});
	cell_wait_for(running, "sleeping\n");
	struct cell *waiting =
		cell_start(host, &(struct cell_plan){.policy = "attack-run", .command = "work sleep 60000"});
	sandbox_cancel(waiting->run);
	sandbox_cancel(running->run);
	sandbox_cancel(running->run); /* twice is once */
	cell_wait(waiting);
	cell_wait(running);
	cell_expect_cause(waiting, SANDBOX_CANCELLED);
	cell_expect_cause(running, SANDBOX_CANCELLED);
	cell_free(waiting);
	cell_free(running);

	/* While it is being built: after some turns of the loop, whatever they did. */
	for (int turns = 0; turns < 6; turns++) {
		struct cell *cell = cell_start(
			host, &(struct cell_plan){.policy = "attack-run", .command = "work sleep 60000"});
		for (int i = 0; i < turns; i++)
			cell_turn(host, 1);
		sandbox_cancel(cell->run);
		cell_wait(cell);
		cell_expect_cause(cell, SANDBOX_CANCELLED);
		cell_free(cell);
	}
	cell_close(host);
}
END_TEST

START_TEST(daemons_are_dead_before_the_result_and_do_not_delay_it)
{
	pid_t pids[CELL_PIDS];

	CELL_OPEN(host, "attack-run");
	/* They would hold standard output for a minute; cell_wait also insists that it is closed by now. */
	struct cell *cell = cell_probe(host, "work daemon 60000");
	cell_expect_exit(cell, 0);
	cell_expect(cell, cell->result.wall_usec < 8000000);
	/* The cell's init, which is ours, may still be there: it is cleared away behind the result. */
	size_t n = cell_pids(host, pids);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(cell_proc_line(pids[i], "status", "Name:\t"), "cofferdam-cells");
	ck_assert_uint_le(n, 1);
	ck_assert_str_eq(cell->out.text, "main ends\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(a_limit_kills_children_in_every_state)
{
	pid_t pids[CELL_PIDS];

	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "attack_peers stop",
						   .limits = {.wall_usec = 300000}});
	cell_expect_cause(cell, SANDBOX_WALL_LIMIT);
	ck_assert_uint_eq(cell_pids(host, pids), 0);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* A program that cannot be executed is no exit code: the stage says "cell.exec", the errno why. */
START_TEST(a_program_that_cannot_be_executed_is_an_error_of_its_own)
{
	static const char garbage[] = "\x7f"
				      "ELF and nothing else";
	static const struct {
		const char *argv[2];
		int error;
	} tries[] = {{{"/box/missing", NULL}, ENOENT}, {{"missing", NULL}, ENOENT},
		{{"/box/plain", NULL}, EACCES}, {{"/box", NULL}, EACCES}, {{"/box/garbage", NULL}, ENOEXEC},
		{{"/box/plain/x", NULL}, ENOTDIR}, {{"/dev/null", NULL}, EACCES}};

	CELL_OPEN(host, "attack-run");
	int fd = fd_memfd("garbage", garbage, sizeof(garbage));
	ck_assert_int_ge(fd, 0);
	const struct sandbox_file files[] = {{"plain", fd, false}, {"garbage", fd, true}};
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct cell *cell = cell_run(host,
			&(struct cell_plan){
				.policy = "attack-run", .argv = tries[i].argv, .files = files, .nfiles = 2});
		cell_expect(cell, cell->started == 0 && !cell->has_result);
		cell_expect(cell, strcmp(cell->error.stage, "cell.exec") == 0);
		cell_expect(cell, cell->error.errno_value == tries[i].error);
		cell_free(cell);
	}
	(void)close(fd);
	cell_close(host);
}
END_TEST

/* The process's own clock runs from its birth, set-up included; the cgroup's runs on until it is reaped. The job's figure
 * can only be smaller than what the program last read from its clock if its set-up is left out. */
START_TEST(the_targets_own_birth_is_not_charged)
{
	bool is_smaller = false;
	uint64_t charged = 0, used = 0;

	CELL_OPEN(host, "attack-run");
	for (int i = 0; i < 20 && !is_smaller; i++) {
		struct cell *cell = cell_probe(host, "work clock");
		cell_expect_exit(cell, 0);
		const char *read = cell_value(cell, "cpu_nsec=");
		ck_assert_ptr_nonnull(read);
		charged = cell->result.cpu_usec;
		used = strtoull(read, NULL, 10) / 1000;
		is_smaller = charged < used;
		cell_free(cell);
	}
	cell_close(host);
	ck_assert_msg(is_smaller,
		"in none of 20 runs was the set-up left out; in the last: %" PRIu64 " us charged of %" PRIu64,
		charged, used);
}
END_TEST

static uint64_t cpu_usec_of_init(const struct cell_host *host)
{
	pid_t pids[CELL_PIDS];
	clockid_t clock;
	struct timespec ts;

	for (size_t i = 0, n = cell_pids(host, pids); i < n; i++) {
		const char *number = strrchr(cell_proc_line(pids[i], "status", "NSpid:"), '\t');
		if (number == NULL || strcmp(number, "\t1") != 0)
			continue;
		ck_assert(clock_getcpuclockid(pids[i], &clock) == 0 && clock_gettime(clock, &ts) == 0);
		return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000;
	}
	ck_abort_msg("the cell has no init");
}

static uint64_t cpu_usec_of_cell(const struct cell_host *host)
{
	char text[256];

	cell_cgroup_read(host, CGROUP_CPUACCT, "cpuacct.usage", text, sizeof(text));
	if (text[0] != '\0')
		return strtoull(text, NULL, 10) / 1000;
	cell_cgroup_read(host, CGROUP_CPUACCT, "cpu.stat", text, sizeof(text));
	ck_assert_int_eq(strncmp(text, "usage_usec ", 11), 0);
	return strtoull(text + 11, NULL, 10);
}

/* What init used before the start is taken off, and little of what it used afterwards. */
START_TEST(what_a_job_makes_init_do_is_charged)
{
	enum { WORK_USEC = 200 * 1000 };

	CELL_OPEN(host, "attack-run");
	struct cell *cell =
		cell_start(host, &(struct cell_plan){.policy = "attack-run",
					 .command = "work burials",
					 .input = CELL_INPUT_OPEN_PIPE,
					 .limits = {.cpu_usec = 60000000, .wall_usec = 60000000}});
	cell_wait_for(cell, "begins");
	uint64_t before = cpu_usec_of_init(host);
	while (cpu_usec_of_init(host) < before + WORK_USEC)
		cell_turn(host, 10);
	uint64_t all = cpu_usec_of_cell(host);
	cell_feed(cell, NULL);
	cell_wait(cell);
	cell_expect_exit(cell, 0);
	cell_expect(cell, cell->result.cpu_usec > all - before - WORK_USEC / 2);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* Nothing that came before the target is charged to it, and every phase is timed. */
START_TEST(phases_are_timed_and_setup_is_not_charged)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "work exit 0");
	cell_expect_exit(cell, 0);
	const struct sandbox_phases *phases = &cell->result.phases;
	cell_expect(cell, phases->acquire_nsec > 0 && phases->files_in_nsec > 0 && phases->exec_nsec > 0);
	cell_expect(cell, phases->run_nsec > 0 && phases->teardown_nsec > 0);
	cell_expect(cell, cell->result.wall_usec == phases->run_nsec / 1000);
	cell_expect(cell, cell->result.cpu_usec < 1000000);
	cell_expect(cell, cell->result.memory_peak_bytes > 0);
	cell_free(cell);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("ends", 60, tcase_add_test(tc, an_exit_code_is_reported_as_it_is);
	     tcase_add_test(tc, a_signal_is_reported_as_it_is);
	     tcase_add_test(tc, a_null_dereference_is_signal_11_and_an_abort_is_6);
	     tcase_add_test(tc, a_forbidden_call_is_named);
	     tcase_add_test(tc, a_32_bit_call_is_forbidden_and_named);
	     tcase_add_test(tc, a_cancelled_run_says_so_at_any_time);
	     tcase_add_test(tc, daemons_are_dead_before_the_result_and_do_not_delay_it);
	     tcase_add_test(tc, a_limit_kills_children_in_every_state);
	     tcase_add_test(tc, a_program_that_cannot_be_executed_is_an_error_of_its_own);
	     tcase_add_test(tc, what_a_job_makes_init_do_is_charged);
	     tcase_add_test(tc, phases_are_timed_and_setup_is_not_charged);
	     tcase_add_test(tc, the_targets_own_birth_is_not_charged))
