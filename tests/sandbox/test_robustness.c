/* What the engine bears: calls from its own callbacks, a host that runs out of things, a launcher that dies, and jobs
 * that turn on their init. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"
#include "tests/lib/cell_host.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { PATIENCE_SEC = 40, MANY = 24 };

/* --- runs straight through sandbox.h ---------------------------------------------------------------------------- */

struct trial {
	struct cell_host *host;
	struct sandbox_run *run;
	int stdout_fd;	 /* borrowed; 0: none */
	uint64_t inodes; /* 0: the policy's, as cells that wait have it */
	unsigned calls;
	bool has_result;
	struct sandbox_result result;
	struct sandbox_error error;
	void (*then)(struct trial *trial); /* from the done function */
	struct trial *other;
};

static void on_done(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	struct trial *trial = user;

	ck_assert(trial->run == NULL || trial->run == run);
	trial->calls++;
	trial->has_result = result != NULL;
	if (result != NULL)
		trial->result = *result;
	else
		trial->error = *error;
	if (trial->then != NULL)
		trial->then(trial);
}

static int start(struct trial *trial, const char *const *argv, struct sandbox_error *err)
{
	char path[4096];
	size_t nargs = 0;

	while (argv[nargs] != NULL)
		nargs++;
	(void)snprintf(path, sizeof(path), "%s/work", cell_probes_dir());
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct sandbox_file file = {"work", fd, true};
	const struct sandbox_spec spec = {.policy = "attack-run",
		.step = SANDBOX_RUN,
		.limits = {.wall_usec = 30000000, .inodes = trial->inodes},
		.args = argv,
		.nargs = nargs,
		.files = &file,
		.nfiles = 1,
		.stdin_fd = -1,
		.stdout_fd = trial->stdout_fd > 0 ? trial->stdout_fd : -1,
		.stderr_fd = -1};
	return sandbox_start(cell_sandbox(trial->host), &spec, on_done, trial, &trial->run, err);
}

static const char *const exits[] = {"/box/work", "exit", "3", NULL};
static const char *const sleeps[] = {"/box/work", "sleep", "60000", NULL};

static void start_well(struct trial *trial, const char *const *argv)
{
	struct sandbox_error err = {0};
	int r = start(trial, argv, &err);

	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
}

static void dispatch(struct cell_host *host, int timeout_msec)
{
	struct sandbox_error err = {0};
	int r = sandbox_dispatch(cell_sandbox(host), timeout_msec, &err);

	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
}

/* As a program with nothing else to do: it sleeps until the engine's descriptor wakes it. */
static void wait_for(struct trial *trial)
{
	struct timespec now, end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += PATIENCE_SEC;
	while (trial->calls == 0) {
		dispatch(trial->host, (PATIENCE_SEC + 1) * 1000);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		ck_assert_msg(now.tv_sec < end.tv_sec, "no report");
	}
}

static void wait_for_processes(struct cell_host *host, size_t n)
{
	pid_t pids[CELL_PIDS];

	while (cell_pids(host, pids) != n)
		dispatch(host, 5);
}

static bool is_exit_3(const struct trial *trial)
{
	return trial->has_result && trial->result.cause == SANDBOX_EXITED && trial->result.exit_code == 3;
}

/* --- calls from a done function --------------------------------------------------------------------------------- */

/* A run whose cell is gone while its output still waits for a reader. Cancelled, it is reported at the end of a round,
 * after the engine has looked for other things to do. */
static void start_held(struct trial *trial, int pipe_fds[2])
{
	static const char *const writes[] = {"/box/work", "bytes", "100", NULL};
	int arrived = 0;

	/* One page in the client's pipe, and the rest fits into the cell's, however the writes are portioned. */
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096), 4096);
	trial->stdout_fd = pipe_fds[1];
	start_well(trial, writes);
	trial->stdout_fd = 0;
	while (ioctl(pipe_fds[0], FIONREAD, &arrived) == 0 && arrived == 0)
		dispatch(trial->host, 5);
	wait_for_processes(trial->host, 0);
	for (int i = 0; i < 10; i++)
		dispatch(trial->host, 10);
	ck_assert_uint_eq(trial->calls, 0);
}

static void cancel_other(struct trial *trial)
{
	sandbox_cancel(trial->other->run);
}

