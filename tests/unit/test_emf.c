/* Metrics in CloudWatch's embedded metric format, against its specification. */
#include "sandbox/base/fd.h"
#include "service/emf.h"
#include "service/languages.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct scratch scratch;
static struct languages *languages;
static struct metrics *metrics;
static struct emf *emf;
static char path[128];
static bool has_depth;

static int depth(struct queue *queue, uint64_t *ret, struct sandbox_error *err)
{
	(void)queue;
	if (!has_depth)
		return error_set(err, EIO, "queue", "not to be had");
	*ret = 7;
	return 0;
}

static struct queue queue = {&(const struct queue_operations){.depth = depth}};

static void start(unsigned round_msec)
{
	const struct emf_options options = {metrics, &queue, "Ours", round_msec, path};
	struct sandbox_error err = {0};

	ck_assert_int_eq(emf_open(&options, &emf, &err), 0);
}

static void set_up(void)
{
	struct sandbox_error err = {0};

	scratch_open(&scratch);
	(void)scratch_path(&scratch, "emf", path, sizeof(path));
	has_depth = true;
	ck_assert_int_eq(languages_open("policies", &languages, &err), 0);
	ck_assert_int_eq(metrics_open(languages, &metrics, &err), 0);
	start(EMF_ROUND_MSEC);
}

static void finish(const char *language, enum report_verdict verdict)
{
	struct job job = {.language = strdup(language), .verdict = verdict};

	metrics_finished(metrics, &job);
	free(job.language);
}

/* What it wrote up to its end: an array of the lines. */
static json_t *lines_at_end(void)
{
	json_t *lines = json_array();
	char *text = NULL, *next = NULL;
	size_t size;

	emf = emf_close(emf);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(fd_read_all(fd, 1 << 20, &text, &size), 0);
	ck_assert(size > 0 && text[size - 1] == '\n');
	for (char *line = strtok_r(text, "\n", &next); line != NULL; line = strtok_r(NULL, "\n", &next)) {
		json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		ck_assert_msg(json != NULL, "no JSON: %s", line);
		ck_assert_int_eq(json_array_append_new(lines, json), 0);
	}
	free(text);
	return lines;
}

static void tear_down(json_t *lines)
{
	json_decref(lines);
	metrics = metrics_close(metrics);
	languages = languages_close(languages);
	scratch_close(&scratch);
}

/* --- the specification -------------------------------------------------------------------------------------------- */

/* Its objects must have no other members. */
static void expect_members(const json_t *object, const char *const names[], size_t n)
{
	ck_assert(json_is_object(object));
	ck_assert_uint_eq(json_object_size(object), n);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(json_object_get(object, names[i]) != NULL, "no %s", names[i]);
}

/* A string of 1 to 255 characters. */
static const char *name_in(const json_t *json)
{
	ck_assert(json_is_string(json));
	ck_assert_uint_ge(json_string_length(json), 1);
	ck_assert_uint_le(json_string_length(json), 255);
	return json_string_value(json);
}

/* What a set names must be there, as a string. */
static void expect_dimensions(const json_t *line, json_t *sets)
{
	json_t *set, *name;
	size_t i, k;

	ck_assert(json_is_array(sets));
	ck_assert_uint_ge(json_array_size(sets), 1);
	json_array_foreach(sets, i, set)
	{
		ck_assert(json_is_array(set));
		ck_assert_uint_le(json_array_size(set), 9);
		json_array_foreach(set, k, name)
			ck_assert(json_is_string(json_object_get(line, name_in(name))));
	}
}

/* What a definition names must be there, as a number. */
static void expect_metrics(const json_t *line, json_t *definitions)
{
	json_t *definition;
	size_t i;

	ck_assert(json_is_array(definitions));
	ck_assert_uint_ge(json_array_size(definitions), 1);
	ck_assert_uint_le(json_array_size(definitions), 100);
	json_array_foreach(definitions, i, definition)
	{
		expect_members(definition, (const char *const[]){"Name", "Unit"}, 2);
		const char *name = name_in(json_object_get(definition, "Name"));
		ck_assert_msg(json_is_number(json_object_get(line, name)), "no number %s", name);
		ck_assert_str_eq(json_string_value(json_object_get(definition, "Unit")), "Count");
	}
}

static void expect_document(const json_t *line)
{
	json_t *meta = json_object_get(line, "_aws"), *directive;
	int64_t age_msec = time(NULL) * 1000 - json_integer_value(json_object_get(meta, "Timestamp"));
	size_t i;

	expect_members(meta, (const char *const[]){"Timestamp", "CloudWatchMetrics"}, 2);
	/* In milliseconds: in any other unit it would be years off, and CloudWatch would drop it. */
	ck_assert(json_is_integer(json_object_get(meta, "Timestamp")));
	ck_assert(age_msec > -3600 * 1000 && age_msec < 3600 * 1000);
	json_t *directives = json_object_get(meta, "CloudWatchMetrics");
	ck_assert_uint_ge(json_array_size(directives), 1);
	json_array_foreach(directives, i, directive)
	{
		expect_members(directive, (const char *const[]){"Namespace", "Dimensions", "Metrics"}, 3);
		ck_assert_str_eq(name_in(json_object_get(directive, "Namespace")), "Ours");
		expect_dimensions(line, json_object_get(directive, "Dimensions"));
		expect_metrics(line, json_object_get(directive, "Metrics"));
	}
}

/* The names that LINE declares as metrics, or its sets of dimensions. Borrowed. */
static json_t *declared(const json_t *line, const char *what)
{
	json_t *directives = json_object_get(json_object_get(line, "_aws"), "CloudWatchMetrics");

	return json_object_get(json_array_get(directives, 0), what);
}

