/* fuzz_request.c: POST /submit, and the headers that are judged beside it. A job that is accepted holds its bounds and
 * can be said again; a refusal has words that can be sent. The input serves as a body and, up to its first NUL, as a
 * header's value. */
#include "sandbox/base/fd.h"
#include "sandbox/json/json_text.h"
#include "service/api.h"
#include "service/request.h"
#include "tests/fuzz/fuzz.h"

static const struct request_limits limits = {.code_bytes = 64, .input_bytes = 32};

static void check_text(const char *text, size_t size, size_t min, size_t max)
{
	FUZZ_REQUIRE(strlen(text) == size && size >= min && size <= max);
	json_t *json = json_string(text); /* NULL when it is no UTF-8 */
	FUZZ_REQUIRE(json != NULL);
	json_decref(json);
}

static void check_line(const char *text, size_t max)
{
	check_text(text, strlen(text), 1, max);
	for (; *text != '\0'; text++)
		FUZZ_REQUIRE((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_job(const struct job *job)
{
	struct job again = {0};
	struct api_error err;

	check_line(job->user_id, JOB_USER_ID_BYTES);
	check_line(job->language, JOB_LANGUAGE_BYTES);
	check_text(job->code, job->code_size, 1, limits.code_bytes);
	check_text(job->input, job->input_size, 0, limits.input_bytes);
	json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "userId", job->user_id, "language", job->language,
		"code", job->code, "input", job->input);
	_cleanup_free_ char *text = json_dumps(json, 0);
	FUZZ_REQUIRE(strlen(text) <= request_body_max(&limits));
	FUZZ_REQUIRE(request_parse(text, strlen(text), &limits, &again, &err) == 0);
	FUZZ_REQUIRE(strcmp(job->code, again.code) == 0 && strcmp(job->input, again.input) == 0);
	json_decref(json);
	job_free(&again);
	json = job_json(job);
	FUZZ_REQUIRE(json != NULL);
	json_decref(json);
}

static void check_refusal(int r, const struct api_error *err)
{
	FUZZ_REQUIRE(r > API_ERROR_NONE && r < API_ERROR_N && err->code == (enum api_error_code)r);
	FUZZ_REQUIRE(err->message[0] != '\0');
	json_t *json = api_error_json(err);
	FUZZ_REQUIRE(json != NULL);
	json_decref(json);
}

/* A host that passes is one of this machine, spelled with nothing but what such names are made of. */
static void check_host(const char *value)
{
	struct http_request request = {.host = value};
	char base[API_BASE_SIZE];

	if (!request_host_ok(value))
		return;
	FUZZ_REQUIRE(value[strspn(value, "0123456789abcdefABCDEF.:[]loacahstLOCAHST")] == '\0');
	api_base_url(&request, base);
	FUZZ_REQUIRE(strlen(base) == strlen("http://") + strlen(value));
}

/* Our parser is jansson's with something before the text: it must read the same. One level of nesting is ours. */
static void compare_with_jansson(const char *text, size_t size)
{
	struct json_text_error error;
	json_t *tree = NULL, *wanted = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

	int r = json_text_parse(text, size, &tree, &error);
	FUZZ_REQUIRE(r == 0 || r == JSON_TEXT_INVALID);
	FUZZ_REQUIRE((r == 0) == (wanted != NULL) || (r != 0 && error.code == json_error_stack_overflow));
	FUZZ_REQUIRE(r != 0 || json_equal(tree, wanted));
	FUZZ_REQUIRE(r == 0 || (error.text[0] != '\0' && error.line >= 1 && error.position <= size + 1));
	json_decref(wanted);
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *value = strndup((const char *)data, size);
	struct api_error err = {0};
	struct job job = {0};

	compare_with_jansson((const char *)data, size);
	int r = request_parse((const char *)data, size, &limits, &job, &err);
	if (r == 0)
		check_job(&job);
	else
		check_refusal(r, &err);
	job_free(&job);
	check_host(value);
	FUZZ_REQUIRE(!request_content_type_ok(value) ||
		     strncasecmp(value + strspn(value, " \t"), "application/json", 16) == 0);
	if (request_address_is_loopback(value))
		FUZZ_REQUIRE(strncmp(value, "127.", 4) == 0 || strchr(value, ':') != NULL);
	return 0;
}
