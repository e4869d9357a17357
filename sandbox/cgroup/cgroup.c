#include "sandbox/base/fd.h"
#include "sandbox/cgroup/internal.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Walks the controllers: the directory that one has in this group, and its operations. */
static struct cgroup_dir *dir_of(struct cgroup *cgroup, enum cgroup_controller controller)
{
	size_t tree = 0;

	while (!(cgroup->host->trees[tree].controllers & 1u << controller))
		tree++;
	return &cgroup->dirs[tree];
}

static const struct controller_ops *ops_of(const struct cgroup *cgroup, enum cgroup_controller controller)
{
	return cgroup_ops(cgroup->host->where[controller].version, controller);
}

static bool is_all_v2(const struct cgroup_host *host)
{
	return host->ntrees == 1 && host->trees[0].version == 2;
}

static struct cgroup *cgroup_free(struct cgroup *cgroup)
{
	if (cgroup == NULL)
		return NULL;
	for (size_t i = 0; i < CGROUP_CONTROLLER_N; i++) {
		cgroup_dir_close(&cgroup->dirs[i]);
		(void)fd_close(cgroup->join_fds[i]);
	}
	for (size_t i = 0; i < cgroup->nevents; i++)
		(void)fd_close(cgroup->events[i].fd);
	free(cgroup);
	return NULL;
}

static struct cgroup *cgroup_new(struct cgroup_host *host, const char *name)
{
	struct cgroup *cgroup = calloc(1, sizeof(*cgroup));

	if (cgroup == NULL)
		return NULL;
	cgroup->host = host;
	memcpy(cgroup->name, name, strlen(name) + 1);
	for (size_t i = 0; i < CGROUP_CONTROLLER_N; i++)
		cgroup->dirs[i].fd = cgroup->join_fds[i] = -1;
	return cgroup;
}

