#include "service/runner_output.h"
#include "tests/lib/test.h"

#include <string.h>
#include <unistd.h>

static struct runner_output output;

static void open_output(uint64_t max)
{
	output.fd = -1;
	ck_assert_int_eq(runner_output_open(max, &output, NULL), 0);
}

static void take(const char *data, size_t size, bool is_stdout)
{
	ck_assert_int_eq(runner_output_take(&output, data, size, is_stdout, NULL), 0);
}

static void check_content(const char *expected, size_t size)
{
	char *content = malloc(size + 1);

	ck_assert_uint_eq(output.size, size);
	ck_assert_int_eq(pread(output.fd, content, size + 1, 0), (ssize_t)size);
	ck_assert_mem_eq(content, expected, size);
	free(content);
}

static void check_preview(const char *expected)
{
	char *preview = runner_output_preview(&output);

	ck_assert_str_eq(preview, expected);
	free(preview);
}

START_TEST(keeps_arrival_order_and_previews_stdout_alone)
{
	open_output(100);
	take("one ", 4, true);
	take("oops ", 5, false);
	take("two", 3, true);
	check_content("one oops two", 12);
	check_preview("one two");
	runner_output_close(&output);
}
END_TEST

START_TEST(keeps_arbitrary_bytes)
{
	open_output(100);
	take("a\0\xff\x80", 4, true);
	check_content("a\0\xff\x80", 4);
	check_preview("a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	runner_output_close(&output);
}
END_TEST

START_TEST(drops_what_comes_beyond_the_maximum)
{
	open_output(5);
	take("1234", 4, true);
	take("56", 2, true);
	take("7", 1, false);
	check_content("12345", 5);
	check_preview("12345");
	runner_output_close(&output);
}
END_TEST

/* N characters of SIZE bytes each, handed over in pieces of PIECE bytes. */
static void take_characters(const char *character, size_t n, size_t piece)
{
	size_t size = strlen(character);
	char *text = malloc(n * size);

	for (size_t i = 0; i < n; i++)
		memcpy(text + i * size, character, size);
	for (size_t at = 0; at < n * size; at += piece)
		take(text + at, at + piece > n * size ? n * size - at : piece, true);
	free(text);
}

static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

START_TEST(previews_exactly_the_first_characters)
{
	const char *character = characters[_i];
	size_t size = strlen(character);

	for (size_t n = JOB_PREVIEW_CHARS - 1; n <= JOB_PREVIEW_CHARS + 1; n++) {
		open_output(1 << 20);
		take_characters(character, n, 7);
		char *preview = runner_output_preview(&output);
		size_t shown = n < JOB_PREVIEW_CHARS ? n : JOB_PREVIEW_CHARS;
		ck_assert_uint_eq(strlen(preview), shown * size);
		ck_assert_mem_eq(preview + (shown - 1) * size, character, size);
		free(preview);
		runner_output_close(&output);
	}
}
END_TEST

START_TEST(text_is_cut_at_its_bound)
{
	char *text = NULL;

	open_output(1 << 20);
	take_characters("\xe2\x82\xac", JOB_ERROR_BYTES / 3 + 2, 1000);
	ck_assert_int_eq(runner_output_text(&output, &text, NULL), 0);
	ck_assert_uint_eq(strlen(text), JOB_ERROR_BYTES / 3 * 3);
	free(text);
	runner_output_close(&output);
}
END_TEST

TEST_PROGRAM("runner_output", 10, tcase_add_test(tc, keeps_arrival_order_and_previews_stdout_alone);
	     tcase_add_test(tc, keeps_arbitrary_bytes);
	     tcase_add_test(tc, drops_what_comes_beyond_the_maximum);
	     tcase_add_loop_test(tc, previews_exactly_the_first_characters, 0,
		     (int)(sizeof(characters) / sizeof(characters[0])));
	     tcase_add_test(tc, text_is_cut_at_its_bound))
