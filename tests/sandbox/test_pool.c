/* test_pool.c: cells that were made before somebody asked for them are like any other, and serve one run. */
#include "sandbox/cgroup/cgroup.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/client.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POOL = 2 };

static bool is_quiet(const struct cell_host *host)
{
	struct pollfd engine = {.fd = sandbox_fd(cell_sandbox(host)), .events = POLLIN};

	return poll(&engine, 1, 300) == 0;
}

/* How many inits there are, PIDS being theirs. Besides its init, a waiting cell has the process that will be its target:
 * without it, it is not complete yet, and 0 is returned. */
static size_t waiting_cells(const struct cell_host *host, pid_t pids[CELL_PIDS])
{
	size_t all = cell_pids(host, pids), inits = 0;

	for (size_t i = 0; i < all; i++) {
		const char *inner = strrchr(cell_proc_line(pids[i], "status", "NSpid:"), '\t');
		if (inner != NULL && strcmp(inner, "\t1") == 0)
			pids[inits++] = pids[i];
	}
	return all == 2 * inits ? inits : 0;
}

/* Until the engine has nothing more to do: then N cells wait, PIDS being their inits, and no other is there. */
static void wait_for_idle(struct cell_host *host, size_t n, pid_t pids[CELL_PIDS])
{
	for (int i = 0; i < 1000 && (!is_quiet(host) || waiting_cells(host, pids) != n); i++)
		cell_turn(host, 0);
	ck_assert_uint_eq(waiting_cells(host, pids), n);
}

static struct cell *run_shell(struct cell_host *host, const char *command)
{
	const char *const argv[] = {"/bin/sh", "-c", command, NULL};

	return cell_run(host, &(struct cell_plan){.policy = "attack-command",
				      .argv = argv,
				      .limits = {.cpu_usec = 30000000, .wall_usec = 60000000},
				      .has_policy_limits = true});
}

/* The first run is what makes the engine keep some. */
static void warm_up(struct cell_host *host, pid_t pids[CELL_PIDS])
{
	struct cell *cell = run_shell(host, "exit 3");

	cell_expect_exit(cell, 3);
	cell_free(cell);
	wait_for_idle(host, POOL, pids);
}

static bool is_among(pid_t pid, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* The init that served is never seen again, and no two ever had the same user id. */
START_TEST(a_waiting_cell_serves_one_run)
{
	enum { RUNS = 8 };
	pid_t idle[CELL_PIDS], after[CELL_PIDS], used[RUNS];
	char uids[RUNS][64];

	CELL_OPEN_POOL(host, "attack-command", POOL);
	warm_up(host, idle);
	for (size_t i = 0; i < RUNS; i++) {
		char served[64] = "";
		struct cell *cell = run_shell(host, "exit 0");
		cell_expect_exit(cell, 0);
		cell_free(cell);
		wait_for_idle(host, POOL, after);
		used[i] = 0;
		for (size_t k = 0; k < POOL; k++)
			if (!is_among(idle[k], after, POOL))
				used[i] = idle[k];
		ck_assert_int_ne(used[i], 0);
		for (size_t k = 0; k < POOL; k++)
			ck_assert(!is_among(after[k], used, i + 1));
		(void)snprintf(uids[i], sizeof(uids[i]), "%s", cell_proc_line(after[0], "status", "Uid:"));
		(void)snprintf(served, sizeof(served), "%s", cell_proc_line(after[1], "status", "Uid:"));
		ck_assert_str_ne(uids[i], served);
		memcpy(idle, after, sizeof(idle));
	}
	cell_close_at_once(host);
}
END_TEST

START_TEST(nothing_of_a_run_is_in_the_next)
{
	static const char look[] = "ls -A /box /tmp; cat /proc/self/cgroup; "
				   "echo left >/box/a; mkdir /tmp/b; sleep 100 & echo $$";
	pid_t pids[CELL_PIDS];

	CELL_OPEN_POOL(host, "attack-command", POOL);
	warm_up(host, pids);
	struct cell *first = run_shell(host, look);
	cell_expect_exit(first, 0);
	for (int i = 0; i < 4; i++) {
		wait_for_idle(host, POOL, pids);
		struct cell *next = run_shell(host, look);
		cell_expect_exit(next, 0);
		ck_assert_str_eq(next->out.text, first->out.text);
		cell_free(next);
	}
	ck_assert_ptr_null(strstr(first->out.text, "left"));
	cell_free(first);
	cell_close_at_once(host);
}
END_TEST

/* A waiting cell has its policy's limits; those of the run are what counts. */
START_TEST(limits_are_the_run_s)
{
	pid_t pids[CELL_PIDS];

	CELL_OPEN_POOL(host, "attack-run", POOL);
	struct cell *cell = cell_run(
		host, &(struct cell_plan){
			      .policy = "attack-run", .command = "work exit 0", .has_policy_limits = true});
	cell_expect_exit(cell, 0);
	cell_free(cell);
	wait_for_idle(host, POOL, pids);
	cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
				      .command = "work alloc 67108864",
				      .has_policy_limits = true,
				      .limits = {.memory_bytes = 24 << 20}});
	cell_expect_cause(cell, SANDBOX_MEMORY_LIMIT);
	cell_expect(cell, cell->result.memory_peak_bytes <= 24 << 20);
	cell_free(cell);
	wait_for_idle(host, POOL, pids);
	cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
				      .command = "work forks 10",
				      .has_policy_limits = true,
				      .limits = {.processes = 3}});
	cell_expect_cause(cell, SANDBOX_PROCESS_LIMIT);
	cell_free(cell);
	cell_close_at_once(host);
}
END_TEST

