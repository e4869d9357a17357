/* The sources of keys, one by one: what they are asked, and what is made of their answers. */
#include "sandbox/base/fd.h"
#include "service/aws/credentials.h"
#include "tests/lib/scripted.h"
#include "tests/lib/test.h"

#include <string.h>

#define FIRST "\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"the-secret\",\"Token\":\"the-token\""
#define FAR "\"Expiration\":\"2099-01-01T00:00:00Z\""

static struct scripted server;
static struct scripted_step steps[8];
static char texts[8][2048];
static size_t nsteps;
static struct aws_credentials credentials;
static struct sandbox_error err;

static void answer(const char *status, const char *body)
{
	(void)snprintf(texts[nsteps], sizeof(texts[0]), "HTTP/1.1 %s X\r\nContent-Length: %zu\r\n\r\n%s",
		status, strlen(body), body);
	steps[nsteps] = (struct scripted_step){texts[nsteps], SCRIPTED_ANSWER};
	nsteps++;
}

static void set(const char *name, const char *before, const char *value)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%s%s", before, value);
	ck_assert_int_eq(setenv(name, text, 1), 0);
}

/* Nothing of the machine's own counts. */
static void start(void)
{
	static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		"AWS_EC2_METADATA_DISABLED"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unsetenv(names[i]);
	set("AWS_SHARED_CREDENTIALS_FILE", "", "/nonexistent");
	set("AWS_CONFIG_FILE", "", "/nonexistent");
	/* It must never be asked: credentials come from this machine. */
	set("http_proxy", "", "http://127.0.0.1:1");
	scripted_start(&server, steps, nsteps);
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "", server.url);
}

static int get(void)
{
	const struct aws_chain_options options = {.sts_endpoint = server.url};
	struct aws_chain *chain = NULL;

	err = (struct sandbox_error){0};
	ck_assert_int_eq(aws_chain_open(&options, &chain, &err), 0);
	int r = aws_chain_get(chain, &credentials, &err);
	chain = aws_chain_close(chain);
	scripted_stop(&server);
	return r;
}

START_TEST(a_machine_is_asked_with_a_token)
{
	answer("200", "imds-token");
	answer("200", "role-1");
	answer("200", "{" FIRST "," FAR "}");
	start();
	ck_assert_int_eq(get(), 0);
	ck_assert_str_eq(credentials.access_key, "AKID");
	ck_assert_str_eq(credentials.token, "the-token");
	ck_assert_int_eq(credentials.expires_usec, INT64_C(4070908800) * 1000000);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 3);
	ck_assert_ptr_eq(strstr(server.requests[0], "PUT /latest/api/token "), server.requests[0]);
	ck_assert_ptr_nonnull(
		strstr(server.requests[0], "\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
	ck_assert_ptr_nonnull(strstr(server.requests[1], "\r\nx-aws-ec2-metadata-token: imds-token\r\n"));
	ck_assert_ptr_eq(strstr(server.requests[2], "GET /latest/meta-data/iam/security-credentials/role-1 "),
		server.requests[2]);
}
END_TEST

START_TEST(a_machine_without_tokens_is_not_asked_otherwise)
{
	answer("404", "");
	start();
	ck_assert_int_eq(get(), -EACCES);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 1);
}
END_TEST

START_TEST(a_role_that_would_lead_elsewhere_is_refused)
{
	answer("200", "imds-token");
	answer("200", "../../elsewhere");
	start();
	ck_assert_int_eq(get(), -EACCES);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 2);
}
END_TEST

START_TEST(a_container_is_asked_with_its_token_and_before_the_machine)
{
	answer("200", "{" FIRST "}");
	start();
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url, "/keys?x=1");
	set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "", "Basic abc");
	ck_assert_int_eq(get(), 0);
	ck_assert_ptr_eq(strstr(server.requests[0], "GET /keys?x=1 "), server.requests[0]);
	ck_assert_ptr_nonnull(strstr(server.requests[0], "\r\nAuthorization: Basic abc\r\n"));
	ck_assert_int_eq(credentials.expires_usec, 0);
}
END_TEST

START_TEST(a_container_elsewhere_and_a_token_of_two_lines_are_refused)
{
	start();
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url, "/keys");
	set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "", "a\r\nX: y");
	ck_assert_int_eq(get(), -EACCES);
	ck_assert_ptr_nonnull(strstr(err.message, "more than one line"));
	start();
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "", "http://169.254.170.3/keys");
	ck_assert_int_eq(get(), -EACCES);
	ck_assert_ptr_nonnull(strstr(err.message, "neither https nor"));
	start();
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "", "http://127.0.0.1@192.0.2.1/keys");
	ck_assert_int_eq(get(), -EACCES);
	ck_assert_ptr_nonnull(strstr(err.message, "neither https nor"));
	ck_assert_uint_eq(atomic_load(&server.nrequests), 0);
}
END_TEST

START_TEST(the_environment_comes_first)
{
	start();
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url, "/keys");
	set("AWS_ACCESS_KEY_ID", "", "mine");
	set("AWS_SECRET_ACCESS_KEY", "", "secret");
	ck_assert_int_eq(get(), 0);
	ck_assert_str_eq(credentials.access_key, "mine");
	ck_assert_str_eq(credentials.token, "");
	ck_assert_uint_eq(atomic_load(&server.nrequests), 0);
}
END_TEST

START_TEST(a_broken_answer_holds_no_keys)
{
	static const char *const bodies[] = {"", "{", "[]", "{\"AccessKeyId\":1}",
		"{" FIRST ",\"Expiration\":\"soon\"}",
		"{\"AccessKeyId\":\"k\",\"SecretAccessKey\":\"s\",\"Token\":1}",
		"{" FIRST ",\"Expiration\":\"1970-01-01T00:00:00Z\"}"};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		nsteps = 0;
		answer("200", bodies[i]);
		start();
		set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url, "/keys");
		ck_assert_msg(get() == -EACCES, "%s", bodies[i]);
		ck_assert_ptr_null(strstr(err.message, "the-secret"));
	}
}
END_TEST

/* They would be lines of a request's head. */
START_TEST(keys_that_are_empty_or_have_blanks_are_none)
{
	static const char *const keys[][3] = {{"", "s", "t"}, {"k", "", "t"}, {"k", "s", "t\\r\\nX: y"},
		{"k k", "s", "t"}, {"k", "s\\n", ""}, {"k\xc3\x96", "s", ""}};
	char body[256];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		(void)snprintf(body, sizeof(body),
			"{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"%s\",\"Token\":\"%s\"}", keys[i][0],
			keys[i][1], keys[i][2]);
		nsteps = 0;
		answer("200", body);
		start();
		set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url, "/keys");
		ck_assert_msg(get() == -EACCES, "%s", body);
		ck_assert_ptr_nonnull(strstr(err.message, "empty, or have blanks"));
	}
}
END_TEST

TEST_PROGRAM("aws_credentials", 60, tcase_add_test(tc, a_machine_is_asked_with_a_token);
	     tcase_add_test(tc, a_machine_without_tokens_is_not_asked_otherwise);
	     tcase_add_test(tc, a_role_that_would_lead_elsewhere_is_refused);
	     tcase_add_test(tc, a_container_is_asked_with_its_token_and_before_the_machine);
	     tcase_add_test(tc, a_container_elsewhere_and_a_token_of_two_lines_are_refused);
	     tcase_add_test(tc, the_environment_comes_first);
	     tcase_add_test(tc, a_broken_answer_holds_no_keys);
	     tcase_add_test(tc, keys_that_are_empty_or_have_blanks_are_none))
