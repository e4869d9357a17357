/* Numbers from cgroup files: the files of both versions as text, in a temporary directory. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/internal.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <string.h>

static char path[64];
static struct cgroup_dir dir = {.fd = -1};
static struct sandbox_error err;
static struct cgroup group; /* only its memory of earlier readings is used */

static const char *const files[] = {"number", "cpu.stat", "memory.events", "memory.peak", "memory.current",
	"pids.events", "pids.peak", "cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys",
	"memory.oom_control", "memory.max_usage_in_bytes"};

static void set_up(void)
{
	(void)snprintf(path, sizeof(path), "/tmp/cofferdam-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(path));
	dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir.fd, 0);
	memset(&err, 0, sizeof(err));
	memset(&group, 0, sizeof(group));
}

static void tear_down(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		(void)unlinkat(dir.fd, files[i], 0);
	cgroup_dir_close(&dir);
	ck_assert_int_eq(rmdir(path), 0);
}

static void put(const char *file, const char *text)
{
	_cleanup_close_ int fd = openat(dir.fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
}

START_TEST(a_key_is_found_at_the_start_of_its_line_only)
{
	static const char text[] = "low 1\noom 2\noom_kill 3\noom_group_kill 4\nmax 18446744073709551615\n";
	uint64_t value = 0;

	ck_assert_int_eq(cgroup_find(text, "oom", &value), 0);
	ck_assert_uint_eq(value, 2);
	ck_assert_int_eq(cgroup_find(text, "oom_kill", &value), 0);
	ck_assert_uint_eq(value, 3);
	ck_assert_int_eq(cgroup_find(text, "max", &value), 0);
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert_int_eq(cgroup_find(text, "kill", &value), -ENODATA);
	ck_assert_int_eq(cgroup_find("", "oom", &value), -ENODATA);
}
END_TEST

START_TEST(what_is_no_number_is_an_error)
{
	static const char *const texts[] = {
		"", "\n", "max\n", "-1\n", " 1\n", "1x\n", "18446744073709551616\n"};
	uint64_t value = 7;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put("number", texts[i]);
		ck_assert_msg(cgroup_read(&dir, "number", NULL, &value, &err) == -ENODATA, "%s", texts[i]);
		ck_assert_uint_eq(value, 7);
	}
	ck_assert_str_eq(err.stage, "cgroup.read");
	ck_assert_int_eq(cgroup_read(&dir, "absent", NULL, &value, NULL), -ENOENT);
}
END_TEST

START_TEST(bandwidth_keeps_within_the_bounds_of_the_kernel)
{
	static const struct {
		uint64_t millis, quota_usec, period_usec;
	} rows[] = {{1, 1000, 1000000}, {9, 9000, 1000000}, {10, 1000, 100000}, {1000, 100000, 100000},
		{64000, 6400000, 100000}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sandbox_limits limits = {.cpu_millis = rows[i].millis};
		struct cgroup_bandwidth cpu = cgroup_bandwidth(&limits);
		ck_assert_uint_eq(cpu.quota_usec, rows[i].quota_usec);
		ck_assert_uint_eq(cpu.period_usec, rows[i].period_usec);
	}
}
END_TEST

START_TEST(v2_usage_is_read_from_cpu_stat)
{
	struct cgroup_usage usage;

	put("cpu.stat", "usage_usec 123\nuser_usec 100\nsystem_usec 23\nnice_usec 0\nnr_periods 0\n");
	ck_assert_int_eq(cgroup_v2_ops[CGROUP_CPUACCT].usage(&dir, &usage, &err), 0);
	ck_assert_uint_eq(usage.cpu_usec, 123);
	ck_assert_uint_eq(usage.user_usec, 100);
	ck_assert_uint_eq(usage.system_usec, 23);
	put("cpu.stat", "usage_usec 123\n");
	ck_assert_int_eq(cgroup_v2_ops[CGROUP_CPUACCT].usage(&dir, &usage, &err), -ENODATA);
}
END_TEST

START_TEST(v1_usage_is_divided_by_the_sampled_times)
{
	struct cgroup_usage usage;

	/* More than 64 bits on the way: a year of nanoseconds. */
	put("cpuacct.usage", "31536000000000000\n");
	put("cpuacct.usage_user", "20000000000000000\n");
	put("cpuacct.usage_sys", "20000000000000000\n");
	ck_assert_int_eq(cgroup_v1_ops[CGROUP_CPUACCT].usage(&dir, &usage, &err), 0);
	ck_assert_uint_eq(usage.cpu_usec, UINT64_C(31536000000000));
	ck_assert_uint_eq(usage.user_usec, UINT64_C(15768000000000));
	ck_assert_uint_eq(usage.user_usec + usage.system_usec, usage.cpu_usec);
	/* Too short for any tick. */
	put("cpuacct.usage", "5000\n");
	put("cpuacct.usage_user", "0\n");
	put("cpuacct.usage_sys", "0\n");
	ck_assert_int_eq(cgroup_v1_ops[CGROUP_CPUACCT].usage(&dir, &usage, &err), 0);
	ck_assert_uint_eq(usage.user_usec, 5);
	ck_assert_uint_eq(usage.system_usec, 0);
}
END_TEST

