/* Finding controllers on hosts that this is not: their tables as text, their directories below a temporary one. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/probe.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static char root[PATH_MAX];
static int root_fd = -1;
static struct cgroup_where where[CGROUP_CONTROLLER_N];
static struct sandbox_error err;

static void set_up(void)
{
	(void)snprintf(root, sizeof(root), "/tmp/cofferdam-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(root_fd, 0);
	memset(&err, 0, sizeof(err));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void tear_down(void)
{
	root_fd = fd_close(root_fd);
	ck_assert_int_eq(nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes TEXT to the file PATH below the root, directories included. */
static void put(const char *path, const char *text)
{
	char full[PATH_MAX];

	ck_assert_uint_lt(strlen(path), sizeof(full));
	memcpy(full, path, strlen(path) + 1);
	for (char *slash = strchr(full, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		ck_assert(mkdirat(root_fd, full, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	_cleanup_close_ int fd = openat(root_fd, full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
}

static void put_in(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	put(path, text);
}

/* A v2 group that is not the hierarchy's root. */
static void put_v2(const char *dir, const char *controllers, const char *handed_down, const char *procs)
{
	put_in(dir, "cgroup.type", "domain\n");
	put_in(dir, "cgroup.controllers", controllers);
	put_in(dir, "cgroup.subtree_control", handed_down);
	put_in(dir, "cgroup.procs", procs);
}

static void put_v2_root(const char *dir, const char *controllers)
{
	put_in(dir, "cgroup.controllers", controllers);
	put_in(dir, "cgroup.subtree_control", "");
	put_in(dir, "cgroup.procs", "1\n2\n");
}

static bool mark_delegated(const char *dir)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%.1000s/%.1000s", root, dir);
	return setxattr(path, "user.delegate", "1", 1, 0) == 0;
}

static int probe(const char *mountinfo, const char *self, const char *parent)
{
	struct probe_input input = {
		.mountinfo = mountinfo, .self = self, .root_fd = root_fd, .parent = parent};

	return probe_controllers(&input, where, &err);
}

static void check(enum cgroup_controller c, int version, const char *mount, const char *parent)
{
	ck_assert_msg(where[c].version == version, "%s: version %d, %s", cgroup_controller_name(c),
		where[c].version, where[c].reason);
	ck_assert_str_eq(where[c].mount, mount);
	ck_assert_str_eq(where[c].parent, parent);
}

static void check_all(int version, const char *mount, const char *parent)
{
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++)
		check(c, version, mount, parent);
}

static void check_refused(enum cgroup_controller c, const char *why)
{
	ck_assert_int_eq(where[c].version, 0);
	ck_assert_msg(strstr(where[c].reason, why) != NULL, "%s", where[c].reason);
}

#define V2_MOUNT "30 22 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNTS                                                                                            \
	"21 26 0:20 / /proc rw,relatime - proc proc rw\n"                                                    \
	"30 22 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                                \
	"31 30 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"                               \
	"32 30 0:29 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n"                       \
	"33 30 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"                         \
	"34 30 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"                         \
	"38 30 0:35 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"                             \
	"40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
#define V1_SELF "8:pids:/\n4:memory:/some/where\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/\n0::/\n"

START_TEST(a_word_is_a_whole_word)
{
	ck_assert(probe_has_word("cpuset,cpu", ',', "cpu"));
	ck_assert(probe_has_word("cpu", ' ', "cpu"));
	ck_assert(!probe_has_word("cpuset,cpuacct", ',', "cpu"));
	ck_assert(!probe_has_word("xcpu", ',', "cpu"));
	ck_assert(!probe_has_word("", ',', "cpu"));
	ck_assert(probe_has_word("a//..", '/', ".."));
	ck_assert(!probe_has_word("a/..b/c..", '/', ".."));
}
END_TEST

START_TEST(v1_controllers_are_found_one_by_one)
{
	static const char *const dirs[] = {"cpu", "cpuacct", "memory", "pids"};
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		char dir[64];
		(void)snprintf(dir, sizeof(dir), "sys/fs/cgroup/%s", dirs[c]);
		put_in(dir, "cgroup.procs", "1\n");
	}

	ck_assert_int_eq(probe(V1_MOUNTS, V1_SELF, NULL), 0);
	check(CGROUP_CPU, 1, "/sys/fs/cgroup/cpu", "");
	check(CGROUP_CPUACCT, 1, "/sys/fs/cgroup/cpuacct", "");
	check(CGROUP_MEMORY, 1, "/sys/fs/cgroup/memory", "");
	check(CGROUP_PIDS, 1, "/sys/fs/cgroup/pids", "");
}
END_TEST

START_TEST(v1_controllers_mounted_together_share_a_directory)
{
	static const char mounts[] =
		"31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		"34 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		"38 30 0:35 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
	put("sys/fs/cgroup/cpu,cpuacct/cgroup.procs", "");
	put("sys/fs/cgroup/memory/cgroup.procs", "");
	put("sys/fs/cgroup/pids/cgroup.procs", "");

	ck_assert_int_eq(probe(mounts, "3:cpu,cpuacct:/\n2:memory:/\n1:pids:/\n", NULL), 0);
	check(CGROUP_CPU, 1, "/sys/fs/cgroup/cpu,cpuacct", "");
	check(CGROUP_CPUACCT, 1, "/sys/fs/cgroup/cpu,cpuacct", "");
}
END_TEST

START_TEST(pure_v2_is_used_from_its_root)
{
	put_v2_root("sys/fs/cgroup", "cpuset cpu io memory hugetlb pids\n");
	put_v2("sys/fs/cgroup/user.slice", "cpu memory pids\n", "", "1\n");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/user.slice\n", NULL), 0);
	check_all(2, "/sys/fs/cgroup", "");
}
END_TEST

START_TEST(a_hybrid_host_uses_each_controller_where_it_is)
{
	static const char mounts[] =
		"30 22 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		"31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		"34 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
	put_v2_root("sys/fs/cgroup/unified", "pids\n");
	put("sys/fs/cgroup/cpu,cpuacct/cgroup.procs", "");
	put("sys/fs/cgroup/memory/cgroup.procs", "");

	ck_assert_int_eq(probe(mounts, "3:cpu,cpuacct:/\n2:memory:/x\n0::/x\n", NULL), 0);
	check(CGROUP_CPU, 1, "/sys/fs/cgroup/cpu,cpuacct", "");
	check(CGROUP_CPUACCT, 1, "/sys/fs/cgroup/cpu,cpuacct", "");
	check(CGROUP_MEMORY, 1, "/sys/fs/cgroup/memory", "");
	check(CGROUP_PIDS, 2, "/sys/fs/cgroup/unified", "");
}
END_TEST

START_TEST(cpu_time_needs_no_v2_controller)
{
	static const char mounts[] = "30 22 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
				     "31 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
	put_v2_root("sys/fs/cgroup/unified", "memory pids\n");
	put("sys/fs/cgroup/cpu/cgroup.procs", "");

	ck_assert_int_eq(probe(mounts, "1:cpu:/\n0::/\n", NULL), 0);
	check(CGROUP_CPU, 1, "/sys/fs/cgroup/cpu", "");
	check(CGROUP_CPUACCT, 2, "/sys/fs/cgroup/unified", "");
}
END_TEST

START_TEST(a_container_sees_its_own_part_as_the_top)
{
	/* v1 without a cgroup namespace: the bind mount shows what /proc/self/cgroup calls /docker/abc. */
	static const char mounts[] =
		"31 30 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		"34 30 0:31 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		"38 30 0:35 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
	put("sys/fs/cgroup/cpu,cpuacct/cgroup.procs", "");
	put("sys/fs/cgroup/memory/cgroup.procs", "");
	put("sys/fs/cgroup/pids/cgroup.procs", "");

	ck_assert_int_eq(
		probe(mounts, "3:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n1:pids:/docker/abc\n", NULL),
		0);
	check(CGROUP_MEMORY, 1, "/sys/fs/cgroup/memory", "");
}
END_TEST

START_TEST(a_v2_namespace_whose_top_holds_others_is_refused)
{
	put_v2("sys/fs/cgroup", "cpu memory pids\n", "", "1\n7\n");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/\n", NULL), -ENOTSUP);
	ck_assert_str_eq(err.stage, "cgroup.probe");
	check_refused(CGROUP_CPU, "Delegate=yes");
	check_refused(CGROUP_PIDS, "CGROUP_PARENT");
	/* Counting CPU time hands nothing down. */
	check(CGROUP_CPUACCT, 2, "/sys/fs/cgroup", "");
}
END_TEST

START_TEST(a_v2_namespace_of_our_own_is_used)
{
	char own[32];
	(void)snprintf(own, sizeof(own), "%d\n", (int)getpid());
	put_v2("sys/fs/cgroup", "cpu memory pids\n", "", own);

	ck_assert_int_eq(probe(V2_MOUNT, "0::/\n", NULL), 0);
	check_all(2, "/sys/fs/cgroup", "");
}
END_TEST

START_TEST(what_is_handed_down_already_needs_no_empty_group)
{
	put_v2("sys/fs/cgroup", "cpu memory pids\n", "cpu memory pids\n", "1\n");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/\n", NULL), 0);
	check_all(2, "/sys/fs/cgroup", "");
}
END_TEST

#define UNIT "sys/fs/cgroup/system.slice/cofferdam.service"

START_TEST(a_delegated_group_is_preferred)
{
	char own[32];
	(void)snprintf(own, sizeof(own), "%d\n", (int)getpid());
	put_v2_root("sys/fs/cgroup", "cpu memory pids\n");
	put_v2(UNIT, "cpu memory pids\n", "", own);
	if (!mark_delegated(UNIT))
		TEST_SKIP("no user.* extended attributes in /tmp");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/system.slice/cofferdam.service\n", NULL), 0);
	check_all(2, "/sys/fs/cgroup", "system.slice/cofferdam.service");
}
END_TEST

START_TEST(the_leaf_of_a_delegated_group_leads_to_it)
{
	put_v2_root("sys/fs/cgroup", "cpu memory pids\n");
	put_v2(UNIT, "cpu memory pids\n", "cpu memory pids\n", "");
	put_v2(UNIT "/supervisor", "cpu memory pids\n", "", "1\n");
	if (!mark_delegated(UNIT))
		TEST_SKIP("no user.* extended attributes in /tmp");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/system.slice/cofferdam.service/supervisor\n", NULL), 0);
	check_all(2, "/sys/fs/cgroup", "system.slice/cofferdam.service");
}
END_TEST

START_TEST(a_group_that_was_not_delegated_is_not_taken)
{
	put_v2_root("sys/fs/cgroup", "cpu memory pids\n");
	put_v2("sys/fs/cgroup/system.slice/ssh.service/supervisor", "memory pids\n", "", "1\n");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/system.slice/ssh.service/supervisor\n", NULL), 0);
	check_all(2, "/sys/fs/cgroup", "");
}
END_TEST

START_TEST(a_missing_v2_controller_is_named)
{
	put_v2_root("sys/fs/cgroup", "cpuset cpu pids\n");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/\n", NULL), -ENOTSUP);
	check_refused(CGROUP_MEMORY, "memory is not available");
	ck_assert_ptr_nonnull(strstr(err.message, "controller memory"));
	check(CGROUP_CPU, 2, "/sys/fs/cgroup", "");
}
END_TEST

START_TEST(a_threaded_group_is_refused)
{
	put_v2("sys/fs/cgroup/t", "cpu memory pids\n", "cpu memory pids\n", "");
	put_in("sys/fs/cgroup/t", "cgroup.type", "threaded\n");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/\n", "t"), -ENOTSUP);
	check_refused(CGROUP_CPU, "\"threaded\"");
}
END_TEST

START_TEST(no_cgroups_at_all_are_a_remedy_not_a_crash)
{
	ck_assert_int_eq(probe("", "", NULL), -ENOTSUP);
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++)
		check_refused(c, "mount cgroup2 at /sys/fs/cgroup");
	ck_assert_int_eq(
		probe("1 2 3\n\n- - - - - - -\n36 35 98:0 /a /b rw -\n36 35 98:0 /a\n", "x\n::\n0\n", NULL),
		-ENOTSUP);
}
END_TEST

START_TEST(a_mount_that_is_hidden_by_another_is_noticed)
{
	put("sys/fs/cgroup/nothing", "");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/\n", NULL), -ENOTSUP);
	check_refused(CGROUP_CPU, "mounted over");
}
END_TEST

START_TEST(blanks_in_a_mount_point_are_understood)
{
	put_v2_root("my cgroups\\/here", "cpu memory pids\n");

	ck_assert_int_eq(
		probe("30 22 0:27 / /my\\040cgroups\\134/here rw - cgroup2 none rw\n", "0::/\n", NULL), 0);
	check_all(2, "/my cgroups\\/here", "");
}
END_TEST

START_TEST(of_two_mounts_the_one_that_shows_more_is_used)
{
	static const char mounts[] = "50 22 0:27 /docker/abc /inner rw - cgroup2 cgroup2 rw\n"
				     "51 22 0:27 / /outer rw - cgroup2 cgroup2 rw\n"
				     "52 22 0:27 /docker/abc /inner2 rw - cgroup2 cgroup2 rw\n";
	put_v2_root("outer", "cpu memory pids\n");

	ck_assert_int_eq(probe(mounts, "0::/docker/abc\n", NULL), 0);
	check_all(2, "/outer", "");
}
END_TEST

START_TEST(a_mount_point_at_the_bound_is_used_and_one_past_it_is_not)
{
	/* where.mount holds 255 bytes: "/", then two components. */
	char at[300], line[600];
	memset(at, 'm', sizeof(at));
	at[0] = '/';
	at[128] = '/';
	at[255] = '\0';
	put_v2_root(at + 1, "cpu memory pids\n");
	(void)snprintf(line, sizeof(line), "30 22 0:27 / %s rw - cgroup2 cgroup2 rw\n", at);
	ck_assert_int_eq(probe(line, "0::/\n", NULL), 0);
	check_all(2, at, "");

	at[255] = 'm';
	at[256] = '\0';
	(void)snprintf(line, sizeof(line), "30 22 0:27 / %s rw - cgroup2 cgroup2 rw\n", at);
	ck_assert_int_eq(probe(line, "0::/\n", NULL), -ENOTSUP);
	check_refused(CGROUP_CPU, "is not mounted");
}
END_TEST

START_TEST(configuration_wins_and_must_exist)
{
	put_v2_root("sys/fs/cgroup", "cpu memory pids\n");
	put_v2("sys/fs/cgroup/a/b", "cpu memory pids\n", "", "");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/\n", "/a/b"), 0);
	check_all(2, "/sys/fs/cgroup", "a/b");
	ck_assert_int_eq(probe(V2_MOUNT, "0::/\n", "a/c"), -ENOTSUP);
	check_refused(CGROUP_CPU, "/sys/fs/cgroup/a/c: No such file");
}
END_TEST

START_TEST(configuration_cannot_leave_the_mount)
{
	put_v2_root("sys/fs/cgroup", "cpu memory pids\n");
	put_v2("sys/fs/cgroup/a", "cpu memory pids\n", "", "");

	ck_assert_int_eq(probe(V2_MOUNT, "0::/\n", "a/../.."), -ENOTSUP);
	check_refused(CGROUP_CPU, "\"..\"");
}
END_TEST

START_TEST(the_version_of_this_machine_is_found)
{
	struct sandbox_error ignored = {0};

	/* Without root the answer may be no, but each controller has a place or a reason. */
	(void)cgroup_probe(NULL, where, &ignored);
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++)
		ck_assert(where[c].version != 0 ? where[c].mount[0] == '/' : where[c].reason[0] != '\0');
}
END_TEST

