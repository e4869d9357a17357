/* docs/http-api.yaml against the running service: every route is in it, every answer is as it says, and everything it
 * says is answered. */
#include "service/api.h"
#include "tests/lib/http_client.h"
#include "tests/lib/place.h"
#include "tests/lib/schema.h"
#include "tests/lib/service.h"
#include "tests/lib/test.h"
#include "tests/lib/yaml.h"

#include <string.h>
#include <time.h>

static const char document_path[] = "docs/http-api.yaml";

/* --- the document --------------------------------------------------------------------------------------------- */

struct document {
	json_t *root;
	json_t *seen; /* {"submit 202": true, …} */
};

static void document_open(struct document *document)
{
	document->root = yaml_load(document_path);
	document->seen = json_object();
}

static void document_close(struct document *document)
{
	json_decref(document->root);
	json_decref(document->seen);
}

/* Calls EACH with every operation. */
static void each_operation(const struct document *document,
	void (*each)(const char *path, const char *method, json_t *operation, void *user), void *user)
{
	const char *path, *method;
	json_t *item, *operation;

	json_object_foreach(json_object_get(document->root, "paths"), path, item)
		json_object_foreach(item, method, operation) each(path, method, operation, user);
}

struct wanted {
	const char *id;
	json_t *operation;
	const char *path, *method;
};

static void match_operation(const char *path, const char *method, json_t *operation, void *user)
{
	struct wanted *wanted = user;

	if (strcmp(json_string_value(json_object_get(operation, "operationId")), wanted->id) != 0)
		return;
	ck_assert_msg(wanted->operation == NULL, "operationId %s is there twice", wanted->id);
	wanted->operation = operation;
	wanted->path = path;
	wanted->method = method;
}

static struct wanted operation_find(const struct document *document, const char *id)
{
	struct wanted wanted = {.id = id};

	each_operation(document, match_operation, &wanted);
	ck_assert_msg(wanted.operation != NULL, "%s does not document %s", document_path, id);
	return wanted;
}

/* --- one answer against it ------------------------------------------------------------------------------------ */

static void check_headers(
	const struct document *document, const json_t *response, const struct http_client_answer *answer)
{
	const char *name;
	json_t *header;
	char why[512];

	json_object_foreach(json_object_get(response, "headers"), name, header)
	{
		char lower[64] = "";
		for (size_t i = 0; name[i] != '\0' && i < sizeof(lower) - 1; i++)
			lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
		const json_t *value = json_object_get(answer->headers, lower);
		ck_assert_msg(value != NULL || !json_is_true(json_object_get(header, "required")),
			"%s is missing", name);
		const json_t *schema = json_object_get(header, "schema");
		ck_assert_msg(
			schema_holds(document->root, schema, value, why, sizeof(why)), "%s %s", name, why);
	}
	ck_assert_pstr_eq(http_client_header(answer, "x-content-type-options"), "nosniff");
	ck_assert_pstr_eq(http_client_header(answer, "cache-control"), "no-store");
	ck_assert_ptr_null(http_client_header(answer, "server"));
}

static void check_body(
	const struct document *document, const json_t *response, const struct http_client_answer *answer)
{
	const char *type = http_client_header(answer, "content-type");
	char media[64], why[1024];

	if (json_object_get(response, "content") == NULL) {
		ck_assert_ptr_null(type);
		ck_assert_uint_eq(answer->size, 0);
		return;
	}
	ck_assert_ptr_nonnull(type);
	(void)snprintf(media, sizeof(media), "%.*s", (int)strcspn(type, ";"), type);
	ck_assert_msg(strstr(type, "charset=utf-8") != NULL, "no charset in %s", type);
	const json_t *content = json_object_get(json_object_get(response, "content"), media);
	ck_assert_msg(content != NULL, "content type %s is not documented", media);
	json_t *body = strcmp(media, "application/json") == 0 ? http_client_json(answer)
							      : json_stringn(answer->body, answer->size);
	ck_assert_ptr_nonnull(body);
	const json_t *schema = json_object_get(content, "schema");
	ck_assert_msg(
		schema_holds(document->root, schema, body, why, sizeof(why)), "%s in %s", why, answer->body);
	json_decref(body);
}

