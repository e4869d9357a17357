/* No memory is given back that still holds a key, a token or a signature, whoever held it: our code or a library.
 *
 * This program has a free of its own, which looks at each block first. */
#include "sandbox/base/fd.h"
#include "service/aws/client.h"
#include "tests/lib/scripted.h"
#include "tests/lib/test.h"

#include <malloc.h>
#include <stdatomic.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
void REAL(free)(void *block);
void *REAL(realloc)(void *old, size_t size);

static const char *const secrets[] = {"the-secret-key", "the-session-token", "the-identity", "imds-token",
	"the-authorization", "Signature="};
static atomic_bool is_looking;
static atomic_uint nfound[ARRAY_SIZE(secrets)];

static bool holds(const char *block, size_t size, const char *secret)
{
	return memmem(block, size, secret, strlen(secret)) != NULL;
}

void free(void *block)
{
	size_t size = is_looking && block != NULL ? malloc_usable_size(block) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(secrets) && size > 0; i++)
		if (holds(block, size, secrets[i]))
			(void)atomic_fetch_add(&nfound[i], 1);
	REAL(free)(block);
}

/* Gives the old block back always, as the allocator is free to do. */
void *realloc(void *old, size_t size)
{
	if (!is_looking)
		return REAL(realloc)(old, size);
	size_t before = old != NULL ? malloc_usable_size(old) : 0;
	void *block = malloc(size);

	if (block != NULL && before > 0)
		memcpy(block, old, before < size ? before : size);
	if (block != NULL || size == 0)
		free(old);
	return block;
}

/* --- the tests -------------------------------------------------------------------------------------------------- */

#define ANSWER(status, body)                                                                                 \
	{                                                                                                    \
		"HTTP/1.1 " status " X\r\nConnection: close\r\n\r\n" body, SCRIPTED_CLOSE                    \
	}
#define FAR "2099-01-01T00:00:00Z"
#define KEYS                                                                                                 \
	"{\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"the-secret-key\",\"Token\":\"the-session-token\","  \
	"\"Expiration\":\"" FAR "\"}"
#define STS_KEYS                                                                                             \
	"<a><AccessKeyId>AKID</AccessKeyId><SecretAccessKey>the-secret-key</SecretAccessKey><SessionToken>"  \
	"the-session-token</SessionToken><Expiration>" FAR "</Expiration></a>"

static struct scripted server;
static char path[] = "/tmp/cofferdam-test-secret-XXXXXX";

static void set(const char *name, const char *before, const char *value)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%s%s", before, value);
	ck_assert_int_eq(setenv(name, text, 1), 0);
}

static void write_file(const char *text)
{
	_cleanup_close_ int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
}

static void start(const struct scripted_step *steps, size_t nsteps)
{
	static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unsetenv(names[i]);
	scripted_start(&server, steps, nsteps);
	set("AWS_SHARED_CREDENTIALS_FILE", "", "/nonexistent");
	set("AWS_CONFIG_FILE", "", "/nonexistent");
	set("AWS_REGION", "", "eu-west-1");
	set("AWS_ENDPOINT_URL", "", server.url);
	set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "", server.url);
}

/* Fetches the keys, makes a call that goes well or not, and a link; nothing is left. */
static void use(int expected)
{
	struct aws_environment *environment = NULL;
	struct aws_client *client = NULL;
	const struct aws_request request = {.method = "PUT", .path = "/x", .body = "x", .body_size = 1};
	const struct aws_presign link = {.path = "/x", .ttl_sec = 60};
	struct aws_reply reply = {0};
	char *url = NULL;
	unsigned ttl_sec;

	is_looking = true;
	ck_assert_int_eq(aws_environment_open(&environment, NULL), 0);
	ck_assert_int_eq(aws_client_open(environment, AWS_S3, &client, NULL), 0);
	ck_assert_int_eq(aws_call(client, &request, &reply, NULL), expected);
	aws_reply_free(&reply);
	if (expected == 0) {
		ck_assert_int_eq(aws_presign_get(client, &link, &url, &ttl_sec, NULL), 0);
		ck_assert_ptr_nonnull(strstr(url, "the-session-token"));
		memset(url, 0, strlen(url)); /* it is the caller's */
		free(url);
	}
	client = aws_client_close(client);
	environment = aws_environment_close(environment);
	is_looking = false;
	scripted_stop(&server);
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		ck_assert_msg(nfound[i] == 0, "%s: in %u blocks", secrets[i], nfound[i]);
}

