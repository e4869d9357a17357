#include "service/request.h"
#include "tests/lib/test.h"

#include <string.h>

static const struct request_limits limits = {.code_bytes = 100, .input_bytes = 50};

/* Parses BODY; the error's code, or API_ERROR_NONE. */
static enum api_error_code parse(const char *body, size_t size, struct job *job, struct api_error *err)
{
	memset(job, 0, sizeof(*job));
	memset(err, 0, sizeof(*err));
	int r = request_parse(body, size, &limits, job, err);
	ck_assert_int_ge(r, 0);
	ck_assert_int_eq(r, err->code);
	return err->code;
}

START_TEST(takes_a_whole_submission)
{
	static const char body[] =
		"{\"userId\":\"ann\\u00e9\",\"language\":\"golang\",\"code\":\"a\\nb\",\"input\":\"1 2\"}";
	struct api_error err;
	struct job job;

	ck_assert_int_eq(parse(body, strlen(body), &job, &err), API_ERROR_NONE);
	ck_assert_str_eq(job.user_id, "ann\xc3\xa9");
	ck_assert_str_eq(job.language, "golang");
	ck_assert_str_eq(job.code, "a\nb");
	ck_assert_uint_eq(job.code_size, 3);
	ck_assert_str_eq(job.input, "1 2");
	ck_assert_uint_eq(job.input_size, 3);
	job_free(&job);
}
END_TEST

static const char *const without_input[] = {
	"{\"userId\":\"u\",\"language\":\"go\",\"code\":\"c\"}",
	"{\"userId\":\"u\",\"language\":\"go\",\"code\":\"c\",\"input\":null}",
	" {\"code\":\"c\",\"language\":\"go\",\"userId\":\"u\",\"input\":\"\"} \n",
};

START_TEST(input_is_optional)
{
	struct api_error err;
	struct job job;

	ck_assert_int_eq(parse(without_input[_i], strlen(without_input[_i]), &job, &err), API_ERROR_NONE);
	ck_assert_str_eq(job.input, "");
	ck_assert_uint_eq(job.input_size, 0);
	job_free(&job);
}
END_TEST

#define OK "\"userId\":\"u\",\"language\":\"go\",\"code\":\"c\""
#define K63 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

static const struct refusal {
	const char *body;
	enum api_error_code code;
	const char *field;
} refusals[] = {
	{"", API_ERROR_INVALID_JSON, NULL},
	{"hello", API_ERROR_INVALID_JSON, NULL},
	{"{" OK, API_ERROR_INVALID_JSON, NULL},
	{"{" OK "} x", API_ERROR_INVALID_JSON, NULL},
	{"{" OK ",\"input\":\"\\ud800\"}", API_ERROR_INVALID_JSON, NULL},
	{"{" OK ",\"input\":\"a\\u0000b\"}", API_ERROR_INVALID_JSON, NULL},
	{"{" OK ",\"a\\u0000b\":\"\"}", API_ERROR_INVALID_JSON, NULL},
	{"{" OK ",\"code\":\"d\"}", API_ERROR_INVALID_JSON, NULL},
	{"{" OK ",\"input\":1e999}", API_ERROR_INVALID_JSON, NULL},
	{"{" OK ",\"input\":\"\xff\"}", API_ERROR_INVALID_UTF8, NULL},
	{"{" OK ",\"input\":\"\xc0\xaf\"}", API_ERROR_INVALID_UTF8, NULL},
	{"{" OK ",\"input\":\"\xed\xa0\x80\"}", API_ERROR_INVALID_UTF8, NULL},
	{"[]", API_ERROR_INVALID_TYPE, NULL},
	{"null", API_ERROR_INVALID_TYPE, NULL},
	{"\"text\"", API_ERROR_INVALID_TYPE, NULL},
	{"{}", API_ERROR_MISSING_FIELD, "userId"},
	{"{\"userId\":\"u\"}", API_ERROR_MISSING_FIELD, "language"},
	{"{\"userId\":\"u\",\"language\":\"go\"}", API_ERROR_MISSING_FIELD, "code"},
	{"{" OK ",\"timeout\":1}", API_ERROR_UNKNOWN_FIELD, NULL},
	/* A character across the place where a long name is cut: the message must stay UTF-8. */
	{"{" OK ",\"" K63 "\u00e4\":1}", API_ERROR_UNKNOWN_FIELD, NULL},
	{"{" OK ",\"" K63 "k\u00e4\":1}", API_ERROR_UNKNOWN_FIELD, NULL},
	{"{\"userId\":7,\"language\":\"go\",\"code\":\"c\"}", API_ERROR_INVALID_TYPE, "userId"},
	{"{\"userId\":null,\"language\":\"go\",\"code\":\"c\"}", API_ERROR_INVALID_TYPE, "userId"},
	{"{\"userId\":\"u\",\"language\":[\"go\"],\"code\":\"c\"}", API_ERROR_INVALID_TYPE, "language"},
	{"{\"userId\":\"u\",\"language\":\"go\",\"code\":{}}", API_ERROR_INVALID_TYPE, "code"},
	{"{" OK ",\"input\":false}", API_ERROR_INVALID_TYPE, "input"},
	{"{\"userId\":\"\",\"language\":\"go\",\"code\":\"c\"}", API_ERROR_INVALID_VALUE, "userId"},
	{"{\"userId\":\"a\\nb\",\"language\":\"go\",\"code\":\"c\"}", API_ERROR_INVALID_VALUE, "userId"},
	{"{\"userId\":\"a\\u007fb\",\"language\":\"go\",\"code\":\"c\"}", API_ERROR_INVALID_VALUE, "userId"},
	{"{\"userId\":\"a\\u0085b\",\"language\":\"go\",\"code\":\"c\"}", API_ERROR_INVALID_VALUE, "userId"},
	{"{\"userId\":\"u\",\"language\":\"\",\"code\":\"c\"}", API_ERROR_INVALID_VALUE, "language"},
	{"{\"userId\":\"u\",\"language\":\"go\",\"code\":\"\"}", API_ERROR_INVALID_VALUE, "code"},
};

