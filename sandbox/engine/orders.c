/* orders.c: the engine's side of the launcher. Orders are answered in their order; a few are outstanding at most, the
 * other runs wait their turn. */
#include "sandbox/engine/engine.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/launcher.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void launcher_ready(struct watch *watch, uint32_t events);

/* --- the launcher's start and end --- */

static int set_launcher_up(int sock, const struct wire_setup *setup, struct sandbox_error *err)
{
	struct wire_reply answer;
	int r = wire_send(sock, setup, sizeof(*setup), NULL, 0);
	if (r < 0 && r != -EPIPE &&
		r != -ECONNRESET) /* those: it has ended already, and its answer says why */
		return error_set(err, -r, "launcher.start", "send: %s", strerrordesc_np(-r));
	ssize_t n = wire_receive(sock, &answer, sizeof(answer), NULL, 0);
	if (n != sizeof(answer))
		return error_set(err, n < 0 ? (int)-n : EIO, "launcher.start", "no answer");
	if (answer.error.errno_value != 0 && err != NULL && err->errno_value == 0)
		*err = answer.error;
	return -answer.error.errno_value;
}

int orders_open(struct sandbox *sandbox, struct sandbox_error *err)
{
	int r = set_launcher_up(sandbox->launcher_sock, &sandbox->setup, err);

	if (r == 0 && wire_unblock(sandbox->launcher_sock) < 0)
		r = error_errno(err, "launcher.start", "O_NONBLOCK");
	if (r == 0 && watch_add(&sandbox->launcher_watch, sandbox->launcher_sock, EPOLLIN) < 0)
		r = error_errno(err, "launcher.start", "watch");
	sandbox->launcher_watch.ready = launcher_ready;
	return r;
}

void orders_close(struct sandbox *sandbox)
{
	watch_remove(&sandbox->launcher_watch);
	sandbox->launcher_sock = fd_close(sandbox->launcher_sock);
	if (sandbox->launcher_pidfd < 0)
		return;
	(void)pidfd_send_signal(sandbox->launcher_pidfd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)sandbox->launcher_pidfd, NULL, WEXITED) < 0 && errno == EINTR)
		continue;
	sandbox->launcher_pidfd = fd_close(sandbox->launcher_pidfd);
}

/* --- one order --- */

static int error_lost(struct sandbox_error *err)
{
	return error_set(err, ECHILD, "launcher.lost", "the launcher ended unexpectedly");
}

int orders_send_one(struct cell *cell, const struct wire_order *order, int sock, struct sandbox_error *err)
{
	struct sandbox *sandbox = cell->sandbox;
	struct wire_order own = *order;
	int fds[WIRE_ORDER_FDS] = {sock};
	size_t nfds = 1;

	own.is_traced = sandbox->trace_fd > 0;
	own.outer_id = sandbox->uid_first + (uint32_t)cell->uid_index;
	int into = cgroup_into_fd(cell->cgroup);
	if (into >= 0) {
		own.has_into_cgroup = 1;
		fds[nfds++] = into;
	} else {
		own.njoin = (uint32_t)cgroup_join_fds(cell->cgroup, fds + nfds);
		nfds += own.njoin;
	}
	int r = wire_send(sandbox->launcher_sock, &own, sizeof(own), fds, nfds);
	if (r == -EPIPE || r == -ECONNRESET) /* its socket is about to say so as well */
		return error_lost(err);
	if (r < 0)
		return error_set(err, -r, "launcher.order", "send: %s", strerrordesc_np(-r));
	cell->next_in_queue = NULL;
	*sandbox->ordered_end = cell;
	sandbox->ordered_end = &cell->next_in_queue;
	sandbox->nordered++;
	return 0;
}

static struct cell *pop_ordered(struct sandbox *sandbox)
{
	struct cell *cell = sandbox->ordered;

	if (cell == NULL)
		return NULL;
	sandbox->ordered = cell->next_in_queue;
	if (sandbox->ordered == NULL)
		sandbox->ordered_end = &sandbox->ordered;
	sandbox->nordered--;
	return cell;
}

/* The launcher is gone, and by PDEATHSIG its cells. No other takes its place: it would have to be forked from this process
 * as it is by now, which may be under a seccomp filter that mounts nothing and makes no process. Nobody is kept waiting:
 * whoever owns the engine is to open a new one. */
static void lose_launcher(struct sandbox *sandbox)
{
	struct sandbox_run *run, *following;
	struct sandbox_error lost = {0};
	struct cell *cell;

	(void)error_lost(&lost);
	orders_close(sandbox);
	sandbox->is_broken = true;
	sandbox->waiting = NULL;
	sandbox->waiting_end = &sandbox->waiting;
	while ((cell = pop_ordered(sandbox)) != NULL) {
		if (cell->run != NULL)
			cell->run->cell = NULL;
		cell_bury(cell);
	}
	for (run = sandbox->runs; run != NULL; run = following) {
		following = run->next;
		if (run->cell == NULL)
			run_abandon(run, &lost);
		else
			run_fail(run, &lost);
	}
}

