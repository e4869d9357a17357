#include "sandbox/cgroup/probe.h"

#include "sandbox/base/fd.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/xattr.h>

/* A hierarchy as this process sees it. */
struct tree {
	bool is_mounted;
	char root[512];	 /* mountinfo: which of the hierarchy's directories the mount shows as its top */
	char mount[256]; /* where */
	char self
		[512]; /* our own group, relative to the mount; "" when it is the top or not below the mount */
};

/* One tree per v1 controller, and the unified one. */
enum { TREE_V2 = CGROUP_CONTROLLER_N, TREE_N };

static const char *const names[CGROUP_CONTROLLER_N] = {
	[CGROUP_CPU] = "cpu",
	[CGROUP_CPUACCT] = "cpuacct",
	[CGROUP_MEMORY] = "memory",
	[CGROUP_PIDS] = "pids",
};

const char *cgroup_controller_name(enum cgroup_controller controller)
{
	return names[controller];
}

bool probe_has_word(const char *list, char separator, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = list; at != NULL; at = strchr(at, separator)) {
		if (*at == separator)
			at++;
		if (strncmp(at, word, size) == 0 && (at[size] == '\0' || at[size] == separator))
			return true;
	}
	return false;
}

/* Cuts the next field off *AT (it is NUL-terminated in place); NULL at the end. */
static char *next_field(char **at, const char *separator)
{
	char *field = strsep(at, separator); /* NULL when *AT is */

	while (field != NULL && *field == '\0' && *at != NULL)
		field = strsep(at, separator);
	return field;
}

/* mountinfo writes blanks, tabs, newlines and backslashes as \ooo. In place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		bool is_escape = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
				 from[2] <= '7' && from[3] >= '0' && from[3] <= '7';
		*to = is_escape ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'))
				: *from;
		from += is_escape ? 4 : 1;
	}
	*to = '\0';
}

/* A later mount at the same place hides an earlier one; otherwise the mount that shows more of the hierarchy is
 * better (containers see both the whole tree's bind mount and their own). */
static bool is_better(const struct tree *tree, const char *root, const char *mount)
{
	return !tree->is_mounted || strcmp(tree->mount, mount) == 0 || strlen(root) < strlen(tree->root);
}

static void note_mount(struct tree *tree, const char *root, const char *mount)
{
	if (strlen(root) >= sizeof(tree->root) || strlen(mount) >= sizeof(tree->mount))
		return;
	if (!is_better(tree, root, mount))
		return;
	tree->is_mounted = true;
	memcpy(tree->root, root, strlen(root) + 1);
	memcpy(tree->mount, mount, strlen(mount) + 1);
}

/* "36 25 0:30 /root /mount/point opts optional… - type source super-opts" (proc_pid_mountinfo(5)). */
static void parse_mount(char *line, struct tree trees[TREE_N])
{
	char *root = NULL, *mount = NULL;
	for (int i = 0; i < 5; i++) {
		char *field = next_field(&line, " ");
		root = i == 3 ? field : root;
		mount = i == 4 ? field : mount;
	}
	char *rest = line ? strstr(line, " - ") : NULL;
	if (root == NULL || mount == NULL || rest == NULL)
		return;
	rest += 3;
	const char *type = next_field(&rest, " ");
	(void)next_field(&rest, " ");
	const char *options = next_field(&rest, " ");

	unescape(root);
	unescape(mount);
	if (type != NULL && strcmp(type, "cgroup2") == 0)
		note_mount(&trees[TREE_V2], root, mount);
	if (type == NULL || options == NULL || strcmp(type, "cgroup") != 0)
		return;
	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		if (probe_has_word(options, ',', names[c]))
			note_mount(&trees[c], root, mount);
}

/* PATH, our group in the hierarchy, becomes relative to what the mount shows. */
static void note_self(struct tree *tree, const char *path)
{
	size_t prefix = strcmp(tree->root, "/") == 0 ? 0 : strlen(tree->root);

	if (!tree->is_mounted || strncmp(path, tree->root, prefix) != 0 || path[prefix] != '/' ||
		strlen(path) - prefix > sizeof(tree->self))
		return;
	(void)snprintf(tree->self, sizeof(tree->self), "%s", path + prefix + 1);
}

