/* test_cli.c: the program `cofferdam` as its users see it: run, check, doctor, help. */
#include "sandbox/base/fd.h"
#include "tests/lib/place.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* --- run ---------------------------------------------------------------------------------------------------- */

START_TEST(the_programs_exit_status_is_ours)
{
	PLACE_ENTER(before);
	PLACE_EXPECT(0, "", "run", "--", "/bin/true");
	PLACE_EXPECT(3, "", "run", "--", "/bin/sh", "-c", "exit 3");
	PLACE_EXPECT(255, "", "run", "--", "/bin/sh", "-c", "exit 255");
	PLACE_EXPECT(128 + SIGSEGV, "", "run", "--", "/bin/sh", "-c", "kill -SEGV $$");
	PLACE_EXPECT(128 + SIGKILL, "", "run", "--", "/bin/sh", "-c", "kill -KILL $$");
	place_leave(&before);
}
END_TEST

START_TEST(a_limit_is_124_and_one_line)
{
	PLACE_ENTER(before);
	const char *work = place_probe("work");
	PLACE_EXPECT(124, "cofferdam: cpu_limit: the program used more than its 200 ms of CPU time\n", "run",
		"--cpu-time=200ms", "--", "/bin/sh", "-c", "while :; do :; done");
	PLACE_EXPECT(124, "cofferdam: wall_limit: the program ran longer than 300 ms\n", "run",
		"--wall-time=0.3", "--", "/bin/sleep", "20");
	PLACE_EXPECT(124, "cofferdam: memory_limit: the program needed more than its 16 MiB of memory\n",
		"run", "--memory=16M", work, "--policy=attack-run", "--", "/box/work", "alloc", "100000000");
	PLACE_EXPECT(124, "cofferdam: output_limit: the program wrote more than its 1000 bytes of output\n",
		"run", "--output", "1000", "--", "/usr/bin/head", "-c", "1001", "/dev/zero");
	PLACE_EXPECT(124, "cofferdam: file_limit: the program wrote a file larger than 4 KiB\n", "run",
		"--file-size=4K", "--", "/bin/sh", "-c", "exec head -c 5000 /dev/zero >big");
	PLACE_EXPECT(124, "cofferdam: process_limit: the program wanted more than its 3 processes", "run",
		"--processes=3", "--", "/bin/sh", "-c",
		"sleep 9 & sleep 9 & sleep 9 & sleep 9 & sleep 9 & wait");
	place_leave(&before);
}
END_TEST

START_TEST(a_forbidden_call_is_159_and_named)
{
	PLACE_ENTER(before);
	PLACE_EXPECT(159, "cofferdam: forbidden_syscall: forbidden system call: ptrace\n", "run",
		place_probe("attack_calls"), "--policy=attack-run", "--", "/box/attack_calls", "call",
		"ptrace");
	place_leave(&before);
}
END_TEST

START_TEST(host_and_usage_are_125)
{
	PLACE_ENTER(before);
	PLACE_EXPECT(125, "run what?", "run");
	PLACE_EXPECT(125, "there is no option --bogus", "run", "--bogus");
	PLACE_EXPECT(125, "--memory: '1Q' is not a size", "run", "--memory=1Q", "--", "/bin/true");
	PLACE_EXPECT(125, "request.limits: memory_bytes", "run", "--memory=99T", "--", "/bin/true");
	PLACE_EXPECT(125, "there is no policy \"nope\"", "run", "--policy=nope", "--", "/bin/true");
	PLACE_EXPECT(125, "cell.exec: ", "run", "--", "/no/such/program");
	PLACE_EXPECT(125, "not a regular file", "run", "--file=/dev/null", "--", "/bin/true");
	PLACE_EXPECT(125, "No such file", "run", "--file=/no/such/file", "--", "/bin/true");
	PLACE_EXPECT(125, "is no name for a file", "run", "--file=/etc/passwd:../x", "--", "/bin/true");
	PLACE_EXPECT(125, "/no/such/dir", "run", "--images-dir=/no/such/dir", "--", "/bin/true");
	PLACE_EXPECT(125, "report", "run", "--report=/no/such/dir/r", "--", "/bin/true");
	PLACE_EXPECT(125, "there is no command 'frobnicate'", "frobnicate");
	place_leave(&before);
}
END_TEST

START_TEST(files_go_into_the_box)
{
	PLACE_ENTER(before);
	char plain[300], renamed[300];
	(void)snprintf(plain, sizeof(plain), "--file=%s", place_write("plain.txt", "text\n"));
	(void)snprintf(
		renamed, sizeof(renamed), "--file=%s:sub/tool", place_write("tool", "#!/bin/sh\necho run\n"));
	ck_assert_int_eq(chmod(place_path("tool"), 0755), 0);
	struct program program = program_run("cofferdam", "run", plain, renamed, "--", "/bin/sh", "-c",
		"cat plain.txt; test -x plain.txt || echo not executable; ./sub/tool");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "text\nnot executable\nrun\n");
	program_free(&program);
	place_leave(&before);
}
END_TEST