/* Is NAME both declared and, with that value, there? */
static bool has_metric(const json_t *line, const char *name, json_int_t value)
{
	json_t *definition;
	size_t i;

	json_array_foreach(declared(line, "Metrics"), i, definition)
	{
		if (strcmp(json_string_value(json_object_get(definition, "Name")), name) == 0)
			return json_integer_value(json_object_get(line, name)) == value;
	}
	return false;
}

/* How many jobs of LANGUAGE came to VERDICT, in all LINES. */
static json_int_t finished(json_t *lines, const char *language, const char *verdict)
{
	json_int_t sum = 0;
	json_t *line;
	size_t i;

	json_array_foreach(lines, i, line)
	{
		const char *its_language = json_string_value(json_object_get(line, "Language"));
		const char *its_verdict = json_string_value(json_object_get(line, "Verdict"));
		if (its_language == NULL || strcmp(its_language, language) != 0 ||
			strcmp(its_verdict, verdict) != 0)
			continue;
		json_int_t n = json_integer_value(json_object_get(line, "JobsFinished"));
		ck_assert(has_metric(line, "JobsFinished", n));
		sum += n;
	}
	return sum;
}

/* --- tests ---------------------------------------------------------------------------------------------------------- */

START_TEST(writes_documents_as_specified)
{
	json_t *line;
	size_t i;

	set_up();
	finish("cpp", REPORT_ACCEPTED);
	finish("go", REPORT_TIME_LIMIT);
	json_t *lines = lines_at_end();
	ck_assert_uint_eq(json_array_size(lines), 3);
	json_array_foreach(lines, i, line)
	{
		expect_document(line);
	}
	tear_down(lines);
}
END_TEST

START_TEST(says_what_waits_and_runs)
{
	set_up();
	metrics_submitted(metrics, "cpp");
	metrics_submitted(metrics, "go");
	metrics_started(metrics);
	metrics_retried(metrics);
	json_t *lines = lines_at_end();
	const json_t *line = json_array_get(lines, 0);
	ck_assert(has_metric(line, "QueueDepth", 7));
	ck_assert(has_metric(line, "JobsRunning", 1));
	ck_assert(has_metric(line, "JobsSubmitted", 2));
	ck_assert(has_metric(line, "JobsRetried", 1));
	tear_down(lines);
}
END_TEST

START_TEST(counts_by_verdict_and_by_language_and_verdict)
{
	set_up();
	finish("cpp", REPORT_ACCEPTED);
	finish("cpp", REPORT_ACCEPTED);
	finish("cpp", REPORT_COMPILE_ERROR);
	finish("go", REPORT_INTERNAL_ERROR);
	json_t *wanted = json_pack("[[s], [s, s]]", "Verdict", "Language", "Verdict");
	json_t *lines = lines_at_end();
	ck_assert_int_eq(finished(lines, "cpp", "accepted"), 2);
	ck_assert_int_eq(finished(lines, "cpp", "compile_error"), 1);
	ck_assert_int_eq(finished(lines, "go", "internal_error"), 1);
	ck_assert_uint_eq(json_array_size(lines), 4);
	ck_assert(json_equal(declared(json_array_get(lines, 1), "Dimensions"), wanted));
	json_decref(wanted);
	tear_down(lines);
}
END_TEST

START_TEST(says_nothing_of_a_queue_that_does_not_answer)
{
	set_up();
	has_depth = false;
	json_t *lines = lines_at_end();
	const json_t *line = json_array_get(lines, 0);
	expect_document(line);
	ck_assert_ptr_null(json_object_get(line, "QueueDepth"));
	ck_assert(has_metric(line, "JobsRunning", 0));
	tear_down(lines);
}
END_TEST

static size_t file_size(void)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return (size_t)st.st_size;
}

START_TEST(counts_each_job_in_one_round_only)
{
	set_up();
	emf = emf_close(emf);
	start(1);
	for (size_t i = 0; i < 3; i++) {
		finish("cpp", REPORT_ACCEPTED);
		metrics_submitted(metrics, "cpp");
		for (size_t size = file_size(); file_size() < size + 1000;)
			(void)usleep(1000);
	}
	json_int_t submitted = 0;
	json_t *lines = lines_at_end(), *line;
	size_t i;
	json_array_foreach(lines, i, line)
	{
		submitted += json_integer_value(json_object_get(line, "JobsSubmitted"));
	}
	ck_assert_int_eq(submitted, 3);
	ck_assert_int_eq(finished(lines, "cpp", "accepted"), 3);
	tear_down(lines);
}
END_TEST

START_TEST(goes_on_in_the_same_file)
{
	set_up();
	emf = emf_close(emf);
	start(EMF_ROUND_MSEC);
	json_t *lines = lines_at_end();
	ck_assert_uint_eq(json_array_size(lines), 2);
	tear_down(lines);
}
END_TEST

START_TEST(says_at_once_when_there_is_no_place)
{
	struct sandbox_error err = {0};
	struct emf *none = NULL;
	const struct emf_options options = {NULL, NULL, "Ours", EMF_ROUND_MSEC, "/proc/none/emf"};

	ck_assert_int_eq(emf_open(&options, &none, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.message, "/proc/none/emf"));
	ck_assert_ptr_null(none);
}
END_TEST

TEST_PROGRAM("emf", 60, tcase_add_test(tc, writes_documents_as_specified);
	     tcase_add_test(tc, says_what_waits_and_runs);
	     tcase_add_test(tc, counts_by_verdict_and_by_language_and_verdict);
	     tcase_add_test(tc, says_nothing_of_a_queue_that_does_not_answer);
	     tcase_add_test(tc, counts_each_job_in_one_round_only);
	     tcase_add_test(tc, goes_on_in_the_same_file);
	     tcase_add_test(tc, says_at_once_when_there_is_no_place))
