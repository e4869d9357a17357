/* An engine's slot in the real hierarchies: claimed, swept, given back. */
#include "sandbox/base/fd.h"
#include "tests/lib/groups.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define MIB (UINT64_C(1024) * 1024)

/* DIR/NAME in a static buffer. */
static const char *place(const char *dir, const char *name)
{
	static char path[1024];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

START_TEST(an_existing_directory_is_refused)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	struct cgroup *cgroup = NULL;
	char path[2048], first[2048];

	/* In the last hierarchy, so that the others have been made by then and must be unmade. */
	group_path(host, CGROUP_PIDS, "twice", path, sizeof(path));
	group_path(host, CGROUP_CPU, "twice", first, sizeof(first));
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(cgroup_create(host, "twice", &cgroup, &group_err), -EEXIST);
	ck_assert_str_eq(group_err.stage, "cgroup.create");
	ck_assert_ptr_null(cgroup);
	if (strcmp(first, path) != 0)
		ck_assert_int_eq(access(first, F_OK), -1);
	group_err.errno_value = 0;
	ck_assert_int_eq(rmdir(path), 0);
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(engines_at_one_time_have_different_slots)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *one = group_host(), *two = group_host();

	ck_assert_uint_ne(cgroup_host_slot(one), cgroup_host_slot(two));
	/* The second one's start did not take the first one's slot for dead. */
	struct cgroup *cgroup = group_make(one, "alive");
	group_destroy(cgroup);
	(void)cgroup_host_close(two);
	(void)cgroup_host_close(one);
}
END_TEST

/* Puts a child that stays into a group made behind the engine's back. */
static pid_t forgotten_child(const struct cgroup_host *host)
{
	char path[2048], text[32];
	pid_t pid = fork();

	if (pid == 0)
		(void)group_sleep();
	ck_assert_int_gt(pid, 0);
	group_path(host, CGROUP_PIDS, "left", path, sizeof(path));
	ck_assert_int_eq(mkdir(path, 0700), 0);
	group_path(host, CGROUP_PIDS, "left/cgroup.procs", path, sizeof(path));
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	ck_assert_int_eq(fd_write_file(AT_FDCWD, path, text), 0);
	return pid;
}

START_TEST(nothing_is_left_after_close)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	char paths[CGROUP_CONTROLLER_N][2048];

	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		group_path(host, c, "", paths[c], sizeof(paths[c]));
		ck_assert_msg(access(paths[c], F_OK) == 0, "%s", paths[c]);
	}
	pid_t pid = forgotten_child(host);
	(void)cgroup_host_close(host);
	ck_assert_int_eq(WTERMSIG(group_wait(pid)), SIGKILL);
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++)
		ck_assert_msg(access(paths[c], F_OK) < 0 && errno == ENOENT, "%s", paths[c]);
}
END_TEST

START_TEST(another_user_cannot_hold_a_slot)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = group_host();
	char path[2048];

	group_path(host, CGROUP_CPU, "", path, sizeof(path));
	pid_t pid = fork();
	if (pid == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		_exit(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && errno == EACCES ? 0 : 2);
	}
	ck_assert_int_eq(group_wait(pid), 0);
	(void)cgroup_host_close(host);
}
END_TEST

/* Plays an engine that dies without a chance to clean up, with two cells running. Tells its slot and their pids. */
__attribute__((noreturn)) static void play_engine(int out)
{
	struct cgroup_host *host = NULL;
	int told[3];

	if (cgroup_host_open(NULL, &host, &group_err) < 0)
		_exit(1);
	told[0] = (int)cgroup_host_slot(host);
	for (int i = 0; i < 2; i++) {
		char name[32];
		struct cgroup *cgroup = NULL;
		struct sandbox_limits limits = {.memory_bytes = 64 * MIB, .processes = 4, .cpu_millis = 1000};
		(void)snprintf(name, sizeof(name), "cell-%d", i);
		if (cgroup_create(host, name, &cgroup, &group_err) < 0 ||
			cgroup_set(cgroup, &limits, &group_err) < 0)
			_exit(2);
		told[i + 1] = group_spawn(cgroup, group_sleep);
	}
	if (write(out, told, sizeof(told)) != sizeof(told))
		_exit(3);
	for (;;)
		(void)pause();
}

START_TEST(what_a_killed_engine_left_is_swept_by_the_next)
{
	if (geteuid() != 0)
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
	(void)group_wait(engine);

	struct cgroup_host *host = group_host();
	for (int i = 1; i <= 2; i++)
		ck_assert_int_eq(WTERMSIG(group_wait(told[i])), SIGKILL);
	/* Its directories are gone, unless the slot is ours now. */
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		struct cgroup_where where;
		char path[2048];
		group_where(c, &where);
		(void)snprintf(path, sizeof(path), "%s/%s/cofferdam-%u/cell-0", where.mount, where.parent,
			(unsigned)told[0]);
		ck_assert_msg(access(path, F_OK) < 0 && errno == ENOENT, "%s", path);
	}
	(void)cgroup_host_close(host);
}
END_TEST