/* --- for whom --- */

/* One for a run that has waited. */
static int order_for(struct sandbox_run *run, struct sandbox_error *err)
{
	const struct view *view = run->view;
	struct wire_order own = view->order;
	struct cell *cell;

	own.disk_bytes = run->limits.disk_bytes;
	own.inodes = run->limits.inodes;
	bool is_views = own.disk_bytes == view->order.disk_bytes && own.inodes == view->order.inodes;
	int r = cell_order(run->sandbox, view, is_views ? &view->order : &own, &run->limits, &cell, err);
	if (r < 0)
		return r;
	run->state = RUN_ACQUIRING;
	run->cell = cell;
	cell->run = run;
	return 0;
}

/* All user ids are in use. Those of cells that nobody waits for come back: the run's turn comes then. */
static bool must_wait_for_uid(struct sandbox *sandbox)
{
	if (engine_has_uid(sandbox))
		return false;
	pool_evict(sandbox);
	return cells_are_leaving(sandbox);
}

/* The run that has waited longest, taken out of the queue; NULL: there is none, or no room for an order. */
static struct sandbox_run *next_waiting(struct sandbox *sandbox)
{
	struct sandbox_run *run = sandbox->waiting;

	if (run == NULL || sandbox->nordered >= ENGINE_ORDERS_MAX || must_wait_for_uid(sandbox))
		return NULL;
	sandbox->waiting = run->next_in_queue;
	if (sandbox->waiting == NULL)
		sandbox->waiting_end = &sandbox->waiting;
	return run;
}

void orders_fill(struct sandbox *sandbox)
{
	struct sandbox_run *run;

	while ((run = next_waiting(sandbox)) != NULL) {
		struct sandbox_error err = {0};
		int r = order_for(run, &err);
		if (r < 0)
			run_abandon(run, &err);
		if (r == -ECHILD)
			return; /* the launcher is lost: all others that wait will be told */
	}
	sandbox->pool_due_nsec = NSEC_NEVER; /* without room for an order, a reply says when to look again */
	while (sandbox->nordered < ENGINE_ORDERS_MAX && pool_refill(sandbox))
		continue;
}

void orders_submit(struct sandbox_run *run)
{
	struct sandbox *sandbox = run->sandbox;

	run->view->is_used = true;
	struct cell *cell = pool_take(run);
	if (cell != NULL) {
		run_take(run, cell);
		return;
	}
	run->next_in_queue = NULL;
	*sandbox->waiting_end = run;
	sandbox->waiting_end = &run->next_in_queue;
}

void orders_withdraw(struct sandbox_run *run)
{
	struct sandbox *sandbox = run->sandbox;
	struct sandbox_run **link = &sandbox->waiting;

	while (*link != run)
		link = &(*link)->next_in_queue;
	*link = run->next_in_queue;
	if (sandbox->waiting_end == &run->next_in_queue)
		sandbox->waiting_end = link;
}

/* --- its replies --- */

static void refused(struct cell *cell, const struct sandbox_error *err)
{
	struct sandbox_run *run = cell->run;

	cell->sandbox->pool_pause_nsec = sys_now_nsec() + ENGINE_PAUSE_SEC * NSEC_PER_SEC;
	cell_bury(cell);
	if (run == NULL)
		return;
	run->cell = NULL;
	run_abandon(run, err);
}

static void launcher_ready(struct watch *watch, uint32_t events)
{
	struct sandbox *sandbox = watch->sandbox;
	struct wire_reply answer;
	int pidfd;

	(void)events;
	ssize_t n = wire_receive(sandbox->launcher_sock, &answer, sizeof(answer), &pidfd, 1);
	if (n == -EAGAIN)
		return;
	if (n == -EMFILE) {
		/* The cell is there, but this process has no descriptor left for it. Its control socket is closed: it
		 * ends by itself, and only it. */
		(void)error_set(&answer.error, EMFILE, "launcher.reply", "no descriptor left for a cell");
		n = sizeof(answer);
	}
	struct cell *cell = n == sizeof(answer) ? pop_ordered(sandbox) : NULL;
	if (cell == NULL) {
		if (n >= 0)
			(void)fd_close(pidfd);
		lose_launcher(sandbox);
		return;
	}
	if (answer.error.errno_value == 0 && pidfd >= 0)
		cell_born(cell, pidfd);
	else
		refused(cell, &answer.error);
	orders_fill(sandbox);
}
