/* An engine's slot.
 *
 * Slots are numbered per kernel, not per parent: the number also chooses user ids. So the lock is always a directory
 * at the top of the first hierarchy (as far up as this process can see), while the slot itself is below the parent;
 * usually that is the same directory. flock works on cgroupfs directories (the VFS does it, not the file system),
 * and mode 0700 keeps other users from holding the lock. A lock without a holder belongs to a dead engine. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/internal.h"
#include "sandbox/cgroup/probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

/* How long an engine's start or end may spend on emptying groups. */
#define SWEEP_NSEC UINT64_C(2000000000)

unsigned cgroup_host_slot(const struct cgroup_host *host)
{
	return host->slot;
}

/* ---- the trees ---- */

static int open_below(int dir, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, dir, path[0] ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int open_mount(const struct cgroup_where *where, struct sandbox_error *err)
{
	struct statfs fs;
	_cleanup_close_ int fd = open(where->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return error_errno(err, "cgroup.open", "%s", where->mount);
	if (fs.f_type != (where->version == 1 ? CGROUP_SUPER_MAGIC : CGROUP2_SUPER_MAGIC))
		return error_set(err, ENOTSUP, "cgroup.open", "%s is no cgroup file system", where->mount);
	return TAKE_FD(fd);
}

static int open_parent(int mount, const struct cgroup_where *where, struct sandbox_error *err)
{
	int fd = open_below(mount, where->parent);

	return fd >= 0 ? fd
		       : error_set(err, -fd, "cgroup.open", "%s/%s: %s", where->mount, where->parent,
				 strerrordesc_np(-fd));
}

/* Controllers that share a hierarchy (v2; v1's cpu,cpuacct) share a tree. */
static struct cgroup_tree *find_tree(struct cgroup_host *host, const struct cgroup_where *where)
{
	for (size_t i = 0; i < host->ntrees; i++)
		if (host->trees[i].version == where->version &&
			strcmp(host->trees[i].where->mount, where->mount) == 0)
			return &host->trees[i];
	return NULL;
}

static int add_tree(struct cgroup_host *host, const struct cgroup_where *where, struct cgroup_tree **ret,
	struct sandbox_error *err)
{
	struct cgroup_tree *tree = &host->trees[host->ntrees];
	_cleanup_close_ int mount = open_mount(where, err);
	if (mount < 0)
		return mount;
	int parent = open_parent(mount, where, err);
	if (parent < 0)
		return parent;
	*tree = (struct cgroup_tree){
		.version = where->version, .where = where, .parent_fd = parent, .slot_fd = -1};
	if (host->ntrees++ == 0)
		host->top_fd = TAKE_FD(mount);
	*ret = tree;
	return 0;
}

static int open_trees(struct cgroup_host *host, struct sandbox_error *err)
{
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		struct cgroup_tree *tree = find_tree(host, &host->where[c]);
		int r = tree == NULL ? add_tree(host, &host->where[c], &tree, err) : 0;
		if (tree == NULL)
			return r;
		tree->controllers |= 1u << c;
	}
	return 0;
}

/* ---- v2: handing controllers down ---- */

/* Hands TREE's controllers to the children of DIR. */
static int hand_down(const struct cgroup_tree *tree, int dir, struct sandbox_error *err)
{
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		char text[256], word[16];
		/* CPU time is counted without a controller. */
		if (!(tree->controllers & 1u << c) || c == CGROUP_CPUACCT)
			continue;
		if (fd_read_file(dir, "cgroup.subtree_control", text, sizeof(text)) >= 0 &&
			probe_has_word(text, ' ', cgroup_controller_name(c)))
			continue;
		(void)snprintf(word, sizeof(word), "+%s", cgroup_controller_name(c));
		int r = fd_write_file(dir, "cgroup.subtree_control", word);
		if (r < 0)
			return error_set(err, -r, "cgroup.delegate", "cgroup.subtree_control %s: %s", word,
				strerrordesc_np(-r));
	}
	return 0;
}

int cgroup_step_aside(const char *parent, struct sandbox_error *err)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];

	int r = cgroup_probe(parent, where, err);
	if (r < 0)
		return r;
	/* There is one v2 hierarchy: its first controller speaks for all. */
	size_t c = 0;
	while (c < CGROUP_CONTROLLER_N && where[c].version != 2)
		c++;
	if (c == CGROUP_CONTROLLER_N)
		return 0;
	_cleanup_close_ int mount = open_mount(&where[c], err);
	_cleanup_close_ int dir = mount < 0 ? mount : open_parent(mount, &where[c], err);
	if (dir < 0)
		return dir;
	if (probe_is_root(dir) || probe_procs(dir) != PROBE_PROCS_OWN)
		return 0;
	if (mkdirat(dir, PROBE_LEAF, 0755) < 0 && errno != EEXIST)
		return error_errno(err, "cgroup.delegate", "mkdir %s", PROBE_LEAF);
	r = fd_write_file(dir, PROBE_LEAF "/cgroup.procs", "0");
	return r < 0 ? error_set(err, -r, "cgroup.delegate", "join %s: %s", PROBE_LEAF, strerrordesc_np(-r))
		     : 0;
}

