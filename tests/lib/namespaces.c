#include "tests/lib/namespaces.h"

#include "sandbox/base/fd.h"
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { NAMESPACES_MAX = 65536 };

static struct {
	size_t n;
	char names[NAMESPACES_MAX][32]; /* "mnt:[4026531841]" */
} seen;

/* TARGET, of a link in /proc, counts when it is a namespace. */
static void see_namespace(const char *target)
{
	static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
	bool is_one = false;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t size = strlen(kinds[i]);
		is_one |= strncmp(target, kinds[i], size) == 0 && strncmp(target + size, ":[", 2) == 0;
	}
	for (size_t i = 0; i < seen.n && is_one; i++)
		is_one = strcmp(seen.names[i], target) != 0;
	ck_assert_uint_lt(seen.n, NAMESPACES_MAX);
	if (is_one)
		(void)snprintf(seen.names[seen.n++], sizeof(seen.names[0]), "%s", target);
}

/* Those that a process is in ("ns") or holds open ("fd"). */
static void see_links(const char *pid, const char *folder)
{
	char path[300], target[64];

	(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, folder);
	DIR *dir = opendir(path);
	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		see_namespace(target);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

/* Those that are kept by a mount: "… / /where ro - nsfs nsfs rw", with the namespace for the mount's root. */
static void see_mounts(pid_t pid)
{
	char path[64], root[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t size;
	ck_assert_int_eq(fd_read_all(fd, 1 << 20, &text, &size), 0);
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
		if (strstr(line, " - nsfs ") != NULL && sscanf(line, "%*s %*s %*s %63s", root) == 1)
			see_namespace(root);
}

unsigned namespaces_count(pid_t other)
{
	DIR *dir = opendir("/proc");

	seen.n = 0;
	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') {
			see_links(entry->d_name, "ns");
			see_links(entry->d_name, "fd");
		}
	(void)closedir(dir);
	see_mounts(getpid());
	see_mounts(other);
	return (unsigned)seen.n;
}
