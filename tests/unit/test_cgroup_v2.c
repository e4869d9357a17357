/* What cgroup v2 falls back to on kernels that lack a file: a folder with the other files plays the group. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/internal.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static const struct controller_ops *const memory = &cgroup_v2_ops[CGROUP_MEMORY];

static void put(const struct scratch *scratch, const char *name, const char *text)
{
	scratch_write(scratch, name, text, strlen(text));
}

static struct cgroup_dir open_group(const struct scratch *scratch)
{
	struct cgroup_dir dir = {.fd = open(scratch->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};

	ck_assert_int_ge(dir.fd, 0);
	return dir;
}

static uint64_t peak(struct cgroup *cgroup, struct cgroup_dir *dir)
{
	struct cgroup_evidence evidence = {0};
	struct sandbox_error err = {0};

	ck_assert_msg(memory->evidence(cgroup, dir, &evidence, &err) == 0, "%s", err.message);
	ck_assert_uint_eq(evidence.oom_kills, 3);
	return evidence.memory_peak_bytes;
}

/* Before Linux 5.19. */
START_TEST(without_memory_peak_the_largest_usage_seen_counts)
{
	struct cgroup cgroup = {0};
	struct scratch scratch;

	scratch_open(&scratch);
	put(&scratch, "memory.events", "low 0\noom 3\noom_kill 3\n");
	struct cgroup_dir dir = open_group(&scratch);
	put(&scratch, "memory.current", "4096\n");
	ck_assert_uint_eq(peak(&cgroup, &dir), 4096);
	put(&scratch, "memory.current", "1048576\n");
	ck_assert_uint_eq(peak(&cgroup, &dir), 1048576);
	put(&scratch, "memory.current", "8192\n");
	ck_assert_uint_eq(peak(&cgroup, &dir), 1048576);
	/* Where there is one it is all that counts: on another kernel. */
	dir.nkept = 0;
	put(&scratch, "memory.peak", "2097152\n");
	ck_assert_uint_eq(peak(&cgroup, &dir), 2097152);
	cgroup_dir_close(&dir);
	scratch_close(&scratch);
}
END_TEST

START_TEST(a_peak_that_cannot_be_read_is_an_error)
{
	struct cgroup_evidence evidence = {0};
	struct sandbox_error err = {0};
	struct cgroup cgroup = {0};
	struct scratch scratch;

	scratch_open(&scratch);
	put(&scratch, "memory.events", "oom_kill 0\n");
	put(&scratch, "memory.peak", "much\n");
	struct cgroup_dir dir = open_group(&scratch);
	ck_assert_int_eq(memory->evidence(&cgroup, &dir, &evidence, &err), -ENODATA);
	ck_assert_ptr_nonnull(strstr(err.message, "memory.peak"));
	cgroup_dir_close(&dir);
	scratch_close(&scratch);
}
END_TEST

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	ck_assert_int_gt(pid, 0);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Before Linux 5.14, and in v1: by pidfds, whoever is listed. */
START_TEST(without_cgroup_kill_those_listed_are_killed)
{
	struct cgroup_host host = {.ntrees = 1, .trees = {{.version = 2, .controllers = ~0U}}};
	struct cgroup cgroup = {.host = &host};
	struct scratch scratch;
	char text[64];
	pid_t listed = sleeper(), other = sleeper();

	scratch_open(&scratch);
	struct cgroup_dir dir = open_group(&scratch);
	cgroup.dirs[0] = dir;
	ck_assert_int_eq(cgroup_kill(&cgroup), -EIO); /* no list */
	(void)snprintf(text, sizeof(text), "%d\n", (int)listed);
	put(&scratch, "cgroup.procs", text);
	ck_assert_int_eq(cgroup_kill(&cgroup), 0);
	ck_assert_int_eq(end_of(listed), SIGKILL);
	ck_assert_int_eq(kill(other, SIGUSR1), 0);
	ck_assert_int_eq(end_of(other), SIGUSR1);
	put(&scratch, "cgroup.kill", "");
	ck_assert_int_eq(cgroup_kill(&cgroup), 0);
	ck_assert_int_eq(fd_read_file(dir.fd, "cgroup.kill", text, sizeof(text)), 1);
	ck_assert_str_eq(text, "1");
	cgroup_dir_close(&dir);
	scratch_close(&scratch);
}
END_TEST

TEST_PROGRAM("cgroup_v2", 10, tcase_add_test(tc, without_memory_peak_the_largest_usage_seen_counts);
	     tcase_add_test(tc, a_peak_that_cannot_be_read_is_an_error);
	     tcase_add_test(tc, without_cgroup_kill_those_listed_are_killed))
