#include "sandbox/base/fd.h"
#include "sandbox/cgroup/internal.h"

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

int cgroup_read(int dir, const char *file, const char *key, uint64_t *ret, struct sandbox_error *err)
{
	char text[4096];
	ssize_t size = fd_read_file(dir, file, text, sizeof(text));

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
	int r = fd_write_file(dir, file, text);
	if (r < 0)
		return error_set(err, -r, "cgroup.set", "%s = %s: %s", file, text, strerrordesc_np(-r));
	ssize_t size = fd_read_file(dir, file, now, 64);
	/* ENOENT is the word for a file that this kernel lacks. This one it has: it took the value. */
	int reason = size == -ENOENT ? EIO : (int)-size;
	return size < 0 ? error_set(err, reason, "cgroup.set", "%s: %s", file, strerrordesc_np(reason)) : 0;
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