START_TEST(a_parent_that_is_not_there_is_named)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_host *host = NULL;

	ck_assert_int_eq(cgroup_host_open("cofferdam-no-such-parent", &host, &group_err), -ENOTSUP);
	ck_assert_str_eq(group_err.stage, "cgroup.probe");
	ck_assert_ptr_nonnull(strstr(group_err.message, "cofferdam-no-such-parent"));
	ck_assert_ptr_null(host);
}
END_TEST

START_TEST(slots_below_another_parent_have_other_numbers)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	struct cgroup_host *usual = group_host(), *below = NULL;
	char path[2048], parent[64];
	(void)snprintf(parent, sizeof(parent), "/cofferdam_parent_%d", (int)getpid());

	GROUP_OK(cgroup_probe(NULL, where, &group_err));
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		(void)snprintf(path, sizeof(path), "%s%s", where[c].mount, parent);
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
	}
	GROUP_OK(cgroup_host_open(parent, &below, &group_err));
	ck_assert_uint_ne(cgroup_host_slot(usual), cgroup_host_slot(below));
	(void)snprintf(path, sizeof(path), "%s%s/cofferdam-%u", where[CGROUP_MEMORY].mount, parent,
		cgroup_host_slot(below));
	ck_assert_int_eq(access(path, F_OK), 0);
	group_destroy(group_make(below, "cell"));
	(void)cgroup_host_close(below);
	ck_assert_int_eq(access(path, F_OK), -1);
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		(void)snprintf(path, sizeof(path), "%s%s", where[c].mount, parent);
		ck_assert(rmdir(path) == 0 || errno == ENOENT);
	}
	(void)cgroup_host_close(usual);
}
END_TEST

/* Plays an engine that systemd starts in DIR, a group that it hands over: steps aside, forks, opens. */
static int play_delegated(const char *dir)
{
	struct cgroup_host *host = NULL;
	char text[256] = "";

	if (fd_write_file(AT_FDCWD, place(dir, "cgroup.procs"), "0") < 0)
		return 1;
	if (cgroup_step_aside(NULL, &group_err) < 0)
		return 2;
	pid_t launcher = fork();
	if (launcher == 0)
		(void)group_sleep();
	int r = cgroup_host_open(NULL, &host, &group_err);
	if (r == 0 && fd_read_file(AT_FDCWD, place(dir, "cgroup.procs"), text, sizeof(text)) != 0)
		r = -EBUSY; /* somebody is left where nobody may be */
	if (r == 0)
		(void)snprintf(text, sizeof(text), "cofferdam-%u", cgroup_host_slot(host));
	if (r == 0 && access(place(dir, text), F_OK) < 0)
		r = -errno;
	(void)cgroup_host_close(host);
	(void)kill(launcher, SIGKILL);
	(void)group_wait(launcher);
	return r < 0 ? 3 : 0;
}

START_TEST(an_engine_steps_aside_in_a_delegated_group)
{
	struct cgroup_where where;
	char dir[600];
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	group_where(CGROUP_PIDS, &where);
	if (where.version != 2)
		TEST_SKIP("cgroup v1 knows no delegation");
	(void)cgroup_host_close(group_host()); /* the top hands its controllers down from now on */
	(void)snprintf(dir, sizeof(dir), "%s/cofferdam-delegated", where.mount);
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	ck_assert_int_eq(setxattr(dir, "trusted.delegate", "1", 1, 0), 0);

	pid_t pid = fork();
	if (pid == 0)
		_exit(play_delegated(dir));
	int status = group_wait(pid);
	/* Of all that it made, the leaf stays. */
	ck_assert_int_eq(rmdir(place(dir, "supervisor")), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(status, 0);
}
END_TEST

TEST_PROGRAM("cgroup_slots", 60, tcase_add_test(tc, an_existing_directory_is_refused);
	     tcase_add_test(tc, engines_at_one_time_have_different_slots);
	     tcase_add_test(tc, nothing_is_left_after_close);
	     tcase_add_test(tc, another_user_cannot_hold_a_slot);
	     tcase_add_test(tc, what_a_killed_engine_left_is_swept_by_the_next);
	     tcase_add_test(tc, a_parent_that_is_not_there_is_named);
	     tcase_add_test(tc, slots_below_another_parent_have_other_numbers);
	     tcase_add_test(tc, an_engine_steps_aside_in_a_delegated_group))
