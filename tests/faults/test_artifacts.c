/* The cache of products when the disk refuses, or the process dies: each system call of an operation fails in turn, and it
 * is killed before and after each. What is there afterwards is whole or not there at all. */
#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/artifacts.h"
#include "tests/lib/injector.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static const int errors[] = {EIO, ENOSPC, EMFILE, ENOMEM, EACCES};
static const char description[] =
	"{\"digest\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}";
static const char program[] = "\x7f"
			      "ELF and what follows";
static const struct sandbox_result compiled = {
	.cause = SANDBOX_EXITED, .collected = {{.status = SANDBOX_COLLECTED, .bytes = sizeof(program)}}};

static struct scratch scratch;
static struct languages *languages;
static struct artifacts_options options;
static struct artifacts *artifacts;
static struct artifact_key key;
static int source = -1, found = -1;

static int open_artifacts(void)
{
	struct sandbox_error err = {0};

	return artifacts_open(&options, languages, &artifacts, &err);
}

static void reopen(void)
{
	artifacts = artifacts_close(artifacts);
	ck_assert_int_eq(open_artifacts(), 0);
}

static int put(void)
{
	artifacts_put(artifacts, &key, source, sizeof(program), &compiled);
	return 0;
}

static int get(void)
{
	struct sandbox_result result;

	return artifacts_get(artifacts, &key, &found, &result) ? 0 : -ENOENT;
}

static void set_up(void)
{
	char code[] = "int main() {}", user[] = "ann";
	const struct job job = {.user_id = user, .code = code, .code_size = sizeof(code) - 1};
	const struct sandbox_limits limits = {.memory_bytes = 1 << 28};

	(void)log_set_level_name("error", NULL); /* a failure of the cache is a warning each */
	scratch_open(&scratch);
	scratch_write(&scratch, "cpp.json", description, sizeof(description) - 1);
	ck_assert_int_eq(languages_open("policies", &languages, NULL), 0);
	options = (struct artifacts_options){
		.dirfd = open(scratch.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.images_dir = scratch.dir,
		.max_bytes = 1 << 20,
		.memory_bytes = 1 << 20,
	};
	ck_assert_int_eq(open_artifacts(), 0);
	source = fd_memfd("program", program, sizeof(program));
	ck_assert(artifacts_key(artifacts, languages_find(languages, "cpp"), &job, &limits, &key));
}

static void tear_down(void)
{
	artifacts = artifacts_close(artifacts);
	languages = languages_close(languages);
	source = fd_close(source);
	(void)close(options.dirfd);
	scratch_close(&scratch);
}

/* What get found, if it did, is the program. */
static void expect_found_whole(const char *what)
{
	char bytes[sizeof(program) + 1];

	if (found < 0)
		return;
	ck_assert_msg(pread(found, bytes, sizeof(bytes), 0) == sizeof(program) &&
			      memcmp(bytes, program, sizeof(program)) == 0,
		"%s: another program", what);
	found = fd_close(found);
}

/* On the disk, as the next process finds it: whole, or nothing, also no rest of it. */
static void expect_kept_whole(const char *what)
{
	reopen();
	unsigned files = scratch_count(&scratch, "artifacts");
	bool is_kept = get() == 0;
	expect_found_whole(what);
	ck_assert_msg(files == is_kept, "%s: %u files, kept: %d", what, files, is_kept);
	/* And it can be kept from now on. */
	(void)put();
	reopen();
	ck_assert_msg(get() == 0, "%s: not afterwards", what);
	expect_found_whole(what);
}

static const struct operation {
	const char *name;
	bool is_kept, is_held; /* before it: on the disk, in memory */
	int (*operate)(void);
} operations[] = {
	{"put", false, false, put},
	{"put what is there", true, false, put},
	{"get from the disk", true, false, get},
	{"get from memory", true, true, get},
};

static void prepare(const struct operation *operation)
{
	set_up();
	if (operation->is_kept)
		(void)put();
	if (!operation->is_held)
		reopen();
}

/* True: the operation has come to that call. */
static bool fail_at(struct injector *injector, const struct operation *operation, unsigned at, int error)
{
	const struct injector_fault fault = {INJECTOR_ENGINE, at, error};
	struct injector_report report;
	char what[160];

	prepare(operation);
	injector_arm(injector, &fault);
	(void)operation->operate();
	injector_disarm(injector, &report);
	(void)snprintf(what, sizeof(what), "%s, call %u (%s): %s", operation->name, at,
		injector_call_name(&report.call), strerrorname_np(error));
	expect_found_whole(what);
	expect_kept_whole(what);
	tear_down();
	return report.is_met;
}

START_TEST(a_call_that_fails_costs_a_compilation_at_most)
{
	const struct operation *operation = &operations[_i];
	struct injector *injector = injector_open();
	unsigned at;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		for (at = 0; fail_at(injector, operation, at, errors[i]); at++)
			;
	injector_close(injector);
	ck_assert_uint_ge(at, 1);
}
END_TEST

START_TEST(a_cache_that_cannot_be_opened_says_so)
{
	struct injector *injector = injector_open();
	struct injector_report report = {.is_met = true};

	for (unsigned at = 0; report.is_met; at++) {
		const struct injector_fault fault = {INJECTOR_ENGINE, at, EIO};
		struct sandbox_error err = {0};
		struct artifacts *second = NULL;
		set_up();
		injector_arm(injector, &fault);
		int r = artifacts_open(&options, languages, &second, &err);
		injector_disarm(injector, &report);
		ck_assert_msg(r == 0 || (r == -EIO && err.errno_value == EIO && second == NULL),
			"call %u: %d", at, r);
		(void)artifacts_close(second);
		tear_down();
	}
	injector_close(injector);
}
END_TEST

/* A child that puts, killed at the NSTOPS-th of its stops before and after a system call. True: it had come so far. */
static bool kill_at(unsigned nstops)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		(void)put();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	for (unsigned i = 0; i < nstops && WIFSTOPPED(status); i++) {
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	if (!WIFSTOPPED(status))
		return false;
	(void)kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return true;
}

START_TEST(a_process_that_dies_while_it_writes_leaves_nothing_or_all)
{
	bool goes_on = true;
	unsigned nstops;

	for (nstops = 1; goes_on; nstops++) {
		char what[64];
		set_up();
		goes_on = kill_at(nstops);
		(void)snprintf(what, sizeof(what), "killed at stop %u", nstops);
		expect_kept_whole(what);
		tear_down();
	}
	ck_assert_uint_gt(nstops, 10);
}
END_TEST

TEST_PROGRAM(
	"faults of artifacts", 300,
	tcase_add_loop_test(tc, a_call_that_fails_costs_a_compilation_at_most, 0, ARRAY_SIZE(operations));
	tcase_add_test(tc, a_cache_that_cannot_be_opened_says_so);
	tcase_add_test(tc, a_process_that_dies_while_it_writes_leaves_nothing_or_all))
