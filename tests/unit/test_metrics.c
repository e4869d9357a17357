#include "sandbox/base/fd.h"
#include "service/languages.h"
#include "service/metrics.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <regex.h>
#include <string.h>

static struct languages *languages;
static struct metrics *metrics;

static void set_up(void)
{
	struct sandbox_error err = {0};

	ck_assert_msg(languages_open("policies", &languages, &err) == 0, "%s", err.message);
	ck_assert_int_eq(metrics_open(languages, &metrics, &err), 0);
}

static void tear_down(void)
{
	metrics = metrics_close(metrics);
	ck_assert_ptr_null(metrics);
	languages = languages_close(languages);
}

static char *text_now(void)
{
	char *text = metrics_text(metrics, 7);

	ck_assert_ptr_nonnull(text);
	return text;
}

/* LINE is one of the text's lines. */
static void expect_line(const char *line)
{
	_cleanup_free_ char *text = text_now();
	char wanted[256];

	(void)snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	ck_assert_msg(strstr(text, wanted) != NULL, "no line: %s", line);
}

static void finish(const char *language, enum report_verdict verdict, int64_t usec)
{
	char name[32];
	struct job job = {
		.language = name,
		.verdict = verdict,
		.created_usec = 1000000000,
		.started_usec = 1000000000 + usec / 2,
		.completed_usec = 1000000000 + usec,
		.has_run = true,
		.run.phases = {.acquire_nsec = 50000, .run_nsec = 2000000000},
	};

	(void)snprintf(name, sizeof(name), "%s", language);
	metrics_finished(metrics, &job);
}

/* --- the figures -------------------------------------------------------------------------------------------------- */

START_TEST(prints_every_series_from_the_start)
{
	set_up();
	expect_line("cofferdam_jobs_submitted_total{language=\"cpp\"} 0");
	expect_line("cofferdam_jobs_total{language=\"go\",verdict=\"time_limit\"} 0");
	expect_line("cofferdam_jobs_running 0");
	expect_line("cofferdam_jobs_retried_total 0");
	expect_line("cofferdam_queue_depth 7");
	expect_line("cofferdam_job_seconds_count 0");
	expect_line("cofferdam_phase_seconds_count{step=\"compile\",phase=\"files_in\"} 0");
	tear_down();
}
END_TEST

START_TEST(counts_jobs_by_language_and_verdict)
{
	set_up();
	metrics_submitted(metrics, "cpp");
	metrics_submitted(metrics, "cpp");
	metrics_submitted(metrics, "go");
	finish("cpp", REPORT_ACCEPTED, 1000);
	finish("cpp", REPORT_COMPILE_ERROR, 1000);
	finish("cpp", REPORT_COMPILE_ERROR, 1000);
	finish("go", REPORT_INTERNAL_ERROR, 1000);
	metrics_retried(metrics);
	expect_line("cofferdam_jobs_submitted_total{language=\"cpp\"} 2");
	expect_line("cofferdam_jobs_submitted_total{language=\"go\"} 1");
	expect_line("cofferdam_jobs_total{language=\"cpp\",verdict=\"accepted\"} 1");
	expect_line("cofferdam_jobs_total{language=\"cpp\",verdict=\"compile_error\"} 2");
	expect_line("cofferdam_jobs_total{language=\"go\",verdict=\"internal_error\"} 1");
	expect_line("cofferdam_jobs_total{language=\"go\",verdict=\"accepted\"} 0");
	expect_line("cofferdam_jobs_retried_total 1");
	tear_down();
}
END_TEST

START_TEST(counts_what_is_no_longer_offered_as_removed)
{
	set_up();
	finish("algol", REPORT_ACCEPTED, 1000);
	_cleanup_free_ char *text = text_now();
	ck_assert_ptr_null(strstr(text, "algol"));
	expect_line("cofferdam_jobs_total{language=\"removed\",verdict=\"accepted\"} 1");
	tear_down();
}
END_TEST

START_TEST(shows_what_runs_now)
{
	set_up();
	metrics_started(metrics);
	metrics_started(metrics);
	expect_line("cofferdam_jobs_running 2");
	metrics_stopped(metrics);
	expect_line("cofferdam_jobs_running 1");
	tear_down();
}
END_TEST

