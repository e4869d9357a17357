/* fuzz_http.c: bytes on the wire, up to the stores and back.
 *
 * The input is a byte, how much is sent at a time (0: all at once), and what a client sends until it closes its side.
 * Every connection ends, nothing makes the service fail with 500, and what says that it is JSON is. */
#include "tests/fuzz/fuzz.h"
#include "tests/lib/api_daemon.h"

enum { ANSWER_MAX = 1 << 20, SUBMISSIONS_MAX = 2000 };

static struct api_daemon service;
static unsigned nsubmitted;

static void stop(void)
{
	api_daemon_close(&service);
}

/* The value of header NAME within the head of the answer; NULL: none. */
static const char *header(const char *head, const char *name)
{
	const char *at = strstr(head, name);

	return at != NULL ? at + strlen(name) : NULL;
}

static void check_json(const char *head, const char *body, bool is_head)
{
	const char *length = header(head, "Content-Length: ");

	FUZZ_REQUIRE(header(head, "X-Content-Type-Options: nosniff") != NULL && length != NULL);
	size_t size = strtoull(length, NULL, 10);
	if (is_head || strlen(body) < size)
		return; /* it has none, or the client has closed too early */
	json_t *json = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
	FUZZ_REQUIRE(json_is_object(json));
	json_decref(json);
}

/* The first answer; the others of a pipeline are like it. */
static void check_answer(char *text, size_t size, bool is_head)
{
	static const char begin[] = "HTTP/1.1 ";

	text[size] = '\0';
	if (size == 0)
		return;
	FUZZ_REQUIRE(strncmp(text, begin, sizeof(begin) - 1) == 0 || strncmp(text, "HTTP/1.0 ", 9) == 0);
	unsigned long status = strtoul(text + sizeof(begin) - 1, NULL, 10);
	FUZZ_REQUIRE(status >= 100 && status < 600 && status != 500);
	nsubmitted += status == 202;
	char *end = strstr(text, "\r\n\r\n");
	if (end == NULL || status == 100)
		return;
	*end = '\0';
	const char *type = header(text, "Content-Type: ");
	if (type != NULL && strncmp(type, "application/json", strlen("application/json")) == 0)
		check_json(text, end + 4, is_head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[ANSWER_MAX + 1];

	if (size == 0)
		return 0;
	if (service.daemon == NULL) {
		FUZZ_REQUIRE(api_daemon_open(&service, DEFAULT_POLICIES_DIR) == 0);
		(void)atexit(stop);
	}
	size_t chunk = data[0] != 0 ? data[0] : SIZE_MAX;
	ssize_t used = api_daemon_talk(&service, data + 1, size - 1, chunk, answer, ANSWER_MAX);
	FUZZ_REQUIRE(used >= 0);
	check_answer(answer, (size_t)used, size > 5 && memcmp(data + 1, "HEAD", 4) == 0);
	FUZZ_REQUIRE(service.exchanges.budget == 0);
	if (nsubmitted == SUBMISSIONS_MAX) {
		FUZZ_REQUIRE(api_daemon_reset(&service) == 0);
		nsubmitted = 0;
	}
	return 0;
}
