/* Jobs from POST to stored result, through real HTTP, the real supervisor, and what may go wrong on the way. */
#include "sandbox/base/fd.h"
#include "tests/lib/http_client.h"
#include "tests/lib/jobs.h"
#include "tests/lib/place.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

/* Both halves, up; skips where cells cannot be made. */
#define HALVES(service, supervisor, options)                                                                 \
	struct test_service service;                                                                         \
	struct supervisor supervisor;                                                                        \
	if (cell_skip_reason() != NULL)                                                                      \
		TEST_SKIP(cell_skip_reason());                                                               \
	NEEDS_IMAGE("cpp");                                                                                  \
	NEEDS_IMAGE("go");                                                                                   \
	supervisor_open(&supervisor);                                                                        \
	service_begin(&service);                                                                             \
	service_start(&service, &supervisor, options)

static void halves_end(struct test_service *service, struct supervisor *supervisor)
{
	service_end(service);
	supervisor_close(supervisor);
}

static void expect_output(const struct test_service *service, const char *id, const char *wanted, size_t size)
{
	size_t got_size;
	char *got = jobs_output(service, id, &got_size);

	ck_assert_uint_eq(got_size, size);
	ck_assert_mem_eq(got, wanted, size);
	free(got);
}

/* --- what programs come to ------------------------------------------------------------------------------------ */

static const struct outcome {
	const char *language, *code, *input;
	const char *status, *verdict;
	const char *preview;
	const char *error; /* part of it; NULL: there is none */
} outcomes[] = {
	{"cpp",
		"#include <bits/stdc++.h>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b << "
		"\"\\n\"; }",
		"2 3", "completed", "accepted", "5\n", NULL},
	{"C++", "#include <cstdio>\nint main() { return getchar() == EOF ? 0 : 1; }", NULL, "completed",
		"accepted", "", NULL},
	{"golang",
		"package main\nimport \"fmt\"\nfunc main() { var s string; fmt.Scan(&s); "
		"fmt.Println(\"hello\", s) }",
		"gopher", "completed", "accepted", "hello gopher\n", NULL},
	{"cpp", "int main() { return 3; }", NULL, "failed", "runtime_error", "", "exit code 3"},
	{"cpp", "int main() { volatile int *p = nullptr; return *p; }", NULL, "failed", "runtime_error", "",
		"SIGSEGV"},
	{"cpp", "int main() { return nowhere; }", NULL, "failed", "compile_error", "",
		"'nowhere' was not declared"},
	{"go", "package main\nfunc main() { nowhere() }", NULL, "failed", "compile_error", "",
		"undefined: nowhere"},
	{"go", "package other\nfunc F() {}", NULL, "failed", "compile_error", "",
		"no program that can be run"},
	{"cpp",
		"#define X(...) __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__\n"
		"#define Y(...) X(__VA_ARGS__) X(__VA_ARGS__)\n"
		"int a[] = {Y(Y(Y(Y(Y(Y(Y(Y(Y(1,)))))))))};\nint main() { return a[3]; }",
		NULL, "failed", "compile_error", "", "compile: the program needed more than its"},
	{"cpp", "int main() { for (;;) ; }", NULL, "timeout", "time_limit", "", "longer than"},
	{"cpp",
		"#include <cstdio>\n#include <unistd.h>\nint main() { puts(\"so far\"); fflush(stdout); "
		"sleep(1000); }",
		NULL, "timeout", "time_limit", "so far\n", "1 s"},
	{"cpp",
		"#include <cstdlib>\nint main() { for (;;) { volatile char *p = (char *)malloc(1 << 20);\n"
		"for (int i = 0; i < 1 << 20; i += 4096) p[i] = 1; } }",
		NULL, "failed", "memory_limit", "", "memory"},
	{"cpp", "#include <unistd.h>\nint main() { for (;;) fork(); }", NULL, "failed", "process_limit", "",
		"processes"},
	{"cpp", "#include <sys/mount.h>\nint main() { return mount(\"a\", \"/\", \"b\", 0, 0); }", NULL,
		"failed", "forbidden_syscall", "", "mount"},
};