/* ANSWER to OPERATION is documented and conforms; its status is STATUS. */
static void check_answer(struct document *document, const char *operation, long status,
	const struct http_client_answer *answer)
{
	struct wanted wanted = operation_find(document, operation);
	char key[8], seen[64];

	ck_assert_msg(answer->status == status, "%s: status %ld instead of %ld: %.300s", operation,
		answer->status, status, answer->body);
	(void)snprintf(key, sizeof(key), "%ld", status);
	(void)snprintf(seen, sizeof(seen), "%s %ld", operation, status);
	const json_t *response = json_object_get(json_object_get(wanted.operation, "responses"), key);
	ck_assert_msg(response != NULL, "%s: status %ld is not documented", operation, status);
	response = schema_resolve(document->root, response);
	check_headers(document, response, answer);
	check_body(document, response, answer);
	json_object_set_new(document->seen, seen, json_true());
}

static void check_code(const struct http_client_answer *answer, const char *code)
{
	json_t *body = http_client_json(answer);

	ck_assert_pstr_eq(json_string_value(json_object_get(json_object_get(body, "error"), "code")), code);
	json_decref(body);
}

/* --- what must have been seen --------------------------------------------------------------------------------- */

struct coverage {
	const struct document *document;
	const char *const *others; /* pairs that this test does not reach, NULL-terminated */
};

static bool is_listed(const char *const *list, const char *pair)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, pair) == 0)
			return true;
	return false;
}

static void check_covered(const char *path, const char *method, json_t *operation, void *user)
{
	const struct coverage *coverage = user;
	const char *id = json_string_value(json_object_get(operation, "operationId"));
	const char *status;
	json_t *response;
	char pair[64];

	(void)path;
	(void)method;
	json_object_foreach(json_object_get(operation, "responses"), status, response)
	{
		(void)snprintf(pair, sizeof(pair), "%s %s", id, status);
		bool was_seen = json_object_get(coverage->document->seen, pair) != NULL;
		ck_assert_msg(was_seen != is_listed(coverage->others, pair), "%s: %s", pair,
			was_seen ? "answered, but listed as out of reach" : "documented, but never answered");
	}
}

/* --- the routes ----------------------------------------------------------------------------------------------- */

START_TEST(documents_every_route_and_no_other)
{
	struct document document;
	size_t documented = 0;
	const char *path;
	json_t *item;

	document_open(&document);
	for (size_t i = 0; i < api_nroutes; i++) {
		struct wanted wanted = operation_find(&document, api_routes[i].name);
		/* What follows a prefix begins with a parameter. */
		size_t length = strlen(api_routes[i].path);
		ck_assert_int_eq(strncmp(wanted.path, api_routes[i].path, length), 0);
		ck_assert_int_eq(wanted.path[length], api_routes[i].is_prefix ? '{' : '\0');
		ck_assert_int_eq(strcasecmp(wanted.method, api_routes[i].method), 0);
	}
	json_object_foreach(json_object_get(document.root, "paths"), path, item) documented +=
		json_object_size(item);
	ck_assert_uint_eq(documented, api_nroutes);
	document_close(&document);
}
END_TEST

START_TEST(documents_every_error_code_and_no_other)
{
	struct document document;
	size_t i;
	json_t *code;

	document_open(&document);
	json_t *schemas = json_object_get(json_object_get(document.root, "components"), "schemas");
	json_t *error = json_object_get(json_object_get(schemas, "Error"), "properties");
	json_t *codes = json_object_get(json_object_get(error, "code"), "enum");
	ck_assert_uint_eq(json_array_size(codes), API_ERROR_N - 1);
	json_array_foreach(codes, i, code)
	{
		int known = API_ERROR_NONE + 1;
		while (known < API_ERROR_N &&
			strcmp(api_error_name((enum api_error_code)known), json_string_value(code)) != 0)
			known++;
		ck_assert_msg(known < API_ERROR_N, "%s is no error code", json_string_value(code));
	}
	document_close(&document);
}
END_TEST

/* --- answers without a supervisor ----------------------------------------------------------------------------- */

