/* Cell groups against the real kernel, whichever versions it offers. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/cgroup.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MIB (UINT64_C(1024) * 1024)

static struct sandbox_error err;

#define ASSERT_OK(call) ck_assert_msg((call) == 0, "%s: %s: %s", #call, err.stage, err.message)

static bool can_run(void)
{
	return geteuid() == 0;
}

static struct cgroup_host *open_host(void)
{
	struct cgroup_host *host = NULL;

	ASSERT_OK(cgroup_host_open(NULL, &host, &err));
	return host;
}

static struct cgroup *make_group(struct cgroup_host *host, const char *name)
{
	struct cgroup *cgroup = NULL;

	ASSERT_OK(cgroup_create(host, name, &cgroup, &err));
	return cgroup;
}

static void set_limits(struct cgroup *cgroup, uint64_t memory_bytes, uint64_t processes, uint64_t cpu_millis)
{
	struct sandbox_limits limits = {
		.memory_bytes = memory_bytes, .processes = processes, .cpu_millis = cpu_millis};

	ASSERT_OK(cgroup_set(cgroup, &limits, &err));
}

static void where_is(enum cgroup_controller controller, struct cgroup_where *ret)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];

	ASSERT_OK(cgroup_probe(NULL, where, &err));
	*ret = where[controller];
}

/* The text of FILE in the directory NAME of CONTROLLER, a group of HOST; NAME "" is the slot's own directory. */
static void path_of(const struct cgroup_host *host, enum cgroup_controller controller, const char *name,
	char *path, size_t size)
{
	struct cgroup_where where;

	where_is(controller, &where);
	(void)snprintf(
		path, size, "%s/%s/cofferdam-%u/%s", where.mount, where.parent, cgroup_host_slot(host), name);
}

static void value_of(
	const struct cgroup_host *host, enum cgroup_controller controller, const char *file, char text[256])
{
	char path[1024];

	path_of(host, controller, file, path, sizeof(path));
	ck_assert_msg(fd_read_file(AT_FDCWD, path, text, 256) >= 0, "%s", path);
}

static pid_t fork_into(const struct cgroup *cgroup)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup_into_fd(cgroup),
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void join(const struct cgroup *cgroup)
{
	int fds[CGROUP_CONTROLLER_N];
	size_t n = cgroup_join_fds(cgroup, fds);

	for (size_t i = 0; i < n; i++)
		if (write(fds[i], "0", 1) != 1)
			_exit(99);
}

/* A child that is in CGROUP before it runs BODY and ends with its result. */
static pid_t spawn(const struct cgroup *cgroup, int (*body)(void))
{
	pid_t pid = cgroup_into_fd(cgroup) >= 0 ? fork_into(cgroup) : fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		join(cgroup);
		(void)close_range(3, ~0U, 0);
		_exit(body());
	}
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void destroy(struct cgroup *cgroup)
{
	int r;

	while ((r = cgroup_destroy(cgroup, &err)) == CGROUP_BUSY)
		(void)usleep(1000);
	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
}

static int sleep_until_killed(void)
{
	for (;;)
		(void)pause();
}

static int use_memory(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 98;
	memset(memory, 1, bytes);
	return 0;
}

static int use_256_mib(void)
{
	return use_memory(256 * MIB);
}

static int use_16_mib(void)
{
	return use_memory(16 * MIB);
}

/* Starts eight children at one time; how many of them were refused. */
static int start_eight(void)
{
	int refused = 0;

	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();
		if (pid == 0)
			return sleep_until_killed();
		refused += pid < 0 && errno == EAGAIN;
		if (pid > 0)
			(void)kill(pid, SIGKILL); /* a zombie still counts until it is waited for */
	}
	while (wait(NULL) > 0)
		;
	return refused;
}

enum { BURN_USEC = 200 * 1000 };

static uint64_t own_cpu_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int burn(void)
{
	while (own_cpu_usec() < BURN_USEC)
		;
	return 0;
}

