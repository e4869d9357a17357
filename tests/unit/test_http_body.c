#include "service/http.h"
#include "service/http_body.h"
#include "tests/lib/test.h"

#include <string.h>

static http_budget budget;

START_TEST(keeps_what_is_appended)
{
	struct http_body body = {0};

	ck_assert_int_eq(http_body_append(&body, &budget, 10, "abc", 3), 0);
	ck_assert_int_eq(http_body_append(&body, &budget, 10, "", 0), 0);
	ck_assert_int_eq(http_body_append(&body, &budget, 10, "d\0efghi", 7), 0);
	ck_assert_uint_eq(body.size, 10);
	ck_assert_mem_eq(body.data, "abcd\0efghi", 10);
	ck_assert_int_eq(http_body_append(&body, &budget, 10, "j", 1), HTTP_BODY_TOO_LARGE);
	ck_assert_uint_eq(body.size, 10);
	ck_assert_uint_ge(atomic_load(&budget), 10);
	http_body_drop(&body, &budget);
	ck_assert_uint_eq(atomic_load(&budget), 0);
	ck_assert_ptr_null(body.data);
}
END_TEST

START_TEST(all_bodies_share_one_budget)
{
	struct http_body one = {0}, two = {0};
	char *half = calloc(1, HTTP_BODIES_BYTES / 2);

	ck_assert_int_eq(http_body_append(&one, &budget, SIZE_MAX, half, HTTP_BODIES_BYTES / 2), 0);
	ck_assert_int_eq(http_body_append(&two, &budget, SIZE_MAX, half, HTTP_BODIES_BYTES / 2), 0);
	ck_assert_int_eq(http_body_append(&two, &budget, SIZE_MAX, "x", 1), HTTP_BODY_NO_ROOM);
	ck_assert_uint_eq(two.size, HTTP_BODIES_BYTES / 2);
	ck_assert_uint_eq(atomic_load(&budget), HTTP_BODIES_BYTES);
	http_body_drop(&one, &budget);
	ck_assert_int_eq(http_body_append(&two, &budget, SIZE_MAX, "x", 1), 0);
	http_body_drop(&two, &budget);
	ck_assert_uint_eq(atomic_load(&budget), 0);
	free(half);
}
END_TEST

TEST_PROGRAM("http_body", 30, tcase_add_test(tc, keeps_what_is_appended);
	     tcase_add_test(tc, all_bodies_share_one_budget))
