/* test_error.c: an error record is filled once, where the failure was. */
#include "sandbox/base/error.h"
#include "tests/lib/test.h"

#include <string.h>

START_TEST(the_origin_wins)
{
	struct sandbox_error err = {0};

	ck_assert_int_eq(error_set(&err, ENOENT, "first.stage", "no %s %d", "file", 7), -ENOENT);
	ck_assert_int_eq(error_set(&err, EIO, "second.stage", "later"), -EIO);
	errno = EPERM;
	ck_assert_int_eq(error_errno(&err, "third.stage", "later still"), -EPERM);
	ck_assert_int_eq(err.errno_value, ENOENT);
	ck_assert_str_eq(err.stage, "first.stage");
	ck_assert_str_eq(err.message, "no file 7");
}
END_TEST

START_TEST(errno_is_spelled_out)
{
	struct sandbox_error err = {0};

	errno = ENOENT;
	ck_assert_int_eq(error_errno(&err, "open", "%s", "/x"), -ENOENT);
	ck_assert_str_eq(err.message, "/x: No such file or directory");
}
END_TEST

START_TEST(an_error_without_errno_is_still_one)
{
	struct sandbox_error err = {0};

	errno = 0;
	ck_assert_int_eq(error_errno(&err, "stage", "odd"), -EIO);
	ck_assert_int_eq(err.errno_value, EIO);
}
END_TEST

START_TEST(no_record_is_needed)
{
	ck_assert_int_eq(error_set(NULL, EINVAL, "stage", "message"), -EINVAL);
	errno = EBUSY;
	ck_assert_int_eq(error_errno(NULL, "stage", "message"), -EBUSY);
}
END_TEST

START_TEST(what_is_too_long_is_cut)
{
	struct sandbox_error err = {0};
	char text[1000];

	(void)memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	errno = ENOENT;
	(void)error_errno(&err, text, "%s", text);
	ck_assert_uint_eq(strlen(err.stage), sizeof(err.stage) - 1);
	ck_assert_uint_eq(strlen(err.message), sizeof(err.message) - 1);
}
END_TEST

TEST_PROGRAM("error", 30, tcase_add_test(tc, the_origin_wins); tcase_add_test(tc, errno_is_spelled_out);
	     tcase_add_test(tc, an_error_without_errno_is_still_one); tcase_add_test(tc, no_record_is_needed);
	     tcase_add_test(tc, what_is_too_long_is_cut))
