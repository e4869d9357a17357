/* Files into the cell and out of it. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct cell *run_with_files(
	struct cell_host *host, const char *command, const struct sandbox_file *files, size_t nfiles)
{
	return cell_run(
		host, &(struct cell_plan){
			      .policy = "attack-run", .command = command, .files = files, .nfiles = nfiles});
}

START_TEST(files_arrive_with_content_and_mode)
{
	_cleanup_close_ int fd = fd_memfd("one", "first\n", 6);
	CELL_OPEN(host, "attack-run");
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 6); /* the offset does not matter */
	const struct sandbox_file files[] = {{"one", fd, false}, {"a/b/c/two.x", fd, true}};
	struct cell *cell = run_with_files(host, "probe cat /box/one /box/a/b/c/two.x", files, 2);
	cell_expect_exit(cell, 0);
	ck_assert_str_eq(cell->out.text, "first\nfirst\n");
	cell_free(cell);
	cell = run_with_files(host, "probe ls /box /box/a/b/c", files, 2);
	cell_expect_output(cell, "one file 0644 0:0 uid=1000\n");
	cell_expect_output(cell, "two.x file 0755 0:0 uid=1000\n");
	cell_expect_output(cell, "a dir 0755 0:0 uid=1000\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(names_at_the_bounds_are_taken)
{
	char longest[BOUND_FILE_NAME + 1], names[BOUND_FILES - 1][16];
	struct sandbox_file many[BOUND_FILES - 1];

	memset(longest, 'n', BOUND_FILE_NAME);
	longest[BOUND_FILE_NAME] = '\0';
	_cleanup_close_ int fd = fd_memfd("x", "x", 1);
	CELL_OPEN(host, "attack-run");
	const struct sandbox_file files[] = {{longest, fd, false}, {"1/2/3/4/5/6/7/8", fd, false},
		{"A.b_c+d-e", fd, false}, {"...", fd, false}, {".hidden", fd, false}};
	struct cell *cell = run_with_files(host, "probe ls /box", files, ARRAY_SIZE(files));
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, longest);
	cell_expect_output(cell, "A.b_c+d-e file ");
	cell_free(cell);
	/* With the probe itself as many as there may be. */
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "file%zu", i);
		many[i] = (struct sandbox_file){names[i], fd, false};
	}
	cell = run_with_files(host, "probe cat /box/file0 /box/file62", many, ARRAY_SIZE(many));
	cell_expect_exit(cell, 0);
	ck_assert_str_eq(cell->out.text, "xx");
	cell_free(cell);
	cell_close(host);
}
END_TEST

static void expect_refused(const struct cell *cell, int started, const char *stage)
{
	cell_expect(cell, cell->started == started && !cell->is_done);
	ck_assert_msg(strncmp(cell->error.stage, stage, strlen(stage)) == 0, "expected stage %s; %s", stage,
		cell_describe(cell));
	cell_expect(cell, cell->error.errno_value == -started && cell->error.message[0] != '\0');
}

START_TEST(bad_names_are_refused_before_anything_is_made)
{
	char too_long[BOUND_FILE_NAME + 2];
	const char *const names[] = {"", ".", "..", "/", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b",
		"a/", "-x", "a/-x", "a b", "a\nb", "a\tb", "\xc3\xa9", "a\x7f", "a:b", "a\\b", "~", "$x",
		"1/2/3/4/5/6/7/8/9", too_long};

	memset(too_long, 'n', BOUND_FILE_NAME + 1);
	too_long[BOUND_FILE_NAME + 1] = '\0';
	_cleanup_close_ int fd = fd_memfd("x", "x", 1);
	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct sandbox_file file = {names[i], fd, false};
		struct cell *cell = run_with_files(host, "probe ids", &file, 1);
		ck_assert_msg(
			cell->started == -EINVAL, "\"%s\" was taken; %s", names[i], cell_describe(cell));
		expect_refused(cell, -EINVAL, "request.files");
		cell_free(cell);
		const struct sandbox_collect collect = {names[i], fd, 100};
		cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
					      .command = "probe ids",
					      .collects = &collect,
					      .ncollects = 1});
		ck_assert_msg(
			cell->started == -EINVAL, "\"%s\" was taken; %s", names[i], cell_describe(cell));
		cell_free(cell);
	}
	ck_assert_uint_eq(cell_cgroup_count(host), 0);
	cell_close(host);
}
END_TEST

