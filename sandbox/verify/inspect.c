#include "sandbox/verify/inspect.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/layers.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/verify/trial.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum { TEXT = 1 << 16 };

/* A cell while its program waits. */
struct subject {
	struct attempt *attempt;
	pid_t init, target;
	char groups[CGROUP_CONTROLLER_N][1400]; /* its directories; "": no such hierarchy */
};

/* --- finding it ------------------------------------------------------------------------------------------------ */

/* The only directory below PATH is the cell's: nothing else is running. */
static bool add_only_directory(char *path, size_t size)
{
	DIR *dir = opendir(path);
	size_t used = strlen(path);
	unsigned n = 0;

	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
			(void)snprintf(path + used, size - used, "/%s", entry->d_name);
			n++;
		}
	if (dir != NULL)
		(void)closedir(dir);
	return n == 1;
}

static bool find_groups(const struct bench *bench, struct subject *subject)
{
	struct witness now;

	bench_look(bench, &now);
	for (int c = 0; c < CGROUP_CONTROLLER_N; c++) {
		char *path = subject->groups[c];
		size_t size = sizeof(subject->groups[c]);
		if (!witness_slot_path(
			    bench->options.cgroup_parent, (int)now.facts[WITNESS_SLOT], c, path, size) ||
			!add_only_directory(path, size))
			return false;
	}
	return true;
}

/* "/proc/PID/FILE"; a static buffer of each caller's own. False: it cannot be read. */
static bool read_proc(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fd_read_file(AT_FDCWD, path, text, size) >= 0;
}

/* What follows KEY at the start of a line of TEXT; NULL: no such line. */
static const char *find_key(const char *text, const char *key)
{
	size_t size = strlen(key);

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, size) == 0)
			return line + size + strspn(line + size, " \t");
	}
	return NULL;
}

/* The process's number in the innermost namespace. */
static long inner_pid(pid_t pid)
{
	char text[8192];

	if (!read_proc(pid, "status", text, sizeof(text)))
		return -1;
	const char *line = find_key(text, "NSpid:");
	if (line == NULL)
		return -1;
	const char *last = line + strcspn(line, "\n");
	while (last > line && last[-1] != '\t')
		last--;
	return strtol(last, NULL, 10);
}

