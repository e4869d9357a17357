/* test_door.c: the supervisor as its clients see it: real program, real engine. */
#include "sandbox/base/fd.h"
#include "sandbox/door/address.h"
#include "sandbox/door/client.h"
#include "sandbox/door/message.h"
#include "sandbox/door/server.h"
#include "tests/lib/cell.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/supervisor.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define SUPERVISOR(name)                                                                                     \
	struct supervisor name;                                                                              \
	if (cell_skip_reason() != NULL)                                                                      \
		TEST_SKIP(cell_skip_reason());                                                               \
	supervisor_open(&name)

/* --- a client ----------------------------------------------------------------------------------------------- */

struct client {
	int connection, out;
	struct sandbox_error err;
};

/* COMMAND is split at spaces; "work" is the probe. */
static struct sandbox_spec work(const char *command, const char **words, struct sandbox_file *file)
{
	static char text[256], path[4096];
	char *rest = text;
	size_t n = 0;

	(void)snprintf(text, sizeof(text), "/box/work %s", command);
	for (char *word; (word = strsep(&rest, " ")) != NULL;)
		words[n++] = word;
	(void)snprintf(path, sizeof(path), "%s/work", cell_probes_dir());
	*file = (struct sandbox_file){"work", open(path, O_RDONLY | O_CLOEXEC), true};
	ck_assert_int_ge(file->fd, 0);
	return (struct sandbox_spec){
		.policy = "attack-run",
		.step = SANDBOX_RUN,
		.args = words,
		.nargs = n,
		.files = file,
		.nfiles = 1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
	};
}

static struct client start(const struct supervisor *supervisor, const char *command)
{
	const char *words[16];
	struct sandbox_file file;
	struct sandbox_spec spec = work(command, words, &file);
	struct client client = {.out = -1};
	int pair[2];

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	client.out = pair[0];
	spec.stdout_fd = spec.stderr_fd = pair[1];
	client.connection = door_start(supervisor->socket, &spec, &client.err);
	(void)close(pair[1]);
	(void)close(file.fd);
	ck_assert_msg(client.connection >= 0, "%s: %s", client.err.stage, client.err.message);
	return client;
}

static void wait_readable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&wait, 1, CELL_PATIENCE_MSEC), 1);
}

/* Reads until TEXT has come. */
static void wait_for(const struct client *client, const char *text)
{
	char buf[256] = "";
	size_t used = 0;

	while (strstr(buf, text) == NULL) {
		wait_readable(client->out);
		ssize_t n = read(client->out, buf + used, sizeof(buf) - 1 - used);
		ck_assert_msg(n > 0, "the output ended without \"%s\"", text);
		used += (size_t)n;
		buf[used] = '\0';
	}
}

static struct sandbox_result finish(struct client *client)
{
	struct sandbox_result result = {0};

	wait_readable(client->connection);
	int r = door_finish(client->connection, &result, &client->err);
	ck_assert_msg(r == 0, "%s: %s", client->err.stage, client->err.message);
	client->connection = fd_close(client->connection);
	client->out = fd_close(client->out);
	return result;
}

static void expect_alive(const struct supervisor *supervisor)
{
	struct sandbox_error err = {0};

	ck_assert_msg(door_ping(supervisor->socket, &err) == 0, "%s: %s", err.stage, err.message);
}

static void pause_msec(long msec)
{
	(void)nanosleep(&(struct timespec){msec / 1000, msec % 1000 * 1000000}, NULL);
}

/* Until no process runs under the user ids of its cells. */
static void wait_until_empty(const struct supervisor *supervisor)
{
	for (int i = 0; i < 500 && host_slot_processes(supervisor->slot) > 0; i++)
		pause_msec(20);
	ck_assert_uint_eq(host_slot_processes(supervisor->slot), 0);
}

/* Until it holds no more descriptors than that. */
static void wait_until_idle(const struct supervisor *supervisor, unsigned descriptors)
{
	for (int i = 0; i < 500 && supervisor_descriptors(supervisor) > descriptors; i++)
		pause_msec(20);
	ck_assert_uint_eq(supervisor_descriptors(supervisor), descriptors);
}

/* --- runs --------------------------------------------------------------------------------------------------- */

