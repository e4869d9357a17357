#include "sandbox/verify/witness.h"

#include "sandbox/base/bounds.h"
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

enum { UID_BASE_DEFAULT = 0x70000000, PIDS = 65536 };

#define SUM_START UINT64_C(14695981039346656037)

static const char *const names[] = {
#define X(symbol, name) name,
	WITNESS_TABLE(X)
#undef X
};

/* FNV-1a: nobody forges it here, it only has to notice. */
static uint64_t sum_add(uint64_t sum, const void *data, size_t size)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ at[i]) * UINT64_C(1099511628211);
	return sum;
}

static uint64_t sum_file(uint64_t sum, const char *path, unsigned *lines)
{
	static char buf[1 << 16];
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	for (ssize_t n; fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0;) {
		sum = sum_add(sum, buf, (size_t)n);
		for (ssize_t i = 0; lines != NULL && i < n; i++)
			*lines += buf[i] == '\n';
	}
	return sum;
}

/* --- links: descriptors and namespaces of a process ------------------------------------------------------------ */

/* Adds name and target of every link in PATH to *SUM; how many there are. The descriptor that reads the directory is
 * not one of them. */
static unsigned sum_links(const char *path, uint64_t *sum)
{
	DIR *dir = opendir(path);
	unsigned n = 0;
	char own[16];

	if (dir == NULL)
		return 0;
	(void)snprintf(own, sizeof(own), "%d", dirfd(dir));
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		char target[4096];
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, own) == 0)
			continue;
		ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
		*sum = sum_add(*sum, entry->d_name, strlen(entry->d_name));
		*sum = sum_add(*sum, target, size > 0 ? (size_t)size : 0);
		n++;
	}
	(void)closedir(dir);
	return n;
}