TEST_PROGRAM(
	"cgroup_probe", 10, tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_word_is_a_whole_word); tcase_add_test(tc, v1_controllers_are_found_one_by_one);
	tcase_add_test(tc, v1_controllers_mounted_together_share_a_directory);
	tcase_add_test(tc, pure_v2_is_used_from_its_root);
	tcase_add_test(tc, a_hybrid_host_uses_each_controller_where_it_is);
	tcase_add_test(tc, cpu_time_needs_no_v2_controller);
	tcase_add_test(tc, a_container_sees_its_own_part_as_the_top);
	tcase_add_test(tc, a_v2_namespace_whose_top_holds_others_is_refused);
	tcase_add_test(tc, a_v2_namespace_of_our_own_is_used);
	tcase_add_test(tc, what_is_handed_down_already_needs_no_empty_group);
	tcase_add_test(tc, a_delegated_group_is_preferred);
	tcase_add_test(tc, the_leaf_of_a_delegated_group_leads_to_it);
	tcase_add_test(tc, a_group_that_was_not_delegated_is_not_taken);
	tcase_add_test(tc, a_missing_v2_controller_is_named); tcase_add_test(tc, a_threaded_group_is_refused);
	tcase_add_test(tc, no_cgroups_at_all_are_a_remedy_not_a_crash);
	tcase_add_test(tc, a_mount_that_is_hidden_by_another_is_noticed);
	tcase_add_test(tc, blanks_in_a_mount_point_are_understood);
	tcase_add_test(tc, of_two_mounts_the_one_that_shows_more_is_used);
	tcase_add_test(tc, a_mount_point_at_the_bound_is_used_and_one_past_it_is_not);
	tcase_add_test(tc, configuration_wins_and_must_exist);
	tcase_add_test(tc, configuration_cannot_leave_the_mount);
	tcase_add_test(tc, the_version_of_this_machine_is_found))
