/* test_cli.c: the program `cofferdam` as its users see it. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/program.h"

#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* --- a place to work in ------------------------------------------------------------------------------------- */

static char dir[64], policies[64];

/* Cells are needed: a temporary directory, the policies of the tests, the host as it is now. */
static bool set_up(struct host_state *before)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (cell_skip_reason() != NULL)
		return false;
	(void)snprintf(dir, sizeof(dir), "/tmp/cofferdam-cli-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	cell_make_policies(policies, sizeof(policies));
	(void)setenv("POLICIES_DIR", policies, 1);
	(void)setenv("IMAGES_DIR", cell_images_dir(), 1);
	host_state_read(before);
	return true;
}

/* Nothing is left: no process, no descriptor, no mount. */
static void tear_down(const struct host_state *before)
{
	struct host_state now;

	host_state_read(&now);
	cell_remove_policies(policies);
	cell_remove_policies(dir);
	ck_assert_msg(host_state_equal(&now, before), "%s", host_state_difference(&now, before));
}

#define SET_UP(before)                                                                                       \
	struct host_state before;                                                                            \
	if (!set_up(&before))                                                                                \
	TEST_SKIP(cell_skip_reason())

/* "DIR/NAME" in one of several static buffers. */
static const char *path(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *at = paths[next++ % 8];

	(void)snprintf(at, sizeof(paths[0]), "%s/%s", dir, name);
	return at;
}

static const char *write_file(const char *name, const char *text)
{
	const char *at = path(name);
	_cleanup_close_ int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", at, strerror(errno));
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
	return at;
}

static char *read_file(const char *name)
{
	_cleanup_close_ int fd = open(path(name), O_RDONLY | O_CLOEXEC);
	char *text;
	size_t size;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_read_all(fd, 1 << 26, &text, &size), 0);
	return text;
}

/* Owned by the caller. */
static json_t *read_report(const char *name)
{
	_cleanup_free_ char *text = read_file(name);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	ck_assert_msg(json != NULL, "not JSON: %s", text);
	return json;
}

#define expect_string(json, key, wanted)                                                                     \
	ck_assert_str_eq(json_string_value(json_object_get(json, key)), wanted)

/* --file for a probe: "DIR/NAME". */
static const char *probe(const char *name)
{
	static char at[4096];

	(void)snprintf(at, sizeof(at), "--file=%s/%s", cell_probes_dir(), name);
	return at;
}

/* Runs a command with this standard input and nothing else special; the whole is checked to leave nothing. */
static void expect_end(const char *const *argv, int status, const char *words)
{
	struct program program = program_run_plan(&(struct program_plan){.argv = argv});

	expect_status(program, status);
	expect_text(program.err, words);
	program_free(&program);
}

#define EXPECT_END(status, words, ...)                                                                       \
	expect_end((const char *const[]){"cofferdam", __VA_ARGS__, NULL}, status, words)

/* --- run ---------------------------------------------------------------------------------------------------- */

START_TEST(the_programs_exit_status_is_ours)
{
	SET_UP(before);
	EXPECT_END(0, "", "run", "--", "/bin/true");
	EXPECT_END(3, "", "run", "--", "/bin/sh", "-c", "exit 3");
	EXPECT_END(255, "", "run", "--", "/bin/sh", "-c", "exit 255");
	EXPECT_END(128 + SIGSEGV, "", "run", "--", "/bin/sh", "-c", "kill -SEGV $$");
	EXPECT_END(128 + SIGKILL, "", "run", "--", "/bin/sh", "-c", "kill -KILL $$");
	tear_down(&before);
}
END_TEST

