/* The program that is executed where it lies: a memory file that nobody can change, and nothing else. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };

struct kind {
	int seals;
	mode_t mode;
	int flags;
};

static const struct kind fixed = {SEALS, 0555, O_RDONLY};

/* The same file again. */
static int reopen(int fd, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, flags | O_CLOEXEC);
	ck_assert_int_ge(again, 0);
	return again;
}

static int open_probe(void)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/probe", cell_probes_dir());
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static int make_program(const struct kind *kind)
{
	struct stat st;

	_cleanup_close_ int from = open_probe();
	_cleanup_close_ int fd = memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert(fd >= 0 && fstat(from, &st) == 0);
	ck_assert_int_eq(sendfile(fd, from, NULL, (size_t)st.st_size), st.st_size);
	if (geteuid() == 0) /* else the test is skipped in a moment */
		ck_assert_int_eq(fchown(fd, 12345, 12345), 0);
	ck_assert_int_eq(fchmod(fd, kind->mode), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, kind->seals), 0);
	return reopen(fd, kind->flags);
}

/* argv[0] is PATH; the file is /box/program. */
static struct cell *run_as(struct cell_host *host, int fd, const char *path, const char *command)
{
	const struct sandbox_file file = {"program", fd, true};
	const char *argv[] = {path, command, "/proc/self/exe", NULL};

	return cell_run(
		host, &(struct cell_plan){.policy = "attack-run", .argv = argv, .files = &file, .nfiles = 1});
}

static struct cell *run(struct cell_host *host, int fd, const char *command)
{
	return run_as(host, fd, "./program", command);
}

static void expect_exe(struct cell *cell, const char *wanted)
{
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, wanted);
	cell_free(cell);
}

#define IN_PLACE "/proc/self/exe=/memfd:program (deleted)\n"
#define COPIED "/proc/self/exe=/box/program\n"

START_TEST(a_sealed_program_is_executed_where_it_lies)
{
	const struct sandbox_limits small = {.disk_bytes = 1 << 20};
	const char *argv[] = {"./program", "ls", "/box", NULL};
	_cleanup_close_ int fd = make_program(&fixed);
	CELL_OPEN(host, "attack-run");

	expect_exe(run(host, fd, "readlink"), IN_PLACE);
	expect_exe(run_as(host, fd, "/box/program", "readlink"), IN_PLACE);
	/* The limit of the disk is asked as if it were a copy. */
	const struct sandbox_file files[] = {{"program", fd, true}, {"other", fd, false}};
	struct cell *cell = cell_run(
		host, &(struct cell_plan){.policy = "attack-run", .argv = argv, .files = files, .nfiles = 2});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "program link 0777 0:0 uid=1000 -> /proc/2/exe\n");
	cell_expect_output(cell, "other file 0644 0:0 uid=1000\n");
	cell_free(cell);
	cell = cell_run(host,
		&(struct cell_plan){
			.policy = "attack-run", .argv = argv, .files = files, .nfiles = 2, .limits = small});
	ck_assert_int_eq(cell->started, -E2BIG);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(its_link_leads_to_it_and_no_descriptor_is_left)
{
	const char *argv[] = {"./program", "cat", "/box/program", NULL};
	_cleanup_close_ int fd = make_program(&fixed);
	CELL_OPEN(host, "attack-run");
	const struct sandbox_file file = {"program", fd, true};
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	struct cell *cell = cell_run(
		host, &(struct cell_plan){.policy = "attack-run", .argv = argv, .files = &file, .nfiles = 1});
	cell_expect_exit(cell, 0);
	ck_assert_uint_eq(cell->out.size, (size_t)st.st_size);
	ck_assert_int_eq(memcmp(cell->out.text, "\177ELF", 4), 0);
	cell_free(cell);
	cell = run(host, fd, "fds");
	cell_expect_exit(cell, 0);
	ck_assert_ptr_nonnull(strstr(cell->out.text, "\n2 "));
	ck_assert_msg(strstr(cell->out.text, "\n3 ") == NULL && strstr(cell->out.text, "file") == NULL, "%s",
		cell->out.text);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(what_could_be_changed_is_copied)
{
	const struct kind kinds[] = {
		{SEALS & ~F_SEAL_WRITE, 0555, O_RDONLY},
		{SEALS & ~F_SEAL_GROW, 0555, O_RDONLY},
		{SEALS & ~F_SEAL_SHRINK, 0555, O_RDONLY},
		{SEALS & ~F_SEAL_SEAL, 0555, O_RDONLY},
		{0, 0555, O_RDONLY},
		{SEALS, 0755, O_RDONLY},
		{SEALS, 0777, O_RDONLY},
		{SEALS, 0557, O_RDONLY},
		{SEALS, 04555, O_RDONLY},
		{SEALS, 02555, O_RDONLY},
		{SEALS, 01555, O_RDONLY},
		{SEALS, 0444, O_RDONLY},
		{SEALS, 0550, O_RDONLY},
		{SEALS, 0555, O_RDWR},
	};
	_cleanup_close_ int plain = open_probe();
	CELL_OPEN(host, "attack-run");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_close_ int fd = make_program(&kinds[i]);
		struct cell *cell = run(host, fd, "readlink");
		cell_expect_exit(cell, 0);
		ck_assert_msg(strcmp(cell->out.text, COPIED) == 0, "row %zu: %s", i, cell->out.text);
		cell_free(cell);
	}
	expect_exe(run(host, plain, "readlink"), COPIED);
	cell_close(host);
}
END_TEST