/* The kernel refuses a limit below what is in use: the verdict must not depend on whether a cell was waiting. */
START_TEST(a_limit_below_what_a_waiting_cell_holds_is_met)
{
	pid_t pids[CELL_PIDS];

	CELL_OPEN_POOL(host, "attack-command", POOL);
	warm_up(host, pids);
	for (uint64_t bytes = 4096; bytes <= 65536; bytes *= 4) {
		static const char *const argv[] = {"/bin/true", NULL};
		struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-command",
							   .argv = argv,
							   .has_policy_limits = true,
							   .limits = {.memory_bytes = bytes}});
		cell_expect_cause(cell, SANDBOX_MEMORY_LIMIT);
		cell_free(cell);
	}
	cell_close_at_once(host);
}
END_TEST

/* The size of a file system is fixed when it is made: such a run gets a cell of its own. */
START_TEST(another_disk_limit_has_a_cell_of_its_own)
{
	const char *const argv[] = {"/bin/sh", "-c", "stat -f -c '%b %S' /box", NULL};
	pid_t before[CELL_PIDS], after[CELL_PIDS];

	CELL_OPEN_POOL(host, "attack-command", POOL);
	warm_up(host, before);
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-command",
						   .argv = argv,
						   .has_policy_limits = true,
						   .limits = {.disk_bytes = 8 << 20}});
	cell_expect_exit(cell, 0);
	ck_assert_str_eq(cell->out.text, "2048 4096\n");
	cell_free(cell);
	wait_for_idle(host, POOL, after);
	ck_assert(is_among(before[0], after, POOL) && is_among(before[1], after, POOL));
	cell_close_at_once(host);
}
END_TEST

static void wait_for_end(pid_t pid)
{
	for (int n = 0; n < 500 && strchr("ZX", cell_proc_line(pid, "status", "State:")[0]) == NULL; n++)
		client_pause(10);
}

START_TEST(a_waiting_cell_that_dies_is_replaced)
{
	pid_t before[CELL_PIDS], after[CELL_PIDS];

	CELL_OPEN_POOL(host, "attack-command", POOL);
	warm_up(host, before);
	for (int i = 0; i < POOL; i++) {
		ck_assert_int_eq(kill(before[i], SIGKILL), 0);
		wait_for_end(before[i]);
	}
	for (int i = 0; i < 4; i++) {
		struct cell *cell = run_shell(host, "exit 4");
		cell_expect_exit(cell, 4);
		cell_free(cell);
	}
	wait_for_idle(host, POOL, after);
	ck_assert(!is_among(before[0], after, POOL) && !is_among(before[1], after, POOL));
	cell_close_at_once(host);
}
END_TEST

/* The host's OOM killer can have ended it, and it may be the first to be. */
START_TEST(a_waiting_cell_whose_target_dies_is_replaced)
{
	pid_t pids[CELL_PIDS];

	CELL_OPEN_POOL(host, "attack-command", 1);
	struct cell *cell = run_shell(host, "exit 0");
	cell_free(cell);
	wait_for_idle(host, 1, pids);
	ck_assert_int_eq(kill(host_child_of(pids[0]), SIGKILL), 0);
	wait_for_end(pids[0]);
	cell = run_shell(host, "exit 4");
	cell_expect_exit(cell, 4);
	cell_free(cell);
	cell_close_at_once(host);
}
END_TEST

/* Nobody but the host can have ended it: no verdict says that the program did. */
START_TEST(a_target_that_dies_before_its_run_is_the_hosts_fault)
{
	pid_t pids[CELL_PIDS];

	CELL_OPEN_POOL(host, "attack-command", 1);
	struct cell *cell = run_shell(host, "exit 0");
	cell_free(cell);
	wait_for_idle(host, 1, pids);
	/* The engine hears of it when the cell has been taken. */
	ck_assert_int_eq(kill(pids[0], SIGSTOP), 0);
	ck_assert_int_eq(kill(host_child_of(pids[0]), SIGKILL), 0);
	pid_t waker = fork();
	if (waker == 0) {
		client_pause(200);
		_exit(kill(pids[0], SIGCONT));
	}
	cell = run_shell(host, "exit 0");
	cell_expect(cell, !cell->has_result);
	ck_assert_str_eq(cell->error.stage, "cell.target");
	cell_free(cell);
	ck_assert_int_eq(waitpid(waker, NULL, 0), waker);
	cell_close_at_once(host);
}
END_TEST

