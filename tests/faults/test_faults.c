/* Every system call by which a cell is set up is made to fail, one after the other: that is a host fault which names its
 * stage, it leaves nothing behind, and the next run is as good as ever. It is never a run with less around it: whatever
 * run comes to a result all the same has looked around itself (tests/probes/controls.c).
 *
 * A call gets one errno, each in its turn, and not all calls are taken; with FAULTS=full each gets all (`make faults`). */
#include "sandbox/base/fd.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/injector.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the kernel says when it cannot or will not. */
static const int errnos[] = {EPERM, ENOMEM, EMFILE, ENOSPC, ENOSYS, EINTR, EINVAL, ENOENT, EAGAIN};

enum {
	CALLS_MAX = 5000,
	TRIAL_SEC = 45, /* far above any deadline of the engine */
	SHORT_WALL_USEC = 50 * 1000,
};

static const char *const roles[] = {"engine", "launcher", "init", "target"};

/* Calls whose failure is borne, and why the cell is none the worse for it. */
static const struct tolerated {
	enum injector_role role; /* INJECTOR_ROLE_N: any */
	const char *call;	 /* pattern: libcs differ in which of newfstatat and fstat they use */
	const char *file;	 /* pattern; NULL: any */
	int error;		 /* 0: any */
	long first_arg;		 /* 0: any */
	long third_arg;		 /* 0: any */
	const char *why;
} tolerated[] = {
	{INJECTOR_ROLE_N, "close", NULL, 0, 0, 0, "the descriptor is free whatever close returns (close(2))"},
	{INJECTOR_ROLE_N, "set_robust_list", NULL, 0, 0, 0, "libc's, for mutexes that we have none of"},
	{INJECTOR_ENGINE, "mmap", NULL, 0, 0, 0, "malloc finds room in another way"},
	{INJECTOR_ENGINE, "rt_sigprocmask", NULL, 0, 0, 0,
		"libc's around fork, which leaves it unseen: the engine has none of its own"},
	{INJECTOR_ENGINE, "sched_getaffinity", NULL, 0, 0, 0,
		"more CPUs are assumed: CPU time is looked at sooner"},
	{INJECTOR_ENGINE, "*fsta*t", "*/attack-layers.json", 0, 0, 0,
		"all policies are loaded instead of the one"},
	{INJECTOR_ENGINE, "*fsta*t", "*cofferdam-*", 0, 0, 0, "the slot's lock is taken once more"},
	{INJECTOR_ENGINE, "faccessat2", NULL, ENOSYS, 0, 0, "libc asks with the older call"},
	{INJECTOR_ENGINE, "openat", "cgroup.kill", 0, 0, 0, "a dead engine's processes are killed by pidfd"},
	{INJECTOR_ENGINE, "*", "*cgroup.procs", 0, 0, 0, "who is not killed by pidfd is when its init ends"},
	{INJECTOR_ENGINE, "pidfd_open", NULL, 0, 0, 0, "as above"},
	{INJECTOR_ENGINE, "openat", "cpu.cfs_quota_us", 0, 0, O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
		"as above, in the next period"},
	{INJECTOR_ENGINE, "write", "*cpu.cfs_quota_us", 0, 0, sizeof("-1") - 1, "as above"},
	{INJECTOR_ENGINE, "openat", "cpu.max", 0, 0, O_WRONLY | O_CLOEXEC | O_NOFOLLOW, "as above"},
	{INJECTOR_ENGINE, "write", "*cpu.max", 0, 0, sizeof("max") - 1, "as above"},
	{INJECTOR_ENGINE, "sched_*", NULL, 0, 0, 0, "a CPU limit holds to a tick"},
	{INJECTOR_ENGINE, "openat", "cofferdam-*", 0, 0, 0,
		"another slot's remains stay for the next engine"},
	{INJECTOR_ENGINE, "mkdirat", "cofferdam-*", 0, 0, 0, "as above"},
	{INJECTOR_ENGINE, "flock", NULL, 0, 0, 0, "as above"},
	{INJECTOR_ENGINE, "openat", ".", 0, 0, 0, "as above"},
	{INJECTOR_ENGINE, "*fsta*t", "/sys/fs/cgroup*", 0, 0, 0, "as above"},
	{INJECTOR_ENGINE, "fcntl", "/sys/fs/cgroup*", 0, 0, 0, "as above"},
	{INJECTOR_ENGINE, "getdents64", "/sys/fs/cgroup*", 0, 0, 0, "as above (in a slot it is an error)"},
	{INJECTOR_ENGINE, "*", "*memory.use_hierarchy", 0, 0, 0, "each cell has limits of its own"},
	{INJECTOR_ENGINE, "faccessat2", "memory.memsw.*", 0, 0, 0, "then no swap may be on at all"},
	{INJECTOR_ENGINE, "*", "*memory.memsw.limit_in_bytes", 0, 0, 0, "it is set once more, and read back"},
	{INJECTOR_ENGINE, "openat", "pids.peak", ENOENT, 0, 0, "a figure that older kernels lack"},
	{INJECTOR_ENGINE, "pread64", "*pids.peak", ENOENT, 0, 0, "as above"},
	{INJECTOR_ENGINE, "unlinkat", NULL, 0, 0, 0, "a group is removed once more, until it is gone"},
	{INJECTOR_ENGINE, "read", "*timerfd*", 0, 0, 0,
		"the timer stays ready, and is read in the next round"},
	{INJECTOR_ENGINE, "splice", NULL, EAGAIN, 0, 0,
		"the pipe stays ready, and is read in the next round"},
	{INJECTOR_ENGINE, "recvmsg", NULL, EAGAIN, 0, 0, "as above"},
	{INJECTOR_ENGINE, "recvmsg", NULL, 0, 0, 0, "from a cell that its run has left: nothing is awaited"},
	{INJECTOR_ENGINE, "epoll_wait", NULL, EINTR, 0, 0, "the next round waits"},
	{INJECTOR_ENGINE, "epoll_ctl", NULL, 0, 2, 0,
		"EPOLL_CTL_DEL: the end of the descriptor does the same"},
	{INJECTOR_ENGINE, "ioctl", NULL, 0, 0, 0, "FIONREAD: an empty pipe is assumed, and watched"},
	{INJECTOR_ENGINE, "pidfd_send_signal", NULL, 0, 0, 0,
		"its control socket is shut: init ends the cell"},
	{INJECTOR_LAUNCHER, "rt_sigprocmask", NULL, 0, SIG_SETMASK, 0,
		"libc's at the end of fork: the launcher unblocks all signals later"},
	{INJECTOR_LAUNCHER, "prlimit64", NULL, EPERM, 0, 0,
		"what cannot be raised holds in the cells as it is"},
	{INJECTOR_LAUNCHER, "prctl", NULL, 0, 15, 0, "PR_SET_NAME: for people looking at ps"},
	{INJECTOR_LAUNCHER, "prctl", NULL, EINVAL, 52, 0,
		"a layer that the kernel has not, as `doctor` tells"},
	{INJECTOR_LAUNCHER, "prctl", NULL, EINVAL, 62, 0, "as above"},
	{INJECTOR_LAUNCHER, "prctl", NULL, EINVAL, 66, 0, "as above"},
	{INJECTOR_LAUNCHER, "landlock_create_ruleset", NULL, ENOSYS, 0, 0, "as above"},
	{INJECTOR_LAUNCHER, "recvmsg", NULL, 0, 0, 0, "it ends, and the engine with it: every run is told"},
	{INJECTOR_INIT, "prlimit64", NULL, EPERM, 0, 0,
		"the host's own limit is asked for, and the lower one set"},
	{INJECTOR_INIT, "futex", NULL, EAGAIN, 0, 0, "the word itself says whether exec is over"},
	{INJECTOR_INIT, "keyctl", NULL, ENOSYS, 0, 0,
		"where there are no keyrings there is nothing to leave"},
	{INJECTOR_INIT, "prctl", NULL, 0, 24, 0, "PR_CAPBSET_DROP past the last capability, asked twice"},
	{INJECTOR_INIT, "clock_getres", NULL, 0, 0, 0, "the target's set-up is charged to the job"},
	{INJECTOR_INIT, "clock_gettime", NULL, 0, 0, 0, "init's time is charged to the job"},
	{INJECTOR_INIT, "wait4", NULL, 0, 0, 0, "with the target ended: it is asked until nobody is left"},
	{INJECTOR_INIT, "kill", NULL, 0, 0, 0, "init waits until nobody is left; its end kills who is"},
	{INJECTOR_INIT, "poll", NULL, 0, 0, 0, "it is asked again"},
	{INJECTOR_INIT, "futex", NULL, EINTR, 0, 0, "as above, unless what it waits for has come"},
	{INJECTOR_INIT, "futex", NULL, EAGAIN, 0, 0, "as above"},
	{INJECTOR_INIT, "fcntl", NULL, 0, 0, 0, "the program is copied, as one that could be changed"},
	{INJECTOR_INIT, "read", "*signalfd*", 0, 0, 0, "the signal stays, and is read in the next round"},
	{INJECTOR_INIT, "openat2", "made", ENOENT, 0, 0,
		"the result file: the client is told that it is missing"},
	{INJECTOR_INIT, "pwrite64", NULL, 0, 0, 0,
		"into a result file: the client is told that it took nothing"},
};

