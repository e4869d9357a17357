/* Every limit holds, at it and one past it, and is reported by its own name from the kernel's evidence. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/cgroup.h"
#include "tests/lib/cell.h"

#include <sched.h>
#include <signal.h>
#include <string.h>

static struct cell *run_with(struct cell_host *host, const char *command, struct sandbox_limits limits)
{
	return cell_run(
		host, &(struct cell_plan){.policy = "attack-run", .command = command, .limits = limits});
}

START_TEST(cpu_time_of_one_thread_is_limited)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(
		host, "work burn 60000", (struct sandbox_limits){.cpu_usec = 300000, .wall_usec = 20000000});
	cell_expect_cause(cell, SANDBOX_CPU_LIMIT);
	cell_expect(cell, cell->result.cpu_usec > 300000);
	cell_expect(cell, cell->result.signal == SIGKILL && cell->result.exit_code == -1);
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER); /* the engine's thread is in its place again */
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* RLIMIT_CPU would give each process its own budget; the cgroup's counts them together. */
START_TEST(cpu_time_of_all_threads_together_is_limited)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work burn 250 8",
		(struct sandbox_limits){.cpu_usec = 500000, .wall_usec = 20000000, .cpu_millis = 2000});
	cell_expect_cause(cell, SANDBOX_CPU_LIMIT);
	cell_expect(cell, cell->result.cpu_usec > 500000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(cpu_time_of_ended_children_counts)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work burn-children 5",
		(struct sandbox_limits){.cpu_usec = 300000, .wall_usec = 20000000});
	cell_expect_cause(cell, SANDBOX_CPU_LIMIT);
	cell_expect(cell, cell->result.cpu_usec > 300000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(cpu_time_below_the_limit_is_reported)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work burn 200", (struct sandbox_limits){.cpu_usec = 5000000});
	cell_expect_exit(cell, 0);
	/* The probe's clock began before it was the probe: up to some milliseconds are not the job's. */
	cell_expect(cell, cell->result.cpu_usec >= 180000 && cell->result.cpu_usec < 5000000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(elapsed_time_is_limited)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work sleep 60000", (struct sandbox_limits){.wall_usec = 300000});
	cell_expect_cause(cell, SANDBOX_WALL_LIMIT);
	cell_expect(cell, cell->result.wall_usec >= 300000 && cell->result.signal == SIGKILL);
	cell_expect(cell, cell->result.cpu_usec < 300000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(waiting_for_input_that_never_comes_meets_the_wall_limit)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "work read",
						   .input = CELL_INPUT_OPEN_PIPE,
						   .limits = {.wall_usec = 300000}});
	cell_expect_cause(cell, SANDBOX_WALL_LIMIT);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(memory_is_limited_and_its_peak_reported)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell =
		run_with(host, "work alloc 134217728", (struct sandbox_limits){.memory_bytes = 32 << 20});
	cell_expect_cause(cell, SANDBOX_MEMORY_LIMIT);
	cell_expect(cell, cell->result.oom_kills > 0);
	cell_expect(cell, cell->result.memory_peak_bytes <= 32 << 20);
	cell_free(cell);
	cell = run_with(host, "work alloc 20971520", (struct sandbox_limits){.memory_bytes = 32 << 20});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "touched=20971520\n");
	cell_expect(cell, cell->result.oom_kills == 0);
	cell_expect(cell,
		cell->result.memory_peak_bytes >= 20 << 20 && cell->result.memory_peak_bytes <= 32 << 20);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* The main process is one of them. */
