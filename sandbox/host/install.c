/* What this installation has on disk. */
#include "sandbox/base/fd.h"
#include "sandbox/host/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static const char *images_dir(const struct host_paths *paths)
{
	return paths->images_dir;
}

static const char *state_dir(const struct host_paths *paths)
{
	return paths->state_dir;
}

/* The images that the shipped policies name. */
static const char *const images[] = {"base", "cpp", "go", "native"};

/* A root image is a directory with the places at which a cell mounts. */
static bool is_image(int dir, const char *name)
{
	static const char *const places[] = {"usr", "dev", "proc", "box", "tmp"};
	_cleanup_close_ int image = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; image >= 0 && i < ARRAY_SIZE(places); i++) {
		struct stat st;
		if (fstatat(image, places[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			return false;
	}
	return image >= 0;
}

static enum host_status probe_images(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row;
	char missing[64] = "";
	_cleanup_close_ int dir = open(paths->images_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return host_say(ret, HOST_MISSING, "%.120s: %s", paths->images_dir, strerrordesc_np(errno));
	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		size_t used = strlen(missing);
		if (!is_image(dir, images[i]))
			(void)snprintf(missing + used, sizeof(missing) - used, " %s", images[i]);
	}
	if (missing[0] != '\0')
		return host_say(ret, HOST_MISSING, "%.120s lacks%s", paths->images_dir, missing);
	return host_say(ret, HOST_OK, "base, cpp, go and native in %.120s", paths->images_dir);
}

/* The file system on which PATH is or would be made. */
static int stat_nearest(const char *path, struct statvfs *fs)
{
	char at[PATH_MAX];

	(void)snprintf(at, sizeof(at), "%s", path);
	while (statvfs(at, fs) < 0) {
		char *slash = strrchr(at, '/');
		if (errno != ENOENT || slash == NULL)
			return statvfs(errno == ENOENT ? "." : at, fs);
		slash[slash == at] = '\0'; /* "/" stays */
	}
	return 0;
}

static enum host_status probe_disk(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	struct statvfs fs;

	if (stat_nearest(paths->state_dir, &fs) < 0)
		return host_say(ret, HOST_WARN, "%.120s: %s", paths->state_dir, strerrordesc_np(errno));
	uint64_t free_mib = (uint64_t)fs.f_bavail * fs.f_frsize / (UINT64_C(1024) * 1024);
	return host_say(ret, free_mib >= row->minimum ? HOST_OK : HOST_WARN, "%llu MiB free for %.120s",
		(unsigned long long)free_mib, paths->state_dir);
}

const struct host_row host_install_rows[] = {
	{.name = "install.images",
		.probe = probe_images,
		.needs = images_dir,
		.remedy = "make images (or set IMAGES_DIR to where they are)"},
	{.name = "install.disk",
		.probe = probe_disk,
		.needs = state_dir,
		.minimum = 1024,
		.remedy = "free at least 1 GiB, or set STATE_DIR to a larger file system"},
	{0},
};