/* ---- slots ---- */

/* The number in "cofferdam-7"; -1 for any other name. */
static int slot_number(const char *name)
{
	char canonical[32];
	size_t prefix = strlen(CGROUP_PREFIX);

	if (strncmp(name, CGROUP_PREFIX, prefix) != 0)
		return -1;
	long n = strtol(name + prefix, NULL, 10);
	(void)snprintf(canonical, sizeof(canonical), CGROUP_PREFIX "%ld", n);
	return n >= 0 && n < CGROUP_SLOTS && strcmp(name, canonical) == 0 ? (int)n : -1;
}

static void slot_name(unsigned n, char ret[static 32])
{
	(void)snprintf(ret, 32, CGROUP_PREFIX "%u", n);
}

/* The lock of slot N (owned by the caller), -EWOULDBLOCK when a living engine has it, or another negative errno.
 * Between open and flock its former holder may have removed the directory: a lock on that locks nothing. */
static int lock_slot(int top, unsigned n)
{
	char name[32];
	slot_name(n, name);

	for (int attempt = 0; attempt < 16; attempt++) {
		struct stat held, named;
		if (mkdirat(top, name, 0700) < 0 && errno != EEXIST)
			return -errno;
		_cleanup_close_ int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
			return -errno;
		if (fstat(fd, &held) == 0 && fstatat(top, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
			held.st_ino == named.st_ino && held.st_dev == named.st_dev)
			return TAKE_FD(fd);
	}
	return -EWOULDBLOCK;
}

static int claim_slot(struct cgroup_host *host, struct sandbox_error *err)
{
	for (unsigned n = 0; n < CGROUP_SLOTS; n++) {
		int fd = lock_slot(host->top_fd, n);
		if (fd == -EWOULDBLOCK)
			continue;
		if (fd < 0)
			return error_set(err, -fd, "cgroup.slot", "%s/" CGROUP_PREFIX "%u: %s",
				host->trees[0].where->mount, n, strerrordesc_np(-fd));
		host->lock_fd = fd;
		host->slot = n;
		slot_name(n, host->slot_name);
		return 0;
	}
	return error_set(
		err, EUSERS, "cgroup.slot", "all %d slots are taken by living engines", CGROUP_SLOTS);
}

/* Our slot's directory in one tree, empty. It may be there already: as the lock, or as a dead engine's. */
static int open_slot(struct cgroup_host *host, struct cgroup_tree *tree, struct sandbox_error *err)
{
	if (mkdirat(tree->parent_fd, host->slot_name, 0700) < 0 && errno != EEXIST)
		return error_errno(err, "cgroup.slot", "%s: mkdir %s", tree->where->mount, host->slot_name);
	tree->slot_fd =
		openat(tree->parent_fd, host->slot_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree->slot_fd < 0)
		return error_errno(err, "cgroup.slot", "%s: open %s", tree->where->mount, host->slot_name);
	int r = cgroup_sweep(tree->slot_fd, cgroup_now_nsec() + SWEEP_NSEC);
	if (r < 0)
		return error_set(err, -r, "cgroup.slot",
			"%s/%s: a dead engine's groups cannot be removed: %s", tree->where->mount,
			host->slot_name, strerrordesc_np(-r));
	if (tree->version == 2)
		return hand_down(tree, tree->slot_fd, err);
	/* Before Linux 5.11 a v1 memory group below another was limited by itself only, unless asked; since then
	 * always. Cells have their own limits, so that a refusal does not matter. */
	if (tree->controllers & 1u << CGROUP_MEMORY)
		(void)fd_write_file(tree->slot_fd, "memory.use_hierarchy", "1");
	return 0;
}

static void close_slot_dir(int parent, const char *name, uint64_t deadline_nsec)
{
	_cleanup_close_ int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir >= 0 && cgroup_sweep(dir, deadline_nsec) == 0)
		(void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* Removes slot NAME, whose lock the caller holds, from all trees. The lock's directory goes last, and only once: from
 * then on another engine may take the name. */
static void remove_slot(const struct cgroup_host *host, const char *name, uint64_t deadline_nsec)
{
	bool lock_is_slot = host->ntrees > 0 && host->trees[0].where->parent[0] == '\0';

	for (size_t i = host->ntrees; i-- > 0;)
		close_slot_dir(host->trees[i].parent_fd, name, deadline_nsec);
	if (!lock_is_slot)
		(void)unlinkat(host->top_fd, name, AT_REMOVEDIR);
}

/* Notes the slots that have a directory in DIR. */
static void note_slots(int dir, bool seen[static CGROUP_SLOTS])
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);

	if (entries == NULL) {
		(void)fd_close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		int n = slot_number(entry->d_name);
		if (n >= 0)
			seen[n] = true;
	}
	(void)closedir(entries);
}