/* Its memory is the kernel's figure for its cgroup. */
START_TEST(waiting_takes_little_memory_and_no_time)
{
	pid_t pids[CELL_PIDS];
	char text[64];

	CELL_OPEN_POOL(host, "attack-command", 1);
	struct cell *cell = run_shell(host, "exit 0");
	cell_free(cell);
	wait_for_idle(host, 1, pids);
	cell_cgroup_read(host, CGROUP_MEMORY, "memory.usage_in_bytes", text, sizeof(text));
	if (text[0] == '\0')
		cell_cgroup_read(host, CGROUP_MEMORY, "memory.current", text, sizeof(text));
	ck_assert_str_ne(text, "");
	ck_assert_msg(strtoull(text, NULL, 10) < 1 << 20, "a waiting cell holds %s bytes", text);
	ck_assert(is_quiet(host));
	cell_close_at_once(host);
}
END_TEST

START_TEST(many_runs_at_once_get_each_its_own)
{
	enum { RUNS = 20 };
	struct cell *cells[RUNS];
	pid_t pids[CELL_PIDS];

	CELL_OPEN_POOL(host, "attack-command", POOL);
	warm_up(host, pids);
	const char *const argv[] = {"/bin/sh", "-c", "readlink /proc/self/ns/pid; sleep 0.2", NULL};
	for (int i = 0; i < RUNS; i++)
		cells[i] = cell_start(host, &(struct cell_plan){.policy = "attack-command",
						    .argv = argv,
						    .limits.wall_usec = 60000000,
						    .has_policy_limits = true});
	for (int i = 0; i < RUNS; i++) {
		cell_wait(cells[i]);
		cell_expect_exit(cells[i], 0);
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(cells[i]->out.text, cells[k]->out.text);
	}
	for (int i = 0; i < RUNS; i++)
		cell_free(cells[i]);
	wait_for_idle(host, POOL, pids);
	cell_close_at_once(host);
}
END_TEST

/* While orders are outstanding, the cell that the pool lacks has no time of its own: the engine sleeps. */
START_TEST(a_slow_launcher_is_waited_for)
{
	enum { RUNS = 20 };
	static const char *const argv[] = {"/bin/true", NULL};
	static const struct cell_plan plan = {
		.policy = "attack-command", .argv = argv, .has_policy_limits = true};
	struct cell *cells[RUNS];
	pid_t pids[CELL_PIDS];
	int turns = 0;

	CELL_OPEN_POOL(host, "attack-command", POOL);
	warm_up(host, pids);
	pid_t launcher = host_child_of(getpid());
	ck_assert_int_eq(kill(launcher, SIGSTOP), 0);
	for (int i = 0; i < RUNS; i++) {
		cells[i] = cell_start(host, &plan);
		if (i == 0)
			cell_turn(host, 0); /* the pool lacks one, and has time */
	}
	for (; turns < 1000 && !is_quiet(host); turns++)
		cell_turn(host, 0);
	ck_assert_int_eq(kill(launcher, SIGCONT), 0);
	ck_assert_int_lt(turns, 1000);
	for (int i = 0; i < RUNS; i++) {
		cell_wait(cells[i]);
		cell_expect_exit(cells[i], 0);
		cell_free(cells[i]);
	}
	cell_close_at_once(host);
}
END_TEST

/* In the supervisor, whose pool is on unless it is told otherwise. */
START_TEST(waiting_cells_die_with_their_supervisor)
{
	(void)setenv("POOL", "2", 1);
	SUPERVISOR(supervisor);
	for (int i = 0; i < 4; i++) {
		struct client client = client_start(&supervisor, "exit 5");
		struct sandbox_result result = client_finish(&client);
		ck_assert_int_eq(result.exit_code, 5);
	}
	for (int i = 0; i < 500 && host_slot_processes(supervisor.slot) != 2 * POOL; i++)
		client_pause(20);
	ck_assert_uint_eq(host_slot_processes(supervisor.slot), 2 * POOL);
	supervisor_kill(&supervisor);
	supervisor_wait_until_empty(&supervisor);
	supervisor_start(&supervisor);
	struct client client = client_start(&supervisor, "exit 6");
	ck_assert_int_eq(client_finish(&client).exit_code, 6);
	supervisor_close(&supervisor);
}
END_TEST

TEST_PROGRAM("pool", 120, tcase_add_test(tc, a_waiting_cell_serves_one_run);
	     tcase_add_test(tc, nothing_of_a_run_is_in_the_next); tcase_add_test(tc, limits_are_the_run_s);
	     tcase_add_test(tc, a_limit_below_what_a_waiting_cell_holds_is_met);
	     tcase_add_test(tc, another_disk_limit_has_a_cell_of_its_own);
	     tcase_add_test(tc, a_waiting_cell_that_dies_is_replaced);
	     tcase_add_test(tc, a_waiting_cell_whose_target_dies_is_replaced);
	     tcase_add_test(tc, a_target_that_dies_before_its_run_is_the_hosts_fault);
	     tcase_add_test(tc, waiting_takes_little_memory_and_no_time);
	     tcase_add_test(tc, many_runs_at_once_get_each_its_own);
	     tcase_add_test(tc, a_slow_launcher_is_waited_for);
	     tcase_add_test(tc, waiting_cells_die_with_their_supervisor))
