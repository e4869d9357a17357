/* The supervisor and its launcher hold themselves down: what is seen from outside while a job runs. */
#include "sandbox/base/fd.h"
#include "sandbox/door/client.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/supervisor.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* docs/threat-model.md names them. */
static const uint64_t needed = 1ULL << CAP_SYS_ADMIN | 1ULL << CAP_SETUID | 1ULL << CAP_SETGID |
			       1ULL << CAP_SETPCAP | 1ULL << CAP_CHOWN | 1ULL << CAP_MKNOD |
			       1ULL << CAP_KILL | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_SYS_RESOURCE |
			       1ULL << CAP_SYS_NICE;

static uint64_t mask(pid_t pid, const char *key)
{
	return strtoull(cell_proc_line(pid, "status", key), NULL, 16);
}

static ino_t network_of(pid_t pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_ino;
}

static void expect_confined(const char *who, pid_t pid)
{
	static const char *const sets[] = {"CapPrm", "CapEff", "CapBnd"};

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		ck_assert_msg((mask(pid, sets[i]) & ~needed) == 0, "%s: %s is %llx", who, sets[i],
			(unsigned long long)mask(pid, sets[i]));
	ck_assert_uint_eq(mask(pid, "CapEff"), needed & mask(getpid(), "CapPrm"));
	ck_assert_uint_eq(mask(pid, "CapInh"), 0);
	ck_assert_uint_eq(mask(pid, "CapAmb"), 0);
	ck_assert_str_eq(cell_proc_line(pid, "status", "NoNewPrivs"), "1");
	ck_assert_msg(strcmp(cell_proc_line(pid, "status", "Seccomp"), "2") == 0, "%s has no filter", who);
	ck_assert_msg(network_of(pid) != network_of(getpid()), "%s is in the host's network", who);
}

/* Two lines of heading, then one line for each interface. */
static unsigned count_interfaces(pid_t pid)
{
	char path[64], line[512];
	unsigned n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)pid);
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		n++;
	(void)fclose(file);
	return n - 2;
}

START_TEST(supervisor_and_launcher_keep_only_what_cells_need)
{
	struct supervisor supervisor;
	const char *reason = cell_skip_reason();
	struct sandbox_error err = {0};

	if (reason != NULL)
		TEST_SKIP(reason);
	supervisor_open(&supervisor);
	ck_assert_int_eq(door_ping(supervisor.socket, &err), 0); /* now it listens */
	expect_confined("supervisor", supervisor.pid);
	expect_confined("launcher", host_child_of(supervisor.pid));
	ck_assert_uint_eq(count_interfaces(supervisor.pid), 1); /* lo, which is down */
	supervisor_close(&supervisor);
}
END_TEST

TEST_PROGRAM("confine", 60, tcase_add_test(tc, supervisor_and_launcher_keep_only_what_cells_need))