/* --- one trial -------------------------------------------------------------------------------------------------- */

struct trial {
	struct injector *injector;
	struct injector_fault fault;
	struct injector_report report;
	struct sandbox_error err;
	int r;
};

static const char *describe(const struct trial *trial)
{
	static char text[1024];
	const struct injector_call *call = &trial->report.call;

	(void)snprintf(text, sizeof(text), "%s call %u, %s(%#lx, %#lx, %#lx) \"%s\": %s; gave %d, %s: %s",
		roles[trial->fault.role], trial->fault.at, injector_call_name(call), call->args[0],
		call->args[1], call->args[2], call->text, strerrorname_np(trial->fault.error), trial->r,
		trial->err.stage, trial->err.message);
	return text;
}

#define expect(trial, condition) ck_assert_msg(condition, "expected %s: %s", #condition, describe(trial))

static bool is_tolerated(const struct trial *trial)
{
	const struct injector_call *call = &trial->report.call;

	for (size_t i = 0; i < ARRAY_SIZE(tolerated); i++) {
		const struct tolerated *row = &tolerated[i];
		long number = row->call[0] == 'e' ? (long)call->args[1] : (long)call->args[0];
		if ((row->role == INJECTOR_ROLE_N || row->role == trial->fault.role) &&
			fnmatch(row->call, injector_call_name(call), 0) == 0 &&
			(row->file == NULL || fnmatch(row->file, call->text, 0) == 0) &&
			(row->error == 0 || row->error == trial->fault.error) &&
			(row->first_arg == 0 || row->first_arg == number) &&
			(row->third_arg == 0 || row->third_arg == (long)call->args[2]))
			return true;
	}
	return false;
}

