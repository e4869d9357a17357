#include "sandbox/door/server.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "sandbox/door/inbox.h"
#include "sandbox/door/listener.h"
#include "sandbox/door/nudge.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_NEVER UINT64_MAX

enum {
	EVENTS_PER_ROUND = 64,
	ACCEPTS_PER_ROUND = 64,
};

enum connection_state { CONNECTION_WAITING, CONNECTION_RUNNING, CONNECTION_ORPHAN, CONNECTION_CLOSED };

struct connection {
	struct connection *next, **link; /* in door->connections; of the CLOSED ones only NEXT counts */
	struct door *door;
	enum connection_state state;
	int sock;		 /* owned; -1 when ORPHAN or CLOSED */
	struct sandbox_run *run; /* borrowed; RUNNING and ORPHAN */
	uint64_t deadline_nsec;	 /* WAITING */
};

struct door {
	struct sandbox *sandbox;
	struct listener listener;
	int epoll_fd, signal_fd; /* owned */
	uid_t uids[DOOR_UIDS_MAX];
	size_t nuids;
	struct connection *connections;
	size_t nconnections;
	struct connection *closed; /* freed at the end of the round: events may still point at them */
	uint64_t
		resume_nsec; /* when to accept again after the host ran out of something; NSEC_NEVER: accepting */
	uint64_t refusals, refusal_logged_nsec;
	int stop_signal; /* 0: none yet */
	struct inbox inbox;
};