START_TEST(processes_are_limited_to_the_number)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work forks 9", (struct sandbox_limits){.processes = 10});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "forks=9 end=all\n");
	cell_expect(cell, cell->result.forks_refused == 0);
	cell_free(cell);
	cell = run_with(host, "work forks 10", (struct sandbox_limits){.processes = 10});
	cell_expect_cause(cell, SANDBOX_PROCESS_LIMIT);
	cell_expect(cell, cell->result.forks_refused > 0);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(threads_count_as_processes)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work threads 9", (struct sandbox_limits){.processes = 10});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "threads=9 end=all\n");
	cell_free(cell);
	cell = run_with(host, "work threads 10", (struct sandbox_limits){.processes = 10});
	cell_expect_cause(cell, SANDBOX_PROCESS_LIMIT);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(output_is_cut_at_the_limit_to_the_byte)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell =
		run_with(host, "work write 1 100000", (struct sandbox_limits){.output_bytes = 100000});
	cell_expect_exit(cell, 0);
	cell_expect(cell, cell->out.total == 100000 && cell->result.output_bytes == 100000);
	cell_free(cell);
	cell = run_with(host, "work write 1 100001", (struct sandbox_limits){.output_bytes = 100000});
	cell_expect_cause(cell, SANDBOX_OUTPUT_LIMIT);
	cell_expect(cell, cell->out.total == 100000 && cell->result.output_bytes == 100000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(standard_error_counts_towards_the_output_limit)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work both", (struct sandbox_limits){.output_bytes = 8});
	cell_expect_exit(cell, 0);
	cell_free(cell);
	cell = run_with(host, "work both", (struct sandbox_limits){.output_bytes = 7});
	cell_expect_cause(cell, SANDBOX_OUTPUT_LIMIT);
	cell_expect(cell, cell->out.total + cell->err.total == 7);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(output_that_nobody_wants_is_limited_too)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "attack_limits flood 65536",
						   .is_silent = true,
						   .limits = {.output_bytes = 100000}});
	cell_expect_cause(cell, SANDBOX_OUTPUT_LIMIT);
	cell_expect(cell, cell->result.output_bytes == 100000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(the_size_of_one_file_is_limited)
{
	struct sandbox_limits limits = {.file_bytes = 2 << 20};

	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work fill /box/f 2097152", limits);
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "wrote=2097152 end=all\n");
	cell_free(cell);
	cell = run_with(host, "work fill /box/f 2097153", limits);
	cell_expect_cause(cell, SANDBOX_FILE_LIMIT);
	cell_expect(cell, cell->result.signal == SIGXFSZ);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* One tmpfs for /box and /tmp: what is in the one is not free in the other. */
START_TEST(disk_space_is_limited_over_box_and_tmp_together)
{
	struct sandbox_limits limits = {.disk_bytes = 8 << 20, .file_bytes = 32 << 20};
	unsigned long long box = 0, tmp = 0;

	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "attack_limits disk /box /tmp", limits);
	cell_expect_exit(cell, 0);
	ck_assert_int_eq(sscanf(cell->out.text, "/box: bytes=%llu end=ENOSPC\n/tmp: bytes=%llu end=ENOSPC",
				 &box, &tmp),
		2);
	cell_expect(cell, box + tmp > 6 << 20 && box + tmp <= 8 << 20 && tmp < 1 << 20);
	cell_free(cell);
	cell = run_with(host, "probe statfs /box /tmp", limits);
	cell_expect_output(cell, "/box type=1021994 bytes=8388608 ");
	cell_expect_output(cell, "/tmp type=1021994 bytes=8388608 ");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(inodes_are_limited)
{
	static const char *const commands[] = {
		"work inodes /box 100000 f", "work inodes /tmp 100000 d", "work inodes /box 100000 l"};
	unsigned long made;

	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct cell *cell = run_with(host, commands[i], (struct sandbox_limits){.inodes = 200});
		cell_expect_exit(cell, 0);
		cell_expect(cell, sscanf(cell->out.text, "inodes=%lu end=ENOSPC", &made) == 1);
		/* The program's own file is one; the cell's own directories are paid for with a handful more. */
		cell_expect(cell, made >= 199 && made <= 216);
		cell_free(cell);
	}
	cell_close(host);
}
END_TEST

START_TEST(open_files_are_limited_to_the_number)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work openfiles 1000", (struct sandbox_limits){.open_files = 50});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "open=50 end=EMFILE\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(the_stack_is_limited)
{
	struct sandbox_limits limits = {.stack_bytes = 4 << 20};

	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_with(host, "work stack 3145728", limits);
	cell_expect_exit(cell, 0);
	cell_free(cell);
	cell = run_with(host, "work stack 5242880", limits);
	cell_expect_cause(cell, SANDBOX_SIGNALED);
	cell_expect(cell, cell->result.signal == SIGSEGV);
	cell_free(cell);
	cell_close(host);
}
END_TEST