static void begin(struct trial *trial)
{
	trial->err = (struct sandbox_error){0};
	(void)alarm(TRIAL_SEC); /* it hangs: the signal ends the test */
	injector_arm(trial->injector, &trial->fault);
}

static void end(struct trial *trial)
{
	injector_disarm(trial->injector, &trial->report);
	(void)alarm(0);
}

/* A host fault, and nobody else's; or as if nothing had been. */
static void judge(const struct trial *trial)
{
	const struct injector_report *report = &trial->report;

	if (getenv("FAULTS_LIST") != NULL)
		(void)fprintf(stderr, "%s\n", describe(trial));
	if (trial->r == 0) {
		bool is_again = trial->fault.error == EINTR && report->is_retried;
		expect(trial, report->is_spared || is_again || is_tolerated(trial));
		return;
	}
	expect(trial, trial->err.errno_value == -trial->r);
	expect(trial, trial->err.stage[0] != '\0' && trial->err.message[0] != '\0');
	expect(trial, strncmp(trial->err.stage, "request.", 8) != 0);
}

/* The next fault to try; false: the last trial did not come to its call, so that there are no more. STRIDE: calls from one
 * to the next, unless FAULTS=full is set. */
static bool next_fault(struct trial *trial, unsigned stride, unsigned *trials)
{
	bool is_full = getenv("FAULTS") != NULL && strcmp(getenv("FAULTS"), "full") == 0;
	unsigned n = (*trials)++;

	if (n > 0 && !trial->report.is_met)
		return false;
	ck_assert_uint_lt(n, CALLS_MAX * ARRAY_SIZE(errnos));
	trial->fault.at = is_full ? n / ARRAY_SIZE(errnos) : n * stride;
	trial->fault.error = errnos[n % ARRAY_SIZE(errnos)];
	return true;
}

/* --- a run ------------------------------------------------------------------------------------------------------ */

/* The arguments of the probe: what the cell must not share with us. */
static const char **look_arguments(void)
{
	static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	static char numbers[ARRAY_SIZE(kinds)][24];
	static const char *argv[2 + ARRAY_SIZE(kinds)] = {"/box/controls", "all"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char path[64];
		struct stat st;
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		(void)snprintf(numbers[i], sizeof(numbers[i]), "%llu", (unsigned long long)st.st_ino);
		argv[2 + i] = numbers[i];
	}
	return argv;
}

