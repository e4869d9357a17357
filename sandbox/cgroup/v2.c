/* cgroup v2, by the kernel's Documentation/admin-guide/cgroup-v2.rst. */
#include "sandbox/base/fd.h"
#include "sandbox/cgroup/internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>

static const struct tight_row tight_cpu[] = {{"cpu.max", "1000 100000", false}, {NULL}};

static int set_cpu(int dir, const struct sandbox_limits *limits, struct sandbox_error *err)
{
	char text[64];
	struct cgroup_bandwidth cpu = cgroup_bandwidth(limits);

	(void)snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, cpu.quota_usec, cpu.period_usec);
	return cgroup_write(dir, "cpu.max", text, err);
}

static int usage(struct cgroup_dir *dir, struct cgroup_usage *ret, struct sandbox_error *err)
{
	char text[1024];
	ssize_t size = cgroup_text(dir, "cpu.stat", text, sizeof(text));

	if (size < 0)
		return error_set(err, (int)-size, "cgroup.read", "cpu.stat: %s", strerrordesc_np((int)-size));
	if (cgroup_find(text, "usage_usec", &ret->cpu_usec) < 0 ||
		cgroup_find(text, "user_usec", &ret->user_usec) < 0 ||
		cgroup_find(text, "system_usec", &ret->system_usec) < 0)
		return error_set(
			err, ENODATA, "cgroup.read", "cpu.stat lacks usage_usec, user_usec or system_usec");
	return 0;
}

static const struct tight_row tight_memory[] = {
	/* Absent in kernels without swap. host.c refuses a host where swap is on and not counted. */
	{"memory.swap.max", "0", true},
	/* Linux 5.19: compressed swap in memory. */
	{"memory.zswap.max", "0", true},
	/* Linux 4.19: an OOM kill takes the whole cell. Fallback: it takes one process, and the engine the rest. */
	{"memory.oom.group", "1", true},
	{"memory.max", "0", false},
	{NULL},
};

static int set_memory(int dir, const struct sandbox_limits *limits, struct sandbox_error *err)
{
	return cgroup_write_bytes(dir, "memory.max", limits->memory_bytes, err);
}

/* Linux 5.19: memory.peak. Fallback: the largest memory.current that was read; too small when the peak was short. */
static int read_peak(struct cgroup *cgroup, struct cgroup_dir *dir, uint64_t *ret, struct sandbox_error *err)
{
	int r = cgroup_read(dir, "memory.peak", NULL, ret, NULL);

	if (r != -ENOENT)
		return r < 0 ? error_set(err, -r, "cgroup.read", "memory.peak: %s", strerrordesc_np(-r)) : 0;
	r = cgroup_read(dir, "memory.current", NULL, ret, err);
	if (r < 0)
		return r;
	if (*ret > cgroup->memory_seen)
		cgroup->memory_seen = *ret;
	*ret = cgroup->memory_seen;
	return 0;
}

static int evidence_memory(
	struct cgroup *cgroup, struct cgroup_dir *dir, struct cgroup_evidence *ret, struct sandbox_error *err)
{
	int r = cgroup_read(dir, "memory.events", "oom_kill", &ret->oom_kills, err);

	return r < 0 ? r : read_peak(cgroup, dir, &ret->memory_peak_bytes, err);
}

/* Reading is what arms a kernfs file: poll compares the file's event counter with the one at the last read. */
static void clear(int fd)
{
	char text[512];

	ssize_t ignored = pread(fd, text, sizeof(text), 0);
	(void)ignored;
}

static int watch_file(int dir, const char *file, struct cgroup_event *ret, struct sandbox_error *err)
{
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_errno(err, "cgroup.watch", "%s", file);
	clear(fd);
	*ret = (struct cgroup_event){.fd = fd, .events = EPOLLPRI};
	return 0;
}

static int watch_memory(int dir, struct cgroup_event *ret, struct sandbox_error *err)
{
	return watch_file(dir, "memory.events", ret, err);
}

static const struct tight_row tight_pids[] = {{"pids.max", "0", false}, {NULL}};

static int watch_pids(int dir, struct cgroup_event *ret, struct sandbox_error *err)
{
	return watch_file(dir, "pids.events", ret, err);
}

const struct controller_ops cgroup_v2_ops[CGROUP_CONTROLLER_N] = {
	[CGROUP_CPU] = {.tight = tight_cpu, .brake = {"cpu.max", "max", false}, .set = set_cpu},
	[CGROUP_CPUACCT] = {.usage = usage},
	[CGROUP_MEMORY] = {.tight = tight_memory,
		.set = set_memory,
		.evidence = evidence_memory,
		.watch = watch_memory,
		.clear = clear},
	[CGROUP_PIDS] = {.tight = tight_pids,
		.set = cgroup_pids_set,
		.evidence = cgroup_pids_evidence,
		.watch = watch_pids,
		.clear = clear},
};
