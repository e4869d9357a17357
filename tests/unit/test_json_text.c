/* JSON text: exactly one value, refused at the right place; the same as jansson reads it. */
#include "sandbox/json/json_text.h"
#include "tests/lib/test.h"

#include <string.h>

static const char *const values[] = {
	"{}",
	"[]",
	"null",
	"-1",
	"12345678901234567",
	"1234567890123.5e7",
	"0.0000000000000000000000000000000000000000000000000000001",
	"\"\"",
	("\"a string that is longer than any number of zeros that comes first, with "
	 "\\\"\\u00e4\\ud83d\\ude00\\\\\""),
	" \n{\"a\": [1, 2, {\"b\": null}], \"c\": \"\xc3\xa4\"}\n",
};

START_TEST(reads_as_jansson_does)
{
	struct json_text_error error;
	json_t *tree = NULL;
	json_t *wanted = json_loads(values[_i], JSON_DECODE_ANY, NULL);

	ck_assert_ptr_nonnull(wanted);
	ck_assert_int_eq(json_text_parse(values[_i], strlen(values[_i]), &tree, &error), 0);
	ck_assert_int_eq(json_equal(tree, wanted), 1);
	json_decref(tree);
	json_decref(wanted);
}
END_TEST

/* Among them what would be whole within brackets of ours. */
static const struct {
	const char *text;
	enum json_error_code code;
	int line, column;
	size_t position;
} refused[] = {
	{"", json_error_premature_end_of_input, 1, 1, 1},
	{"{\"a\":", json_error_premature_end_of_input, 1, 6, 6},
	{"{\"a\":1", json_error_premature_end_of_input, 1, 7, 7},
	{"[1", json_error_premature_end_of_input, 1, 3, 3},
	{"1,2", json_error_end_of_input_expected, 1, 0, 0},
	{"{},{}", json_error_end_of_input_expected, 1, 0, 0},
	{"{} {}", json_error_invalid_syntax, 1, 4, 4},
	{"1],[2", json_error_end_of_input_expected, 1, 3, 3},
	{"{\"a\":1,\"a\":2}", json_error_duplicate_key, 1, 10, 10},
	{"{\n\"a\": \xff}", json_error_invalid_utf8, 2, 5, 7},
	{"\"\\u0000\"", json_error_null_character, 1, 8, 8},
	{"[1e999]", json_error_numeric_overflow, 1, 6, 6},
	{"[123456789012345678901]", json_error_numeric_overflow, 1, 22, 22},
};

START_TEST(says_what_is_wrong_and_where)
{
	struct json_text_error error;
	json_t *tree = NULL;

	ck_assert_int_eq(json_text_parse(refused[_i].text, strlen(refused[_i].text), &tree, &error),
		JSON_TEXT_INVALID);
	ck_assert_ptr_null(tree);
	ck_assert_msg(error.code == refused[_i].code, "%s: %d, %s", refused[_i].text, error.code, error.text);
	ck_assert_msg(error.line == refused[_i].line && error.column == refused[_i].column &&
			      error.position == refused[_i].position,
		"%s: line %d, column %d, byte %zu: %s", refused[_i].text, error.line, error.column,
		error.position, error.text);
	ck_assert_uint_gt(strlen(error.text), 0);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

TEST_PROGRAM("json_text", 60, tcase_add_loop_test(tc, reads_as_jansson_does, 0, N(values));
	     tcase_add_loop_test(tc, says_what_is_wrong_and_where, 0, N(refused)))
