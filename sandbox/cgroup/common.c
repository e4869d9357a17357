#include "sandbox/cgroup/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The scheduler's bounds: a quota of at least 1 ms in a period of at most 1 s (scheduler/sched-bwc.rst). */
enum { PERIOD_USEC = 100 * 1000, PERIOD_MAX_USEC = 1000 * 1000, QUOTA_MIN_USEC = 1000 };

struct cgroup_bandwidth cgroup_bandwidth(const struct sandbox_limits *limits)
{
	struct cgroup_bandwidth cpu = {.period_usec = PERIOD_USEC};

	if (limits->cpu_millis * (PERIOD_USEC / 1000) < QUOTA_MIN_USEC)
		cpu.period_usec = PERIOD_MAX_USEC;
	cpu.quota_usec = limits->cpu_millis * (cpu.period_usec / 1000);
	return cpu;
}

int cgroup_pids_set(int dir, const struct sandbox_limits *limits, struct sandbox_error *err)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRIu64, limits->processes + 1);
	return cgroup_write(dir, "pids.max", text, err);
}

/* Linux 6.1: pids.peak, in v1 too. Fallback: 0, "the kernel does not tell". */
int cgroup_pids_evidence(
	struct cgroup *cgroup, struct cgroup_dir *dir, struct cgroup_evidence *ret, struct sandbox_error *err)
{
	(void)cgroup;
	ret->processes_peak = 0;
	int r = cgroup_read(dir, "pids.peak", NULL, &ret->processes_peak, NULL);
	if (r < 0 && r != -ENOENT)
		return error_set(err, -r, "cgroup.read", "pids.peak: %s", strerrordesc_np(-r));
	return cgroup_read(dir, "pids.events", "max", &ret->forks_refused, err);
}
