/* fuzz_aws_ini.c: the shared files of AWS's tools. A value is one line of its file without blanks at its ends, fits, and is
 * overruled by one that comes after it. */
#include "sandbox/base/fd.h"
#include "service/aws/ini.h"
#include "tests/fuzz/fuzz.h"

static const char section[] = "default", key[] = "aws_access_key_id";

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void check_value(const char *text, const char *value, size_t size)
{
	size_t length = strnlen(value, size);

	FUZZ_REQUIRE(length < size && strchr(value, '\n') == NULL);
	FUZZ_REQUIRE(
		strstr(text, value) != NULL && strstr(text, section) != NULL && strstr(text, key) != NULL);
	FUZZ_REQUIRE(length == 0 || !(is_blank(value[0]) || is_blank(value[length - 1])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	_cleanup_free_ char *more = NULL;
	char value[32] = "";

	FUZZ_REQUIRE(text != NULL);
	if (aws_ini_get(text, section, key, value, sizeof(value)))
		check_value(text, value, sizeof(value));
	FUZZ_REQUIRE(asprintf(&more, "%s\n[ %s ]\n%s = last #", text, section, key) > 0);
	FUZZ_REQUIRE(aws_ini_get(more, section, key, value, sizeof(value)) && strcmp(value, "last") == 0);
	FUZZ_REQUIRE(!aws_ini_get(text, "no\nsection", key, value, sizeof(value)));
	return 0;
}
