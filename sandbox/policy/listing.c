#include "sandbox/policy/listing.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/parse.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

static void close_directory(DIR **directory)
{
	if (*directory != NULL)
		(void)closedir(*directory);
}

/* The name without ".json"; false when it is no policy's file name. */
static bool stem(const char *file, char ret[LISTING_NAME_SIZE])
{
	static const char suffix[] = ".json";
	size_t length = strlen(file), tail = sizeof(suffix) - 1;

	if (length <= tail || length - tail >= LISTING_NAME_SIZE || strcmp(file + length - tail, suffix) != 0)
		return false;
	memcpy(ret, file, length - tail);
	ret[length - tail] = '\0';
	return policy_name_ok(ret, BOUND_POLICY_NAME);
}

static int add(struct listing *listing, const char *directory, const char *file, struct sandbox_error *err)
{
	if (file[0] == '.')
		return 0;
	if (listing->n == BOUND_POLICIES)
		return error_set(
			err, EINVAL, "policy", "%s: has more than %d files", directory, BOUND_POLICIES);
	if (!stem(file, listing->names[listing->n]))
		return error_set(err, EINVAL, "policy",
			"%s/%s: is not called NAME.json with a NAME of a-z, 0-9 and '-'", directory, file);
	listing->n++;
	return 0;
}

static int compare(const void *left, const void *right)
{
	return strcmp(left, right);
}

int listing_read(int dirfd, const char *directory, struct listing *ret, struct sandbox_error *err)
{
	ret->n = 0;
	_cleanup_close_ int fd = openat(dirfd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(err, "policy", "%s", directory);
	__attribute__((cleanup(close_directory))) DIR *stream = fdopendir(fd);
	if (stream == NULL)
		return error_errno(err, "policy", "%s", directory);
	(void)TAKE_FD(fd);
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(stream);
		if (entry == NULL && errno != 0)
			return error_errno(err, "policy", "%s", directory);
		if (entry == NULL)
			break;
		int r = add(ret, directory, entry->d_name, err);
		if (r < 0)
			return r;
	}
	qsort(ret->names, ret->n, LISTING_NAME_SIZE, compare);
	return 0;
}
