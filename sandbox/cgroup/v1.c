/* cgroup v1, by the kernel's Documentation/admin-guide/cgroup-v1/ and scheduler/sched-bwc.rst. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static const struct tight_row tight_cpu[] = {
	{"cpu.cfs_period_us", "100000", false},
	{"cpu.cfs_quota_us", "1000", false},
	{NULL},
};

static int set_cpu(int dir, const struct sandbox_limits *limits, struct sandbox_error *err)
{
	char quota[32], period[32];
	struct cgroup_bandwidth cpu = cgroup_bandwidth(limits);

	(void)snprintf(period, sizeof(period), "%" PRIu64, cpu.period_usec);
	(void)snprintf(quota, sizeof(quota), "%" PRIu64, cpu.quota_usec);
	int r = cgroup_write(dir, "cpu.cfs_period_us", period, err);
	return r < 0 ? r : cgroup_write(dir, "cpu.cfs_quota_us", quota, err);
}

/* The total is exact. User and system time are sampled at ticks and need not add up to it: they only divide it, as
 * the kernel itself does for v2 and getrusage (cputime_adjust). */
static int usage(struct cgroup_dir *dir, struct cgroup_usage *ret, struct sandbox_error *err)
{
	uint64_t total, user, system;

	int r = cgroup_read(dir, "cpuacct.usage", NULL, &total, err);
	if (r >= 0)
		r = cgroup_read(dir, "cpuacct.usage_user", NULL, &user, err);
	if (r >= 0)
		r = cgroup_read(dir, "cpuacct.usage_sys", NULL, &system, err);
	if (r < 0)
		return r;
	if (user + system == 0)
		user = 1;
	__extension__ typedef unsigned __int128 wide;
	ret->cpu_usec = total / 1000;
	ret->user_usec = (uint64_t)((wide)ret->cpu_usec * user / (user + system));
	ret->system_usec = ret->cpu_usec - ret->user_usec;
	return 0;
}

static const struct tight_row tight_memory[] = {
	/* With 0 the kernel never swaps this group's memory, whatever the limit on swap (v1/memory.rst, 5.3). */
	{"memory.swappiness", "0", false},
	{"memory.limit_in_bytes", "0", false},
	/* Absent when swap is not counted. host.c refuses a host where swap is on and not counted. */
	{"memory.memsw.limit_in_bytes", "0", true},
	{NULL},
};

/* Memory together with swap can never be limited below memory alone, so the order depends on the direction. */
static int set_memory(int dir, const struct sandbox_limits *limits, struct sandbox_error *err)
{
	uint64_t bytes = limits->memory_bytes;
	bool has_memsw = faccessat(dir, "memory.memsw.limit_in_bytes", F_OK, 0) == 0;

	if (!has_memsw)
		return cgroup_write_bytes(dir, "memory.limit_in_bytes", bytes, err);
	if (cgroup_write_bytes(dir, "memory.memsw.limit_in_bytes", bytes, NULL) == 0)
		return cgroup_write_bytes(dir, "memory.limit_in_bytes", bytes, err);
	int r = cgroup_write_bytes(dir, "memory.limit_in_bytes", bytes, err);
	return r < 0 ? r : cgroup_write_bytes(dir, "memory.memsw.limit_in_bytes", bytes, err);
}

static int evidence_memory(
	struct cgroup *cgroup, struct cgroup_dir *dir, struct cgroup_evidence *ret, struct sandbox_error *err)
{
	(void)cgroup;
	/* Linux 4.13: oom_kill in memory.oom_control. No fallback: without it there is no evidence. */
	int r = cgroup_read(dir, "memory.oom_control", "oom_kill", &ret->oom_kills, err);
	return r < 0 ? r : cgroup_read(dir, "memory.max_usage_in_bytes", NULL, &ret->memory_peak_bytes, err);
}

static int watch_memory(int dir, struct cgroup_event *ret, struct sandbox_error *err)
{
	char text[64];
	_cleanup_close_ int control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_close_ int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (control < 0 || event < 0)
		return error_errno(err, "cgroup.watch", "memory.oom_control");
	(void)snprintf(text, sizeof(text), "%d %d", event, control);
	int r = fd_write_file(dir, "cgroup.event_control", text);
	if (r < 0)
		return error_set(err, -r, "cgroup.watch", "cgroup.event_control: %s", strerrordesc_np(-r));
	*ret = (struct cgroup_event){.fd = TAKE_FD(event), .events = EPOLLIN};
	return 0;
}

static void clear_memory(int fd)
{
	eventfd_t count;

	(void)eventfd_read(fd, &count);
}

static const struct tight_row tight_pids[] = {{"pids.max", "0", false}, {NULL}};

/* No watch for pids: Linux 6.11 and later count refused forks in v1's pids.events but wake neither poll nor inotify
 * (seen on 6.18); earlier kernels do. The counter is right on all of them, so it is looked at instead. */
const struct controller_ops cgroup_v1_ops[CGROUP_CONTROLLER_N] = {
	[CGROUP_CPU] = {.tight = tight_cpu, .brake = {"cpu.cfs_quota_us", "-1", false}, .set = set_cpu},
	[CGROUP_CPUACCT] = {.usage = usage},
	[CGROUP_MEMORY] = {.tight = tight_memory,
		.set = set_memory,
		.evidence = evidence_memory,
		.watch = watch_memory,
		.clear = clear_memory},
	[CGROUP_PIDS] = {.tight = tight_pids, .set = cgroup_pids_set, .evidence = cgroup_pids_evidence},
};
