/* mounts.c: the cell's file system.
 *
 * The cell starts with a copy of the launcher's mount namespace (rootns.c): a read-only tmpfs as root, in it one
 * directory per image, each image read-only with its /dev in place, and an empty directory "scratch". The host's file
 * system is not in it any more. */
#include "sandbox/cell/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* A new superblock as a detached mount. OPTIONS: key, value, …, NULL. The descriptor or -errno with ERR. */
static int new_mount(
	const char *fs, const char *const *options, unsigned attributes, struct sandbox_error *err)
{
	_cleanup_close_ int fs_fd = fsopen(fs, FSOPEN_CLOEXEC);
	if (fs_fd < 0)
		return error_errno(err, "cell.mount", "fsopen %s", fs);
	for (size_t i = 0; options[i] != NULL; i += 2)
		if (fsconfig(fs_fd, FSCONFIG_SET_STRING, options[i], options[i + 1], 0) < 0)
			return error_errno(
				err, "cell.mount", "%s: option %s=%s", fs, options[i], options[i + 1]);
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(err, "cell.mount", "%s: create", fs);
	int fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, attributes);
	if (fd < 0)
		return error_errno(err, "cell.mount", "%s: fsmount", fs);
	return fd;
}

/* Attaches the detached mount FD at PATH, which must be a directory reached without any link: an image whose "proc" or
 * "tmp" is a link must not lead a mount elsewhere (CVE-2026-47766, CVE-2025-31133). */
static int attach(int fd, const char *path, struct sandbox_error *err)
{
	_cleanup_close_ int at = sys_open_beneath(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
	if (at < 0)
		return error_errno(err, "cell.mount", "mount point %s", path);
	if (move_mount(fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, "cell.mount", "attach at %s", path);
	return 0;
}

/* Binds the directory SOURCE (ours, below scratch) to PATH. */
static int bind_directory(const char *source, const char *path, struct sandbox_error *err)
{
	_cleanup_close_ int fd =
		open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (fd < 0)
		return error_errno(err, "cell.mount", "open_tree %s", source);
	return attach(fd, path, err);
}

/* The mode before the owner: it is a stranger's directory afterwards, and the supervisor keeps no CAP_FOWNER. */
static int make_directory(const char *path, mode_t mode, uid_t owner, struct sandbox_error *err)
{
	if (mkdir(path, mode) < 0 || chmod(path, mode) < 0 || lchown(path, owner, owner) < 0)
		return error_errno(err, "cell.scratch", "%s", path);
	return 0;
}

/* Where the job writes, nothing can be executed unless its step says so. */
static unsigned writable_attributes(const struct wire_order *order)
{
	return MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (order->can_execute_files ? 0 : MOUNT_ATTR_NOEXEC);
}

/* One tmpfs carries all that the job can write, so that one size and one inode count bound it. Its root directory
 * disappears with the old root; the job only ever sees the directories bound from it. */
static int mount_scratch(const struct wire_order *order, struct sandbox_error *err)
{
	char size[24], inodes[24];
	(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)order->disk_bytes);
	/* The directories that this file makes are not the job's, nor the one that overlay makes in each "work". */
	(void)snprintf(inodes, sizeof(inodes), "%llu",
		(unsigned long long)order->inodes + 3 + 4ull * order->nwritable);
	const char *options[] = {"size", size, "nr_inodes", inodes, "mode", "0755", NULL};

	_cleanup_close_ int fd = new_mount("tmpfs", options, writable_attributes(order), err);
	if (fd < 0)
		return fd;
	int r = attach(fd, "scratch", err);
	if (r == 0)
		r = make_directory("scratch/box", 0700, order->outer_id, err);
	if (r == 0)
		r = make_directory("scratch/tmp", 0700, order->outer_id, err);
	return r;
}

/* A private writable layer over a directory of the image; what the job writes there dies with the cell. */
static int mount_writable(const struct wire_order *order, unsigned i, struct sandbox_error *err)
{
	char lower[WIRE_IMAGE_NAME + WIRE_WRITABLE_PATH], base[32], upper[40], work[40];
	(void)snprintf(lower, sizeof(lower), "%s%s", order->image, order->writable[i]);
	(void)snprintf(base, sizeof(base), "scratch/layer%u", i);
	(void)snprintf(upper, sizeof(upper), "%s/upper", base);
	(void)snprintf(work, sizeof(work), "%s/work", base);
	int r = make_directory(base, 0700, 0, err);
	if (r == 0)
		r = make_directory(upper, 0700, order->outer_id, err);
	if (r == 0)
		r = make_directory(work, 0700, 0, err);
	if (r < 0)
		return r;
	const char *options[] = {"lowerdir", lower, "upperdir", upper, "workdir", work, NULL};
	_cleanup_close_ int fd = new_mount("overlay", options, writable_attributes(order), err);
	return fd < 0 ? fd : attach(fd, lower, err);
}

/* Only the job's own processes, nothing of the host's settings, nothing to write. */
static int mount_proc(const char *path, struct sandbox_error *err)
{
	/* Linux 5.8: subset=pid and hidepid=ptraceable. No fallback: doctor refuses older kernels. */
	const char *options[] = {"subset", "pid", "hidepid", "ptraceable", NULL};
	_cleanup_close_ int fd = new_mount("proc", options,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
	return fd < 0 ? fd : attach(fd, path, err);
}

/* Makes the image the root. The old root is stacked on the new one and detached at once, so no path and no descriptor
 * leads back (pivot_root(2), NOTES: "pivot_root(".", ".")"). */
static int enter_image(const char *image, struct sandbox_error *err)
{
	if (chdir(image) < 0)
		return error_errno(err, "cell.root", "chdir to image %s", image);
	if (sys_pivot_root(".", ".") < 0)
		return error_errno(err, "cell.root", "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return error_errno(err, "cell.root", "detach the old root");
	if (chdir("/box") < 0)
		return error_errno(err, "cell.root", "chdir to /box");
	return 0;
}

int cell_mounts(const struct wire_order *order, struct sandbox_error *err)
{
	char path[WIRE_IMAGE_NAME + 8];
	int r = mount_scratch(order, err);

	for (unsigned i = 0; r == 0 && i < order->nwritable; i++)
		r = mount_writable(order, i, err);
	if (r == 0 && order->has_proc) {
		(void)snprintf(path, sizeof(path), "%s/proc", order->image);
		r = mount_proc(path, err);
	}
	if (r == 0) {
		(void)snprintf(path, sizeof(path), "%s/box", order->image);
		r = bind_directory("scratch/box", path, err);
	}
	if (r == 0) {
		(void)snprintf(path, sizeof(path), "%s/tmp", order->image);
		r = bind_directory("scratch/tmp", path, err);
	}
	return r == 0 ? enter_image(order->image, err) : r;
}