#define JSON_TYPE "Content-Type: application/json"
#define JOB(more) "{\"userId\":\"u\",\"language\":\"cpp\",\"code\":\"int main(){}\"" more "}"

/* %s in a path is the id of a queued job. */
static const struct exchange {
	const char *operation;
	const char *method, *path;
	const char *header;
	const char *body;
	long status;
	const char *code; /* NULL: no refusal */
} exchanges[] = {
	{"page", "GET", "/", NULL, NULL, 200, NULL},
	{"health", "GET", "/health", NULL, NULL, 200, NULL},
	{"languages", "GET", "/languages", NULL, NULL, 200, NULL},
	{"metrics", "GET", "/metrics", NULL, NULL, 200, NULL},
	{"ready", "GET", "/ready", NULL, NULL, 503, NULL},
	{"submit", "POST", "/submit", JSON_TYPE, JOB(""), 202, NULL},
	{"submit", "POST", "/submit", JSON_TYPE "; charset=utf-8", JOB(",\"input\":null"), 202, NULL},
	{"submit", "POST", "/submit", JSON_TYPE, "hello", 400, "invalid_json"},
	{"submit", "POST", "/submit", JSON_TYPE, "", 400, "invalid_json"},
	{"submit", "POST", "/submit", JSON_TYPE, JOB(",\"input\":\"\\u0000\""), 400, "invalid_json"},
	{"submit", "POST", "/submit", JSON_TYPE, JOB(",\"input\":\"\xff\""), 400, "invalid_utf8"},
	{"submit", "POST", "/submit", JSON_TYPE, JOB(",\"input\":1"), 400, "invalid_type"},
	{"submit", "POST", "/submit", JSON_TYPE, JOB(",\"priority\":\"high\""), 202, NULL},
	{"submit", "POST", "/submit", JSON_TYPE, JOB(",\"priority\":\"higher\""), 400, "invalid_value"},
	{"submit", "POST", "/submit", JSON_TYPE, "[]", 400, "invalid_type"},
	{"submit", "POST", "/submit", JSON_TYPE, JOB(",\"time\":\"1\""), 400, "unknown_field"},
	{"submit", "POST", "/submit", JSON_TYPE, "{}", 400, "missing_field"},
	{"submit", "POST", "/submit", JSON_TYPE, "{\"userId\":\"\",\"language\":\"cpp\",\"code\":\"x\"}", 400,
		"invalid_value"},
	{"submit", "POST", "/submit", JSON_TYPE, "{\"userId\":\"u\",\"language\":\"cobol\",\"code\":\"x\"}",
		400, "unsupported_language"},
	{"submit", "POST", "/submit", "Content-Type: text/plain", JOB(""), 415, "unsupported_media_type"},
	{"submit", "POST", "/submit", "Content-Type:", JOB(""), 415, "unsupported_media_type"},
	{"status", "GET", "/status?id=%s", NULL, NULL, 200, NULL},
	{"status", "GET", "/status?id=%s&wait=0", NULL, NULL, 200, NULL},
	{"status", "GET", "/status?id=%s&wait=1", NULL, NULL, 200, NULL},
	{"status", "GET", "/status?id=%s&wait=31", NULL, NULL, 400, "invalid_value"},
	{"status", "GET", "/status?id=%s&wait=-1", NULL, NULL, 400, "invalid_value"},
	{"status", "GET", "/status?id=%s&wait=", NULL, NULL, 400, "invalid_value"},
	{"status", "GET", "/status?id=%s&wait=1s", NULL, NULL, 400, "invalid_value"},
	{"status", "GET", "/status?id=%s&wait=18446744073709551617", NULL, NULL, 400, "invalid_value"},
	{"status", "GET", "/status?wait=30", NULL, NULL, 400, "missing_field"},
	{"status", "GET", "/status?id=00000000-0000-4000-8000-000000000000&wait=30", NULL, NULL, 404,
		"not_found"},
	{"status", "GET", "/status", NULL, NULL, 400, "missing_field"},
	{"status", "GET", "/status?id=00000000-0000-4000-8000-000000000000", NULL, NULL, 404, "not_found"},
	{"status", "GET", "/status?id=..%%2f", NULL, NULL, 404, "not_found"},
	{"result", "GET", "/result?id=%s", NULL, NULL, 409, "not_finished"},
	{"result", "GET", "/result", NULL, NULL, 400, "missing_field"},
	{"result", "GET", "/result?id=x", NULL, NULL, 404, "not_found"},
	{"download", "GET", "/objects/outputs/%s.txt", NULL, NULL, 403, "link_invalid"},
	{"download", "GET", "/objects/outputs/%s.txt?expires=1&signature=00", NULL, NULL, 403,
		"link_invalid"},
	{"download", "GET", "/objects/url.key?expires=1&signature=00", NULL, NULL, 404, "not_found"},
	{"download", "GET", "/objects/outputs/%%2e%%2e/url.key", NULL, NULL, 404, "not_found"},
	{"submit", "GET", "/submit", NULL, NULL, 405, "method_not_allowed"},
	{"submit", "OPTIONS", "/submit", NULL, NULL, 405, "method_not_allowed"},
	{"jobs", "GET", "/jobs?userId=u", NULL, NULL, 200, NULL},
	{"jobs", "GET", "/jobs?userId=u&limit=1", NULL, NULL, 200, NULL},
	{"jobs", "GET", "/jobs", NULL, NULL, 400, "missing_field"},
	{"jobs", "GET", "/jobs?userId=", NULL, NULL, 400, "invalid_value"},
	{"jobs", "GET", "/jobs?userId=u&limit=0", NULL, NULL, 400, "invalid_value"},
	{"jobs", "GET", "/jobs?userId=u&limit=101", NULL, NULL, 400, "invalid_value"},
	{"jobs", "GET", "/jobs?userId=u&cursor=elsewhere", NULL, NULL, 400, "invalid_value"},
	{"jobs", "POST", "/jobs", JSON_TYPE, "{}", 405, "method_not_allowed"},
	{"events", "GET", "/jobs/00000000-0000-4000-8000-000000000000/events", NULL, NULL, 404, "not_found"},
	{"events", "GET", "/jobs/%s", NULL, NULL, 404, "not_found"},
	{"events", "GET", "/jobs/..%%2f/events", NULL, NULL, 404, "not_found"},
	{"events", "POST", "/jobs/%s/events", JSON_TYPE, "{}", 405, "method_not_allowed"},
	{"events", "GET", "/jobs/%s/events", "Last-Event-ID: end", NULL, 204, NULL},
	{"status", "POST", "/status?id=%s", JSON_TYPE, "{}", 405, "method_not_allowed"},
	{"result", "DELETE", "/result?id=%s", NULL, NULL, 405, "method_not_allowed"},
	{"download", "PUT", "/objects/outputs/%s.txt", NULL, "x", 405, "method_not_allowed"},
	{"languages", "POST", "/languages", JSON_TYPE, "{}", 405, "method_not_allowed"},
	{"health", "POST", "/health", JSON_TYPE, "{}", 405, "method_not_allowed"},
	{"ready", "POST", "/ready", JSON_TYPE, "{}", 405, "method_not_allowed"},
	{"metrics", "POST", "/metrics", JSON_TYPE, "{}", 405, "method_not_allowed"},
	{"page", "POST", "/", JSON_TYPE, "{}", 405, "method_not_allowed"},
};

