/* The doctor's probes against the real kernel. */
#include "sandbox/base/fd.h"
#include "sandbox/host/host.h"
#include "tests/lib/test.h"

#include <ctype.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
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

static void become_nobody(void)
{
	if (setgid(65534) < 0 || setuid(65534) < 0)
		_exit(1);
}

/* Probes in a child that has CHANGED itself; the answers come back through shared memory. */
static size_t probe_after(void (*change)(void))
{
	size_t *n = mmap(NULL, sizeof(controls) + sizeof(*n), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(n, MAP_FAILED);
	struct host_control *shared = (struct host_control *)(n + 1);
	pid_t pid = fork();

	if (pid == 0) {
		change();
		*n = host_probe(&no_paths, shared);
		_exit(0);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	memcpy(controls, shared, sizeof(controls));
	size_t count = *n;
	(void)munmap(n, sizeof(controls) + sizeof(*n));
	return count;
}

START_TEST(without_privilege_it_says_what_is_missing_and_what_to_do)
{
	static const char *const names[] = {"privilege.root", "privilege.capabilities", "namespace.pid",
		"mount.tree", "mount.tmpfs", "mount.pivot-root", "cgroup.memory", "cgroup.limits"};
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	size_t n = probe_after(become_nobody);

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

static void drop(cap_value_t cap)
{
	cap_t caps = cap_get_proc();

	if (cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_CLEAR) < 0 || cap_set_proc(caps) < 0)
		_exit(1);
	(void)cap_free(caps);
}

static void drop_fowner(void)
{
	drop(CAP_FOWNER);
}

static void drop_mknod(void)
{
	drop(CAP_MKNOD);
}

/* The same as the supervisor keeps: tests/sandbox/test_confine.c shows that each of those is needed. */
START_TEST(it_asks_for_the_capabilities_that_are_used_and_no_other)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	const struct host_control *control = find(probe_after(drop_fowner), "privilege.capabilities");
	ck_assert_msg(control->status == HOST_OK, "%s", control->detail);
	control = find(probe_after(drop_mknod), "privilege.capabilities");
	ck_assert_int_eq(control->status, HOST_MISSING);
	ck_assert_str_eq(control->detail, "not effective: cap_mknod");
}
END_TEST

/* Pools of two sizes in the place of the kernel's, with PAGES to come in the second. */
static void make_pools(const char *pages)
{
	static const char root[] = "/sys/kernel/mm/hugepages";
	static const char *const files[] = {"hugepages-1048576kB/nr_hugepages",
		"hugepages-2048kB/nr_hugepages", "hugepages-2048kB/nr_overcommit_hugepages"};

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("pools", root, "tmpfs", 0, NULL) < 0 || chdir(root) < 0 ||
		mkdir("hugepages-1048576kB", 0755) < 0 || mkdir("hugepages-2048kB", 0755) < 0)
		_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const char *text = i + 1 < ARRAY_SIZE(files) ? "0\n" : pages;
		int fd = open(files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) < 0)
			_exit(1);
	}
}

static void have_no_huge_pages(void)
{
	make_pools("0\n");
}

static void have_huge_pages(void)
{
	make_pools("3\n");
}

START_TEST(huge_pages_are_told_as_memory_without_a_limit)
{
	if (geteuid() != 0)
		TEST_SKIP("needs root");
	if (access("/sys/kernel/mm/hugepages", F_OK) < 0)
		TEST_SKIP("this kernel has no huge pages");
	ck_assert_int_eq(find(probe_after(have_no_huge_pages), "host.huge-pages")->status, HOST_OK);
	const struct host_control *control = find(probe_after(have_huge_pages), "host.huge-pages");
	ck_assert_int_eq(control->status, HOST_WARN);
	ck_assert_str_eq(control->detail, "3 in the pools");
	ck_assert_ptr_nonnull(strstr(control->remedy, "vm.nr_hugepages=0"));
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
	     tcase_add_test(tc, it_asks_for_the_capabilities_that_are_used_and_no_other);
	     tcase_add_test(tc, huge_pages_are_told_as_memory_without_a_limit);
	     tcase_add_test(tc, the_caller_is_unchanged); tcase_add_test(tc, incomplete_images_are_named);
	     tcase_add_test(tc, a_state_directory_to_come_is_judged_by_its_parent);
	     tcase_add_test(tc, the_worst_status_decides))
