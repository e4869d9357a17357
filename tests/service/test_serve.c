/* test_serve.c: `cofferdam serve`: both halves up, with the rights they should have, and down again. */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* --- helpers ------------------------------------------------------------------------------------------------ */

static void pause_msec(long msec)
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

/* Does GET /health answer 200? */
static bool is_healthy(unsigned port)
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

static void wait_until_healthy(unsigned port)
{
	for (int i = 0; i < 500 && !is_healthy(port); i++)
		pause_msec(20);
	ck_assert(is_healthy(port));
}

/* A service that is up. Its standard error goes to DIR/log. */
struct serve {
	struct program program;
	unsigned port;
	char line[128];
};

static int open_log(void)
{
	int fd = open(place_path("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static struct serve serve_start(const char *state_dir)
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

static void serve_stop(struct serve *serve, int signal)
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

static pid_t service_of(const struct serve *serve)
{
	return find_child(serve->program.pid, SUPERVISOR_SERVICE_UID);
}

static pid_t supervisor_of(const struct serve *serve)
{
	return find_child(serve->program.pid, 0);
}

/* The child under UID that has taken the place of OLD, or -1. */
static pid_t wait_for_another(const struct serve *serve, uid_t uid, pid_t old)
{
	for (int i = 0; i < 500; i++) {
		pid_t now = find_child(serve->program.pid, uid);
		if (now > 0 && now != old)
			return now;
		pause_msec(20);
	}
	return -1;
}

static void expect_no_socket(const char *state_dir)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/supervisor.sock", state_dir);
	ck_assert_int_lt(access(path, F_OK), 0);
}

/* --- tests -------------------------------------------------------------------------------------------------- */

START_TEST(it_prints_its_address_serves_and_leaves_nothing)
{
	static const int signals[] = {SIGTERM, SIGINT};

	PLACE_ENTER(before);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct serve serve = serve_start(place_path("state"));
		ck_assert(is_healthy(serve.port));
		serve_stop(&serve, signals[i]);
		ck_assert(!is_healthy(serve.port));
		expect_no_socket(place_path("state"));
	}
	place_leave(&before);
}
END_TEST

START_TEST(the_service_is_nobody)
{
	PLACE_ENTER(before);
	struct serve serve = serve_start(place_path("state"));
	pid_t pid = service_of(&serve);
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

	ck_assert_int_gt(pid, 0);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		ck_assert_str_eq(cell_proc_line(pid, "status", sets[i]), "0000000000000000");
	ck_assert_str_eq(cell_proc_line(pid, "status", "NoNewPrivs"), "1");
	ck_assert_str_eq(cell_proc_line(pid, "status", "Groups"), "");
	ck_assert_uint_eq(strtoul(cell_proc_line(pid, "status", "Gid"), NULL, 10), SUPERVISOR_SERVICE_UID);
	serve_stop(&serve, SIGTERM);
	place_leave(&before);
}
END_TEST

START_TEST(its_state_is_the_services_alone)
{
	struct stat st;

	PLACE_ENTER(before);
	struct serve serve = serve_start(place_path("state"));
	ck_assert_int_eq(stat(place_path("state"), &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	ck_assert_int_eq(stat(place_path("state/service"), &st), 0);
	ck_assert_uint_eq(st.st_uid, SUPERVISOR_SERVICE_UID);
	ck_assert_uint_eq(st.st_gid, SUPERVISOR_SERVICE_UID);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	serve_stop(&serve, SIGTERM);
	place_leave(&before);
}
END_TEST

/* An installation below /root: nobody but root may pass. place_enter's directory has mode 0700 itself. */
START_TEST(a_state_directory_out_of_the_services_reach_is_brought_there)
{
	struct stat st;

	PLACE_ENTER(before);
	ck_assert_int_eq(stat(place_path("."), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	struct serve serve = serve_start(place_path("state"));
	char view[300];
	pid_t pid = service_of(&serve);
	(void)snprintf(view, sizeof(view), "/proc/%d/root%s", pid, place_path("state/service"));
	ck_assert_int_eq(access(view, F_OK), 0);
	(void)snprintf(view, sizeof(view), "/proc/%d/root%s", pid, place_path("log"));
	ck_assert_int_lt(access(view, F_OK), 0); /* what it does not need is out of its sight */
	serve_stop(&serve, SIGTERM);
	place_leave(&before);
}
END_TEST

START_TEST(a_killed_half_is_started_again)
{
	PLACE_ENTER(before);
	struct serve serve = serve_start(place_path("state"));
	pid_t service = service_of(&serve), supervisor = supervisor_of(&serve);

	ck_assert_int_eq(kill(service, SIGKILL), 0);
	ck_assert_int_gt(wait_for_another(&serve, SUPERVISOR_SERVICE_UID, service), 0);
	wait_until_healthy(serve.port);
	ck_assert_int_eq(supervisor_of(&serve), supervisor); /* the other half was left alone */
	ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
	ck_assert_int_gt(wait_for_another(&serve, 0, supervisor), 0);
	_cleanup_free_ char *said = place_read("log");
	expect_text(
		said, "\"event\":\"serve.restart\",\"child\":\"service\",\"exit_status\":-1,\"signal\":9");
	serve_stop(&serve, SIGTERM);
	expect_no_socket(place_path("state"));
	place_leave(&before);
}
END_TEST

START_TEST(nothing_survives_its_being_killed)
{
	PLACE_ENTER(before);
	struct serve serve = serve_start(place_path("state"));
	pid_t service = service_of(&serve), supervisor = supervisor_of(&serve);

	ck_assert_int_gt(service, 0);
	ck_assert_int_gt(supervisor, 0);
	ck_assert_int_eq(kill(serve.program.pid, SIGKILL), 0);
	program_finish(&serve.program);
	ck_assert_int_eq(serve.program.status, -SIGKILL);
	program_free(&serve.program);
	/* They are nobody's children now; whoever adopted them may take its time to wait for them. */
	for (int i = 0; i < 1000; i++) {
		const char *state = cell_proc_line(service, "status", "State");
		bool is_gone = state[0] == '\0' || state[0] == 'Z';
		state = cell_proc_line(supervisor, "status", "State");
		if (is_gone && (state[0] == '\0' || state[0] == 'Z'))
			break;
		pause_msec(20);
	}
	ck_assert(!is_healthy(serve.port));
	expect_no_socket(place_path("state"));
	place_leave(&before);
}
END_TEST

START_TEST(a_service_that_does_not_start_is_the_end)
{
	PLACE_ENTER(before);
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	char port[32], state[300];

	ck_assert_int_eq(bind(taken, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(taken, 1), 0);
	ck_assert_int_eq(getsockname(taken, (struct sockaddr *)&address, &size), 0);
	(void)snprintf(port, sizeof(port), "--port=%u", ntohs(address.sin_port));
	(void)snprintf(state, sizeof(state), "--state-dir=%s", place_path("state"));
	PLACE_EXPECT(125, "the service did not start", "serve", state, port);
	expect_no_socket(place_path("state"));
	PLACE_EXPECT(125, "the service did not start (exit status 2)", "serve", state, "--bogus");
	PLACE_EXPECT(125, "there is no option --bogus", "serve", state, "--bogus");
	PLACE_EXPECT(125, "the supervisor did not start", "serve", state, "--cgroup-parent=no/such/parent");
	PLACE_EXPECT(125, "/no/such/dir", "serve", state, "--images-dir=/no/such/dir");
	(void)close(taken);
	place_leave(&before);
}
END_TEST

TEST_PROGRAM("serve", 200, tcase_add_test(tc, it_prints_its_address_serves_and_leaves_nothing);
	     tcase_add_test(tc, the_service_is_nobody); tcase_add_test(tc, its_state_is_the_services_alone);
	     tcase_add_test(tc, a_state_directory_out_of_the_services_reach_is_brought_there);
	     tcase_add_test(tc, a_killed_half_is_started_again);
	     tcase_add_test(tc, nothing_survives_its_being_killed);
	     tcase_add_test(tc, a_service_that_does_not_start_is_the_end))
