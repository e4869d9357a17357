/* credentials_remote.c: keys for a while, from STS, from a container's endpoint, from the machine's. */
#include "sandbox/base/fd.h"
#include "service/aws/credentials.h"
#include "service/aws/secret.h"
#include "service/aws/transport.h"
#include "service/aws/uri.h"

#include <string.h>
#include <time.h>

static const char stage[] = "aws.credentials";

enum {
	FILE_MAX = 64 << 10,
	STS_MSEC = 5000,
	CONTAINER_MSEC = 2000,
	MACHINE_MSEC = 1000,
	URL_SIZE = 1024,
	USEC_PER_SEC = 1000000,
};

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* --- answers -------------------------------------------------------------------------------------------------- */

/* The answer to a request, which must be 200. What it says may hold keys: the caller wipes. */
static int ask(struct aws_transport *transport, const struct aws_attempt *attempt, struct aws_answer *ret,
	struct sandbox_error *err)
{
	int r = aws_transport_attempt(transport, attempt, ret, err);

	if (r < 0)
		return r;
	if (ret->status == 200)
		return 0;
	struct aws_fault fault = {0};
	aws_fault_read(ret->status, &ret->fault, ret->body, &fault);
	aws_secret_free(ret->body);
	*ret = (struct aws_answer){.status = ret->status};
	return error_set(err, EACCES, stage, "refused: %s %s", fault.code, fault.message);
}

static void wipe(struct aws_answer *answer)
{
	aws_secret_free(answer->body);
	answer->body = NULL;
}

/* "2026-11-24T10:00:00Z", with or without a fraction. */
static int take_expiry(const char *text, struct aws_credentials *ret, struct sandbox_error *err)
{
	struct tm tm = {0};

	bool is_time = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL;
	ret->expires_usec = (int64_t)timegm(&tm) * USEC_PER_SEC;
	if (!is_time || ret->expires_usec <= 0)
		return error_set(err, EPROTO, stage, "the end of the keys is no time");
	return 0;
}

static bool take_string(const json_t *answer, const char *key, char *buf, size_t size)
{
	const char *text = json_string_value(json_object_get(answer, key));

	if (text == NULL || strlen(text) >= size)
		return false;
	(void)snprintf(buf, size, "%s", text);
	return true;
}

int aws_credentials_take_json(const char *body, struct aws_credentials *ret, struct sandbox_error *err)
{
	json_t *answer = body != NULL ? json_loads(body, 0, NULL) : NULL;
	const char *expiration = json_string_value(json_object_get(answer, "Expiration"));
	const json_t *token = json_object_get(answer, "Token");
	int r = 0;

	if (!take_string(answer, "AccessKeyId", ret->access_key, sizeof(ret->access_key)) ||
		!take_string(answer, "SecretAccessKey", ret->secret, sizeof(ret->secret)))
		r = error_set(err, EPROTO, stage, "the answer holds no keys");
	if (r == 0 && token != NULL && !json_is_null(token) &&
		!take_string(answer, "Token", ret->token, sizeof(ret->token)))
		r = error_set(err, EPROTO, stage, "the token of the keys is too long, or none");
	if (r == 0 && expiration != NULL)
		r = take_expiry(expiration, ret, err);
	json_decref(answer);
	return r;
}

/* --- files ---------------------------------------------------------------------------------------------------- */

/* The first line of the file, without its end. Owned. */
static int read_token(const char *path, char **ret, struct sandbox_error *err)
{
	int r = aws_secret_read(path, FILE_MAX, ret);

	if (r < 0)
		return error_set(err, -r, stage, "%s: %s", path, strerrordesc_np(-r));
	(*ret)[strcspn(*ret, "\r\n")] = '\0';
	return 0;
}

/* --- web identity --------------------------------------------------------------------------------------------- */

static char *sts_form(const char *role, const char *session, const char *token)
{
	struct aws_text form;

	if (!aws_text_open(&form))
		return NULL;
	(void)fputs("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=", form.stream);
	aws_uri_encode(form.stream, role, false);
	(void)fputs("&RoleSessionName=", form.stream);
	aws_uri_encode(form.stream, session, false);
	(void)fputs("&WebIdentityToken=", form.stream);
	aws_uri_encode(form.stream, token, false);
	return aws_text_close(&form, NULL);
}

