/* test_report.c: results as verdicts, as words and as JSON. */
#include "sandbox/base/fd.h"
#include "sandbox/report/report.h"
#include "tests/lib/test.h"

#include <signal.h>
#include <string.h>

static struct sandbox_result exited(int code)
{
	return (struct sandbox_result){.cause = SANDBOX_EXITED, .exit_code = code, .syscall_nr = -1};
}

static struct sandbox_result caused(enum sandbox_cause cause)
{
	return (struct sandbox_result){.cause = cause, .exit_code = -1, .signal = SIGKILL, .syscall_nr = -1};
}

START_TEST(names_are_their_own_inverse)
{
	for (unsigned i = REPORT_NONE + 1; i < REPORT_VERDICT_N; i++) {
		const char *name = report_verdict_name((enum report_verdict)i);
		ck_assert_ptr_nonnull(name);
		ck_assert_int_eq(report_verdict_parse(name), i);
	}
	ck_assert_ptr_null(report_verdict_name(REPORT_NONE));
	ck_assert_ptr_null(report_verdict_name(REPORT_VERDICT_N));
	ck_assert_int_eq(report_verdict_parse("splendid"), REPORT_NONE);
	ck_assert_int_eq(report_verdict_parse(""), REPORT_NONE);
}
END_TEST

START_TEST(every_cause_has_its_verdict)
{
	static const enum report_verdict wanted[SANDBOX_CAUSE_N] = {
		[SANDBOX_EXITED] = REPORT_RUNTIME_ERROR,
		[SANDBOX_SIGNALED] = REPORT_RUNTIME_ERROR,
		[SANDBOX_CPU_LIMIT] = REPORT_TIME_LIMIT,
		[SANDBOX_WALL_LIMIT] = REPORT_TIME_LIMIT,
		[SANDBOX_MEMORY_LIMIT] = REPORT_MEMORY_LIMIT,
		[SANDBOX_PROCESS_LIMIT] = REPORT_PROCESS_LIMIT,
		[SANDBOX_OUTPUT_LIMIT] = REPORT_OUTPUT_LIMIT,
		[SANDBOX_FILE_LIMIT] = REPORT_RUNTIME_ERROR,
		[SANDBOX_FORBIDDEN_SYSCALL] = REPORT_FORBIDDEN_SYSCALL,
		[SANDBOX_CANCELLED] = REPORT_CANCELLED,
	};
	struct sandbox_result fine = exited(0), unknown = caused(SANDBOX_CAUSE_N);

	ck_assert_int_eq(report_verdict(NULL, &fine), REPORT_ACCEPTED);
	ck_assert_int_eq(report_verdict(&fine, &fine), REPORT_ACCEPTED);
	for (unsigned cause = 0; cause < SANDBOX_CAUSE_N; cause++) {
		struct sandbox_result run = caused((enum sandbox_cause)cause);
		ck_assert_int_eq(report_verdict(NULL, &run), wanted[cause]);
		ck_assert_int_eq(report_verdict(&fine, &run), wanted[cause]);
	}
	ck_assert_int_eq(report_verdict(NULL, &unknown), REPORT_INTERNAL_ERROR);
}
END_TEST

START_TEST(what_does_not_compile_is_a_compile_error)
{
	struct sandbox_result fine = exited(0), failed = exited(1), cancelled = caused(SANDBOX_CANCELLED);

	ck_assert_int_eq(report_verdict(&failed, NULL), REPORT_COMPILE_ERROR);
	ck_assert_int_eq(report_verdict(&cancelled, NULL), REPORT_CANCELLED);
	for (unsigned cause = SANDBOX_SIGNALED; cause < SANDBOX_CANCELLED; cause++) {
		struct sandbox_result compile = caused((enum sandbox_cause)cause);
		ck_assert_int_eq(report_verdict(&compile, NULL), REPORT_COMPILE_ERROR);
	}
	ck_assert_int_eq(report_verdict(&fine, NULL), REPORT_NONE);
	ck_assert_int_eq(report_verdict(NULL, NULL), REPORT_NONE);
}
END_TEST

