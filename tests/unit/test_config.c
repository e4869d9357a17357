/* test_config.c: one table, three uses: environment, command line, help. */
#include "sandbox/base/config.h"
#include "tests/lib/test.h"

#include <string.h>

struct settings {
	const char *name;
	uint64_t port, size, time, cpus;
	bool is_loud;
	struct config_list files;
	const char *report;
};

#define FIELD(field) offsetof(struct settings, field)

static const struct config_row rows[] = {
	{"TEST_NAME", CONFIG_STRING, FIELD(name), 2, 5, "abc", "a name"},
	{"TEST_PORT", CONFIG_NUMBER, FIELD(port), 1, 65535, "8080", "a port"},
	{"TEST_SIZE", CONFIG_BYTES, FIELD(size), 0, 1 << 30, NULL, "a size"},
	{"TEST_TIME", CONFIG_USEC, FIELD(time), 1, 0, "10s", "a time"},
	{"TEST_CPUS", CONFIG_MILLIS, FIELD(cpus), 1, 4000, "1", "CPUs"},
	{"TEST_LOUD", CONFIG_FLAG, FIELD(is_loud), 0, 0, NULL, "loud"},
	{"file", CONFIG_LIST, FIELD(files), 1, 10, NULL, "a file"},
	{"test_report", CONFIG_STRING, FIELD(report), 1, 100, NULL, "only a flag"},
};

enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

struct parsed {
	int r, next;
	struct settings settings;
	struct sandbox_error err;
	char help[8192];
};

static struct parsed parse_argv(int argc, char *const argv[])
{
	struct parsed parsed = {.next = -1};
	FILE *out = fmemopen(parsed.help, sizeof(parsed.help), "w");

	parsed.r = config_parse(rows, NROWS, &parsed.settings, argc, argv, "test [options]\n", out,
		&parsed.next, &parsed.err);
	(void)fclose(out);
	return parsed;
}

/* WORDS ends with NULL. The texts stay, as what is parsed is borrowed from them. */
static struct parsed parse_words(const char *const *words)
{
	static char texts[16][64];
	char *argv[17] = {NULL};
	int argc = 0;

	for (; words[argc] != NULL; argc++) {
		ck_assert_int_lt(argc, 16);
		(void)snprintf(texts[argc], sizeof(texts[argc]), "%s", words[argc]);
		argv[argc] = texts[argc];
	}
	return parse_argv(argc, argv);
}

#define PARSE(...) parse_words((const char *const[]){"test", ##__VA_ARGS__, NULL})

static void assert_refused(struct parsed parsed, const char *words)
{
	ck_assert_int_eq(parsed.r, -EINVAL);
	ck_assert_str_eq(parsed.err.stage, "config");
	ck_assert_msg(
		strstr(parsed.err.message, words) != NULL, "\"%s\" in \"%s\"", words, parsed.err.message);
}

START_TEST(defaults_hold_when_nothing_is_said)
{
	struct parsed parsed = PARSE();

	ck_assert_int_eq(parsed.r, 0);
	ck_assert_int_eq(parsed.next, 1);
	ck_assert_str_eq(parsed.settings.name, "abc");
	ck_assert_uint_eq(parsed.settings.port, 8080);
	ck_assert_uint_eq(parsed.settings.size, 0);
	ck_assert_uint_eq(parsed.settings.time, 10000000);
	ck_assert_uint_eq(parsed.settings.cpus, 1000);
	ck_assert(!parsed.settings.is_loud);
	ck_assert_uint_eq(parsed.settings.files.nitems, 0);
	ck_assert_ptr_null(parsed.settings.report);
}
END_TEST

START_TEST(the_command_line_wins_over_the_environment)
{
	(void)setenv("TEST_PORT", "1", 1);
	(void)setenv("TEST_NAME", "env", 1);
	(void)setenv("TEST_LOUD", "yes", 1);
	struct parsed parsed = PARSE("--test-port", "2");

	ck_assert_int_eq(parsed.r, 0);
	ck_assert_uint_eq(parsed.settings.port, 2);
	ck_assert_str_eq(parsed.settings.name, "env");
	ck_assert(parsed.settings.is_loud);
}
END_TEST

