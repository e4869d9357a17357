#include "sandbox/base/fd.h"
#include "service/job.h"
#include "tests/lib/test.h"

#include <string.h>

/* --- identity --------------------------------------------------------------------------------------------------- */

enum { IDS = 1000 };

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, JOB_ID_SIZE);
}

START_TEST(ids_are_uuids_and_all_different)
{
	static const char hex[] = "0123456789abcdef";
	static char fresh[IDS][JOB_ID_SIZE];
	bool is_seen[16] = {false};

	for (size_t i = 0; i < IDS; i++) {
		job_new_id(fresh[i]);
		ck_assert_msg(job_id_ok(fresh[i]), "%s", fresh[i]);
		is_seen[strchr(hex, fresh[i][0]) - hex] = true;
	}
	for (size_t i = 0; i < 16; i++)
		ck_assert(is_seen[i]);
	qsort(fresh, IDS, sizeof(fresh[0]), compare);
	for (size_t i = 1; i < IDS; i++)
		ck_assert_str_ne(fresh[i - 1], fresh[i]);
}
END_TEST

static const struct {
	const char *id;
	bool is_ok;
} ids[] = {
	{"6c229b78-4e24-4cf4-b0b0-63d5d87ef910", true},
	{"00000000-0000-4000-8000-000000000000", true},
	{"ffffffff-ffff-4fff-9fff-ffffffffffff", true},
	{"ffffffff-ffff-4fff-afff-ffffffffffff", true},
	{"ffffffff-ffff-4fff-bfff-ffffffffffff", true},
	{"ffffffff-ffff-4fff-cfff-ffffffffffff", false}, /* another variant */
	{"ffffffff-ffff-4fff-7fff-ffffffffffff", false},
	{"ffffffff-ffff-1fff-bfff-ffffffffffff", false}, /* another version */
	{"6C229B78-4E24-4CF4-B0B0-63D5D87EF910", false},
	{"6c229b78-4e24-4cf4-b0b0-63d5d87ef91", false},
	{"6c229b78-4e24-4cf4-b0b0-63d5d87ef9100", false},
	{"6c229b78-4e24-4cf4-b0b0-63d5d87ef91g", false},
	{"6c229b7-84e24-4cf4-b0b0-63d5d87ef910", false},
	{"6c229b78-4e24-4cf4-b0b0-63d5d87ef910\n", false},
	{"{6c229b78-4e24-4cf4-b0b0-63d5d87ef9}", false},
	{"6c229b784e244cf4b0b063d5d87ef910", false},
	{"------------------------------------", false},
	{"../../../../../../../../../etc/passwd", false},
	{"", false},
};

START_TEST(takes_only_ids_of_this_form)
{
	ck_assert_int_eq(job_id_ok(ids[_i].id), ids[_i].is_ok);
}
END_TEST

/* --- status ----------------------------------------------------------------------------------------------------- */

START_TEST(every_status_has_a_name)
{
	for (unsigned i = 0; i < JOB_STATUS_N; i++) {
		enum job_status status = JOB_STATUS_N;
		ck_assert_int_eq(job_status_parse(job_status_name((enum job_status)i), &status), 0);
		ck_assert_uint_eq((unsigned)status, i);
	}
	ck_assert_str_eq(job_status_name(JOB_TIMEOUT), "timeout");
}
END_TEST

START_TEST(knows_no_other_status)
{
	static const char *const names[] = {"", "Queued", "queue", "queuedd", NULL};
	enum job_status status = JOB_STATUS_N;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_int_eq(job_status_parse(names[i], &status), -EINVAL);
	ck_assert_int_eq((int)status, JOB_STATUS_N);
}
END_TEST

START_TEST(says_which_statuses_are_final)
{
	ck_assert(!job_is_finished(JOB_QUEUED));
	ck_assert(!job_is_finished(JOB_RUNNING));
	ck_assert(job_is_finished(JOB_COMPLETED));
	ck_assert(job_is_finished(JOB_FAILED));
	ck_assert(job_is_finished(JOB_TIMEOUT));
	ck_assert(job_is_finished(JOB_CANCELLED));
}
END_TEST

/* --- time ------------------------------------------------------------------------------------------------------- */

static const struct {
	int64_t usec;
	const char *text;
} times[] = {
	{0, "1970-01-01T00:00:00.000Z"},
	{999, "1970-01-01T00:00:00.000Z"},
	{1000, "1970-01-01T00:00:00.001Z"},
	{999999, "1970-01-01T00:00:00.999Z"},
	{1000000, "1970-01-01T00:00:01.000Z"},
	{1709164800123456, "2024-02-29T00:00:00.123Z"}, /* a leap day */
	{1795646935000000, "2026-11-25T22:48:55.000Z"},
	{4102444799999999, "2099-12-31T23:59:59.999Z"},
	{-1, "1969-12-31T23:59:59.999Z"},
	{-1000000, "1969-12-31T23:59:59.000Z"},
};

START_TEST(tells_time_as_rfc_3339)
{
	char text[JOB_TIME_SIZE];

	job_time_text(times[_i].usec, text);
	ck_assert_str_eq(text, times[_i].text);
}
END_TEST

START_TEST(tells_any_time_within_its_bound)
{
	static const int64_t extremes[] = {INT64_MAX, INT64_MIN, INT64_MAX / 2, INT64_MIN / 2};
	char text[JOB_TIME_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(extremes); i++) {
		job_time_text(extremes[i], text);
		ck_assert_uint_lt(strlen(text), sizeof(text));
	}
}
END_TEST

