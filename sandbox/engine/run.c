/* run.c: one run's way through its states (engine.h). */
#include "sandbox/engine/engine.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/sys.h"
#include "sandbox/policy/filter.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* --- the end ------------------------------------------------------------------------------------------------- */

void run_end(struct sandbox_run *run)
{
	if (run->state >= RUN_KILLED)
		return;
	run->state = RUN_KILLED;
	run->deadline_nsec = sys_now_nsec() + ENGINE_KILL_SEC * NSEC_PER_SEC;
	if (run->cell != NULL)
		cell_kill(run->cell);
}

void run_fail(struct sandbox_run *run, const struct sandbox_error *err)
{
	if (run->error.errno_value == 0)
		run->error = *err;
	run_end(run);
}

void run_kill(struct sandbox_run *run, enum sandbox_cause reason)
{
	if (run->state >= RUN_ENDING)
		return; /* what ended it is decided */
	run->facts.is_killed = true;
	run->facts.kill_reason = reason;
	run_end(run);
}

static void close_pumps(struct sandbox_run *run)
{
	for (size_t i = 0; i < ARRAY_SIZE(run->pumps); i++)
		pump_close(&run->pumps[i]);
}

/* The run needs its cell no more, or does not get it. */
static void let_go(struct sandbox_run *run)
{
	struct cell *cell = run->cell;

	run->cell = NULL;
	if (cell == NULL)
		return;
	if (run->state == RUN_ACQUIRING)
		cell->run = NULL; /* nothing of the run is in it yet: it can serve another */
	else
		cell_leave(cell);
}

void run_abandon(struct sandbox_run *run, const struct sandbox_error *err)
{
	if (err->errno_value != 0 && run->error.errno_value == 0)
		run->error = *err;
	let_go(run);
	close_pumps(run);
	run->state = RUN_GONE;
	run_settle(run);
}

void sandbox_cancel(struct sandbox_run *run)
{
	enum run_state was = run->state;

	if (was == RUN_ACQUIRING)
		let_go(run);
	run_kill(run, SANDBOX_CANCELLED);
	run_end(run);	  /* also while result files are copied: nobody wants them */
	close_pumps(run); /* whoever cancels does not read on */
	if (was == RUN_WAITING)
		orders_withdraw(run); /* it may be reported, and freed, before its turn comes */
	if (was == RUN_WAITING || was == RUN_ACQUIRING)
		run->state = RUN_GONE; /* there is no cell */
	/* Not from here: DONE is called by sandbox_dispatch alone. When it fails, the next event does as well: the cell's
	 * end, or the launcher's reply that a waiting run waits for. */
	(void)engine_wake(run->sandbox, NULL);
}

/* Reads the cgroup while it says what the target did: before result files are copied, or once the cell is gone. */
static void read_evidence(struct sandbox_run *run)
{
	struct cgroup_usage usage = {0};
	struct cgroup_evidence evidence = {0};
	struct sandbox_error err = {0};

	if (run->has_evidence || run->cell == NULL)
		return;
	if (cgroup_usage(run->cell->cgroup, &usage, &err) < 0 ||
		cgroup_evidence(run->cell->cgroup, &evidence, &err) < 0) {
		run_fail(run, &err);
		return;
	}
	run->has_evidence = true;
	struct sandbox_result *result = &run->result;
	result->cpu_usec = usage.cpu_usec > run->setup_cpu_usec ? usage.cpu_usec - run->setup_cpu_usec : 0;
	/* The kernel samples which of the two it was; the total is exact. What init used is taken from both alike. */
	if (usage.cpu_usec > 0)
		result->cpu_user_usec = (uint64_t)((double)usage.user_usec / (double)usage.cpu_usec *
						   (double)result->cpu_usec);
	if (result->cpu_user_usec > result->cpu_usec)
		result->cpu_user_usec = result->cpu_usec;
	result->cpu_system_usec = result->cpu_usec - result->cpu_user_usec;
	result->memory_peak_bytes = evidence.memory_peak_bytes;
	result->processes_peak = evidence.processes_peak > 0 ? evidence.processes_peak - 1 : 0;
	result->oom_kills = evidence.oom_kills;
	result->forks_refused = evidence.forks_refused;
	run->facts.cpu_usec = result->cpu_usec;
	run->facts.oom_kills = evidence.oom_kills;
	run->facts.forks_refused = evidence.forks_refused;
}

