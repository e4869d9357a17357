/* landlock.c: who may do what with which file, said a second time, and bound to the process instead of to its namespaces.
 *
 * The mounts (mounts.c) make the image read-only and everything else absent. Landlock says the same about inodes, for the
 * target and all it will ever start: whatever way a job found past a namespace (a descriptor that leads out of the cell,
 * a mount that appears in it), what is not below a place named here cannot be opened. It also covers what mounts cannot:
 * signals and abstract sockets leave the cell's domain in no direction, no TCP, no ioctl on a device, no change of the
 * mount tree, no tracing of what is outside of the domain.
 *
 * Init builds the ruleset before it says READY, and is not under it: it kills, and it writes and reads files, with the
 * same rights as the job. The target puts it on. */
#include "sandbox/cell/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/sys.h"

#include <dirent.h>
#include <linux/landlock.h>
#include <string.h>

/* What newer headers have. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#define LANDLOCK_ACCESS_NET_BIND_TCP (1ULL << 0)
#define LANDLOCK_ACCESS_NET_CONNECT_TCP (1ULL << 1)
#endif
#ifndef LANDLOCK_SCOPE_SIGNAL
#define LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)
#endif

/* The kernel's landlock_ruleset_attr as of ABI 6. Older kernels take it while the fields they do not know are 0. */
struct ruleset {
	uint64_t handled_fs, handled_net, scoped;
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define EXECUTE LANDLOCK_ACCESS_FS_EXECUTE
/* All changes but the making of devices. */
#define WRITE                                                                                                \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |    \
		LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |   \
		LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER |      \
		LANDLOCK_ACCESS_FS_TRUNCATE)
#define DEVICES (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

/* What each ABI added. A right that is not handled is not refused: there the mounts and the seccomp program stand
 * alone, as they do where there is no Landlock. */
static const struct {
	int abi;
	struct ruleset adds;
} abis[] = {
	{2, {.handled_fs = READ | EXECUTE | DEVICES |
			   (WRITE & ~LANDLOCK_ACCESS_FS_TRUNCATE)}},			      /* Linux 5.19 */
	{3, {.handled_fs = LANDLOCK_ACCESS_FS_TRUNCATE}},				      /* Linux 6.2 */
	{4, {.handled_net = LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP}}, /* Linux 6.7 */
	{5, {.handled_fs = LANDLOCK_ACCESS_FS_IOCTL_DEV}},				      /* Linux 6.10 */
	{6, {.scoped = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL}},	      /* Linux 6.12 */
};

struct rules {
	int fd;
	uint64_t handled;
	struct sandbox_error *err;
};

/* Grants RIGHTS, as far as this kernel knows them, for PATH and all below it. */
static int grant(const struct rules *rules, const char *path, uint64_t rights)
{
	_cleanup_close_ int at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {.allowed_access = rights & rules->handled, .parent_fd = at};

	if (at < 0)
		return error_errno(rules->err, "cell.landlock", "%s", path);
	if (syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return error_errno(rules->err, "cell.landlock", "rule for %s", path);
	return 0;
}

/* What an image brings may be executed. Not "/" as a whole: rights add up on the way down, and /box and /tmp are to
 * have fewer. */
static int grant_programs(const struct rules *rules, const struct dirent64 *entry)
{
	static const char *const ours[] = {".", "..", "box", "tmp", "proc", "dev"};
	char path[sizeof(entry->d_name) + 1];

	if (entry->d_type == DT_LNK)
		return 0; /* it leads to what is granted where it lies */
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strcmp(entry->d_name, ours[i]) == 0)
			return 0;
	(void)snprintf(path, sizeof(path), "/%s", entry->d_name);
	return grant(rules, path, EXECUTE);
}

static int grant_image(const struct rules *rules)
{
	static char buf[4096] __attribute__((aligned(16)));
	_cleanup_close_ int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t n = 0;

	int r = fd < 0 ? error_errno(rules->err, "cell.landlock", "/") : grant(rules, "/", READ);
	while (r == 0 && (n = getdents64(fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; r == 0 && at < n;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buf + at);
			r = grant_programs(rules, entry);
			at += entry->d_reclen;
		}
	return r == 0 && n < 0 ? error_errno(rules->err, "cell.landlock", "list /") : r;
}

static int grant_writable(const struct rules *rules, const struct wire_order *order)
{
	uint64_t rights = WRITE | (order->can_execute_files ? EXECUTE : 0);

	int r = grant(rules, "/box", rights);
	if (r == 0)
		r = grant(rules, "/tmp", rights);
	for (uint32_t i = 0; r == 0 && i < order->nwritable; i++)
		r = grant(rules, order->writable[i], rights);
	/* Its nodes; the directory itself is on a read-only mount. */
	return r == 0 ? grant(rules, "/dev", LANDLOCK_ACCESS_FS_WRITE_FILE) : r;
}

int landlock_open(const struct wire_order *order, int abi, int *ret, struct sandbox_error *err)
{
	struct ruleset ruleset = {0};

	if (abi < LAYERS_LANDLOCK_LEAST)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(abis) && abis[i].abi <= abi; i++) {
		ruleset.handled_fs |= abis[i].adds.handled_fs;
		ruleset.handled_net |= abis[i].adds.handled_net;
		ruleset.scoped |= abis[i].adds.scoped;
	}
	_cleanup_close_ int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0)
		return error_errno(err, "cell.landlock", "ruleset of ABI %d", abi);
	const struct rules rules = {.fd = fd, .handled = ruleset.handled_fs, .err = err};
	int r = grant_image(&rules);
	if (r == 0)
		r = grant_writable(&rules, order);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

int landlock_enter(int *ruleset_fd)
{
	if (*ruleset_fd < 0)
		return 0;
	int r = (int)syscall(SYS_landlock_restrict_self, *ruleset_fd, 0);
	*ruleset_fd = fd_close(*ruleset_fd);
	return r;
}
