/* The engine as a whole: many runs at once, its end, and its violent end. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"
#include "tests/lib/cell_host.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MANY = 30, FEW = 3 };

static const struct sandbox_limits tiny = {
	.memory_bytes = 16 << 20, .disk_bytes = 4 << 20, .wall_usec = 50000000};

START_TEST(thirty_runs_at_once_each_get_their_own_result)
{
	struct cell *cells[MANY];

	CELL_OPEN(host, "attack-run");
	for (int i = 0; i < MANY; i++) {
		char command[32];
		(void)snprintf(command, sizeof(command), "work exit %d", 100 + i);
		cells[i] = cell_start(host,
			&(struct cell_plan){.policy = "attack-run", .command = command, .limits = tiny});
	}
	for (int i = 0; i < MANY; i++) {
		cell_wait(cells[i]);
		cell_expect_exit(cells[i], 100 + i);
		cell_free(cells[i]);
	}
	cell_close(host);
}
END_TEST

START_TEST(thirty_cells_live_side_by_side_with_three_descriptors_each)
{
	struct cell *cells[MANY];

	CELL_OPEN(host, "attack-run");
	for (int i = 0; i < MANY; i++)
		cells[i] = cell_start(host, &(struct cell_plan){.policy = "attack-run",
						    .command = "attack_channels listen files",
						    .input = CELL_INPUT_OPEN_PIPE,
						    .limits = tiny});
	/* All are alive now: the descriptors of each were handed over while the others were being made. */
	for (int i = 0; i < MANY; i++)
		cell_wait_for(cells[i], "ready\n");
	struct cell *cell = cell_probe(host, "attack_files inherited");
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "descriptors=3\n");
	cell_free(cell);
	for (int i = 0; i < MANY; i++)
		cell_feed(cells[i], NULL);
	for (int i = 0; i < MANY; i++) {
		cell_wait(cells[i]);
		cell_expect_exit(cells[i], 0);
		cell_free(cells[i]);
	}
	cell_close(host);
}
END_TEST

struct counted {
	unsigned calls, cancelled;
};

static void count_done(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	struct counted *counted = user;

	(void)run, (void)error;
	counted->calls++;
	counted->cancelled += result != NULL && result->cause == SANDBOX_CANCELLED;
}

START_TEST(closing_the_engine_cancels_what_runs)
{
	static const char *const argv[] = {"/box/work", "sleep", "60000"};
	struct counted counted = {0};
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/work", cell_probes_dir());
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	CELL_OPEN(host, "attack-run");
	const struct sandbox_file file = {"work", fd, true};
	const struct sandbox_spec spec = {.policy = "attack-run",
		.step = SANDBOX_RUN,
		.args = argv,
		.nargs = ARRAY_SIZE(argv),
		.files = &file,
		.nfiles = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};
	for (int i = 0; i < FEW; i++) {
		struct sandbox_error err = {0};
		ck_assert_int_eq(
			sandbox_start(cell_sandbox(host), &spec, count_done, &counted, NULL, &err), 0);
	}
	pid_t pids[CELL_PIDS];
	while (cell_pids(host, pids) < 2 * FEW)
		cell_turn(host, 20);
	/* One that has not even begun. */
	struct sandbox_error err = {0};
	ck_assert_int_eq(sandbox_start(cell_sandbox(host), &spec, count_done, &counted, NULL, &err), 0);
	cell_close_at_once(host);
	ck_assert_uint_eq(counted.calls, FEW + 1);
	ck_assert_uint_eq(counted.cancelled, FEW + 1);
}
END_TEST

/* In a child, which waits until the first engine's slot arrives: 0 when all is well. */
static int second_engine(int wait_for)
{
	int first;

	if (read(wait_for, &first, sizeof(first)) != sizeof(first))
		return 1;
	struct cell_host *host = cell_open("attack-run");
	if (cell_slot(host) == first)
		return 2;
	struct cell *cell = cell_probe(host, "work exit 5");
	bool is_right = cell->has_result && cell->result.exit_code == 5;
	cell_free(cell);
	cell_close(host);
	return is_right ? 0 : 3;
}

