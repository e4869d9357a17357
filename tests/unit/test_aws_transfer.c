/* Bodies that come from files and go to them, through failures (tests/lib/scripted.h). */
#include "sandbox/base/fd.h"
#include "service/aws/client.h"
#include "service/aws/limits.h"
#include "service/aws/sigv4.h"
#include "service/aws/transport.h"
#include "tests/lib/scripted.h"
#include "tests/lib/test.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct scripted server;
static struct aws_environment *environment;
static struct aws_client *client;
static struct aws_reply reply;
static struct sandbox_error err;
static int fd = -1;

/* FD: a file that holds TEXT, its position at its end. */
static void start(const struct scripted_step *steps, size_t nsteps, const char *text)
{
	scripted_start(&server, steps, nsteps);
	(void)setenv("AWS_REGION", "eu-west-1", 1);
	(void)setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "the-secret", 1);
	(void)setenv("AWS_ENDPOINT_URL_S3", server.url, 1);
	ck_assert_int_eq(aws_environment_open(&environment, &err), 0);
	ck_assert_int_eq(aws_client_open(environment, AWS_S3, &client, &err), 0);
	fd = memfd_create("test", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
}

static void stop(void)
{
	client = aws_client_close(client);
	environment = aws_environment_close(environment);
	scripted_stop(&server);
	aws_reply_free(&reply);
	fd = fd_close(fd);
}

static int put(uint64_t offset, size_t size)
{
	const struct aws_request request = {
		.method = "PUT", .path = "/x", .body_fd = fd, .body_offset = offset, .body_size = size};

	return aws_call(client, &request, &reply, &err);
}

static int get(uint64_t max)
{
	const struct aws_request request = {.method = "GET",
		.path = "/x",
		.body_fd = -1,
		.has_reply_fd = true,
		.reply_fd = fd,
		.reply_max = max};

	return aws_call(client, &request, &reply, &err);
}

static void expect_file(const char *text)
{
	char buf[64];
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, (off_t)strlen(text));
	ck_assert_int_eq(pread(fd, buf, sizeof(buf), 0), (ssize_t)strlen(text));
	ck_assert_int_eq(memcmp(buf, text, strlen(text)), 0);
}

/* --- from a file ------------------------------------------------------------------------------------------------ */

/* The second repetition is libcurl's own: a kept connection was closed. */
START_TEST(a_part_of_a_file_is_sent_whole_with_each_attempt)
{
	static const struct scripted_step steps[] = {SCRIPTED("503", "", "0", ""), {"", SCRIPTED_CLOSE},
		SCRIPTED("200", "ETag: \"e\"\r\n", "0", "")};
	char hash[AWS_SHA256_SIZE], header[128];

	start(steps, ARRAY_SIZE(steps), "0123456789");
	ck_assert_int_eq(put(2, 5), 0);
	ck_assert_str_eq(reply.etag, "\"e\"");
	ck_assert_uint_eq(atomic_load(&server.nrequests), 3);
	ck_assert_int_eq(aws_sha256("23456", 5, hash), 0);
	(void)snprintf(header, sizeof(header), "\r\nX-Amz-Content-Sha256: %s\r\n", hash);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(strcasestr(server.requests[i], header));
		ck_assert_ptr_nonnull(strstr(server.requests[i], "\r\nContent-Length: 5\r\n"));
		ck_assert_str_eq(strstr(server.requests[i], "\r\n\r\n"), "\r\n\r\n23456");
	}
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 10);
	stop();
}
END_TEST

START_TEST(a_file_that_is_too_short_is_not_sent)
{
	start(NULL, 0, "0123");
	ck_assert_int_eq(put(2, 5), -ENODATA);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 0);
	stop();
}
END_TEST

/* --- to a file -------------------------------------------------------------------------------------------------- */

START_TEST(a_file_holds_the_last_attempts_answer_alone)
{
	static const struct scripted_step steps[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdefgh", SCRIPTED_CLOSE},
		SCRIPTED("500", "", "8", "a reason"), SCRIPTED("200", "", "4", "wxyz")};

	start(steps, ARRAY_SIZE(steps), "what was there before");
	ck_assert_int_eq(get(0), 0);
	ck_assert_uint_eq(reply.fault.attempts, 3);
	ck_assert_uint_eq(reply.content_length, 4);
	expect_file("wxyz");
	stop();
}
END_TEST

START_TEST(a_refusal_goes_to_no_file)
{
	static const struct scripted_step steps[] = {
		SCRIPTED("404", "", "35", "<Error><Code>NoSuchKey</Code></Error")};

	start(steps, ARRAY_SIZE(steps), "");
	ck_assert_int_eq(get(0), AWS_REFUSED);
	ck_assert_str_eq(reply.fault.code, "NoSuchKey");
	expect_file("");
	stop();
}
END_TEST

START_TEST(a_file_takes_what_is_allowed_and_no_byte_more)
{
	static const struct scripted_step steps[] = {
		SCRIPTED("200", "", "4", "wxyz"), SCRIPTED("200", "", "5", "vwxyz")};

	start(steps, ARRAY_SIZE(steps), "");
	ck_assert_int_eq(get(4), 0);
	aws_reply_free(&reply);
	ck_assert_int_eq(get(4), -EFBIG);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 2);
	stop();
}
END_TEST

