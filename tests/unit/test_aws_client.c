/* Calls through failures: who answers does as it is told (tests/lib/scripted.h). Real services: tests/aws. */
#include "sandbox/base/fd.h"
#include "service/aws/client.h"
#include "tests/lib/scripted.h"
#include "tests/lib/test.h"

#include <string.h>

enum { HOUR_SEC = 3600 };

static struct scripted server;
static struct aws_environment *environment;
static struct aws_client *client;
static struct aws_fault fault;
static struct sandbox_error err;

static void start(const struct scripted_step *steps, size_t nsteps)
{
	scripted_start(&server, steps, nsteps);
	(void)setenv("AWS_REGION", "eu-west-1", 1);
	(void)setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "the-secret", 1);
	(void)setenv("AWS_SESSION_TOKEN", "the-token", 1);
	(void)setenv("AWS_ENDPOINT_URL", server.url, 1);
	ck_assert_int_eq(aws_environment_open(&environment, &err), 0);
	ck_assert_int_eq(aws_client_open(environment, AWS_DYNAMODB, &client, &err), 0);
}

static void stop(void)
{
	client = aws_client_close(client);
	environment = aws_environment_close(environment);
	scripted_stop(&server);
}

static int call(unsigned deadline_msec, unsigned wait_msec)
{
	json_t *in = json_object(), *out = NULL;
	const struct aws_json_request request = {.operation = "GetItem",
		.in = in,
		.deadline_msec = deadline_msec,
		.wait_msec = wait_msec,
		.is_cancellable = true,
		.fault = &fault};

	err = (struct sandbox_error){0};
	int r = aws_json_call(client, &request, &out, &err);
	json_decref(in);
	if (r >= 0)
		json_decref(out);
	return r;
}

START_TEST(asks_again_after_a_failure_over_the_same_connection)
{
	static const struct scripted_step steps[] = {SCRIPTED("500", "", "0", ""),
		SCRIPTED("503", "", "4", "<h1>"), SCRIPTED("200", "", "2", "{}")};

	start(steps, ARRAY_SIZE(steps));
	ck_assert_int_eq(call(0, 0), 0);
	ck_assert_uint_eq(fault.attempts, 3);
	ck_assert_uint_eq(atomic_load(&server.nconnections), 1);
	ck_assert_ptr_nonnull(
		strcasestr(server.requests[2], "\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n"));
	ck_assert_ptr_nonnull(strcasestr(server.requests[2], "\r\nX-Amz-Security-Token: the-token\r\n"));
	ck_assert_ptr_null(strstr(server.requests[2], "the-secret"));
	stop();
}
END_TEST

START_TEST(gives_up_after_the_attempts_that_are_allowed)
{
	static const struct scripted_step steps[] = {SCRIPTED("500", "", "0", ""),
		SCRIPTED("500", "", "0", ""), SCRIPTED("500", "", "0", ""), SCRIPTED("500", "", "0", ""),
		SCRIPTED("500", "", "0", "")};

	start(steps, ARRAY_SIZE(steps));
	ck_assert_int_eq(call(0, 0), -EIO);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 4);
	ck_assert(aws_is_unavailable(-EIO));
	stop();
}
END_TEST

START_TEST(a_refusal_is_not_asked_again_and_keeps_its_words)
{
	static const struct scripted_step steps[] = {SCRIPTED("400", "x-amzn-RequestId: r-7\r\n", "43",
		"{\"__type\":\"a#SomeException\",\"message\":\"no\"}")};

	start(steps, ARRAY_SIZE(steps));
	ck_assert_int_eq(call(0, 0), AWS_REFUSED);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 1);
	ck_assert_str_eq(fault.code, "SomeException");
	ck_assert_str_eq(fault.request_id, "r-7");
	ck_assert_ptr_nonnull(strstr(err.message, "SomeException: no (request r-7"));
	stop();
}
END_TEST

START_TEST(half_an_answer_and_a_closed_connection_are_asked_again)
{
	static const struct scripted_step steps[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", SCRIPTED_CLOSE},
		{"HTTP/1.1 2", SCRIPTED_CLOSE}, SCRIPTED("200", "", "2", "{}")};

	start(steps, ARRAY_SIZE(steps));
	ck_assert_int_eq(call(0, 0), 0);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 3);
	stop();
}
END_TEST

/* The server's answer says that it is an hour from now: the second request bears its time. */
START_TEST(a_wrong_clock_is_set_right)
{
	char answer[512], date[64];
	time_t later = time(NULL) + HOUR_SEC;
	static const char body[] =
		"{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired\"}";

	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&later));
	(void)snprintf(answer, sizeof(answer), "HTTP/1.1 400 X\r\nDate: %s\r\nContent-Length: %zu\r\n\r\n%s",
		date, strlen(body), body);
	const struct scripted_step steps[] = {{answer, SCRIPTED_ANSWER}, SCRIPTED("200", "", "2", "{}")};
	start(steps, ARRAY_SIZE(steps));
	ck_assert_int_eq(call(0, 0), 0);
	ck_assert_uint_eq(fault.attempts, 2);
	int64_t ahead = aws_client_now_usec(client) / 1000000 - time(NULL);
	ck_assert(ahead > HOUR_SEC - 60 && ahead < HOUR_SEC + 60);
	stop();
}
END_TEST

/* Each attempt would have five seconds; the call has three in all, and is not begun anew after them. */
START_TEST(the_deadline_ends_an_attempt)
{
	static const struct scripted_step steps[] = {
		{"", SCRIPTED_CLOSE}, {"", SCRIPTED_HANG}, {"", SCRIPTED_HANG}, {"", SCRIPTED_HANG}};

	start(steps, ARRAY_SIZE(steps));
	ck_assert_int_eq(call(3000, 0), -ETIMEDOUT);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 2);
	stop();
}
END_TEST

static void *cancel_when_asked(void *user)
{
	scripted_await(&server, 1);
	aws_client_cancel(client);
	return user;
}

START_TEST(a_long_poll_is_cancelled)
{
	static const struct scripted_step steps[] = {{"", SCRIPTED_HANG}};
	pthread_t thread;

	start(steps, ARRAY_SIZE(steps));
	ck_assert_int_eq(pthread_create(&thread, NULL, cancel_when_asked, NULL), 0);
	ck_assert_int_eq(call(0, 600 * 1000), -ECANCELED);
	(void)pthread_join(thread, NULL);
	ck_assert_int_eq(call(0, 600 * 1000), -ECANCELED);
	stop();
}
END_TEST

TEST_PROGRAM("aws_client", 60, tcase_add_test(tc, asks_again_after_a_failure_over_the_same_connection);
	     tcase_add_test(tc, gives_up_after_the_attempts_that_are_allowed);
	     tcase_add_test(tc, a_refusal_is_not_asked_again_and_keeps_its_words);
	     tcase_add_test(tc, half_an_answer_and_a_closed_connection_are_asked_again);
	     tcase_add_test(tc, a_wrong_clock_is_set_right); tcase_add_test(tc, the_deadline_ends_an_attempt);
	     tcase_add_test(tc, a_long_poll_is_cancelled))