/* Makes the directory in one tree. Only mkdir's success says that it is fresh. */
static int make_dir(struct cgroup *cgroup, size_t i, struct sandbox_error *err)
{
	const struct cgroup_tree *tree = &cgroup->host->trees[i];

	if (mkdirat(tree->slot_fd, cgroup->name, 0700) < 0)
		return error_errno(err, "cgroup.create", "%s/%s: mkdir %s", tree->where->mount,
			cgroup->host->slot_name, cgroup->name);
	cgroup->dirs[i].fd =
		openat(tree->slot_fd, cgroup->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (cgroup->dirs[i].fd < 0) {
		int r = error_errno(err, "cgroup.create", "open %s", cgroup->name);
		(void)unlinkat(
			tree->slot_fd, cgroup->name, AT_REMOVEDIR); /* unmake_dirs() does not know of it */
		return r;
	}
	if (is_all_v2(cgroup->host))
		return 0;
	/* v1's cgroup.procs would move all threads of the writer under a global lock; `tasks` moves one. */
	const char *join = tree->version == 1 ? "tasks" : "cgroup.procs";
	cgroup->join_fds[i] = openat(cgroup->dirs[i].fd, join, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (cgroup->join_fds[i] < 0)
		return error_errno(err, "cgroup.create", "open %s/%s", cgroup->name, join);
	return 0;
}

static int tighten(int dir, const struct tight_row *row, struct sandbox_error *err)
{
	for (; row != NULL && row->file != NULL; row++) {
		struct sandbox_error local = {0};
		int r = cgroup_write(dir, row->file, row->value, &local);
		if (r == -ENOENT && row->is_optional)
			continue;
		if (r < 0)
			return error_set(err, -r, local.stage, "%s", local.message);
	}
	return 0;
}

static int prepare(struct cgroup *cgroup, enum cgroup_controller c, struct sandbox_error *err)
{
	const struct controller_ops *ops = ops_of(cgroup, c);
	int dir = dir_of(cgroup, c)->fd;

	int r = tighten(dir, ops->tight, err);
	if (r < 0 || ops->watch == NULL)
		return r;
	r = ops->watch(dir, &cgroup->events[cgroup->nevents], err);
	if (r == 0)
		cgroup->nevents++;
	return r;
}

/* Now, and not when somebody waits for them, or when no descriptor is left. */
static int open_figures(struct cgroup *cgroup, struct sandbox_error *err)
{
	struct cgroup_usage usage;
	struct cgroup_evidence evidence;
	int r = cgroup_usage(cgroup, &usage, err);

	return r < 0 ? r : cgroup_evidence(cgroup, &evidence, err);
}

static void unmake_dirs(struct cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->host->ntrees; i++)
		if (cgroup->dirs[i].fd >= 0)
			(void)unlinkat(cgroup->host->trees[i].slot_fd, cgroup->name, AT_REMOVEDIR);
}

int cgroup_create(struct cgroup_host *host, const char *name, struct cgroup **ret, struct sandbox_error *err)
{
	assert(strlen(name) < CGROUP_NAME_SIZE && name[0] != '.' && strchr(name, '/') == NULL);
	struct cgroup *cgroup = cgroup_new(host, name);
	int r = 0;

	if (cgroup == NULL)
		return error_set(err, ENOMEM, "cgroup.create", "no memory");
	for (size_t i = 0; r >= 0 && i < host->ntrees; i++)
		r = make_dir(cgroup, i, err);
	for (enum cgroup_controller c = 0; r >= 0 && c < CGROUP_CONTROLLER_N; c++)
		r = prepare(cgroup, c, err);
	if (r >= 0)
		r = open_figures(cgroup, err);
	if (r < 0) {
		unmake_dirs(cgroup);
		(void)cgroup_free(cgroup);
		return r;
	}
	*ret = cgroup;
	return 0;
}

int cgroup_set(struct cgroup *cgroup, const struct sandbox_limits *limits, struct sandbox_error *err)
{
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		const struct controller_ops *ops = ops_of(cgroup, c);
		int r = ops->set ? ops->set(dir_of(cgroup, c)->fd, limits, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

size_t cgroup_join_fds(const struct cgroup *cgroup, int ret[CGROUP_CONTROLLER_N])
{
	size_t n = 0;

	for (int is_accounting = 0; is_accounting <= 1; is_accounting++)
		for (size_t i = 0; i < cgroup->host->ntrees; i++) {
			unsigned accounts = cgroup->host->trees[i].controllers & 1U << CGROUP_CPUACCT;
			if (cgroup->join_fds[i] >= 0 && (accounts != 0) == is_accounting)
				ret[n++] = cgroup->join_fds[i];
		}
	return n;
}

int cgroup_into_fd(const struct cgroup *cgroup)
{
	return is_all_v2(cgroup->host) ? cgroup->dirs[0].fd : -1;
}

int cgroup_usage(struct cgroup *cgroup, struct cgroup_usage *ret, struct sandbox_error *err)
{
	return ops_of(cgroup, CGROUP_CPUACCT)->usage(dir_of(cgroup, CGROUP_CPUACCT), ret, err);
}

int cgroup_evidence(struct cgroup *cgroup, struct cgroup_evidence *ret, struct sandbox_error *err)
{
	struct cgroup_evidence found = {0};

	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		const struct controller_ops *ops = ops_of(cgroup, c);
		int r = ops->evidence ? ops->evidence(cgroup, dir_of(cgroup, c), &found, err) : 0;
		if (r < 0)
			return r;
	}
	*ret = found;
	return 0;
}

size_t cgroup_events(const struct cgroup *cgroup, struct cgroup_event ret[2], bool *needs_poll)
{
	const struct cgroup_where *where = cgroup->host->where;

	for (size_t i = 0; i < cgroup->nevents; i++)
		ret[i] = cgroup->events[i];
	/* v1 announces an OOM before the kill is counted, and refused forks not at all (v1.c). */
	*needs_poll = where[CGROUP_MEMORY].version == 1 || where[CGROUP_PIDS].version == 1;
	return cgroup->nevents;
}

void cgroup_event_clear(struct cgroup *cgroup, int fd)
{
	size_t i = 0;

	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N && i < cgroup->nevents; c++) {
		const struct controller_ops *ops = ops_of(cgroup, c);
		if (ops->watch != NULL && cgroup->events[i++].fd == fd)
			ops->clear(fd);
	}
}

static int kill_all(struct cgroup *cgroup)
{
	/* A cell's processes are in every tree, so that one is enough. */
	for (size_t i = 0; i < cgroup->host->ntrees; i++) {
		if (cgroup->host->trees[i].version != 2)
			continue;
		/* Linux 5.14: cgroup.kill. Fallback: as for v1. */
		int r = fd_write_file(cgroup->dirs[i].fd, "cgroup.kill", "1");
		if (r != -ENOENT)
			return r;
	}
	int n = cgroup_kill_listed(cgroup->dirs[0].fd);
	return n < 0 ? n : 0;
}

int cgroup_kill(struct cgroup *cgroup)
{
	int r = kill_all(cgroup);

	/* Whoever has used up his share of this period would end in the next. */
	for (enum cgroup_controller c = 0; c < CGROUP_CONTROLLER_N; c++) {
		const struct tight_row *brake = &ops_of(cgroup, c)->brake;
		if (brake->file != NULL)
			(void)fd_write_file(dir_of(cgroup, c)->fd, brake->file, brake->value);
	}
	return r;
}

void cgroup_forget(struct cgroup *cgroup)
{
	(void)cgroup_free(cgroup);
}

int cgroup_destroy(struct cgroup *cgroup)
{
	bool is_busy = false;

	for (size_t i = 0; i < cgroup->host->ntrees; i++)
		if (unlinkat(cgroup->host->trees[i].slot_fd, cgroup->name, AT_REMOVEDIR) < 0 &&
			errno != ENOENT)
			is_busy = true;
	if (is_busy)
		return CGROUP_BUSY;
	(void)cgroup_free(cgroup);
	return 0;
}