START_TEST(refuses_what_is_wrong_and_names_it)
{
	const struct refusal *row = &refusals[_i];
	struct api_error err;
	struct job job;

	ck_assert_msg(parse(row->body, strlen(row->body), &job, &err) == row->code, "%s: %s", row->body,
		err.code ? api_error_name(err.code) : "accepted");
	ck_assert_pstr_eq(err.field, row->field);
	ck_assert_ptr_null(job.code);
	ck_assert_uint_gt(strlen(err.message), 0);
	json_t *json = api_error_json(&err);
	ck_assert_ptr_nonnull(json);
	json_decref(json);
}
END_TEST

/* Each bound: accepted at it, refused one past it. */
static const struct bound {
	const char *field;
	size_t max;
	enum api_error_code code;
} bounds[] = {
	{"userId", JOB_USER_ID_BYTES, API_ERROR_INVALID_VALUE},
	{"language", JOB_LANGUAGE_BYTES, API_ERROR_UNSUPPORTED_LANGUAGE},
	{"code", 100, API_ERROR_TOO_LARGE},
	{"input", 50, API_ERROR_TOO_LARGE},
};

static enum api_error_code parse_with(const char *field, size_t size)
{
	json_t *root =
		json_pack("{s:s, s:s, s:s, s:s}", "userId", "u", "language", "go", "code", "c", "input", "");
	char text[512];
	struct api_error err;
	struct job job;

	ck_assert_uint_lt(size, sizeof(text));
	memset(text, 'x', size);
	ck_assert_int_eq(json_object_set_new(root, field, json_stringn(text, size)), 0);
	char *body = json_dumps(root, JSON_COMPACT);
	enum api_error_code code = parse(body, strlen(body), &job, &err);
	if (code != API_ERROR_NONE)
		ck_assert_str_eq(err.field, field);
	job_free(&job);
	free(body);
	json_decref(root);
	return code;
}

START_TEST(holds_each_fields_bound)
{
	const struct bound *row = &bounds[_i];

	ck_assert_int_eq(parse_with(row->field, row->max), API_ERROR_NONE);
	ck_assert_int_eq(parse_with(row->field, row->max + 1), row->code);
}
END_TEST

START_TEST(survives_deep_nesting)
{
	size_t depth = 100000;
	char *body = malloc(depth);
	struct api_error err;
	struct job job;

	memset(body, '[', depth);
	ck_assert_int_eq(parse(body, depth, &job, &err), API_ERROR_INVALID_JSON);
	free(body);
}
END_TEST

