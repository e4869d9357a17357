#include "sandbox/base/fd.h"
#include "sandbox/cgroup/internal.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

static int parse_number(const char *text, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -ENODATA;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno != 0 || (*end != '\0' && *end != '\n' && *end != ' '))
		return -ENODATA;
	*ret = value;
	return 0;
}

int cgroup_find(const char *text, const char *key, uint64_t *ret)
{
	size_t size = strlen(key);

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, key, size) == 0 && line[size] == ' ')
			return parse_number(line + size + 1, ret);
	}
	return -ENODATA;
}

/* The descriptor of FILE, or a negative errno. */
static int kept_fd(struct cgroup_dir *dir, const char *file)
{
	for (size_t i = 0; i < dir->nkept; i++)
		if (strcmp(dir->kept[i].file, file) == 0)
			return dir->kept[i].fd < 0 ? -ENOENT : dir->kept[i].fd;
	int fd = openat(dir->fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	assert(dir->nkept < CGROUP_KEPT);
	dir->kept[dir->nkept].file = file;
	dir->kept[dir->nkept++].fd = fd;
	return fd < 0 ? -ENOENT : fd;
}

void cgroup_dir_close(struct cgroup_dir *dir)
{
	for (size_t i = 0; i < dir->nkept; i++)
		(void)fd_close(dir->kept[i].fd);
	dir->nkept = 0;
	dir->fd = fd_close(dir->fd);
}

ssize_t cgroup_text(struct cgroup_dir *dir, const char *file, char *buf, size_t size)
{
	int fd = kept_fd(dir, file);

	return fd < 0 ? fd : fd_read_text(fd, buf, size);
}

int cgroup_read(
	struct cgroup_dir *dir, const char *file, const char *key, uint64_t *ret, struct sandbox_error *err)
{
	char text[4096];
	ssize_t size = cgroup_text(dir, file, text, sizeof(text));

	if (size < 0)
		return error_set(err, (int)-size, "cgroup.read", "%s: %s", file, strerrordesc_np((int)-size));
	int r = key ? cgroup_find(text, key, ret) : parse_number(text, ret);
	if (r < 0)
		return error_set(err, -r, "cgroup.read", "%s holds no number %s", file, key ? key : "");
	return 0;
}

static int write_and_read(
	int dir, const char *file, const char *text, char now[64], struct sandbox_error *err)
{
	size_t size = strlen(text);
	ssize_t n;

	_cleanup_close_ int fd = openat(dir, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_set(err, errno, "cgroup.set", "%s = %s: %s", file, text, strerrordesc_np(errno));
	do
		n = write(fd, text, size);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)size) {
		int reason = n < 0 ? errno : EIO;
		return error_set(
			err, reason, "cgroup.set", "%s = %s: %s", file, text, strerrordesc_np(reason));
	}
	n = fd_read_text(fd, now, 64);
	/* ENOENT is the word for a file that this kernel lacks. This one it has: it took the value. */
	int reason = n == -ENOENT ? EIO : (int)-n;
	return n < 0 ? error_set(err, reason, "cgroup.set", "%s: %s", file, strerrordesc_np(reason)) : 0;
}

static int differs(const char *file, const char *wanted, const char *now, struct sandbox_error *err)
{
	return error_set(err, EIO, "cgroup.set", "%s: wrote %s, the kernel holds %s", file, wanted, now);
}

int cgroup_write(int dir, const char *file, const char *text, struct sandbox_error *err)
{
	char now[64];
	int r = write_and_read(dir, file, text, now, err);

	if (r < 0)
		return r;
	return strcmp(now, text) == 0 ? 0 : differs(file, text, now, err);
}

int cgroup_write_bytes(int dir, const char *file, uint64_t bytes, struct sandbox_error *err)
{
	char text[32], now[64] = "";
	uint64_t held;
	(void)snprintf(text, sizeof(text), "%" PRIu64, bytes);

	int r = write_and_read(dir, file, text, now, err);
	if (r < 0)
		return r;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (parse_number(now, &held) < 0 || held != bytes - bytes % page)
		return differs(file, text, now, err);
	return 0;
}