static uint64_t between(uint64_t from, uint64_t to)
{
	return from != 0 && to > from ? to - from : 0;
}

static void fill_times(struct sandbox_run *run)
{
	struct sandbox_result *result = &run->result;
	/* A target that was killed with its cell ended when the cell did. */
	uint64_t ended = run->ended_nsec != 0 ? run->ended_nsec : run->gone_nsec;

	result->wall_usec = between(run->started_nsec, ended) / 1000;
	run->facts.wall_usec = result->wall_usec;
	result->phases = (struct sandbox_phases){
		.acquire_nsec = between(run->requested_nsec, run->ready_nsec),
		.files_in_nsec = between(run->ready_nsec, run->files_nsec),
		.exec_nsec = between(run->files_nsec, run->started_nsec),
		.run_nsec = between(run->started_nsec, ended),
		.collect_nsec = between(run->ended_nsec, run->collected_nsec),
		.teardown_nsec = between(run->collected_nsec ? run->collected_nsec : ended, run->gone_nsec),
	};
}

/* Verdict and goodbye. The client's pipes are closed before the client is told. */
static void report(struct sandbox_run *run)
{
	struct sandbox *sandbox = run->sandbox;

	if (run->error.errno_value == 0 && !verdict_decide(&run->facts, &run->limits, &run->result))
		(void)error_set(&run->error, ECHILD, "cell.init", "the cell's init ended unexpectedly");
	*run->link = run->next;
	if (run->next != NULL)
		run->next->link = run->link;
	sandbox->nruns--;
	bool is_error = run->error.errno_value != 0;
	if (run->result.cause != SANDBOX_EXITED) /* found out while they were being copied */
		for (size_t i = 0; i < BOUND_COLLECT; i++)
			run->result.collected[i] =
				(struct sandbox_collected){.status = SANDBOX_COLLECT_MISSING};
	run->done(run, is_error ? NULL : &run->result, is_error ? &run->error : NULL, run->user);
	run->next = sandbox->reported;
	sandbox->reported = run;
}

void run_settle(struct sandbox_run *run)
{
	if (run->state == RUN_GONE && run->pumps[0].from < 0 && run->pumps[1].from < 0 && run->link != NULL) {
		report(run);
		run->link = NULL; /* reported once */
	}
}

/* --- from ready to ended --------------------------------------------------------------------------------------- */

static void send_plan(struct sandbox_run *run)
{
	struct sandbox_error err = {0};

	/* The pipes become the cell's own, so that /dev/stdout can be opened. */
	size_t first = ((const struct wire_plan *)run->plan)->has_stdin ? 1 : 0;
	uint32_t id = run->sandbox->uid_first + (uint32_t)run->cell->uid_index;
	int r = fchown(run->fds[first], id, id) < 0 || fchown(run->fds[first + 1], id, id) < 0 ? -errno : 0;
	if (r == 0)
		r = wire_send(run->cell->control_fd, run->plan, run->plan_size, run->fds, run->nfds);
	if (r < 0) {
		(void)error_set(&err, -r, "engine.plan", "send: %s", strerrordesc_np(-r));
		run_fail(run, &err);
		return;
	}
	mem_freep(&run->plan);
	for (size_t i = 0; i < run->nfds; i++)
		run->fds[i] = fd_close(run->fds[i]);
	run->nfds = 0;
	for (size_t i = 0; i < ARRAY_SIZE(run->pumps); i++)
		if (run->pumps[i].from >= 0 && pump_start(&run->pumps[i]) < 0) {
			(void)error_errno(&err, "engine.output", "watch");
			run_fail(run, &err);
			return;
		}
}

static void on_started(struct sandbox_run *run, const struct wire_event *event)
{
	if (run->started_nsec != 0)
		return; /* it was killed since, and says it again */
	run->files_nsec = event->files_nsec;
	run->started_nsec = event->at_nsec;
	run->setup_cpu_usec = event->setup_cpu_nsec / 1000;
	/* A limit that struck at once may have come to notice before this: what is known of the target counts then, too. */
	if (run->state != RUN_BUILDING)
		return;
	run->state = RUN_RUNNING;
	limits_start(run);
}