int aws_credentials_take_xml(const char *body, struct aws_credentials *ret, struct sandbox_error *err)
{
	char expiration[64];

	if (body == NULL || !aws_xml_text(body, "AccessKeyId", ret->access_key, sizeof(ret->access_key)) ||
		!aws_xml_text(body, "SecretAccessKey", ret->secret, sizeof(ret->secret)) ||
		!aws_xml_text(body, "SessionToken", ret->token, sizeof(ret->token)) ||
		!aws_xml_text(body, "Expiration", expiration, sizeof(expiration)))
		return error_set(err, EPROTO, stage, "STS's answer holds no keys");
	return take_expiry(expiration, ret, err);
}

/* The token is read each time: whoever made it makes it anew. The request is not signed. */
int aws_credentials_web_identity(
	const struct aws_sources *sources, struct aws_credentials *ret, struct sandbox_error *err)
{
	static const struct aws_pair headers[] = {{"Content-Type", "application/x-www-form-urlencoded"}};
	const char *path = variable("AWS_WEB_IDENTITY_TOKEN_FILE"), *role = variable("AWS_ROLE_ARN");
	const char *session = variable("AWS_ROLE_SESSION_NAME");
	_cleanup_secret_ char *token = NULL;
	struct aws_answer answer;
	char url[URL_SIZE];

	if (path == NULL || role == NULL)
		return AWS_NOT_HERE;
	int r = read_token(path, &token, err);
	if (r < 0)
		return r;
	_cleanup_secret_ char *form = sts_form(role, session != NULL ? session : "cofferdam", token);
	if (form == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	(void)snprintf(url, sizeof(url), "%s/", sources->sts_endpoint);
	const struct aws_attempt attempt = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.nheaders = ARRAY_SIZE(headers),
		.body = form,
		.body_size = strlen(form),
		.reply_fd = -1,
		.msec = STS_MSEC,
	};
	r = ask(sources->transport, &attempt, &answer, err);
	if (r == 0)
		r = aws_credentials_take_xml(answer.body, ret, err);
	wipe(&answer);
	return r;
}

/* --- a container ---------------------------------------------------------------------------------------------- */

