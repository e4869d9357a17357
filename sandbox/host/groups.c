/* cgroup controllers, and what their groups have: looked at in a slot that is claimed for the moment. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/host/internal.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

static enum host_status probe_controller(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	const struct cgroup_where *here = &where[row->number];
	struct sandbox_error err = {0};

	(void)cgroup_probe(paths->cgroup_parent, where, &err);
	if (here->version == 0)
		return host_say(ret, HOST_MISSING, "%s", here->reason[0] ? here->reason : err.message);
	return host_say(ret, HOST_OK, "cgroup v%d at %.100s%s%.70s", here->version, here->mount,
		here->parent[0] ? "/" : "", here->parent);
}

/* Opening a slot tries every limit once. */
static enum host_status probe_limits(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row;
	struct cgroup_host *host = NULL;
	struct sandbox_error err = {0};

	if (cgroup_host_open(paths->cgroup_parent, &host, &err) < 0)
		return host_say(ret, HOST_MISSING, "%.30s: %.150s", err.stage, err.message);
	(void)cgroup_host_close(host);
	return host_say(ret, HOST_OK, "memory, process and CPU limits are held by the kernel");
}

/* Does a slot's memory group have FILE? -1 with RET filled when there can be no slot. */
static int slot_has(const char *file, const struct host_paths *paths, struct host_control *ret)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];
	struct cgroup_host *host = NULL;
	struct sandbox_error err = {0};
	char path[1200];

	if (cgroup_probe(paths->cgroup_parent, where, &err) < 0 ||
		cgroup_host_open(paths->cgroup_parent, &host, &err) < 0) {
		(void)host_say(ret, HOST_MISSING, "cannot be told: %.150s", err.message);
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/%s/cofferdam-%u/%s", where[CGROUP_MEMORY].mount,
		where[CGROUP_MEMORY].parent, cgroup_host_slot(host), file);
	bool is_there = access(path, F_OK) == 0;
	(void)cgroup_host_close(host);
	return is_there;
}

static int memory_version(const struct host_paths *paths)
{
	struct cgroup_where where[CGROUP_CONTROLLER_N];

	(void)cgroup_probe(paths->cgroup_parent, where, NULL);
	return where[CGROUP_MEMORY].version;
}

static enum host_status probe_peak(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row;
	const char *file = memory_version(paths) == 1 ? "memory.max_usage_in_bytes" : "memory.peak";
	int has = slot_has(file, paths, ret);

	if (has < 0)
		return HOST_MISSING;
	if (has == 0)
		return host_say(ret, HOST_WARN, "no %s: peaks are the largest value that was read", file);
	return host_say(ret, HOST_OK, "%s", file);
}

static enum host_status probe_swap(
	const struct host_row *row, const struct host_paths *paths, struct host_control *ret)
{
	(void)row;
	char swaps[4096];

	/* The first line is a heading; a kernel without swap has no such file. */
	ssize_t size = fd_read_file(AT_FDCWD, "/proc/swaps", swaps, sizeof(swaps));
	if (size < 0 || strchr(swaps, '\n') == NULL)
		return host_say(ret, HOST_OK, "off");
	const char *file = memory_version(paths) == 1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max";
	int has = slot_has(file, paths, ret);
	if (has <= 0)
		return has < 0 ? HOST_MISSING : host_say(ret, HOST_MISSING, "on, and there is no %s", file);
	return host_say(ret, HOST_OK, "on, and limited to nothing in every cell");
}

#define CONTROLLER(label, id)                                                                                \
	{                                                                                                    \
		.name = "cgroup." label, .probe = probe_controller, .number = (id),                          \
		.remedy =                                                                                    \
			"be root, with the controller enabled in the kernel and cgroups mounted read-write"  \
	}

const struct host_row host_group_rows[] = {
	CONTROLLER("cpu", CGROUP_CPU),
	CONTROLLER("cpuacct", CGROUP_CPUACCT),
	CONTROLLER("memory", CGROUP_MEMORY),
	CONTROLLER("pids", CGROUP_PIDS),
	{.name = "cgroup.limits",
		.probe = probe_limits,
		.remedy = "be root; a kernel with CONFIG_CFS_BANDWIDTH, CONFIG_MEMCG and CONFIG_CGROUP_PIDS"},
	{.name = "cgroup.memory-peak",
		.probe = probe_peak,
		.remedy = "a kernel of 5.19 or later for exact memory peaks"},
	{.name = "cgroup.swap", .probe = probe_swap, .remedy = "swapoff -a, or boot with swapaccount=1"},
	{0},
};
