#include "service/aws/ini.h"
#include "tests/lib/test.h"

static const char text[] = "key = outside\n"
			   "[default]\n"
			   "# key = comment\n"
			   "key=first\r\n"
			   "  key = belongs to the line before\n"
			   "keys = other\n"
			   "key =\tlast one  ; comment\n"
			   "[ profile a b ]\n"
			   "key = it's#here\n"
			   "no equals sign\n"
			   "[broken\n"
			   "key = unreachable\n"
			   "[returns]\r\n"
			   "key =\r a\rb \r\n"
			   "[empty]\n"
			   "key =";

static void expect(const char *section, const char *key, const char *wanted)
{
	char buf[32] = "";

	ck_assert_msg(aws_ini_get(text, section, key, buf, sizeof(buf)), "%s.%s", section, key);
	ck_assert_str_eq(buf, wanted);
}

START_TEST(finds_the_last_value_of_a_key_in_its_section)
{
	expect("default", "key", "last one");
	expect("default", "keys", "other");
	expect("profile a b", "key", "it's#here");
	expect("returns", "key", "a\rb");
	expect("empty", "key", "");
}
END_TEST

START_TEST(what_is_not_there_or_does_not_fit_is_none)
{
	char buf[32], small[9], enough[10];

	ck_assert(!aws_ini_get(text, "other", "key", buf, sizeof(buf)));
	ck_assert(!aws_ini_get(text, "default", "ke", buf, sizeof(buf)));
	ck_assert(!aws_ini_get(text, "broken", "key", buf, sizeof(buf)));
	ck_assert(!aws_ini_get(text, "profile a b", "no equals sign", buf, sizeof(buf)));
	ck_assert(!aws_ini_get("", "default", "key", buf, sizeof(buf)));
	ck_assert(!aws_ini_get(text, "profile a b", "key", small, sizeof(small)));
	ck_assert(aws_ini_get(text, "profile a b", "key", enough, sizeof(enough)));
}
END_TEST

TEST_PROGRAM("aws_ini", 30, tcase_add_test(tc, finds_the_last_value_of_a_key_in_its_section);
	     tcase_add_test(tc, what_is_not_there_or_does_not_fit_is_none))