/* What resists within the time is left to the next engine: it harms nobody, its processes are dead or dying. */
static void sweep_dead(const struct cgroup_host *host)
{
	bool seen[CGROUP_SLOTS] = {false};
	uint64_t deadline_nsec = cgroup_now_nsec() + SWEEP_NSEC;

	note_slots(host->top_fd, seen);
	for (size_t i = 0; i < host->ntrees; i++)
		note_slots(host->trees[i].parent_fd, seen);
	for (unsigned n = 0; n < CGROUP_SLOTS; n++) {
		char name[32];
		if (!seen[n] || n == host->slot)
			continue;
		_cleanup_close_ int lock = lock_slot(host->top_fd, n);
		if (lock < 0)
			continue;
		slot_name(n, name);
		remove_slot(host, name, deadline_nsec);
	}
}

/* ---- can every limit be enforced? ---- */

/* Swap that no group accounts for would let a cell use memory without limit. */
static int check_swap(const struct cgroup_host *host, const struct cgroup *cgroup, struct sandbox_error *err)
{
	bool is_v1 = host->where[CGROUP_MEMORY].version == 1;
	const char *file = is_v1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max";
	char swaps[4096];

	for (size_t i = 0; i < host->ntrees; i++)
		if (host->trees[i].controllers & 1u << CGROUP_MEMORY &&
			faccessat(cgroup->dirs[i].fd, file, F_OK, 0) == 0)
			return 0;
	/* The first line is a heading; without swap in the kernel there is no such file. */
	ssize_t size = fd_read_file(AT_FDCWD, "/proc/swaps", swaps, sizeof(swaps));
	if (size == -ENOENT || (size >= 0 && strchr(swaps, '\n') == NULL))
		return 0;
	if (size < 0)
		return error_set(
			err, (int)-size, "cgroup.swap", "/proc/swaps: %s", strerrordesc_np((int)-size));
	return error_set(err, ENOTSUP, "cgroup.swap",
		"swap is on and not accounted for: swapoff -a, or boot with swapaccount=1");
}

/* One group made, limited, read and removed: what a kernel lacks is found now, not in the first run. */
static int try_out(struct cgroup_host *host, struct sandbox_error *err)
{
	const struct sandbox_limits limits = {.memory_bytes = 1 << 24, .processes = 8, .cpu_millis = 1000};
	struct cgroup *cgroup = NULL;

	int r = cgroup_create(host, "probe", &cgroup, err);
	if (r < 0)
		return r;
	r = check_swap(host, cgroup, err);
	if (r >= 0)
		r = cgroup_set(cgroup, &limits, err);
	if (cgroup_destroy(cgroup) == CGROUP_BUSY) { /* although nobody was ever in it */
		cgroup_forget(cgroup);
		return error_set(err, EBUSY, "cgroup.probe", "a group cannot be removed");
	}
	return r;
}

/* ---- open and close ---- */

static int open_host(struct cgroup_host *host, const char *parent, struct sandbox_error *err)
{
	int r = cgroup_probe(parent, host->where, err);
	if (r >= 0)
		r = open_trees(host, err);
	for (size_t i = 0; r >= 0 && i < host->ntrees; i++)
		r = host->trees[i].version == 2 ? hand_down(&host->trees[i], host->trees[i].parent_fd, err)
						: 0;
	if (r >= 0)
		r = claim_slot(host, err);
	for (size_t i = 0; r >= 0 && i < host->ntrees; i++)
		r = open_slot(host, &host->trees[i], err);
	if (r < 0)
		return r;
	sweep_dead(host);
	return try_out(host, err);
}

int cgroup_host_open(const char *parent, struct cgroup_host **ret, struct sandbox_error *err)
{
	struct cgroup_host *host = calloc(1, sizeof(*host));

	if (host == NULL)
		return error_set(err, ENOMEM, "cgroup.open", "no memory");
	host->top_fd = host->lock_fd = -1;
	int r = open_host(host, parent, err);
	if (r < 0) {
		(void)cgroup_host_close(host);
		return r;
	}
	*ret = host;
	return 0;
}

struct cgroup_host *cgroup_host_close(struct cgroup_host *host)
{
	if (host == NULL)
		return NULL;
	if (host->lock_fd >= 0)
		remove_slot(host, host->slot_name, cgroup_now_nsec() + SWEEP_NSEC);
	for (size_t i = 0; i < host->ntrees; i++) {
		(void)fd_close(host->trees[i].parent_fd);
		(void)fd_close(host->trees[i].slot_fd);
	}
	(void)fd_close(host->lock_fd);
	(void)fd_close(host->top_fd);
	free(host);
	return NULL;
}