static void exchange(struct document *document, const struct test_service *service,
	const struct exchange *row, const char *id)
{
	struct http_client_request request = {
		.method = row->method, .headers = {row->header}, .body = row->body};
	struct http_client_answer answer;
	char path[256], url[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(path, sizeof(path), row->path, id);
#pragma GCC diagnostic pop
	(void)snprintf(url, sizeof(url), "%s%s", service->url, path);
	request.url = url;
	http_client_send(&request, &answer);
	check_answer(document, row->operation, row->status, &answer);
	if (row->code != NULL)
		check_code(&answer, row->code);
	http_client_answer_free(&answer);
}

static void submit(
	struct document *document, const struct test_service *service, const char *body, char id[JOB_ID_SIZE])
{
	struct http_client_request request = {.headers = {JSON_TYPE}, .body = body};
	struct http_client_answer answer;
	char url[256];

	(void)snprintf(url, sizeof(url), "%s/submit", service->url);
	request.url = url;
	http_client_send(&request, &answer);
	check_answer(document, "submit", 202, &answer);
	json_t *job = http_client_json(&answer);
	(void)snprintf(id, JOB_ID_SIZE, "%s", json_string_value(json_object_get(job, "executionId")));
	json_decref(job);
	http_client_answer_free(&answer);
}

/* Every route refuses a foreign Host. */
static void check_foreign_host(struct document *document, const struct test_service *service)
{
	for (size_t i = 0; i < api_nroutes; i++) {
		bool is_post = strcmp(api_routes[i].method, "POST") == 0;
		struct http_client_request request = {
			.headers = {"Host: rebound.example", is_post ? JSON_TYPE : NULL},
			.body = is_post ? JOB("") : NULL};
		struct http_client_answer answer;
		char url[256];
		(void)snprintf(url, sizeof(url), "%s%s", service->url, api_routes[i].path);
		request.url = url;
		http_client_send(&request, &answer);
		check_answer(document, api_routes[i].name, 403, &answer);
		check_code(&answer, "host_not_allowed");
		http_client_answer_free(&answer);
	}
}

static void check_too_large(struct document *document, const struct test_service *service, size_t code_bytes,
	size_t input_bytes, const char *extra)
{
	char *code = calloc(1, code_bytes + 1), *input = calloc(1, input_bytes + 1);
	memset(code, 'c', code_bytes);
	memset(input, 'i', input_bytes);
	json_t *job = json_pack(
		"{s:s, s:s, s:s, s:s}", "userId", "u", "language", "cpp", "code", code, "input", input);
	char *body = json_dumps(job, 0);
	struct http_client_request request = {.headers = {JSON_TYPE, extra}, .body = body};
	struct http_client_answer answer;
	char url[256];

	(void)snprintf(url, sizeof(url), "%s/submit", service->url);
	request.url = url;
	http_client_send(&request, &answer);
	check_answer(document, "submit", 413, &answer);
	check_code(&answer, "too_large");
	http_client_answer_free(&answer);
	free(body);
	json_decref(job);
	free(code);
	free(input);
}

static void check_half_sent(struct document *document, const struct test_service *service)
{
	struct http_client_answer answer;

	http_client_send_raw(service->url,
		"POST /submit HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
		"application/json\r\nContent-Length: 100\r\n\r\n{",
		&answer);
	check_answer(document, "submit", 408, &answer);
	check_code(&answer, "request_timeout");
	http_client_answer_free(&answer);
	http_client_send_raw(service->url, "GET /health HTT", &answer);
	ck_assert_int_eq(answer.status, 408);
	http_client_answer_free(&answer);
}

/* Needs a finished job, or a broken backend. */
static const char *const beyond_refusals[] = {"ready 200", "result 200", "download 200", "submit 503",
	"status 503", "result 503", "jobs 503", "events 200", "events 503", "download 503", "metrics 503",
	NULL};

START_TEST(answers_as_documented_without_a_supervisor)
{
	static const char *const options[] = {"--request-timeout-sec=2", NULL};
	struct test_service service;
	struct document document;
	char id[JOB_ID_SIZE];

	document_open(&document);
	service_begin(&service);
	service_start(&service, NULL, options);
	submit(&document, &service, JOB(",\"input\":\"1\""), id);
	for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++)
		exchange(&document, &service, &exchanges[i], id);
	check_foreign_host(&document, &service);
	check_too_large(&document, &service, 100001, 0, NULL);
	check_too_large(&document, &service, 1, 1024 * 1024 + 1, NULL);
	check_too_large(&document, &service, 1, 8 * 1024 * 1024, "Expect: 100-continue");
	check_too_large(&document, &service, 1, 8 * 1024 * 1024, "Transfer-Encoding: chunked");
	check_half_sent(&document, &service);
	struct coverage coverage = {&document, beyond_refusals};
	each_operation(&document, check_covered, &coverage);
	service_end(&service);
	document_close(&document);
}
END_TEST