START_TEST(a_limit_is_124_and_one_line)
{
	SET_UP(before);
	const char *work = probe("work");
	EXPECT_END(124, "cofferdam: cpu_limit: the program used more than its 200 ms of CPU time\n", "run",
		"--cpu-time=200ms", "--", "/bin/sh", "-c", "while :; do :; done");
	EXPECT_END(124, "cofferdam: wall_limit: the program ran longer than 300 ms\n", "run",
		"--wall-time=0.3", "--", "/bin/sleep", "20");
	EXPECT_END(124, "cofferdam: memory_limit: the program needed more than its 16 MiB of memory\n", "run",
		"--memory=16M", work, "--policy=attack-run", "--", "/box/work", "alloc", "100000000");
	EXPECT_END(124, "cofferdam: output_limit: the program wrote more than its 1000 bytes of output\n",
		"run", "--output", "1000", "--", "/usr/bin/head", "-c", "1001", "/dev/zero");
	EXPECT_END(124, "cofferdam: file_limit: the program wrote a file larger than 4 KiB\n", "run",
		"--file-size=4K", "--", "/bin/sh", "-c", "exec head -c 5000 /dev/zero >big");
	EXPECT_END(124, "cofferdam: process_limit: the program wanted more than its 3 processes", "run",
		"--processes=3", "--", "/bin/sh", "-c",
		"sleep 9 & sleep 9 & sleep 9 & sleep 9 & sleep 9 & wait");
	tear_down(&before);
}
END_TEST

START_TEST(a_forbidden_call_is_159_and_named)
{
	SET_UP(before);
	EXPECT_END(159, "cofferdam: forbidden_syscall: forbidden system call: ptrace\n", "run",
		probe("attack_calls"), "--policy=attack-run", "--", "/box/attack_calls", "call", "ptrace");
	tear_down(&before);
}
END_TEST

START_TEST(host_and_usage_are_125)
{
	SET_UP(before);
	EXPECT_END(125, "run what?", "run");
	EXPECT_END(125, "there is no option --bogus", "run", "--bogus");
	EXPECT_END(125, "--memory: '1Q' is not a size", "run", "--memory=1Q", "--", "/bin/true");
	EXPECT_END(125, "request.limits: memory_bytes", "run", "--memory=99T", "--", "/bin/true");
	EXPECT_END(125, "there is no policy \"nope\"", "run", "--policy=nope", "--", "/bin/true");
	EXPECT_END(125, "cell.exec: ", "run", "--", "/no/such/program");
	EXPECT_END(125, "not a regular file", "run", "--file=/dev/null", "--", "/bin/true");
	EXPECT_END(125, "No such file", "run", "--file=/no/such/file", "--", "/bin/true");
	EXPECT_END(125, "is no name for a file", "run", "--file=/etc/passwd:../x", "--", "/bin/true");
	EXPECT_END(125, "/no/such/dir", "run", "--images-dir=/no/such/dir", "--", "/bin/true");
	EXPECT_END(125, "report", "run", "--report=/no/such/dir/r", "--", "/bin/true");
	EXPECT_END(125, "there is no command 'frobnicate'", "frobnicate");
	tear_down(&before);
}
END_TEST

START_TEST(files_go_into_the_box)
{
	SET_UP(before);
	char plain[300], renamed[300];
	(void)snprintf(plain, sizeof(plain), "--file=%s", write_file("plain.txt", "text\n"));
	(void)snprintf(
		renamed, sizeof(renamed), "--file=%s:sub/tool", write_file("tool", "#!/bin/sh\necho run\n"));
	ck_assert_int_eq(chmod(path("tool"), 0755), 0);
	struct program program = program_run("cofferdam", "run", plain, renamed, "--", "/bin/sh", "-c",
		"cat plain.txt; test -x plain.txt || echo not executable; ./sub/tool");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "text\nnot executable\nrun\n");
	program_free(&program);
	tear_down(&before);
}
END_TEST

START_TEST(the_report_holds_the_result)
{
	static const char *const numbers[] = {"cpu_usec", "cpu_user_usec", "cpu_system_usec", "wall_usec",
		"memory_peak_bytes", "output_bytes"};

	SET_UP(before);
	EXPECT_END(3, "", "run", "--report", path("r"), "--", "/bin/sh", "-c", "echo 12345; exit 3");
	json_t *json = read_report("r");
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
	EXPECT_END(139, "", "run", "--report", path("r"), "--", "/bin/sh", "-c", "kill -SEGV $$");
	json = read_report("r");
	expect_string(json, "cause", "signaled");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "signal")), SIGSEGV);
	ck_assert(json_is_null(json_object_get(json, "exit_code")));
	json_decref(json);
	EXPECT_END(125, "", "run", "--report", path("r"), "--", "/no/such/program");
	json = read_report("r");
	expect_string(json_object_get(json, "error"), "stage", "cell.exec");
	expect_string(json_object_get(json, "error"), "errno", "ENOENT");
	json_decref(json);
	tear_down(&before);
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

	SET_UP(before);
	ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
	ck_assert_int_eq(fd_write_all(pair[1], "from a pipe\n", 12), 0);
	(void)close(pair[1]);
	expect_cat(pair[0], "from a pipe\n");
	(void)close(pair[0]);
	int file = open(write_file("in", "first line\nsecond line\n"), O_RDONLY | O_CLOEXEC);
	expect_cat(file, "first line\nsecond line\n");
	(void)close(file);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	expect_cat(null, "");
	(void)close(null);
	tear_down(&before);
}
END_TEST