START_TEST(sorts_times_into_buckets)
{
	set_up();
	finish("cpp", REPORT_ACCEPTED, 100);	   /* at the first bound */
	finish("cpp", REPORT_ACCEPTED, 101);	   /* one past it */
	finish("cpp", REPORT_ACCEPTED, 300000000); /* at the last */
	finish("cpp", REPORT_ACCEPTED, 300000001); /* one past it */
	finish("cpp", REPORT_ACCEPTED, -5000000);  /* the clock was set back */
	expect_line("cofferdam_job_seconds_bucket{le=\"0.0001\"} 2");
	expect_line("cofferdam_job_seconds_bucket{le=\"0.00025\"} 3");
	expect_line("cofferdam_job_seconds_bucket{le=\"60\"} 3");
	expect_line("cofferdam_job_seconds_bucket{le=\"300\"} 4");
	expect_line("cofferdam_job_seconds_bucket{le=\"+Inf\"} 5");
	expect_line("cofferdam_job_seconds_sum 600.000202000");
	expect_line("cofferdam_job_seconds_count 5");
	expect_line("cofferdam_queue_seconds_sum 300.000100000");
	expect_line("cofferdam_queue_seconds_count 5");
	tear_down();
}
END_TEST

START_TEST(counts_what_was_compiled_and_what_was_not)
{
	struct job job = {.language = (char[]){"cpp"}, .verdict = REPORT_ACCEPTED, .has_compile = true};

	set_up();
	metrics_finished(metrics, &job);
	job.is_compile_cached = true;
	metrics_finished(metrics, &job);
	metrics_finished(metrics, &job);
	expect_line("cofferdam_compiles_total 1");
	expect_line("cofferdam_compiles_reused_total 2");
	expect_line("cofferdam_phase_seconds_count{step=\"compile\",phase=\"run\"} 1");
	tear_down();
}
END_TEST

START_TEST(sums_up_the_phases_of_the_steps_that_took_place)
{
	set_up();
	finish("cpp", REPORT_ACCEPTED, 1000);
	finish("cpp", REPORT_ACCEPTED, 1000);
	expect_line("cofferdam_phase_seconds_bucket{step=\"run\",phase=\"acquire\",le=\"0.0001\"} 2");
	expect_line("cofferdam_phase_seconds_sum{step=\"run\",phase=\"acquire\"} 0.000100000");
	expect_line("cofferdam_phase_seconds_bucket{step=\"run\",phase=\"run\",le=\"1\"} 0");
	expect_line("cofferdam_phase_seconds_bucket{step=\"run\",phase=\"run\",le=\"2.5\"} 2");
	expect_line("cofferdam_phase_seconds_sum{step=\"run\",phase=\"run\"} 4.000000000");
	expect_line("cofferdam_phase_seconds_count{step=\"run\",phase=\"teardown\"} 2");
	expect_line("cofferdam_phase_seconds_count{step=\"compile\",phase=\"run\"} 0");
	tear_down();
}
END_TEST

START_TEST(counts_requests_by_route_and_code)
{
	set_up();
	metrics_request(metrics, "submit", 202);
	metrics_request(metrics, "submit", 202);
	metrics_request(metrics, "submit", 400);
	metrics_request(metrics, "status", 202);
	expect_line("cofferdam_http_requests_total{route=\"submit\",code=\"202\"} 2");
	expect_line("cofferdam_http_requests_total{route=\"submit\",code=\"400\"} 1");
	expect_line("cofferdam_http_requests_total{route=\"status\",code=\"202\"} 1");
	tear_down();
}
END_TEST

START_TEST(keeps_a_bounded_number_of_series)
{
	set_up();
	for (unsigned code = 0; code < 1000; code++)
		metrics_request(metrics, "many", code);
	metrics_request(metrics, "many", 255);
	expect_line("cofferdam_http_requests_total{route=\"many\",code=\"255\"} 2");
	_cleanup_free_ char *text = text_now();
	ck_assert_ptr_null(strstr(text, "code=\"256\""));
	tear_down();
}
END_TEST

/* --- the format --------------------------------------------------------------------------------------------------- */

START_TEST(escapes_label_values)
{
	set_up();
	metrics_request(metrics, "a\"b\\c\nd", 200);
	expect_line("cofferdam_http_requests_total{route=\"a\\\"b\\\\c\\nd\",code=\"200\"} 1");
	tear_down();
}
END_TEST

/* A sample's metric: its name without what a histogram adds. */
static void metric_of(const char *line, const char *type, char *name, size_t size)
{
	static const char *const suffixes[] = {"_bucket", "_sum", "_count"};

	(void)snprintf(name, size, "%.*s", (int)strcspn(line, "{ "), line);
	if (strcmp(type, "histogram") != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t length = strlen(name), suffix = strlen(suffixes[i]);
		if (length > suffix && strcmp(name + length - suffix, suffixes[i]) == 0) {
			name[length - suffix] = '\0';
			return;
		}
	}
	ck_abort_msg("a histogram's sample without suffix: %s", line);
}

