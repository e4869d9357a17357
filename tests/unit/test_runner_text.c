#include "service/runner_text.h"
#include "tests/lib/test.h"

#include <stdint.h>
#include <string.h>

#define R "\xef\xbf\xbd"

static const struct row {
	const char *in;
	size_t size;
	const char *out;
} rows[] = {
	{"", 0, ""}, {"plain\n\ttext", 11, "plain\n\ttext"}, {"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
	{"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
	{"\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf"}, /* U+10FFFF, the last */
	{"\xed\x9f\xbf", 3, "\xed\x9f\xbf"},	     /* the last before the surrogates */
	{"a\0b", 3, "a" R "b"}, {"\xff", 1, R}, {"\x80", 1, R}, {"\xc0\xaf", 2, R R}, /* overlong '/' */
	{"\xe0\x80\xaf", 3, R R R},						      /* overlong */
	{"\xed\xa0\x80", 3, R R R},						      /* a surrogate */
	{"\xf4\x90\x80\x80", 4, R R R R},					      /* above U+10FFFF */
	{"\xf5\x80\x80\x80", 4, R R R R}, {"\xc3(", 2, R "("}, {"\xe2\x82(", 3, R R "("},
	{"ok\xe2\x82", 4, "ok" R R}, /* the text ends within a sequence */
};

START_TEST(makes_valid_utf8_of_any_bytes)
{
	static const struct runner_text_limits limits = {SIZE_MAX, SIZE_MAX};
	char *text = runner_text(rows[_i].in, rows[_i].size, false, &limits);

	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, rows[_i].out);
	free(text);
}
END_TEST

static void check(const char *in, bool has_more, size_t chars, size_t bytes, const char *expected)
{
	const struct runner_text_limits limits = {chars, bytes};
	char *text = runner_text(in, strlen(in), has_more, &limits);

	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, expected);
	free(text);
}

START_TEST(cuts_between_characters)
{
	check("\xc3\xa4\xc3\xb6\xc3\xbc", false, 2, SIZE_MAX, "\xc3\xa4\xc3\xb6");
	check("\xc3\xa4\xc3\xb6\xc3\xbc", false, 3, SIZE_MAX, "\xc3\xa4\xc3\xb6\xc3\xbc");
	check("\xc3\xa4\xc3\xb6\xc3\xbc", false, SIZE_MAX, 5, "\xc3\xa4\xc3\xb6");
	check("\xc3\xa4\xc3\xb6\xc3\xbc", false, SIZE_MAX, 6, "\xc3\xa4\xc3\xb6\xc3\xbc");
	check("ab\xff", false, SIZE_MAX, 4, "ab");
	check("ab\xff", false, SIZE_MAX, 5, "ab" R);
	check("abc", false, 0, SIZE_MAX, "");
}
END_TEST

START_TEST(leaves_out_a_sequence_that_goes_on_elsewhere)
{
	check("ab\xe2\x82", true, SIZE_MAX, SIZE_MAX, "ab");
	check("ab\xff", true, SIZE_MAX, SIZE_MAX, "ab" R);
}
END_TEST

START_TEST(knows_where_an_unfinished_sequence_begins)
{
	static const struct {
		const char *in;
		size_t whole;
	} cases[] = {{"", 0}, {"ab", 2}, {"ab\xc3", 2}, {"ab\xc3\xa4", 4}, {"ab\xe2\x82", 2},
		{"\xf0\x9f\x98", 0}, {"a\xf0\x9f\x98\x80", 5}, {"ab\xff", 3}, {"ab\x82\x82\x82", 5},
		{"\xc3\xc3", 1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_uint_eq(runner_text_whole(cases[i].in, strlen(cases[i].in)), cases[i].whole);
}
END_TEST

TEST_PROGRAM("runner_text", 10,
	     tcase_add_loop_test(tc, makes_valid_utf8_of_any_bytes, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	     tcase_add_test(tc, cuts_between_characters);
	     tcase_add_test(tc, leaves_out_a_sequence_that_goes_on_elsewhere);
	     tcase_add_test(tc, knows_where_an_unfinished_sequence_begins))