START_TEST(the_report_holds_the_result)
{
	static const char *const numbers[] = {"cpu_usec", "cpu_user_usec", "cpu_system_usec", "wall_usec",
		"memory_peak_bytes", "output_bytes"};

	PLACE_ENTER(before);
	PLACE_EXPECT(3, "", "run", "--report", place_path("r"), "--", "/bin/sh", "-c", "echo 12345; exit 3");
	json_t *json = place_report("r");
	expect_string(json, "cause", "exited");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "exit_code")), 3);
	ck_assert(json_is_null(json_object_get(json, "signal")));
	ck_assert_int_eq(json_integer_value(json_object_get(json, "output_bytes")), 6);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		ck_assert(json_is_integer(json_object_get(json, numbers[i])));
	ck_assert_int_gt(json_integer_value(json_object_get(json, "wall_usec")), 0);
	ck_assert_int_gt(json_integer_value(json_object_get(json, "memory_peak_bytes")), 0);
	ck_assert_int_gt(json_integer_value(json_object_get(json_object_get(json, "phases"), "run_nsec")), 0);
	json_decref(json);
	PLACE_EXPECT(139, "", "run", "--report", place_path("r"), "--", "/bin/sh", "-c", "kill -SEGV $$");
	json = place_report("r");
	expect_string(json, "cause", "signaled");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "signal")), SIGSEGV);
	ck_assert(json_is_null(json_object_get(json, "exit_code")));
	json_decref(json);
	PLACE_EXPECT(125, "", "run", "--report", place_path("r"), "--", "/no/such/program");
	json = place_report("r");
	expect_string(json_object_get(json, "error"), "stage", "cell.exec");
	expect_string(json_object_get(json, "error"), "errno", "ENOENT");
	json_decref(json);
	place_leave(&before);
}
END_TEST

/* --- standard streams --------------------------------------------------------------------------------------- */

#define CAT "cofferdam", "run", "--", "/bin/cat"

static struct program cat_from(int fd)
{
	return program_run_plan(
		&(struct program_plan){.argv = (const char *const[]){CAT, NULL}, .in = fd, .has_in = true});
}

static void expect_cat(int fd, const char *wanted)
{
	struct program program = cat_from(fd);

	expect_status(program, 0);
	ck_assert_str_eq(program.out, wanted);
	program_free(&program);
}

START_TEST(input_comes_from_a_pipe_a_file_or_nothing)
{
	int pair[2];

	PLACE_ENTER(before);
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	ck_assert_int_eq(fd_write_all(pair[1], "from a pipe\n", 12), 0);
	(void)close(pair[1]);
	expect_cat(pair[0], "from a pipe\n");
	(void)close(pair[0]);
	int file = open(place_write("in", "first line\nsecond line\n"), O_RDONLY | O_CLOEXEC);
	expect_cat(file, "first line\nsecond line\n");
	(void)close(file);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	expect_cat(null, "");
	(void)close(null);
	place_leave(&before);
}
END_TEST