/* What the exposition format 0.0.4 demands of every line, and that the samples of a metric stand together behind its
 * HELP and TYPE. */
START_TEST(speaks_the_exposition_format)
{
	char help[128] = "", type_name[128] = "", type[16] = "", name[128];
	regex_t sample;

	set_up();
	finish("cpp", REPORT_ACCEPTED, 1000);
	metrics_request(metrics, "submit", 202);
	ck_assert_int_eq(
		regcomp(&sample,
			"^[a-z_]+(\\{[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*\\})? [0-9]+(\\.[0-9]+)?$",
			REG_EXTENDED | REG_NOSUB),
		0);
	_cleanup_free_ char *text = text_now();
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")) != NULL && rest != NULL) {
		if (sscanf(line, "# HELP %127s", name) == 1) {
			ck_assert_str_ne(name, help);
			memcpy(help, name, sizeof(help));
		} else if (sscanf(line, "# TYPE %127s %15s", type_name, type) == 2) {
			ck_assert_str_eq(type_name, help);
		} else {
			ck_assert_msg(regexec(&sample, line, 0, NULL, 0) == 0, "%s", line);
			metric_of(line, type, name, sizeof(name));
			ck_assert_str_eq(name, type_name);
			bool is_total = strcmp(type, "counter") == 0;
			ck_assert(!is_total || strcmp(name + strlen(name) - 6, "_total") == 0);
		}
	}
	regfree(&sample);
	tear_down();
}
END_TEST

/* Within each series: bounds and counts rise, the last bucket is +Inf and equals the count. */
START_TEST(has_cumulative_buckets)
{
	set_up();
	for (int64_t usec = 1; usec < 1000000000; usec *= 3)
		finish("cpp", REPORT_ACCEPTED, usec);
	_cleanup_free_ char *text = text_now();
	double bound, last_bound = 0;
	unsigned long count, last_count = 0, n = 0;
	char *at = text;
	while ((at = strstr(at, "cofferdam_job_seconds_bucket{le=\"")) != NULL) {
		at += strlen("cofferdam_job_seconds_bucket{le=\"");
		ck_assert_int_eq(sscanf(at, "%lf\"} %lu", &bound, &count), 2);
		ck_assert(bound > last_bound);
		ck_assert_uint_ge(count, last_count);
		last_bound = bound;
		last_count = count;
		n++;
	}
	ck_assert_uint_ge(n, 10);
	ck_assert(last_bound > 1e300);
	expect_line("cofferdam_job_seconds_count 19");
	ck_assert_uint_eq(last_count, 19);
	tear_down();
}
END_TEST

/* --- threads ------------------------------------------------------------------------------------------------------ */

enum { THREADS = 8, ROUNDS = 2000 };

static void *count_much(void *user)
{
	(void)user;
	for (size_t i = 0; i < ROUNDS; i++) {
		metrics_submitted(metrics, "go");
		metrics_started(metrics);
		finish("go", REPORT_ACCEPTED, 1000);
		metrics_stopped(metrics);
		metrics_request(metrics, "submit", 202);
		if (i % 100 == 0)
			free(metrics_text(metrics, 0));
	}
	return NULL;
}

START_TEST(loses_nothing_among_threads)
{
	pthread_t threads[THREADS];

	set_up();
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_much, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	expect_line("cofferdam_jobs_submitted_total{language=\"go\"} 16000");
	expect_line("cofferdam_jobs_total{language=\"go\",verdict=\"accepted\"} 16000");
	expect_line("cofferdam_jobs_running 0");
	expect_line("cofferdam_http_requests_total{route=\"submit\",code=\"202\"} 16000");
	tear_down();
}
END_TEST

TEST_PROGRAM("metrics", 60, tcase_add_test(tc, prints_every_series_from_the_start);
	     tcase_add_test(tc, counts_jobs_by_language_and_verdict);
	     tcase_add_test(tc, counts_what_is_no_longer_offered_as_removed);
	     tcase_add_test(tc, shows_what_runs_now); tcase_add_test(tc, sorts_times_into_buckets);
	     tcase_add_test(tc, counts_what_was_compiled_and_what_was_not);
	     tcase_add_test(tc, sums_up_the_phases_of_the_steps_that_took_place);
	     tcase_add_test(tc, counts_requests_by_route_and_code);
	     tcase_add_test(tc, keeps_a_bounded_number_of_series); tcase_add_test(tc, escapes_label_values);
	     tcase_add_test(tc, speaks_the_exposition_format); tcase_add_test(tc, has_cumulative_buckets);
	     tcase_add_test(tc, loses_nothing_among_threads))
