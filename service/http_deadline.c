#include "service/http_deadline.h"

#include "sandbox/base/fd.h"
#include "service/monotonic.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

struct http_deadline {
	TAILQ_ENTRY(http_deadline) link;
	struct http_deadlines *all;
	int socket; /* borrowed */
	bool is_armed;
	uint64_t received; /* bytes before the request that it is for */
	struct timespec due;
};

TAILQ_HEAD(deadline_list, http_deadline);

struct http_deadlines {
	pthread_t thread;
	pthread_mutex_t lock; /* guards everything below and the sockets' staying open */
	pthread_cond_t changed;
	struct deadline_list armed; /* by due time, earliest first */
	unsigned timeout_sec;
	bool is_stopping;
};

/* Written to the socket as it is: libmicrohttpd cannot be asked to answer a request that is not complete. */
static const char timeout_body[] =
	"{\"error\":{\"code\":\"request_timeout\",\"message\":\"the request did not "
	"arrive whole in time\",\"field\":null}}\n";
static const char timeout_head[] = "HTTP/1.1 408 Request Timeout\r\n"
				   "Content-Type: application/json; charset=utf-8\r\n"
				   "Content-Length: %zu\r\n"
				   "X-Content-Type-Options: nosniff\r\n"
				   "Cache-Control: no-store\r\n"
				   "Connection: close\r\n\r\n%s";

static bool is_due(const struct timespec *due)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > due->tv_sec || (now.tv_sec == due->tv_sec && now.tv_nsec >= due->tv_nsec);
}

static void unlink_armed(struct http_deadline *deadline)
{
	if (deadline->is_armed)
		TAILQ_REMOVE(&deadline->all->armed, deadline, link);
	deadline->is_armed = false;
}

/* Bytes that have come by this connection. Linux 4.1: tcpi_bytes_received. */
static uint64_t received(int socket)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

/* A connection that is kept alive and idle is closed without a word: the client may be about to send, and would take a
 * 408 for the answer to that (RFC 9112, 9.5 and 9.8). */
static void expire(struct http_deadline *deadline)
{
	char answer[512];
	int size = snprintf(answer, sizeof(answer), timeout_head, sizeof(timeout_body) - 1, timeout_body);

	unlink_armed(deadline);
	/* The request is not complete, so libmicrohttpd writes nothing to this socket now. */
	if (received(deadline->socket) != deadline->received)
		(void)send(deadline->socket, answer, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(deadline->socket, SHUT_RDWR);
}

static void *watch(void *user)
{
	struct http_deadlines *all = user;

	(void)pthread_mutex_lock(&all->lock);
	while (!all->is_stopping) {
		struct http_deadline *first = TAILQ_FIRST(&all->armed);
		if (first == NULL) {
			(void)pthread_cond_wait(&all->changed, &all->lock);
		} else if (is_due(&first->due)) {
			expire(first);
		} else {
			struct timespec due = first->due; /* FIRST may be gone when the wait ends */
			(void)pthread_cond_timedwait(&all->changed, &all->lock, &due);
		}
	}
	(void)pthread_mutex_unlock(&all->lock);
	return NULL;
}

int http_deadlines_open(unsigned timeout_sec, struct http_deadlines **ret, struct sandbox_error *err)
{
	struct http_deadlines *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return error_set(err, ENOMEM, "http.deadlines", "no memory");
	all->timeout_sec = timeout_sec;
	TAILQ_INIT(&all->armed);
	(void)pthread_mutex_init(&all->lock, NULL);
	monotonic_condition_init(&all->changed);
	int r = pthread_create(&all->thread, NULL, watch, all);
	if (r != 0) {
		(void)pthread_cond_destroy(&all->changed);
		(void)pthread_mutex_destroy(&all->lock);
		free(all);
		return error_set(err, r, "http.deadlines", "cannot start a thread");
	}
	*ret = all;
	return 0;
}

struct http_deadlines *http_deadlines_close(struct http_deadlines *all)
{
	if (all == NULL)
		return NULL;
	(void)pthread_mutex_lock(&all->lock);
	all->is_stopping = true;
	(void)pthread_cond_signal(&all->changed);
	(void)pthread_mutex_unlock(&all->lock);
	(void)pthread_join(all->thread, NULL);
	(void)pthread_cond_destroy(&all->changed);
	(void)pthread_mutex_destroy(&all->lock);
	free(all);
	return NULL;
}

void http_deadline_disarm(struct http_deadline *deadline)
{
	(void)pthread_mutex_lock(&deadline->all->lock);
	unlink_armed(deadline);
	(void)pthread_mutex_unlock(&deadline->all->lock);
}

static void arm(struct http_deadline *deadline, uint64_t received_before)
{
	struct http_deadlines *all = deadline->all;

	(void)pthread_mutex_lock(&all->lock);
	unlink_armed(deadline);
	(void)clock_gettime(CLOCK_MONOTONIC, &deadline->due);
	deadline->due.tv_sec += all->timeout_sec;
	deadline->received = received_before;
	TAILQ_INSERT_TAIL(&all->armed, deadline, link);
	deadline->is_armed = true;
	if (TAILQ_FIRST(&all->armed) == deadline)
		(void)pthread_cond_signal(&all->changed);
	(void)pthread_mutex_unlock(&all->lock);
}

void http_deadline_arm(struct http_deadline *deadline)
{
	arm(deadline, received(deadline->socket));
}

struct http_deadline *http_deadline_add(struct http_deadlines *all, int socket)
{
	struct http_deadline *deadline = calloc(1, sizeof(*deadline));

	if (deadline == NULL)
		return NULL;
	deadline->all = all;
	deadline->socket = socket;
	arm(deadline, 0); /* a first request may be there already */
	return deadline;
}

void http_deadline_remove(struct http_deadline *deadline)
{
	if (deadline == NULL)
		return;
	http_deadline_disarm(deadline);
	free(deadline);
}