START_TEST(an_empty_variable_is_none)
{
	(void)setenv("TEST_PORT", "", 1);
	ck_assert_uint_eq(PARSE().settings.port, 8080);
}
END_TEST

START_TEST(a_wrong_variable_is_named)
{
	(void)setenv("TEST_PORT", "65536", 1);
	assert_refused(PARSE(), "TEST_PORT in the environment: '65536' is not between 1 and 65535");
}
END_TEST

START_TEST(a_name_in_lower_case_is_no_variable)
{
	(void)setenv("test_report", "x", 1);
	(void)setenv("TEST_REPORT", "x", 1);
	(void)setenv("file", "x", 1);
	(void)setenv("FILE", "x", 1);
	struct parsed parsed = PARSE();

	ck_assert_int_eq(parsed.r, 0);
	ck_assert_ptr_null(parsed.settings.report);
	ck_assert_uint_eq(parsed.settings.files.nitems, 0);
	ck_assert_str_eq(PARSE("--test-report", "r").settings.report, "r");
}
END_TEST

START_TEST(values_come_behind_a_space_or_an_equals_sign)
{
	struct parsed parsed = PARSE("--test-size=10M", "--test-time", "1.5", "--test-cpus=0.5",
		"--test-loud", "--test-name=a=b", "word", "--test-port=1");

	ck_assert_int_eq(parsed.r, 0);
	ck_assert_uint_eq(parsed.settings.size, 10 << 20);
	ck_assert_uint_eq(parsed.settings.time, 1500000);
	ck_assert_uint_eq(parsed.settings.cpus, 500);
	ck_assert(parsed.settings.is_loud);
	ck_assert_str_eq(parsed.settings.name, "a=b");
	/* It stops at the first word. */
	ck_assert_int_eq(parsed.next, 7);
	ck_assert_uint_eq(parsed.settings.port, 8080);
}
END_TEST

START_TEST(two_dashes_end_the_options_and_are_skipped)
{
	ck_assert_int_eq(PARSE("--test-loud", "--", "--test-port=1").next, 3);
	ck_assert_int_eq(PARSE("-", "x").next, 1);
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
	assert_refused(PARSE("--bogus"), "there is no option --bogus");
	assert_refused(PARSE("-x"), "there is no option -x");
	assert_refused(PARSE("--test"), "there is no option --test");
	assert_refused(PARSE("--test-ports=1"), "there is no option --test-ports=1");
	assert_refused(PARSE("--test-port"), "--test-port needs a value");
	assert_refused(PARSE("--test-port=0"), "--test-port: '0' is not between 1 and 65535");
	assert_refused(PARSE("--test-port=1x"), "'1x' is not a whole number");
	assert_refused(PARSE("--test-port=-1"), "is not a whole number");
	assert_refused(PARSE("--test-size=2G"), "is not between 0 and 1G");
	assert_refused(PARSE("--test-time=0"), "is not of at least 1us");
	assert_refused(PARSE("--test-cpus=4.001"), "is not between 0.001 and 4");
	assert_refused(PARSE("--test-name=a"), "is not of a length between 2 and 5");
	assert_refused(PARSE("--test-name=abcdef"), "is not of a length between 2 and 5");
	assert_refused(PARSE("--test-loud=perhaps"), "is not yes or no");
}
END_TEST

START_TEST(bounds_are_inclusive)
{
	ck_assert_uint_eq(PARSE("--test-port=1").settings.port, 1);
	ck_assert_uint_eq(PARSE("--test-port=65535").settings.port, 65535);
	ck_assert_uint_eq(PARSE("--test-size=1G").settings.size, 1 << 30);
	ck_assert_str_eq(PARSE("--test-name=ab").settings.name, "ab");
	ck_assert_str_eq(PARSE("--test-name=abcde").settings.name, "abcde");
}
END_TEST