START_TEST(now_is_after_2026_began)
{
	ck_assert_int_gt(job_now_usec(), 1767225600000000);
	ck_assert_int_lt(job_now_usec(), 1767225600000000 * 2);
}
END_TEST

/* --- JSON ------------------------------------------------------------------------------------------------------- */

/* JOB as one line. */
static char *line(const struct job *job)
{
	json_t *json = job_json(job);

	ck_assert_ptr_nonnull(json);
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(json);
	ck_assert_ptr_nonnull(text);
	return text;
}

static struct job new_job(void)
{
	struct job job = {
		.id = "6c229b78-4e24-4cf4-b0b0-63d5d87ef910",
		.user_id = strdup("ann"),
		.language = strdup("cpp"),
		.code = strdup("SECRET"),
		.code_size = 6,
		.input = strdup("SECRET"),
		.input_size = 6,
		.status = JOB_QUEUED,
		.created_usec = 1795646935123456,
		.updated_usec = 1795646935123456,
		.exec_duration_usec = -1,
	};

	return job;
}

START_TEST(shows_a_queued_job_without_its_source)
{
	struct job job = new_job();
	char *text = line(&job);

	ck_assert_str_eq(text,
		"{\"executionId\":\"6c229b78-4e24-4cf4-b0b0-63d5d87ef910\",\"userId\":\"ann\","
		"\"language\":\"cpp\",\"status\":\"queued\",\"verdict\":null,\"error\":null,"
		"\"outputPath\":null,\"stdoutPreview\":null,\"createdAt\":\"2026-11-25T22:48:55.123Z\","
		"\"updatedAt\":\"2026-11-25T22:48:55.123Z\",\"startedAt\":null,\"completedAt\":null,"
		"\"execDurationMs\":null,\"priority\":\"normal\",\"attempt\":0,\"compile\":null,"
		"\"compileCached\":false,\"run\":"
		"null}");
	free(text);
	job_free(&job);
}
END_TEST

START_TEST(shows_a_finished_job_with_its_results)
{
	struct job job = new_job();

	job.status = JOB_FAILED;
	job.verdict = REPORT_RUNTIME_ERROR;
	job.error = strdup("exit code 3");
	job.output_path = strdup("outputs/x.txt");
	job.stdout_preview = strdup("\xe2\x82\xac\n");
	job.started_usec = job.created_usec + 1000000;
	job.completed_usec = job.created_usec + 2500000;
	job.exec_duration_usec = 79429;
	job.attempt = 2;
	job.has_compile = job.has_run = job.is_compile_cached = true;
	job.run = (struct sandbox_result){.cause = SANDBOX_EXITED, .exit_code = 3, .wall_usec = 79429};
	json_t *json = job_json(&job);
	ck_assert_ptr_nonnull(json);
	ck_assert_str_eq(json_string_value(json_object_get(json, "verdict")), "runtime_error");
	ck_assert_str_eq(json_string_value(json_object_get(json, "error")), "exit code 3");
	ck_assert_str_eq(json_string_value(json_object_get(json, "stdoutPreview")), "\xe2\x82\xac\n");
	ck_assert_str_eq(json_string_value(json_object_get(json, "startedAt")), "2026-11-25T22:48:56.123Z");
	ck_assert_str_eq(json_string_value(json_object_get(json, "completedAt")), "2026-11-25T22:48:57.623Z");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "attempt")), 2);
	json_t *run = report_result(&job.run), *compile = report_result(&job.compile);
	ck_assert(json_equal(json_object_get(json, "run"), run));
	ck_assert(json_equal(json_object_get(json, "compile"), compile));
	ck_assert(json_is_true(json_object_get(json, "compileCached")));
	json_decref(run);
	json_decref(compile);
	json_decref(json);
	char *text = line(&job);
	ck_assert_ptr_nonnull(strstr(text, "\"execDurationMs\":79.429,"));
	free(text);
	job_free(&job);
}
END_TEST

START_TEST(shows_an_error_that_is_no_utf_8)
{
	struct job job = new_job();

	job.error = strdup("cannot open /srv/\xff\xfe: cut in \xe2\x82");
	json_t *json = job_json(&job);
	ck_assert_ptr_nonnull(json);
	ck_assert_str_eq(json_string_value(json_object_get(json, "error")),
		"cannot open /srv/\xef\xbf\xbd\xef\xbf\xbd: cut in \xef\xbf\xbd\xef\xbf\xbd");
	json_decref(json);
	job_free(&job);
}
END_TEST

START_TEST(is_all_zeroes_once_freed)
{
	static const struct job zero;
	struct job job = new_job();

	job_free(&job);
	ck_assert_mem_eq(&job, &zero, sizeof(job));
	job_free(&job);
}
END_TEST

TEST_PROGRAM("job", 20, tcase_add_test(tc, ids_are_uuids_and_all_different);
	     tcase_add_loop_test(tc, takes_only_ids_of_this_form, 0, (int)ARRAY_SIZE(ids));
	     tcase_add_test(tc, every_status_has_a_name); tcase_add_test(tc, knows_no_other_status);
	     tcase_add_test(tc, says_which_statuses_are_final);
	     tcase_add_loop_test(tc, tells_time_as_rfc_3339, 0, (int)ARRAY_SIZE(times));
	     tcase_add_test(tc, tells_any_time_within_its_bound); tcase_add_test(tc, now_is_after_2026_began);
	     tcase_add_test(tc, shows_a_queued_job_without_its_source);
	     tcase_add_test(tc, shows_a_finished_job_with_its_results);
	     tcase_add_test(tc, shows_an_error_that_is_no_utf_8);
	     tcase_add_test(tc, is_all_zeroes_once_freed))
