/* fuzz_aws_keys.c: documents with keys: JSON of containers and machines, XML of STS. Keys are whole and end with NUL, an end
 * is a time, and an error tells of neither. */
#include "sandbox/base/fd.h"
#include "service/aws/credentials.h"
#include "service/aws/secret.h"
#include "tests/fuzz/fuzz.h"

/* True: the document has keys, and they stand in it. */
static void check(
	int r, const char *body, const struct aws_credentials *keys, const struct sandbox_error *err)
{
	FUZZ_REQUIRE(r == 0 || r == -EPROTO);
	FUZZ_REQUIRE((r < 0) == (err->errno_value != 0));
	FUZZ_REQUIRE(strnlen(keys->access_key, sizeof(keys->access_key)) < sizeof(keys->access_key));
	FUZZ_REQUIRE(strnlen(keys->secret, sizeof(keys->secret)) < sizeof(keys->secret));
	FUZZ_REQUIRE(strnlen(keys->token, sizeof(keys->token)) < sizeof(keys->token));
	if (r < 0) {
		/* A short one stands in every sentence. */
		FUZZ_REQUIRE(strlen(keys->secret) < 32 || strstr(err->message, keys->secret) == NULL);
		return;
	}
	FUZZ_REQUIRE(strstr(body, "AccessKeyId") != NULL || strchr(body, '\\') != NULL);
	FUZZ_REQUIRE(keys->expires_usec >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *body = strndup((const char *)data, size);
	struct aws_credentials keys = {0};
	struct sandbox_error err = {0};

	FUZZ_REQUIRE(body != NULL);
	aws_secret_guard_libraries();
	check(aws_credentials_take_json(body, &keys, &err), body, &keys, &err);
	keys = (struct aws_credentials){0};
	err = (struct sandbox_error){0};
	int r = aws_credentials_take_xml(body, &keys, &err);
	check(r, body, &keys, &err);
	FUZZ_REQUIRE(r < 0 || keys.expires_usec > 0);
	return 0;
}
