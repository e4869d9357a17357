#include "tests/lib/scratch.h"

#include "sandbox/base/fd.h"
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

void scratch_open(struct scratch *scratch)
{
	const char *parent = getenv("TMPDIR");

	(void)snprintf(
		scratch->dir, sizeof(scratch->dir), "%.40s/cofferdam-test-XXXXXX", parent ? parent : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(scratch->dir));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void scratch_close(struct scratch *scratch)
{
	ck_assert_int_eq(nftw(scratch->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

char *scratch_path(const struct scratch *scratch, const char *name, char *buf, size_t size)
{
	int length = snprintf(buf, size, "%s/%s", scratch->dir, name);

	ck_assert_int_lt(length, (int)size);
	return buf;
}

void scratch_write(const struct scratch *scratch, const char *name, const void *data, size_t size)
{
	char path[256];
	int fd = open(scratch_path(scratch, name, path, sizeof(path)),
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_all(fd, data, size), 0);
	(void)close(fd);
}

mode_t scratch_mode(const struct scratch *scratch, const char *name)
{
	char path[256];
	struct stat st;

	ck_assert_int_eq(lstat(scratch_path(scratch, name, path, sizeof(path)), &st), 0);
	return st.st_mode & 07777;
}

unsigned scratch_count(const struct scratch *scratch, const char *name)
{
	char path[256];
	DIR *dir = opendir(scratch_path(scratch, name, path, sizeof(path)));
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	(void)closedir(dir);
	return n;
}