START_TEST(too_many_and_too_large_files_are_refused)
{
	char names[BOUND_FILES][16];
	struct sandbox_file many[BOUND_FILES];

	_cleanup_close_ int fd = fd_memfd("x", "x", 1);
	_cleanup_close_ int large = memfd_create("large", MFD_CLOEXEC);
	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "file%zu", i);
		many[i] = (struct sandbox_file){names[i], fd, false};
	}
	/* All of them: the argv names a program of the image, so no probe is added. */
	static const char *const argv[] = {"/box/file0", NULL};
	many[0].name = "same";
	many[1].name = "same";
	struct cell *cell = cell_run(
		host, &(struct cell_plan){.policy = "attack-run", .argv = argv, .files = many, .nfiles = 2});
	expect_refused(cell, -EINVAL, "request.files");
	cell_free(cell);

	ck_assert_int_eq(ftruncate(large, (off_t)BOUND_INPUT_BYTES + 1), 0);
	const struct sandbox_file file = {"large", large, false};
	cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
				      .argv = argv,
				      .files = &file,
				      .nfiles = 1,
				      .limits = {.disk_bytes = 256 << 20}});
	expect_refused(cell, -E2BIG, "request.files");
	cell_free(cell);
	/* Within the bound but not within the run's disk. */
	ck_assert_int_eq(ftruncate(large, 9 << 20), 0);
	cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
				      .argv = argv,
				      .files = &file,
				      .nfiles = 1,
				      .limits = {.disk_bytes = 8 << 20}});
	expect_refused(cell, -E2BIG, "request.files");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(descriptors_that_are_no_readable_files_are_refused)
{
	int pipe_fds[2];

	CELL_OPEN(host, "attack-run");
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	int directory = open("/", O_RDONLY | O_CLOEXEC), null = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char path[] = "/tmp/cofferdam-write-only-XXXXXX";
	int any = mkstemp(path);
	int write_only = open(path, O_WRONLY | O_CLOEXEC), by_path = open(path, O_PATH | O_CLOEXEC);
	(void)unlink(path);
	const struct {
		int fd, refusal;
	} tries[] = {{-1, -EBADF}, {9999, -EBADF}, {pipe_fds[0], -EINVAL}, {directory, -EINVAL},
		{null, -EINVAL}, {write_only, -EINVAL}, {by_path, -EINVAL}};
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		const struct sandbox_file file = {"x", tries[i].fd, false};
		struct cell *cell = run_with_files(host, "probe ids", &file, 1);
		expect_refused(cell, tries[i].refusal, "request.descriptor");
		cell_free(cell);
	}
	for (size_t i = 0; i < 2; i++)
		(void)close(pipe_fds[i]);
	(void)close(any), (void)close(directory), (void)close(null), (void)close(write_only),
		(void)close(by_path);
	cell_close(host);
}
END_TEST

/* --- out ------------------------------------------------------------------------------------------------------- */

static struct cell *run_and_collect(
	struct cell_host *host, const char *command, const char *name, int fd, uint64_t max)
{
	const struct sandbox_collect collect = {name, fd, max};

	return cell_run(host,
		&(struct cell_plan){
			.policy = "attack-run", .command = command, .collects = &collect, .ncollects = 1});
}

static void expect_content(int fd, const char *wanted)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, wanted);
}