/* As after a shell's `read line`. */
START_TEST(a_file_is_read_from_where_it_stands)
{
	SET_UP(before);
	int file = open(write_file("in", "first line\nsecond line\n"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(lseek(file, 11, SEEK_SET), 11);
	expect_cat(file, "second line\n");
	(void)close(file);
	tear_down(&before);
}
END_TEST

START_TEST(sockets_and_fifos_are_pumped)
{
	int pair[2];

	SET_UP(before);
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
	ck_assert_int_eq(mkfifo(path("fifo"), 0600), 0);
	int fifo = open(path("fifo"), O_RDWR | O_CLOEXEC);
	int reader = open(path("fifo"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(fd_write_all(fifo, "from a fifo\n", 12), 0);
	(void)close(fifo); /* the writer has come and gone before the program starts */
	expect_cat(reader, "from a fifo\n");
	(void)close(reader);
	tear_down(&before);
}
END_TEST

START_TEST(a_terminal_is_pumped)
{
	char text[256] = "";
	size_t used = 0;
	int master, slave;

	SET_UP(before);
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
	tear_down(&before);
}
END_TEST

START_TEST(output_goes_whole_into_pipes_and_files)
{
	struct stat st;

	SET_UP(before);
	struct program program =
		program_run("cofferdam", "run", "--", "/usr/bin/head", "-c", "3000000", "/dev/zero");
	expect_status(program, 0);
	program_free(&program);
	int file = open(write_file("out", "kept\n"), O_WRONLY | O_APPEND | O_CLOEXEC);
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
	tear_down(&before);
}
END_TEST

START_TEST(output_and_error_keep_their_order_in_one_file)
{
	SET_UP(before);
	int file = open(write_file("both", ""), O_WRONLY | O_CLOEXEC);
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
	_cleanup_free_ char *text = read_file("both");
	ck_assert_str_eq(text, "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nout 4\nerr 4\nout 5\nerr 5\n");
	program_free(&program);
	tear_down(&before);
}
END_TEST

/* --- signals ------------------------------------------------------------------------------------------------ */

static void interrupt(int signal)
{
	struct program program = program_start(&(struct program_plan){
		.argv = (const char *const[]){"cofferdam", "run", "--report", path("r"), "--", "/bin/sh",
			"-c", "trap '' INT TERM; echo started; while :; do sleep 1; done", NULL}});
	char text[16] = "";

	ck_assert_int_eq(read(program.out_fd, text, sizeof(text) - 1), 8);
	ck_assert_int_eq(kill(program.pid, signal), 0);
	program_finish(&program);
	expect_status(program, 128 + signal);
	program_free(&program);
	json_t *json = read_report("r");
	expect_string(json, "cause", "cancelled");
	json_decref(json);
}

START_TEST(a_signal_ends_the_run_and_leaves_nothing)
{
	SET_UP(before);
	interrupt(SIGINT);
	interrupt(SIGTERM);
	interrupt(SIGHUP);
	tear_down(&before);
}
END_TEST

/* --- exec --------------------------------------------------------------------------------------------------- */

static bool has_image(const char *name)
{
	char at[4200];

	(void)snprintf(at, sizeof(at), "%s/%s", cell_images_dir(), name);
	return access(at, F_OK) == 0;
}

#define NEEDS_IMAGE(name)                                                                                    \
	if (!has_image(name))                                                                                \
	TEST_SKIP("there is no root image '" name "' (make images)")

static const char hello_cpp[] = "#include <iostream>\n"
				"#include <string>\n"
				"int main(int argc, char **argv)\n"
				"{\n"
				"\tstd::string line;\n"
				"\tstd::getline(std::cin, line);\n"
				"\tstd::cout << \"hello \" << line << '\\n';\n"
				"\tfor (int i = 1; i < argc; i++)\n"
				"\t\tstd::cout << argv[i] << '\\n';\n"
				"}\n";

START_TEST(cpp_is_compiled_and_run_with_input_and_arguments)
{
	NEEDS_IMAGE("cpp");
	SET_UP(before);
	const char *source = write_file("hello.cpp", hello_cpp), *input = write_file("input", "world\n");
	struct program program = program_run("cofferdam", "exec", "c++", source, "--stdin", input, "--report",
		path("r"), "--", "one", "--two");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "hello world\none\n--two\n");
	program_free(&program);
	json_t *json = read_report("r");
	expect_string(json, "language", "cpp");
	expect_string(json, "verdict", "accepted");
	expect_string(json_object_get(json, "compile"), "cause", "exited");
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_object_get(json, "compile"), "exit_code")), 0);
	expect_string(json_object_get(json, "run"), "cause", "exited");
	json_decref(json);
	tear_down(&before);
}
END_TEST