START_TEST(a_list_takes_as_many_as_it_has_room_for)
{
	char *argv[CONFIG_LIST_MAX + 3] = {NULL};
	char option[] = "--file=f";

	for (int i = 0; i < CONFIG_LIST_MAX + 2; i++)
		argv[i] = option;
	struct parsed full = parse_argv(CONFIG_LIST_MAX + 1, argv);
	ck_assert_int_eq(full.r, 0);
	ck_assert_uint_eq(full.settings.files.nitems, CONFIG_LIST_MAX);
	ck_assert_str_eq(full.settings.files.items[CONFIG_LIST_MAX - 1], "f");
	assert_refused(parse_argv(CONFIG_LIST_MAX + 2, argv), "--file: more than 64");
	assert_refused(PARSE("--file=12345678901"), "is not of a length between 1 and 10");
}
END_TEST

static const struct {
	enum config_type type;
	const char *text;
	int r;
	uint64_t value;
} numbers[] = {
	{CONFIG_NUMBER, "0", 0, 0},
	{CONFIG_NUMBER, "18446744073709551615", 0, UINT64_MAX},
	{CONFIG_NUMBER, "18446744073709551616", -ERANGE, 0},
	{CONFIG_NUMBER, "1.5", -EINVAL, 0},
	{CONFIG_NUMBER, "1K", -EINVAL, 0},
	{CONFIG_NUMBER, "", -EINVAL, 0},
	{CONFIG_NUMBER, " 1", -EINVAL, 0},
	{CONFIG_NUMBER, "+1", -EINVAL, 0},
	{CONFIG_NUMBER, "0x10", -EINVAL, 0},
	{CONFIG_BYTES, "4096", 0, 4096},
	{CONFIG_BYTES, "64K", 0, 64 << 10},
	{CONFIG_BYTES, "64KiB", 0, 64 << 10},
	{CONFIG_BYTES, "10M", 0, 10 << 20},
	{CONFIG_BYTES, "1GiB", 0, 1 << 30},
	{CONFIG_BYTES, "16777215T", 0, UINT64_C(16777215) << 40},
	{CONFIG_BYTES, "16777216T", -ERANGE, 0},
	{CONFIG_BYTES, "1k", -EINVAL, 0},
	{CONFIG_BYTES, "1.5M", -EINVAL, 0},
	{CONFIG_BYTES, "K", -EINVAL, 0},
	{CONFIG_USEC, "2", 0, 2000000},
	{CONFIG_USEC, "1.5", 0, 1500000},
	{CONFIG_USEC, "0.000001", 0, 1},
	{CONFIG_USEC, "0.0000010", 0, 1},
	{CONFIG_USEC, "0.0000001", -EINVAL, 0},
	{CONFIG_USEC, "250ms", 0, 250000},
	{CONFIG_USEC, "1.5ms", 0, 1500},
	{CONFIG_USEC, "7us", 0, 7},
	{CONFIG_USEC, "10s", 0, 10000000},
	{CONFIG_USEC, "3m", 0, 180000000},
	{CONFIG_USEC, "0.5m", 0, 30000000},
	{CONFIG_USEC, "1.", -EINVAL, 0},
	{CONFIG_USEC, ".5", -EINVAL, 0},
	{CONFIG_USEC, "1.2.3", -EINVAL, 0},
	{CONFIG_USEC, "1 s", -EINVAL, 0},
	{CONFIG_USEC, "18446744073709551615", -ERANGE, 0},
	{CONFIG_MILLIS, "1", 0, 1000},
	{CONFIG_MILLIS, "0.5", 0, 500},
	{CONFIG_MILLIS, "0.001", 0, 1},
	{CONFIG_MILLIS, "0.0005", -EINVAL, 0},
	{CONFIG_STRING, "1", -EINVAL, 0},
	{CONFIG_FLAG, "1", -EINVAL, 0},
};