/* The probe in a memory file of huge pages, as fixed as any; -1: this machine has none to give. */
static int make_huge_program(void)
{
	struct stat st, huge;

	_cleanup_close_ int from = open_probe();
	_cleanup_close_ int fd = memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	if (fd < 0)
		return -1;
	ck_assert(fstat(from, &st) == 0 && fstat(fd, &huge) == 0 && st.st_size <= huge.st_blksize);
	ck_assert_int_eq(ftruncate(fd, huge.st_blksize), 0);
	void *page = mmap(NULL, (size_t)huge.st_blksize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -1;
	ck_assert_int_eq(pread(from, page, (size_t)st.st_size, 0), st.st_size);
	ck_assert_int_eq(munmap(page, (size_t)huge.st_blksize), 0);
	ck_assert_int_eq(fchmod(fd, fixed.mode), 0);
	/* Linux 6.8: takes its own references to a huge page for somebody's, and seals none against writing. */
	int r = fcntl(fd, F_ADD_SEALS, fixed.seals);
	ck_assert_msg(r == 0 || errno == EBUSY, "F_ADD_SEALS: %s", strerror(errno));
	return r < 0 ? -1 : reopen(fd, fixed.flags);
}

START_TEST(huge_pages_are_copied)
{
	_cleanup_close_ int fd = make_huge_program();
	if (fd < 0)
		TEST_SKIP("no huge page in this kernel's pool, or none that it would seal");
	CELL_OPEN(host, "attack-run");

	expect_exe(run(host, fd, "readlink"), COPIED);
	cell_close(host);
}
END_TEST

/* While somebody could write to it, were it not sealed, the kernel does not execute it. */
START_TEST(what_is_open_for_writing_elsewhere_is_no_program)
{
	_cleanup_close_ int fd = make_program(&fixed);
	_cleanup_close_ int writer = reopen(fd, O_RDWR);
	CELL_OPEN(host, "attack-run");

	ck_assert_int_ne(writer, fd);
	struct cell *cell = run(host, fd, "readlink");
	cell_expect(cell, cell->is_done && !cell->has_result && cell->error.errno_value == ETXTBSY);
	ck_assert_str_eq(cell->error.stage, "cell.exec");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(other_files_than_the_program_are_copied)
{
	const char *argv[] = {"./probe", "ls", "/box", NULL};
	_cleanup_close_ int fd = make_program(&fixed);
	CELL_OPEN(host, "attack-run");
	const struct sandbox_file files[] = {{"program", fd, true}, {"a/probe", fd, true}};

	struct cell *cell = cell_run(host,
		&(struct cell_plan){
			.policy = "attack-run", .probe = "probe", .argv = argv, .files = files, .nfiles = 2});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "program file 0755 0:0 uid=1000\n");
	cell_expect_output(cell, "probe file 0755 0:0 uid=1000\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(no_seal_executes_what_its_step_or_its_request_does_not_let)
{
	const char *argv[] = {"./program", "readlink", "/proc/self/exe", NULL};
	_cleanup_close_ int fd = make_program(&fixed);
	const struct sandbox_file plain = {"program", fd, false}, executable = {"program", fd, true};
	CELL_OPEN(host, NULL);
	const struct cell_plan plans[] = {
		{.policy = "attack-still", .argv = argv, .files = &executable, .nfiles = 1},
		{.policy = "attack-run", .argv = argv, .files = &plain, .nfiles = 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(plans); i++) {
		struct cell *cell = cell_run(host, &plans[i]);
		cell_expect(cell, cell->is_done && !cell->has_result && cell->error.errno_value == EACCES);
		ck_assert_str_eq(cell->error.stage, "cell.exec");
		cell_free(cell);
	}
	cell_close(host);
}
END_TEST

/* A script's interpreter opens it by name. */
START_TEST(a_sealed_script_is_copied)
{
	static const char script[] = "#!/box/probe cat\n";
	const char *argv[] = {"./program", NULL};
	_cleanup_close_ int fd = fd_memfd("script", script, sizeof(script) - 1);

	ck_assert_int_eq(fchmod(fd, 0555), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	_cleanup_close_ int reader = reopen(fd, O_RDONLY);
	fd = fd_close(fd);
	CELL_OPEN(host, "attack-run");
	const struct sandbox_file file = {"program", reader, true};
	struct cell *cell = cell_run(host,
		&(struct cell_plan){
			.policy = "attack-run", .probe = "probe", .argv = argv, .files = &file, .nfiles = 1});
	expect_exe(cell, script);
	cell_close(host);
}
END_TEST

/* The file's capabilities are all there are, and it belongs to a user of the host. */
START_TEST(nothing_is_gained_from_what_the_file_is)
{
	const struct vfs_cap_data all = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data = {{.permitted = UINT32_MAX}, {.permitted = UINT32_MAX}},
	};
	const char *argv[] = {"./program", "cat", "/proc/self/status", NULL};
	_cleanup_close_ int fd = make_program(&fixed);
	CELL_OPEN(host, "attack-run");
	const struct sandbox_file file = {"program", fd, true};

	ck_assert_int_eq(fsetxattr(fd, "security.capability", &all, sizeof(all), 0), 0);
	expect_exe(run(host, fd, "readlink"), IN_PLACE);
	struct cell *cell = cell_run(
		host, &(struct cell_plan){.policy = "attack-run", .argv = argv, .files = &file, .nfiles = 1});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "\nUid:\t1000\t1000\t1000\t1000\n");
	cell_expect_output(cell, "\nCapPrm:\t0000000000000000\n");
	cell_expect_output(cell, "\nCapEff:\t0000000000000000\n");
	cell_expect_output(cell, "\nCapBnd:\t0000000000000000\n");
	cell_expect_output(cell, "\nNoNewPrivs:\t1\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(a_job_leaves_no_trace_in_the_file_but_its_time_of_access)
{
	_cleanup_close_ int fd = make_program(&fixed);
	CELL_OPEN(host, "attack-run");
	struct stat before, after;

	ck_assert_int_eq(fstat(fd, &before), 0);
	struct cell *cell = run(host, fd, "change");
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "write=EACCES\n");
	cell_expect_output(cell, "touch=EACCES\n");
	cell_expect_output(cell, "set times=EPERM\n");
	cell_free(cell);
	ck_assert_int_eq(fstat(fd, &after), 0);
	after.st_atim = before.st_atim;
	ck_assert_int_eq(memcmp(&before, &after, sizeof(before)), 0);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("program", 120, tcase_add_test(tc, a_sealed_program_is_executed_where_it_lies);
	     tcase_add_test(tc, its_link_leads_to_it_and_no_descriptor_is_left);
	     tcase_add_test(tc, what_could_be_changed_is_copied); tcase_add_test(tc, huge_pages_are_copied);
	     tcase_add_test(tc, what_is_open_for_writing_elsewhere_is_no_program);
	     tcase_add_test(tc, other_files_than_the_program_are_copied);
	     tcase_add_test(tc, no_seal_executes_what_its_step_or_its_request_does_not_let);
	     tcase_add_test(tc, a_sealed_script_is_copied);
	     tcase_add_test(tc, nothing_is_gained_from_what_the_file_is);
	     tcase_add_test(tc, a_job_leaves_no_trace_in_the_file_but_its_time_of_access);)
