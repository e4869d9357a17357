#include "tests/lib/scripted.h"

#include "sandbox/base/fd.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* One request, head and body. False: the connection has ended. */
static bool take_request(int fd, char *buf)
{
	size_t n = 0;

	for (;;) {
		const char *end = strstr(buf, "\r\n\r\n"), *length = strcasestr(buf, "\r\nContent-Length:");
		size_t body = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
		if (end != NULL && n >= (size_t)(end - buf) + 4 + body)
			return true;
		ssize_t got = n < SCRIPTED_BYTES - 1 ? read(fd, buf + n, SCRIPTED_BYTES - 1 - n) : 0;
		if (got <= 0)
			return false;
		n += (size_t)got;
		buf[n] = '\0';
	}
}

static void serve_connection(struct scripted *server, int fd)
{
	for (;;) {
		char buf[SCRIPTED_BYTES] = "";
		if (!take_request(fd, buf))
			return;
		unsigned at = atomic_load(&server->nrequests);
		if (at < SCRIPTED_REQUESTS)
			memcpy(server->requests[at], buf, sizeof(buf));
		atomic_fetch_add(&server->nrequests, 1);
		if (at >= server->nsteps)
			return;
		const struct scripted_step *step = &server->steps[at];
		if (step->way == SCRIPTED_GATE)
			(void)sem_wait(&server->gate);
		(void)!send(fd, step->text, strlen(step->text), MSG_NOSIGNAL);
		if (step->way == SCRIPTED_HANG)
			(void)!read(fd, buf, 1); /* until the client has had enough */
		if (step->way != SCRIPTED_ANSWER)
			return;
	}
}

static void *serve(void *user)
{
	struct scripted *server = user;
	int fd;

	while ((fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		atomic_fetch_add(&server->nconnections, 1);
		serve_connection(server, fd);
		(void)fd_close(fd);
	}
	return NULL;
}

void scripted_start(struct scripted *server, const struct scripted_step *steps, size_t nsteps)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);

	*server = (struct scripted){.steps = steps, .nsteps = nsteps};
	ck_assert_int_eq(sem_init(&server->gate, 0, 0), 0);
	server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(server->listen_fd, 0);
	ck_assert_int_eq(bind(server->listen_fd, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(server->listen_fd, 16), 0);
	ck_assert_int_eq(getsockname(server->listen_fd, (struct sockaddr *)&address, &size), 0);
	(void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
	ck_assert_int_eq(pthread_create(&server->thread, NULL, serve, server), 0);
}

void scripted_stop(struct scripted *server)
{
	(void)shutdown(server->listen_fd, SHUT_RDWR);
	(void)pthread_join(server->thread, NULL);
	server->listen_fd = fd_close(server->listen_fd);
	(void)sem_destroy(&server->gate);
}

void scripted_open_gate(struct scripted *server)
{
	(void)sem_post(&server->gate);
}

void scripted_await(struct scripted *server, unsigned n)
{
	while (atomic_load(&server->nrequests) < n)
		(void)usleep(1000);
}