/* Does an event of the group fire within ten seconds? */
static int fired_fd(const struct cgroup *cgroup)
{
	struct cgroup_event events[2];
	struct pollfd fds[2];
	bool needs_poll;
	size_t n = cgroup_events(cgroup, events, &needs_poll);

	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = events[i].fd, .events = (short)events[i].events};
	if (poll(fds, n, 10 * 1000) <= 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (fds[i].revents & fds[i].events)
			return fds[i].fd;
	return -1;
}

static bool is_quiet(int fd)
{
	struct pollfd event = {.fd = fd, .events = POLLIN | POLLPRI};

	/* A v2 file is always readable: only POLLPRI tells. */
	return poll(&event, 1, 0) == 0 || !(event.revents & POLLPRI);
}

START_TEST(a_fresh_group_lets_nothing_live)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = make_group(host, "fresh");

	if (cgroup_into_fd(cgroup) >= 0) {
		ck_assert_int_eq(fork_into(cgroup), -1);
		ck_assert_int_eq(errno, EAGAIN);
	} else {
		int status = wait_for(spawn(cgroup, use_16_mib));
		struct cgroup_evidence evidence;
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		ASSERT_OK(cgroup_evidence(cgroup, &evidence, &err));
		ck_assert_uint_gt(evidence.oom_kills, 0);
	}
	destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(too_much_memory_is_killed_counted_and_announced)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = make_group(host, "memory");
	struct cgroup_evidence evidence;
	set_limits(cgroup, 32 * MIB, 4, 1000);

	pid_t pid = spawn(cgroup, use_256_mib);
	int fd = fired_fd(cgroup);
	ck_assert_int_ge(fd, 0);
	int status = wait_for(pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	cgroup_event_clear(cgroup, fd);
	ck_assert(is_quiet(fd));
	ASSERT_OK(cgroup_evidence(cgroup, &evidence, &err));
	ck_assert_uint_gt(evidence.oom_kills, 0);
	ck_assert_uint_eq(evidence.forks_refused, 0);
	ck_assert_uint_le(evidence.memory_peak_bytes, 32 * MIB);
	ck_assert_uint_ge(evidence.memory_peak_bytes, 31 * MIB);
	destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(memory_within_the_limit_is_left_alone)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = make_group(host, "memory");
	struct cgroup_evidence evidence;
	set_limits(cgroup, 64 * MIB, 4, 1000);

	ck_assert_int_eq(wait_for(spawn(cgroup, use_16_mib)), 0);
	ASSERT_OK(cgroup_evidence(cgroup, &evidence, &err));
	ck_assert_uint_eq(evidence.oom_kills, 0);
	ck_assert_uint_ge(evidence.memory_peak_bytes, 16 * MIB);
	destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(refused_forks_are_counted)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = make_group(host, "pids");
	struct cgroup_evidence evidence;
	struct cgroup_event events[2];
	bool needs_poll;
	/* Five at one time: the child itself in the place of init, and four others. */
	set_limits(cgroup, 64 * MIB, 4, 1000);

	int status = wait_for(spawn(cgroup, start_eight));
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 4);
	(void)cgroup_events(cgroup, events, &needs_poll);
	if (!needs_poll)
		ck_assert_int_ge(fired_fd(cgroup), 0);
	ASSERT_OK(cgroup_evidence(cgroup, &evidence, &err));
	ck_assert_uint_eq(evidence.forks_refused, 4);
	ck_assert_uint_eq(evidence.oom_kills, 0);
	/* 0: before Linux 6.1 the kernel does not tell. */
	ck_assert(evidence.processes_peak == 0 || evidence.processes_peak == 5);
	destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(cpu_time_of_ended_processes_is_accounted)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = make_group(host, "cpu");
	struct cgroup_usage before, after;
	set_limits(cgroup, 64 * MIB, 4, 4000);

	ASSERT_OK(cgroup_usage(cgroup, &before, &err));
	ck_assert_uint_eq(before.cpu_usec, 0);
	ck_assert_int_eq(wait_for(spawn(cgroup, burn)), 0);
	ASSERT_OK(cgroup_usage(cgroup, &after, &err));
	/* What the child measured itself, plus its start and end. */
	ck_assert_uint_ge(after.cpu_usec, BURN_USEC * 9 / 10);
	ck_assert_uint_le(after.cpu_usec, BURN_USEC * 2);
	ck_assert_uint_le(after.user_usec + after.system_usec, after.cpu_usec + 2);
	ck_assert_uint_ge(after.user_usec + after.system_usec + 2, after.cpu_usec);
	destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

