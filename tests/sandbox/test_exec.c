/* test_exec.c: `cofferdam exec`: from source files to a verdict. */
#include "sandbox/base/fd.h"
#include "tests/lib/place.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
	PLACE_ENTER(before);
	const char *source = place_write("hello.cpp", hello_cpp), *input = place_write("input", "world\n");
	struct program program = program_run("cofferdam", "exec", "c++", source, "--stdin", input, "--report",
		place_path("r"), "--", "one", "--two");
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "hello world\none\n--two\n");
	program_free(&program);
	json_t *json = place_report("r");
	expect_string(json, "language", "cpp");
	expect_string(json, "verdict", "accepted");
	expect_string(json_object_get(json, "compile"), "cause", "exited");
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_object_get(json, "compile"), "exit_code")), 0);
	expect_string(json_object_get(json, "run"), "cause", "exited");
	json_decref(json);
	place_leave(&before);
}
END_TEST

/* What linking statically could break: weak references to threads, unwinding, what libc looks up at run time. */
static const char libraries_cpp[] =
	"#include <bits/stdc++.h>\n"
	"#include <future>\n#include <regex>\n#include <filesystem>\n#include <pwd.h>\n"
	"thread_local int own = 1;\n"
	"int main()\n"
	"{\n"
	"\tstd::mutex m; std::condition_variable cv; bool go = false; int sum = 0;\n"
	"\tstd::vector<std::thread> threads;\n"
	"\tfor (int i = 0; i < 4; i++) threads.emplace_back([&] {\n"
	"\t\tstd::unique_lock<std::mutex> l(m); cv.wait(l, [&] { return go; }); sum += own++; });\n"
	"\t{ std::lock_guard<std::mutex> l(m); go = true; }\n"
	"\tcv.notify_all();\n"
	"\tfor (auto &t : threads) t.join();\n"
	"\tauto f = std::async(std::launch::async, []() -> int { throw std::runtime_error(\"thrown\"); });\n"
	"\ttry { f.get(); } catch (std::exception &e) { std::cout << e.what() << ' '; }\n"
	"\tstd::once_flag once; std::call_once(once, [&] { sum++; });\n"
	"\tstd::cout << sum << ' ' << std::regex_replace(\"a1\", std::regex(\"[0-9]\"), \"#\") << ' '\n"
	"\t\t<< std::filesystem::current_path().string() << ' ' << getpwuid(getuid())->pw_name << ' '\n"
	"\t\t<< std::locale(\"C\").name() << '\\n';\n"
	"}\n";

START_TEST(a_cpp_program_has_threads_exceptions_and_users)
{
	NEEDS_IMAGE("cpp");
	PLACE_ENTER(before);
	struct program program = program_run("cofferdam", "exec", "cpp", place_write("l.cpp", libraries_cpp));
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "thrown 5 a# /box box C\n");
	program_free(&program);
	place_leave(&before);
}
END_TEST

START_TEST(go_is_compiled_and_run)
{
	NEEDS_IMAGE("go");
	PLACE_ENTER(before);
	const char *source = place_write("hello.go", "package main\n\nimport \"fmt\"\n\nfunc main() "
						     "{\n\tfmt.Println(\"hello from\", greet())\n}\n");
	const char *more =
		place_write("more.go", "package main\n\nfunc greet() string { return \"two files\" }\n");
	struct program program = program_run("cofferdam", "exec", "golang", source, more);
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "hello from two files\n");
	program_free(&program);
	place_leave(&before);
}
END_TEST

START_TEST(what_compiles_to_no_program_is_123)
{
	NEEDS_IMAGE("go");
	PLACE_ENTER(before);
	const char *source = place_write("f.go", "package other\n\nfunc F() {}\n");
	struct program program = program_run("cofferdam", "exec", "go", source, "--report", place_path("r"));
	expect_status(program, 123);
	ck_assert_ptr_nonnull(strstr(program.err, "no program that can be run"));
	program_free(&program);
	json_t *json = place_report("r");
	expect_string(json, "verdict", "compile_error");
	ck_assert(json_is_null(json_object_get(json, "run")));
	json_decref(json);
	place_leave(&before);
}
END_TEST

