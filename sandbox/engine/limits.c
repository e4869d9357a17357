/* limits.c: the limits as events. Nothing ticks: a run is looked at when its cgroup reports something, when its wall
 * time is over, or at the earliest moment at which its CPU budget can be used up. */
#include "sandbox/engine/engine.h"

#include "sandbox/cell/sys.h"

#include <errno.h>

enum {
	POLL_FIRST_NSEC = 1000 * 1000,	   /* after an OOM event whose kill is not counted yet */
	POLL_LONG_NSEC = 20 * 1000 * 1000, /* where the kernel has no event for refused forks */
	CPU_CHECK_MIN_NSEC = 500 * 1000,
	CPU_LAG_USEC = 10 * 1000, /* the longest tick (HZ=100): so much of each CPU may not be booked yet */
};

/* Memory and process limits show in the cgroup's counters. An OOM event comes before its kill is counted, hence the
 * second look. */
static void check_counters(struct sandbox_run *run, uint64_t again_nsec)
{
	struct cgroup_evidence evidence;
	struct sandbox_error err = {0};

	if (run->state >= RUN_ENDING)
		return;
	if (cgroup_evidence(run->cell->cgroup, &evidence, &err) < 0)
		run_fail(run, &err);
	else if (evidence.oom_kills > 0)
		run_kill(run, SANDBOX_MEMORY_LIMIT);
	else if (evidence.forks_refused > 0)
		run_kill(run, SANDBOX_PROCESS_LIMIT);
	else
		run->poll_nsec = again_nsec;
}

void limits_look(struct sandbox_run *run)
{
	check_counters(run, sys_now_nsec() + POLL_FIRST_NSEC);
}

static int read_cpu(struct sandbox_run *run, uint64_t *ret, struct sandbox_error *err)
{
	struct cgroup_usage usage;

	int r = cgroup_usage(run->cell->cgroup, &usage, err);
	if (r == 0)
		*ret = usage.cpu_usec > run->setup_cpu_usec ? usage.cpu_usec - run->setup_cpu_usec : 0;
	return r;
}

/* At the earliest moment at which all CPUs together can have used up what is left, look again. */
static void check_cpu(struct sandbox_run *run, uint64_t now_nsec)
{
	struct sandbox_error err = {0};
	uint64_t used = 0;

	int r = read_cpu(run, &used, &err);
	if (r == 0 && used <= run->limits.cpu_usec &&
		used + (uint64_t)CPU_LAG_USEC * run->sandbox->cpus > run->limits.cpu_usec) {
		cgroup_book(run->cell->cgroup);
		r = read_cpu(run, &used, &err);
	}
	if (r < 0) {
		run_fail(run, &err);
		return;
	}
	if (used > run->limits.cpu_usec) {
		run_kill(run, SANDBOX_CPU_LIMIT);
		return;
	}
	uint64_t wait = (run->limits.cpu_usec - used) * 1000 / run->sandbox->cpus;
	run->cpu_check_nsec = now_nsec + (wait > CPU_CHECK_MIN_NSEC ? wait : CPU_CHECK_MIN_NSEC);
}

/* Not before the cell is there (the launcher answers every order), not after it is gone. */
static bool has_deadline(const struct sandbox_run *run)
{
	return run->cell != NULL && run->cell->pidfd >= 0;
}

uint64_t limits_next_deadline(const struct sandbox_run *run)
{
	uint64_t next = run->deadline_nsec;

	if (!has_deadline(run))
		return NSEC_NEVER;
	if (run->state == RUN_RUNNING && run->cpu_check_nsec < next)
		next = run->cpu_check_nsec;
	if (run->state < RUN_ENDING && run->poll_nsec < next)
		next = run->poll_nsec;
	return next;
}

static void on_deadline(struct sandbox_run *run)
{
	struct sandbox_error err = {0};

	if (run->state == RUN_RUNNING) {
		run_kill(run, SANDBOX_WALL_LIMIT);
	} else if (run->state == RUN_ENDING) {
		run_end(run); /* the files stay "missing" */
	} else if (run->state == RUN_KILLED) {
		/* Something in the cell cannot die (an uninterruptible sleep). It is reported, and its cgroup and user
		 * id stay out of use until it is gone. */
		(void)error_set(
			&err, ETIMEDOUT, "cell.teardown", "not gone %d s after SIGKILL", ENGINE_KILL_SEC);
		run_abandon(run, &err);
	} else {
		(void)error_set(&err, ETIMEDOUT, "cell.setup", "not started within %d s", ENGINE_SETUP_SEC);
		run_fail(run, &err);
	}
}

void limits_on_time(struct sandbox_run *run, uint64_t now_nsec)
{
	if (run->state == RUN_RUNNING && run->cpu_check_nsec <= now_nsec)
		check_cpu(run, now_nsec);
	if (has_deadline(run) && run->state < RUN_ENDING && run->poll_nsec <= now_nsec)
		check_counters(run, run->cell->must_poll ? now_nsec + POLL_LONG_NSEC : NSEC_NEVER);
	if (has_deadline(run) && run->deadline_nsec <= now_nsec)
		on_deadline(run);
}

void limits_start(struct sandbox_run *run)
{
	run->deadline_nsec = run->started_nsec + run->limits.wall_usec * 1000;
	run->cpu_check_nsec = run->started_nsec; /* at once: computes the first real one */
	run->poll_nsec = run->cell->must_poll ? run->started_nsec + POLL_LONG_NSEC : NSEC_NEVER;
}