bool aws_credentials_may_ask(const char *url)
{
	static const char *const hosts[] = {
		"127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
	struct aws_endpoint endpoint;
	char origin[URL_SIZE];

	(void)snprintf(origin, sizeof(origin), "%.*s",
		(int)(strstr(url, "://") != NULL ? (size_t)(strstr(url, "://") - url) + 3 +
							   strcspn(strstr(url, "://") + 3, "/?#")
						 : strlen(url)),
		url);
	if (aws_endpoint_parse(origin, &endpoint, NULL) < 0)
		return false;
	if (strcmp(endpoint.scheme, "https") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		if (strcmp(endpoint.host, hosts[i]) == 0)
			return true;
	return false;
}

static int container_url(char *url, size_t size, struct sandbox_error *err)
{
	const char *relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");

	if (relative == NULL && full == NULL)
		return AWS_NOT_HERE;
	if (relative != NULL && relative[0] != '/')
		return error_set(
			err, EINVAL, stage, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI begins with '/'");
	int n = relative != NULL ? snprintf(url, size, "http://169.254.170.2%s", relative)
				 : snprintf(url, size, "%s", full);
	if (n < 0 || (size_t)n >= size || !aws_credentials_may_ask(url))
		return error_set(err, EINVAL, stage,
			"AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine");
	return 0;
}

/* NULL with 0: none is needed. Owned. */
static int container_token(char **ret, struct sandbox_error *err)
{
	const char *path = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");

	*ret = NULL;
	if (path != NULL)
		return read_token(path, ret, err);
	if (token == NULL)
		return 0;
	if (strpbrk(token, "\r\n") != NULL)
		return error_set(
			err, EINVAL, stage, "AWS_CONTAINER_AUTHORIZATION_TOKEN has more than one line");
	*ret = strdup(token);
	return *ret != NULL ? 0 : error_set(err, ENOMEM, stage, "no memory");
}

int aws_credentials_container(
	const struct aws_sources *sources, struct aws_credentials *ret, struct sandbox_error *err)
{
	_cleanup_secret_ char *token = NULL;
	struct aws_answer answer = {0};
	char url[URL_SIZE];

	int r = container_url(url, sizeof(url), err);
	if (r == 0)
		r = container_token(&token, err);
	if (r != 0)
		return r;
	const struct aws_pair headers[] = {{"Authorization", token}};
	const struct aws_attempt attempt = {
		.method = "GET",
		.url = url,
		.headers = headers,
		.nheaders = token != NULL ? 1 : 0,
		.body_fd = -1,
		.reply_fd = -1,
		.msec = CONTAINER_MSEC,
	};
	r = ask(sources->direct, &attempt, &answer, err);
	if (r == 0)
		r = aws_credentials_take_json(answer.body, ret, err);
	wipe(&answer);
	return r;
}

/* --- the machine: IMDSv2 -------------------------------------------------------------------------------------- */

static int machine_ask(const struct aws_sources *sources, const char *method, const char *path,
	const struct aws_pair *header, struct aws_answer *ret, struct sandbox_error *err)
{
	const char *endpoint = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	char url[URL_SIZE];

	*ret = (struct aws_answer){0};
	int n = snprintf(
		url, sizeof(url), "%s%s", endpoint != NULL ? endpoint : "http://169.254.169.254", path);
	if (n < 0 || (size_t)n >= sizeof(url))
		return error_set(err, EINVAL, stage, "AWS_EC2_METADATA_SERVICE_ENDPOINT is too long");
	const struct aws_attempt attempt = {
		.method = method,
		.url = url,
		.headers = header,
		.nheaders = 1,
		.body_fd = -1,
		.reply_fd = -1,
		.msec = MACHINE_MSEC,
	};
	return ask(sources->direct, &attempt, ret, err);
}

/* A name that may stand in a path. */
static bool role_ok(const char *role)
{
	return *role != '\0' && strlen(role) < 200 &&
	       strspn(role, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@_-") ==
		       strlen(role);
}

static int machine_keys(const struct aws_sources *sources, const char *token, struct aws_credentials *ret,
	struct sandbox_error *err)
{
	static const char base[] = "/latest/meta-data/iam/security-credentials/";
	const struct aws_pair header = {"x-aws-ec2-metadata-token", token};
	struct aws_answer answer;
	char path[URL_SIZE];

	int r = machine_ask(sources, "GET", base, &header, &answer, err);
	if (r < 0)
		return r;
	answer.body[strcspn(answer.body, "\r\n")] = '\0';
	bool is_ok = role_ok(answer.body);
	(void)snprintf(path, sizeof(path), "%s%s", base, answer.body);
	free(answer.body);
	if (!is_ok)
		return error_set(err, EPROTO, stage, "the machine's role has no usable name");
	r = machine_ask(sources, "GET", path, &header, &answer, err);
	if (r == 0)
		r = aws_credentials_take_json(answer.body, ret, err);
	wipe(&answer);
	return r;
}

int aws_credentials_machine(
	const struct aws_sources *sources, struct aws_credentials *ret, struct sandbox_error *err)
{
	static const struct aws_pair ttl = {"x-aws-ec2-metadata-token-ttl-seconds", "21600"};
	const char *is_disabled = variable("AWS_EC2_METADATA_DISABLED");
	struct aws_answer answer;

	if (is_disabled != NULL && strcmp(is_disabled, "true") == 0)
		return AWS_NOT_HERE;
	int r = machine_ask(sources, "PUT", "/latest/api/token", &ttl, &answer, err);
	if (r < 0)
		return r;
	answer.body[strcspn(answer.body, "\r\n")] = '\0';
	r = machine_keys(sources, answer.body, ret, err);
	wipe(&answer);
	return r;
}