static const char *const one_second[] = {"--exec-timeout-sec=1", NULL};

START_TEST(every_program_comes_to_its_verdict)
{
	const struct outcome *row = &outcomes[_i];
	const struct jobs_submission submission = {row->language, row->code, row->input};
	char id[JOB_ID_SIZE];

	HALVES(service, supervisor, strcmp(row->verdict, "time_limit") == 0 ? one_second : NULL);
	jobs_submit(&service, &submission, id);
	json_t *job = jobs_finish(&service, id);
	ck_assert_str_eq(jobs_text(job, "status"), row->status);
	ck_assert_str_eq(jobs_text(job, "verdict"), row->verdict);
	ck_assert_str_eq(jobs_text(job, "stdoutPreview"), row->preview);
	if (row->error == NULL)
		ck_assert_ptr_null(jobs_text(job, "error"));
	else
		expect_text(jobs_text(job, "error"), row->error);
	bool is_run = strcmp(row->verdict, "compile_error") != 0;
	ck_assert_int_eq(json_is_number(json_object_get(job, "execDurationMs")), is_run);
	ck_assert_int_eq(json_integer_value(json_object_get(job, "attempt")), 1);
	json_decref(job);
	halves_end(&service, &supervisor);
}
END_TEST

/* --- output --------------------------------------------------------------------------------------------------- */

