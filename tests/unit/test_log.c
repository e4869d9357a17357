/* test_log.c: one line of JSON per event, whatever is put into it. */
#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "tests/lib/test.h"

#include <jansson.h>
#include <string.h>

static int saved_stderr, reader;

static void capture(void)
{
	int pair[2];

	ck_assert_int_eq(pipe2(pair, 0), 0);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(pair[1], STDERR_FILENO), 0);
	(void)close(pair[1]);
	reader = pair[0];
}

/* What was written since capture(). Owned by the caller. */
static char *captured(void)
{
	char *text;
	size_t size;

	ck_assert_int_ge(dup2(saved_stderr, STDERR_FILENO), 0);
	(void)close(saved_stderr);
	ck_assert_int_eq(fd_read_all(reader, 1 << 20, &text, &size), 0);
	(void)close(reader);
	return text;
}

/* The one line as an object. Owned by the caller. */
static json_t *line(void)
{
	_cleanup_free_ char *text = captured();
	size_t length = strlen(text);

	ck_assert_uint_gt(length, 0);
	ck_assert_ptr_eq(strchr(text, '\n'), text + length - 1);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(json != NULL, "not JSON: %s", text);
	return json;
}

#define assert_text(json, key, wanted) ck_assert_str_eq(json_string_value(json_object_get(json, key)), wanted)

START_TEST(an_event_is_one_line_of_json)
{
	struct sandbox_error err = {.errno_value = ENOMEM, .stage = "cell.mount", .message = "no \"room\""};

	capture();
	log_event(LOG_LEVEL_INFO, "job.finished", "s:id", "abc", "u:big", UINT64_C(9007199254740993), "i:low",
		INT64_C(-5), "e:error", &err, "s:none", NULL, NULL);
	json_t *json = line();
	assert_text(json, "level", "info");
	assert_text(json, "event", "job.finished");
	assert_text(json, "id", "abc");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "big")), 9007199254740993);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "low")), -5);
	assert_text(json_object_get(json, "error"), "stage", "cell.mount");
	assert_text(json_object_get(json, "error"), "errno", "ENOMEM");
	assert_text(json_object_get(json, "error"), "message", "no \"room\"");
	ck_assert(json_is_null(json_object_get(json, "none")));
	json_decref(json);
}
END_TEST

START_TEST(the_time_is_rfc_3339_utc)
{
	int year, month, day, hour, minute, second, milli, end = 0;

	capture();
	log_event(LOG_LEVEL_INFO, "x", NULL);
	json_t *json = line();
	const char *time = json_string_value(json_object_get(json, "time"));
	ck_assert_int_eq(sscanf(time, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute,
				 &second, &milli, &end),
		7);
	ck_assert_int_eq(end, 24);
	ck_assert_uint_eq(strlen(time), 24);
	json_decref(json);
}
END_TEST

START_TEST(whatever_is_in_a_string_stays_in_it)
{
	static const char nasty[] = "a\"b\\c\n\r\t\x01\x7f\x1b[31m</script>\xc3\xa9\xf0\x9f\x98\x80";

	capture();
	log_event(LOG_LEVEL_INFO, "x", "s:text", nasty, NULL);
	json_t *json = line();
	assert_text(json, "text", nasty);
	json_decref(json);
}
END_TEST

START_TEST(invalid_utf8_is_replaced)
{
	/* A lone byte, an overlong slash, a surrogate, beyond U+10FFFF, a sequence cut short. */
	static const char *const bad[] = {
		"\xff", "\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"};
	static const char *const good[] = {"\xef\xbf\xbd", "\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd",
		"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
		"\xef\xbf\xbd\xef\xbf\xbd"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		capture();
		log_event(LOG_LEVEL_INFO, "x", "s:text", bad[i], NULL);
		json_t *json = line();
		assert_text(json, "text", good[i]);
		json_decref(json);
	}
}
END_TEST

START_TEST(a_string_is_cut_at_256_bytes_and_never_within_a_character)
{
	char text[400];

	for (size_t lead = 253; lead <= 258; lead++) {
		(void)memset(text, 'a', sizeof(text));
		(void)snprintf(text + lead, sizeof(text) - lead, "\xe2\x82\xac%s", "bcd");
		capture();
		log_event(LOG_LEVEL_INFO, "x", "s:text", text, NULL);
		json_t *json = line();
		const char *got = json_string_value(json_object_get(json, "text"));
		size_t wanted = lead == 253 ? 256 : lead < 256 ? lead : 256;
		ck_assert_uint_eq(strlen(got), wanted);
		ck_assert_int_eq(strncmp(got, text, wanted), 0);
		json_decref(json);
	}
}
END_TEST

START_TEST(a_line_that_would_be_too_long_ends_with_a_whole_pair)
{
	char text[257];

	(void)memset(text, '\x01', sizeof(text) - 1); /* each becomes six bytes */
	text[sizeof(text) - 1] = '\0';
	capture();
	log_event(LOG_LEVEL_INFO, "x", "s:a", text, "s:b", text, "s:c", text, "s:d", text, "s:e", text, "s:f",
		text, "s:g", text, NULL);
	json_t *json = line();
	assert_text(json, "e", text);
	ck_assert_ptr_null(json_object_get(json, "g"));
	json_decref(json);
}
END_TEST

START_TEST(a_level_below_the_threshold_is_silent)
{
	struct sandbox_error err = {0};

	capture();
	log_event(LOG_LEVEL_DEBUG, "x", NULL);
	ck_assert_int_eq(log_set_level_name("error", &err), 0);
	log_event(LOG_LEVEL_WARN, "x", NULL);
	log_set_level(LOG_LEVEL_DEBUG);
	log_event(LOG_LEVEL_DEBUG, "seen", NULL);
	json_t *json = line();
	assert_text(json, "event", "seen");
	json_decref(json);
	ck_assert_int_eq(log_set_level_name("loud", &err), -EINVAL);
}
END_TEST

TEST_PROGRAM("log", 30, tcase_add_test(tc, an_event_is_one_line_of_json);
	     tcase_add_test(tc, the_time_is_rfc_3339_utc);
	     tcase_add_test(tc, whatever_is_in_a_string_stays_in_it);
	     tcase_add_test(tc, invalid_utf8_is_replaced);
	     tcase_add_test(tc, a_string_is_cut_at_256_bytes_and_never_within_a_character);
	     tcase_add_test(tc, a_line_that_would_be_too_long_ends_with_a_whole_pair);
	     tcase_add_test(tc, a_level_below_the_threshold_is_silent))