START_TEST(what_does_not_compile_is_123)
{
	NEEDS_IMAGE("cpp");
	PLACE_ENTER(before);
	const char *source = place_write("bad.cpp", "int main() { return undeclared_name; }\n");
	struct program program = program_run("cofferdam", "exec", "cpp", source, "--report", place_path("r"));
	expect_status(program, 123);
	ck_assert_str_eq(program.out, "");
	expect_text(program.err, "bad.cpp:1:");
	expect_text(program.err, "undeclared_name");
	program_free(&program);
	json_t *json = place_report("r");
	expect_string(json, "verdict", "compile_error");
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_object_get(json, "compile"), "exit_code")), 1);
	ck_assert(json_is_null(json_object_get(json, "run")));
	json_decref(json);
	place_leave(&before);
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
	PLACE_ENTER(before);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		const char *source = place_write("program.cpp", programs[i].source);
		struct program program = program_run_plan(&(struct program_plan){
			.argv = (const char *const[]){"cofferdam", "exec", "cpp", source, "--report",
				place_path("r"), programs[i].limit, NULL}});
		ck_assert_msg(program.status == programs[i].status, "%s: status %d; %s", programs[i].name,
			program.status, program.err);
		program_free(&program);
		json_t *json = place_report("r");
		expect_string(json, "verdict", programs[i].verdict);
		expect_string(json_object_get(json, "run"), "cause", programs[i].cause);
		json_decref(json);
	}
	place_leave(&before);
}
END_TEST

START_TEST(files_keep_their_directories_or_get_the_languages_name)
{
	NEEDS_IMAGE("cpp");
	PLACE_ENTER(before);
	ck_assert_int_eq(mkdir(place_path("src"), 0755), 0);
	(void)place_write("src/answer.h", "#define ANSWER 42\n");
	(void)place_write("main.cpp",
		"#include \"src/answer.h\"\n#include <cstdio>\nint main() { printf(\"%d\\n\", ANSWER); }\n");
	char *old = get_current_dir_name();
	char *program_path = realpath(getenv("BIN_DIR") ? getenv("BIN_DIR") : "build/debug/bin", NULL);
	(void)setenv("BIN_DIR", program_path, 1);
	ck_assert_int_eq(chdir(place_path("")), 0);
	struct program program =
		program_run("cofferdam", "exec", "cpp", "./main.cpp", "src/answer.h", "--cpu-time=5");
	ck_assert_int_eq(chdir(old), 0);
	free(old);
	free(program_path);
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "42\n");
	program_free(&program);
	program = program_run("cofferdam", "exec", "cpp", place_write("solution.txt", hello_cpp));
	expect_status(program, 0);
	ck_assert_str_eq(program.out, "hello \n");
	program_free(&program);
	place_leave(&before);
}
END_TEST

START_TEST(wrong_usage_of_exec_is_125)
{
	NEEDS_IMAGE("cpp");
	PLACE_ENTER(before);
	const char *source = place_write("a.cpp", hello_cpp);
	ck_assert_int_eq(mkdir(place_path("other"), 0755), 0);
	const char *same = place_write("other/a.cpp", hello_cpp);
	PLACE_EXPECT(125, "exec what?", "exec");
	PLACE_EXPECT(125, "exec what?", "exec", "cpp");
	PLACE_EXPECT(125, "there is no policy \"cobol\"", "exec", "cobol", source);
	PLACE_EXPECT(125, "default is no language", "exec", "default", source);
	PLACE_EXPECT(125, "there is no option --bogus", "exec", "cpp", source, "--bogus");
	PLACE_EXPECT(125, "No such file", "exec", "cpp", place_path("none.cpp"));
	PLACE_EXPECT(125, "No such file", "exec", "cpp", source, "--stdin", place_path("none"));
	PLACE_EXPECT(125, "two files named a.cpp", "exec", "cpp", source, same);
	place_leave(&before);
}
END_TEST

TEST_PROGRAM("exec", 200, tcase_add_test(tc, cpp_is_compiled_and_run_with_input_and_arguments);
	     tcase_add_test(tc, a_cpp_program_has_threads_exceptions_and_users);
	     tcase_add_test(tc, go_is_compiled_and_run);
	     tcase_add_test(tc, what_compiles_to_no_program_is_123);
	     tcase_add_test(tc, what_does_not_compile_is_123);
	     tcase_add_test(tc, each_end_has_its_status_and_verdict);
	     tcase_add_test(tc, files_keep_their_directories_or_get_the_languages_name);
	     tcase_add_test(tc, wrong_usage_of_exec_is_125))