START_TEST(arbitrary_bytes_survive_and_the_preview_is_text)
{
	static const struct jobs_submission submission = {"cpp",
		"#include <unistd.h>\nint main() { return write(1, \"a\\0\\xff\\xc3\\xa9\\xe2\\x82\", 7) != "
		"7; }",
		NULL};
	char id[JOB_ID_SIZE];

	HALVES(service, supervisor, NULL);
	jobs_submit(&service, &submission, id);
	json_t *job = jobs_finish(&service, id);
	ck_assert_str_eq(
		jobs_text(job, "stdoutPreview"), "a\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
	expect_output(&service, id, "a\0\xff\xc3\xa9\xe2\x82", 7);
	json_decref(job);
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(the_preview_is_500_characters_of_stdout_alone)
{
	/* Euro signs on standard output, dots on standard error. */
	static const struct jobs_submission submission = {"cpp",
		"#include <unistd.h>\nint main() { for (int i = 0; i < 600; i++) {\n"
		"if (write(1, \"\\xe2\\x82\\xac\", 3) != 3 || write(2, \".\", 1) != 1) return 1; } }",
		NULL};
	char id[JOB_ID_SIZE];
	size_t size;

	HALVES(service, supervisor, NULL);
	jobs_submit(&service, &submission, id);
	json_t *job = jobs_finish(&service, id);
	const char *preview = jobs_text(job, "stdoutPreview");
	ck_assert_uint_eq(strlen(preview), 1500);
	for (size_t i = 0; i < 1500; i += 3)
		ck_assert_mem_eq(preview + i, "\xe2\x82\xac", 3);
	char *output = jobs_output(&service, id, &size);
	ck_assert_uint_eq(size, 2400);
	free(output);
	json_decref(job);
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(output_comes_in_order_of_arrival)
{
	static const struct jobs_submission submission = {"cpp",
		"#include <unistd.h>\nint main() { for (int i = 0; i < 5; i++) {\n"
		"if (write(1, \"o\", 1) != 1) return 1; usleep(20000);\n"
		"if (write(2, \"e\", 1) != 1) return 1; usleep(20000); } }",
		NULL};
	char id[JOB_ID_SIZE];

	HALVES(service, supervisor, NULL);
	jobs_submit(&service, &submission, id);
	json_decref(jobs_finish(&service, id));
	expect_output(&service, id, "oeoeoeoeoe", 10);
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(endless_output_is_kept_up_to_its_limit)
{
	static const struct jobs_submission submission = {
		"cpp", "#include <cstdio>\nint main() { for (;;) puts(\"again\"); }", NULL};
	static const char *const options[] = {"--exec-output=64K", NULL};
	char id[JOB_ID_SIZE];
	size_t size;

	HALVES(service, supervisor, options);
	jobs_submit(&service, &submission, id);
	json_t *job = jobs_finish(&service, id);
	ck_assert_str_eq(jobs_text(job, "verdict"), "output_limit");
	char *output = jobs_output(&service, id, &size);
	ck_assert_uint_eq(size, 64 * 1024);
	ck_assert_mem_eq(output, "again\nagain\n", 12);
	free(output);
	json_decref(job);
	halves_end(&service, &supervisor);
}
END_TEST

/* --- links ---------------------------------------------------------------------------------------------------- */

static void expect_refused(const char *url, const char *code)
{
	struct http_client_answer answer;

	http_client_send(&(struct http_client_request){.url = url}, &answer);
	ck_assert_int_eq(answer.status, 403);
	expect_text(answer.body, code);
	http_client_answer_free(&answer);
}

static long status_of(const char *url)
{
	struct http_client_answer answer;

	http_client_send(&(struct http_client_request){.url = url}, &answer);
	long status = answer.status;
	http_client_answer_free(&answer);
	return status;
}

START_TEST(a_link_is_good_for_its_object_and_its_time)
{
	static const struct jobs_submission submission = {"cpp", "int main() {}", NULL};
	static const char *const options[] = {"--url-ttl-sec=3", NULL};
	char id[JOB_ID_SIZE], other[JOB_ID_SIZE], path[128], forged[512];

	HALVES(service, supervisor, options);
	jobs_submit(&service, &submission, id);
	jobs_submit(&service, &submission, other);
	json_decref(jobs_finish(&service, id));
	json_decref(jobs_finish(&service, other));
	(void)snprintf(path, sizeof(path), "/result?id=%s", id);
	json_t *result = jobs_get(&service, path, 200);
	const char *url = jobs_text(result, "url");
	ck_assert_int_eq(status_of(url), 200);
	(void)snprintf(forged, sizeof(forged), "%s", url);
	memcpy(strstr(forged, id), other, strlen(other));
	expect_refused(forged, "link_invalid");
	(void)snprintf(forged, sizeof(forged), "%s", url);
	char *last = forged + strlen(forged) - 1;
	*last = *last == '0' ? '1' : '0';
	expect_refused(forged, "link_invalid");
	while (status_of(url) == 200)
		(void)nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
	expect_refused(url, "link_expired");
	json_decref(result);
	halves_end(&service, &supervisor);
}
END_TEST

/* --- many at one time ----------------------------------------------------------------------------------------- */

enum { MANY = 50 };

static const char doubling[] =
	"#include <cstdio>\nint main() { int n; if (scanf(\"%d\", &n) == 1) printf(\"%d\\n\", 2 * n); }";

static void submit_many(const struct test_service *service, size_t n, char ids[][JOB_ID_SIZE])
{
	for (size_t i = 0; i < n; i++) {
		char input[32];
		(void)snprintf(input, sizeof(input), "%zu", i);
		jobs_submit(service, &(struct jobs_submission){"cpp", doubling, input}, ids[i]);
	}
}

static void finish_many(const struct test_service *service, size_t n, char ids[][JOB_ID_SIZE])
{
	for (size_t i = 0; i < n; i++) {
		char wanted[32];
		(void)snprintf(wanted, sizeof(wanted), "%zu\n", 2 * i);
		json_t *job = jobs_finish(service, ids[i]);
		ck_assert_str_eq(jobs_text(job, "verdict"), "accepted");
		ck_assert_str_eq(jobs_text(job, "stdoutPreview"), wanted);
		json_decref(job);
	}
}

START_TEST(fifty_jobs_have_each_its_own_result)
{
	char ids[MANY][JOB_ID_SIZE];

	HALVES(service, supervisor, NULL);
	submit_many(&service, MANY, ids);
	finish_many(&service, MANY, ids);
	halves_end(&service, &supervisor);
}
END_TEST

/* --- crashes -------------------------------------------------------------------------------------------------- */

static const struct jobs_submission slow = {
	"cpp", "#include <cstdio>\n#include <unistd.h>\nint main() { sleep(2); puts(\"done\"); }", NULL};

enum { AFTER = 6 };

/* One that runs, and some that wait behind it. */
static void submit_slow_and_more(
	const struct test_service *service, char id[JOB_ID_SIZE], char more[][JOB_ID_SIZE])
{
	jobs_submit(service, &slow, id);
	json_decref(jobs_wait(service, id, "running", false));
	submit_many(service, AFTER, more);
}

static void expect_done(const struct test_service *service, const char *id, json_int_t attempts)
{
	json_t *job = jobs_finish(service, id);

	ck_assert_str_eq(jobs_text(job, "verdict"), "accepted");
	ck_assert_str_eq(jobs_text(job, "stdoutPreview"), "done\n");
	ck_assert_int_eq(json_integer_value(json_object_get(job, "attempt")), attempts);
	json_decref(job);
	expect_output(service, id, "done\n", 5);
}

static const char *const one_worker[] = {"--workers=1", NULL};

/* --- the same again ------------------------------------------------------------------------------------------- */

static const char echo_code[] = "#include <iostream>\nint main() { std::cout << std::cin.rdbuf(); }";

static bool is_compiled_anew(
	const struct test_service *service, const char *user, const char *code, const char *input)
{
	char id[JOB_ID_SIZE];

	jobs_submit(service, &(struct jobs_submission){"cpp", code, input, user}, id);
	json_t *job = jobs_finish(service, id);
	ck_assert_str_eq(jobs_text(job, "verdict"), "accepted");
	ck_assert_str_eq(jobs_text(job, "stdoutPreview"), input);
	bool is_cached = json_boolean_value(json_object_get(job, "compileCached"));
	ck_assert(json_is_object(json_object_get(job, "compile")));
	json_decref(job);
	return !is_cached;
}

START_TEST(the_same_source_is_compiled_once)
{
	HALVES(service, supervisor, NULL);
	ck_assert(is_compiled_anew(&service, "ann", echo_code, "one"));
	ck_assert(!is_compiled_anew(&service, "bob", echo_code, "two"));
	ck_assert(is_compiled_anew(&service, "ann",
		"#include <iostream>\n\nint main() { std::cout << "
		"std::cin.rdbuf(); }",
		"three"));
	service_stop(&service);
	service_start(&service, &supervisor, NULL);
	ck_assert(!is_compiled_anew(&service, "ann", echo_code, "four"));
	halves_end(&service, &supervisor);
}
END_TEST

/* Says from when to when it was running, and which file it is. */
static const char self_code[] =
	"#include <cstdio>\n#include <ctime>\n#include <sys/stat.h>\n#include <unistd.h>\n"
	"static long long now() { timespec t; clock_gettime(CLOCK_MONOTONIC, &t);\n"
	" return t.tv_sec * 1000000000LL + t.tv_nsec; }\n"
	"int main() { struct stat st; char link[64] = \"\"; long long begin = now();\n"
	" if (stat(\"/proc/self/exe\", &st) < 0 || readlink(\"/proc/self/exe\", link, 63) < 0) return 1;\n"
	" usleep(300000);\n"
	" std::printf(\"%lld %lld %lld %lld %s\", begin, now(), (long long)st.st_ino, (long "
	"long)st.st_mtime, "
	"link); }";

struct self {
	long long begin, end, inode, changed;
};

static void run_self(const struct test_service *service, size_t n, struct self *ret)
{
	char ids[8][JOB_ID_SIZE];

	for (size_t i = 0; i < n; i++)
		jobs_submit(service, &(struct jobs_submission){"cpp", self_code, ""}, ids[i]);
	for (size_t i = 0; i < n; i++) {
		json_t *job = jobs_finish(service, ids[i]);
		const char *text = jobs_text(job, "stdoutPreview");
		ck_assert_str_eq(jobs_text(job, "verdict"), "accepted");
		ck_assert_int_eq(sscanf(text, "%lld %lld %lld %lld", &ret[i].begin, &ret[i].end,
					 &ret[i].inode, &ret[i].changed),
			4);
		if (json_boolean_value(json_object_get(job, "compileCached")))
			ck_assert_msg(strstr(text, " 0 /memfd:program") != NULL, "%s", text);
		json_decref(job);
	}
}

START_TEST(no_two_jobs_at_a_time_execute_one_file)
{
	static const char *const options[] = {"--workers=4", NULL};
	struct self self[8];
	HALVES(service, supervisor, options);

	run_self(&service, 1, self); /* compiles */
	for (int turn = 0; turn < 2; turn++) {
		run_self(&service, ARRAY_SIZE(self), self);
		for (size_t i = 0; i < ARRAY_SIZE(self); i++)
			for (size_t j = 0; j < i; j++)
				ck_assert(self[i].inode != self[j].inode || self[i].end < self[j].begin ||
					  self[j].end < self[i].begin);
	}
	halves_end(&service, &supervisor);
}
END_TEST

/* The last byte of each file in the cache is another one. */
static void damage_products(const struct test_service *service)
{
	char dir[300], path[600];
	const struct dirent *entry;

	(void)snprintf(dir, sizeof(dir), "%s/service/artifacts", service->dir);
	DIR *list = opendir(dir);
	ck_assert_ptr_nonnull(list);
	while ((entry = readdir(list)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
		off_t last = lseek(fd, -1, SEEK_END);
		char byte;
		ck_assert_int_eq(pread(fd, &byte, 1, last), 1);
		byte ^= 1;
		ck_assert_int_eq(pwrite(fd, &byte, 1, last), 1);
	}
	(void)closedir(list);
}

START_TEST(a_damaged_product_is_compiled_anew)
{
	HALVES(service, supervisor, NULL);
	ck_assert(is_compiled_anew(&service, "ann", echo_code, "one"));
	service_stop(&service);
	damage_products(&service);
	service_start(&service, &supervisor, NULL);
	ck_assert(is_compiled_anew(&service, "ann", echo_code, "two"));
	ck_assert(!is_compiled_anew(&service, "ann", echo_code, "three"));
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(users_can_be_kept_apart)
{
	static const char *const options[] = {"--artifacts-per-user", NULL};
	HALVES(service, supervisor, options);
	ck_assert(is_compiled_anew(&service, "ann", echo_code, "one"));
	ck_assert(is_compiled_anew(&service, "bob", echo_code, "two"));
	ck_assert(!is_compiled_anew(&service, "ann", echo_code, "three"));
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(everything_can_be_compiled_anew)
{
	static const char *const options[] = {"--artifacts-max=0", NULL};
	HALVES(service, supervisor, options);
	ck_assert(is_compiled_anew(&service, "ann", echo_code, "one"));
	ck_assert(is_compiled_anew(&service, "ann", echo_code, "two"));
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(a_killed_service_loses_no_job)
{
	char id[JOB_ID_SIZE], more[AFTER][JOB_ID_SIZE];

	HALVES(service, supervisor, one_worker);
	submit_slow_and_more(&service, id, more);
	service_kill(&service);
	service_start(&service, &supervisor, one_worker);
	expect_done(&service, id, 2);
	finish_many(&service, AFTER, more);
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(a_stopped_service_gives_its_jobs_back)
{
	char id[JOB_ID_SIZE], more[AFTER][JOB_ID_SIZE];

	HALVES(service, supervisor, one_worker);
	submit_slow_and_more(&service, id, more);
	service_stop(&service);
	service_start(&service, &supervisor, one_worker);
	expect_done(&service, id, 2);
	finish_many(&service, AFTER, more);
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(a_killed_supervisor_costs_no_job)
{
	char id[JOB_ID_SIZE], more[AFTER][JOB_ID_SIZE];

	HALVES(service, supervisor, one_worker);
	submit_slow_and_more(&service, id, more);
	supervisor_kill(&supervisor);
	supervisor_start(&supervisor);
	expect_done(&service, id, 2);
	finish_many(&service, AFTER, more);
	halves_end(&service, &supervisor);
}
END_TEST

/* One request: its answer comes with the end of the job. */
START_TEST(a_request_can_wait_for_the_end_of_a_job)
{
	char path[80];

	HALVES(service, supervisor, NULL);
	for (size_t i = 0; i < 20; i++) { /* not woken, they would take longer than this test may */
		char id[JOB_ID_SIZE];
		jobs_submit(&service, &(struct jobs_submission){"cpp", doubling, "21"}, id);
		(void)snprintf(path, sizeof(path), "/status?id=%s&wait=30", id);
		json_t *job = jobs_get(&service, path, 200);
		ck_assert_pstr_eq(jobs_text(job, "status"), "completed");
		ck_assert_pstr_eq(jobs_text(job, "stdoutPreview"), "42\n");
		json_decref(job);
	}
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(jobs_wait_for_a_supervisor)
{
	char ids[AFTER][JOB_ID_SIZE];

	HALVES(service, supervisor, NULL);
	supervisor_kill(&supervisor);
	submit_many(&service, AFTER, ids);
	json_t *ready = jobs_get(&service, "/ready", 503);
	ck_assert(json_is_false(json_object_get(ready, "ready")));
	json_decref(ready);
	json_decref(jobs_get(&service, "/health", 200));
	supervisor_start(&supervisor);
	finish_many(&service, AFTER, ids);
	halves_end(&service, &supervisor);
}
END_TEST

START_TEST(a_finished_job_stays_as_it_is)
{
	char id[JOB_ID_SIZE];

	HALVES(service, supervisor, NULL);
	jobs_submit(&service, &(struct jobs_submission){"cpp", doubling, "21"}, id);
	json_t *before = jobs_finish(&service, id);
	service_kill(&service);
	service_start(&service, &supervisor, NULL);
	json_t *after = jobs_status(&service, id);
	ck_assert(json_equal(before, after));
	expect_output(&service, id, "42\n", 3);
	json_decref(before);
	json_decref(after);
	halves_end(&service, &supervisor);
}
END_TEST

TEST_PROGRAM("jobs", 300,
	     tcase_add_loop_test(tc, every_program_comes_to_its_verdict, 0,
		     (int)(sizeof(outcomes) / sizeof(outcomes[0])));
	     tcase_add_test(tc, arbitrary_bytes_survive_and_the_preview_is_text);
	     tcase_add_test(tc, the_preview_is_500_characters_of_stdout_alone);
	     tcase_add_test(tc, output_comes_in_order_of_arrival);
	     tcase_add_test(tc, endless_output_is_kept_up_to_its_limit);
	     tcase_add_test(tc, a_link_is_good_for_its_object_and_its_time);
	     tcase_add_test(tc, fifty_jobs_have_each_its_own_result);
	     tcase_add_test(tc, the_same_source_is_compiled_once);
	     tcase_add_test(tc, no_two_jobs_at_a_time_execute_one_file);
	     tcase_add_test(tc, a_damaged_product_is_compiled_anew);
	     tcase_add_test(tc, users_can_be_kept_apart); tcase_add_test(tc, everything_can_be_compiled_anew);
	     tcase_add_test(tc, a_killed_service_loses_no_job);
	     tcase_add_test(tc, a_stopped_service_gives_its_jobs_back);
	     tcase_add_test(tc, a_killed_supervisor_costs_no_job);
	     tcase_add_test(tc, a_request_can_wait_for_the_end_of_a_job);
	     tcase_add_test(tc, jobs_wait_for_a_supervisor);
	     tcase_add_test(tc, a_finished_job_stays_as_it_is))
