/* Keys that have an end, and keys that a service no longer knows. Their sources are scripted (tests/lib/scripted.h). */
#include "sandbox/base/fd.h"
#include "service/aws/client.h"
#include "service/aws/environment.h"
#include "tests/lib/scripted.h"
#include "tests/lib/test.h"

#include <dlfcn.h>
#include <string.h>
#include <time.h>

/* Closed after each answer: the server serves one connection at a time, and several ask. */
#define ANSWER(status, body)                                                                                 \
	{                                                                                                    \
		"HTTP/1.1 " status " X\r\nConnection: close\r\n\r\n" body, SCRIPTED_CLOSE                    \
	}
#define KEYS(name, end)                                                                                      \
	"{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"the-secret\",\"Token\":\"" name                     \
	"\",\"Expiration\":\"" end "\"}"
#define STS_KEYS(name, end)                                                                                  \
	"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"                  \
	"<AccessKeyId>AKID</AccessKeyId><SecretAccessKey>the-secret</SecretAccessKey><SessionToken>" name    \
	"</SessionToken><Expiration>" end "</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"    \
	"</AssumeRoleWithWebIdentityResponse>"
#define FAR "2099-01-01T00:00:00Z"
#define PAST "2020-01-01T00:00:00Z"
#define UNKNOWN ANSWER("400", "{\"__type\":\"a#ExpiredTokenException\",\"message\":\"expired\"}")

/* Everything that has an end is due at once. */
static const struct aws_chain_pace at_once = {.again_msec = 20};

static struct scripted server;
static struct aws_chain *chain;
static struct aws_credentials credentials;
static struct sandbox_error err;
static bool has_no_threads;

/* In place of libc's: no thread is to be had where the test says so. */
int pthread_create(
	pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *user), void *user)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (has_no_threads)
		return EAGAIN;
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	return real(thread, attributes, start, user);
}

static void set(const char *name, const char *before, const char *value)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%s%s", before, value);
	ck_assert_int_eq(setenv(name, text, 1), 0);
}

/* Nothing of the machine's own counts. */
static void start(const struct scripted_step *steps, size_t nsteps)
{
	static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		"AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL_STS"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unsetenv(names[i]);
	set("AWS_SHARED_CREDENTIALS_FILE", "", "/nonexistent");
	set("AWS_CONFIG_FILE", "", "/nonexistent");
	scripted_start(&server, steps, nsteps);
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "", server.url);
}

static void open_chain(const struct aws_chain_pace *pace)
{
	const struct aws_chain_options options = {.sts_endpoint = server.url, .pace = pace};

	ck_assert_int_eq(aws_chain_open(&options, &chain, &err), 0);
	ck_assert_int_eq(aws_chain_get(chain, &credentials, &err), 0);
}

static void await_token(const char *token)
{
	while (aws_chain_get(chain, &credentials, &err) == 0 && strcmp(credentials.token, token) != 0)
		(void)usleep(1000);
	ck_assert_str_eq(credentials.token, token);
}

static void stop(void)
{
	chain = aws_chain_close(chain);
	scripted_stop(&server);
}

/* --- a web identity --------------------------------------------------------------------------------------------- */

static char token_path[] = "/tmp/cofferdam-test-token-XXXXXX";

