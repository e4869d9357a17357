/* The limits of cell groups against the real kernel, whichever versions it offers. */
#include "sandbox/base/fd.h"
#include "tests/lib/groups.h"
#include "tests/lib/test.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define MIB (UINT64_C(1024) * 1024)

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
			(void)group_sleep();
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
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "fresh");

	if (cgroup_into_fd(cgroup) >= 0) {
		ck_assert_int_eq(group_fork(cgroup), -1);
		ck_assert_int_eq(errno, EAGAIN);
	} else {
		int status = group_wait(group_spawn(cgroup, use_16_mib));
		struct cgroup_evidence evidence;
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		GROUP_OK(cgroup_evidence(cgroup, &evidence, &group_err));
		ck_assert_uint_gt(evidence.oom_kills, 0);
	}
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(too_much_memory_is_killed_counted_and_announced)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "memory");
	struct cgroup_evidence evidence;
	group_limit(cgroup, 32 * MIB, 4, 1000);

	pid_t pid = group_spawn(cgroup, use_256_mib);
	int fd = fired_fd(cgroup);
	ck_assert_int_ge(fd, 0);
	int status = group_wait(pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	cgroup_event_clear(cgroup, fd);
	ck_assert(is_quiet(fd));
	GROUP_OK(cgroup_evidence(cgroup, &evidence, &group_err));
	ck_assert_uint_gt(evidence.oom_kills, 0);
	ck_assert_uint_eq(evidence.forks_refused, 0);
	ck_assert_uint_le(evidence.memory_peak_bytes, 32 * MIB);
	ck_assert_uint_ge(evidence.memory_peak_bytes, 31 * MIB);
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(memory_within_the_limit_is_left_alone)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "memory");
	struct cgroup_evidence evidence;
	group_limit(cgroup, 64 * MIB, 4, 1000);

	ck_assert_int_eq(group_wait(group_spawn(cgroup, use_16_mib)), 0);
	GROUP_OK(cgroup_evidence(cgroup, &evidence, &group_err));
	ck_assert_uint_eq(evidence.oom_kills, 0);
	/* Now that the process is gone only the kernel's own peak can say so. */
	ck_assert_uint_ge(evidence.memory_peak_bytes, 16 * MIB);
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

/* One process is fat, its sibling lean. */
static int use_256_mib_in_a_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(use_256_mib());
	(void)group_wait(pid);
	return 97;
}

/* Linux 4.19, version 2 only: memory.oom.group. */
START_TEST(an_oom_kill_takes_the_whole_group_where_the_kernel_can)
{
	struct cgroup_where where;
	char text[256];
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	group_where(CGROUP_MEMORY, &where);
	if (where.version != 2)
		TEST_SKIP("cgroup v1 kills one process; the engine kills the others");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "oom");
	group_limit(cgroup, 32 * MIB, 4, 1000);

	group_value(host, CGROUP_MEMORY, "oom/memory.oom.group", text);
	ck_assert_str_eq(text, "1");
	int status = group_wait(group_spawn(cgroup, use_256_mib_in_a_child));
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

/* clone3 puts a process into a version 2 group; without one for all controllers it must join by hand. */
START_TEST(nothing_is_joined_by_hand_that_clone_can_enter)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	int fds[CGROUP_CONTROLLER_N];
	bool is_v2 = true;
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "into");

	GROUP_OK(cgroup_probe(NULL, where, &group_err));
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++)
		is_v2 &= where[c].version == 2;
	ck_assert_int_eq(cgroup_into_fd(cgroup) >= 0, is_v2);
	ck_assert_int_eq(cgroup_join_fds(cgroup, fds) == 0, is_v2);
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(refused_forks_are_counted)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "pids");
	struct cgroup_evidence evidence;
	struct cgroup_event events[2];
	bool needs_poll;
	/* Five at one time: the child itself in the place of init, and four others. */
	group_limit(cgroup, 64 * MIB, 4, 1000);

	int status = group_wait(group_spawn(cgroup, start_eight));
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 4);
	(void)cgroup_events(cgroup, events, &needs_poll);
	if (!needs_poll)
		ck_assert_int_ge(fired_fd(cgroup), 0);
	GROUP_OK(cgroup_evidence(cgroup, &evidence, &group_err));
	ck_assert_uint_eq(evidence.forks_refused, 4);
	ck_assert_uint_eq(evidence.oom_kills, 0);
	/* 0: before Linux 6.1 the kernel does not tell. */
	ck_assert(evidence.processes_peak == 0 || evidence.processes_peak == 5);
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(cpu_time_of_ended_processes_is_accounted)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "cpu");
	struct cgroup_usage before, after;
	group_limit(cgroup, 64 * MIB, 4, 4000);

	GROUP_OK(cgroup_usage(cgroup, &before, &group_err));
	ck_assert_uint_eq(before.cpu_usec, 0);
	ck_assert_int_eq(group_wait(group_spawn(cgroup, burn)), 0);
	GROUP_OK(cgroup_usage(cgroup, &after, &group_err));
	/* What the child measured itself, plus its start and end. */
	ck_assert_uint_ge(after.cpu_usec, BURN_USEC * 9 / 10);
	ck_assert_uint_le(after.cpu_usec, BURN_USEC * 2);
	ck_assert_uint_le(after.user_usec + after.system_usec, after.cpu_usec + 2);
	ck_assert_uint_ge(after.user_usec + after.system_usec + 2, after.cpu_usec);
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

