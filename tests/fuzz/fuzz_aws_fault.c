/* fuzz_aws_fault.c: what a service says went wrong. The first byte chooses the status; texts that end with NUL follow: the
 * body, and the headers' words for kind, code and request. Whatever comes, the log gets one line that betrays nothing. */
#include "sandbox/base/fd.h"
#include "service/aws/fault.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

/* The next text, as far as there is one; AT moves behind it. */
static const char *take_text(const char **at, const char *end)
{
	const char *text = *at;

	*at += strlen(text);
	*at += *at < end;
	return text;
}

static void check_line(const char *text, size_t size)
{
	FUZZ_REQUIRE(strnlen(text, size) < size);
	for (const char *at = text; *at != '\0'; at++)
		FUZZ_REQUIRE((unsigned char)*at >= ' ' && *at != 0x7f);
}

static void check_fault(const struct aws_fault *fault, unsigned status)
{
	FUZZ_REQUIRE(fault->status == status && fault->code[0] != '\0');
	check_line(fault->code, sizeof(fault->code));
	for (const char *at = fault->code; *at != '\0'; at++)
		FUZZ_REQUIRE(isalnum((unsigned char)*at) || *at == '.' || *at == '_');
	check_line(fault->message, sizeof(fault->message));
	check_line(fault->request_id, sizeof(fault->request_id));
	FUZZ_REQUIRE(strcasestr(fault->message, "signature=") == NULL);
	FUZZ_REQUIRE(strcasestr(fault->message, "security-token") == NULL);
	FUZZ_REQUIRE(strcasestr(fault->message, "authorization=") == NULL);
}

/* What fits is the same in any buffer, and what does not is none. */
static void check_element(const char *body)
{
	char large[4096], exact[4096];

	if (!aws_xml_text(body, "Message", large, sizeof(large)))
		return;
	size_t length = strnlen(large, sizeof(large));
	FUZZ_REQUIRE(length < sizeof(large));
	FUZZ_REQUIRE(aws_xml_text(body, "Message", exact, length + 1) && strcmp(exact, large) == 0);
	FUZZ_REQUIRE(length == 0 || !aws_xml_text(body, "Message", exact, length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned statuses[] = {400, 403, 404, 412, 304, 500, 503, 0};
	struct aws_fault_headers headers = {0};
	struct aws_fault fault = {0};

	if (size == 0)
		return 0;
	_cleanup_free_ char *texts = malloc(size);
	FUZZ_REQUIRE(texts != NULL);
	memcpy(texts, data + 1, size - 1);
	texts[size - 1] = '\0';
	const char *at = texts, *end = texts + size - 1;
	const char *body = take_text(&at, end);
	(void)snprintf(headers.error_type, sizeof(headers.error_type), "%s", take_text(&at, end));
	(void)snprintf(headers.query_error, sizeof(headers.query_error), "%s", take_text(&at, end));
	(void)snprintf(headers.request_id, sizeof(headers.request_id), "%s", take_text(&at, end));
	unsigned status = statuses[data[0] % ARRAY_SIZE(statuses)];
	aws_fault_read(status, &headers, data[0] & 0x80 ? NULL : body, &fault);
	check_fault(&fault, status);
	check_element(body);
	return 0;
}