START_TEST(any_job_within_the_limits_fits_into_the_body)
{
	/* The longest spelling of the longest job. */
	size_t escaped =
		6 * (limits.code_bytes + limits.input_bytes + JOB_USER_ID_BYTES + JOB_LANGUAGE_BYTES);

	ck_assert_uint_ge(request_body_max(&limits),
		escaped + strlen("{\"userId\":\"\",\"language\":\"\",\"code\":\"\",\"input\":\"\"}"));
}
END_TEST

static const struct text_case {
	const char *text;
	bool is_ok;
} content_types[] = {
	{"application/json", true},
	{"Application/JSON", true},
	{"application/json; charset=utf-8", true},
	{"application/json;charset=UTF-8", true},
	{"application/json ; charset=\"utf-8\" ", true},
	{NULL, false},
	{"", false},
	{"text/plain", false},
	{"text/plain; application/json", false},
	{"application/jsonp", false},
	{"application/json; charset=latin1", false},
	{"application/json; charset=utf-8x", false},
	{"application/json, text/plain", false},
	{"application/x-www-form-urlencoded", false},
};

START_TEST(accepts_only_json)
{
	ck_assert_msg(request_content_type_ok(content_types[_i].text) == content_types[_i].is_ok, "%s",
		content_types[_i].text ? content_types[_i].text : "(none)");
}
END_TEST

static const struct text_case hosts[] = {
	{NULL, false},
	{"localhost", true},
	{"LocalHost:8080", true},
	{"127.0.0.1", true},
	{"127.0.0.1:8080", true},
	{"127.1.2.3:1", true},
	{"[::1]", true},
	{"[::1]:65535", true},
	{"", false},
	{":8080", false},
	{"localhost:", false},
	{"localhost:80a", false},
	{"localhost:123456", false},
	{"localhost.evil.example", false},
	{"evil.example", false},
	{"evil.example:8080", false},
	{"127.0.0.1.evil.example", false},
	{"127.0.0.1@evil.example", false},
	{"127.1", false},
	{"0.0.0.0:8080", false},
	{"192.168.0.1", false},
	{"::1", false},
	{"[::1", false},
	{"[::1]x", false},
	{"[127.0.0.1]", false},
	{"[::2]", false},
	{"localhost\r\nX: y", false},
};

START_TEST(only_loopback_names_are_hosts)
{
	ck_assert_msg(request_host_ok(hosts[_i].text) == hosts[_i].is_ok, "%s", hosts[_i].text);
}
END_TEST

static const struct text_case addresses[] = {
	{"127.0.0.1", true},
	{"127.8.8.8", true},
	{"::1", true},
	{"0.0.0.0", false},
	{"::", false},
	{"10.0.0.1", false},
	{"localhost", false},
	{"", false},
};

START_TEST(knows_loopback_addresses)
{
	ck_assert_msg(request_address_is_loopback(addresses[_i].text) == addresses[_i].is_ok, "%s",
		addresses[_i].text);
}
END_TEST

TEST_PROGRAM(
	"request", 30, tcase_add_test(tc, takes_a_whole_submission); tcase_add_loop_test(
		tc, input_is_optional, 0, (int)(sizeof(without_input) / sizeof(without_input[0])));
	tcase_add_loop_test(
		tc, refuses_what_is_wrong_and_names_it, 0, (int)(sizeof(refusals) / sizeof(refusals[0])));
	tcase_add_loop_test(tc, holds_each_fields_bound, 0, (int)(sizeof(bounds) / sizeof(bounds[0])));
	tcase_add_test(tc, survives_deep_nesting);
	tcase_add_test(tc, any_job_within_the_limits_fits_into_the_body); tcase_add_loop_test(
		tc, accepts_only_json, 0, (int)(sizeof(content_types) / sizeof(content_types[0])));
	tcase_add_loop_test(tc, only_loopback_names_are_hosts, 0, (int)(sizeof(hosts) / sizeof(hosts[0])));
	tcase_add_loop_test(tc, knows_loopback_addresses, 0, (int)(sizeof(addresses) / sizeof(addresses[0]))))