START_TEST(go_is_compiled_and_run)
{
	NEEDS_IMAGE("go");
	SET_UP(before);
	const char *source = write_file("hello.go", "package main\n\nimport \"fmt\"\n\nfunc main() "
						    "{\n\tfmt.Println(\"hello from\", greet())\n}\n");
	const char *more =
		write_file("more.go", "package main\n\nfunc greet() string { return \"two files\" }\n");
	struct program program = program_run("cofferdam", "exec", "golang", source, more);
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "hello from two files\n");
	program_free(&program);
	tear_down(&before);
}
END_TEST

START_TEST(what_does_not_compile_is_123)
{
	NEEDS_IMAGE("cpp");
	SET_UP(before);
	const char *source = write_file("bad.cpp", "int main() { return undeclared_name; }\n");
	struct program program = program_run("cofferdam", "exec", "cpp", source, "--report", path("r"));
	expect_status(program, 123);
	ck_assert_str_eq(program.out, "");
	expect_text(program.err, "bad.cpp:1:");
	expect_text(program.err, "undeclared_name");
	program_free(&program);
	json_t *json = read_report("r");
	expect_string(json, "verdict", "compile_error");
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_object_get(json, "compile"), "exit_code")), 1);
	ck_assert(json_is_null(json_object_get(json, "run")));
	json_decref(json);
	tear_down(&before);
}
END_TEST

/* The ten programs of the issue, as far as a run can tell them apart. */
static const struct {
	const char *name, *source, *limit;
	int status;
	const char *verdict, *cause;
} programs[] = {
	{"exit(3)", "#include <stdlib.h>\nint main() { exit(3); }\n", NULL, 3, "runtime_error", "exited"},
	{"null dereference", "int main() { volatile int *volatile p = 0; *p = 1; }\n", NULL, 139,
		"runtime_error", "signaled"},
	{"endless loop", "int main() { for (volatile int i = 0;; i++) ; }\n", "--cpu-time=300ms", 124,
		"time_limit", "cpu_limit"},
	{"sleep", "#include <unistd.h>\nint main() { sleep(50); }\n", "--wall-time=300ms", 124, "time_limit",
		"wall_limit"},
	{"memory",
		"#include <stdlib.h>\nint main()\n{ volatile char *p = (volatile char *)malloc(1 << 30);\n"
		"for (long i = 0; i < 1 << 30; i += 4096) p[i] = 1; }\n",
		"--memory=64M", 124, "memory_limit", "memory_limit"},
	{"fork bomb", "#include <unistd.h>\nint main() { for (;;) fork(); }\n", "--processes=20", 124,
		"process_limit", "process_limit"},
	{"endless output", "#include <stdio.h>\nint main() { for (;;) puts(\"y\"); }\n", "--output=10K", 124,
		"output_limit", "output_limit"},
};

START_TEST(each_end_has_its_status_and_verdict)
{
	NEEDS_IMAGE("cpp");
	SET_UP(before);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		const char *source = write_file("program.cpp", programs[i].source);
		struct program program = program_run_plan(&(struct program_plan){
			.argv = (const char *const[]){"cofferdam", "exec", "cpp", source, "--report",
				path("r"), programs[i].limit, NULL}});
		ck_assert_msg(program.status == programs[i].status, "%s: status %d; %s", programs[i].name,
			program.status, program.err);
		program_free(&program);
		json_t *json = read_report("r");
		expect_string(json, "verdict", programs[i].verdict);
		expect_string(json_object_get(json, "run"), "cause", programs[i].cause);
		json_decref(json);
	}
	tear_down(&before);
}
END_TEST