/* The kernel's files say what was asked for. */
static void check_bandwidth(const struct cgroup_host *host, const char *name, uint64_t quota, uint64_t period)
{
	struct cgroup_where where;
	char file[128], text[256], wanted[256];

	where_is(CGROUP_CPU, &where);
	if (where.version == 2) {
		(void)snprintf(file, sizeof(file), "%s/cpu.max", name);
		(void)snprintf(wanted, sizeof(wanted), "%" PRIu64 " %" PRIu64, quota, period);
		value_of(host, CGROUP_CPU, file, text);
		ck_assert_str_eq(text, wanted);
		return;
	}
	(void)snprintf(file, sizeof(file), "%s/cpu.cfs_quota_us", name);
	(void)snprintf(wanted, sizeof(wanted), "%" PRIu64, quota);
	value_of(host, CGROUP_CPU, file, text);
	ck_assert_str_eq(text, wanted);
	(void)snprintf(file, sizeof(file), "%s/cpu.cfs_period_us", name);
	(void)snprintf(wanted, sizeof(wanted), "%" PRIu64, period);
	value_of(host, CGROUP_CPU, file, text);
	ck_assert_str_eq(text, wanted);
}

START_TEST(limits_can_be_raised_and_lowered_and_are_what_the_kernel_holds)
{
	static const struct {
		uint64_t memory_bytes, processes, cpu_millis, quota_usec, period_usec;
	} steps[] = {
		{32 * MIB, 4, 1000, 100000, 100000},
		{256 * MIB + 1, 64, 2500, 250000, 100000}, /* the kernel rounds bytes down to a page */
		{16 * MIB, 1, 5, 5000, 1000000}, /* less than 1 ms in 100 ms needs a longer period */
		{64 * MIB, 1, 10, 1000, 100000},
	};
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = make_group(host, "steps");
	struct cgroup_where memory;
	where_is(CGROUP_MEMORY, &memory);

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		char text[256];
		set_limits(cgroup, steps[i].memory_bytes, steps[i].processes, steps[i].cpu_millis);
		check_bandwidth(host, "steps", steps[i].quota_usec, steps[i].period_usec);
		value_of(host, CGROUP_PIDS, "steps/pids.max", text);
		ck_assert_uint_eq(strtoull(text, NULL, 10), steps[i].processes + 1);
		value_of(host, CGROUP_MEMORY,
			memory.version == 2 ? "steps/memory.max" : "steps/memory.limit_in_bytes", text);
		ck_assert_uint_eq(strtoull(text, NULL, 10), steps[i].memory_bytes & ~UINT64_C(4095));
	}
	destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(a_limit_that_the_kernel_does_not_take_is_an_error)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = make_group(host, "beyond");
	struct sandbox_limits limits = {
		.memory_bytes = 64 * MIB, .processes = UINT32_MAX, .cpu_millis = 1000};

	ck_assert_int_lt(cgroup_set(cgroup, &limits, &err), 0);
	ck_assert_str_eq(err.stage, "cgroup.set");
	ck_assert_ptr_nonnull(strstr(err.message, "pids.max"));
	err.errno_value = 0;
	destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(a_group_with_processes_is_busy_until_they_are_gone)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = make_group(host, "busy");
	set_limits(cgroup, 64 * MIB, 4, 1000);

	pid_t pid = spawn(cgroup, sleep_until_killed);
	/* It is surely inside once its own list shows it. */
	char text[256] = "";
	while (strtol(text, NULL, 10) != pid)
		value_of(host, CGROUP_PIDS, "busy/cgroup.procs", text);
	ck_assert_int_eq(cgroup_destroy(cgroup, &err), CGROUP_BUSY);
	int r = cgroup_kill(cgroup);
	ck_assert(r == 0 || r == -EOPNOTSUPP);
	if (r < 0)
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(WTERMSIG(wait_for(pid)), SIGKILL);
	destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(an_existing_directory_is_refused)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = NULL;
	char path[1024], first[1024];

	/* In the last hierarchy, so that the others have been made by then and must be unmade. */
	path_of(host, CGROUP_PIDS, "twice", path, sizeof(path));
	path_of(host, CGROUP_CPU, "twice", first, sizeof(first));
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(cgroup_create(host, "twice", &cgroup, &err), -EEXIST);
	ck_assert_str_eq(err.stage, "cgroup.create");
	ck_assert_ptr_null(cgroup);
	if (strcmp(first, path) != 0)
		ck_assert_int_eq(access(first, F_OK), -1);
	err.errno_value = 0;
	ck_assert_int_eq(rmdir(path), 0);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(engines_at_one_time_have_different_slots)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *one = open_host(), *two = open_host();

	ck_assert_uint_ne(cgroup_host_slot(one), cgroup_host_slot(two));
	/* The second one's start did not take the first one's slot for dead. */
	struct cgroup *cgroup = make_group(one, "alive");
	destroy(cgroup);
	(void)cgroup_host_close(two);
	(void)cgroup_host_close(one);
}
END_TEST

