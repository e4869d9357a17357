/* fuzz_aws_keys.c: documents with keys: JSON of containers and machines, XML of STS. Keys are whole and end with NUL, an end
 * is a time, and an error tells of neither. */
#include "sandbox/base/fd.h"
#include "service/aws/credentials.h"
#include "service/aws/secret.h"
#include "tests/fuzz/fuzz.h"

static bool is_value(const json_t *answer, const char *name, const char *text)
{
	const char *value = json_string_value(json_object_get(answer, name));

	return strcmp(value != NULL ? value : "", text) == 0;
}

static bool is_element(const char *body, const char *name, const char *text)
{
	static char value[1 << 16];

	return aws_xml_text(body, name, value, sizeof(value)) && strcmp(value, text) == 0;
}

static void check(int r, const struct aws_credentials *keys, const struct sandbox_error *err)
{
	FUZZ_REQUIRE(r == 0 || r == -EPROTO);
	FUZZ_REQUIRE((r < 0) == (err->errno_value != 0));
	FUZZ_REQUIRE(strnlen(keys->access_key, sizeof(keys->access_key)) < sizeof(keys->access_key));
	FUZZ_REQUIRE(strnlen(keys->secret, sizeof(keys->secret)) < sizeof(keys->secret));
	FUZZ_REQUIRE(strnlen(keys->token, sizeof(keys->token)) < sizeof(keys->token));
	/* A short one stands in every sentence. */
	FUZZ_REQUIRE(strlen(keys->secret) < 32 || strstr(err->message, keys->secret) == NULL);
	FUZZ_REQUIRE(r < 0 || keys->expires_usec >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *body = strndup((const char *)data, size);
	struct aws_credentials keys = {0};
	struct sandbox_error err = {0};

	FUZZ_REQUIRE(body != NULL);
	aws_secret_guard_libraries();
	int r = aws_credentials_take_json(body, &keys, &err);
	check(r, &keys, &err);
	if (r == 0) {
		json_t *answer = json_loads(body, 0, NULL);
		FUZZ_REQUIRE(is_value(answer, "AccessKeyId", keys.access_key) &&
			     is_value(answer, "SecretAccessKey", keys.secret) &&
			     is_value(answer, "Token", keys.token));
		json_decref(answer);
	}
	keys = (struct aws_credentials){0};
	err = (struct sandbox_error){0};
	r = aws_credentials_take_xml(body, &keys, &err);
	check(r, &keys, &err);
	FUZZ_REQUIRE(r < 0 || (keys.expires_usec > 0 && is_element(body, "AccessKeyId", keys.access_key) &&
				      is_element(body, "SecretAccessKey", keys.secret) &&
				      is_element(body, "SessionToken", keys.token)));
	return 0;
}
