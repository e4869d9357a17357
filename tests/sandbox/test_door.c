/* test_door.c: the supervisor as its clients see it: real program, real engine. */
#include "sandbox/base/fd.h"
#include "sandbox/door/client.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/client.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- runs --------------------------------------------------------------------------------------------------- */

START_TEST(a_run_through_the_door_has_output_and_result)
{
	SUPERVISOR(supervisor);
	struct client client = client_start(&supervisor, "both");
	_cleanup_free_ char *text = NULL;
	size_t size;

	ck_assert_int_eq(fd_read_all(client.out, 1000, &text, &size), 0);
	ck_assert_str_eq(text, "out\nerr\n");
	struct sandbox_result result = client_finish(&client);
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
	struct sandbox_spec spec = client_work("product a file content", words, &file);
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
	struct client client = client_start(&supervisor, "stubborn");

	for (int i = 0; i < 500 && host_slot_processes(supervisor.slot) < 2; i++)
		client_pause(20);
	ck_assert_uint_ge(host_slot_processes(supervisor.slot), 2); /* init and target */
	client.connection = fd_close(client.connection);
	supervisor_wait_until_empty(&supervisor);
	supervisor_wait_until_idle(&supervisor, idle);
	client.out = fd_close(client.out);
	supervisor_expect_alive(&supervisor);
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
		struct client client = client_start(&supervisor, "sleep 50000");
		client_wait_for(&client, "sleeping");
		(void)!write(pair[1], "x", 1);
		for (;;)
			(void)pause();
	}
	client_wait_readable(pair[0]);
	ck_assert_uint_ge(host_slot_processes(supervisor.slot), 2);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	supervisor_wait_until_empty(&supervisor);
	(void)close(pair[0]);
	(void)close(pair[1]);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_cancelled_run_is_still_reported)
{
	SUPERVISOR(supervisor);
	struct client client = client_start(&supervisor, "sleep 50000");

	client_wait_for(&client, "sleeping");
	ck_assert_int_eq(door_cancel(client.connection), 0);
	struct sandbox_result result = client_finish(&client);
	ck_assert_str_eq(sandbox_cause_name(result.cause), "cancelled");
	supervisor_wait_until_empty(&supervisor);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_cancel_that_comes_too_late_changes_nothing)
{
	SUPERVISOR(supervisor);
	struct client client = client_start(&supervisor, "exit 5");

	client_wait_readable(client.connection);
	ck_assert_int_eq(door_cancel(client.connection), 0);
	ck_assert_int_eq(client_finish(&client).exit_code, 5);
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
		clients[i] = client_start(&supervisor, "sleep 50000");
	for (int i = 0; i < RUNS; i++)
		client_wait_for(&clients[i], "sleeping");
	ck_assert_uint_ge(host_slot_processes(supervisor.slot), 2 * RUNS);
	for (int i = 0; i < RUNS; i++) {
		ck_assert_int_eq(door_cancel(clients[i].connection), 0);
		ck_assert_str_eq(sandbox_cause_name(client_finish(&clients[i]).cause), "cancelled");
	}
	for (int i = 0; i < RUNS; i++) {
		(void)snprintf(command, sizeof(command), "exit %d", i);
		clients[i] = client_start(&supervisor, command);
	}
	for (int i = RUNS - 1; i >= 0; i--)
		ck_assert_int_eq(client_finish(&clients[i]).exit_code, i); /* each its own */
	supervisor_wait_until_idle(&supervisor, idle);
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

START_TEST(a_supervisor_that_hangs_is_told_from_one_that_answers)
{
	SUPERVISOR(supervisor);
	struct sandbox_error err = {0};

	ck_assert_int_eq(kill(supervisor.pid, SIGSTOP), 0);
	ck_assert_int_eq(door_ping(supervisor.socket, &err), -ETIMEDOUT);
	ck_assert_str_eq(err.stage, "door.reply");
	ck_assert_int_eq(kill(supervisor.pid, SIGCONT), 0);
	supervisor_expect_alive(&supervisor);
	supervisor_close(&supervisor);
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
	supervisor_expect_alive(&supervisor);
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
	struct client client = client_start(&supervisor, "sleep 50000");

	client_wait_for(&client, "sleeping");
	supervisor_close(&supervisor); /* within it: exit status 0, nothing left */
	struct sandbox_result result = client_finish(&client);
	ck_assert_str_eq(sandbox_cause_name(result.cause), "cancelled");
}
END_TEST

START_TEST(a_killed_supervisor_takes_its_cells_along_and_can_be_replaced)
{
	SUPERVISOR(supervisor);
	struct client client = client_start(&supervisor, "sleep 50000");
	struct sandbox_result result;

	client_wait_for(&client, "sleeping");
	ck_assert_uint_ge(host_slot_processes(supervisor.slot), 2);
	supervisor_kill(&supervisor);
	ck_assert_int_eq(door_finish(client.connection, &result, &client.err), -ECONNRESET);
	supervisor_wait_until_empty(&supervisor);
	(void)close(client.connection);
	(void)close(client.out);
	ck_assert_int_eq(door_ping(supervisor.socket, NULL), -ECONNREFUSED);
	supervisor_start(&supervisor); /* over the stale socket; it sweeps the dead one's cgroups */
	supervisor_expect_alive(&supervisor);
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
	     tcase_add_test(tc, without_a_supervisor_the_client_says_so);
	     tcase_add_test(tc, a_supervisor_that_hangs_is_told_from_one_that_answers);
	     tcase_add_test(tc, a_long_path_is_no_obstacle);
	     tcase_add_test(tc, a_socket_in_use_is_left_alone);
	     tcase_add_test(tc, what_is_no_socket_is_left_alone); tcase_add_test(tc, everybody_may_knock);
	     tcase_add_test(tc, a_stopping_supervisor_reports_its_runs_as_cancelled);
	     tcase_add_test(tc, a_killed_supervisor_takes_its_cells_along_and_can_be_replaced))
