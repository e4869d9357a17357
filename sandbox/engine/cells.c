/* cells.c: a cell from its order to its burial, whoever it is for. */
#include "sandbox/engine/engine.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

/* --- its end ---------------------------------------------------------------------------------------------------- */

/* Init's death is the death of all in its PID namespace; the kernel sees to it. */
static void kill_init(struct cell *cell)
{
	if (pidfd_send_signal(cell->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		(void)shutdown(
			cell->control_fd, SHUT_RDWR); /* another way: init ends when its engine is gone */
}

void cell_kill(struct cell *cell)
{
	if (cell->pidfd < 0)
		return;
	/* First whoever is there: init's end takes a while, on a CPU that they keep busy, and all that time is theirs. */
	(void)cgroup_kill(cell->cgroup);
	kill_init(cell);
}

bool cell_is_gone(const struct cell *cell)
{
	struct pollfd end = {.fd = cell->pidfd, .events = POLLIN};

	return poll(&end, 1, 0) != 0;
}

/* Its end is an event, unless the kernel would not promise that. */
static bool has_event(const struct cell *cell)
{
	return cell->pidfd_watch.fd >= 0;
}

void cell_leave(struct cell *cell)
{
	cell->run = NULL;
	if (cell->state == CELL_LEAVING)
		return;
	cell->state = CELL_LEAVING;
	cell->deadline_nsec =
		sys_now_nsec() + (has_event(cell) ? ENGINE_KILL_SEC * NSEC_PER_SEC : ENGINE_LOOK_NSEC);
	if (cell->pidfd >= 0)
		kill_init(
			cell); /* nothing in it works: it waits, or its target has ended, or it was killed before */
}

/* What is watched is closed afterwards: the cgroup's descriptors with it, the others here. */
void cell_bury(struct cell *cell)
{
	struct sandbox *sandbox = cell->sandbox;

	watch_remove(&cell->control_watch);
	watch_remove(&cell->pidfd_watch);
	for (size_t i = 0; i < ARRAY_SIZE(cell->event_watches); i++)
		watch_remove(&cell->event_watches[i]);
	cell->control_fd = fd_close(cell->control_fd);
	cell->pidfd = fd_close(cell->pidfd);
	engine_cgroup_bury(sandbox, cell->cgroup, cell->uid_index);
	cell->cgroup = NULL;
	cell->uid_index = -1;
	*cell->link = cell->next;
	if (cell->next != NULL)
		cell->next->link = cell->link;
	cell->next = sandbox->buried;
	sandbox->buried = cell;
}

/* --- what it says ------------------------------------------------------------------------------------------------ */

/* A cell that nobody has yet: it has become ready, or it could not. */
static void on_event_of_nobodys(struct cell *cell, const struct wire_event *event)
{
	struct sandbox *sandbox = cell->sandbox;

	if (event->type == WIRE_READY && cell->state == CELL_BUILDING) {
		cell->state = CELL_READY;
		pool_put(cell);
	} else if (cell->state != CELL_LEAVING) {
		/* Why, is said to the next run that meets the same: it gets no cell from the pool. */
		sandbox->pool_pause_nsec = sys_now_nsec() + ENGINE_PAUSE_SEC * NSEC_PER_SEC;
		cell_leave(cell);
	}
}

/* False: nothing more will come. */
static bool drain_control(struct cell *cell)
{
	struct sandbox_error err = {0};
	struct wire_event event;
	ssize_t n;

	while ((n = wire_receive(cell->control_fd, &event, sizeof(event), NULL, 0)) == sizeof(event)) {
		if (cell->run != NULL)
			run_cell_said(cell->run, &event);
		else
			on_event_of_nobodys(cell, &event);
	}
	if (n == -EAGAIN)
		return true;
	if (n != 0 && n != -ECONNRESET && cell->run != NULL) {
		(void)error_set(&err, n < 0 ? (int)-n : EBADMSG, "engine.control", "receive from the cell");
		run_fail(cell->run, &err);
	}
	return false;
}

static void control_ready(struct watch *watch, uint32_t events)
{
	(void)events;
	if (!drain_control(watch->cell))
		watch_remove(watch); /* the cell ended; its pidfd tells the rest */
}

/* The cell's init is a zombie: the kernel has ended every other process of its namespace before. */
static void pidfd_ready(struct watch *watch, uint32_t events)
{
	struct cell *cell = watch->cell;

	(void)events;
	(void)drain_control(cell);
	if (cell->run != NULL)
		run_cell_gone(cell->run);
	cell_bury(cell);
}

static void counters_ready(struct watch *watch, uint32_t events)
{
	(void)events;
	cgroup_event_clear(watch->cell->cgroup, watch->fd);
	if (watch->cell->run != NULL)
		limits_look(watch->cell->run);
}

/* --- its beginning ----------------------------------------------------------------------------------------------- */

static struct cell *cell_new(struct sandbox *sandbox)
{
	struct cell *cell = calloc(1, sizeof(*cell));

	if (cell == NULL)
		return NULL;
	struct watch idle = {.fd = -1, .sandbox = sandbox, .cell = cell};
	cell->sandbox = sandbox;
	cell->uid_index = cell->control_fd = cell->pidfd = -1;
	cell->control_watch = cell->pidfd_watch = cell->event_watches[0] = cell->event_watches[1] = idle;
	cell->deadline_nsec = NSEC_NEVER;
	cell->next = sandbox->cells;
	cell->link = &sandbox->cells;
	if (cell->next != NULL)
		cell->next->link = &cell->next;
	sandbox->cells = cell;
	return cell;
}

/* The first thing that the cell finds is the seccomp program of its job. */
static int connect_cell(
	struct cell *cell, const struct filter_program *filter, int *ret, struct sandbox_error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, "engine.control", "socketpair");
	cell->control_fd = pair[0];
	*ret = pair[1];
	int r = wire_unblock(cell->control_fd);
	if (r == 0)
		r = wire_send(cell->control_fd, filter->insns, filter->len * sizeof(*filter->insns), NULL, 0);
	return r < 0 ? error_set(err, -r, "engine.control", "%s", strerrordesc_np(-r)) : 0;
}

static int furnish(
	struct cell *cell, const struct view *view, const struct wire_order *order, struct sandbox_error *err)
{
	struct sandbox *sandbox = cell->sandbox;
	_cleanup_close_ int theirs = -1;
	char name[32];

	cell->uid_index = engine_uid_take(sandbox);
	if (cell->uid_index < 0)
		return error_set(err, EAGAIN, "engine.uid", "all %d user ids are in use", BOUND_RUNS);
	(void)snprintf(name, sizeof(name), "cell-%llu", (unsigned long long)sandbox->ncells_made++);
	int r = cgroup_create(sandbox->cgroups, name, &cell->cgroup, err);
	if (r == 0)
		r = cgroup_set(cell->cgroup, &cell->limits, err);
	if (r == 0)
		r = connect_cell(cell, &view->step->filter, &theirs, err);
	return r == 0 ? orders_send_one(cell, order, theirs, err) : r;
}

int cell_order(struct sandbox *sandbox, const struct view *view, const struct wire_order *order,
	const struct sandbox_limits *limits, struct cell **ret, struct sandbox_error *err)
{
	struct cell *cell = cell_new(sandbox);

	if (cell == NULL)
		return error_set(err, ENOMEM, "engine.cell", "cell");
	cell->view = order == &view->order ? view : NULL;
	cell->limits = *limits;
	int r = furnish(cell, view, order, err);
	if (r < 0) {
		cell_bury(cell);
		return r;
	}
	*ret = cell;
	return 0;
}

static int watch_cell(struct cell *cell)
{
	struct cgroup_event events[ARRAY_SIZE(cell->event_watches)];

	cell->pidfd_watch.ready = pidfd_ready;
	cell->control_watch.ready = control_ready;
	int r = watch_add(&cell->pidfd_watch, cell->pidfd, EPOLLIN);
	if (r == 0)
		r = watch_add(&cell->control_watch, cell->control_fd, EPOLLIN);
	size_t nevents = cgroup_events(cell->cgroup, events, &cell->must_poll);
	for (size_t i = 0; r == 0 && i < nevents; i++) {
		cell->event_watches[i].ready = counters_ready;
		r = watch_add(&cell->event_watches[i], events[i].fd, events[i].events);
	}
	return r;
}

void cell_born(struct cell *cell, int pidfd)
{
	struct sandbox_error err = {0};

	cell->pidfd = pidfd;
	cell->state = CELL_BUILDING;
	cell->deadline_nsec = sys_now_nsec() + ENGINE_SETUP_SEC * NSEC_PER_SEC;
	int r = watch_cell(cell);
	if (cell->run != NULL)
		run_cell_born(cell->run);
	if (r == 0)
		return;
	/* Nothing of the run is in it yet. */
	(void)error_set(&err, -r, "engine.watch", "%s", strerrordesc_np(-r));
	if (cell->run != NULL)
		run_abandon(cell->run, &err);
	else
		cell_leave(cell);
}

/* --- nobody's cells ---------------------------------------------------------------------------------------------- */

/* True: it is buried. */
static bool on_deadline(struct cell *cell, uint64_t now_nsec)
{
	if (cell->state != CELL_LEAVING) {
		cell_leave(cell); /* it took too long to become ready */
		return false;
	}
	if (cell_is_gone(cell)) {
		cell_bury(cell);
		return true;
	}
	/* NEVER: stuck in the kernel; its cgroup and user id stay out of use. */
	cell->deadline_nsec = has_event(cell) ? NSEC_NEVER : now_nsec + ENGINE_LOOK_NSEC;
	return false;
}

uint64_t cells_on_time(struct sandbox *sandbox, uint64_t now_nsec)
{
	uint64_t next = NSEC_NEVER;
	struct cell *cell, *following;

	for (cell = sandbox->cells; cell != NULL; cell = following) {
		following = cell->next;
		if (cell->run != NULL || (cell->deadline_nsec <= now_nsec && on_deadline(cell, now_nsec)))
			continue;
		if (cell->deadline_nsec < next)
			next = cell->deadline_nsec;
	}
	return next;
}

bool cells_are_leaving(const struct sandbox *sandbox)
{
	for (const struct cell *cell = sandbox->cells; cell != NULL; cell = cell->next)
		if (cell->state == CELL_LEAVING && cell->deadline_nsec != NSEC_NEVER)
			return true;
	return sandbox->dying != NULL;
}