/* At the largest size that was allowed. */
START_TEST(a_regular_file_is_collected_whole)
{
	_cleanup_close_ int fd = memfd_create("out", MFD_CLOEXEC);
	CELL_OPEN(host, "attack-run");
	struct cell *cell = run_and_collect(host, "work product out file hello", "out", fd, 5);
	cell_expect_exit(cell, 0);
	cell_expect(cell, cell->result.collected[0].status == SANDBOX_COLLECTED);
	cell_expect(cell, cell->result.collected[0].bytes == 5);
	expect_content(fd, "hello");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused)
{
	static const struct {
		const char *command, *name;
		enum sandbox_collect_status status;
	} tries[] = {{"work product out symlink /etc/passwd", "out", SANDBOX_COLLECT_REFUSED},
		{"work product out symlink work", "out", SANDBOX_COLLECT_REFUSED},
		{"work product out symlink nowhere", "out", SANDBOX_COLLECT_REFUSED},
		{"work product out symlink /proc/self/environ", "out", SANDBOX_COLLECT_REFUSED},
		{"work product out symlink /proc/1/environ", "out", SANDBOX_COLLECT_REFUSED},
		{"work product d symlink /etc", "d/passwd", SANDBOX_COLLECT_REFUSED},
		{"work product d symlink .", "d/work", SANDBOX_COLLECT_REFUSED},
		{"work product out fifo", "out", SANDBOX_COLLECT_REFUSED},
		{"work product out dir", "out", SANDBOX_COLLECT_REFUSED},
		{"work product out unreadable", "out", SANDBOX_COLLECT_REFUSED},
		{"work product out hardlink /etc/passwd", "out", SANDBOX_COLLECT_MISSING},
		{"work product other file x", "out", SANDBOX_COLLECT_MISSING},
		{"work product other file x", "d/out", SANDBOX_COLLECT_MISSING},
		{"work product out file 123456", "out", SANDBOX_COLLECT_TOO_LARGE},
		{"work product out size 1000000", "out", SANDBOX_COLLECT_TOO_LARGE}};

	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		_cleanup_close_ int fd = memfd_create("out", MFD_CLOEXEC);
		struct cell *cell = run_and_collect(host, tries[i].command, tries[i].name, fd, 5);
		cell_expect_exit(cell, 0);
		ck_assert_msg(cell->result.collected[0].status == tries[i].status,
			"%s: %s is %u, expected %u; %s", tries[i].command, tries[i].name,
			cell->result.collected[0].status, tries[i].status, cell_describe(cell));
		cell_expect(cell, cell->result.collected[0].bytes == 0);
		expect_content(fd, "");
		cell_free(cell);
	}
	cell_close(host);
}
END_TEST

START_TEST(result_files_are_reported_in_their_order)
{
	int fds[BOUND_COLLECT];
	struct sandbox_collect collects[BOUND_COLLECT + 1];

	CELL_OPEN(host, "attack-run");
	for (size_t i = 0; i < BOUND_COLLECT; i++) {
		fds[i] = memfd_create("out", MFD_CLOEXEC);
		collects[i] = (struct sandbox_collect){i % 2 ? "out" : "missing", fds[i], 100};
	}
	collects[BOUND_COLLECT] = collects[0];
	struct cell_plan plan = {.policy = "attack-run",
		.command = "work product out file hello",
		.collects = collects,
		.ncollects = BOUND_COLLECT};
	struct cell *cell = cell_run(host, &plan);
	cell_expect_exit(cell, 0);
	for (size_t i = 0; i < BOUND_COLLECT; i++) {
		cell_expect(cell, cell->result.collected[i].status ==
					  (i % 2 ? SANDBOX_COLLECTED : SANDBOX_COLLECT_MISSING));
		expect_content(fds[i], i % 2 ? "hello" : "");
	}
	cell_free(cell);
	plan.ncollects = BOUND_COLLECT + 1;
	cell = cell_run(host, &plan);
	expect_refused(cell, -E2BIG, "request.collect");
	cell_free(cell);
	for (size_t i = 0; i < BOUND_COLLECT; i++)
		(void)close(fds[i]);
	cell_close(host);
}
END_TEST

