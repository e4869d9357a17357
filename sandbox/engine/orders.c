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

/* --- the queues --- */

static void push(struct sandbox_run ***end, struct sandbox_run *run)
{
	run->next_in_queue = NULL;
	**end = run;
	*end = &run->next_in_queue;
}

static struct sandbox_run *pop(struct sandbox_run **head, struct sandbox_run ***end)
{
	struct sandbox_run *run = *head;
	if (run == NULL)
		return NULL;
	*head = run->next_in_queue;
	if (*head == NULL)
		*end = head;
	return run;
}

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

/* The launcher is gone, and by PDEATHSIG its cells. No other takes its place: it would have to be forked from this process
 * as it is by now, which may be under a seccomp filter that mounts nothing and makes no process. Nobody is kept waiting:
 * whoever owns the engine is to open a new one. */
static void lose_launcher(struct sandbox *sandbox)
{
	struct sandbox_run *run, *following;
	struct sandbox_error lost = {0};

	(void)error_set(&lost, ECHILD, "launcher.lost", "the launcher ended unexpectedly");
	orders_close(sandbox);
	sandbox->is_broken = true;
	sandbox->waiting = sandbox->acquiring = NULL;
	sandbox->waiting_end = &sandbox->waiting;
	sandbox->acquiring_end = &sandbox->acquiring;
	sandbox->nacquiring = 0;
	for (run = sandbox->runs; run != NULL; run = following) {
		following = run->next;
		if (run->pidfd < 0 || run->state == RUN_GONE)
			run_abandon(run, &lost);
		else
			run_fail(run, &lost);
	}
}

/* --- one order --- */

static int send_order(struct sandbox_run *run, int cell_sock, struct sandbox_error *err)
{
	const struct policy_step *step = run->step;
	struct wire_order order = {
		.outer_id = run->sandbox->uid_first + (uint32_t)run->uid_index,
		.has_proc = step->has_proc,
		.can_execute_files = step->can_execute_files,
		.can_make_memory_executable = step->can_make_memory_executable,
		.disk_bytes = run->limits.disk_bytes,
		.inodes = run->limits.inodes,
	};
	int fds[WIRE_ORDER_FDS] = {cell_sock};
	size_t nfds = 1;

	(void)snprintf(order.image, sizeof(order.image), "%s", step->image);
	for (; step->writable[order.nwritable] != NULL; order.nwritable++)
		(void)snprintf(order.writable[order.nwritable], WIRE_WRITABLE_PATH, "%s",
			step->writable[order.nwritable]);
	int into = cgroup_into_fd(run->cgroup);
	if (into >= 0) {
		order.has_into_cgroup = 1;
		fds[nfds++] = into;
	} else {
		order.njoin = (uint32_t)cgroup_join_fds(run->cgroup, fds + nfds);
		nfds += order.njoin;
	}
	int r = wire_send(run->sandbox->launcher_sock, &order, sizeof(order), fds, nfds);
	return r < 0 ? error_set(err, -r, "launcher.order", "send: %s", strerrordesc_np(-r)) : 0;
}

/* User id, cgroup, control socket, order. */
static int acquire(struct sandbox_run *run, struct sandbox_error *err)
{
	struct sandbox *sandbox = run->sandbox;
	char name[32];
	int pair[2];

	run->uid_index = engine_uid_take(sandbox);
	if (run->uid_index < 0)
		return error_set(err, EAGAIN, "engine.uid", "all %d user ids are in use", BOUND_RUNS);
	(void)snprintf(name, sizeof(name), "cell-%llu", (unsigned long long)sandbox->cells++);
	int r = cgroup_create(sandbox->cgroups, name, &run->cgroup, err);
	if (r == 0)
		r = cgroup_set(run->cgroup, &run->limits, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, "engine.control", "socketpair");
	run->control_fd = pair[0];
	_cleanup_close_ int theirs = pair[1];
	if (wire_unblock(run->control_fd) < 0)
		return error_errno(err, "engine.control", "O_NONBLOCK");
	return send_order(run, theirs, err);
}

void orders_send(struct sandbox *sandbox)
{
	struct sandbox_run *run;

	while (sandbox->nacquiring < ENGINE_ORDERS_MAX &&
		(run = pop(&sandbox->waiting, &sandbox->waiting_end)) != NULL) {
		struct sandbox_error err = {0};
		int r = acquire(run, &err);
		if (r == 0) {
			run->state = RUN_ACQUIRING;
			push(&sandbox->acquiring_end, run);
			sandbox->nacquiring++;
			continue;
		}
		run_abandon(run, &err);
		/* The launcher died and its socket is about to say so. */
		if (r == -EPIPE || r == -ECONNRESET)
			return;
	}
}

void orders_submit(struct sandbox_run *run)
{
	push(&run->sandbox->waiting_end, run);
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
		/* The cell is there, but this process has no descriptor left for it. Its control socket closes with
		 * the run: it ends by itself, and only it. */
		(void)error_set(&answer.error, EMFILE, "launcher.reply", "no descriptor left for a cell");
		n = sizeof(answer);
	}
	struct sandbox_run *run =
		n == sizeof(answer) ? pop(&sandbox->acquiring, &sandbox->acquiring_end) : NULL;
	if (run == NULL) {
		if (n >= 0)
			(void)fd_close(pidfd);
		lose_launcher(sandbox);
		return;
	}
	sandbox->nacquiring--;
	if (answer.error.errno_value == 0 && pidfd >= 0) {
		run_acquired(run, pidfd);
	} else {
		run_abandon(run, &answer.error);
	}
	orders_send(sandbox);
}
