/* A request that is at fault is refused by name before anything is made, and leaves nothing. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void never_called(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	(void)run, (void)result, (void)error, (void)user;
	ck_abort_msg("done was called for a refused request");
}

static const char *const true_argv[] = {"/box/true"};

static struct sandbox_spec good_spec(void)
{
	return (struct sandbox_spec){.policy = "attack-run",
		.step = SANDBOX_RUN,
		.args = true_argv,
		.nargs = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};
}

static void expect_refusal(
	struct cell_host *host, const struct sandbox_spec *spec, int wanted, const char *stage)
{
	struct sandbox_error err = {0};
	struct sandbox_run *run = NULL;

	int r = sandbox_start(cell_sandbox(host), spec, never_called, NULL, &run, &err);
	ck_assert_msg(r == wanted, "expected %d, got %d, stage %s: %s", wanted, r, err.stage, err.message);
	ck_assert_ptr_null(run);
	ck_assert_int_eq(err.errno_value, -wanted);
	ck_assert_str_eq(err.stage, stage);
	ck_assert_str_ne(err.message, "");
	ck_assert_uint_eq(cell_cgroup_count(host), 0);
}

START_TEST(an_unknown_policy_or_step_is_refused)
{
	CELL_OPEN(host, NULL);
	struct sandbox_spec spec = good_spec();
	spec.policy = "cobol";
	expect_refusal(host, &spec, -ENOENT, "request.policy");
	spec.policy = "";
	expect_refusal(host, &spec, -ENOENT, "request.policy");
	spec.policy = "../commands/default";
	expect_refusal(host, &spec, -ENOENT, "request.policy");
	spec.policy = NULL;
	expect_refusal(host, &spec, -ENOENT, "request.policy");
	spec = good_spec();
	spec.step = SANDBOX_COMPILE; /* a command has none */
	expect_refusal(host, &spec, -EINVAL, "request.step");
	spec.step = SANDBOX_STEP_N;
	expect_refusal(host, &spec, -EINVAL, "request.step");
	spec.step = (enum sandbox_step) - 1;
	expect_refusal(host, &spec, -EINVAL, "request.step");
	cell_close(host);
}
END_TEST

