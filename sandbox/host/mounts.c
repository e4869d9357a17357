/* File systems and their options, tried in a mount namespace of the probe's own. */
#include "sandbox/base/fd.h"
#include "sandbox/host/internal.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Nothing that is mounted from now on reaches the host. */
static bool leave_host(struct host_control *ret)
{
	if (unshare(CLONE_NEWNS) < 0)
		return (void)host_failed(ret, "unshare"), false;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return (void)host_failed(ret, "make / private"), false;
	return true;
}

/* A detached mount of FS with OPTIONS (key, value, …, NULL); -1 with RET filled. */
static int new_mount(const char *fs, const char *const *options, struct host_control *ret)
{
	char what[96];
	_cleanup_close_ int context = fsopen(fs, FSOPEN_CLOEXEC);

	(void)snprintf(what, sizeof(what), "fsopen %s", fs);
	if (context < 0)
		return (void)host_failed(ret, what), -1;
	for (size_t i = 0; options[i] != NULL; i += 2) {
		(void)snprintf(what, sizeof(what), "%s: option %s=%s", fs, options[i], options[i + 1]);
		if (fsconfig(context, FSCONFIG_SET_STRING, options[i], options[i + 1], 0) < 0)
			return (void)host_failed(ret, what), -1;
	}
	(void)snprintf(what, sizeof(what), "%s: create", fs);
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return (void)host_failed(ret, what), -1;
	int fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	(void)snprintf(what, sizeof(what), "%s: fsmount", fs);
	return fd < 0 ? ((void)host_failed(ret, what), -1) : fd;
}

static const char *const tmpfs_options[] = {"size", "65536", "nr_inodes", "64", "mode", "0755", NULL};

/* A fresh tmpfs, attached (over /proc, which every host has) and entered. */
static bool enter_tmpfs(struct host_control *ret)
{
	if (!leave_host(ret))
		return false;
	_cleanup_close_ int fd = new_mount("tmpfs", tmpfs_options, ret);
	if (fd < 0)
		return false;
	if (move_mount(fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return (void)host_failed(ret, "move_mount"), false;
	return fchdir(fd) == 0 || ((void)host_failed(ret, "fchdir"), false);
}

static enum host_status probe_tmpfs(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;

	if (!enter_tmpfs(ret))
		return HOST_MISSING;
	return host_say(ret, HOST_OK, "tmpfs with size and nr_inodes");
}

/* A read-only copy of a tree: how images are held. */
static enum host_status probe_tree(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};

	if (!leave_host(ret))
		return HOST_MISSING;
	_cleanup_close_ int fd = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return host_failed(ret, "open_tree");
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return host_failed(ret, "mount_setattr");
	return host_say(ret, HOST_OK, "open_tree and mount_setattr make read-only copies");
}

static enum host_status probe_pivot(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;

	if (!enter_tmpfs(ret))
		return HOST_MISSING;
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return host_failed(ret, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return host_failed(ret, "detach the old root");
	return host_say(ret, HOST_OK, "the root can be replaced and the old one detached");
}

static enum host_status probe_proc(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	static const char *const options[] = {"subset", "pid", "hidepid", "ptraceable", NULL};

	if (!leave_host(ret))
		return HOST_MISSING;
	_cleanup_close_ int fd = new_mount("proc", options, ret);
	return fd < 0 ? HOST_MISSING : host_say(ret, HOST_OK, "proc with subset=pid and hidepid=ptraceable");
}

static enum host_status probe_overlay(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row, (void)paths;
	static const char *const options[] = {
		"lowerdir", "lower", "upperdir", "upper", "workdir", "work", NULL};

	if (!enter_tmpfs(ret))
		return HOST_MISSING;
	if (mkdir("lower", 0755) < 0 || mkdir("upper", 0755) < 0 || mkdir("work", 0755) < 0)
		return host_failed(ret, "mkdir");
	_cleanup_close_ int fd = new_mount("overlay", options, ret);
	return fd < 0 ? HOST_MISSING : host_say(ret, HOST_OK, "overlay on tmpfs");
}

const struct host_row host_mount_rows[] = {
	{.name = "mount.tree", .probe = probe_tree, .remedy = "be root on a kernel of 5.12 or later"},
	{.name = "mount.tmpfs",
		.probe = probe_tmpfs,
		.remedy = "be root on a kernel of 5.2 or later with CONFIG_TMPFS"},
	{.name = "mount.pivot-root",
		.probe = probe_pivot,
		.remedy =
			"be root, and on no initramfs: its root cannot be replaced, switch to another first"},
	{.name = "mount.proc", .probe = probe_proc, .remedy = "be root on a kernel of 5.8 or later"},
	{.name = "mount.overlay",
		.probe = probe_overlay,
		.remedy = "be root on a kernel with CONFIG_OVERLAY_FS (modprobe overlay)"},
	{0},
};