START_TEST(nothing_is_left_after_close)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	struct cgroup *cgroup = make_group(host, "left");
	char paths[CGROUP_CONTROLLER_N][1024];
	set_limits(cgroup, 64 * MIB, 4, 1000);

	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		path_of(host, c, "", paths[c], sizeof(paths[c]));
		ck_assert_msg(access(paths[c], F_OK) == 0, "%s", paths[c]);
	}
	/* Even what the engine forgot: a process in a group. */
	pid_t pid = spawn(cgroup, sleep_until_killed);
	(void)cgroup_host_close(host);
	ck_assert_int_eq(WTERMSIG(wait_for(pid)), SIGKILL);
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++)
		ck_assert_msg(access(paths[c], F_OK) < 0 && errno == ENOENT, "%s", paths[c]);
}
END_TEST

START_TEST(another_user_cannot_hold_a_slot)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = open_host();
	char path[1024];

	path_of(host, CGROUP_CPU, "", path, sizeof(path));
	pid_t pid = fork();
	if (pid == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		_exit(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && errno == EACCES ? 0 : 2);
	}
	ck_assert_int_eq(wait_for(pid), 0);
	(void)cgroup_host_close(host);
}
END_TEST

/* Plays an engine that dies without a chance to clean up, with two cells running. Tells its slot and their pids. */
__attribute__((noreturn)) static void play_engine(int out)
{
	struct cgroup_host *host = NULL;
	int told[3];

	if (cgroup_host_open(NULL, &host, &err) < 0)
		_exit(1);
	told[0] = (int)cgroup_host_slot(host);
	for (int i = 0; i < 2; i++) {
		char name[16];
		struct cgroup *cgroup = NULL;
		struct sandbox_limits limits = {.memory_bytes = 64 * MIB, .processes = 4, .cpu_millis = 1000};
		(void)snprintf(name, sizeof(name), "cell-%d", i);
		if (cgroup_create(host, name, &cgroup, &err) < 0 || cgroup_set(cgroup, &limits, &err) < 0)
			_exit(2);
		told[i + 1] = spawn(cgroup, sleep_until_killed);
	}
	if (write(out, told, sizeof(told)) != sizeof(told))
		_exit(3);
	for (;;)
		(void)pause();
}