START_TEST(two_engines_do_not_get_in_each_others_way)
{
	const char *reason = cell_skip_reason();
	int tell[2], answer[2], code = -1;

	if (reason != NULL)
		TEST_SKIP(reason);
	ck_assert_int_eq(pipe2(tell, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(answer, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		if (fork() !=
			0) /* an orphan: none of the processes that the first engine is held to account for */
			_exit(0);
		code = second_engine(tell[0]);
		_exit(write(answer[1], &code, sizeof(code)) != sizeof(code));
	}
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	(void)close(answer[1]); /* so that the orphan's end is seen */
	struct cell_host *host = cell_open("attack-run");
	struct cell *cell =
		cell_start(host, &(struct cell_plan){.policy = "attack-run", .command = "work sleep 60000"});
	cell_wait_for(cell, "sleeping\n");
	int slot = cell_slot(host);
	ck_assert_int_eq(write(tell[1], &slot, sizeof(slot)), sizeof(slot));
	ck_assert_int_eq(read(answer[0], &code, sizeof(code)), sizeof(code));
	ck_assert_int_eq(code, 0);
	cell_turn(host, 0);
	ck_assert(!cell->is_done);
	sandbox_cancel(cell->run);
	cell_wait(cell);
	cell_expect_cause(cell, SANDBOX_CANCELLED);
	cell_free(cell);
	cell_close(host);
	(void)close(tell[0]), (void)close(tell[1]), (void)close(answer[0]);
}
END_TEST

/* In a child: an engine with running cells; tells its slot and waits to be killed. */
static _Noreturn void engine_to_be_killed(int tell)
{
	struct cell_host *host = cell_open("attack-run");
	struct cell *cells[FEW];

	for (int i = 0; i < FEW; i++)
		cells[i] = cell_start(
			host, &(struct cell_plan){.policy = "attack-run", .command = "work stubborn sleep"});
	pid_t pids[CELL_PIDS];
	while (cell_pids(host, pids) < 2 * FEW)
		cell_turn(host, 20);
	int slot = cell_slot(host);
	(void)!write(tell, &slot, sizeof(slot));
	for (;;)
		cell_turn(host, 1000);
	(void)cells;
	_exit(1);
}

START_TEST(sigkill_of_the_engine_kills_its_cells_and_the_next_engine_sweeps)
{
	const char *reason = cell_skip_reason();
	int tell[2], slot = -1;

	if (reason != NULL)
		TEST_SKIP(reason);
	ck_assert_int_eq(pipe2(tell, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0)
		engine_to_be_killed(tell[1]);
	(void)close(tell[1]);
	ck_assert_int_eq(read(tell[0], &slot, sizeof(slot)), sizeof(slot));
	(void)close(tell[0]);
	ck_assert_uint_eq(host_slot_processes(slot), 2 * FEW);
	struct host_slot dead;
	host_slot_read(slot, &dead);
	ck_assert_uint_ne(dead.directories[0], 0);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	for (int i = 0; host_slot_processes(slot) > 0 && i < 500; i++)
		(void)poll(NULL, 0, 20);
	ck_assert_uint_eq(host_slot_processes(slot), 0);

	struct cell_host *next = cell_open("attack-run");
	struct cell *cell = cell_probe(next, "work exit 0");
	cell_expect_exit(cell, 0);
	cell_free(cell);
	cell_close(next);
	ck_assert_msg(host_slot_is_gone(&dead), "slot %d was not swept", slot);
}
END_TEST

START_TEST(an_engine_that_does_not_open_leaves_nothing)
{
	const char *reason = cell_skip_reason();
	struct witness before, after;
	char policies[64];

	if (reason != NULL)
		TEST_SKIP(reason);
	cell_make_policies(policies, sizeof(policies));
	const struct sandbox_options tries[] = {
		{.policies_dir = "/nowhere", .images_dir = cell_images_dir()},
		/* No launcher.json there: no launcher without a filter. */
		{.policies_dir = "tests/policies",
			.images_dir = cell_images_dir(),
			.only_policy = "attack-open"},
		{.policies_dir = policies, .images_dir = "/nowhere", .only_policy = "attack-run"},
		{.policies_dir = policies, .images_dir = policies, .only_policy = "attack-run"},
		{.policies_dir = policies, .images_dir = cell_images_dir(), .only_policy = "cobol"},
		{.policies_dir = policies,
			.images_dir = cell_images_dir(),
			.cgroup_parent = "no/such/parent"},
	};
	host_look(&before);
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct sandbox_error err = {0};
		struct sandbox *sandbox = NULL;
		int r = sandbox_open(&tries[i], &sandbox, &err);
		ck_assert_msg(r < 0 && sandbox == NULL, "try %zu opened", i);
		ck_assert_int_eq(err.errno_value, -r);
		ck_assert_str_ne(err.message, "");
		host_look(&after);
		/* Others' too: here is no namespace of our own. */
		after.facts[WITNESS_MOUNTS] = before.facts[WITNESS_MOUNTS];
		after.facts[WITNESS_MOUNT_SUM] = before.facts[WITNESS_MOUNT_SUM];
		ck_assert_msg(
			witness_equal(&after, &before), "try %zu: %s", i, host_difference(&after, &before));
	}
	cell_remove_policies(policies);
}
END_TEST

/* --- images that cannot be trusted --- */

/* What is wrong with the one image "native"; ERROR 0: nothing. */
static const struct {
	mode_t mode;
	uid_t owner;
	const char *absent, *link; /* a mount point that is not there, or is a link to one that is */
	int error;
} images[] = {
	{0755, 0, NULL, NULL, 0},
	{0775, 0, NULL, NULL, EPERM},
	{0757, 0, NULL, NULL, EPERM},
	{0755, 1000, NULL, NULL, EPERM},
	{0755, 0, "box", NULL, ENOENT},
	{0755, 0, "dev", NULL, ENOENT},
	{0755, 0, NULL, "proc", ELOOP},
};

static void make_image(const char *dir, int i)
{
	static const char *const mount_points[] = {"box", "tmp", "proc", "dev"};
	_cleanup_close_ int parent = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[64];

	ck_assert_int_eq(mkdirat(parent, "native", 0755), 0);
	for (size_t k = 0; k < ARRAY_SIZE(mount_points); k++) {
		(void)snprintf(path, sizeof(path), "native/%s", mount_points[k]);
		if (images[i].link != NULL && strcmp(images[i].link, mount_points[k]) == 0)
			ck_assert_int_eq(symlinkat("tmp", parent, path), 0);
		else if (images[i].absent == NULL || strcmp(images[i].absent, mount_points[k]) != 0)
			ck_assert_int_eq(mkdirat(parent, path, 0755), 0);
	}
	ck_assert_int_eq(fchownat(parent, "native", images[i].owner, images[i].owner, 0), 0);
	ck_assert_int_eq(fchmodat(parent, "native", images[i].mode, 0), 0);
}

START_TEST(an_image_that_others_may_write_or_that_leads_elsewhere_is_refused)
{
	struct sandbox_error err = {0};
	struct sandbox *sandbox = NULL;
	char policies[64], dir[] = "/tmp/cofferdam-test-XXXXXX";

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	ck_assert_ptr_nonnull(mkdtemp(dir));
	make_image(dir, _i);
	cell_make_policies(policies, sizeof(policies));
	const struct sandbox_options options = {
		.policies_dir = policies, .images_dir = dir, .only_policy = "attack-run"};
	ck_assert_int_eq(sandbox_open(&options, &sandbox, &err), -images[_i].error);
	if (images[_i].error != 0) {
		ck_assert_str_eq(err.stage, "launcher.image");
		ck_assert_ptr_nonnull(strstr(err.message, "native"));
	}
	(void)sandbox_close(sandbox);
	cell_remove_policies(policies);
	cell_remove_policies(dir);
}
END_TEST

START_TEST(run_one_waits_for_its_run)
{
	static const char *const argv[] = {"/box/work", "exit", "77"};
	struct sandbox_result result = {0};
	struct sandbox_error err = {0};
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/work", cell_probes_dir());
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	CELL_OPEN(host, "attack-run");
	const struct sandbox_file file = {"work", fd, true};
	struct sandbox_spec spec = {.policy = "attack-run",
		.step = SANDBOX_RUN,
		.args = argv,
		.nargs = ARRAY_SIZE(argv),
		.files = &file,
		.nfiles = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};
	ck_assert_int_eq(sandbox_run_one(cell_sandbox(host), &spec, &result, &err), 0);
	ck_assert_uint_eq(result.cause, SANDBOX_EXITED);
	ck_assert_int_eq(result.exit_code, 77);
	spec.nfiles = 0;
	ck_assert_int_eq(sandbox_run_one(cell_sandbox(host), &spec, &result, &err), -ENOENT);
	ck_assert_str_eq(err.stage, "cell.exec");
	cell_close(host);
}
END_TEST

TEST_PROGRAM("engine", 90, tcase_add_test(tc, thirty_runs_at_once_each_get_their_own_result);
	     tcase_add_test(tc, thirty_cells_live_side_by_side_with_three_descriptors_each);
	     tcase_add_test(tc, closing_the_engine_cancels_what_runs);
	     tcase_add_test(tc, two_engines_do_not_get_in_each_others_way);
	     tcase_add_test(tc, sigkill_of_the_engine_kills_its_cells_and_the_next_engine_sweeps);
	     tcase_add_test(tc, an_engine_that_does_not_open_leaves_nothing);
	     tcase_add_loop_test(tc, an_image_that_others_may_write_or_that_leads_elsewhere_is_refused, 0,
		     ARRAY_SIZE(images));
	     tcase_add_test(tc, run_one_waits_for_its_run))