START_TEST(numbers_in_every_notation)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t value = 77;
		int r = config_number(numbers[i].type, numbers[i].text, &value);
		ck_assert_msg(r == numbers[i].r, "'%s': %d", numbers[i].text, r);
		ck_assert_msg(value == (r == 0 ? numbers[i].value : 77), "'%s': %llu", numbers[i].text,
			(unsigned long long)value);
	}
}
END_TEST

START_TEST(a_flag_has_six_words_in_the_environment)
{
	static const char *const yes[] = {"yes", "true", "1"}, *const no[] = {"no", "false", "0"};

	for (size_t i = 0; i < 3; i++) {
		(void)setenv("TEST_LOUD", yes[i], 1);
		ck_assert(PARSE().settings.is_loud);
		(void)setenv("TEST_LOUD", no[i], 1);
		struct parsed parsed = PARSE();
		ck_assert(parsed.r == 0 && !parsed.settings.is_loud);
	}
}
END_TEST

START_TEST(help_lists_every_row)
{
	struct parsed parsed = PARSE("--test-port=3", "--help");

	ck_assert_int_eq(parsed.r, CONFIG_HELP);
	ck_assert_ptr_nonnull(strstr(parsed.help, "usage: test [options]\n"));
	for (size_t i = 0; i < NROWS; i++)
		ck_assert_ptr_nonnull(strstr(parsed.help, rows[i].help));
	ck_assert_ptr_nonnull(strstr(parsed.help, "--test-port N "));
	ck_assert_ptr_nonnull(strstr(parsed.help, "(default: 8080) [TEST_PORT]"));
	ck_assert_ptr_nonnull(strstr(parsed.help, "--test-loud "));
	ck_assert_ptr_nonnull(strstr(parsed.help, "--file TEXT"));
	ck_assert_ptr_null(strstr(parsed.help, "[file]"));
}
END_TEST

START_TEST(markdown_lists_every_row)
{
	struct parsed parsed = PARSE("--help-markdown");

	ck_assert_int_eq(parsed.r, CONFIG_HELP);
	ck_assert_ptr_nonnull(strstr(parsed.help,
		"| `--test-port` | `TEST_PORT` | a whole number, between 1 and 65535 | `8080` | a port |\n"));
	ck_assert_ptr_nonnull(strstr(parsed.help, "| `--test-report` |  | text, "));
}
END_TEST

START_TEST(an_option_finds_its_row)
{
	ck_assert_ptr_eq(config_find(rows, NROWS, "--test-port"), &rows[1]);
	ck_assert_ptr_eq(config_find(rows, NROWS, "--test-port=1"), &rows[1]);
	ck_assert_ptr_null(config_find(rows, NROWS, "--test-por"));
	ck_assert_ptr_null(config_find(rows, NROWS, "test-port"));
	ck_assert_ptr_null(config_find(rows, NROWS, "--"));
}
END_TEST

TEST_PROGRAM("config", 30, tcase_add_test(tc, defaults_hold_when_nothing_is_said);
	     tcase_add_test(tc, the_command_line_wins_over_the_environment);
	     tcase_add_test(tc, an_empty_variable_is_none); tcase_add_test(tc, a_wrong_variable_is_named);
	     tcase_add_test(tc, a_name_in_lower_case_is_no_variable);
	     tcase_add_test(tc, values_come_behind_a_space_or_an_equals_sign);
	     tcase_add_test(tc, two_dashes_end_the_options_and_are_skipped);
	     tcase_add_test(tc, what_is_wrong_is_named); tcase_add_test(tc, bounds_are_inclusive);
	     tcase_add_test(tc, a_list_takes_as_many_as_it_has_room_for);
	     tcase_add_test(tc, numbers_in_every_notation);
	     tcase_add_test(tc, a_flag_has_six_words_in_the_environment);
	     tcase_add_test(tc, help_lists_every_row); tcase_add_test(tc, markdown_lists_every_row);
	     tcase_add_test(tc, an_option_finds_its_row))