START_TEST(v2_memory_evidence_is_peak_and_kills)
{
	struct cgroup_evidence evidence = {0};

	put("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 3\noom_group_kill 1\n");
	put("memory.peak", "4096\n");
	put("memory.current", "0\n");
	ck_assert_int_eq(cgroup_v2_ops[CGROUP_MEMORY].evidence(&group, &dir, &evidence, &err), 0);
	ck_assert_uint_eq(evidence.oom_kills, 3);
	ck_assert_uint_eq(evidence.memory_peak_bytes, 4096);
}
END_TEST

START_TEST(without_a_peak_the_largest_reading_counts)
{
	struct cgroup_evidence evidence = {0};

	put("memory.events", "oom_kill 0\n");
	put("memory.current", "8192\n");
	ck_assert_int_eq(cgroup_v2_ops[CGROUP_MEMORY].evidence(&group, &dir, &evidence, &err), 0);
	put("memory.current", "4096\n");
	ck_assert_int_eq(cgroup_v2_ops[CGROUP_MEMORY].evidence(&group, &dir, &evidence, &err), 0);
	ck_assert_uint_eq(evidence.memory_peak_bytes, 8192);
}
END_TEST

START_TEST(v1_memory_evidence_is_peak_and_kills)
{
	struct cgroup_evidence evidence = {0};

	put("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	put("memory.max_usage_in_bytes", "12288\n");
	ck_assert_int_eq(cgroup_v1_ops[CGROUP_MEMORY].evidence(&group, &dir, &evidence, &err), 0);
	ck_assert_uint_eq(evidence.oom_kills, 2);
	ck_assert_uint_eq(evidence.memory_peak_bytes, 12288);
	/* Before Linux 4.13: no evidence is an error, not a zero. */
	put("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
	ck_assert_int_eq(cgroup_v1_ops[CGROUP_MEMORY].evidence(&group, &dir, &evidence, &err), -ENODATA);
}
END_TEST

START_TEST(refused_forks_are_evidence_and_the_peak_may_be_unknown)
{
	struct cgroup_evidence evidence = {.processes_peak = 99};

	put("pids.events", "max 5\n");
	ck_assert_int_eq(cgroup_pids_evidence(&group, &dir, &evidence, &err), 0);
	ck_assert_uint_eq(evidence.forks_refused, 5);
	ck_assert_uint_eq(evidence.processes_peak, 0);
	dir.nkept = 0; /* another kernel */
	put("pids.peak", "3\n");
	ck_assert_int_eq(cgroup_pids_evidence(&group, &dir, &evidence, &err), 0);
	ck_assert_uint_eq(evidence.processes_peak, 3);
}
END_TEST

START_TEST(a_value_that_does_not_stick_is_an_error)
{
	/* A plain file keeps the old tail, as a kernel that ignores part of a write would. */
	put("number", "12345\n");
	ck_assert_int_eq(cgroup_write(dir.fd, "number", "99", &err), -EIO);
	ck_assert_str_eq(err.message, "number: wrote 99, the kernel holds 99345");
	put("number", "");
	ck_assert_int_eq(cgroup_write(dir.fd, "number", "99", &err), 0);
}
END_TEST

START_TEST(bytes_are_expected_rounded_down_to_a_page)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	put("number", "");
	ck_assert_int_eq(cgroup_write_bytes(dir.fd, "number", page, &err), 0);
	/* The plain file holds one byte more than any kernel would. */
	put("number", "");
	ck_assert_int_eq(cgroup_write_bytes(dir.fd, "number", page + 1, &err), -EIO);
}
END_TEST

TEST_PROGRAM("cgroup_values", 10, tcase_add_checked_fixture(tc, set_up, tear_down);
	     tcase_add_test(tc, a_key_is_found_at_the_start_of_its_line_only);
	     tcase_add_test(tc, what_is_no_number_is_an_error);
	     tcase_add_test(tc, bandwidth_keeps_within_the_bounds_of_the_kernel);
	     tcase_add_test(tc, v2_usage_is_read_from_cpu_stat);
	     tcase_add_test(tc, v1_usage_is_divided_by_the_sampled_times);
	     tcase_add_test(tc, v2_memory_evidence_is_peak_and_kills);
	     tcase_add_test(tc, without_a_peak_the_largest_reading_counts);
	     tcase_add_test(tc, v1_memory_evidence_is_peak_and_kills);
	     tcase_add_test(tc, refused_forks_are_evidence_and_the_peak_may_be_unknown);
	     tcase_add_test(tc, a_value_that_does_not_stick_is_an_error);
	     tcase_add_test(tc, bytes_are_expected_rounded_down_to_a_page))