static const struct sandbox_limits limits = {
	.cpu_usec = 10000000,
	.wall_usec = 1500000,
	.memory_bytes = 256 << 20,
	.processes = 64,
	.output_bytes = 1000,
	.file_bytes = UINT64_C(3) << 30,
};

static const struct {
	enum sandbox_cause cause;
	const char *with, *without;
} lines[] = {
	{SANDBOX_CPU_LIMIT, "the program used more than its 10 s of CPU time",
		"the program used more CPU time than it may"},
	{SANDBOX_WALL_LIMIT, "the program ran longer than 1500 ms", "the program ran longer than it may"},
	{SANDBOX_MEMORY_LIMIT, "the program needed more than its 256 MiB of memory",
		"the program needed more memory than it may have"},
	{SANDBOX_PROCESS_LIMIT, "the program wanted more than its 64 processes and threads",
		"the program wanted more processes and threads than it may have"},
	{SANDBOX_OUTPUT_LIMIT, "the program wrote more than its 1000 bytes of output",
		"the program wrote more output than it may"},
	{SANDBOX_FILE_LIMIT, "the program wrote a file larger than 3 GiB",
		"the program wrote a larger file than it may"},
	{SANDBOX_CANCELLED, "cancelled", "cancelled"},
};

START_TEST(limits_are_explained_with_their_numbers)
{
	char buf[128];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct sandbox_result result = caused(lines[i].cause);
		report_explain(&result, &limits, buf, sizeof(buf));
		ck_assert_str_eq(buf, lines[i].with);
		report_explain(&result, NULL, buf, sizeof(buf));
		ck_assert_str_eq(buf, lines[i].without);
	}
}
END_TEST

START_TEST(ends_are_explained)
{
	struct sandbox_result result = exited(3);
	char buf[128], small[8];

	report_explain(&result, NULL, buf, sizeof(buf));
	ck_assert_str_eq(buf, "exit code 3");
	report_explain(&result, NULL, small, sizeof(small));
	ck_assert_str_eq(small, "exit co");
	result = caused(SANDBOX_SIGNALED);
	result.signal = SIGSEGV;
	report_explain(&result, NULL, buf, sizeof(buf));
	ck_assert_str_eq(buf, "killed by signal 11 (SIGSEGV)");
	result.signal = 40;
	report_explain(&result, NULL, buf, sizeof(buf));
	ck_assert_str_eq(buf, "killed by signal 40");
	result = caused(SANDBOX_FORBIDDEN_SYSCALL);
	(void)memset(result.syscall_name, 'm', sizeof(result.syscall_name)); /* not terminated */
	report_explain(&result, NULL, buf, sizeof(buf));
	ck_assert_str_eq(buf, "forbidden system call: mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm");
	result = caused(SANDBOX_CAUSE_N);
	report_explain(&result, NULL, buf, sizeof(buf));
	ck_assert_str_eq(buf, "unknown cause 10");
}
END_TEST

/* Every field another value. */
static struct sandbox_result full(void)
{
	struct sandbox_result result = {
		.cause = SANDBOX_FORBIDDEN_SYSCALL,
		.exit_code = -1,
		.signal = SIGKILL,
		.syscall_nr = -1,
		.syscall_name = "mount",
		.cpu_user_usec = 1,
		.cpu_system_usec = 2,
		.cpu_usec = 3,
		.wall_usec = 4,
		.memory_peak_bytes = 5,
		.processes_peak = 6,
		.output_bytes = 7,
		.switches_voluntary = 8,
		.switches_involuntary = 9,
		.oom_kills = 10,
		.forks_refused = 11,
	};
	uint64_t *phases = (uint64_t *)&result.phases;

	for (size_t i = 0; i < sizeof(result.phases) / sizeof(*phases); i++)
		phases[i] = 100 + i;
	return result;
}