/* "4:cpu,cpuacct:/path", and "0::/path" for the unified hierarchy (cgroups(7)). */
static void parse_self(char *line, struct tree trees[TREE_N])
{
	const char *id = strsep(&line, ":");
	const char *controllers = line ? strsep(&line, ":") : NULL;
	if (id == NULL || controllers == NULL || line == NULL)
		return;
	if (strcmp(id, "0") == 0)
		note_self(&trees[TREE_V2], line);
	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		if (probe_has_word(controllers, ',', names[c]))
			note_self(&trees[c], line);
}

static int each_line(
	const char *text, void (*parse)(char *line, struct tree *trees), struct tree trees[TREE_N])
{
	_cleanup_free_ char *copy = strdup(text);
	if (copy == NULL)
		return -ENOMEM;
	char *at = copy;
	for (char *line; (line = strsep(&at, "\n")) != NULL;)
		parse(line, trees);
	return 0;
}

/* Notes why a controller cannot be used; always false, so that a check can end with it. */
__attribute__((format(printf, 2, 3))) static bool refuse(struct cgroup_where *where, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(where->reason, sizeof(where->reason), fmt, args);
	va_end(args);
	where->version = 0;
	return false;
}

/* The directory PATH (relative) below the mount of TREE; a negative errno otherwise. */
static int open_group(const struct probe_input *input, const struct tree *tree, const char *path)
{
	char full[sizeof(tree->mount) + sizeof(tree->self) + 2];

	/* Without the leading '/', so that it is relative to the root we were given. */
	(void)snprintf(full, sizeof(full), "%s/%s", tree->mount + 1, path);
	int fd = openat(input->root_fd, full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* systemd marks what it has handed over (Delegate=yes) with an extended attribute: trusted.delegate since 237,
 * user.delegate since 251. */
static bool is_delegated(int dir)
{
	char value = '0';

	return (fgetxattr(dir, "trusted.delegate", &value, 1) == 1 && value == '1') ||
	       (fgetxattr(dir, "user.delegate", &value, 1) == 1 && value == '1');
}

/* Our own group when it was delegated to us, or the one above when we sit in its leaf; else the top (""). */
static void choose_delegated(const struct probe_input *input, const struct tree *tree, char ret[static 512])
{
	char path[512];

	ret[0] = '\0';
	(void)snprintf(path, sizeof(path), "%s", tree->self);
	char *slash = strrchr(path, '/');
	if (slash != NULL && strcmp(slash + 1, PROBE_LEAF) == 0)
		*slash = '\0';
	_cleanup_close_ int dir = path[0] != '\0' ? open_group(input, tree, path) : -1;
	if (dir >= 0 && is_delegated(dir))
		memcpy(ret, path, sizeof(path));
}

bool probe_is_root(int dir)
{
	return faccessat(dir, "cgroup.type", F_OK, 0) != 0 && errno == ENOENT;
}

enum probe_procs probe_procs(int dir)
{
	char own[24], text[4096];
	(void)snprintf(own, sizeof(own), "%d", (int)getpid());

	ssize_t size = fd_read_file(dir, "cgroup.procs", text, sizeof(text));
	if (size == 0)
		return PROBE_PROCS_NONE;
	return size > 0 && strcmp(text, own) == 0 ? PROBE_PROCS_OWN : PROBE_PROCS_FOREIGN;
}

/* May we hand CONTROLLER to children of DIR? */
static bool can_enable(int dir, const char *controller, struct cgroup_where *where)
{
	char text[256];

	if (fd_read_file(dir, "cgroup.subtree_control", text, sizeof(text)) >= 0 &&
		probe_has_word(text, ' ', controller))
		return true;
	if (faccessat(dir, "cgroup.subtree_control", W_OK, AT_EACCESS) != 0)
		return refuse(where,
			"%s is not handed to children of /%s and we may not change that: be root", controller,
			where->parent);
	if (!probe_is_root(dir) && probe_procs(dir) == PROBE_PROCS_FOREIGN)
		return refuse(where,
			"/%s holds other processes: start in a group of our own (Delegate=yes) or set "
			"CGROUP_PARENT",
			where->parent);
	return true;
}

/* CONTROLLER is NULL for CPU time: it is in every v2 group's cpu.stat, no controller is needed. */
static bool check_v2(int dir, const char *controller, struct cgroup_where *where)
{
	char text[256];

	if (controller == NULL)
		return true;
	if (fd_read_file(dir, "cgroup.controllers", text, sizeof(text)) < 0 ||
		!probe_has_word(text, ' ', controller))
		return refuse(where, "%s is not available in v2 group /%s: enable it in the groups above",
			controller, where->parent);
	if (fd_read_file(dir, "cgroup.type", text, sizeof(text)) > 0 && strcmp(text, "domain") != 0 &&
		strcmp(text, "domain threaded") != 0)
		return refuse(where, "v2 group /%s is of type \"%.40s\": use a domain", where->parent, text);
	return can_enable(dir, controller, where);
}

/* The checks that both versions share, then those of v2. */
static bool check_parent(const struct probe_input *input, const struct tree *tree, const char *controller,
	struct cgroup_where *where)
{
	const char *slash = where->parent[0] != '\0' ? "/" : "";
	_cleanup_close_ int dir = open_group(input, tree, where->parent);
	if (dir < 0)
		return refuse(where, "%s%s%s: %s", tree->mount, slash, where->parent, strerrordesc_np(-dir));
	if (faccessat(dir, "cgroup.procs", F_OK, 0) != 0)
		return refuse(where, "%s shows no cgroups: something is mounted over them", tree->mount);
	if (faccessat(dir, ".", W_OK, AT_EACCESS) != 0)
		return refuse(where, "%s%s%s: %s: be root, with cgroups mounted read-write", tree->mount,
			slash, where->parent, strerrordesc_np(errno));
	return where->version == 1 || check_v2(dir, controller, where);
}

/* A parent named by configuration must stay below its mount. */
static bool parent_is_sane(const char *parent)
{
	return !probe_has_word(parent, '/', "..") &&
	       strlen(parent) < sizeof(((struct cgroup_where *)0)->parent);
}

static void locate(const struct probe_input *input, const struct tree trees[TREE_N], enum cgroup_controller c,
	struct cgroup_where *where)
{
	bool is_v1 = trees[c].is_mounted;
	const struct tree *tree = is_v1 ? &trees[c] : &trees[TREE_V2];
	const char *controller = !is_v1 && c == CGROUP_CPUACCT ? NULL : names[c];

	memset(where, 0, sizeof(*where));
	if (!tree->is_mounted) {
		(void)refuse(where, "%s is not mounted: mount cgroup2 at /sys/fs/cgroup", names[c]);
		return;
	}
	where->version = is_v1 ? 1 : 2;
	memcpy(where->mount, tree->mount, sizeof(where->mount));
	if (input->parent != NULL && !parent_is_sane(input->parent)) {
		(void)refuse(where, "CGROUP_PARENT must be a path below the mount, without \"..\"");
		return;
	}
	if (input->parent != NULL)
		(void)snprintf(where->parent, sizeof(where->parent), "%s",
			input->parent + strspn(input->parent, "/"));
	else if (!is_v1)
		choose_delegated(input, tree, where->parent);
	(void)check_parent(input, tree, controller, where);
}

int probe_controllers(const struct probe_input *input, struct cgroup_where ret[CGROUP_CONTROLLER_N],
	struct sandbox_error *err)
{
	struct tree trees[TREE_N] = {0};
	int failed = 0;

	if (each_line(input->mountinfo, parse_mount, trees) < 0 ||
		each_line(input->self, parse_self, trees) < 0) {
		memset(ret, 0, sizeof(*ret) * CGROUP_CONTROLLER_N);
		return error_set(err, ENOMEM, "cgroup.probe", "no memory");
	}
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		locate(input, trees, c, &ret[c]);
		if (ret[c].version == 0)
			failed = error_set(
				err, ENOTSUP, "cgroup.probe", "controller %s: %s", names[c], ret[c].reason);
	}
	return failed;
}

/* A host with very many mounts has some megabytes of them. */
static const size_t TABLE_MAX = (size_t)64 * 1024 * 1024;

static int read_table(const char *path, char **ret)
{
	size_t size;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_read_all(fd, TABLE_MAX, ret, &size);
}

int cgroup_probe(const char *parent, struct cgroup_where ret[CGROUP_CONTROLLER_N], struct sandbox_error *err)
{
	_cleanup_free_ char *mountinfo = NULL, *self = NULL;

	memset(ret, 0, sizeof(*ret) * CGROUP_CONTROLLER_N);
	int r = read_table("/proc/self/mountinfo", &mountinfo);
	if (r >= 0)
		r = read_table("/proc/self/cgroup", &self);
	if (r < 0 || mountinfo == NULL || self == NULL)
		return error_set(
			err, ENOTSUP, "cgroup.probe", "/proc does not tell: %s", strerrordesc_np(-r));
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_errno(err, "cgroup.probe", "open /");
	struct probe_input input = {.mountinfo = mountinfo, .self = self, .root_fd = root, .parent = parent};
	return probe_controllers(&input, ret, err);
}
