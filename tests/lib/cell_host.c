#include "tests/lib/cell_host.h"

#include "sandbox/base/fd.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/verify/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

bool cell_host_has_i386(void)
{
	return bench_has_i386();
}

static unsigned count_entries(const char *path, bool directories_only)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	if (dir == NULL)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		n += entry->d_name[0] != '.' && (!directories_only || entry->d_type == DT_DIR);
	(void)closedir(dir);
	return n;
}

/* The slot's directory in the hierarchy of CONTROLLER. */
static bool slot_path(int slot, int controller, char *path, size_t size)
{
	return witness_slot_path(NULL, slot, controller, path, size);
}

static unsigned count_groups(int slot)
{
	char path[1024];
	unsigned n = 0;

	for (int c = 0; slot >= 0 && c < CGROUP_CONTROLLER_N; c++)
		if (slot_path(slot, c, path, sizeof(path)))
			n += count_entries(path, true);
	return n;
}

unsigned host_slot_processes(int slot)
{
	return witness_slot_processes(0, slot);
}

void host_look(struct witness *ret)
{
	witness_look_at_rest(&(struct witness_scope){0}, ret);
}

const char *host_difference(const struct witness *now, const struct witness *wanted)
{
	static char text[1024];

	witness_difference(now, wanted, text, sizeof(text));
	return text;
}

void host_slot_read(int slot, struct host_slot *ret)
{
	_Static_assert(ARRAY_SIZE(ret->directories) == CGROUP_CONTROLLER_N, "one per controller");
	char path[1024];
	struct stat st;

	*ret = (struct host_slot){.slot = slot};
	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		if (slot_path(slot, c, path, sizeof(path)) && stat(path, &st) == 0)
			ret->directories[c] = st.st_ino;
}

bool host_slot_is_gone(const struct host_slot *slot)
{
	struct host_slot now;

	host_slot_read(slot->slot, &now);
	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		if (slot->directories[c] != 0 && slot->directories[c] == now.directories[c])
			return false;
	return true;
}

/* The lock that a living engine holds is on the directory in the first hierarchy. */
bool host_slot_is_free(int slot)
{
	char path[1024];

	for (int c = 0; c < CGROUP_CONTROLLER_N; c++) {
		if (!slot_path(slot, c, path, sizeof(path)))
			continue;
		_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
			return true;
	}
	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		if (slot_path(slot, c, path, sizeof(path)) && access(path, F_OK) == 0)
			return false;
	return true;
}

/* The only cell's directory. */
static bool cell_path(const struct cell_host *host, int controller, char *path, size_t size)
{
	if (!slot_path(cell_slot(host), controller, path, size))
		return false;
	DIR *dir = opendir(path);
	bool found = false;
	for (struct dirent *entry; dir != NULL && !found && (entry = readdir(dir)) != NULL;)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
			size_t used = strlen(path);
			(void)snprintf(path + used, size - used, "/%s", entry->d_name);
			found = true;
		}
	if (dir != NULL)
		(void)closedir(dir);
	return found;
}

void cell_cgroup_read(const struct cell_host *host, int controller, const char *file, char *buf, size_t size)
{
	char path[1400];

	buf[0] = '\0';
	if (!cell_path(host, controller, path, sizeof(path)))
		return;
	size_t used = strlen(path);
	(void)snprintf(path + used, sizeof(path) - used, "/%s", file);
	if (fd_read_file(AT_FDCWD, path, buf, size) < 0)
		buf[0] = '\0';
}

unsigned cell_cgroup_count(const struct cell_host *host)
{
	return count_groups(cell_slot(host));
}

size_t cell_pids(const struct cell_host *host, pid_t ret[CELL_PIDS])
{
	return host_slot_pids(cell_slot(host), ret);
}

size_t host_slot_pids(int slot, pid_t ret[CELL_PIDS])
{
	char path[1024], file[1400], text[4096];
	size_t n = 0;

	if (!slot_path(slot, CGROUP_PIDS, path, sizeof(path)))
		return 0;
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s/cgroup.procs", path, entry->d_name);
		if (fd_read_file(AT_FDCWD, file, text, sizeof(text)) <= 0)
			continue;
		for (char *at = text; *at != '\0' && n < CELL_PIDS;) {
			ret[n++] = (pid_t)strtol(at, &at, 10);
			at += strspn(at, "\n");
		}
	}
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