/* --- answers about finished jobs ------------------------------------------------------------------------------ */

static void get(struct document *document, const char *operation, const char *url, long status, json_t **ret)
{
	struct http_client_request request = {.url = url};
	struct http_client_answer answer;

	http_client_send(&request, &answer);
	check_answer(document, operation, status, &answer);
	*ret = strstr(http_client_header(&answer, "content-type"), "json") != NULL ? http_client_json(&answer)
										   : json_string(answer.body);
	http_client_answer_free(&answer);
}

static json_t *wait_finished(struct document *document, const struct test_service *service, const char *id)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	char url[256];
	json_t *job;

	(void)snprintf(url, sizeof(url), "%s/status?id=%s", service->url, id);
	for (;;) {
		get(document, "status", url, 200, &job);
		const char *status = json_string_value(json_object_get(job, "status"));
		if (strcmp(status, "queued") != 0 && strcmp(status, "running") != 0)
			return job;
		json_decref(job);
		(void)nanosleep(&pause, NULL);
	}
}

static const struct finished {
	const char *code;
	const char *status, *verdict, *preview;
	const char *output; /* NULL: not compared */
} finished[] = {
	{"#include <cstdio>\nint main() { puts(\"out\"); }", "completed", "accepted", "out\n", "out\n"},
	{"int main() { return 3; }", "failed", "runtime_error", "", ""},
	{"int main() { return x; }", "failed", "compile_error", "", NULL},
	{"int main() { for (;;) ; }", "timeout", "time_limit", "", ""},
};

