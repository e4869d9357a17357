/* The layers beside namespaces, mounts and seccomp: under a profile that lets everything through, and in cells that the test
 * has opened a little from outside. */
#include "sandbox/base/fd.h"
#include "sandbox/base/layers.h"
#include "tests/lib/cell.h"

#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct layers kernel_layers(void)
{
	struct sandbox_error err = {0};
	struct layers layers;

	ck_assert_msg(layers_probe(&layers, &err) == 0, "%s", err.message);
	return layers;
}

#define NEEDS_LANDLOCK(least)                                                                                \
	if (kernel_layers().landlock_abi < (least))                                                          \
	TEST_SKIP("this kernel's Landlock has no ABI " #least)

/* Joins a namespace of the cell's target, in a child of the test. */
static void join(const struct cell_host *host, const char *kind)
{
	pid_t pids[CELL_PIDS];
	char path[64];

	if (cell_pids(host, pids) != 2)
		_exit(100);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pids[1], kind);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, 0) < 0)
		_exit(101);
}

/* Landlock, ABI 4. Without it: bind works, and connect is refused by a network that has no routes. */
START_TEST(tcp_is_refused)
{
	CELL_OPEN(host, "attack-open");
	NEEDS_LANDLOCK(4);
	struct cell *cell =
		cell_run(host, &(struct cell_plan){.policy = "attack-open", .command = "layers tcp"});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "socket=OK\nbind=EACCES\nconnect=EACCES\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* ABI 5. */
START_TEST(devices_take_no_ioctl)
{
	CELL_OPEN(host, "attack-open");
	NEEDS_LANDLOCK(5);
	struct cell *cell =
		cell_run(host, &(struct cell_plan){.policy = "attack-open", .command = "layers device"});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "open=OK\nioctl=EACCES\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* ABI 6. Init drops signals from within anyway. */
START_TEST(signals_do_not_leave_the_domain)
{
	CELL_OPEN(host, "attack-open");
	NEEDS_LANDLOCK(6);
	struct cell *cell =
		cell_run(host, &(struct cell_plan){.policy = "attack-open", .command = "layers signal"});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "kill(self)=OK\nkill(init)=EPERM\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* In the cell's network namespace: listens, says so, and stays until it is killed. */
static pid_t start_listener(const struct cell_host *host, const char *name)
{
	struct sockaddr_un here = {.sun_family = AF_UNIX};
	int ends[2];
	char byte;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		join(host, "net");
		/* It would keep the cell's pipes open. */
		if (dup2(ends[1], STDIN_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
			_exit(104);
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		(void)snprintf(here.sun_path + 1, sizeof(here.sun_path) - 1, "%s", name);
		socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
		if (bind(fd, (const struct sockaddr *)&here, size) < 0 || listen(fd, 1) < 0 ||
			write(STDIN_FILENO, "", 1) != 1)
			_exit(102);
		(void)pause();
	}
	(void)close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	(void)close(ends[0]);
	return pid;
}

START_TEST(abstract_sockets_are_not_reached_out_of_the_domain)
{
	CELL_OPEN(host, "attack-open");
	NEEDS_LANDLOCK(6);
	struct cell *cell = cell_start(host, &(struct cell_plan){.policy = "attack-open",
						     .command = "layers abstract cofferdam-test",
						     .input = CELL_INPUT_OPEN_PIPE});
	cell_wait_for(cell, "ready\n");
	pid_t listener = start_listener(host, "cofferdam-test");
	cell_feed(cell, NULL);
	cell_wait(cell);
	ck_assert_int_eq(kill(listener, SIGKILL), 0);
	ck_assert_int_eq(waitpid(listener, NULL, 0), listener);
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "socket=OK\nconnect=EPERM\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* A writable tmpfs over a directory of the image, as somebody with power over the mount namespace would place it. */
static void mount_writable(const struct cell_host *host, const char *path)
{
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		join(host, "mnt");
		_exit(mount("tmpfs", path, "tmpfs", 0, "mode=0777,size=64k") == 0 ? 0 : 103);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(files_of_a_foreign_mount_cannot_be_written)
{
	CELL_OPEN(host, "attack-open");
	NEEDS_LANDLOCK(LAYERS_LANDLOCK_LEAST);
	struct cell *cell = cell_start(host, &(struct cell_plan){.policy = "attack-open",
						     .command = "layers create /usr/x /box/x /tmp/x",
						     .input = CELL_INPUT_OPEN_PIPE});
	cell_wait_for(cell, "ready\n");
	mount_writable(host, "/usr");
	cell_feed(cell, NULL);
	cell_wait(cell);
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "/usr/x=EACCES\n/box/x=OK\n/tmp/x=OK\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

static struct cell *run_shell(struct cell_host *host, const char *script, enum cell_input input)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};

	return cell_start(host,
		&(struct cell_plan){.policy = "attack-still", .probe = "work", .argv = argv, .input = input});
}

/* The mounts are noexec, for exec as for a loader that maps. */
START_TEST(a_step_executes_no_file_of_its_own_unless_it_may)
{
	CELL_OPEN(host, "attack-still");
	struct cell *cell = run_shell(host,
		"cp /bin/true /tmp/true && /bin/true && echo image: $?\n"
		"/box/work exit 0; echo box: $?\n"
		"/tmp/true; echo tmp: $?\n"
		"/lib64/ld-linux-x86-64.so.2 /tmp/true; echo loader: $?\n",
		CELL_INPUT_NONE);
	cell_wait(cell);
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "image: 0\nbox: 126\ntmp: 126\nloader: 127\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* And Landlock says the same where a mount does not. */
START_TEST(nor_one_on_a_foreign_mount)
{
	CELL_OPEN(host, "attack-still");
	NEEDS_LANDLOCK(LAYERS_LANDLOCK_LEAST);
	struct cell *cell = run_shell(host,
		"mkdir /tmp/foreign; echo ready; read end\n"
		"cp /bin/true /tmp/foreign && /tmp/foreign/true; echo foreign: $?\n",
		CELL_INPUT_OPEN_PIPE);
	cell_wait_for(cell, "ready\n");
	mount_writable(host, "/tmp/foreign");
	cell_feed(cell, NULL);
	cell_wait(cell);
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "foreign: 126\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* Core scheduling: a cookie is the same for all of a cell, and no other cell's. */
static uint64_t core_cookie(pid_t pid)
{
	uint64_t cookie = 0;

	ck_assert_int_eq(
		prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, pid, PR_SCHED_CORE_SCOPE_THREAD, &cookie), 0);
	return cookie;
}

START_TEST(a_cell_shares_no_core_with_another_one)
{
	struct cell *cells[2];
	pid_t pids[CELL_PIDS];

	if (!kernel_layers().has_core_scheduling)
		TEST_SKIP("no core scheduling in this kernel, or no processor that shares its core");
	CELL_OPEN(host, "attack-run");
	for (int i = 0; i < 2; i++) {
		cells[i] = cell_start(
			host, &(struct cell_plan){.policy = "attack-run", .command = "work sleep 60000"});
		cell_wait_for(cells[i], "sleeping\n");
	}
	ck_assert_uint_eq(cell_pids(host, pids), 4);
	for (int i = 0; i < 4; i++) {
		unsigned same = 0;
		ck_assert_uint_ne(core_cookie(pids[i]), 0);
		for (int k = 0; k < 4; k++)
			same += core_cookie(pids[i]) == core_cookie(pids[k]);
		ck_assert_uint_eq(same, 2);
	}
	for (int i = 0; i < 2; i++) {
		sandbox_cancel(cells[i]->run);
		cell_wait(cells[i]);
		cell_free(cells[i]);
	}
	cell_close(host);
}
END_TEST

/* From outside, as /proc tells it; verify looks at every step's cell. */
START_TEST(processors_do_not_guess_for_a_job)
{
	struct layers layers = kernel_layers();
	if (((layers.speculation[PR_SPEC_STORE_BYPASS] | layers.speculation[PR_SPEC_INDIRECT_BRANCH]) &
		    PR_SPEC_PRCTL) == 0)
		TEST_SKIP("this kernel offers no control over speculation, or this processor needs none");
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "probe cat /proc/self/status");
	cell_expect_exit(cell, 0);
	if (layers.speculation[PR_SPEC_STORE_BYPASS] & PR_SPEC_PRCTL)
		cell_expect_output(cell, "\nSpeculation_Store_Bypass:\tthread force mitigated\n");
	if (layers.speculation[PR_SPEC_INDIRECT_BRANCH] & PR_SPEC_PRCTL)
		cell_expect_output(cell, "\nSpeculationIndirectBranch:\tconditional force disabled\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(written_memory_is_no_code_unless_the_step_may)
{
	CELL_OPEN(host, NULL);
	struct cell *cell = cell_probe(host, "attack_calls code");
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "mmap(W+X)=EACCES\nmmap(W)=yes\nmprotect(W to X)=EACCES\n");
	cell_free(cell);
	cell = cell_run(host, &(struct cell_plan){.policy = "attack-open", .command = "attack_calls code"});
	cell_expect_output(cell, "mmap(W+X)=OK\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("layers", 60, tcase_add_test(tc, a_cell_shares_no_core_with_another_one);
	     tcase_add_test(tc, processors_do_not_guess_for_a_job);
	     tcase_add_test(tc, written_memory_is_no_code_unless_the_step_may);
	     tcase_add_test(tc, tcp_is_refused); tcase_add_test(tc, devices_take_no_ioctl);
	     tcase_add_test(tc, signals_do_not_leave_the_domain);
	     tcase_add_test(tc, abstract_sockets_are_not_reached_out_of_the_domain);
	     tcase_add_test(tc, files_of_a_foreign_mount_cannot_be_written);
	     tcase_add_test(tc, a_step_executes_no_file_of_its_own_unless_it_may);
	     tcase_add_test(tc, nor_one_on_a_foreign_mount))