static bool find_processes(struct subject *subject)
{
	char path[1500], text[1024];

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", subject->groups[CGROUP_PIDS]);
	if (fd_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	for (char *at = text; *at != '\0'; at += strspn(at, "\n")) {
		char *end;
		pid_t pid = (pid_t)strtol(at, &end, 10);
		if (end == at)
			return false;
		at = end;
		long inner = inner_pid(pid);
		if (inner == 1)
			subject->init = pid;
		else if (inner == 2)
			subject->target = pid;
	}
	return subject->init > 0 && subject->target > 0;
}

/* Starts the row's program, has it looked at, takes it down. */
static void inspect(struct trial *trial, void (*look)(struct trial *trial, const struct subject *subject))
{
	struct subject subject = {.attempt = NULL};

	subject.attempt = attempt_start(
		trial->bench, &(struct attempt_plan){.site = trial->site,
				      .command = trial->row->command,
				      .limits = trial->row->limits,
				      .has_policy_limits = trial->row->needs & CORPUS_POLICY_LIMITS});
	if (subject.attempt == NULL || !attempt_wait_for(subject.attempt, "waiting\n")) {
		if (!trial_is_void(trial, subject.attempt))
			trial_fail(trial, "it did not wait");
	} else if (!find_groups(trial->bench, &subject) || !find_processes(&subject)) {
		trial_fail(trial, "its processes were not found");
	} else {
		look(trial, &subject);
	}
	(void)attempt_free(subject.attempt);
}

/* --- rights ---------------------------------------------------------------------------------------------------- */

static void expect_line(struct trial *trial, const char *text, const char *key, const char *wanted)
{
	const char *line = find_key(text, key);
	int size = line == NULL ? 0 : (int)strcspn(line, "\n");

	if (line == NULL || (size_t)size < strlen(wanted) || strncmp(line, wanted, strlen(wanted)) != 0 ||
		line[strlen(wanted)] != '\n')
		trial_fail(trial, "%s %.*s, not %s", key, size, line != NULL ? line : "", wanted);
}

static void look_at_rights(struct trial *trial, const struct subject *subject)
{
	static const char *const sets[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
	const pid_t pids[] = {subject->init, subject->target};
	char text[8192], ids[64];

	for (size_t i = 0; i < ARRAY_SIZE(pids) && trial->status == TRIAL_OK; i++) {
		if (!read_proc(pids[i], "status", text, sizeof(text))) {
			trial_fail(trial, "no status of process %d", pids[i]);
			return;
		}
		for (size_t k = 0; k < ARRAY_SIZE(sets); k++)
			expect_line(trial, text, sets[k], "0000000000000000");
		expect_line(trial, text, "NoNewPrivs:", "1");
		expect_line(trial, text, "Groups:", "");
		const char *uid = find_key(text, "Uid:");
		unsigned long id = uid != NULL ? strtoul(uid, NULL, 10) : 0;
		(void)snprintf(ids, sizeof(ids), "%lu\t%lu\t%lu\t%lu", id, id, id, id);
		if (id < 65536)
			trial_fail(trial, "outer user id %lu", id);
		expect_line(trial, text, "Uid:", ids);
		expect_line(trial, text, "Gid:", ids);
	}
	expect_line(trial, text, "Seccomp:", "2"); /* the target's, which came last */
	/* The launcher's two and its own; where the kernel cannot seal memory, a program stands in. */
	const char *filters = find_key(text, "Seccomp_filters:");
	if (filters == NULL || strtoul(filters, NULL, 10) < 3)
		trial_fail(trial, "Seccomp_filters: %.8s", filters != NULL ? filters : "");
	trial_see(trial, "all sets empty, no_new_privs, three seccomp filters, one id");
}

void inspect_rights(struct trial *trial)
{
	inspect(trial, look_at_rights);
}

/* --- speculation ----------------------------------------------------------------------------------------------- */

static void look_at_speculation(struct trial *trial, const struct subject *subject)
{
	static const struct {
		int kind;
		const char *key, *off;
	} controls[] = {
		{PR_SPEC_STORE_BYPASS, "Speculation_Store_Bypass:", "thread force mitigated"},
		{PR_SPEC_INDIRECT_BRANCH, "SpeculationIndirectBranch:", "conditional force disabled"},
	};
	const pid_t pids[] = {subject->init, subject->target};
	struct sandbox_error err = {0};
	struct layers layers;
	char text[8192];
	unsigned n = 0;

	if (layers_probe(&layers, &err) < 0) {
		trial_fail(trial, "%s", err.message);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		for (size_t k = 0; k < ARRAY_SIZE(controls); k++) {
			if (!read_proc(pids[i], "status", text, sizeof(text)))
				trial_fail(trial, "no status of process %d", pids[i]);
			else if (layers.speculation[controls[k].kind] & PR_SPEC_PRCTL)
				expect_line(trial, text, controls[k].key, controls[k].off);
			n += (layers.speculation[controls[k].kind] & PR_SPEC_PRCTL) != 0;
		}
	trial_see(trial, "%u of %zu controls are offered and on", n / 2, ARRAY_SIZE(controls));
}

void inspect_speculation(struct trial *trial)
{
	inspect(trial, look_at_speculation);
}

/* --- namespaces ------------------------------------------------------------------------------------------------ */

static ssize_t read_namespace(const char *process, const char *name, char *text, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%s/ns/%s", process, name);
	ssize_t n = readlink(path, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

static void look_at_namespaces(struct trial *trial, const struct subject *subject)
{
	static const char *const names[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	char process[16], own[64], cells[64], map[256];

	(void)snprintf(process, sizeof(process), "%d", subject->target);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (read_namespace("self", names[i], own, sizeof(own)) <= 0 ||
			read_namespace(process, names[i], cells, sizeof(cells)) <= 0)
			trial_fail(trial, "no %s namespace to be seen", names[i]);
		else if (strcmp(own, cells) == 0)
			trial_fail(trial, "%s namespace: the host's", names[i]);
	unsigned long inner = 0, outer = 0, count = 0;
	if (!read_proc(subject->target, "uid_map", map, sizeof(map)) ||
		sscanf(map, "%lu %lu %lu", &inner, &outer, &count) != 3 || count != 1 || outer < 65536 ||
		strchr(map, '\n') != NULL)
		trial_fail(trial, "uid_map: %s", map);
	trial_see(trial, "%zu namespaces of its own, ids: %lu is %lu", ARRAY_SIZE(names), inner, outer);
}

void inspect_namespaces(struct trial *trial)
{
	inspect(trial, look_at_namespaces);
}

/* --- the network ----------------------------------------------------------------------------------------------- */

static void look_at_network(struct trial *trial, const struct subject *subject)
{
	char text[8192];
	unsigned interfaces = 0;

	if (!read_proc(subject->target, "net/dev", text, sizeof(text))) {
		trial_fail(trial, "no net/dev");
		return;
	}
	for (const char *at = text; (at = strchr(at, ':')) != NULL; at++)
		interfaces++;
	if (interfaces != 1 || find_key(text, "    lo:") == NULL)
		trial_fail(trial, "interfaces: %s", text);
	const char *counters = find_key(text, "    lo:");
	if (counters != NULL && strncmp(counters, "0 ", 2) != 0)
		trial_fail(trial, "the loopback has carried bytes: %s", counters);
	/* Without IPv6 in the kernel there is no such file, either. */
	if (read_proc(subject->target, "net/if_inet6", text, sizeof(text)) && text[0] != '\0')
		trial_fail(trial, "IPv6 addresses: %s", text);
	if (read_proc(subject->target, "net/route", text, sizeof(text)) && strchr(text, '\n') != NULL)
		trial_fail(trial, "routes: %s", text);
	trial_see(trial, "one interface, lo, down; no route, no address");
}

void inspect_network(struct trial *trial)
{
	inspect(trial, look_at_network);
}

/* --- mounts ---------------------------------------------------------------------------------------------------- */

static bool has_option(const char *options, const char *name)
{
	size_t size = strlen(name);

	for (const char *at = options; (at = strstr(at, name)) != NULL; at += size)
		if ((at == options || at[-1] == ',') && (at[size] == ',' || at[size] == '\0'))
			return true;
	return false;
}

static bool is_own_mount(const struct site *site, const char *point)
{
	static const char *const own[] = {"/", "/dev", "/proc", "/box", "/tmp"};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (strcmp(own[i], point) == 0)
			return true;
	for (char *const *at = site->body->writable; *at != NULL; at++)
		if (strcmp(*at, point) == 0)
			return true;
	return false;
}

static bool may_write(const struct site *site, const char *point)
{
	if (strcmp(point, "/box") == 0 || strcmp(point, "/tmp") == 0)
		return true;
	for (char *const *at = site->body->writable; *at != NULL; at++)
		if (strcmp(*at, point) == 0)
			return true;
	return false;
}

/* "98 95 254:0 /root /point options [propagation…] - type source options" */
static void judge_mount(struct trial *trial, const char *line)
{
	char point[512] = "", options[256] = "";

	if (sscanf(line, "%*s %*s %*s %*s %511s %255s", point, options) != 2)
		trial_fail(trial, "mount: %s", line);
	else if (!is_own_mount(trial->site, point))
		trial_fail(trial, "a mount at %s", point);
	else if (!has_option(options, "nosuid"))
		trial_fail(trial, "%s is not nosuid: %s", point, options);
	else if (strcmp(point, "/dev") != 0 && !has_option(options, "nodev"))
		trial_fail(trial, "%s is not nodev: %s", point, options);
	else if (!may_write(trial->site, point) && !has_option(options, "ro"))
		trial_fail(trial, "%s is not read-only: %s", point, options);
	else if (strstr(line, " shared:") != NULL || strstr(line, " master:") != NULL)
		trial_fail(trial, "%s takes mounts from elsewhere: %s", point, line);
}

static void look_at_mounts(struct trial *trial, const struct subject *subject)
{
	static char text[TEXT];
	unsigned n = 0;

	if (!read_proc(subject->target, "mountinfo", text, sizeof(text)) || text[0] == '\0') {
		trial_fail(trial, "no mountinfo");
		return;
	}
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL; n++)
		judge_mount(trial, line);
	trial_see(trial, "%u mounts, each its own, nosuid, nodev, read-only but for the scratch", n);
}

void inspect_mounts(struct trial *trial)
{
	inspect(trial, look_at_mounts);
}

/* --- init's memory --------------------------------------------------------------------------------------------- */

/* Is WORDS in what FD's process has mapped from FIRST to LAST? */
static bool is_mapped(int fd, const uint64_t area[2], const void *words, size_t size)
{
	static char buf[1 << 20];
	size_t keep = size - 1, have = 0;

	for (uint64_t at = area[0]; at < area[1];) {
		size_t room = sizeof(buf) - have,
		       wanted = area[1] - at < room ? (size_t)(area[1] - at) : room;
		ssize_t n = pread(fd, buf + have, wanted, (off_t)at);
		if (n <= 0)
			return false;
		at += (uint64_t)n;
		have += (size_t)n;
		if (memmem(buf, have, words, size) != NULL)
			return true;
		size_t tail = have < keep ? have : keep;
		memmove(buf, buf + have - tail, tail);
		have = tail;
	}
	return false;
}

bool inspect_holds(pid_t pid, char mode, const void *words, size_t size, unsigned *ret_areas)
{
	static char maps[TEXT];
	char path[64];
	bool is_found = false;

	*ret_areas = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !read_proc(pid, "maps", maps, sizeof(maps)))
		return false;
	for (char *rest = maps, *line; (line = strsep(&rest, "\n")) != NULL;) {
		uint64_t area[2];
		char modes[8];
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &area[0], &area[1], modes) != 3 ||
			strchr(modes, mode) == NULL)
			continue;
		++*ret_areas;
		is_found = is_found || is_mapped(fd, area, words, size);
	}
	return is_found;
}

static void look_at_memory(struct trial *trial, const struct subject *subject)
{
	/* In what can be written: the engine's own program, of which init is a copy, has it as a constant. */
	static const char secret[] = BENCH_SECRET_NAME "=" BENCH_SECRET;
	unsigned areas;

	if (inspect_holds(subject->init, 'w', secret, strlen(secret), &areas))
		trial_fail(trial, "the engine's environment is in init's memory");
	if (areas == 0)
		trial_fail(trial, "init has no memory to be seen from the host");
	trial_see(trial, "nothing of it in %u areas", areas);
}

void inspect_memory(struct trial *trial)
{
	inspect(trial, look_at_memory);
}

/* --- the cgroup ------------------------------------------------------------------------------------------------ */

/* The number in FILE of the cell's directory for CONTROLLER; -1: there is no such file. */
static int64_t read_group(const struct subject *subject, enum cgroup_controller controller, const char *file)
{
	char path[1500], text[64];

	(void)snprintf(path, sizeof(path), "%s/%s", subject->groups[controller], file);
	if (fd_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return -1;
	return strtoll(text, NULL, 10);
}

/* The first of two files that is there must hold WANTED: cgroup v2's and v1's name of one thing. */
static void expect_group(struct trial *trial, const struct subject *subject,
	enum cgroup_controller controller, const char *const files[2], uint64_t wanted)
{
	for (int i = 0; i < 2; i++) {
		int64_t value = read_group(subject, controller, files[i]);
		if (value < 0)
			continue;
		trial_see(trial, "%s=%" PRId64, files[i], value);
		if ((uint64_t)value != wanted)
			trial_fail(trial, "%s: %" PRId64 ", not %" PRIu64, files[i], value, wanted);
		return;
	}
	trial_fail(trial, "neither %s nor %s can be read", files[0], files[1]);
}

static void look_at_cgroup(struct trial *trial, const struct subject *subject)
{
	static const char *const memory[] = {"memory.max", "memory.limit_in_bytes"};
	static const char *const swap[] = {"memory.swap.max", "memory.swappiness"};
	static const char *const pids[] = {"pids.max", "pids.max"};
	struct sandbox_limits limits = {0};

	(void)policy_limits(trial->site->body, &limits, NULL);
	expect_group(trial, subject, CGROUP_MEMORY, memory, limits.memory_bytes / 4096 * 4096);
	expect_group(trial, subject, CGROUP_PIDS, pids, limits.processes + 1); /* init is one of them */
	/* A kernel without swap has no file for it on v2. */
	if (read_group(subject, CGROUP_MEMORY, swap[0]) >= 0 ||
		read_group(subject, CGROUP_MEMORY, swap[1]) >= 0)
		expect_group(trial, subject, CGROUP_MEMORY, swap, 0);
}

void inspect_cgroup(struct trial *trial)
{
	inspect(trial, look_at_cgroup);
}

/* --- the engine's clock ---------------------------------------------------------------------------------------- */

/* Every timerfd of this process tells its clock: 1 is CLOCK_MONOTONIC, 0 the one that can be stepped. */
static void look_at_clock(struct trial *trial, const struct subject *subject)
{
	unsigned timers = 0;
	DIR *dir = opendir("/proc/self/fdinfo");

	(void)subject;
	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		char text[1024];
		if (fd_read_file(dirfd(dir), entry->d_name, text, sizeof(text)) <= 0)
			continue;
		const char *clock = find_key(text, "clockid:");
		if (clock == NULL)
			continue;
		timers++;
		if (strtol(clock, NULL, 10) != 1)
			trial_fail(trial, "a timer on clock %ld", strtol(clock, NULL, 10));
	}
	if (dir != NULL)
		(void)closedir(dir);
	if (timers == 0)
		trial_fail(trial, "no timer holds the deadline");
	trial_see(trial, "%u timer on CLOCK_MONOTONIC", timers);
}

void inspect_clock(struct trial *trial)
{
	inspect(trial, look_at_clock);
}
