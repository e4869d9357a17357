#include "service/http.h"

#include "sandbox/base/fd.h"
#include "service/http_deadline.h"
#include "service/http_exchange.h"
#include "service/waiters.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

struct http_server {
	struct MHD_Daemon *daemon;
	struct http_deadlines *deadlines;
	struct http_exchanges exchanges; /* its waiters: borrowed */
	uint16_t port;
};

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

static int parse_address(const struct http_options *options, union address *ret, struct sandbox_error *err)
{
	*ret = (union address){0};
	if (inet_pton(AF_INET, options->address, &ret->four.sin_addr) == 1) {
		ret->four.sin_family = AF_INET;
		ret->four.sin_port = htons(options->port);
		return (int)sizeof(ret->four);
	}
	if (inet_pton(AF_INET6, options->address, &ret->six.sin6_addr) == 1) {
		ret->six.sin6_family = AF_INET6;
		ret->six.sin6_port = htons(options->port);
		return (int)sizeof(ret->six);
	}
	return error_set(err, EINVAL, "http.listen", "not an address in numbers");
}

static int listen_on(const struct http_options *options, uint16_t *ret_port, struct sandbox_error *err)
{
	union address address;
	int length = parse_address(options, &address, err);
	if (length < 0)
		return length;
	_cleanup_close_ int fd =
		socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return error_errno(err, "http.listen", "socket");
	int one = 1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return error_errno(err, "http.listen", "SO_REUSEADDR");
	if (bind(fd, &address.any, (socklen_t)length) < 0 || listen(fd, SOMAXCONN) < 0)
		return error_errno(err, "http.listen", "cannot listen on %s port %u", options->address,
			(unsigned)options->port);
	socklen_t size = sizeof(address);
	if (getsockname(fd, &address.any, &size) < 0)
		return error_errno(err, "http.listen", "getsockname");
	*ret_port = ntohs(address.any.sa_family == AF_INET ? address.four.sin_port : address.six.sin6_port);
	return TAKE_FD(fd);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = cls;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		http_deadline_remove(*socket_context);
		*socket_context = NULL;
		return;
	}
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL)
		return;
	*socket_context = http_deadline_add(server->deadlines, info->connect_fd);
	if (*socket_context == NULL)
		(void)shutdown(info->connect_fd, SHUT_RDWR); /* never a connection without a deadline */
}

/* MHD_OPTION_CONNECTION_TIMEOUT ends clients that do not read their answer. Twice the deadline of a request, so that of the
 * two the deadline comes first for one that does not send. */
static int start_daemon(struct http_server *server, const struct http_options *options, int *listen_fd,
	struct sandbox_error *err)
{
	server->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
		NULL, http_exchange_handle, &server->exchanges, MHD_OPTION_LISTEN_SOCKET, *listen_fd,
		MHD_OPTION_THREAD_POOL_SIZE, options->threads ? options->threads : (unsigned)HTTP_THREADS,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_HEADER_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, 2 * options->timeout_sec,
		MHD_OPTION_NOTIFY_COMPLETED, http_exchange_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, server, MHD_OPTION_END);
	if (server->daemon == NULL)
		return error_set(err, EIO, "http.start", "libmicrohttpd does not start");
	(void)TAKE_FD(*listen_fd); /* the daemon closes it */
	return 0;
}

int http_server_open(const struct http_options *options, struct http_server **ret, struct sandbox_error *err)
{
	struct http_server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return error_set(err, ENOMEM, "http.start", "no memory");
	server->exchanges.handler = options->handler;
	server->exchanges.body_max = options->body_max;
	server->exchanges.waiters = options->waiters;
	_cleanup_close_ int fd = listen_on(options, &server->port, err);
	int r = fd;
	if (r >= 0)
		r = http_deadlines_open(options->timeout_sec, &server->deadlines, err);
	if (r >= 0)
		r = start_daemon(server, options, &fd, err);
	if (r < 0) {
		(void)http_server_close(server);
		return r;
	}
	*ret = server;
	return 0;
}

void http_url(const char *address, unsigned port, char *buf, size_t size)
{
	bool is_bracketed = strchr(address, ':') != NULL;

	(void)snprintf(buf, size, "http://%s%s%s:%u", is_bracketed ? "[" : "", address,
		is_bracketed ? "]" : "", port);
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

struct http_server *http_server_close(struct http_server *server)
{
	if (server == NULL)
		return NULL;
	waiters_stop(server->exchanges.waiters); /* libmicrohttpd ends no connection that is suspended */
	if (server->daemon != NULL)
		MHD_stop_daemon(server->daemon);
	server->deadlines = http_deadlines_close(server->deadlines);
	free(server);
	return NULL;
}