/* The engine holds its slot by a lock on a directory "cofferdam-N": the link of that descriptor tells N. */
static int find_slot(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int slot = -1;

	for (const struct dirent *entry; dir != NULL && slot < 0 && (entry = readdir(dir)) != NULL;) {
		char target[4096];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		/* The last part alone: a parent of the groups may have a name that begins so, too. */
		const char *at = strrchr(target, '/');
		if (at != NULL && strstr(target, "/cgroup") != NULL)
			(void)sscanf(at, "/cofferdam-%d", &slot);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return slot;
}

/* --- processes ------------------------------------------------------------------------------------------------- */

struct process {
	pid_t pid, parent;
	uid_t uid;
	unsigned threads;
	char state;
};

static bool is_zombie(const struct process *process)
{
	return process->state == 'Z' || process->state == 'X';
}

static bool parse_status(const char *text, struct process *ret)
{
	const char *parent = strstr(text, "\nPPid:"), *uid = strstr(text, "\nUid:");
	const char *state = strstr(text, "\nState:\t"), *threads = strstr(text, "\nThreads:");

	if (parent == NULL || uid == NULL || state == NULL)
		return false;
	ret->parent = (pid_t)strtol(parent + 6, NULL, 10);
	ret->uid = (uid_t)strtoul(uid + 5, NULL, 10);
	ret->state = state[8];
	ret->threads = threads == NULL ? 1 : (unsigned)strtoul(threads + 9, NULL, 10);
	return true;
}

static size_t list_processes(struct process *list, size_t room)
{
	DIR *dir = opendir("/proc");
	size_t n = 0;

	for (const struct dirent *entry; dir != NULL && n < room && (entry = readdir(dir)) != NULL;) {
		char path[300], text[4096];
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		(void)snprintf(path, sizeof(path), "%s/status", entry->d_name);
		list[n].pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (fd_read_file(dirfd(dir), path, text, sizeof(text)) > 0 && parse_status(text, &list[n]))
			n++;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static bool is_below(const struct process *list, size_t n, pid_t pid, pid_t root)
{
	for (int depth = 0; depth < 64 && pid > 1; depth++) {
		size_t i = 0;
		while (i < n && list[i].pid != pid)
			i++;
		if (i == n)
			return false;
		if (list[i].parent == root)
			return true;
		pid = list[i].parent;
	}
	return false;
}

static unsigned count_owned(const struct process *list, size_t n, uint32_t uid_base, int slot)
{
	uid_t first = (uid_base != 0 ? uid_base : UID_BASE_DEFAULT) + (uid_t)slot * BOUND_RUNS;
	unsigned owned = 0;

	for (size_t i = 0; slot >= 0 && i < n; i++)
		owned += !is_zombie(&list[i]) && list[i].uid >= first && list[i].uid - first < BOUND_RUNS;
	return owned;
}

static struct process processes[PIDS];

unsigned witness_slot_processes(uint32_t uid_base, int slot)
{
	return count_owned(processes, list_processes(processes, PIDS), uid_base, slot);
}

static void look_at_process(const struct process *process, struct witness *ret)
{
	uint64_t namespaces = (uint64_t)ret->facts[WITNESS_NAMESPACES], unused = 0;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns", process->pid);
	(void)sum_links(path, &namespaces);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", process->pid);
	ret->facts[WITNESS_THEIR_DESCRIPTORS] += sum_links(path, &unused);
	ret->facts[WITNESS_NAMESPACES] = (int64_t)namespaces;
	ret->facts[WITNESS_PROCESSES]++;
	ret->facts[WITNESS_THREADS] += process->threads;
	ret->facts[WITNESS_RUNNABLE] += process->state == 'R';
	ret->facts[WITNESS_STOPPED] += process->state == 'T' || process->state == 't';
}

static void look_at_processes(const struct witness_scope *scope, struct witness *ret)
{
	size_t n = list_processes(processes, PIDS);
	uint64_t own = SUM_START;

	(void)sum_links("/proc/self/ns", &own);
	ret->facts[WITNESS_NAMESPACES] = (int64_t)own;
	for (size_t i = 0; i < n; i++)
		if (is_below(processes, n, processes[i].pid, getpid()))
			look_at_process(&processes[i], ret);
	ret->facts[WITNESS_CELL_PROCESSES] =
		count_owned(processes, n, scope->uid_base, (int)ret->facts[WITNESS_SLOT]);
}

/* --- cgroups --------------------------------------------------------------------------------------------------- */

static void join_path(const struct cgroup_where *where, int slot, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s/cofferdam-%d", where->mount, where->parent, slot);
}

bool witness_slot_path(const char *cgroup_parent, int slot, int controller, char *path, size_t size)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];

	(void)cgroup_probe(cgroup_parent, where, NULL);
	if (where[controller].version == 0)
		return false;
	join_path(&where[controller], slot, path, size);
	return true;
}

static unsigned count_directories(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		n += entry->d_name[0] != '.' && entry->d_type == DT_DIR;
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static unsigned count_groups(const char *cgroup_parent, int slot)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	char path[1024];
	unsigned n = 0;

	if (slot < 0)
		return 0;
	(void)cgroup_probe(cgroup_parent, where, NULL);
	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		if (where[c].version != 0) {
			join_path(&where[c], slot, path, sizeof(path));
			n += count_directories(path);
		}
	return n;
}

/* --- the image and the settings -------------------------------------------------------------------------------- */

static struct {
	uint64_t sum;
	bool has_content;
} walk;

static int add_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
	const uint64_t facts[] = {st->st_mode, (uint64_t)st->st_size, st->st_ino, st->st_uid, st->st_gid,
		st->st_nlink, (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
		(uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec};

	(void)where;
	walk.sum = sum_add(walk.sum, path, strlen(path));
	walk.sum = sum_add(walk.sum, facts, sizeof(facts));
	if (walk.has_content && type == FTW_F && S_ISREG(st->st_mode))
		walk.sum = sum_file(walk.sum, path, NULL);
	return 0;
}

uint64_t witness_image_sum(const char *path, bool has_content)
{
	walk.sum = SUM_START;
	walk.has_content = has_content;
	return nftw(path, add_file, 64, FTW_PHYS) == 0 ? walk.sum : 0;
}

/* What the attacks aim at, and nothing that a busy host changes by itself. */
static uint64_t sum_settings(void)
{
	static const char *const files[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
		"/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/kernel/sysrq",
		"/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/dmesg_restrict",
		"/proc/sys/kernel/kptr_restrict", "/proc/sys/kernel/yama/ptrace_scope",
		"/proc/sys/kernel/unprivileged_bpf_disabled", "/proc/sys/kernel/perf_event_paranoid",
		"/proc/sys/fs/suid_dumpable", "/proc/sys/fs/protected_symlinks", "/proc/swaps",
		"/proc/self/cgroup", "/proc/self/oom_score_adj", "/proc/self/uid_map"};
	uint64_t sum = SUM_START;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		sum = sum_file(sum, files[i], NULL);
	return sum;
}

/* CVE-2019-5736: the helper's own file, which a job reached through /proc/self/exe. */
static uint64_t sum_executable(void)
{
	struct stat st;

	walk.sum = SUM_START;
	walk.has_content = true;
	if (stat("/proc/self/exe", &st) == 0)
		(void)add_file("/proc/self/exe", &st, FTW_F, NULL);
	return walk.sum;
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

void witness_look(const struct witness_scope *scope, struct witness *ret)
{
	uint64_t descriptors = SUM_START;
	unsigned mounts = 0;

	*ret = (struct witness){.facts[WITNESS_SLOT] = find_slot()};
	look_at_processes(scope, ret);
	ret->facts[WITNESS_DESCRIPTORS] = sum_links("/proc/self/fd", &descriptors);
	ret->facts[WITNESS_DESCRIPTOR_SUM] = (int64_t)descriptors;
	ret->facts[WITNESS_MOUNT_SUM] = (int64_t)sum_file(SUM_START, "/proc/self/mountinfo", &mounts);
	ret->facts[WITNESS_MOUNTS] = mounts;
	ret->facts[WITNESS_CELL_GROUPS] = count_groups(scope->cgroup_parent, (int)ret->facts[WITNESS_SLOT]);
	ret->facts[WITNESS_SETTINGS] = (int64_t)sum_settings();
	ret->facts[WITNESS_EXECUTABLE] = (int64_t)sum_executable();
}

void witness_look_at_rest(const struct witness_scope *scope, struct witness *ret)
{
	enum { TRIES = 1000, PAUSE_USEC = 2000 };

	for (int i = 0; i < TRIES; i++) {
		witness_look(scope, ret);
		if (ret->facts[WITNESS_RUNNABLE] == 0)
			break;
		(void)usleep(PAUSE_USEC);
	}
}

bool witness_equal(const struct witness *a, const struct witness *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool is_sum(int fact)
{
	return strncmp(names[fact], "sum ", 4) == 0;
}

void witness_difference(const struct witness *now, const struct witness *before, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (int i = 0; i < WITNESS_N && used + 1 < size; i++) {
		int n = 0;
		if (now->facts[i] == before->facts[i])
			continue;
		const char *comma = used > 0 ? ", " : "";
		if (is_sum(i))
			n = snprintf(buf + used, size - used, "%s%s: changed", comma, names[i]);
		else
			n = snprintf(buf + used, size - used, "%s%s: %lld (was %lld)", comma, names[i],
				(long long)now->facts[i], (long long)before->facts[i]);
		used = used + (size_t)n < size ? used + (size_t)n : size - 1;
	}
}