static uint64_t now_nsec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static int watch(struct door *door, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(door->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* --- replies and the end of a connection -------------------------------------------------------------------- */

/* Never waits: the socket's buffer is empty, as nothing else was ever sent on it. A client that is gone misses it. */
static void reply(int sock, const struct sandbox_result *result, const struct sandbox_error *error)
{
	struct message_reply message;

	message_reply_build(result, error, &message);
	(void)send(sock, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void close_connection(struct connection *connection)
{
	struct door *door = connection->door;

	connection->sock = fd_close(connection->sock);
	connection->state = CONNECTION_CLOSED;
	*connection->link = connection->next;
	if (connection->next != NULL)
		connection->next->link = connection->link;
	door->nconnections--;
	connection->next = door->closed;
	door->closed = connection;
}

/* The client is gone, or lost its right to a result: what runs for it ends. ERR: NULL, or what it is told. */
static void drop(struct connection *connection, const struct sandbox_error *err)
{
	if (err != NULL)
		reply(connection->sock, NULL, err);
	if (connection->state == CONNECTION_WAITING) {
		close_connection(connection);
		return;
	}
	connection->sock = fd_close(connection->sock);
	connection->state = CONNECTION_ORPHAN;
	sandbox_cancel(connection->run);
}

static void free_closed(struct door *door)
{
	while (door->closed != NULL) {
		struct connection *connection = door->closed;
		door->closed = connection->next;
		free(connection);
	}
}

/* --- requests ----------------------------------------------------------------------------------------------- */

static void log_fault(const struct sandbox_error *error)
{
	if (strncmp(error->stage, "request.", strlen("request.")) != 0)
		log_event(LOG_LEVEL_ERROR, "run.fault", "e:error", error, NULL);
	else
		log_event(LOG_LEVEL_DEBUG, "run.refused", "e:error", error, NULL);
}

static void on_done(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user)
{
	struct connection *connection = user;

	(void)run;
	if (error != NULL)
		log_fault(error);
	if (connection->state == CONNECTION_RUNNING)
		reply(connection->sock, result, error);
	close_connection(connection);
}

static void start_run(struct connection *connection, struct message_request *request)
{
	struct door *door = connection->door;
	struct sandbox_error err = {0};

	message_bind(request, door->inbox.fds);
	if (sandbox_start(door->sandbox, &request->spec, on_done, connection, &connection->run, &err) < 0) {
		log_fault(&err);
		drop(connection, &err);
		return;
	}
	connection->state = CONNECTION_RUNNING;
}

static void on_message(struct connection *connection)
{
	struct inbox *inbox = &connection->door->inbox;
	struct message_request request;
	struct sandbox_error err = {0};

	if (message_parse(inbox->bytes, inbox->size, inbox->nfds, &request, &err) < 0) {
		log_fault(&err);
		drop(connection, &err);
	} else if (request.type == MESSAGE_CANCEL && connection->state == CONNECTION_RUNNING) {
		sandbox_cancel(connection->run);
	} else if (request.type == MESSAGE_CANCEL || connection->state == CONNECTION_RUNNING) {
		(void)error_set(&err, EPROTO, "request.message", "one request, then at most a cancel");
		drop(connection, &err);
	} else if (request.type == MESSAGE_HELLO) {
		reply(connection->sock, NULL, NULL);
		close_connection(connection);
	} else {
		start_run(connection, &request);
	}
}

static void connection_ready(struct connection *connection)
{
	struct inbox *inbox = &connection->door->inbox;
	struct sandbox_error err = {0};

	if (connection->sock < 0) /* an earlier event of this round closed it */
		return;
	int r = inbox_receive(connection->sock, inbox, &err);
	if (r == -ECONNRESET)
		drop(connection, NULL);
	else if (r < 0)
		drop(connection, &err);
	else if (r == 0)
		on_message(connection);
	inbox_empty(inbox); /* the engine keeps copies of what it needs */
}

/* --- new connections ---------------------------------------------------------------------------------------- */

static bool is_allowed(const struct door *door, uid_t uid)
{
	for (size_t i = 0; i < door->nuids; i++)
		if (door->uids[i] == uid)
			return true;
	return false;
}

/* At most one line a second: whoever may not enter shall not fill the log either. */
static void log_refusal(struct door *door, const struct ucred *peer)
{
	uint64_t now = now_nsec();

	door->refusals++;
	if (now - door->refusal_logged_nsec < NSEC_PER_SEC && door->refusal_logged_nsec != 0)
		return;
	door->refusal_logged_nsec = now;
	log_event(LOG_LEVEL_WARN, "door.refused", "u:uid", (uint64_t)peer->uid, "i:pid", (int64_t)peer->pid,
		"u:refusals", door->refusals, NULL);
}

static int check_peer(struct door *door, int sock, struct sandbox_error *err)
{
	struct ucred peer;

	int r = address_peer(sock, &peer);
	if (r < 0)
		return error_set(err, -r, "door.peer", "SO_PEERCRED: %s", strerrordesc_np(-r));
	if (!is_allowed(door, peer.uid)) {
		log_refusal(door, &peer);
		return error_set(err, EACCES, "door.peer", "user %u may not use this supervisor", peer.uid);
	}
	if (door->nconnections == BOUND_RUNS)
		return error_set(err, EAGAIN, "door.busy", "%d connections are open", BOUND_RUNS);
	return 0;
}

static int add_connection(struct door *door, int sock, struct sandbox_error *err)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	if (connection == NULL)
		return error_set(err, ENOMEM, "door.accept", "connection");
	*connection = (struct connection){
		.next = door->connections,
		.link = &door->connections,
		.door = door,
		.sock = sock,
		.deadline_nsec = now_nsec() + DOOR_PATIENCE_SEC * NSEC_PER_SEC,
	};
	int r = watch(door, sock, connection);
	if (r < 0) {
		free(connection);
		return error_set(err, -r, "door.accept", "watch: %s", strerrordesc_np(-r));
	}
	if (connection->next != NULL)
		connection->next->link = &connection->next;
	door->connections = connection;
	door->nconnections++;
	return 0;
}

/* Out of descriptors or memory: the queue of connections stays readable, and the loop would spin on it. */
static void pause_accepting(struct door *door)
{
	struct sandbox_error err = {0};

	(void)error_errno(&err, "door.accept", "accept");
	log_event(LOG_LEVEL_ERROR, "door.paused", "e:error", &err, NULL);
	(void)epoll_ctl(door->epoll_fd, EPOLL_CTL_DEL, door->listener.fd, NULL);
	door->resume_nsec = now_nsec() + NSEC_PER_SEC / 10;
}

static void listener_ready(struct door *door)
{
	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		struct sandbox_error err = {0};
		_cleanup_close_ int sock =
			accept4(door->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (sock < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
			pause_accepting(door);
		if (sock < 0 && errno != EINTR && errno != ECONNABORTED)
			return;
		if (sock < 0)
			continue;
		int r = check_peer(door, sock, &err);
		if (r == 0)
			r = add_connection(door, sock, &err);
		if (r < 0)
			reply(sock, NULL, &err);
		else
			(void)TAKE_FD(sock); /* the connection's own */
	}
}

/* --- the loop ----------------------------------------------------------------------------------------------- */

static void signal_ready(struct door *door)
{
	struct signalfd_siginfo info;

	if (read(door->signal_fd, &info, sizeof(info)) == sizeof(info))
		door->stop_signal = (int)info.ssi_signo;
}

static uint64_t next_deadline(const struct door *door)
{
	uint64_t next = door->resume_nsec;

	for (const struct connection *c = door->connections; c != NULL; c = c->next)
		if (c->state == CONNECTION_WAITING && c->deadline_nsec < next)
			next = c->deadline_nsec;
	return next;
}

static int wait_msec(const struct door *door)
{
	uint64_t next = next_deadline(door), now = now_nsec();

	if (next == NSEC_NEVER)
		return -1;
	return next <= now ? 0 : (int)((next - now) / 1000000 + 1);
}

static int on_time(struct door *door, struct sandbox_error *err)
{
	uint64_t now = now_nsec();
	struct connection *following;

	for (struct connection *c = door->connections; c != NULL; c = following) {
		struct sandbox_error late = {0};
		following = c->next;
		if (c->state != CONNECTION_WAITING || c->deadline_nsec > now)
			continue;
		(void)error_set(
			&late, ETIMEDOUT, "request.late", "no request within %d s", DOOR_PATIENCE_SEC);
		drop(c, &late);
	}
	if (door->resume_nsec > now)
		return 0;
	door->resume_nsec = NSEC_NEVER;
	int r = watch(door, door->listener.fd, &door->listener);
	return r < 0 ? error_set(err, -r, "door.accept", "watch: %s", strerrordesc_np(-r)) : 0;
}

static int on_event(struct door *door, void *what, struct sandbox_error *err)
{
	if (what == &door->listener)
		listener_ready(door);
	else if (what == &door->signal_fd)
		signal_ready(door);
	else if (what == &door->sandbox)
		return sandbox_dispatch(door->sandbox, 0, err);
	else
		connection_ready(what);
	return 0;
}

int door_run(struct door *door, struct sandbox_error *err)
{
	struct epoll_event events[EVENTS_PER_ROUND];
	int r = 0;

	while (r == 0 && door->stop_signal == 0) {
		int n = epoll_wait(door->epoll_fd, events, EVENTS_PER_ROUND, wait_msec(door));
		if (n < 0 && errno != EINTR)
			r = error_errno(err, "door.loop", "epoll_wait");
		nudge_start();
		for (int i = 0; r == 0 && i < n; i++)
			r = on_event(door, events[i].data.ptr, err);
		if (r == 0)
			r = on_time(door, err);
		free_closed(door);
		nudge_stop();
	}
	nudge_start(); /* what is still open is closed by sandbox_close and door_close */
	listener_close(&door->listener);
	return r;
}

/* --- opening and closing ------------------------------------------------------------------------------------ */

static int open_signals(struct door *door, struct sandbox_error *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_errno(err, "door.open", "sigprocmask");
	door->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return door->signal_fd < 0 ? error_errno(err, "door.open", "signalfd") : 0;
}

static int watch_all(struct door *door, struct sandbox_error *err)
{
	door->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (door->epoll_fd < 0)
		return error_errno(err, "door.open", "epoll");
	int r = watch(door, door->listener.fd, &door->listener);
	if (r == 0)
		r = watch(door, door->signal_fd, &door->signal_fd);
	if (r == 0)
		r = watch(door, sandbox_fd(door->sandbox), &door->sandbox);
	return r < 0 ? error_set(err, -r, "door.open", "watch: %s", strerrordesc_np(-r)) : 0;
}

int door_open(const struct door_options *options, struct sandbox *sandbox, struct door **ret,
	struct sandbox_error *err)
{
	struct door *door = calloc(1, sizeof(*door));
	if (door == NULL)
		return error_set(err, ENOMEM, "door.open", "door");
	door->sandbox = sandbox;
	door->epoll_fd = door->signal_fd = door->listener.fd = door->listener.address.dir_fd = -1;
	door->resume_nsec = NSEC_NEVER;
	assert(options->nuids <= DOOR_UIDS_MAX);
	memcpy(door->uids, options->uids, options->nuids * sizeof(door->uids[0]));
	door->nuids = options->nuids;
	int r = open_signals(door, err);
	if (r == 0)
		r = nudge_open(err);
	if (r == 0)
		r = listener_open(options->path, &door->listener, err);
	if (r == 0)
		r = watch_all(door, err);
	if (r < 0) {
		(void)door_close(door);
		return r;
	}
	*ret = door;
	return 0;
}

struct door *door_close(struct door *door)
{
	if (door == NULL)
		return NULL;
	/* Those that still wait for a request; runs were reported by sandbox_close. */
	while (door->connections != NULL)
		close_connection(door->connections);
	free_closed(door);
	nudge_stop();
	listener_close(&door->listener);
	(void)fd_close(door->signal_fd);
	(void)fd_close(door->epoll_fd);
	free(door);
	return NULL;
}
