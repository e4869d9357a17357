/* loop.c: the engine's one loop: descriptors, the timer, and what is left to do after each round. */
#include "sandbox/engine/engine.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS_PER_ROUND = 64 };

#define DYING_WAIT_FIRST_NSEC (UINT64_C(1000) * 1000)
#define DYING_WAIT_MAX_NSEC (UINT64_C(100) * 1000 * 1000)

/* --- watches and the timer --- */

int watch_add(struct watch *watch, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};
	if (epoll_ctl(watch->sandbox->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	watch->fd = fd;
	return 0;
}

void watch_remove(struct watch *watch)
{
	if (watch->fd < 0)
		return;
	(void)epoll_ctl(watch->sandbox->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
}

static int set_timer(struct sandbox *sandbox, uint64_t at_nsec, struct sandbox_error *err)
{
	struct itimerspec spec = {0};

	if (at_nsec == sandbox->timer_nsec)
		return 0;
	if (at_nsec != NSEC_NEVER) {
		/* 0 would disarm it. */
		spec.it_value.tv_sec = (time_t)(at_nsec / NSEC_PER_SEC);
		spec.it_value.tv_nsec = (long)(at_nsec % NSEC_PER_SEC) + (at_nsec == 0);
	}
	/* Without it no limit of time would hold. */
	if (timerfd_settime(sandbox->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		return error_errno(err, "engine.timer", "timerfd_settime");
	sandbox->timer_nsec = at_nsec;
	return 0;
}

int engine_wake(struct sandbox *sandbox, struct sandbox_error *err)
{
	sandbox->is_woken = true; /* a done function may call while a round is being finished */
	return set_timer(sandbox, 0, err);
}

void engine_timer_ready(struct watch *watch, uint32_t events)
{
	uint64_t count;

	(void)events;
	(void)!read(watch->fd, &count, sizeof(count));
	watch->sandbox->timer_nsec = NSEC_NEVER; /* a round follows; it sets it again */
}

/* --- user ids and dying groups --- */

int engine_uid_take(struct sandbox *sandbox)
{
	/* Round and round: an id comes back as late as possible. */
	for (unsigned i = 0; i < BOUND_RUNS; i++) {
		unsigned index = (sandbox->uid_next + i) % BOUND_RUNS;
		uint64_t bit = UINT64_C(1) << (index % 64);
		if (sandbox->uids[index / 64] & bit)
			continue;
		sandbox->uids[index / 64] |= bit;
		sandbox->uid_next = index + 1;
		return (int)index;
	}
	return -1;
}

bool engine_has_uid(const struct sandbox *sandbox)
{
	for (size_t i = 0; i < ARRAY_SIZE(sandbox->uids); i++)
		if (sandbox->uids[i] != UINT64_MAX)
			return true;
	return false;
}

static void uid_release(struct sandbox *sandbox, int index)
{
	if (index >= 0)
		sandbox->uids[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

void engine_cgroup_bury(struct sandbox *sandbox, struct cgroup *cgroup, int uid_index)
{
	if (cgroup == NULL || cgroup_destroy(cgroup) == 0) {
		uid_release(sandbox, uid_index);
		return;
	}
	struct dying *dying = calloc(1, sizeof(*dying));
	if (dying == NULL)
		return; /* group and id stay out of use; the next engine in this slot sweeps */
	*dying = (struct dying){
		.next = sandbox->dying,
		.cgroup = cgroup,
		.uid_index = uid_index,
		.wait_nsec = DYING_WAIT_FIRST_NSEC,
		.retry_nsec = sys_now_nsec() + DYING_WAIT_FIRST_NSEC,
	};
	sandbox->dying = dying;
}

/* Tries again what is due; returns when the next is. */
static uint64_t bury_the_dying(struct sandbox *sandbox, uint64_t now_nsec)
{
	uint64_t next = NSEC_NEVER;

	for (struct dying **link = &sandbox->dying; *link != NULL;) {
		struct dying *dying = *link;
		if (dying->retry_nsec <= now_nsec && cgroup_destroy(dying->cgroup) == 0) {
			uid_release(sandbox, dying->uid_index);
			*link = dying->next;
			free(dying);
			continue;
		}
		if (dying->retry_nsec <= now_nsec) {
			dying->wait_nsec *= 2;
			if (dying->wait_nsec > DYING_WAIT_MAX_NSEC)
				dying->wait_nsec = DYING_WAIT_MAX_NSEC;
			dying->retry_nsec = now_nsec + dying->wait_nsec;
		}
		if (dying->retry_nsec < next)
			next = dying->retry_nsec;
		link = &dying->next;
	}
	return next;
}

/* --- the loop --- */

void engine_free_reported(struct sandbox *sandbox)
{
	while (sandbox->reported != NULL) {
		struct sandbox_run *run = sandbox->reported;
		sandbox->reported = run->next;
		(void)run_free(run);
	}
	while (sandbox->buried != NULL) {
		struct cell *cell = sandbox->buried;
		sandbox->buried = cell->next;
		free(cell);
	}
}

/* What is due by time, and what a call from outside left to be done; then the timer for the next time. */
static int finish_round(struct sandbox *sandbox, struct sandbox_error *err)
{
	uint64_t now = sys_now_nsec(), next;
	struct sandbox_run *run, *following;

	sandbox->is_woken = false;
	/* Limits before new cells, which take a millisecond. */
	for (run = sandbox->runs; run != NULL; run = following) {
		following = run->next;
		if (limits_next_deadline(run) <= now)
			limits_on_time(run, now);
		/* Only this RUN can be gone from the list: run_settle reports no other. */
		run_settle(run);
	}
	limits_calm(sandbox);
	orders_fill(sandbox);
	next = bury_the_dying(sandbox, now);
	uint64_t cells_next = cells_on_time(sandbox, now);
	next = cells_next < next ? cells_next : next;
	next = sandbox->pool_due_nsec < next ? sandbox->pool_due_nsec : next;
	for (run = sandbox->runs; run != NULL; run = run->next) {
		uint64_t deadline = limits_next_deadline(run);
		if (deadline < next)
			next = deadline;
	}
	engine_free_reported(sandbox);
	return set_timer(sandbox, sandbox->is_woken ? 0 : next, err);
}

int sandbox_dispatch(struct sandbox *sandbox, int timeout_msec, struct sandbox_error *err)
{
	struct epoll_event events[EVENTS_PER_ROUND];

	int n = epoll_wait(sandbox->epoll_fd, events, EVENTS_PER_ROUND, timeout_msec);
	if (n < 0 && errno != EINTR)
		return error_errno(err, "engine.dispatch", "epoll_wait");
	for (int i = 0; i < n; i++) {
		struct watch *watch = events[i].data.ptr;
		if (watch->fd >= 0) /* an earlier event of this round may have removed it */
			watch->ready(watch, events[i].events);
	}
	int r = finish_round(sandbox, err);
	if (r < 0)
		return r;
	/* Open runs end first. */
	if (sandbox->is_broken && sandbox->runs == NULL)
		return error_set(
			err, ECHILD, "engine.launcher", "the launcher ended: this engine runs nothing more");
	return 0;
}

int sandbox_fd(const struct sandbox *sandbox)
{
	return sandbox->epoll_fd;
}