START_TEST(each_limit_has_a_maximum)
{
	/* Those of tests/policies/commands/attack-run.json. */
	static const struct sandbox_limits maxima = {.cpu_usec = 60000000,
		.wall_usec = 60000000,
		.memory_bytes = 1073741824,
		.processes = 1024,
		.output_bytes = 67108864,
		.file_bytes = 1073741824,
		.disk_bytes = 1073741824,
		.inodes = 65536,
		.open_files = 4096,
		.stack_bytes = 1073741824,
		.cpu_millis = 4000};

	CELL_OPEN(host, "attack-run");
	for (enum limit_id id = 0; id < LIMIT_N; id++) {
		struct sandbox_spec spec = good_spec();
		*limit_at(&spec.limits, id) = limit_get(&maxima, id) + 1;
		expect_refusal(host, &spec, -ERANGE, "request.limits");
		*limit_at(&spec.limits, id) = UINT64_MAX;
		expect_refusal(host, &spec, -ERANGE, "request.limits");
	}
	struct sandbox_spec spec = good_spec();
	spec.limits.open_files = LIMIT_OPEN_FILES_MIN - 1;
	expect_refusal(host, &spec, -ERANGE, "request.limits");
	struct cell *cell = cell_run(host,
		&(struct cell_plan){.policy = "attack-run", .command = "work exit 7", .limits = maxima});
	cell_expect_exit(cell, 7);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(limits_that_are_not_given_are_the_policys)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(
		host, &(struct cell_plan){
			      .policy = "attack-run", .command = "probe rlimits", .has_policy_limits = true});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "fsize=16777216:16777216\n");
	cell_expect_output(cell, "nofile=64:64\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(arguments_are_bounded)
{
	const char *many[BOUND_ARGS + 1];
	_cleanup_free_ char *large = malloc(BOUND_ARG_BYTES + 1);

	ck_assert_ptr_nonnull(large);
	memset(large, 'a', BOUND_ARG_BYTES);
	CELL_OPEN(host, "attack-run");
	struct sandbox_spec spec = good_spec();
	spec.nargs = 0;
	expect_refusal(host, &spec, -EINVAL, "request.argv");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = "x";
	spec.args = many;
	spec.nargs = BOUND_ARGS + 1;
	expect_refusal(host, &spec, -E2BIG, "request.argv");
	const char *const two[] = {"/box/true", large};
	spec.args = two;
	spec.nargs = 2;
	large[BOUND_ARG_BYTES - sizeof("/box/true")] = '\0'; /* one byte too many: its NUL */
	expect_refusal(host, &spec, -E2BIG, "request.argv");
	cell_close(host);
}
END_TEST

/* At the bounds: 256 arguments, and 32 KiB of them. */
START_TEST(arguments_at_the_bounds_arrive)
{
	const char *many[BOUND_ARGS + 1] = {"/box/probe", "args"};
	_cleanup_free_ char *large = malloc(BOUND_ARG_BYTES);
	char wanted[64];

	for (size_t i = 2; i < BOUND_ARGS; i++)
		many[i] = "x";
	many[BOUND_ARGS] = NULL;
	CELL_OPEN(host, "attack-run");
	struct cell *cell =
		cell_run(host, &(struct cell_plan){.policy = "attack-run", .probe = "probe", .argv = many});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "argc=254\n");
	cell_free(cell);
	size_t room = BOUND_ARG_BYTES - sizeof("/box/probe") - sizeof("args");
	memset(large, 'a', room - 1);
	large[room - 1] = '\0';
	const char *const three[] = {"/box/probe", "args", large, NULL};
	cell = cell_run(host, &(struct cell_plan){.policy = "attack-run", .probe = "probe", .argv = three});
	cell_expect_exit(cell, 0);
	(void)snprintf(wanted, sizeof(wanted), "argc=1\n0:%zu:aaaa", room - 1);
	cell_expect_output(cell, wanted);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* Only an anonymous pipe can be spliced to without waiting for anybody; standard input may also be a file. */
START_TEST(descriptors_for_streams_must_be_what_they_are_for)
{
	char path[] = "/tmp/cofferdam-stream-XXXXXX";
	int pipe_fds[2], sockets[2];

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	_cleanup_close_ int file = mkostemp(path, O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)unlink(path);
	CELL_OPEN(host, "attack-run");
	const struct {
		int in, out, refusal;
	} tries[] = {{-1, file, -EINVAL}, {-1, null, -EINVAL}, {-1, sockets[0], -EINVAL},
		{-1, pipe_fds[0], -EINVAL}, {-1, 9999, -EBADF}, {sockets[0], -1, -EINVAL},
		{null, -1, -EINVAL}, {pipe_fds[1], -1, -EINVAL}, {9999, -1, -EBADF}};
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct sandbox_spec spec = good_spec();
		spec.stdin_fd = tries[i].in;
		spec.stdout_fd = tries[i].out;
		expect_refusal(host, &spec, tries[i].refusal, "request.descriptor");
		spec.stdout_fd = -1;
		spec.stderr_fd = tries[i].out;
		expect_refusal(host, &spec, tries[i].refusal, "request.descriptor");
	}
	cell_close(host);
	for (size_t i = 0; i < 2; i++) {
		(void)close(pipe_fds[i]);
		(void)close(sockets[i]);
	}
}
END_TEST

START_TEST(a_fifo_of_a_disk_is_no_pipe)
{
	char dir[] = "/tmp/cofferdam-fifo-XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	(void)unlink(path);
	(void)rmdir(dir);
	CELL_OPEN(host, "attack-run");
	struct sandbox_spec spec = good_spec();
	spec.stdout_fd = fd;
	expect_refusal(host, &spec, -EINVAL, "request.descriptor");
	cell_close(host);
}
END_TEST

TEST_PROGRAM("requests", 60, tcase_add_test(tc, an_unknown_policy_or_step_is_refused);
	     tcase_add_test(tc, each_limit_has_a_maximum);
	     tcase_add_test(tc, limits_that_are_not_given_are_the_policys);
	     tcase_add_test(tc, arguments_are_bounded); tcase_add_test(tc, arguments_at_the_bounds_arrive);
	     tcase_add_test(tc, descriptors_for_streams_must_be_what_they_are_for);
	     tcase_add_test(tc, a_fifo_of_a_disk_is_no_pipe))