START_TEST(what_a_killed_engine_left_is_swept_by_the_next)
{
	if (!can_run())
		TEST_SKIP("needs root");
	int tell[2], told[3];
	ck_assert_int_eq(pipe2(tell, O_CLOEXEC), 0);
	/* The cells become our children when their engine is gone, so that we see how they end. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);

	pid_t engine = fork();
	if (engine == 0)
		play_engine(tell[1]);
	(void)close(tell[1]);
	ck_assert_int_eq(read(tell[0], told, sizeof(told)), sizeof(told));
	ck_assert_int_eq(kill(engine, SIGKILL), 0);
	(void)wait_for(engine);

	struct cgroup_host *host = open_host();
	for (int i = 1; i <= 2; i++)
		ck_assert_int_eq(WTERMSIG(wait_for(told[i])), SIGKILL);
	/* Its directories are gone, unless the slot is ours now. */
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		struct cgroup_where where;
		char path[1024];
		where_is(c, &where);
		(void)snprintf(
			path, sizeof(path), "%s/%s/cofferdam-%d/cell-0", where.mount, where.parent, told[0]);
		ck_assert_msg(access(path, F_OK) < 0 && errno == ENOENT, "%s", path);
	}
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(a_parent_that_is_not_there_is_named)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_host *host = NULL;

	ck_assert_int_eq(cgroup_host_open("cofferdam-no-such-parent", &host, &err), -ENOTSUP);
	ck_assert_str_eq(err.stage, "cgroup.probe");
	ck_assert_ptr_nonnull(strstr(err.message, "cofferdam-no-such-parent"));
	ck_assert_ptr_null(host);
}
END_TEST

START_TEST(slots_below_another_parent_have_other_numbers)
{
	if (!can_run())
		TEST_SKIP("needs root");
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	struct cgroup_host *usual = open_host(), *below = NULL;
	char path[1024];

	ASSERT_OK(cgroup_probe(NULL, where, &err));
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		(void)snprintf(path, sizeof(path), "%s/cofferdam_parent", where[c].mount);
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
	}
	ASSERT_OK(cgroup_host_open("/cofferdam_parent", &below, &err));
	ck_assert_uint_ne(cgroup_host_slot(usual), cgroup_host_slot(below));
	(void)snprintf(path, sizeof(path), "%s/cofferdam_parent/cofferdam-%u", where[CGROUP_MEMORY].mount,
		cgroup_host_slot(below));
	ck_assert_int_eq(access(path, F_OK), 0);
	destroy(make_group(below, "cell"));
	(void)cgroup_host_close(below);
	ck_assert_int_eq(access(path, F_OK), -1);
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		(void)snprintf(path, sizeof(path), "%s/cofferdam_parent", where[c].mount);
		ck_assert(rmdir(path) == 0 || errno == ENOENT);
	}
	(void)cgroup_host_close(usual);
}
END_TEST

TEST_PROGRAM("cgroup", 60, tcase_add_test(tc, a_fresh_group_lets_nothing_live);
	     tcase_add_test(tc, too_much_memory_is_killed_counted_and_announced);
	     tcase_add_test(tc, memory_within_the_limit_is_left_alone);
	     tcase_add_test(tc, refused_forks_are_counted);
	     tcase_add_test(tc, cpu_time_of_ended_processes_is_accounted);
	     tcase_add_test(tc, limits_can_be_raised_and_lowered_and_are_what_the_kernel_holds);
	     tcase_add_test(tc, a_limit_that_the_kernel_does_not_take_is_an_error);
	     tcase_add_test(tc, a_group_with_processes_is_busy_until_they_are_gone);
	     tcase_add_test(tc, an_existing_directory_is_refused);
	     tcase_add_test(tc, engines_at_one_time_have_different_slots);
	     tcase_add_test(tc, nothing_is_left_after_close);
	     tcase_add_test(tc, another_user_cannot_hold_a_slot);
	     tcase_add_test(tc, what_a_killed_engine_left_is_swept_by_the_next);
	     tcase_add_test(tc, a_parent_that_is_not_there_is_named);
	     tcase_add_test(tc, slots_below_another_parent_have_other_numbers))