START_TEST(files_keep_their_directories_or_get_the_languages_name)
{
	NEEDS_IMAGE("cpp");
	SET_UP(before);
	ck_assert_int_eq(mkdir(path("src"), 0755), 0);
	(void)write_file("src/answer.h", "#define ANSWER 42\n");
	(void)write_file("main.cpp",
		"#include \"src/answer.h\"\n#include <cstdio>\nint main() { printf(\"%d\\n\", ANSWER); }\n");
	char *old = get_current_dir_name();
	char *program_path = realpath(getenv("BIN_DIR") ? getenv("BIN_DIR") : "build/debug/bin", NULL);
	(void)setenv("BIN_DIR", program_path, 1);
	ck_assert_int_eq(chdir(dir), 0);
	struct program program =
		program_run("cofferdam", "exec", "cpp", "./main.cpp", "src/answer.h", "--cpu-time=5");
	ck_assert_int_eq(chdir(old), 0);
	free(old);
	free(program_path);
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "42\n");
	program_free(&program);
	program = program_run("cofferdam", "exec", "cpp", write_file("solution.txt", hello_cpp));
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "hello \n");
	program_free(&program);
	tear_down(&before);
}
END_TEST

START_TEST(wrong_usage_of_exec_is_125)
{
	NEEDS_IMAGE("cpp");
	SET_UP(before);
	const char *source = write_file("a.cpp", hello_cpp);
	ck_assert_int_eq(mkdir(path("other"), 0755), 0);
	const char *same = write_file("other/a.cpp", hello_cpp);
	EXPECT_END(125, "exec what?", "exec");
	EXPECT_END(125, "exec what?", "exec", "cpp");
	EXPECT_END(125, "there is no policy \"cobol\"", "exec", "cobol", source);
	EXPECT_END(125, "default is no language", "exec", "default", source);
	EXPECT_END(125, "there is no option --bogus", "exec", "cpp", source, "--bogus");
	EXPECT_END(125, "No such file", "exec", "cpp", path("none.cpp"));
	EXPECT_END(125, "No such file", "exec", "cpp", source, "--stdin", path("none"));
	EXPECT_END(125, "two files named a.cpp", "exec", "cpp", source, same);
	tear_down(&before);
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
	char at[128];

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
	expect_text(program.err, "commands/broken.json: ");
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

TEST_PROGRAM(
	"cli", 200, tcase_add_test(tc, the_programs_exit_status_is_ours);
	tcase_add_test(tc, a_limit_is_124_and_one_line);
	tcase_add_test(tc, a_forbidden_call_is_159_and_named); tcase_add_test(tc, host_and_usage_are_125);
	tcase_add_test(tc, files_go_into_the_box); tcase_add_test(tc, the_report_holds_the_result);
	tcase_add_test(tc, input_comes_from_a_pipe_a_file_or_nothing);
	tcase_add_test(tc, a_file_is_read_from_where_it_stands);
	tcase_add_test(tc, sockets_and_fifos_are_pumped); tcase_add_test(tc, a_terminal_is_pumped);
	tcase_add_test(tc, output_goes_whole_into_pipes_and_files);
	tcase_add_test(tc, output_and_error_keep_their_order_in_one_file);
	tcase_add_test(tc, a_signal_ends_the_run_and_leaves_nothing);
	tcase_add_test(tc, cpp_is_compiled_and_run_with_input_and_arguments);
	tcase_add_test(tc, go_is_compiled_and_run); tcase_add_test(tc, what_does_not_compile_is_123);
	tcase_add_test(tc, each_end_has_its_status_and_verdict);
	tcase_add_test(tc, files_keep_their_directories_or_get_the_languages_name);
	tcase_add_test(tc, wrong_usage_of_exec_is_125); tcase_add_test(tc, help_is_there_for_every_command);
	tcase_add_test(tc, check_names_file_key_and_reason);
	tcase_add_test(tc, doctor_tells_text_and_json_alike))