static void start_other(struct trial *trial)
{
	start_well(trial->other, exits);
}

START_TEST(a_run_started_from_a_done_function_runs)
{
	int pipe_fds[2];

	CELL_OPEN(host, "attack-run");
	struct trial second = {.host = host};
	struct trial first = {.host = host, .then = start_other, .other = &second};
	start_held(&first, pipe_fds);
	sandbox_cancel(first.run);
	wait_for(&first);
	wait_for(&second);
	ck_assert_msg(is_exit_3(&second), "%s: %s", second.error.stage, second.error.message);
	(void)close(pipe_fds[0]), (void)close(pipe_fds[1]);
	cell_close(host);
}
END_TEST

START_TEST(a_run_cancelled_from_a_done_function_is_reported)
{
	int first_pipe[2], last_pipe[2];

	CELL_OPEN(host, "attack-run");
	struct trial last = {.host = host};
	struct trial first = {.host = host, .then = cancel_other, .other = &last};
	start_held(&first, first_pipe);
	start_held(&last, last_pipe); /* the later one is looked at first in each round */
	sandbox_cancel(first.run);
	wait_for(&first);
	wait_for(&last);
	ck_assert_uint_eq(first.calls, 1);
	ck_assert_uint_eq(last.calls, 1);
	(void)close(first_pipe[0]), (void)close(first_pipe[1]);
	(void)close(last_pipe[0]), (void)close(last_pipe[1]);
	cell_close(host);
}
END_TEST

START_TEST(runs_cancelled_in_the_middle_of_the_queue_leave_it)
{
	struct trial trials[MANY];

	CELL_OPEN(host, "attack-run");
	for (int i = 0; i < MANY; i++) {
		trials[i] = (struct trial){.host = host};
		start_well(&trials[i], exits);
	}
	/* The first ones are on order at the launcher; of those that wait, every third goes, the last among them. */
	dispatch(host, 0);
	for (int i = 8; i < MANY; i += 3)
		sandbox_cancel(trials[i].run);
	dispatch(host, 0);
	struct trial late = {.host = host};
	start_well(&late, exits);
	for (int i = 0; i < MANY; i++) {
		bool is_cancelled = i >= 8 && (i - 8) % 3 == 0;
		wait_for(&trials[i]);
		ck_assert_uint_eq(trials[i].calls, 1);
		ck_assert_uint_eq(trials[i].result.cause, is_cancelled ? SANDBOX_CANCELLED : SANDBOX_EXITED);
	}
	wait_for(&late);
	ck_assert(is_exit_3(&late));
	cell_close(host);
}
END_TEST

static void start_again(struct trial *trial)
{
	struct sandbox_error err = {0};

	if (trial->calls < 100000)
		trial->other->calls += start(trial, exits, &err) == 0;
}

START_TEST(a_closing_engine_starts_no_run)
{
	CELL_OPEN(host, "attack-run");
	struct trial count = {.calls = 0};
	struct trial trial = {.host = host, .then = start_again, .other = &count};
	start_well(&trial, sleeps);
	cell_close_at_once(host);
	ck_assert_uint_eq(trial.calls, 1);
	ck_assert_uint_eq(count.calls, 0);
}
END_TEST

/* --- a host that runs out ------------------------------------------------------------------------------------- */

START_TEST(no_descriptor_left_is_one_runs_fault_and_no_other_ones)
{
	struct rlimit whole, none;

	CELL_OPEN(host, "attack-run");
	struct trial old = {.host = host};
	struct trial unlucky = {.host = host}, next = {.host = host};
	start_well(&old, sleeps);
	wait_for_processes(host, 2);
	start_well(&unlucky, exits);
	dispatch(host, 0); /* ordered; its pidfd is on its way */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &whole), 0);
	int lowest = dup(STDIN_FILENO); /* all below it are in use */
	(void)close(lowest);
	none = (struct rlimit){(rlim_t)lowest, whole.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	wait_for(&unlucky);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &whole), 0);
	ck_assert_uint_eq(old.calls, 0);
	start_well(&next, exits);
	wait_for(&next);
	ck_assert(is_exit_3(&next));
	ck_assert_uint_eq(old.calls, 0);
	sandbox_cancel(old.run);
	wait_for(&old);
	ck_assert_uint_eq(old.result.cause, SANDBOX_CANCELLED);
	cell_close(host);
}
END_TEST