START_TEST(of_a_containers_keys)
{
	static const struct scripted_step steps[] = {ANSWER("200", KEYS), ANSWER("200", "")};

	start(steps, ARRAY_SIZE(steps));
	set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url, "/keys");
	set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "", "the-authorization");
	use(0);
	ck_assert_ptr_nonnull(strstr(server.requests[0], "the-authorization"));
}
END_TEST

START_TEST(of_the_machines_keys)
{
	static const struct scripted_step steps[] = {
		ANSWER("200", "imds-token"), ANSWER("200", "role-1"), ANSWER("200", KEYS), ANSWER("200", "")};

	start(steps, ARRAY_SIZE(steps));
	use(0);
}
END_TEST

START_TEST(of_a_web_identitys_keys)
{
	static const struct scripted_step steps[] = {ANSWER("200", STS_KEYS), ANSWER("200", "")};

	start(steps, ARRAY_SIZE(steps));
	write_file("the-identity");
	set("AWS_WEB_IDENTITY_TOKEN_FILE", "", path);
	set("AWS_ROLE_ARN", "", "arn:aws:iam::1:role/r");
	use(0);
	(void)unlink(path);
}
END_TEST

/* Larger than a first buffer. */
START_TEST(of_a_shared_files_keys)
{
	static const struct scripted_step steps[] = {ANSWER("200", "")};
	static char text[20000];

	int n = snprintf(text, sizeof(text),
		"[default]\naws_access_key_id=AKID\naws_secret_access_key=the-secret-key\n"
		"aws_session_token=the-session-token\n");
	memset(text + n, '#', sizeof(text) - 1 - (size_t)n);
	start(steps, ARRAY_SIZE(steps));
	write_file(text);
	set("AWS_SHARED_CREDENTIALS_FILE", "", path);
	use(0);
	(void)unlink(path);
}
END_TEST

START_TEST(of_a_long_token)
{
	static const struct scripted_step steps[] = {ANSWER("200", "")};
	static char token[6000] = "the-session-token";

	memset(token + strlen(token), 'x', sizeof(token) - 1 - strlen(token));
	start(steps, ARRAY_SIZE(steps));
	ck_assert_int_eq(setenv("AWS_ACCESS_KEY_ID", "AKID", 1), 0);
	ck_assert_int_eq(setenv("AWS_SECRET_ACCESS_KEY", "the-secret-key", 1), 0);
	ck_assert_int_eq(setenv("AWS_SESSION_TOKEN", token, 1), 0);
	use(0);
}
END_TEST

START_TEST(of_answers_that_are_no_use)
{
	static const struct scripted_step broken[] = {ANSWER("200", KEYS "}")};
	static const struct scripted_step half[] = {
		{"HTTP/1.1 200 X\r\nContent-Length: 900\r\n\r\n" KEYS, SCRIPTED_CLOSE}};
	static const struct scripted_step refused[] = {ANSWER("403", KEYS)};
	const struct scripted_step *const all[] = {broken, half, refused};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		start(all[i], 1);
		set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url, "/keys");
		use(-EACCES);
	}
}
END_TEST

TEST_PROGRAM("aws_secrets", 60, tcase_add_test(tc, of_a_containers_keys);
	     tcase_add_test(tc, of_the_machines_keys); tcase_add_test(tc, of_a_web_identitys_keys);
	     tcase_add_test(tc, of_a_shared_files_keys); tcase_add_test(tc, of_a_long_token);
	     tcase_add_test(tc, of_answers_that_are_no_use))