static void write_token(const char *text)
{
	FILE *file = fopen(token_path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void begin_identity(const char *token)
{
	_cleanup_close_ int fd = mkstemp(token_path);

	ck_assert_int_ge(fd, 0);
	write_token(token);
	set("AWS_WEB_IDENTITY_TOKEN_FILE", "", token_path);
	set("AWS_ROLE_ARN", "", "arn:aws:iam::1:role/r");
}

START_TEST(an_identity_is_read_anew_for_each_renewal)
{
	static const struct scripted_step steps[] = {
		ANSWER("200", STS_KEYS("first", FAR)), ANSWER("200", STS_KEYS("second", FAR))};

	start(steps, ARRAY_SIZE(steps));
	begin_identity("one/+\n");
	set("AWS_ROLE_SESSION_NAME", "", "me@here");
	open_chain(NULL);
	ck_assert_str_eq(credentials.access_key, "AKID");
	ck_assert_str_eq(credentials.secret, "the-secret");
	ck_assert_str_eq(credentials.token, "first");
	ck_assert_int_eq(credentials.expires_usec, INT64_C(4070908800) * 1000000);
	ck_assert_ptr_eq(strstr(server.requests[0], "POST / "), server.requests[0]);
	ck_assert_ptr_null(strcasestr(server.requests[0], "\r\nAuthorization:"));
	ck_assert_ptr_nonnull(
		strstr(server.requests[0], "\r\n\r\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15&"
					   "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3A"
					   "role%2Fr&RoleSessionName=me%40here&WebIdentityToken=one%2F%2B"));
	write_token("two");
	(void)unsetenv("AWS_ROLE_SESSION_NAME");
	ck_assert(aws_chain_renew(chain, credentials.generation));
	ck_assert_int_eq(aws_chain_get(chain, &credentials, &err), 0);
	ck_assert_str_eq(credentials.token, "second");
	ck_assert_ptr_nonnull(strstr(server.requests[1], "&RoleSessionName=cofferdam&WebIdentityToken=two"));
	(void)unlink(token_path);
	stop();
}
END_TEST

START_TEST(an_identity_goes_to_its_regions_sts)
{
	static const char *const regions[][2] = {{"eu-west-1", "https://sts.eu-west-1.amazonaws.com"},
		{"cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"}};
	struct aws_environment *own = NULL;

	start(NULL, 0);
	(void)unsetenv("AWS_ENDPOINT_URL");
	for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
		set("AWS_REGION", "", regions[i][0]);
		ck_assert_int_eq(aws_environment_open(&own, &err), 0);
		ck_assert_str_eq(own->sts_url, regions[i][1]);
		own = aws_environment_close(own);
	}
	scripted_stop(&server);
}
END_TEST

/* --- renewal ---------------------------------------------------------------------------------------------------- */

/* Had the second call waited for the renewal, that would have failed, as it goes on only then. */
START_TEST(a_renewal_stalls_no_caller)
{
	static const struct scripted_step steps[] = {ANSWER("200", STS_KEYS("first", PAST)),
		{"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" STS_KEYS("second", FAR), SCRIPTED_GATE}};

	start(steps, ARRAY_SIZE(steps));
	begin_identity("one");
	open_chain(&at_once);
	scripted_await(&server, 2);
	ck_assert_int_eq(aws_chain_get(chain, &credentials, &err), 0);
	ck_assert_str_eq(credentials.token, "first");
	scripted_open_gate(&server);
	await_token("second");
	ck_assert_uint_eq(atomic_load(&server.nrequests), 2);
	(void)unlink(token_path);
	stop();
}
END_TEST

START_TEST(keys_whose_renewal_fails_are_used_on)
{
	static const struct scripted_step steps[] = {ANSWER("200", "imds-token"), ANSWER("200", "role-1"),
		ANSWER("200", KEYS("first", PAST)), ANSWER("500", ""), ANSWER("200", "imds-token"),
		ANSWER("404", ""), ANSWER("200", "imds-token"), ANSWER("200", "role-1"), ANSWER("200", "{"),
		{"", SCRIPTED_GATE}, ANSWER("200", "imds-token"), ANSWER("200", "role-1"),
		ANSWER("200", KEYS("second", FAR))};

	start(steps, ARRAY_SIZE(steps));
	open_chain(&at_once);
	scripted_await(&server, 10);
	ck_assert_int_eq(aws_chain_get(chain, &credentials, &err), 0);
	ck_assert_str_eq(credentials.access_key, "AKID");
	ck_assert_str_eq(credentials.secret, "the-secret");
	ck_assert_str_eq(credentials.token, "first");
	scripted_open_gate(&server);
	await_token("second");
	stop();
}
END_TEST

START_TEST(without_a_thread_callers_renew)
{
	static const struct scripted_step steps[] = {
		ANSWER("200", KEYS("first", PAST)), ANSWER("500", ""), ANSWER("200", KEYS("second", FAR))};

	start(steps, ARRAY_SIZE(steps));
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url, "/keys");
	has_no_threads = true;
	open_chain(&at_once);
	await_token("second");
	ck_assert_uint_eq(atomic_load(&server.nrequests), 3);
	stop();
}
END_TEST

START_TEST(a_source_that_has_no_others_is_not_asked_with_every_call)
{
	static const struct scripted_step steps[] = {
		ANSWER("200", KEYS("first", FAR)), ANSWER("200", KEYS("first", FAR))};
	const struct aws_chain_pace an_hour = {.again_msec = 20, .vain_msec = 3600 * 1000};

	start(steps, ARRAY_SIZE(steps));
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url, "/keys");
	open_chain(&an_hour);
	ck_assert(!aws_chain_renew(chain, credentials.generation));
	ck_assert(!aws_chain_renew(chain, credentials.generation));
	ck_assert_uint_eq(atomic_load(&server.nrequests), 2);
	stop();
}
END_TEST

