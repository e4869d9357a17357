#include "service/aws/retry.h"
#include "tests/lib/test.h"

static unsigned pause_of(enum aws_verdict verdict, unsigned attempt, unsigned hint_msec, double chance)
{
	const struct aws_pause pause = {verdict, attempt, 50, hint_msec, chance};

	return aws_pause_msec(&pause);
}

START_TEST(tells_what_is_worth_asking_again)
{
	ck_assert_int_eq(aws_retry_verdict(200, ""), AWS_FINE);
	ck_assert_int_eq(aws_retry_verdict(400, "ValidationException"), AWS_FINE);
	ck_assert_int_eq(aws_retry_verdict(400, "ConditionalCheckFailedException"), AWS_FINE);
	ck_assert_int_eq(aws_retry_verdict(501, "NotImplemented"), AWS_FINE);
	ck_assert_int_eq(aws_retry_verdict(0, ""), AWS_TRANSIENT);
	ck_assert_int_eq(aws_retry_verdict(500, "InternalServerError"), AWS_TRANSIENT);
	ck_assert_int_eq(aws_retry_verdict(400, "RequestTimeout"), AWS_TRANSIENT);
	ck_assert_int_eq(aws_retry_verdict(503, "SlowDown"), AWS_THROTTLED);
	ck_assert_int_eq(aws_retry_verdict(400, "ProvisionedThroughputExceededException"), AWS_THROTTLED);
	ck_assert_int_eq(aws_retry_verdict(429, "Http429"), AWS_THROTTLED);
}
END_TEST

START_TEST(pauses_double_up_to_a_bound)
{
	ck_assert_uint_eq(pause_of(AWS_TRANSIENT, 0, 0, 1), 50);
	ck_assert_uint_eq(pause_of(AWS_TRANSIENT, 1, 0, 1), 100);
	ck_assert_uint_eq(pause_of(AWS_TRANSIENT, 3, 0, 0.5), 200);
	ck_assert_uint_eq(pause_of(AWS_TRANSIENT, 3, 0, 0), 0);
	ck_assert_uint_eq(pause_of(AWS_THROTTLED, 0, 0, 1), 1000);
	ck_assert_uint_eq(pause_of(AWS_THROTTLED, 10, 0, 1), 20000);
	ck_assert_uint_eq(pause_of(AWS_TRANSIENT, 4000, 0, 1), 20000);
}
END_TEST

START_TEST(a_hint_is_followed_within_five_seconds)
{
	ck_assert_uint_eq(pause_of(AWS_TRANSIENT, 0, 2000, 1), 2000);
	ck_assert_uint_eq(pause_of(AWS_TRANSIENT, 0, 20, 1), 50);
	ck_assert_uint_eq(pause_of(AWS_TRANSIENT, 0, 3600 * 1000, 1), 5050);
}
END_TEST

START_TEST(repetitions_are_paid_for_until_the_bucket_is_empty)
{
	struct aws_bucket bucket;
	unsigned cost, n = 0;

	aws_bucket_init(&bucket);
	while (aws_bucket_take(&bucket, AWS_TRANSIENT, &cost))
		n++;
	ck_assert_uint_eq(n, 35); /* 500 / 14 */
	ck_assert_uint_eq(cost, 14);
	aws_bucket_give(&bucket, cost);
	ck_assert(aws_bucket_take(&bucket, AWS_TRANSIENT, &cost));
	ck_assert(aws_bucket_take(&bucket, AWS_THROTTLED, &cost));
	ck_assert_uint_eq(cost, 5);
	ck_assert(aws_bucket_take(&bucket, AWS_THROTTLED, &cost));
	ck_assert(!aws_bucket_take(&bucket, AWS_THROTTLED, &cost));
	for (unsigned i = 0; i < 2 * AWS_BUCKET_TOKENS; i++)
		aws_bucket_give(&bucket, 0);
	ck_assert_uint_eq(bucket.tokens, AWS_BUCKET_TOKENS);
	aws_bucket_destroy(&bucket);
}
END_TEST

TEST_PROGRAM("aws_retry", 30, tcase_add_test(tc, tells_what_is_worth_asking_again);
	     tcase_add_test(tc, pauses_double_up_to_a_bound);
	     tcase_add_test(tc, a_hint_is_followed_within_five_seconds);
	     tcase_add_test(tc, repetitions_are_paid_for_until_the_bucket_is_empty))
