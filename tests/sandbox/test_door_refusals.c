/* test_door_refusals.c: who may not enter at the door, and what is not understood there. */
#include "sandbox/base/fd.h"
#include "sandbox/door/address.h"
#include "sandbox/door/client.h"
#include "sandbox/door/message.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/client.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- who may enter ------------------------------------------------------------------------------------------ */

/* In a child of that user: what door_start of a plain run comes to. */
static int start_as(const struct supervisor *supervisor, uid_t uid, int *ret_ping)
{
	const char *words[16];
	struct sandbox_file file;
	struct sandbox_spec spec = client_work("exit 0", words, &file);
	int pair[2], results[2] = {-1, -1};

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct sandbox_error err = {0};
		if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
			_exit(1);
		results[0] = door_ping(supervisor->socket, NULL);
		int connection = door_start(supervisor->socket, &spec, &err);
		struct sandbox_result result;
		results[1] = connection < 0 ? connection : door_finish(connection, &result, &err);
		(void)!write(pair[1], results, sizeof(results));
		_exit(0);
	}
	(void)close(pair[1]);
	(void)close(file.fd);
	ck_assert_int_eq(read(pair[0], results, sizeof(results)), sizeof(results));
	(void)close(pair[0]);
	(void)waitpid(pid, NULL, 0);
	*ret_ping = results[0];
	return results[1];
}

START_TEST(only_root_and_the_services_user_may_enter)
{
	SUPERVISOR(supervisor);
	int ping;

	ck_assert_int_eq(start_as(&supervisor, SUPERVISOR_SERVICE_UID, &ping), 0);
	ck_assert_int_eq(ping, 0);
	ck_assert_int_eq(start_as(&supervisor, 12345, &ping), -EACCES);
	ck_assert_int_eq(ping, -EACCES);
	supervisor_expect_alive(&supervisor);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_socket_of_a_third_party_is_not_believed)
{
	char dir[] = "/tmp/cofferdam-test-XXXXXX", path[64];
	struct address address;
	struct sandbox_error err = {0};
	int up[2];

	if (geteuid() != 0)
		TEST_SKIP("needs root");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0777), 0);
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	ck_assert_int_eq(pipe2(up, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		if (setresuid(12345, 12345, 12345) < 0 || address_open(path, &address, NULL) < 0 ||
			bind(sock, (struct sockaddr *)&address.sun, sizeof(address.sun)) < 0 ||
			listen(sock, 5) < 0)
			_exit(1);
		(void)!write(up[1], "x", 1);
		for (;;)
			(void)pause();
	}
	client_wait_readable(up[0]);
	int r = door_ping(path, &err);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)unlink(path);
	(void)rmdir(dir);
	(void)close(up[0]);
	(void)close(up[1]);
	ck_assert_int_eq(r, -EACCES);
	ck_assert_str_eq(err.stage, "door.peer");
}
END_TEST

/* --- nonsense ----------------------------------------------------------------------------------------------- */

static int raw_connect(const struct supervisor *supervisor)
{
	struct address address;
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(address_open(supervisor->socket, &address, NULL), 0);
	ck_assert_int_eq(connect(sock, (struct sockaddr *)&address.sun, sizeof(address.sun)), 0);
	address_close(&address);
	return sock;
}

