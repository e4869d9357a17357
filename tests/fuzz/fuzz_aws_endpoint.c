/* fuzz_aws_endpoint.c: URLs of endpoints. What we take one for is what libcurl takes it for, who connects: else a key would
 * go elsewhere. An endpoint is read again from what is written of it. */
#include "sandbox/base/fd.h"
#include "service/aws/credentials.h"
#include "service/aws/uri.h"
#include "tests/fuzz/fuzz.h"

#include <curl/curl.h>

static bool parse(CURLU *url, const char *text)
{
	return curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK;
}

/* libcurl goes to the same place for both. */
static void compare(CURLU *a, CURLU *b)
{
	static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char *left = NULL, *right = NULL;
		FUZZ_REQUIRE(curl_url_get(a, parts[i], &left, CURLU_DEFAULT_PORT) == CURLUE_OK);
		FUZZ_REQUIRE(curl_url_get(b, parts[i], &right, CURLU_DEFAULT_PORT) == CURLUE_OK);
		FUZZ_REQUIRE(strcasecmp(left, right) == 0);
		curl_free(left);
		curl_free(right);
	}
}

static void check_endpoint(const char *text, const struct aws_endpoint *endpoint)
{
	char written[AWS_ENDPOINT_URL_SIZE];
	struct aws_endpoint again;
	CURLU *theirs = curl_url(), *ours = curl_url();

	aws_endpoint_url(endpoint, written, sizeof(written));
	FUZZ_REQUIRE(strlen(written) < sizeof(written) - 1);
	FUZZ_REQUIRE(aws_endpoint_parse(written, &again, NULL) == 0);
	FUZZ_REQUIRE(memcmp(&again, endpoint, sizeof(again)) == 0);
	FUZZ_REQUIRE(
		endpoint->port <= 65535 && strcspn(endpoint->path, "?#@ \r\n") == strlen(endpoint->path));
	/* What libcurl refuses goes nowhere. */
	if (parse(theirs, text)) {
		char *user = NULL;
		FUZZ_REQUIRE(parse(ours, written));
		FUZZ_REQUIRE(curl_url_get(ours, CURLUPART_USER, &user, 0) == CURLUE_NO_USER);
		compare(theirs, ours);
	}
	curl_url_cleanup(theirs);
	curl_url_cleanup(ours);
}

/* Where a container's token may go without TLS is this machine. */
static void check_container(const char *text)
{
	static const char *const hosts[] = {
		"127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
	char *scheme = NULL, *host = NULL;
	CURLU *url = curl_url();
	bool is_here = false;

	if (parse(url, text)) {
		FUZZ_REQUIRE(curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK);
		FUZZ_REQUIRE(curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK);
		for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
			is_here |= strcmp(host, hosts[i]) == 0;
		FUZZ_REQUIRE(is_here || strcmp(scheme, "https") == 0);
	}
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	struct aws_endpoint endpoint;
	struct sandbox_error err = {0};

	FUZZ_REQUIRE(text != NULL);
	int r = aws_endpoint_parse(text, &endpoint, &err);
	FUZZ_REQUIRE(r == 0 ? err.errno_value == 0 : r == -EINVAL && err.errno_value == EINVAL);
	if (r == 0)
		check_endpoint(text, &endpoint);
	if (aws_credentials_may_ask(text))
		check_container(text);
	return 0;
}