START_TEST(a_run_through_the_door_has_output_and_result)
{
	SUPERVISOR(supervisor);
	struct client client = start(&supervisor, "both");
	_cleanup_free_ char *text = NULL;
	size_t size;

	ck_assert_int_eq(fd_read_all(client.out, 1000, &text, &size), 0);
	ck_assert_str_eq(text, "out\nerr\n");
	struct sandbox_result result = finish(&client);
	ck_assert_str_eq(sandbox_cause_name(result.cause), "exited");
	ck_assert_int_eq(result.exit_code, 0);
	ck_assert_uint_eq(result.output_bytes, 8);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(input_and_result_files_pass_through_the_door)
{
	SUPERVISOR(supervisor);
	const char *words[16];
	struct sandbox_file file;
	struct sandbox_spec spec = work("product a file content", words, &file);
	_cleanup_close_ int product = memfd_create("product", MFD_CLOEXEC);
	struct sandbox_collect collects[] = {{"a", product, 100}, {"b", product, 100}};
	struct sandbox_result result = {0};
	struct sandbox_error err = {0};
	char text[16] = "";

	spec.collects = collects;
	spec.ncollects = 2;
	_cleanup_close_ int connection = door_start(supervisor.socket, &spec, &err);
	ck_assert_int_ge(connection, 0);
	(void)close(file.fd);
	ck_assert_msg(door_finish(connection, &result, &err) == 0, "%s", err.message);
	ck_assert_int_eq(result.exit_code, 0);
	ck_assert_uint_eq(result.collected[0].status, SANDBOX_COLLECTED);
	ck_assert_uint_eq(result.collected[1].status, SANDBOX_COLLECT_MISSING);
	ck_assert_int_eq(pread(product, text, sizeof(text) - 1, 0), 7);
	ck_assert_str_eq(text, "content");
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(closing_the_connection_kills_the_run)
{
	SUPERVISOR(supervisor);
	unsigned idle = supervisor_descriptors(&supervisor);
	struct client client = start(&supervisor, "stubborn");

	for (int i = 0; i < 500 && host_slot_processes(supervisor.slot) < 2; i++)
		pause_msec(20);
	ck_assert_uint_ge(host_slot_processes(supervisor.slot), 2); /* init and target */
	client.connection = fd_close(client.connection);
	wait_until_empty(&supervisor);
	wait_until_idle(&supervisor, idle);
	client.out = fd_close(client.out);
	expect_alive(&supervisor);
	supervisor_close(&supervisor); /* looks at the cgroups */
}
END_TEST

START_TEST(a_client_that_is_killed_takes_its_run_along)
{
	SUPERVISOR(supervisor);
	int pair[2];

	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct client client = start(&supervisor, "sleep 50000");
		wait_for(&client, "sleeping");
		(void)!write(pair[1], "x", 1);
		for (;;)
			(void)pause();
	}
	wait_readable(pair[0]);
	ck_assert_uint_ge(host_slot_processes(supervisor.slot), 2);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	wait_until_empty(&supervisor);
	(void)close(pair[0]);
	(void)close(pair[1]);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_cancelled_run_is_still_reported)
{
	SUPERVISOR(supervisor);
	struct client client = start(&supervisor, "sleep 50000");

	wait_for(&client, "sleeping");
	ck_assert_int_eq(door_cancel(client.connection), 0);
	struct sandbox_result result = finish(&client);
	ck_assert_str_eq(sandbox_cause_name(result.cause), "cancelled");
	wait_until_empty(&supervisor);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_cancel_that_comes_too_late_changes_nothing)
{
	SUPERVISOR(supervisor);
	struct client client = start(&supervisor, "exit 5");

	wait_readable(client.connection);
	ck_assert_int_eq(door_cancel(client.connection), 0);
	ck_assert_int_eq(finish(&client).exit_code, 5);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(twenty_runs_go_on_at_once)
{
	enum { RUNS = 20 };
	SUPERVISOR(supervisor);
	unsigned idle = supervisor_descriptors(&supervisor);
	struct client clients[RUNS];
	char command[32];

	/* Each waits until all of them run. */
	for (int i = 0; i < RUNS; i++)
		clients[i] = start(&supervisor, "sleep 50000");
	for (int i = 0; i < RUNS; i++)
		wait_for(&clients[i], "sleeping");
	ck_assert_uint_ge(host_slot_processes(supervisor.slot), 2 * RUNS);
	for (int i = 0; i < RUNS; i++) {
		ck_assert_int_eq(door_cancel(clients[i].connection), 0);
		ck_assert_str_eq(sandbox_cause_name(finish(&clients[i]).cause), "cancelled");
	}
	for (int i = 0; i < RUNS; i++) {
		(void)snprintf(command, sizeof(command), "exit %d", i);
		clients[i] = start(&supervisor, command);
	}
	for (int i = RUNS - 1; i >= 0; i--)
		ck_assert_int_eq(finish(&clients[i]).exit_code, i); /* each its own */
	wait_until_idle(&supervisor, idle);
	supervisor_close(&supervisor);
}
END_TEST

/* --- who may enter ------------------------------------------------------------------------------------------ */

/* In a child of that user: what door_start of a plain run comes to. */
static int start_as(const struct supervisor *supervisor, uid_t uid, int *ret_ping)
{
	const char *words[16];
	struct sandbox_file file;
	struct sandbox_spec spec = work("exit 0", words, &file);
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
	expect_alive(&supervisor);
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
	wait_readable(up[0]);
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

/* Sends SIZE bytes with NFDS copies of /dev/null. */
static void raw_send(int sock, const void *bytes, size_t size, size_t nfds)
{
	static union {
		char space[CMSG_SPACE(253 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_len = size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	_cleanup_free_ char *copy = malloc(size + 1);
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	memcpy(copy, bytes, size);
	iov.iov_base = copy;
	if (nfds > 0) {
		message.msg_control = control.space;
		message.msg_controllen = CMSG_LEN(nfds * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		*head = (struct cmsghdr){CMSG_LEN(nfds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		for (size_t i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(head) + i * sizeof(int), &null, sizeof(int));
	}
	ck_assert_int_eq(sendmsg(sock, &message, MSG_NOSIGNAL), (ssize_t)size);
}

static void expect_error(int sock, int number, const char *stage)
{
	struct sandbox_result result;
	struct sandbox_error err = {0};

	wait_readable(sock);
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
	expect_alive(&supervisor);
	wait_until_idle(&supervisor, idle); /* every descriptor that came has been closed */
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
	struct sandbox_spec good = work("exit 0", words, &file), spec = good;

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
	wait_until_idle(&supervisor, idle);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_second_request_on_a_connection_ends_the_first)
{
	SUPERVISOR(supervisor);
	struct client client = start(&supervisor, "sleep 50000");
	struct message_head hello = message_bare(MESSAGE_HELLO);

	wait_for(&client, "sleeping");
	raw_send(client.connection, &hello, sizeof(hello), 0);
	expect_error(client.connection, EPROTO, "request.message");
	wait_until_empty(&supervisor);
	(void)close(client.connection);
	(void)close(client.out);
	expect_alive(&supervisor);
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
		pause_msec(20);
	expect_alive(&supervisor);
	supervisor_close(&supervisor);
}
END_TEST

/* --- the socket, start and end ------------------------------------------------------------------------------ */

START_TEST(without_a_supervisor_the_client_says_so)
{
	struct sandbox_error err = {0};

	ck_assert_int_eq(door_ping("/tmp/cofferdam-no-such-dir/s", &err), -ENOENT);
	ck_assert_int_eq(door_ping("/tmp/cofferdam-no-such-socket", NULL), -ENOENT);
	ck_assert_int_eq(door_ping("/tmp/", NULL), -EINVAL);
}
END_TEST

START_TEST(a_long_path_is_no_obstacle)
{
	char deep[400], name[101];

	SUPERVISOR(supervisor);
	(void)memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(deep, sizeof(deep), "%s/%s", supervisor.state_dir, name);
	ck_assert_int_eq(mkdir(deep, 0755), 0);
	char linked[600];
	(void)snprintf(linked, sizeof(linked), "%s/../%s/../supervisor.sock", deep, name);
	ck_assert_uint_gt(strlen(linked), 107);
	struct sandbox_error err = {0};
	int r = door_ping(linked, &err);
	(void)rmdir(deep);
	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_socket_in_use_is_left_alone)
{
	SUPERVISOR(supervisor);

	ck_assert_int_eq(supervisor_try(&supervisor), 125);
	expect_alive(&supervisor);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(what_is_no_socket_is_left_alone)
{
	SUPERVISOR(supervisor);
	char text[8] = "";

	supervisor_kill(&supervisor);
	ck_assert_int_eq(unlink(supervisor.socket), 0);
	_cleanup_close_ int fd = open(supervisor.socket, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_eq(fd_write_all(fd, "mine", 4), 0);
	ck_assert_int_eq(supervisor_try(&supervisor), 125);
	_cleanup_close_ int again = open(supervisor.socket, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(again, text, sizeof(text) - 1), 4);
	ck_assert_str_eq(text, "mine");
	ck_assert_int_eq(unlink(supervisor.socket), 0);
	supervisor_start(&supervisor);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(everybody_may_knock)
{
	struct stat st;

	SUPERVISOR(supervisor);
	ck_assert_int_eq(stat(supervisor.socket, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0666);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_stopping_supervisor_reports_its_runs_as_cancelled)
{
	SUPERVISOR(supervisor);
	struct client client = start(&supervisor, "sleep 50000");

	wait_for(&client, "sleeping");
	supervisor_close(&supervisor); /* within it: exit status 0, nothing left */
	struct sandbox_result result = finish(&client);
	ck_assert_str_eq(sandbox_cause_name(result.cause), "cancelled");
}
END_TEST

START_TEST(a_killed_supervisor_takes_its_cells_along_and_can_be_replaced)
{
	SUPERVISOR(supervisor);
	struct client client = start(&supervisor, "sleep 50000");
	struct sandbox_result result;

	wait_for(&client, "sleeping");
	ck_assert_uint_ge(host_slot_processes(supervisor.slot), 2);
	supervisor_kill(&supervisor);
	ck_assert_int_eq(door_finish(client.connection, &result, &client.err), -ECONNRESET);
	wait_until_empty(&supervisor);
	(void)close(client.connection);
	(void)close(client.out);
	ck_assert_int_eq(door_ping(supervisor.socket, NULL), -ECONNREFUSED);
	supervisor_start(&supervisor); /* over the stale socket; it sweeps the dead one's cgroups */
	expect_alive(&supervisor);
	supervisor_close(&supervisor);
}
END_TEST

TEST_PROGRAM("door", 120, tcase_add_test(tc, a_run_through_the_door_has_output_and_result);
	     tcase_add_test(tc, input_and_result_files_pass_through_the_door);
	     tcase_add_test(tc, closing_the_connection_kills_the_run);
	     tcase_add_test(tc, a_client_that_is_killed_takes_its_run_along);
	     tcase_add_test(tc, a_cancelled_run_is_still_reported);
	     tcase_add_test(tc, a_cancel_that_comes_too_late_changes_nothing);
	     tcase_add_test(tc, twenty_runs_go_on_at_once);
	     tcase_add_test(tc, only_root_and_the_services_user_may_enter);
	     tcase_add_test(tc, a_socket_of_a_third_party_is_not_believed);
	     tcase_add_test(tc, nonsense_is_answered_and_the_supervisor_lives_on);
	     tcase_add_test(tc, what_the_engine_refuses_is_told_to_the_client);
	     tcase_add_test(tc, a_second_request_on_a_connection_ends_the_first);
	     tcase_add_test(tc, who_says_nothing_is_shown_out);
	     tcase_add_test(tc, one_connection_too_many_is_refused);
	     tcase_add_test(tc, without_a_supervisor_the_client_says_so);
	     tcase_add_test(tc, a_long_path_is_no_obstacle);
	     tcase_add_test(tc, a_socket_in_use_is_left_alone);
	     tcase_add_test(tc, what_is_no_socket_is_left_alone); tcase_add_test(tc, everybody_may_knock);
	     tcase_add_test(tc, a_stopping_supervisor_reports_its_runs_as_cancelled);
	     tcase_add_test(tc, a_killed_supervisor_takes_its_cells_along_and_can_be_replaced))
