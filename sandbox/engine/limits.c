/* limits.c: the limits as events. Nothing ticks: a run is looked at when its cgroup reports something, when its wall
 * time is over, or at the earliest moment at which its CPU budget can be used up. */
#include "sandbox/engine/engine.h"

#include "sandbox/base/priority.h"
#include "sandbox/cell/sys.h"

#include <errno.h>

enum {
	POLL_FIRST_NSEC = 1000 * 1000,	   /* after an OOM event whose kill is not counted yet */
	POLL_LONG_NSEC = 20 * 1000 * 1000, /* where the kernel has no event for refused forks */
	CPU_CHECK_MIN_NSEC = 500 * 1000,
	CPU_CHECK_MAX_NSEC = 8 * 1000 * 1000, /* a run that sleeps near its limit: many may do */
	BOOK_EVERY_NSEC = 200 * 1000, /* that many runs are near theirs does not make it more frequent */
	BOOK_CPUS_MAX = 8,	      /* more would take too long */
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

/* Makes the kernel book what runs at this moment, which it does by itself at ticks, and when a process stops running. The
 * thread stays before ordinary ones until no run is near its limit (limits_calm): it might have to wait for a tick between.
 * False: this host does not let it; the limit then holds to a tick. */
static bool book(struct sandbox *sandbox)
{
	uint64_t now = sys_now_nsec();

	if (sandbox->cpus > BOOK_CPUS_MAX)
		return false;
	if (sandbox->booked_nsec + BOOK_EVERY_NSEC > now)
		return true;
	if (!sandbox->is_first && priority_first(&sandbox->ordinary) < 0)
		return false;
	sandbox->is_first = true;
	if (priority_visit_cpus(&sandbox->ordinary) < 0)
		return false;
	sandbox->booked_nsec = now;
	return true;
}

void limits_calm(struct sandbox *sandbox)
{
	if (!sandbox->is_first)
		return;
	for (const struct sandbox_run *run = sandbox->runs; run != NULL; run = run->next)
		if (run->state == RUN_RUNNING && run->is_near_cpu_limit)
			return;
	if (priority_restore(&sandbox->ordinary) == 0)
		sandbox->is_first = false;
}

/* At the earliest moment at which all CPUs together can have used up what is left, look again; later when it sleeps. */
static void check_cpu(struct sandbox_run *run)
{
	struct sandbox_error err = {0};
	uint64_t used = 0, lag = (uint64_t)CPU_LAG_USEC * run->sandbox->cpus;
	bool is_booked = false;

	int r = read_cpu(run, &used, &err);
	if (r == 0 && used <= run->limits.cpu_usec && used + lag > run->limits.cpu_usec) {
		is_booked = book(run->sandbox);
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
	bool has_slept = is_booked && used == run->cpu_seen_usec;
	run->cpu_seen_usec = used;
	run->is_near_cpu_limit = is_booked && !has_slept;
	if (!has_slept)
		run->cpu_pause_nsec = CPU_CHECK_MIN_NSEC;
	else if (run->cpu_pause_nsec < CPU_CHECK_MAX_NSEC)
		run->cpu_pause_nsec *= 2;
	/* From afar, to where it is near: there the thread takes its place, so that it is not late at the limit itself. */
	uint64_t left = run->limits.cpu_usec - used;
	uint64_t wait = (left > lag ? left - lag : left) * 1000 / run->sandbox->cpus;
	run->cpu_check_nsec = sys_now_nsec() + (wait > run->cpu_pause_nsec ? wait : run->cpu_pause_nsec);
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
		check_cpu(run);
	if (has_deadline(run) && run->state < RUN_ENDING && run->poll_nsec <= now_nsec)
		check_counters(run, run->cell->must_poll ? now_nsec + POLL_LONG_NSEC : NSEC_NEVER);
	if (has_deadline(run) && run->deadline_nsec <= now_nsec)
		on_deadline(run);
}

void limits_start(struct sandbox_run *run)
{
	run->deadline_nsec = run->started_nsec + run->limits.wall_usec * 1000;
	run->cpu_pause_nsec = CPU_CHECK_MIN_NSEC;
	run->cpu_check_nsec = run->started_nsec; /* at once: computes the first real one */
	run->poll_nsec = run->cell->must_poll ? run->started_nsec + POLL_LONG_NSEC : NSEC_NEVER;
}
