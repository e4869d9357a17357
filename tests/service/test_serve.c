/* test_serve.c: `cofferdam serve`: both halves up, with the rights they should have, and down again. */
#include "sandbox/base/fd.h"
#include "sandbox/verify/inspect.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/place.h"
#include "tests/lib/serve.h"
#include "tests/lib/supervisor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

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
		ck_assert(serve_is_healthy(serve.port));
		serve_stop(&serve, signals[i]);
		ck_assert(!serve_is_healthy(serve.port));
		expect_no_socket(place_path("state"));
	}
	place_leave(&before);
}
END_TEST

START_TEST(the_service_is_nobody)
{
	PLACE_ENTER(before);
	struct serve serve = serve_start(place_path("state"));
	pid_t pid = serve_service(&serve);
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

	ck_assert_int_gt(pid, 0);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		ck_assert_str_eq(cell_proc_line(pid, "status", sets[i]), "0000000000000000");
	ck_assert_str_eq(cell_proc_line(pid, "status", "NoNewPrivs"), "1");
	ck_assert_str_eq(
		cell_proc_line(pid, "status", "Seccomp"), "2"); /* a filter, from its first instruction */
	ck_assert_str_eq(cell_proc_line(pid, "status", "Groups"), "");
	ck_assert_uint_eq(strtoul(cell_proc_line(pid, "status", "Gid"), NULL, 10), SUPERVISOR_SERVICE_UID);
	serve_stop(&serve, SIGTERM);
	place_leave(&before);
}
END_TEST

static bool holds(pid_t pid, const char *key, size_t size)
{
	unsigned areas;
	bool is_held = inspect_holds(pid, 'r', key, size, &areas);

	ck_assert_msg(areas > 2, "the memory of %d cannot be read", (int)pid);
	return is_held;
}

/* The key of the signed links: what has it could make a link to anybody's output. */
START_TEST(the_key_of_the_links_stays_in_the_service)
{
	_cleanup_free_ char *key = NULL;
	size_t size = 0;

#ifdef __SANITIZE_ADDRESS__
	TEST_SKIP("a sanitizer's own memory is too large to be searched");
#endif
	PLACE_ENTER(before);
	struct serve serve = serve_start(place_path("state"));
	pid_t supervisor = serve_supervisor(&serve);
	_cleanup_close_ int fd = open(place_path("state/service/url.key"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_read_all(fd, 4096, &key, &size), 0);
	ck_assert_uint_ge(size, 32);
	ck_assert_msg(holds(serve_service(&serve), key, size), "the service has no key");
	ck_assert_msg(!holds(supervisor, key, size), "the supervisor has it");
	ck_assert_msg(!holds(host_child_of(supervisor), key, size), "the launcher has it");
	fd = fd_close(fd);
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
	pid_t pid = serve_service(&serve);
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
	pid_t service = serve_service(&serve), supervisor = serve_supervisor(&serve);

	ck_assert_int_eq(kill(service, SIGKILL), 0);
	ck_assert_int_gt(serve_wait_for_another(&serve, SUPERVISOR_SERVICE_UID, service), 0);
	serve_wait_until_healthy(serve.port);
	ck_assert_int_eq(serve_supervisor(&serve), supervisor); /* the other half was left alone */
	ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
	ck_assert_int_gt(serve_wait_for_another(&serve, 0, supervisor), 0);
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
	pid_t service = serve_service(&serve), supervisor = serve_supervisor(&serve);

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
		serve_pause_msec(20);
	}
	ck_assert(!serve_is_healthy(serve.port));
	expect_no_socket(place_path("state"));
	place_leave(&before);
}
END_TEST

START_TEST(a_service_that_does_not_start_is_the_end)
{
	PLACE_ENTER(before);
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	char port[32], state[300], images[300];

	/* LeakSanitizer would fork a tracer, which the filters refuse, and end with a status of its own. */
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	ck_assert_int_eq(bind(taken, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(taken, 1), 0);
	ck_assert_int_eq(getsockname(taken, (struct sockaddr *)&address, &size), 0);
	(void)snprintf(port, sizeof(port), "--port=%u", ntohs(address.sin_port));
	(void)snprintf(state, sizeof(state), "--state-dir=%s", place_path("state"));
	PLACE_EXPECT(125, "the service did not start", "serve", state, port);
	expect_no_socket(place_path("state"));
	PLACE_EXPECT(125, "the service did not start (exit status 2)", "serve", state, "--bogus");
	PLACE_EXPECT(125, "there is no option --bogus", "serve", state, "--bogus");
	(void)snprintf(images, sizeof(images), "--images-dir=%s", place_path("state")); /* holds none */
	PLACE_EXPECT(125, "the supervisor did not start", "serve", state, images);
	PLACE_EXPECT(125, "no/such/parent", "serve", state, "--cgroup-parent=no/such/parent");
	PLACE_EXPECT(125, "/no/such/dir", "serve", state, "--images-dir=/no/such/dir");
	(void)close(taken);
	place_leave(&before);
}
END_TEST

TEST_PROGRAM("serve", 200, tcase_add_test(tc, it_prints_its_address_serves_and_leaves_nothing);
	     tcase_add_test(tc, the_key_of_the_links_stays_in_the_service);
	     tcase_add_test(tc, the_service_is_nobody); tcase_add_test(tc, its_state_is_the_services_alone);
	     tcase_add_test(tc, a_state_directory_out_of_the_services_reach_is_brought_there);
	     tcase_add_test(tc, a_killed_half_is_started_again);
	     tcase_add_test(tc, nothing_survives_its_being_killed);
	     tcase_add_test(tc, a_service_that_does_not_start_is_the_end))