static void on_forbidden(struct sandbox_run *run, const struct wire_event *event)
{
	struct sandbox_result *result = &run->result;

	if (run->facts.is_forbidden || run->state >= RUN_ENDING)
		return;
	run->facts.is_forbidden = true;
	result->syscall_nr = event->syscall_nr;
	result->syscall_arch = event->syscall_arch;
	filter_syscall_name(
		event->syscall_arch, event->syscall_nr, result->syscall_name, sizeof(result->syscall_name));
	run_kill(run, SANDBOX_FORBIDDEN_SYSCALL);
}

/* No process of the job is left, and all is known that the kernel can tell. The cell is cleared away on its own: the
 * client need not wait for that. */
static void finish_with_cell(struct sandbox_run *run)
{
	let_go(run);
	run->gone_nsec = sys_now_nsec();
	fill_times(run);
	run->state = RUN_GONE;
	run_settle(run);
}

/* Whatever init has done since the start, the job may have made it do: reap orphans, look after signals. No more than is needed
 * for an end is taken off, whatever init says. */
static void take_off_own_cpu(struct sandbox_run *run, uint64_t own_usec)
{
	uint64_t most = run->setup_cpu_usec + ENGINE_END_CPU_USEC;

	run->setup_cpu_usec = own_usec < most ? own_usec : most;
}

/* All but init is dead, and reaped. Result files are wanted only from a target that exited within its limits. */
static void on_ended(struct sandbox_run *run, const struct wire_event *event)
{
	run->ended_nsec = event->at_nsec;
	run->facts.has_ended = true;
	run->facts.status = event->status;
	take_off_own_cpu(run, event->setup_cpu_nsec / 1000);
	run->result.switches_voluntary = event->switches_voluntary;
	run->result.switches_involuntary = event->switches_involuntary;
	read_evidence(run);
	if (run->state == RUN_KILLED)
		return; /* the limit came first, or the evidence could not be read */
	fill_times(run);
	bool is_known = verdict_decide(&run->facts, &run->limits, &run->result);
	run->state = RUN_ENDING;
	if (!is_known || run->result.cause != SANDBOX_EXITED || run->ncollects == 0) {
		finish_with_cell(run);
		return;
	}
	run->deadline_nsec = sys_now_nsec() + ENGINE_COLLECT_SEC * NSEC_PER_SEC;
	struct sandbox_error err = {0};
	int r = wire_send(run->cell->control_fd, "", 1, NULL, 0);
	if (r < 0 && r != -EPIPE && r != -ECONNRESET) { /* those: the cell is gone, as its pidfd will say */
		(void)error_set(&err, -r, "engine.control", "send to the cell: %s", strerrordesc_np(-r));
		run_fail(run, &err);
	}
}

static void on_collected(struct sandbox_run *run, const struct wire_event *event)
{
	run->collected_nsec = event->at_nsec;
	memcpy(run->result.collected, event->collected, sizeof(run->result.collected));
	if (run->state == RUN_ENDING)
		finish_with_cell(run);
}

/* Init's words are for people and for the log: whatever became of it, they end somewhere. */
static void on_failed(struct sandbox_run *run, struct sandbox_error err)
{
	err.stage[sizeof(err.stage) - 1] = err.message[sizeof(err.message) - 1] = '\0';
	if (err.errno_value <= 0)
		err.errno_value = EBADMSG;
	if (run->state < RUN_KILLED) /* after a kill the cell's complaints are the kill's echo */
		run_fail(run, &err);
}

/* Each thing is said once, when it can be true. What is said after a kill may still be on its way. */
static bool is_in_order(const struct sandbox_run *run, uint32_t type)
{
	switch (type) {
	case WIRE_READY:
		return run->state == RUN_BUILDING && run->plan != NULL;
	case WIRE_STARTED:
		return run->state == RUN_BUILDING && run->plan == NULL;
	case WIRE_FORBIDDEN:
	case WIRE_ENDED:
		return run->state == RUN_RUNNING;
	case WIRE_COLLECTED:
		return run->state == RUN_ENDING;
	default:
		return type == WIRE_FAILED;
	}
}