START_TEST(json_comes_back_as_it_was)
{
	struct sandbox_result results[] = {full(), exited(0), exited(255), caused(SANDBOX_CANCELLED)};

	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		struct sandbox_result back;
		json_t *json = report_result(&results[i]);
		ck_assert_ptr_nonnull(json);
		ck_assert_int_eq(report_result_parse(json, &back), 0);
		ck_assert_int_eq(memcmp(&back, &results[i], sizeof(back)), 0);
		json_decref(json);
	}
}
END_TEST

START_TEST(json_says_null_where_there_is_nothing)
{
	struct sandbox_result result = exited(0);
	json_t *json = report_result(&result);

	ck_assert_str_eq(json_string_value(json_object_get(json, "cause")), "exited");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "exit_code")), 0);
	ck_assert(json_is_null(json_object_get(json, "signal")));
	ck_assert(json_is_null(json_object_get(json, "syscall")));
	ck_assert(json_is_null(json_object_get(json, "processes_peak")));
	ck_assert_int_eq(json_object_size(json_object_get(json, "phases")), 6);
	json_decref(json);
	result = full();
	json = report_result(&result);
	ck_assert(json_is_null(json_object_get(json, "exit_code")));
	ck_assert_int_eq(json_integer_value(json_object_get(json, "signal")), SIGKILL);
	ck_assert_str_eq(json_string_value(json_object_get(json, "syscall")), "mount");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "cpu_usec")), 3);
	json_decref(json);
}
END_TEST

START_TEST(json_that_is_none_of_ours_is_refused)
{
	static const char *const changes[] = {
		"{\"cause\": \"splendid\"}",
		"{\"cause\": null}",
		"{\"exit_code\": 256}",
		"{\"exit_code\": null}",
		"{\"exit_code\": \"0\"}",
		"{\"signal\": -1}",
		"{\"signal\": 65}",
		"{\"syscall\": \"a name that is longer than thirty-one bytes\"}",
		"{\"syscall\": 5}",
		"{\"wall_usec\": -1}",
		"{\"wall_usec\": \"1\"}",
		"{\"phases\": null}",
		"{\"phases\": {}}",
	};
	struct sandbox_result result = exited(0), back = {.cause = 77};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		json_t *json = report_result(&result), *change = json_loads(changes[i], 0, NULL);
		ck_assert_ptr_nonnull(change);
		ck_assert_int_eq(json_object_update(json, change), 0);
		ck_assert_msg(report_result_parse(json, &back) == -EINVAL, "%s", changes[i]);
		ck_assert_uint_eq(back.cause, 77);
		json_decref(json);
		json_decref(change);
	}
}
END_TEST

START_TEST(an_error_is_an_object)
{
	struct sandbox_error err = {.errno_value = ENOMEM, .stage = "cell.mount", .message = "m"};
	json_t *json = report_error(&err);

	ck_assert_str_eq(json_string_value(json_object_get(json, "stage")), "cell.mount");
	ck_assert_str_eq(json_string_value(json_object_get(json, "errno")), "ENOMEM");
	ck_assert_str_eq(json_string_value(json_object_get(json, "message")), "m");
	json_decref(json);
	err = (struct sandbox_error){.errno_value = 9999, .stage = "s", .message = "cut \xe2\x82"};
	json = report_error(&err);
	ck_assert_str_eq(json_string_value(json_object_get(json, "errno")), "9999");
	ck_assert_str_eq(json_string_value(json_object_get(json, "message")), "cut ??");
	json_decref(json);
}
END_TEST

TEST_PROGRAM("report", 30, tcase_add_test(tc, names_are_their_own_inverse);
	     tcase_add_test(tc, every_cause_has_its_verdict);
	     tcase_add_test(tc, what_does_not_compile_is_a_compile_error);
	     tcase_add_test(tc, limits_are_explained_with_their_numbers);
	     tcase_add_test(tc, ends_are_explained); tcase_add_test(tc, json_comes_back_as_it_was);
	     tcase_add_test(tc, json_says_null_where_there_is_nothing);
	     tcase_add_test(tc, json_that_is_none_of_ours_is_refused);
	     tcase_add_test(tc, an_error_is_an_object))