const char *cell_proc_line(pid_t pid, const char *file, const char *key)
{
	static char text[8192];
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	if (fd_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return "";
	for (char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		line += strlen(key) + strspn(line + strlen(key), " \t:");
		line[strcspn(line, "\n")] = '\0';
		return line;
	}
	return "";
}

pid_t host_child_of(pid_t parent)
{
	DIR *dir = opendir("/proc");
	pid_t found = -1;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 0 && strtol(cell_proc_line(pid, "status", "PPid"), NULL, 10) == parent)
			found = pid;
	}
	(void)closedir(dir);
	ck_assert_int_gt(found, 0);
	return found;
}

const char *cell_canary(void)
{
	static char path[4096];

	ck_assert_ptr_nonnull(realpath("tests/lib/cell.h", path));
	return path;
}

void cell_make_a_mess(void)
{
	sigset_t some;
	struct itimerval timer = {.it_value.tv_sec = 10000};

	ck_assert_int_eq(setenv("LD_AUDIT", "/nowhere/evil.so", 1), 0);
	(void)sigemptyset(&some);
	(void)sigaddset(&some, SIGUSR1);
	(void)sigaddset(&some, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &some, NULL);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	/* The two that libc keeps for itself; GNU make ignores them in what it starts. */
	const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} ignore = {.handler = SIG_IGN};
	for (int sig = 32; sig < 34; sig++)
		ck_assert_int_eq(syscall(SYS_rt_sigaction, sig, &ignore, NULL, sizeof(ignore.mask)), 0);
	(void)raise(SIGUSR1);
	(void)umask(0777);
	(void)setpriority(PRIO_PROCESS, 0, 5);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < 64; i++)
		ck_assert_int_ge(open(i % 2 ? "/" : "/etc/passwd", O_RDONLY), 0); /* not close-on-exec */
}

uint64_t cell_image_sum(const char *image, bool content)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", cell_images_dir(), image);
	return witness_image_sum(path, content);
}

static void copy_policies(const char *from, const char *to, const char *kind)
{
	char source[4096], target[4096];

	(void)snprintf(source, sizeof(source), "%s/%s", from, kind);
	(void)snprintf(target, sizeof(target), "%s/%s", to, kind);
	ck_assert_msg(mkdir(target, 0755) == 0 || errno == EEXIST, "%s: %s", target, strerror(errno));
	DIR *dir = opendir(source);
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		_cleanup_close_ int in = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		_cleanup_free_ char *text = NULL;
		char path[4400];
		size_t size;
		ck_assert_int_eq(fd_read_all(in, BOUND_POLICY_BYTES, &text, &size), 0);
		(void)snprintf(path, sizeof(path), "%s/%s", target, entry->d_name);
		_cleanup_close_ int out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		ck_assert_msg(out >= 0, "%s: %s (a test policy must not replace a shipped one)", path,
			strerror(errno));
		ck_assert_int_eq(fd_write_all(out, text, size), 0);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

static const char *const policy_kinds[] = {"languages", "commands", "seccomp"};

void cell_make_shipped_policies(char *path, size_t size)
{
	const char *shipped = getenv("POLICIES_DIR");

	(void)snprintf(path, size, "/tmp/cofferdam-policies-XXXXXX");
	ck_assert_msg(mkdtemp(path) != NULL, "%s: %s", path, strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(policy_kinds); i++)
		copy_policies(shipped != NULL ? shipped : DEFAULT_POLICIES_DIR, path, policy_kinds[i]);
}

void cell_make_policies(char *path, size_t size)
{
	cell_make_shipped_policies(path, size);
	for (size_t i = 0; i < ARRAY_SIZE(policy_kinds); i++)
		copy_policies("tests/policies", path, policy_kinds[i]);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)where;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

void cell_remove_policies(const char *path)
{
	(void)nftw(path, remove_entry, 8, FTW_PHYS | FTW_DEPTH);
}
