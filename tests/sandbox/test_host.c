/* The doctor's probes against the real kernel. */
#include "sandbox/base/fd.h"
#include "sandbox/host/host.h"
#include "tests/lib/test.h"

#include <ctype.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct host_control controls[HOST_CONTROLS_MAX];
static const struct host_paths no_paths;

static const struct host_control *find(size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(controls[i].name, name) == 0)
			return &controls[i];
	ck_abort_msg("no control %s", name);
}

/* What is needed for a run: everything that may be reported as missing. */
static const char *const required[] = {"privilege.root", "privilege.initial-namespace",
	"privilege.capabilities", "namespace.user", "namespace.pid", "namespace.mount", "namespace.network",
	"namespace.ipc", "namespace.uts", "namespace.cgroup", "kernel.version", "kernel.clone3",
	"kernel.pidfd", "kernel.openat2", "kernel.close-range", "seccomp.filter", "seccomp.notify",
	"mount.tree", "mount.tmpfs", "mount.pivot-root", "mount.proc", "mount.overlay", "cgroup.cpu",
	"cgroup.cpuacct", "cgroup.memory", "cgroup.pids", "cgroup.limits", "cgroup.swap"};

START_TEST(as_root_every_required_control_is_ok)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	size_t n = host_probe(&no_paths, controls);

	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		const struct host_control *control = find(n, required[i]);
		ck_assert_msg(control->status == HOST_OK, "%s: %s", control->name, control->detail);
	}
	ck_assert_int_ne(host_worst(controls, n), HOST_MISSING);
}
END_TEST

START_TEST(every_answer_is_complete)
{
	size_t n = host_probe(&no_paths, controls);

	ck_assert_uint_gt(n, ARRAY_SIZE(required));
	ck_assert_uint_lt(n, HOST_CONTROLS_MAX); /* none was cut off */
	for (size_t i = 0; i < n; i++) {
		const struct host_control *control = &controls[i];
		ck_assert_ptr_nonnull(host_status_name(control->status));
		ck_assert_msg(control->detail[0] != '\0', "%s", control->name);
		ck_assert_msg((control->remedy[0] == '\0') == (control->status == HOST_OK), "%s: %s",
			control->name, control->remedy);
		ck_assert_ptr_null(strchr(control->detail, '\n'));
		for (const char *c = control->name; *c != '\0'; c++)
			ck_assert_msg(
				islower(*c) || isdigit(*c) || *c == '.' || *c == '-', "%s", control->name);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(control->name, controls[j].name);
	}
}
END_TEST

/* Probes as an unprivileged user, in a child; the answers come back through shared memory. */
static size_t probe_as_nobody(void)
{
	size_t *n = mmap(NULL, sizeof(controls) + sizeof(*n), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(n, MAP_FAILED);
	struct host_control *shared = (struct host_control *)(n + 1);
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		*n = host_probe(&no_paths, shared);
		_exit(0);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	memcpy(controls, shared, sizeof(controls));
	return *n;
}

START_TEST(without_privilege_it_says_what_is_missing_and_what_to_do)
{
	static const char *const names[] = {"privilege.root", "privilege.capabilities", "namespace.pid",
		"mount.tree", "mount.tmpfs", "mount.pivot-root", "cgroup.memory", "cgroup.limits"};
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	size_t n = probe_as_nobody();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct host_control *control = find(n, names[i]);
		ck_assert_msg(control->status == HOST_MISSING, "%s: %s", control->name, control->detail);
		ck_assert_msg(
			strstr(control->remedy, "root") != NULL, "%s: %s", control->name, control->remedy);
	}
	ck_assert_int_eq(host_worst(controls, n), HOST_MISSING);
	/* What needs no privilege is still found. */
	ck_assert_int_eq(find(n, "kernel.clone3")->status, HOST_OK);
	ck_assert_int_eq(find(n, "seccomp.notify")->status, HOST_OK);
}
END_TEST

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void read_all(const char *path, char **ret)
{
	size_t size;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_read_all(fd, 1 << 24, ret, &size), 0);
}