static unsigned long long group_number(const struct cell_host *host, int controller, const char *file)
{
	char text[128];

	cell_cgroup_read(host, controller, file, text, sizeof(text));
	ck_assert_msg(text[0] != '\0', "no %s in the cell's cgroup", file);
	return strtoull(text, NULL, 10);
}

static void expect_bandwidth(const struct cell_host *host, int version, unsigned long long millis)
{
	unsigned long long quota, period;
	char text[128];

	if (version == 1) {
		quota = group_number(host, CGROUP_CPU, "cpu.cfs_quota_us");
		period = group_number(host, CGROUP_CPU, "cpu.cfs_period_us");
	} else {
		cell_cgroup_read(host, CGROUP_CPU, "cpu.max", text, sizeof(text));
		ck_assert_msg(sscanf(text, "%llu %llu", &quota, &period) == 2, "cpu.max: %s", text);
	}
	ck_assert_uint_eq(quota * 1000, period * millis);
}

/* While it runs, the kernel holds what was asked for. */
START_TEST(the_cgroup_holds_bandwidth_memory_and_processes)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	char text[64];

	CELL_OPEN(host, "attack-run");
	ck_assert_int_eq(cgroup_probe(NULL, where, NULL), 0);
	struct cell *cell = cell_start(
		host, &(struct cell_plan){.policy = "attack-run",
			      .command = "work sleep 60000",
			      .limits = {.cpu_millis = 250, .memory_bytes = 48 << 20, .processes = 13}});
	cell_wait_for(cell, "sleeping\n");
	expect_bandwidth(host, where[CGROUP_CPU].version, 250);
	bool is_v1 = where[CGROUP_MEMORY].version == 1;
	ck_assert_uint_eq(
		group_number(host, CGROUP_MEMORY, is_v1 ? "memory.limit_in_bytes" : "memory.max"), 48 << 20);
	/* v1 without swap accounting has no such file; then swappiness is what keeps pages in memory. */
	cell_cgroup_read(host, CGROUP_MEMORY, is_v1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max", text,
		sizeof(text));
	if (text[0] != '\0')
		ck_assert_uint_eq(strtoull(text, NULL, 10), is_v1 ? 48 << 20 : 0);
	else
		ck_assert_uint_eq(group_number(host, CGROUP_MEMORY, "memory.swappiness"), 0);
	ck_assert_uint_eq(group_number(host, CGROUP_PIDS, "pids.max"), 13 + 1); /* init is one */
	sandbox_cancel(cell->run);
	cell_wait(cell);
	cell_free(cell);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("limits", 90, tcase_add_test(tc, cpu_time_of_one_thread_is_limited);
	     tcase_add_test(tc, cpu_time_of_all_threads_together_is_limited);
	     tcase_add_test(tc, cpu_time_of_ended_children_counts);
	     tcase_add_test(tc, cpu_time_below_the_limit_is_reported);
	     tcase_add_test(tc, elapsed_time_is_limited);
	     tcase_add_test(tc, waiting_for_input_that_never_comes_meets_the_wall_limit);
	     tcase_add_test(tc, memory_is_limited_and_its_peak_reported);
	     tcase_add_test(tc, processes_are_limited_to_the_number);
	     tcase_add_test(tc, threads_count_as_processes);
	     tcase_add_test(tc, output_is_cut_at_the_limit_to_the_byte);
	     tcase_add_test(tc, standard_error_counts_towards_the_output_limit);
	     tcase_add_test(tc, output_that_nobody_wants_is_limited_too);
	     tcase_add_test(tc, the_size_of_one_file_is_limited);
	     tcase_add_test(tc, disk_space_is_limited_over_box_and_tmp_together);
	     tcase_add_test(tc, inodes_are_limited); tcase_add_test(tc, open_files_are_limited_to_the_number);
	     tcase_add_test(tc, the_stack_is_limited);
	     tcase_add_test(tc, the_cgroup_holds_bandwidth_memory_and_processes))
