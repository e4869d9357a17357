/* Many runs of every kind of end through one supervisor, some of them at once; then supervisor, launcher and host are what
 * they were. SOAK_RUNS says how many (`make soak`: 10,000). */
#include "sandbox/base/fd.h"
#include "sandbox/door/client.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/client.h"
#include "tests/lib/namespaces.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
	RUNS_DEFAULT = 200,
	WARM_UP = 100, /* allocators and caches have grown by then */
	AT_ONCE = 6,
	GROWN_KIB = 1024, /* of resident memory, borne in a process */
	OTHERS = 12,	  /* namespaces more on the whole host, borne: others work there, too */
	PATIENCE_MSEC = 60000,
};

static const struct kind {
	const char *probe, *command;
	struct sandbox_limits limits; /* 0: small ones */
	enum sandbox_cause cause;
} kinds[] = {
	{"work", "exit 3", {0}, SANDBOX_EXITED}, {"work", "both", {0}, SANDBOX_EXITED},
	{"work", "daemon", {0}, SANDBOX_EXITED}, {"work", "signal 11", {0}, SANDBOX_SIGNALED},
	{"work", "inodes /tmp 200", {0}, SANDBOX_EXITED},
	{"work", "sleep 60000", {.wall_usec = 30000}, SANDBOX_WALL_LIMIT},
	{"work", "burn 60000", {.cpu_usec = 20000}, SANDBOX_CPU_LIMIT},
	{"work", "alloc 100000000", {.memory_bytes = 16 << 20}, SANDBOX_MEMORY_LIMIT},
	{"work", "forks 100", {.processes = 8}, SANDBOX_PROCESS_LIMIT},
	{"work", "bytes 100000", {.output_bytes = 5000}, SANDBOX_OUTPUT_LIMIT},
	{"work", "fill /box/big 2000000", {.file_bytes = 1 << 20}, SANDBOX_FILE_LIMIT},
	{"attack_calls", "call ptrace", {0}, SANDBOX_FORBIDDEN_SYSCALL},
	{"work", "sleep 60000", {0}, SANDBOX_CANCELLED}, /* by us */
};

/* --- what is compared ------------------------------------------------------------------------------------------- */

struct look {
	unsigned descriptors, launcher_descriptors, launcher_mounts, processes, groups;
	unsigned namespaces; /* of the whole host */
	unsigned long supervisor_kib, launcher_kib;
	unsigned long slab_kib; /* of the whole host: told, not compared */
};

static unsigned count_entries(const char *path, bool only_directories)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		n += entry->d_name[0] != '.' && (!only_directories || entry->d_type == DT_DIR);
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static unsigned count_lines(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t size, n = 0;

	ck_assert_int_eq(fd_read_all(fd, 1 << 20, &text, &size), 0);
	for (size_t i = 0; i < size; i++)
		n += text[i] == '\n';
	return (unsigned)n;
}

/* The number after KEY in FILE. */
static unsigned long number_in(const char *file, const char *key)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t size;

	ck_assert_int_eq(fd_read_all(fd, 1 << 20, &text, &size), 0);
	const char *at = strstr(text, key);
	ck_assert_msg(at != NULL, "%s: no %s", file, key);
	return strtoul(at + strlen(key), NULL, 10);
}

