#include "sandbox/cli/view.h"

#include "sandbox/base/fd.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { PATHS_MAX = 8, PATH_BYTES = 4096 };

static bool may_search(const struct stat *st, uid_t uid)
{
	if (st->st_uid == uid)
		return st->st_mode & S_IXUSR;
	return st->st_mode & (st->st_gid == uid ? S_IXGRP : S_IXOTH); /* its group has the same number */
}

/* The part of PATH up to the slash (or end) at END. */
static int ancestor(const char *path, size_t end, char *ret)
{
	if (end >= PATH_BYTES)
		return -ENAMETOOLONG;
	memcpy(ret, path, end);
	ret[end] = '\0';
	return 0;
}

/* The first directory above PATH that UID may not search, or "" in RET. */
static int find_obstacle(const char *path, uid_t uid, char ret[PATH_BYTES], struct sandbox_error *err)
{
	struct stat st;

	ret[0] = '\0';
	for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		int r = ancestor(path, (size_t)(slash - path), ret);
		if (r < 0)
			return error_set(err, -r, "view.path", "%.128s", path);
		if (stat(ret, &st) < 0)
			return errno == ENOENT ? (ret[0] = '\0', 0)
					       : error_errno(err, "view.path", "%.128s", ret);
		if (!may_search(&st, uid))
			return 0;
	}
	ret[0] = '\0';
	return 0;
}

static int make_directories(const char *path, struct sandbox_error *err)
{
	char directory[PATH_BYTES];
	size_t end = 0;

	do {
		end += 1 + strcspn(path + end + 1, "/");
		int r = ancestor(path, end, directory);
		if (r < 0)
			return error_set(err, -r, "view.path", "%.128s", path);
		if (mkdir(directory, 0755) < 0 && errno != EEXIST)
			return error_errno(err, "view.path", "%.128s", directory);
	} while (path[end] != '\0');
	return 0;
}

/* Puts an empty directory over what is in the way, and the TREE of PATH to its place below it. */
static int attach(const char *path, int tree, uid_t uid, struct sandbox_error *err)
{
	char obstacle[PATH_BYTES] = "";

	for (;;) {
		int r = find_obstacle(path, uid, obstacle, err);
		if (r < 0)
			return r;
		if (obstacle[0] == '\0')
			break;
		if (mount("tmpfs", obstacle, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			    "mode=0755,size=64k") < 0)
			return error_errno(err, "view.cover", "%.128s", obstacle);
	}
	int r = make_directories(path, err);
	if (r < 0)
		return r;
	if (move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, "view.attach", "%.128s", path);
	return 0;
}

static int is_obstructed(
	const char *const *paths, size_t npaths, uid_t uid, bool *ret, struct sandbox_error *err)
{
	char obstacle[PATH_BYTES] = "";

	*ret = false;
	for (size_t i = 0; i < npaths && !*ret; i++) {
		int r = find_obstacle(paths[i], uid, obstacle, err);
		if (r < 0)
			return r;
		*ret = obstacle[0] != '\0';
	}
	return 0;
}

/* All trees are taken before the first is covered. */
static int rebuild(const char *const *paths, size_t npaths, uid_t uid, int *trees, struct sandbox_error *err)
{
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, "view.namespace", "mount namespace");
	for (size_t i = 0; i < npaths; i++) {
		trees[i] = open_tree(AT_FDCWD, paths[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (trees[i] < 0)
			return error_errno(err, "view.tree", "%.128s", paths[i]);
	}
	for (size_t i = 0; r == 0 && i < npaths; i++)
		r = attach(paths[i], trees[i], uid, err);
	return r;
}

int view_make_reachable(const char *const *paths, size_t npaths, uid_t uid, struct sandbox_error *err)
{
	int trees[PATHS_MAX] = {-1, -1, -1, -1, -1, -1, -1, -1};
	bool is_needed;

	if (npaths > PATHS_MAX)
		return error_set(err, E2BIG, "view.path", "more than %d paths", PATHS_MAX);
	int r = is_obstructed(paths, npaths, uid, &is_needed, err);
	if (r == 0 && is_needed)
		r = rebuild(paths, npaths, uid, trees, err);
	for (size_t i = 0; i < npaths; i++)
		(void)fd_close(trees[i]);
	return r;
}
