/* rootns.c: the launcher's mount namespace, the template of every cell's.
 *
 *   /            tmpfs, read-only once it is complete
 *   /NAME        each image: a detached copy of its directory's tree, read-only, nosuid, nodev
 *   /NAME/dev    one read-only tmpfs with five device nodes, the same for all
 *   /scratch     empty: where a cell mounts its own tmpfs */
#include "sandbox/cell/launcher.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int set_attributes(int fd, uint64_t attributes, const char *what, struct sandbox_error *err)
{
	struct mount_attr attr = {.attr_set = attributes};
	/* Linux 5.12: mount_setattr. No fallback: doctor refuses older kernels. */
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return error_errno(err, "launcher.mounts", "attributes of %s", what);
	return 0;
}

static int enter_empty_root(const char *images_dir, int *ret_images_fd, struct sandbox_error *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(err, "launcher.mounts", "new mount namespace");
	/* Nothing that happens here may reach the host, and the host's later mounts must not come in. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, "launcher.mounts", "private propagation");
	/* In this namespace: open_tree does not take a descriptor of another one's mount. */
	_cleanup_close_ int images_fd = open(images_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (images_fd < 0)
		return error_errno(err, "launcher.images", "%s", images_dir);
	/* Mounted over a directory that exists everywhere; only this namespace sees it. */
	if (mount("cofferdam", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64k") < 0)
		return error_errno(err, "launcher.mounts", "root tmpfs");
	if (chdir("/proc") < 0 || mkdir("scratch", 0755) < 0 || mkdir(".dev", 0755) < 0)
		return error_errno(err, "launcher.mounts", "root directories");
	*ret_images_fd = TAKE_FD(images_fd);
	return 0;
}

static int make_dev(struct sandbox_error *err)
{
	static const struct {
		const char *path;
		unsigned minor;
	} nodes[] = {{".dev/null", 3}, {".dev/zero", 5}, {".dev/full", 7}, {".dev/random", 8},
		{".dev/urandom", 9}};
	static const char *const links[][2] = {
		{"/proc/self/fd", ".dev/fd"}, {"/proc/self/fd/0", ".dev/stdin"},
		{"/proc/self/fd/1", ".dev/stdout"}, {"/proc/self/fd/2", ".dev/stderr"},
		{"/tmp", ".dev/shm"}, /* shm_open in the job's own tmpfs, inside its limits */
	};

	if (mount("cofferdam-dev", ".dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") < 0)
		return error_errno(err, "launcher.dev", "tmpfs");
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(1, nodes[i].minor)) < 0 ||
			chmod(nodes[i].path, 0666) < 0)
			return error_errno(err, "launcher.dev", "%s", nodes[i].path);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			return error_errno(err, "launcher.dev", "%s", links[i][1]);
	_cleanup_close_ int fd = open(".dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "launcher.dev", "open");
	return set_attributes(fd, MOUNT_ATTR_RDONLY, "dev", err);
}

/* Every cell trusts its image: only root may be able to change it. */
static int check_image(int fd, const char *name, struct sandbox_error *err)
{
	static const char *const mount_points[] = {"box", "tmp", "proc", "dev"};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "launcher.image", "%s", name);
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return error_set(err, EPERM, "launcher.image",
			"%s: must belong to root and be writable by root alone", name);
	for (size_t i = 0; i < ARRAY_SIZE(mount_points); i++) {
		_cleanup_close_ int at = sys_open_beneath(fd, mount_points[i], O_PATH | O_DIRECTORY, 0);
		if (at < 0)
			return error_errno(err, "launcher.image", "%s: needs a real directory /%s", name,
				mount_points[i]);
	}
	return 0;
}

static int attach_dev(const char *name, struct sandbox_error *err)
{
	char path[WIRE_IMAGE_NAME + 8];
	(void)snprintf(path, sizeof(path), "%s/dev", name);
	_cleanup_close_ int fd = open_tree(AT_FDCWD, ".dev", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	_cleanup_close_ int at = sys_open_beneath(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0 || at < 0 ||
		move_mount(fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, "launcher.dev", "attach at %s", path);
	return 0;
}

static int attach_image(int images_fd, const char *name, struct sandbox_error *err)
{
	_cleanup_close_ int dir = sys_open_beneath(images_fd, name, O_PATH | O_DIRECTORY, 0);
	if (dir < 0)
		return error_errno(err, "launcher.image", "%s (build it with `make images`)", name);
	int r = check_image(dir, name, err);
	if (r < 0)
		return r;
	/* Not recursive: whatever is mounted below the directory on the host stays there. */
	_cleanup_close_ int tree = open_tree(dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return error_errno(err, "launcher.image", "%s: open_tree", name);
	r = set_attributes(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, name, err);
	if (r < 0)
		return r;
	if (mkdir(name, 0755) < 0)
		return error_errno(err, "launcher.image", "%s: mount point", name);
	if (move_mount(tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, "launcher.image", "%s: attach", name);
	return attach_dev(name, err);
}

/* The tmpfs becomes the root and is closed for writing; the host's tree is let go. */
static int leave_host(struct sandbox_error *err)
{
	if (sys_pivot_root(".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(err, "launcher.mounts", "leave the host's root");
	_cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "launcher.mounts", "open the new root");
	return set_attributes(fd, MOUNT_ATTR_RDONLY, "the root", err);
}

int rootns_enter(const char *images_dir, const struct wire_images *list, struct sandbox_error *err)
{
	_cleanup_close_ int images_fd = -1;
	int r = enter_empty_root(images_dir, &images_fd, err);

	if (r == 0)
		r = make_dev(err);
	for (uint32_t i = 0; r == 0 && i < list->count; i++)
		r = attach_image(images_fd, list->names[i], err);
	return r == 0 ? leave_host(err) : r;
}