static int open_probe(const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", cell_probes_dir(), name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

/* Everything that the probe looked at was in its place, and its result file has come back. */
static void expect_whole(const struct trial *trial, const struct sandbox_result *result, int made, int out)
{
	char said[4096], words[8] = "";
	ssize_t n = read(out, said, sizeof(said) - 1);
	const char *call = injector_call_name(&trial->report.call);
	enum sandbox_collect_status status = result->collected[0].status;

	said[n > 0 ? n : 0] = '\0';
	ck_assert_msg(result->cause == SANDBOX_EXITED && result->exit_code == 0, "%s: %s; %s",
		sandbox_cause_name(result->cause), said, describe(trial));
	/* A client that takes nothing, a file that is not there: that is what init was told, and says. */
	if ((status == SANDBOX_COLLECT_WRITE_ERROR && strcmp(call, "pwrite64") == 0) ||
		(status == SANDBOX_COLLECT_MISSING && strcmp(call, "openat2") == 0 &&
			trial->fault.error == ENOENT))
		return;
	expect(trial, status == SANDBOX_COLLECTED);
	expect(trial, pread(made, words, sizeof(words), 0) == 5 && strncmp(words, "words", 5) == 0);
}

/* All that a run can have: files in directories, input from a file, a writable layer, both outputs, a result file. */
static int run(struct sandbox *sandbox, struct trial *trial)
{
	_cleanup_close_ int program = open_probe("controls"), input = fd_memfd("input", "abc", 3);
	_cleanup_close_ int made = memfd_create("made", MFD_CLOEXEC);
	const struct sandbox_file files[] = {{"controls", program, true}, {"d/e/input", input, false}};
	const struct sandbox_collect collect = {"made", made, 100};
	struct sandbox_result result = {0};
	int out[2];

	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	/* Nobody reads before the end: there must be room for each line, as a spliced piece fills a page of its own. */
	ck_assert_int_gt(fcntl(out[1], F_SETPIPE_SZ, 1 << 20), 0);
	const struct sandbox_spec spec = {.policy = "attack-layers",
		.step = SANDBOX_RUN,
		.args = look_arguments(),
		.nargs = 9,
		.files = files,
		.nfiles = ARRAY_SIZE(files),
		.collects = &collect,
		.ncollects = 1,
		.stdin_fd = input,
		.stdout_fd = out[1],
		.stderr_fd = out[1]};
	begin(trial);
	trial->r = sandbox_run_one(sandbox, &spec, &result, &trial->err);
	end(trial);
	(void)close(out[1]);
	if (trial->r == 0)
		expect_whole(trial, &result, made, out[0]);
	(void)close(out[0]);
	return trial->r;
}

/* A run that its wall limit must end. */
static int run_too_long(struct sandbox *sandbox, struct trial *trial)
{
	static const char *const argv[] = {"/box/work", "sleep", "60000"};
	_cleanup_close_ int program = open_probe("work");
	const struct sandbox_file file = {"work", program, true};
	struct sandbox_result result = {0};
	const struct sandbox_spec spec = {.policy = "attack-layers",
		.step = SANDBOX_RUN,
		.limits = {.wall_usec = SHORT_WALL_USEC},
		.args = argv,
		.nargs = ARRAY_SIZE(argv),
		.files = &file,
		.nfiles = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1};

	begin(trial);
	trial->r = sandbox_run_one(sandbox, &spec, &result, &trial->err);
	end(trial);
	expect(trial, trial->r < 0 || result.cause == SANDBOX_WALL_LIMIT);
	return trial->r;
}

/* Through all calls of ROLE in a run. */
static void fail_in_runs(
	enum injector_role role, int (*run_it)(struct sandbox *sandbox, struct trial *trial), unsigned stride)
{
	const char *reason = cell_skip_reason();
	unsigned trials = 0;

	if (reason != NULL)
		TEST_SKIP(reason);
	struct injector *injector = injector_open();
	struct trial trial = {.injector = injector, .fault.role = role}, good = {.injector = injector};
	struct cell_host *host = cell_open("attack-layers");
	ck_assert_int_eq(run(cell_sandbox(host), &good), 0);
	while (next_fault(&trial, stride, &trials)) {
		(void)run_it(cell_sandbox(host), &trial);
		if (!trial.report.is_met)
			continue;
		judge(&trial);
		/* Without its launcher an engine is at its end, and `serve` starts another supervisor. */
		if (run(cell_sandbox(host), &good) == -ECHILD) {
			cell_close_at_once(host);
			host = cell_open("attack-layers");
			expect(&trial, run(cell_sandbox(host), &good) == 0);
		}
		expect(&trial, good.r == 0);
		cell_check_host(host);
	}
	ck_assert_uint_gt(trials, 5);
	cell_close(host);
	injector_close(injector);
}

START_TEST(a_call_of_the_engine_that_fails_is_a_host_fault)
{
	fail_in_runs(INJECTOR_ENGINE, run, 2);
}
END_TEST

START_TEST(a_call_of_the_engine_that_fails_takes_no_limit_off)
{
	fail_in_runs(INJECTOR_ENGINE, run_too_long, 4);
}
END_TEST

START_TEST(a_call_of_the_launcher_that_fails_is_a_host_fault)
{
	fail_in_runs(INJECTOR_LAUNCHER, run, 1);
}
END_TEST

START_TEST(a_call_of_init_that_fails_is_a_host_fault)
{
	fail_in_runs(INJECTOR_INIT, run, 1);
}
END_TEST

START_TEST(a_call_of_the_target_that_fails_is_a_host_fault)
{
	fail_in_runs(INJECTOR_TARGET, run, 1);
}
END_TEST

/* --- opening an engine ------------------------------------------------------------------------------------------ */

static struct sandbox *open_engine(const char *policies, struct trial *trial)
{
	struct sandbox_options options = {
		.policies_dir = policies, .images_dir = cell_images_dir(), .only_policy = "attack-layers"};
	struct sandbox *sandbox = NULL;

	begin(trial);
	trial->r = sandbox_open(&options, &sandbox, &trial->err);
	end(trial);
	expect(trial, (trial->r == 0) == (sandbox != NULL));
	return sandbox;
}

/* Through all calls of ROLE while an engine opens. */
static void fail_in_opening(enum injector_role role, unsigned stride)
{
	const char *reason = cell_skip_reason();
	struct witness before, after;
	unsigned trials = 0;
	char policies[64];

	if (reason != NULL)
		TEST_SKIP(reason);
	cell_make_policies(policies, sizeof(policies));
	struct injector *injector = injector_open();
	struct trial trial = {.injector = injector, .fault.role = role}, good = {.injector = injector};
	host_look(&before);
	while (next_fault(&trial, stride, &trials)) {
		struct sandbox *sandbox = open_engine(policies, &trial);
		if (trial.report.is_met)
			judge(&trial);
		/* Its launcher may have ended over the fault, at its first order. */
		if (sandbox != NULL)
			expect(&trial, run(sandbox, &good) == 0 || good.r == -ECHILD);
		(void)sandbox_close(sandbox);
		host_look(&after);
		/* Others' too: here is no namespace of our own. */
		after.facts[WITNESS_MOUNTS] = before.facts[WITNESS_MOUNTS];
		after.facts[WITNESS_MOUNT_SUM] = before.facts[WITNESS_MOUNT_SUM];
		ck_assert_msg(witness_equal(&after, &before), "%s; %s", host_difference(&after, &before),
			describe(&trial));
	}
	ck_assert_uint_gt(trials, 5);
	cell_remove_policies(policies);
	injector_close(injector);
}

START_TEST(an_engine_opens_whole_or_not_at_all)
{
	fail_in_opening(INJECTOR_ENGINE, 2);
}
END_TEST

START_TEST(an_engine_whose_launcher_fails_does_not_open)
{
	fail_in_opening(INJECTOR_LAUNCHER, 1);
}
END_TEST

TEST_PROGRAM("faults", 800, tcase_add_test(tc, a_call_of_the_engine_that_fails_is_a_host_fault);
	     tcase_add_test(tc, a_call_of_the_engine_that_fails_takes_no_limit_off);
	     tcase_add_test(tc, a_call_of_the_launcher_that_fails_is_a_host_fault);
	     tcase_add_test(tc, a_call_of_init_that_fails_is_a_host_fault);
	     tcase_add_test(tc, a_call_of_the_target_that_fails_is_a_host_fault);
	     tcase_add_test(tc, an_engine_opens_whole_or_not_at_all);
	     tcase_add_test(tc, an_engine_whose_launcher_fails_does_not_open))