START_TEST(the_caller_is_unchanged)
{
	static const char *const files[] = {
		"/proc/self/mountinfo", "/proc/self/cgroup", "/proc/self/uid_map"};
	char *before[ARRAY_SIZE(files)], namespace_before[64] = "", namespace_after[64] = "";
	size_t descriptors = open_descriptors();

	ck_assert_int_gt(readlink("/proc/self/ns/mnt", namespace_before, sizeof(namespace_before) - 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		read_all(files[i], &before[i]);
	(void)host_probe(&no_paths, controls);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *after;
		read_all(files[i], &after);
		ck_assert_str_eq(before[i], after);
		free(before[i]);
		free(after);
	}
	ck_assert_int_gt(readlink("/proc/self/ns/mnt", namespace_after, sizeof(namespace_after) - 1), 0);
	ck_assert_str_eq(namespace_before, namespace_after);
	ck_assert_uint_eq(open_descriptors(), descriptors);
	/* No child is left, running or unwaited. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void make_images(const char *dir)
{
	static const char *const images[] = {"base", "cpp", "go", "native"};
	static const char *const places[] = {"", "/usr", "/dev", "/proc", "/box", "/tmp"};

	for (size_t i = 0; i < ARRAY_SIZE(images); i++)
		for (size_t j = 0; j < ARRAY_SIZE(places); j++) {
			char path[PATH_MAX];
			(void)snprintf(path, sizeof(path), "%s/%s%s", dir, images[i], places[j]);
			ck_assert_int_eq(mkdir(path, 0755), 0);
		}
}

START_TEST(incomplete_images_are_named)
{
	char dir[] = "/tmp/cofferdam-test-XXXXXX", path[sizeof(dir) + 32];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	struct host_paths paths = {.images_dir = dir, .state_dir = dir};

	make_images(dir);
	size_t n = host_probe(&paths, controls);
	ck_assert_msg(find(n, "install.images")->status == HOST_OK, "%s", find(n, "install.images")->detail);
	ck_assert_int_ne(find(n, "install.disk")->status, HOST_MISSING);

	/* A link in the place of a mount point could lead a mount elsewhere. */
	(void)snprintf(path, sizeof(path), "%s/go/proc", dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(symlink("/proc", path), 0);
	n = host_probe(&paths, controls);
	const struct host_control *control = find(n, "install.images");
	ck_assert_int_eq(control->status, HOST_MISSING);
	ck_assert_ptr_nonnull(strstr(control->detail, "lacks go"));
	ck_assert_ptr_nonnull(strstr(control->remedy, "make images"));
	ck_assert_int_eq(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}
END_TEST

START_TEST(a_state_directory_to_come_is_judged_by_its_parent)
{
	struct host_paths paths = {.state_dir = "/tmp/not/yet/there"};
	size_t n = host_probe(&paths, controls);

	ck_assert_ptr_nonnull(strstr(find(n, "install.disk")->detail, "MiB free for /tmp/not/yet/there"));
}
END_TEST

START_TEST(the_worst_status_decides)
{
	struct host_control some[] = {{.status = HOST_OK}, {.status = HOST_WARN}, {.status = HOST_MISSING}};

	ck_assert_int_eq(host_worst(some, 0), HOST_OK);
	ck_assert_int_eq(host_worst(some, 1), HOST_OK);
	ck_assert_int_eq(host_worst(some, 2), HOST_WARN);
	ck_assert_int_eq(host_worst(some, 3), HOST_MISSING);
	ck_assert_str_eq(host_status_name(HOST_WARN), "warn");
	ck_assert_ptr_null(host_status_name(HOST_MISSING + 1));
}
END_TEST

TEST_PROGRAM("host", 60, tcase_add_test(tc, as_root_every_required_control_is_ok);
	     tcase_add_test(tc, every_answer_is_complete);
	     tcase_add_test(tc, without_privilege_it_says_what_is_missing_and_what_to_do);
	     tcase_add_test(tc, the_caller_is_unchanged); tcase_add_test(tc, incomplete_images_are_named);
	     tcase_add_test(tc, a_state_directory_to_come_is_judged_by_its_parent);
	     tcase_add_test(tc, the_worst_status_decides))