START_TEST(nothing_is_collected_from_a_run_that_a_limit_ended)
{
	_cleanup_close_ int fd = memfd_create("out", MFD_CLOEXEC);
	CELL_OPEN(host, "attack-run");
	const struct sandbox_collect collect = {"work", fd, 10 << 20};
	static const char *const commands[] = {"work sleep 60000", "work signal 9"};
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
							   .command = commands[i],
							   .collects = &collect,
							   .ncollects = 1,
							   .limits = {.wall_usec = 300000}});
		cell_expect_cause(cell, i == 0 ? SANDBOX_WALL_LIMIT : SANDBOX_SIGNALED);
		cell_expect(cell, cell->result.collected[0].status == SANDBOX_COLLECT_MISSING);
		expect_content(fd, "");
		cell_free(cell);
	}
	struct cell *cell = run_and_collect(host, "work exit 3", "work", fd, 10 << 20);
	cell_expect_exit(cell, 3);
	cell_expect(cell, cell->result.collected[0].status == SANDBOX_COLLECTED);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* The one that exchanges the names is dead before a file is looked at: the copy is of one file or of none. */
START_TEST(files_do_not_change_while_they_are_collected)
{
	_cleanup_close_ int content = fd_memfd("b", "bbbb", 4);
	CELL_OPEN(host, "attack-run");
	const struct sandbox_file file = {"b", content, false};
	for (int i = 0; i < 10; i++) {
		_cleanup_close_ int fd = memfd_create("out", MFD_CLOEXEC);
		const struct sandbox_collect collect = {"b", fd, 100};
		struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
							   .command = "work swap b work",
							   .files = &file,
							   .nfiles = 1,
							   .collects = &collect,
							   .ncollects = 1});
		cell_expect_exit(cell, 0);
		uint32_t status = cell->result.collected[0].status;
		cell_expect(cell, status == SANDBOX_COLLECTED || status == SANDBOX_COLLECT_TOO_LARGE ||
					  status == SANDBOX_COLLECT_MISSING);
		expect_content(fd, status == SANDBOX_COLLECTED ? "bbbb" : "");
		cell_free(cell);
	}
	cell_close(host);
}
END_TEST

START_TEST(a_receiver_that_does_not_take_it_is_told_apart)
{
	_cleanup_close_ int read_only = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_close_ int sealed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CELL_OPEN(host, "attack-run");
	ck_assert_int_eq(fcntl(sealed, F_ADD_SEALS, F_SEAL_GROW), 0);
	struct cell *cell = run_and_collect(host, "work product out file hello", "out", sealed, 100);
	cell_expect_exit(cell, 0);
	cell_expect(cell, cell->result.collected[0].status == SANDBOX_COLLECT_WRITE_ERROR);
	cell_free(cell);

	cell = run_and_collect(host, "work product out file hello", "out", read_only, 100);
	expect_refused(cell, -EINVAL, "request.descriptor");
	cell_free(cell);
	cell = run_and_collect(host, "work product out file hello", "out", null, 100);
	expect_refused(cell, -EINVAL, "request.descriptor");
	cell_free(cell);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("files", 60, tcase_add_test(tc, files_arrive_with_content_and_mode);
	     tcase_add_test(tc, names_at_the_bounds_are_taken);
	     tcase_add_test(tc, bad_names_are_refused_before_anything_is_made);
	     tcase_add_test(tc, too_many_and_too_large_files_are_refused);
	     tcase_add_test(tc, descriptors_that_are_no_readable_files_are_refused);
	     tcase_add_test(tc, a_regular_file_is_collected_whole);
	     tcase_add_test(tc, what_is_no_regular_file_is_refused);
	     tcase_add_test(tc, result_files_are_reported_in_their_order);
	     tcase_add_test(tc, nothing_is_collected_from_a_run_that_a_limit_ended);
	     tcase_add_test(tc, files_do_not_change_while_they_are_collected);
	     tcase_add_test(tc, a_receiver_that_does_not_take_it_is_told_apart))