/* --- time ------------------------------------------------------------------------------------------------------- */

/* At 64 KiB a second, what a slow line can do, the attempt lasts as long as it takes, and all of them too. */
START_TEST(what_is_large_has_time)
{
	const uint64_t part_bytes = 16 << 20, seconds = part_bytes / (64 << 10);
	const struct aws_request small = {.body = "x", .body_size = 1};
	const struct aws_request upload = {.body_size = part_bytes};
	const struct aws_request download = {.has_reply_fd = true, .reply_max = part_bytes};
	const struct aws_request own = {.body_size = part_bytes, .attempt_msec = 7, .deadline_msec = 9};

	struct aws_limits limits = aws_limits_of(AWS_S3, &small);
	ck_assert_uint_eq(limits.stall_sec, 0);
	unsigned attempt = limits.attempt_msec, deadline = limits.deadline_msec;
	limits = aws_limits_of(AWS_S3, &upload);
	ck_assert_uint_gt(limits.stall_sec, 0);
	ck_assert_uint_eq(limits.attempt_msec, attempt + seconds * 1000);
	ck_assert_uint_eq(limits.deadline_msec, deadline + limits.attempts * seconds * 1000);
	limits = aws_limits_of(AWS_S3, &download);
	ck_assert_uint_gt(limits.stall_sec, 0);
	ck_assert_uint_eq(limits.attempt_msec, attempt + seconds * 1000);
	limits = aws_limits_of(AWS_S3, &own);
	ck_assert_uint_eq(limits.attempt_msec, 7);
	ck_assert_uint_eq(limits.deadline_msec, 9);
}
END_TEST

/* In ten minutes the test would be over. */
START_TEST(what_does_not_move_is_given_up)
{
	static const struct scripted_step steps[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na", SCRIPTED_HANG}};
	const struct aws_transport_options options = {.is_direct = true, .connect_msec = 5000};
	struct aws_transport *transport = NULL;
	struct aws_answer answer = {0};

	start(steps, ARRAY_SIZE(steps), "");
	const struct aws_attempt attempt = {.method = "GET",
		.url = server.url,
		.body_fd = -1,
		.reply_fd = fd,
		.reply_max = 9,
		.msec = 600 * 1000,
		.stall_sec = 1};
	ck_assert_int_eq(aws_transport_open(&options, &transport, &err), 0);
	ck_assert_int_eq(aws_transport_attempt(transport, &attempt, &answer, &err), -ETIMEDOUT);
	transport = aws_transport_close(transport);
	stop();
}
END_TEST

/* --- the server's wish ------------------------------------------------------------------------------------------ */

/* Without its wish the next attempt would come within the deadline, with it it cannot. */
START_TEST(the_pause_is_as_long_as_the_server_wants)
{
	static const char *const wishes[] = {"Retry-After: 9\r\n", "x-amz-retry-after: 9000\r\n",
		"x-amz-retry-after: 9000\r\nRetry-After: 1\r\n",
		"Retry-After: 1\r\nx-amz-retry-after: 9000\r\n"};
	const struct aws_request request = {
		.method = "GET", .path = "/", .body_fd = -1, .deadline_msec = 4900};

	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		char text[256];
		const struct scripted_step steps[] = {{text, SCRIPTED_ANSWER}, SCRIPTED("200", "", "0", "")};
		(void)snprintf(
			text, sizeof(text), "HTTP/1.1 503 X\r\nContent-Length: 0\r\n%s\r\n", wishes[i]);
		start(steps, ARRAY_SIZE(steps), "");
		ck_assert_int_eq(aws_call(client, &request, &reply, &err), -EIO);
		ck_assert_msg(atomic_load(&server.nrequests) == 1, "%s", wishes[i]);
		stop();
	}
}
END_TEST

START_TEST(a_wish_that_makes_no_sense_is_none)
{
	static const struct scripted_step steps[] = {SCRIPTED("503", "Retry-After: soon\r\n", "0", ""),
		SCRIPTED("503", "Retry-After: 99999999\r\nx-amz-retry-after: -1\r\n", "0", ""),
		SCRIPTED("200", "", "0", "")};
	const struct aws_request request = {
		.method = "GET", .path = "/", .body_fd = -1, .deadline_msec = 4900};

	start(steps, ARRAY_SIZE(steps), "");
	ck_assert_int_eq(aws_call(client, &request, &reply, &err), 0);
	ck_assert_uint_eq(reply.fault.attempts, 3);
	stop();
}
END_TEST

TEST_PROGRAM("aws_transfer", 60, tcase_add_test(tc, a_part_of_a_file_is_sent_whole_with_each_attempt);
	     tcase_add_test(tc, a_file_that_is_too_short_is_not_sent);
	     tcase_add_test(tc, a_file_holds_the_last_attempts_answer_alone);
	     tcase_add_test(tc, a_refusal_goes_to_no_file);
	     tcase_add_test(tc, a_file_takes_what_is_allowed_and_no_byte_more);
	     tcase_add_test(tc, what_is_large_has_time); tcase_add_test(tc, what_does_not_move_is_given_up);
	     tcase_add_test(tc, the_pause_is_as_long_as_the_server_wants);
	     tcase_add_test(tc, a_wish_that_makes_no_sense_is_none))