void run_cell_said(struct sandbox_run *run, const struct wire_event *event)
{
	struct sandbox_error err = {0};

	/* Of an init that a job has taken over; it could keep the engine busy with nothing but words. */
	if (run->state < RUN_KILLED && !is_in_order(run, event->type)) {
		(void)error_set(&err, EPROTO, "cell.control", "init says %u out of turn", event->type);
		run_fail(run, &err);
		return;
	}
	switch (event->type) {
	case WIRE_READY:
		run->cell->state = CELL_READY;
		if (run->state == RUN_BUILDING) {
			run->ready_nsec = event->at_nsec;
			send_plan(run);
		}
		break;
	case WIRE_STARTED:
		on_started(run, event);
		break;
	case WIRE_FORBIDDEN:
		on_forbidden(run, event);
		break;
	case WIRE_ENDED:
		on_ended(run, event);
		break;
	case WIRE_COLLECTED:
		on_collected(run, event);
		break;
	default: /* WIRE_FAILED */
		on_failed(run, event->error);
	}
}

/* Init ended while it copied result files, which nobody asked of it. The copy in a client's memory file is on the
 * cell's account, so the likely reason is an OOM kill; "no such file" would be a lie about the program. */
static void explain_lost_collection(struct sandbox_run *run)
{
	struct cgroup_evidence evidence = {0};
	struct sandbox_error err = {0};

	if (cgroup_evidence(run->cell->cgroup, &evidence, &err) == 0 && evidence.oom_kills == 0)
		(void)error_set(
			&err, ECHILD, "cell.collect", "the cell's init ended while it copied result files");
	if (err.errno_value != 0)
		run_fail(run, &err);
	run->result.oom_kills = run->facts.oom_kills = evidence.oom_kills;
	run->result.memory_peak_bytes = evidence.memory_peak_bytes;
}

void run_cell_gone(struct sandbox_run *run)
{
	if (run->state == RUN_ENDING)
		explain_lost_collection(run);
	run->gone_nsec = sys_now_nsec();
	run->state = RUN_GONE;
	read_evidence(run);
	fill_times(run);
	run->cell = NULL;
	/* A write end that was never sent would keep its pump waiting for ever. */
	for (size_t i = 0; i < run->nfds; i++)
		run->fds[i] = fd_close(run->fds[i]);
	run->nfds = 0;
	if (run->started_nsec == 0 || run->error.errno_value != 0)
		close_pumps(run);
	run_settle(run);
}

/* --- birth and burial ------------------------------------------------------------------------------------------ */

void run_cell_born(struct sandbox_run *run)
{
	if (run->state == RUN_KILLED) { /* the host failed meanwhile */
		cell_kill(run->cell);
		return;
	}
	run->state = RUN_BUILDING;
	run->deadline_nsec = sys_now_nsec() + ENGINE_SETUP_SEC * NSEC_PER_SEC;
}

/* The limits in the way of others are made for it; whatever else a run may ask for is in its plan. */
static bool is_limited_as(const struct cell *cell, const struct sandbox_limits *limits)
{
	return cell->limits.memory_bytes == limits->memory_bytes &&
	       cell->limits.processes == limits->processes && cell->limits.cpu_millis == limits->cpu_millis;
}

void run_take(struct sandbox_run *run, struct cell *cell)
{
	struct sandbox_error err = {0};

	run->cell = cell;
	cell->run = run;
	run->state = RUN_BUILDING;
	run->ready_nsec = sys_now_nsec();
	run->deadline_nsec = run->ready_nsec + ENGINE_SETUP_SEC * NSEC_PER_SEC;
	if (!is_limited_as(cell, &run->limits) && cgroup_set(cell->cgroup, &run->limits, &err) < 0)
		run_fail(run, &err);
	else
		send_plan(run);
}

struct sandbox_run *run_free(struct sandbox_run *run)
{
	if (run == NULL)
		return NULL;
	close_pumps(run);
	for (size_t i = 0; i < run->nfds; i++)
		(void)fd_close(run->fds[i]);
	assert(run->cell == NULL);
	free(run->plan);
	free(run);
	return NULL;
}