/* The kernel's files say what was asked for. */
static void check_bandwidth(const struct cgroup_host *host, const char *name, uint64_t quota, uint64_t period)
{
	struct cgroup_where where;
	char file[128], text[256], wanted[256];

	group_where(CGROUP_CPU, &where);
	if (where.version == 2) {
		(void)snprintf(file, sizeof(file), "%s/cpu.max", name);
		(void)snprintf(wanted, sizeof(wanted), "%" PRIu64 " %" PRIu64, quota, period);
		group_value(host, CGROUP_CPU, file, text);
		ck_assert_str_eq(text, wanted);
		return;
	}
	(void)snprintf(file, sizeof(file), "%s/cpu.cfs_quota_us", name);
	(void)snprintf(wanted, sizeof(wanted), "%" PRIu64, quota);
	group_value(host, CGROUP_CPU, file, text);
	ck_assert_str_eq(text, wanted);
	(void)snprintf(file, sizeof(file), "%s/cpu.cfs_period_us", name);
	(void)snprintf(wanted, sizeof(wanted), "%" PRIu64, period);
	group_value(host, CGROUP_CPU, file, text);
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
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "steps");
	struct cgroup_where memory;
	group_where(CGROUP_MEMORY, &memory);

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		char text[256];
		group_limit(cgroup, steps[i].memory_bytes, steps[i].processes, steps[i].cpu_millis);
		check_bandwidth(host, "steps", steps[i].quota_usec, steps[i].period_usec);
		group_value(host, CGROUP_PIDS, "steps/pids.max", text);
		ck_assert_uint_eq(strtoull(text, NULL, 10), steps[i].processes + 1);
		group_value(host, CGROUP_MEMORY,
			memory.version == 2 ? "steps/memory.max" : "steps/memory.limit_in_bytes", text);
		ck_assert_uint_eq(strtoull(text, NULL, 10), steps[i].memory_bytes & ~UINT64_C(4095));
	}
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(a_limit_that_the_kernel_does_not_take_is_an_error)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "beyond");
	struct sandbox_limits limits = {
		.memory_bytes = 64 * MIB, .processes = UINT32_MAX, .cpu_millis = 1000};

	ck_assert_int_lt(cgroup_set(cgroup, &limits, &group_err), 0);
	ck_assert_str_eq(group_err.stage, "cgroup.set");
	ck_assert_ptr_nonnull(strstr(group_err.message, "pids.max"));
	group_err.errno_value = 0;
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

/* What a throttled process would wait for before it ends. */
static void expect_no_bandwidth_limit(const struct cgroup_host *host)
{
	struct cgroup_where where;
	char text[256];

	group_where(CGROUP_CPU, &where);
	bool is_v1 = where.version == 1;
	group_value(host, CGROUP_CPU, is_v1 ? "busy/cpu.cfs_quota_us" : "busy/cpu.max", text);
	ck_assert_msg(strncmp(text, is_v1 ? "-1" : "max", 2) == 0, "%s", text);
}

START_TEST(a_group_with_processes_is_busy_until_they_are_gone)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = group_make(host, "busy");
	group_limit(cgroup, 64 * MIB, 4, 1000);

	pid_t pid = group_spawn(cgroup, group_sleep);
	ck_assert_int_eq(cgroup_destroy(cgroup), CGROUP_BUSY);
	ck_assert_int_eq(cgroup_kill(cgroup), 0);
	expect_no_bandwidth_limit(host);
	ck_assert_int_eq(WTERMSIG(group_wait(pid)), SIGKILL);
	group_destroy(cgroup);
	(void)cgroup_host_close(host);
}
END_TEST

TEST_PROGRAM("cgroup", 60, tcase_add_test(tc, a_fresh_group_lets_nothing_live);
	     tcase_add_test(tc, too_much_memory_is_killed_counted_and_announced);
	     tcase_add_test(tc, memory_within_the_limit_is_left_alone);
	     tcase_add_test(tc, an_oom_kill_takes_the_whole_group_where_the_kernel_can);
	     tcase_add_test(tc, nothing_is_joined_by_hand_that_clone_can_enter);
	     tcase_add_test(tc, refused_forks_are_counted);
	     tcase_add_test(tc, cpu_time_of_ended_processes_is_accounted);
	     tcase_add_test(tc, limits_can_be_raised_and_lowered_and_are_what_the_kernel_holds);
	     tcase_add_test(tc, a_limit_that_the_kernel_does_not_take_is_an_error);
	     tcase_add_test(tc, a_group_with_processes_is_busy_until_they_are_gone))
