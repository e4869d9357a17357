/* Cases with known signatures: AWS's documentation of Signature Version 4 for S3 has them in print. All of AWS's vectors:
 * tests/aws/test_sigv4.c. */
#include "sandbox/base/fd.h"
#include "service/aws/sigv4.h"
#include "service/aws/uri.h"
#include "tests/lib/test.h"

#include <string.h>

enum { MAY_24_2013 = 1369353600 };

static const struct aws_keys keys = {
	.access_key = "AKIAIOSFODNN7EXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};

static const char empty_hash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static struct aws_sigv4 get(const char *path, const struct aws_pair *headers, size_t nheaders)
{
	return (struct aws_sigv4){.method = "GET",
		.path = path,
		.is_s3 = true,
		.headers = headers,
		.nheaders = nheaders,
		.payload_hash = empty_hash,
		.time = MAY_24_2013,
		.region = "us-east-1",
		.service = "s3",
		.keys = &keys};
}

static void expect(const struct aws_sigv4 *what, const char *signature)
{
	_cleanup_free_ char *authorization = NULL;

	ck_assert_int_eq(aws_sigv4_authorization(what, &authorization), 0);
	const char *at = strstr(authorization, "Signature=");
	ck_assert_ptr_nonnull(at);
	ck_assert_str_eq(at + strlen("Signature="), signature);
}

START_TEST(signs_a_get_of_an_object_as_documented)
{
	const struct aws_pair headers[] = {{"Host", "examplebucket.s3.amazonaws.com"}, {"Range", "bytes=0-9"},
		{"x-amz-content-sha256", empty_hash}, {"x-amz-date", "20130524T000000Z"}};
	const struct aws_sigv4 what = get("/test.txt", headers, 4);

	expect(&what, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}
END_TEST

START_TEST(signs_a_query_as_documented)
{
	const struct aws_pair headers[] = {{"Host", "examplebucket.s3.amazonaws.com"},
		{"x-amz-content-sha256", empty_hash}, {"x-amz-date", "20130524T000000Z"}};
	const struct aws_pair list[] = {{"prefix", "J"}, {"max-keys", "2"}},
			      lifecycle[] = {{"lifecycle", NULL}};
	struct aws_sigv4 what = get("/", headers, 3);

	what.query = list;
	what.nquery = 2;
	expect(&what, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
	what.query = lifecycle;
	what.nquery = 1;
	expect(&what, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}
END_TEST

START_TEST(presigns_as_documented)
{
	const struct aws_pair headers[] = {{"host", "examplebucket.s3.amazonaws.com"}};
	struct aws_sigv4 what = get("/test.txt", headers, 1);
	_cleanup_free_ char *query = NULL;

	what.payload_hash = AWS_UNSIGNED_PAYLOAD;
	ck_assert_int_eq(aws_sigv4_query(&what, 86400, &query), 0);
	ck_assert_str_eq(query,
		"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%"
		"2F20130524%2Fus-east-1%2Fs3%2F"
		"aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-Signature="
		"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
		"&X-Amz-SignedHeaders=host");
}
END_TEST

START_TEST(a_query_is_sorted_by_name_before_value)
{
	const struct aws_pair query[] = {
		{"a-b", "1"}, {"a", "2"}, {"a", "1 +/\xc3\xa9~*"}, {"uploads", NULL}};
	_cleanup_free_ char *text = NULL;

	ck_assert_int_eq(aws_sigv4_canonical_query(query, 4, &text), 0);
	ck_assert_str_eq(text, "a=1%20%2B%2F%C3%A9~%2A&a=2&a-b=1&uploads=");
}
END_TEST

START_TEST(endpoints_are_scheme_host_port_and_path)
{
	static const char *const wrong[] = {"", "localhost", "ftp://x", "http://", "http://u@h", "http://h:0",
		"http://h:65536", "http://h:1x", "http://h/?q", "http://h#f", "http://h\r\nX: y",
		"http://[::1", "http://h:"};
	struct aws_endpoint endpoint;
	char host[300];

	ck_assert_int_eq(aws_endpoint_parse("http://[::1]:4566/a/b//", &endpoint, NULL), 0);
	aws_endpoint_host(&endpoint, host, sizeof(host));
	ck_assert_str_eq(host, "[::1]:4566");
	ck_assert_str_eq(endpoint.path, "/a/b");
	ck_assert_int_eq(aws_endpoint_parse("https://s3.example:443", &endpoint, NULL), 0);
	aws_endpoint_host(&endpoint, host, sizeof(host));
	ck_assert_str_eq(host, "s3.example");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ck_assert_msg(aws_endpoint_parse(wrong[i], &endpoint, NULL) == -EINVAL, "%s", wrong[i]);
}
END_TEST

TEST_PROGRAM("aws_sigv4", 30, tcase_add_test(tc, signs_a_get_of_an_object_as_documented);
	     tcase_add_test(tc, signs_a_query_as_documented); tcase_add_test(tc, presigns_as_documented);
	     tcase_add_test(tc, a_query_is_sorted_by_name_before_value);
	     tcase_add_test(tc, endpoints_are_scheme_host_port_and_path))