/* A result file goes into a memory file of the client's, page by page, on the cell's account. */
START_TEST(memory_for_result_files_counts_as_the_cells)
{
	_cleanup_close_ int fd = memfd_create("product", MFD_CLOEXEC);
	const struct sandbox_collect collect = {"product", fd, 64 << 20};

	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host,
		&(struct cell_plan){.policy = "attack-run",
			.command = "robust file product 20000000",
			.collects = &collect,
			.ncollects = 1,
			.limits = {
				.memory_bytes = 32 << 20, .disk_bytes = 30 << 20, .file_bytes = 30 << 20}});
	cell_expect_cause(cell, SANDBOX_MEMORY_LIMIT);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* --- what a request can ask for ---------------------------------------------------------------------------------- */

static int try_names(struct cell_host *host, const char *first, const char *second, struct sandbox_error *err)
{
	_cleanup_close_ int fd = fd_memfd("input", "x", 1);
	const struct sandbox_file files[] = {{first, fd, false}, {second, fd, false}};
	const struct sandbox_spec spec = {.policy = "attack-run",
		.step = SANDBOX_RUN,
		.args = exits,
		.nargs = 3,
		.files = files,
		.nfiles = 2,
		.limits = {.disk_bytes = 4096},
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};

	return sandbox_start(cell_sandbox(host), &spec, on_done, NULL, NULL, err);
}

/* What cannot be written into the cell is the request's fault, and said before there is a cell. */
START_TEST(files_that_do_not_fit_together_are_refused)
{
	static const struct {
		const char *first, *second;
		int wanted;
	} tries[] = {{"a", "a/b", -EINVAL}, {"a/b/c", "a/b", -EINVAL}, {"a", "ab", -E2BIG}};

	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct sandbox_error err = {0};
		ck_assert_int_eq(try_names(host, tries[i].first, tries[i].second, &err), tries[i].wanted);
		ck_assert_str_eq(err.stage, "request.files");
	}
	cell_close(host);
}
END_TEST

/* a, d, d/e, d/e/b and, as standard input is a file, one more. */
START_TEST(input_files_and_their_directories_count_as_inodes)
{
	_cleanup_close_ int fd = fd_memfd("input", "x", 1);
	const struct sandbox_file files[] = {{"d/e/b", fd, false}};

	CELL_OPEN(host, "attack-run");
	for (uint64_t inodes = 3; inodes <= 5; inodes++) {
		struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
							   .command = "work exit 3",
							   .files = files,
							   .nfiles = 1,
							   .input = CELL_INPUT_FD,
							   .input_fd = fd,
							   .limits = {.inodes = inodes}});
		if (inodes == 5) {
			cell_expect_exit(cell, 3);
		} else {
			ck_assert_int_eq(cell->started, -E2BIG);
			ck_assert_str_eq(cell->error.stage, "request.files");
		}
		cell_free(cell);
	}
	cell_close(host);
}
END_TEST

START_TEST(the_inode_limit_is_exact)
{
	CELL_OPEN(host, "attack-run");
	/* The probe is the first of them; one past the last must fail. */
	const struct cell_plan plan = {
		.policy = "attack-run", .command = "robust names 9", .limits = {.inodes = 10}};
	struct cell *cell = cell_run(host, &plan);
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "made=9\n");
	cell_free(cell);
	cell = cell_run(host,
		&(struct cell_plan){
			.policy = "attack-run", .command = "robust names 10", .limits = {.inodes = 10}});
	cell_expect_output(cell, "made=9\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(a_run_with_few_descriptors_starts)
{
	_cleanup_close_ int fd = memfd_create("product", MFD_CLOEXEC);
	struct sandbox_collect collects[BOUND_COLLECT];

	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < BOUND_COLLECT; i++)
		collects[i] = (struct sandbox_collect){"nothing", fd, 1};
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "work exit 3",
						   .collects = collects,
						   .ncollects = BOUND_COLLECT,
						   .limits = {.open_files = LIMIT_OPEN_FILES_MIN}});
	cell_expect_exit(cell, 3);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* --- the launcher's death --------------------------------------------------------------------------------------- */