/* As after a shell's `read line`. */
START_TEST(a_file_is_read_from_where_it_stands)
{
	PLACE_ENTER(before);
	int file = open(place_write("in", "first line\nsecond line\n"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(lseek(file, 11, SEEK_SET), 11);
	expect_cat(file, "second line\n");
	(void)close(file);
	place_leave(&before);
}
END_TEST

START_TEST(sockets_and_fifos_are_pumped)
{
	int pair[2];

	PLACE_ENTER(before);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(fd_write_all(pair[1], "from a socket\n", 14), 0);
	(void)shutdown(pair[1], SHUT_WR);
	struct program program = program_run_plan(&(struct program_plan){
		.argv = (const char *const[]){CAT, NULL},
		.in = pair[0],
		.has_in = true,
		.out = pair[0],
		.has_out = true,
	});
	expect_status(program, 0);
	program_free(&program);
	char text[32] = "";
	ck_assert_int_eq(read(pair[1], text, sizeof(text) - 1), 14);
	ck_assert_str_eq(text, "from a socket\n");
	(void)close(pair[0]);
	(void)close(pair[1]);
	ck_assert_int_eq(mkfifo(place_path("fifo"), 0600), 0);
	int fifo = open(place_path("fifo"), O_RDWR | O_CLOEXEC);
	int reader = open(place_path("fifo"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(fd_write_all(fifo, "from a fifo\n", 12), 0);
	(void)close(fifo); /* the writer has come and gone before the program starts */
	expect_cat(reader, "from a fifo\n");
	(void)close(reader);
	place_leave(&before);
}
END_TEST

START_TEST(a_terminal_is_pumped)
{
	char text[256] = "";
	size_t used = 0;
	int master, slave;

	PLACE_ENTER(before);
	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	struct program program = program_start(&(struct program_plan){
		.argv = (const char *const[]){"cofferdam", "run", "--", "/bin/sh", "-c",
			"read word; echo \"got $word\"; test -t 0 || echo no terminal inside", NULL},
		.in = slave,
		.has_in = true,
		.out = slave,
		.has_out = true,
	});
	ck_assert_int_eq(write(master, "typed\n", 6), 6);
	while (strstr(text, "inside") == NULL) {
		struct pollfd wait = {.fd = master, .events = POLLIN};
		ck_assert_int_eq(poll(&wait, 1, CELL_PATIENCE_MSEC), 1);
		ssize_t n = read(master, text + used, sizeof(text) - 1 - used);
		ck_assert_int_gt(n, 0);
		used += (size_t)n;
	}
	expect_text(text, "got typed\r\nno terminal inside");
	program_finish(&program);
	expect_status(program, 0);
	ck_assert_int_eq(fcntl(slave, F_GETFL) & O_NONBLOCK, 0); /* the shell's terminal is as it was */
	program_free(&program);
	(void)close(master);
	(void)close(slave);
	place_leave(&before);
}
END_TEST

START_TEST(output_goes_whole_into_pipes_and_files)
{
	struct stat st;

	PLACE_ENTER(before);
	struct program program =
		program_run("cofferdam", "run", "--", "/usr/bin/head", "-c", "3000000", "/dev/zero");
	expect_status(program, 0);
	program_free(&program);
	int file = open(place_write("out", "kept\n"), O_WRONLY | O_APPEND | O_CLOEXEC);
	program = program_run_plan(&(struct program_plan){
		.argv = (const char *const[]){"cofferdam", "run", "--", "/usr/bin/head", "-c", "3000000",
			"/dev/zero", NULL},
		.out = file,
		.has_out = true,
	});
	expect_status(program, 0);
	program_free(&program);
	ck_assert_int_eq(fstat(file, &st), 0);
	ck_assert_int_eq(st.st_size, 3000005);
	(void)close(file);
	place_leave(&before);
}
END_TEST

START_TEST(what_cannot_be_read_or_written_is_a_fault)
{
	static const char *const argv[] = {"cofferdam", "run", "--", "/bin/echo", "hello", NULL};
	static const char *const cat[] = {"cofferdam", "run", "--", "/bin/cat", NULL};

	PLACE_ENTER(before);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct program program =
		program_run_plan(&(struct program_plan){.argv = argv, .out = full, .has_out = true});
	expect_status(program, 125);
	expect_text(program.err, "write: No space left on device");
	program_free(&program);
	program = program_run_plan(&(struct program_plan){.argv = cat, .in = directory, .has_in = true});
	expect_status(program, 125);
	expect_text(program.err, "read: Is a directory");
	program_free(&program);
	(void)close(full), (void)close(directory);
	place_leave(&before);
}
END_TEST

START_TEST(output_and_error_keep_their_order_in_one_file)
{
	PLACE_ENTER(before);
	int file = open(place_write("both", ""), O_WRONLY | O_CLOEXEC);
	struct program program = program_run_plan(&(struct program_plan){
		.argv = (const char *const[]){"cofferdam", "run", "--", "/bin/sh", "-c",
			"for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done", NULL},
		.out = file,
		.has_out = true,
		.err = file,
		.has_err = true,
	});
	(void)close(file);
	ck_assert_int_eq(program.status, 0);
	_cleanup_free_ char *text = place_read("both");
	ck_assert_str_eq(text, "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nout 4\nerr 4\nout 5\nerr 5\n");
	program_free(&program);
	place_leave(&before);
}
END_TEST

/* --- signals ------------------------------------------------------------------------------------------------ */

static void interrupt(int signal)
{
	struct program program = program_start(&(struct program_plan){
		.argv = (const char *const[]){"cofferdam", "run", "--report", place_path("r"), "--",
			"/bin/sh", "-c", "trap '' INT TERM; echo started; while :; do sleep 1; done", NULL}});
	char text[16] = "";

	ck_assert_int_eq(read(program.out_fd, text, sizeof(text) - 1), 8);
	ck_assert_int_eq(kill(program.pid, signal), 0);
	program_finish(&program);
	expect_status(program, 128 + signal);
	program_free(&program);
	json_t *json = place_report("r");
	expect_string(json, "cause", "cancelled");
	json_decref(json);
}

START_TEST(a_signal_ends_the_run_and_leaves_nothing)
{
	PLACE_ENTER(before);
	interrupt(SIGINT);
	interrupt(SIGTERM);
	interrupt(SIGHUP);
	place_leave(&before);
}
END_TEST

/* --- the other commands ------------------------------------------------------------------------------------- */

START_TEST(help_is_there_for_every_command)
{
	static const char *const commands[] = {"run", "exec", "serve", "supervise", "doctor", "check"};
	struct program program = program_run("cofferdam", "help");

	expect_status(program, 0);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		char wanted[64];
		expect_text(program.out, commands[i]);
		struct program one = program_run("cofferdam", commands[i], "--help");
		expect_status(one, 0);
		(void)snprintf(wanted, sizeof(wanted), "usage: cofferdam %s", commands[i]);
		expect_text(one.out, wanted);
		program_free(&one);
	}
	program_free(&program);
	program = program_run("cofferdam", "run", "--help");
	for (enum limit_id id = 0; id < LIMIT_N; id++) {
		char wanted[64];
		(void)snprintf(wanted, sizeof(wanted), "--%s ", limit_infos[id].flag);
		expect_text(program.out, wanted);
	}
	program_free(&program);
	program = program_run("cofferdam", "--version");
	expect_status(program, 0);
	expect_text(program.out, "cofferdam ");
	program_free(&program);
}
END_TEST

START_TEST(check_names_file_key_and_reason)
{
	char at[128], policies[64];

	cell_make_policies(policies, sizeof(policies));
	(void)setenv("POLICIES_DIR", policies, 1);
	struct program program = program_run("cofferdam", "check");
	expect_status(program, 0);
	expect_text(program.out, "ok  cpp ");
	expect_text(program.out, "ok  go ");
	program_free(&program);
	(void)snprintf(at, sizeof(at), "%s/commands/broken.json", policies);
	_cleanup_close_ int fd = open(at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ck_assert_int_eq(fd_write_all(fd, "{\"name\": \"broken\", \"colour\": 1}", 31), 0);
	program = program_run("cofferdam", "check");
	cell_remove_policies(policies);
	expect_status(program, 1);
	expect_text(program.err, "commands/broken.json: colour: ");
	program_free(&program);
}
END_TEST

START_TEST(doctor_tells_text_and_json_alike)
{
	(void)setenv("IMAGES_DIR", cell_images_dir(), 1);
	struct program text = program_run("cofferdam", "doctor");
	struct program program = program_run("cofferdam", "doctor", "--json");
	json_t *json = json_loads(program.out, JSON_REJECT_DUPLICATES, NULL);
	size_t i;
	json_t *control;

	ck_assert_ptr_nonnull(json);
	ck_assert_int_eq(program.status,
		strcmp(json_string_value(json_object_get(json, "status")), "missing") == 0 ? 1 : 0);
	ck_assert_int_eq(text.status, program.status);
	ck_assert_uint_gt(json_array_size(json_object_get(json, "controls")), 10);
	json_array_foreach(json_object_get(json, "controls"), i, control)
	{
		bool is_ok = strcmp(json_string_value(json_object_get(control, "status")), "ok") == 0;
		const char *remedy = json_string_value(json_object_get(control, "remedy"));
		expect_text(text.out, json_string_value(json_object_get(control, "name")));
		ck_assert_msg(is_ok == (remedy[0] == '\0'), "%s",
			json_string_value(json_object_get(control, "name")));
	}
	json_decref(json);
	program_free(&program);
	program_free(&text);
	program = program_run("cofferdam", "doctor", "--images-dir=/no/such/dir");
	expect_status(program, 1);
	expect_text(program.out, "/no/such/dir");
	program_free(&program);
}
END_TEST

TEST_PROGRAM("cli", 200, tcase_add_test(tc, the_programs_exit_status_is_ours);
	     tcase_add_test(tc, a_limit_is_124_and_one_line);
	     tcase_add_test(tc, a_forbidden_call_is_159_and_named);
	     tcase_add_test(tc, host_and_usage_are_125); tcase_add_test(tc, files_go_into_the_box);
	     tcase_add_test(tc, the_report_holds_the_result);
	     tcase_add_test(tc, input_comes_from_a_pipe_a_file_or_nothing);
	     tcase_add_test(tc, a_file_is_read_from_where_it_stands);
	     tcase_add_test(tc, sockets_and_fifos_are_pumped); tcase_add_test(tc, a_terminal_is_pumped);
	     tcase_add_test(tc, output_goes_whole_into_pipes_and_files);
	     tcase_add_test(tc, what_cannot_be_read_or_written_is_a_fault);
	     tcase_add_test(tc, output_and_error_keep_their_order_in_one_file);
	     tcase_add_test(tc, a_signal_ends_the_run_and_leaves_nothing);
	     tcase_add_test(tc, help_is_there_for_every_command);
	     tcase_add_test(tc, check_names_file_key_and_reason);
	     tcase_add_test(tc, doctor_tells_text_and_json_alike))