/* Sends SIZE bytes with NFDS copies of FD. */
static void raw_send_copies(int sock, const void *bytes, size_t size, int fd, size_t nfds)
{
	static union {
		char space[CMSG_SPACE(253 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_len = size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	_cleanup_free_ char *copy = malloc(size + 1);

	memcpy(copy, bytes, size);
	iov.iov_base = copy;
	if (nfds > 0) {
		message.msg_control = control.space;
		message.msg_controllen = CMSG_LEN(nfds * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		*head = (struct cmsghdr){CMSG_LEN(nfds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		for (size_t i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(head) + i * sizeof(int), &fd, sizeof(int));
	}
	ck_assert_int_eq(sendmsg(sock, &message, MSG_NOSIGNAL), (ssize_t)size);
}

static void raw_send(int sock, const void *bytes, size_t size, size_t nfds)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	raw_send_copies(sock, bytes, size, null, nfds);
}

static void expect_error(int sock, int number, const char *stage)
{
	struct sandbox_result result;
	struct sandbox_error err = {0};

	client_wait_readable(sock);
	ck_assert_int_eq(door_finish(sock, &result, &err), -number);
	ck_assert_str_eq(err.stage, stage);
}

START_TEST(nonsense_is_answered_and_the_supervisor_lives_on)
{
	static char big[BOUND_REQUEST_BYTES + 1];
	SUPERVISOR(supervisor);
	unsigned idle = supervisor_descriptors(&supervisor);
	struct message_head hello = message_bare(MESSAGE_HELLO), cancel = message_bare(MESSAGE_CANCEL);
	struct message_head newer = hello;
	newer.version++;
	const struct {
		const void *bytes;
		size_t size, nfds;
		int number;
		const char *stage;
	} cases[] = {
		{"x", 1, 0, EINVAL, "request.message"},
		{"GET / HTTP/1.0\r\n\r\n", 18, 0, EINVAL, "request.message"},
		{big, sizeof(big) - 1, 0, EINVAL, "request.message"},
		{big, sizeof(big), 0, E2BIG, "request.message"},
		{&hello, sizeof(hello) - 1, 0, EINVAL, "request.message"},
		{&hello, sizeof(hello), 1, EINVAL, "request.message"},
		{&hello, sizeof(hello), MESSAGE_FDS_MAX, EINVAL, "request.message"},
		{&hello, sizeof(hello), MESSAGE_FDS_MAX + 1, E2BIG, "request.message"},
		{&hello, sizeof(hello), 253, E2BIG, "request.message"},
		{&cancel, sizeof(cancel), 0, EPROTO, "request.message"},
		{&newer, sizeof(newer), 0, EPROTONOSUPPORT, "request.version"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int sock = raw_connect(&supervisor);
		raw_send(sock, cases[i].bytes, cases[i].size, cases[i].nfds);
		expect_error(sock, cases[i].number, cases[i].stage);
		(void)close(sock);
	}
	supervisor_expect_alive(&supervisor);
	supervisor_wait_until_idle(&supervisor, idle); /* every descriptor that came has been closed */
	supervisor_close(&supervisor);
}
END_TEST

static int started(const struct supervisor *supervisor, struct sandbox_spec spec, const char *stage)
{
	struct sandbox_result result;
	struct sandbox_error err = {0};
	_cleanup_close_ int connection = door_start(supervisor->socket, &spec, &err);

	ck_assert_msg(connection >= 0, "%s: %s", err.stage, err.message);
	int r = door_finish(connection, &result, &err);
	ck_assert_str_eq(err.stage, stage);
	return r;
}

START_TEST(what_the_engine_refuses_is_told_to_the_client)
{
	SUPERVISOR(supervisor);
	unsigned idle = supervisor_descriptors(&supervisor);
	const char *words[16];
	struct sandbox_file file;
	struct sandbox_spec good = client_work("exit 0", words, &file), spec = good;

	spec.policy = "no-such-policy";
	ck_assert_int_eq(started(&supervisor, spec, "request.policy"), -ENOENT);
	spec = good;
	spec.limits.memory_bytes = UINT64_MAX;
	ck_assert_int_eq(started(&supervisor, spec, "request.limits"), -ERANGE);
	spec = good;
	spec.stdout_fd = file.fd;
	ck_assert_int_eq(started(&supervisor, spec, "request.descriptor"), -EINVAL);
	spec = good;
	struct sandbox_file escape = {"../etc/passwd", file.fd, false};
	spec.files = &escape;
	ck_assert_int_eq(started(&supervisor, spec, "request.files"), -EINVAL);
	spec = good;
	spec.step = SANDBOX_COMPILE;
	ck_assert_int_eq(started(&supervisor, spec, "request.step"), -EINVAL);
	(void)close(file.fd);
	supervisor_wait_until_idle(&supervisor, idle);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_second_request_on_a_connection_ends_the_first)
{
	SUPERVISOR(supervisor);
	struct client client = client_start(&supervisor, "sleep 50000");
	struct message_head hello = message_bare(MESSAGE_HELLO);

	client_wait_for(&client, "sleeping");
	raw_send(client.connection, &hello, sizeof(hello), 0);
	expect_error(client.connection, EPROTO, "request.message");
	supervisor_wait_until_empty(&supervisor);
	(void)close(client.connection);
	(void)close(client.out);
	supervisor_expect_alive(&supervisor);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(who_says_nothing_is_shown_out)
{
	SUPERVISOR(supervisor);
	int sock = raw_connect(&supervisor);

	expect_error(sock, ETIMEDOUT, "request.late");
	(void)close(sock);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(one_connection_too_many_is_refused)
{
	static int socks[BOUND_RUNS];
	struct rlimit files = {BOUND_RUNS + 100, 0};

	SUPERVISOR(supervisor);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < BOUND_RUNS + 200) {
		supervisor_close(&supervisor);
		TEST_SKIP("RLIMIT_NOFILE is too low for so many connections");
	}
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (int i = 0; i < BOUND_RUNS; i++)
		socks[i] = raw_connect(&supervisor);
	int sock = raw_connect(&supervisor);
	expect_error(sock, EAGAIN, "door.busy");
	(void)close(sock);
	for (int i = 0; i < BOUND_RUNS; i++)
		(void)close(socks[i]);
	for (int i = 0; i < 500 && door_ping(supervisor.socket, NULL) < 0; i++)
		client_pause(20);
	supervisor_expect_alive(&supervisor);
	supervisor_close(&supervisor);
}
END_TEST

/* A connection whose peer never reads, with more in it than the kernel can send: its last close waits for an hour. */
static int lingering_socket(void)
{
	static const char bytes[1 << 16];
	const struct linger linger = {.l_onoff = 1, .l_linger = 3600};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static int listener; /* stays open, and its queue with it */
	socklen_t size = sizeof(address);

	if (listener == 0)
		listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)listen(listener, 8); /* binds it */
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(sock, (const struct sockaddr *)&address, size), 0);
	while (send(sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(setsockopt(sock, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return sock;
}

/* In a request, among more than there may be (the kernel lets go of them itself), and in a message that nobody reads. */
START_TEST(a_socket_that_lingers_holds_nobody_up)
{
	SUPERVISOR(supervisor);
	unsigned idle = supervisor_descriptors(&supervisor);
	const size_t copies[] = {1, MESSAGE_FDS_MAX + 1, 1};
	struct message_head hello = message_bare(MESSAGE_HELLO);

	for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
		/* It stands still until the message has the only descriptors: our close must not be the last. */
		ck_assert_int_eq(kill(supervisor.pid, SIGSTOP), 0);
		int sock = raw_connect(&supervisor), lingers = lingering_socket();
		if (i == 2)
			raw_send(sock, "x", 1, 0);
		raw_send_copies(sock, &hello, sizeof(hello), lingers, copies[i]);
		(void)close(lingers);
		(void)close(sock);
		ck_assert_int_eq(kill(supervisor.pid, SIGCONT), 0);
		supervisor_expect_alive(&supervisor);
	}
	supervisor_wait_until_idle(&supervisor, idle);
	supervisor_close(&supervisor);
}
END_TEST

TEST_PROGRAM("door_refusals", 120, tcase_add_test(tc, a_socket_that_lingers_holds_nobody_up);
	     tcase_add_test(tc, only_root_and_the_services_user_may_enter);
	     tcase_add_test(tc, a_socket_of_a_third_party_is_not_believed);
	     tcase_add_test(tc, nonsense_is_answered_and_the_supervisor_lives_on);
	     tcase_add_test(tc, what_the_engine_refuses_is_told_to_the_client);
	     tcase_add_test(tc, a_second_request_on_a_connection_ends_the_first);
	     tcase_add_test(tc, who_says_nothing_is_shown_out);
	     tcase_add_test(tc, one_connection_too_many_is_refused))
