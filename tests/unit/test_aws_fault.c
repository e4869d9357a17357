#include "sandbox/base/fd.h"
#include "service/aws/fault.h"
#include "tests/lib/test.h"

#include <string.h>

static struct aws_fault read_fault(unsigned status, const char *body)
{
	const struct aws_fault_headers none = {0};
	struct aws_fault fault = {0};

	aws_fault_read(status, &none, body, &fault);
	return fault;
}

START_TEST(reads_json_of_every_kind)
{
	struct aws_fault fault = read_fault(400,
		"{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\","
		"\"message\":\"The conditional request failed\"}");
	ck_assert_uint_eq(fault.status, 400);
	ck_assert_str_eq(fault.code, "ConditionalCheckFailedException");
	ck_assert_str_eq(fault.message, "The conditional request failed");

	fault = read_fault(
		400, " {\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist:http://x/\",\"Message\":\"m\"}");
	ck_assert_str_eq(fault.code, "QueueDoesNotExist");
	ck_assert_str_eq(fault.message, "m");
	fault = read_fault(400, "{\"__type\":\"AWS.SimpleQueueService.NonExistentQueue\"}");
	ck_assert_str_eq(fault.code, "QueueDoesNotExist");
}
END_TEST

START_TEST(reads_xml_with_its_entities)
{
	struct aws_fault fault = read_fault(403,
		"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>"
		"<Message>&lt;no&gt; &amp; never</Message><RequestId>r-1</RequestId></Error>");

	ck_assert_str_eq(fault.code, "AccessDenied");
	ck_assert_str_eq(fault.message, "<no> & never");
	ck_assert_str_eq(fault.request_id, "r-1");
}
END_TEST

START_TEST(reads_headers_where_the_body_says_nothing)
{
	const struct aws_fault_headers type = {
		.error_type = "ThrottlingException:http://x/", .request_id = "r-2"};
	const struct aws_fault_headers query = {
		.query_error = "AWS.SimpleQueueService.NonExistentQueue;Sender"};
	struct aws_fault fault = {0};

	aws_fault_read(400, &type, NULL, &fault);
	ck_assert_str_eq(fault.code, "ThrottlingException");
	ck_assert_str_eq(fault.request_id, "r-2");
	aws_fault_read(400, &query, "{}", &fault);
	ck_assert_str_eq(fault.code, "QueueDoesNotExist");
}
END_TEST

START_TEST(names_an_answer_without_a_code)
{
	ck_assert_str_eq(read_fault(404, NULL).code, "NotFound");
	ck_assert_str_eq(read_fault(403, "").code, "Forbidden");
	ck_assert_str_eq(read_fault(412, NULL).code, "PreconditionFailed");
	ck_assert_str_eq(read_fault(304, NULL).code, "NotModified");
	ck_assert_str_eq(read_fault(502, "<html><h1>Bad gateway").code, "Http502");
	ck_assert_str_eq(read_fault(500, "{\"__type\":").code, "Http500");
	ck_assert_str_eq(read_fault(500, "{\"__type\":[1]}").code, "Http500");
}
END_TEST

/* DynamoDB and SQS say what should have been signed, S3 what was sent. */
START_TEST(never_repeats_a_signature_or_a_token)
{
	static const char *const bodies[] = {
		"{\"__type\":\"x\",\"message\":\"It does not match.\\n\\nThe String was\\nSECRET\"}",
		"{\"__type\":\"x\",\"message\":\"It does not match. Authorization=A SECRET\"}",
		"{\"__type\":\"x\",\"message\":\"It does not match. X-Amz-Security-Token: SECRET\"}",
		"<Error><Code>x</Code><Message>It does not match. X-Amz-Signature=SECRET</Message></Error>",
		"<Error><Code>x</Code><Message>It does not match.&#xA;SECRET</Message></Error>",
	};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct aws_fault fault = read_fault(403, bodies[i]);
		ck_assert_msg(strstr(fault.message, "SECRET") == NULL, "%s", fault.message);
		ck_assert_ptr_eq(strstr(fault.message, "It does not match."), fault.message);
	}
}
END_TEST

START_TEST(an_element_that_does_not_fit_is_none)
{
	char buf[4];

	ck_assert(aws_xml_text("<a><b>xyz</b></a>", "b", buf, sizeof(buf)));
	ck_assert_str_eq(buf, "xyz");
	ck_assert(!aws_xml_text("<b>wxyz</b>", "b", buf, sizeof(buf)));
	ck_assert(!aws_xml_text("<b>xyz", "b", buf, sizeof(buf)));
	ck_assert(!aws_xml_text("<c>xyz</c>", "b", buf, sizeof(buf)));
}
END_TEST

/* By whatever protocol: what there is room for, and no half of a character. */
START_TEST(a_long_message_is_cut)
{
	static const char *const forms[][2] = {{"<Error><Code>x</Code><Message>", "</Message></Error>"},
		{"{\"__type\":\"x\",\"message\":\"", "\"}"}};
	char message[4 * AWS_MESSAGE_SIZE], body[5 * AWS_MESSAGE_SIZE];

	for (size_t i = 0; i < 2 * ARRAY_SIZE(forms); i++) {
		/* "aÖÖÖ…": in the second round its first letter is missing. */
		size_t n = i / ARRAY_SIZE(forms) == 0 ? (size_t)snprintf(message, sizeof(message), "a") : 0;
		while (n + 2 < sizeof(message))
			n += (size_t)snprintf(message + n, sizeof(message) - n, "\xc3\x96");
		const char *const *form = forms[i % ARRAY_SIZE(forms)];
		(void)snprintf(body, sizeof(body), "%s%s%s", form[0], message, form[1]);
		struct aws_fault fault = read_fault(400, body);
		size_t length = strlen(fault.message);
		ck_assert_uint_ge(length, AWS_MESSAGE_SIZE - 2);
		ck_assert_uint_eq(length % 2, strlen(message) % 2);
		ck_assert_int_eq(strncmp(fault.message, message, length), 0);
	}
}
END_TEST

TEST_PROGRAM("aws_fault", 30, tcase_add_test(tc, reads_json_of_every_kind);
	     tcase_add_test(tc, reads_xml_with_its_entities);
	     tcase_add_test(tc, reads_headers_where_the_body_says_nothing);
	     tcase_add_test(tc, names_an_answer_without_a_code);
	     tcase_add_test(tc, never_repeats_a_signature_or_a_token);
	     tcase_add_test(tc, an_element_that_does_not_fit_is_none);
	     tcase_add_test(tc, a_long_message_is_cut))
