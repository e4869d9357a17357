#include "tests/lib/serve.h"

#include "sandbox/base/fd.h"
#include "tests/lib/place.h"
#include "tests/lib/supervisor.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

void serve_pause_msec(long msec)
{
	(void)nanosleep(&(struct timespec){msec / 1000, msec % 1000 * 1000000}, NULL);
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* A port that nobody uses, most likely also in a moment. */
static unsigned free_port(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	_cleanup_close_ int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(sock, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(getsockname(sock, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

bool serve_is_healthy(unsigned port)
{
	struct sockaddr_in address = loopback(port);
	_cleanup_close_ int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[128], reply[16] = "";

	if (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		return false;
	int n = snprintf(request, sizeof(request),
		"GET /health HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n\r\n", port);
	if (send(sock, request, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	return recv(sock, reply, 12, MSG_WAITALL) == 12 && strcmp(reply, "HTTP/1.1 200") == 0;
}

void serve_wait_until_healthy(unsigned port)
{
	for (int i = 0; i < 500 && !serve_is_healthy(port); i++)
		serve_pause_msec(20);
	ck_assert(serve_is_healthy(port));
}

static int open_log(void)
{
	int fd = open(place_path("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

struct serve serve_start(const char *state_dir)
{
	struct serve serve = {.port = free_port()};
	char port[16], state[300], wanted[64];
	_cleanup_close_ int log = open_log();

	(void)snprintf(port, sizeof(port), "%u", serve.port);
	(void)snprintf(state, sizeof(state), "--state-dir=%s", state_dir);
	serve.program = program_start(&(struct program_plan){
		.argv = (const char *const[]){"cofferdam", "serve", "--port", port, state, NULL},
		.err = log,
		.has_err = true,
	});
	struct pollfd wait = {.fd = serve.program.out_fd, .events = POLLIN};
	ck_assert_int_eq(poll(&wait, 1, CELL_PATIENCE_MSEC), 1);
	(void)!read(serve.program.out_fd, serve.line, sizeof(serve.line) - 1);
	_cleanup_free_ char *said = place_read("log");
	(void)snprintf(wanted, sizeof(wanted), "http://127.0.0.1:%u\n", serve.port);
	ck_assert_msg(strcmp(serve.line, wanted) == 0, "\"%s\"; %s", serve.line, said);
	return serve;
}

void serve_stop(struct serve *serve, int signal)
{
	ck_assert_int_eq(kill(serve->program.pid, signal), 0);
	program_finish(&serve->program);
	_cleanup_free_ char *said = place_read("log");
	ck_assert_msg(serve->program.status == 0, "status %d; %s", serve->program.status, said);
	ck_assert_str_eq(serve->program.out, ""); /* the one line was all */
	program_free(&serve->program);
}

/* The child of PARENT that runs under UID, or -1. */
static pid_t find_child(pid_t parent, uid_t uid)
{
	DIR *dir = opendir("/proc");
	pid_t found = -1;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *entry; found < 0 && (entry = readdir(dir)) != NULL;) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 0 && (pid_t)strtol(cell_proc_line(pid, "status", "PPid"), NULL, 10) == parent &&
			(uid_t)strtoul(cell_proc_line(pid, "status", "Uid"), NULL, 10) == uid)
			found = pid;
	}
	(void)closedir(dir);
	return found;
}

pid_t serve_service(const struct serve *serve)
{
	return find_child(serve->program.pid, SUPERVISOR_SERVICE_UID);
}

pid_t serve_supervisor(const struct serve *serve)
{
	return find_child(serve->program.pid, 0);
}

pid_t serve_wait_for_another(const struct serve *serve, uid_t uid, pid_t old)
{
	for (int i = 0; i < 500; i++) {
		pid_t now = find_child(serve->program.pid, uid);
		if (now > 0 && now != old)
			return now;
		serve_pause_msec(20);
	}
	return -1;
}