static pid_t launcher_of(const struct supervisor *supervisor)
{
	char path[64], text[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", supervisor->pid, supervisor->pid);
	(void)fd_read_file(AT_FDCWD, path, text, sizeof(text));
	pid_t pid = (pid_t)strtol(text, NULL, 10);
	ck_assert_int_gt(pid, 0);
	return pid;
}

static unsigned count_groups(int slot)
{
	char path[1024];
	unsigned n = 0;

	for (int controller = 0; controller < 4; controller++)
		if (witness_slot_path(NULL, slot, controller, path, sizeof(path)))
			n += count_entries(path, true);
	return n;
}

static void look(const struct supervisor *supervisor, struct look *ret)
{
	pid_t launcher = launcher_of(supervisor);
	char path[64];

	*ret = (struct look){.descriptors = supervisor_descriptors(supervisor)};
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", launcher);
	ret->launcher_descriptors = count_entries(path, false);
	(void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", launcher);
	ret->launcher_mounts = count_lines(path);
	ret->namespaces = namespaces_count(launcher);
	ret->processes = host_slot_processes(supervisor->slot);
	ret->groups = count_groups(supervisor->slot);
	ret->supervisor_kib = strtoul(cell_proc_line(supervisor->pid, "status", "VmRSS"), NULL, 10);
	ret->launcher_kib = strtoul(cell_proc_line(launcher, "status", "VmRSS"), NULL, 10);
	ret->slab_kib = number_in("/proc/meminfo", "Slab:");
}

static void tell(const char *when, const struct look *look)
{
	(void)fprintf(stderr,
		"soak: %-6s supervisor %u descriptors %lu KiB, launcher %u descriptors %u mounts %lu KiB, "
		"%u cell processes, %u cell groups; host: %u namespaces, slab %lu KiB\n",
		when, look->descriptors, look->supervisor_kib, look->launcher_descriptors,
		look->launcher_mounts, look->launcher_kib, look->processes, look->groups, look->namespaces,
		look->slab_kib);
}

/* --- the runs --------------------------------------------------------------------------------------------------- */

struct slot {
	const struct kind *kind; /* NULL: free */
	int connection, out;
};

static void start(const struct supervisor *supervisor, const struct kind *kind, struct slot *slot)
{
	const char *words[16];
	char name[32], path[4096];
	struct sandbox_file file;
	struct sandbox_error err = {0};
	struct sandbox_spec spec = client_work(kind->command, words, &file);
	int pair[2];

	(void)close(file.fd);
	(void)snprintf(name, sizeof(name), "/box/%s", kind->probe);
	(void)snprintf(path, sizeof(path), "%s/%s", cell_probes_dir(), kind->probe);
	words[0] = name;
	file = (struct sandbox_file){kind->probe, open(path, O_RDONLY | O_CLOEXEC), true};
	spec.limits = kind->limits;
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	spec.stdout_fd = spec.stderr_fd = pair[1];
	*slot = (struct slot){.kind = kind, .out = pair[0]};
	slot->connection = door_start(supervisor->socket, &spec, &err);
	ck_assert_msg(slot->connection >= 0, "%s: %s", err.stage, err.message);
	(void)close(pair[1]);
	(void)close(file.fd);
	if (kind->cause == SANDBOX_CANCELLED)
		ck_assert_int_eq(door_cancel(slot->connection), 0);
}

static void finish(struct slot *slot)
{
	struct sandbox_result result = {0};
	struct sandbox_error err = {0};

	int r = door_finish(slot->connection, &result, &err);
	ck_assert_msg(r == 0, "%s: %s: %s", slot->kind->command, err.stage, err.message);
	ck_assert_msg(result.cause == slot->kind->cause, "%s: %s instead of %s", slot->kind->command,
		sandbox_cause_name(result.cause), sandbox_cause_name(slot->kind->cause));
	(void)close(slot->connection);
	(void)close(slot->out);
	slot->kind = NULL;
}

static void drain(const struct slot *slot)
{
	char buf[4096];

	(void)!read(slot->out, buf, sizeof(buf));
}

/* N runs, AT_ONCE at a time. */
static void run_many(const struct supervisor *supervisor, unsigned n)
{
	struct slot slots[AT_ONCE] = {0};
	unsigned started = 0, finished = 0;

	while (finished < n) {
		struct pollfd fds[2 * AT_ONCE];
		for (size_t i = 0; i < AT_ONCE; i++) {
			if (slots[i].kind == NULL && started < n)
				start(supervisor, &kinds[started++ % ARRAY_SIZE(kinds)], &slots[i]);
			bool is_live = slots[i].kind != NULL;
			fds[2 * i] = (struct pollfd){is_live ? slots[i].connection : -1, POLLIN, 0};
			fds[2 * i + 1] = (struct pollfd){is_live ? slots[i].out : -1, POLLIN, 0};
		}
		ck_assert_int_gt(poll(fds, ARRAY_SIZE(fds), PATIENCE_MSEC), 0);
		for (size_t i = 0; i < AT_ONCE; i++) {
			if (fds[2 * i + 1].revents & POLLIN)
				drain(&slots[i]);
			if (fds[2 * i].revents != 0) {
				finish(&slots[i]);
				finished++;
			}
		}
	}
}

static bool is_at_rest(const struct look *now, const struct look *wanted)
{
	return now->descriptors == wanted->descriptors && now->processes == 0 && now->groups == 0 &&
	       now->namespaces <= wanted->namespaces + OTHERS;
}

/* Cells are taken down in the background. */
static void look_at_rest(const struct supervisor *supervisor, const struct look *wanted, struct look *ret)
{
	for (int i = 0; i < 500; i++) {
		look(supervisor, ret);
		if (is_at_rest(ret, wanted))
			return;
		client_pause(20);
	}
}

START_TEST(after_many_runs_everything_is_as_it_was)
{
	const char *wanted = getenv("SOAK_RUNS");
	unsigned n = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : RUNS_DEFAULT;
	struct look idle, before, after;

	SUPERVISOR(supervisor);
	look(&supervisor, &idle);
	run_many(&supervisor, WARM_UP);
	look_at_rest(&supervisor, &idle, &before);
	tell("before", &before);
	run_many(&supervisor, n);
	look_at_rest(&supervisor, &idle, &after);
	tell("after", &after);
	(void)fprintf(stderr, "soak: %u runs, %zu kinds of end\n", n, ARRAY_SIZE(kinds));
	ck_assert_uint_eq(after.descriptors, idle.descriptors);
	ck_assert_uint_eq(after.launcher_descriptors, idle.launcher_descriptors);
	ck_assert_uint_eq(after.launcher_mounts, idle.launcher_mounts);
	ck_assert_uint_eq(after.processes, 0);
	ck_assert_uint_eq(after.groups, 0);
	ck_assert_uint_le(after.namespaces, idle.namespaces + OTHERS);
	ck_assert_uint_le(after.supervisor_kib, before.supervisor_kib + GROWN_KIB);
	ck_assert_uint_le(after.launcher_kib, before.launcher_kib + GROWN_KIB);
	supervisor_close(&supervisor);
}
END_TEST

TEST_PROGRAM("runs", 400, tcase_add_test(tc, after_many_runs_everything_is_as_it_was))