/* --- keys that the service does not know ------------------------------------------------------------------------ */

static struct aws_environment *environment;
static struct aws_client *client;
static struct aws_fault fault;

/* Keys from STS by way of its own endpoint; nobody may ask at the general one. */
static int call(void)
{
	json_t *in = json_object(), *out = NULL;
	const struct aws_json_request request = {.operation = "GetItem", .in = in, .fault = &fault};

	if (environment == NULL) {
		set("AWS_REGION", "", "eu-west-1");
		set("AWS_ENDPOINT_URL", "", "http://127.0.0.1:1");
		set("AWS_ENDPOINT_URL_DYNAMODB", "", server.url);
		set("AWS_ENDPOINT_URL_STS", server.url, "/sts/");
		ck_assert_int_eq(aws_environment_open(&environment, &err), 0);
		ck_assert_int_eq(aws_client_open(environment, AWS_DYNAMODB, &client, &err), 0);
	}
	err = (struct sandbox_error){0};
	int r = aws_json_call(client, &request, &out, &err);
	json_decref(in);
	if (r >= 0)
		json_decref(out);
	return r;
}

static void stop_client(void)
{
	client = aws_client_close(client);
	environment = aws_environment_close(environment);
	(void)unlink(token_path);
	scripted_stop(&server);
}

START_TEST(keys_known_no_longer_are_renewed_once_and_the_call_repeated)
{
	static const struct scripted_step steps[] = {ANSWER("200", STS_KEYS("first", FAR)), UNKNOWN,
		ANSWER("200", STS_KEYS("second", FAR)), ANSWER("200", "{}"), ANSWER("200", "{}")};

	start(steps, ARRAY_SIZE(steps));
	begin_identity("one");
	ck_assert_int_eq(call(), 0);
	ck_assert_uint_eq(fault.attempts, 2);
	ck_assert_ptr_eq(strstr(server.requests[0], "POST /sts/ "), server.requests[0]);
	ck_assert_ptr_nonnull(strcasestr(server.requests[1], "\r\nX-Amz-Security-Token: first\r\n"));
	ck_assert_ptr_nonnull(strcasestr(server.requests[3], "\r\nX-Amz-Security-Token: second\r\n"));
	ck_assert_int_eq(call(), 0);
	ck_assert_ptr_nonnull(strcasestr(server.requests[4], "\r\nX-Amz-Security-Token: second\r\n"));
	stop_client();
}
END_TEST

START_TEST(keys_refused_again_make_the_service_unavailable)
{
	static const struct scripted_step steps[] = {ANSWER("200", STS_KEYS("first", FAR)), UNKNOWN,
		ANSWER("200", STS_KEYS("second", FAR)), UNKNOWN};

	start(steps, ARRAY_SIZE(steps));
	begin_identity("one");
	ck_assert_int_eq(call(), -EACCES);
	ck_assert(aws_is_unavailable(-EACCES));
	ck_assert_str_eq(fault.code, "ExpiredTokenException");
	ck_assert_uint_eq(atomic_load(&server.nrequests), 4);
	stop_client();
}
END_TEST

START_TEST(a_call_is_not_repeated_with_the_same_keys)
{
	static const struct scripted_step steps[] = {ANSWER("200", STS_KEYS("first", FAR)), UNKNOWN,
		ANSWER("200", STS_KEYS("first", FAR)), UNKNOWN};

	start(steps, ARRAY_SIZE(steps));
	begin_identity("one");
	ck_assert_int_eq(call(), -EACCES);
	ck_assert_uint_eq(atomic_load(&server.nrequests), 3);
	stop_client();
}
END_TEST

TEST_PROGRAM("aws_renewal", 60, tcase_add_test(tc, an_identity_is_read_anew_for_each_renewal);
	     tcase_add_test(tc, an_identity_goes_to_its_regions_sts);
	     tcase_add_test(tc, a_renewal_stalls_no_caller);
	     tcase_add_test(tc, a_source_that_has_no_others_is_not_asked_with_every_call);
	     tcase_add_test(tc, keys_whose_renewal_fails_are_used_on);
	     tcase_add_test(tc, without_a_thread_callers_renew);
	     tcase_add_test(tc, keys_known_no_longer_are_renewed_once_and_the_call_repeated);
	     tcase_add_test(tc, keys_refused_again_make_the_service_unavailable);
	     tcase_add_test(tc, a_call_is_not_repeated_with_the_same_keys))