/* Runs in every state: one whose client does not read, one that runs, many that wait. None of them is a verdict about a
 * program, and none keeps the engine from saying that it is over. */
START_TEST(a_lost_launcher_ends_every_run_and_then_the_engine)
{
	struct trial trials[MANY], refused;
	struct sandbox_error err = {0};
	int held[2], r = 0;

	CELL_OPEN(host, "attack-run");
	refused = trials[0] = (struct trial){.host = host};
	start_held(&trials[0], held);
	for (int i = 1; i < MANY; i++) {
		trials[i] = (struct trial){.host = host};
		start_well(&trials[i], sleeps);
		if (i == 1)
			wait_for_processes(host, 2);
	}
	dispatch(host, 0);
	ck_assert_int_eq(kill(host_child_of(getpid()), SIGKILL), 0);
	while (r == 0)
		r = sandbox_dispatch(cell_sandbox(host), PATIENCE_SEC * 1000, &err);
	ck_assert_int_eq(r, -ECHILD);
	ck_assert_str_eq(err.stage, "engine.launcher");
	for (int i = 0; i < MANY; i++) {
		ck_assert_uint_eq(trials[i].calls, 1);
		ck_assert_msg(!trials[i].has_result, "run %d has a result", i);
	}
	ck_assert_str_eq(trials[0].error.stage, "launcher.lost");
	ck_assert_str_eq(trials[MANY - 1].error.stage, "launcher.lost");
	ck_assert_int_eq(start(&refused, exits, &(struct sandbox_error){0}), -ECHILD);
	(void)close(held[0]), (void)close(held[1]);
	cell_close_at_once(host);
}
END_TEST

static void kill_launcher_and_start_other(struct trial *trial)
{
	siginfo_t info;
	pid_t launcher = host_child_of(getpid());

	ck_assert_int_eq(kill(launcher, SIGKILL), 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)launcher, &info, WEXITED | WNOWAIT), 0);
	start_well(trial->other, exits);
}

/* The engine does not know yet, and sends it an order. */
START_TEST(a_run_whose_cell_is_ordered_of_a_dead_launcher_is_told_so)
{
	struct trial late, trial;
	struct sandbox_error err = {0};
	int r = 0;

	CELL_OPEN(host, "attack-run");
	late = (struct trial){.host = host, .inodes = 20};
	trial = (struct trial){.host = host, .then = kill_launcher_and_start_other, .other = &late};
	start_well(&trial, exits);
	while (r == 0)
		r = sandbox_dispatch(cell_sandbox(host), PATIENCE_SEC * 1000, &err);
	ck_assert_int_eq(r, -ECHILD);
	ck_assert_uint_eq(late.calls, 1);
	ck_assert(!late.has_result);
	ck_assert_int_eq(late.error.errno_value, ECHILD);
	ck_assert_str_eq(late.error.stage, "launcher.lost");
	cell_close_at_once(host);
}
END_TEST

/* --- jobs against init ------------------------------------------------------------------------------------------ */

START_TEST(init_keeps_no_signals_that_a_job_sends)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "robust signals 20000");
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "own=1024\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("robustness", 120, tcase_add_test(tc, a_run_started_from_a_done_function_runs);
	     tcase_add_test(tc, a_run_cancelled_from_a_done_function_is_reported);
	     tcase_add_test(tc, runs_cancelled_in_the_middle_of_the_queue_leave_it);
	     tcase_add_test(tc, a_closing_engine_starts_no_run);
	     tcase_add_test(tc, no_descriptor_left_is_one_runs_fault_and_no_other_ones);
	     tcase_add_test(tc, memory_for_result_files_counts_as_the_cells);
	     tcase_add_test(tc, files_that_do_not_fit_together_are_refused);
	     tcase_add_test(tc, input_files_and_their_directories_count_as_inodes);
	     tcase_add_test(tc, the_inode_limit_is_exact);
	     tcase_add_test(tc, a_run_with_few_descriptors_starts);
	     tcase_add_test(tc, a_lost_launcher_ends_every_run_and_then_the_engine);
	     tcase_add_test(tc, a_run_whose_cell_is_ordered_of_a_dead_launcher_is_told_so);
	     tcase_add_test(tc, init_keeps_no_signals_that_a_job_sends))