static void check_finished(
	struct document *document, const struct test_service *service, const struct finished *row)
{
	json_t *body = json_pack("{s:s, s:s, s:s}", "userId", "u", "language", "C++", "code", row->code);
	char *text = json_dumps(body, 0);
	char id[JOB_ID_SIZE], url[256];
	json_t *result, *output, *events;

	submit(document, service, text, id);
	json_t *job = wait_finished(document, service, id);
	ck_assert_pstr_eq(json_string_value(json_object_get(job, "status")), row->status);
	ck_assert_pstr_eq(json_string_value(json_object_get(job, "verdict")), row->verdict);
	ck_assert_pstr_eq(json_string_value(json_object_get(job, "stdoutPreview")), row->preview);
	(void)snprintf(url, sizeof(url), "%s/result?id=%s", service->url, id);
	get(document, "result", url, 200, &result);
	get(document, "download", json_string_value(json_object_get(result, "url")), 200, &output);
	if (row->output != NULL)
		ck_assert_str_eq(json_string_value(output), row->output);
	else
		ck_assert_str_eq(json_string_value(output), json_string_value(json_object_get(job, "error")));
	(void)snprintf(url, sizeof(url), "%s/jobs/%s/events", service->url, id);
	get(document, "events", url, 200, &events);
	ck_assert_ptr_nonnull(strstr(json_string_value(events), "event: result\n"));
	json_decref(events);
	json_decref(output);
	json_decref(result);
	json_decref(job);
	free(text);
	json_decref(body);
}

START_TEST(answers_as_documented_about_finished_jobs)
{
	static const char *const options[] = {"--exec-timeout-sec=1", NULL};
	struct supervisor supervisor;
	struct test_service service;
	struct document document;
	char url[256];
	json_t *ready;

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	supervisor_open(&supervisor);
	document_open(&document);
	service_begin(&service);
	service_start(&service, &supervisor, options);
	(void)snprintf(url, sizeof(url), "%s/ready", service.url);
	get(&document, "ready", url, 200, &ready);
	json_decref(ready);
	for (size_t i = 0; i < sizeof(finished) / sizeof(finished[0]); i++)
		check_finished(&document, &service, &finished[i]);
	service_end(&service);
	supervisor_close(&supervisor);
	document_close(&document);
}
END_TEST

TEST_PROGRAM("openapi", 120, tcase_add_test(tc, documents_every_route_and_no_other);
	     tcase_add_test(tc, documents_every_error_code_and_no_other);
	     tcase_add_test(tc, answers_as_documented_without_a_supervisor);
	     tcase_add_test(tc, answers_as_documented_about_finished_jobs))
