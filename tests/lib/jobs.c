#include "tests/lib/jobs.h"

#include "tests/lib/http_client.h"

#include <string.h>
#include <time.h>

static void send_to(const struct test_service *service, const char *path, struct http_client_request *request,
	struct http_client_answer *answer)
{
	char url[512];

	(void)snprintf(url, sizeof(url), "%s%s", path[0] == '/' ? service->url : "", path);
	request->url = url;
	http_client_send(request, answer);
}

void jobs_submit(
	const struct test_service *service, const struct jobs_submission *submission, char id[JOB_ID_SIZE])
{
	struct http_client_request request = {.headers = {"Content-Type: application/json"}};
	struct http_client_answer answer;
	json_t *body = json_pack("{s:s, s:s, s:s, s:s?}", "userId",
		submission->user ? submission->user : "tester", "language", submission->language, "code",
		submission->code, "input", submission->input);
	char *text = json_dumps(body, 0);

	request.body = text;
	send_to(service, "/submit", &request, &answer);
	ck_assert_msg(answer.status == 202, "not accepted: %s", answer.body);
	json_t *job = http_client_json(&answer);
	ck_assert_str_eq(jobs_text(job, "status"), "queued");
	(void)snprintf(id, JOB_ID_SIZE, "%s", jobs_text(job, "executionId"));
	json_decref(job);
	http_client_answer_free(&answer);
	free(text);
	json_decref(body);
}

json_t *jobs_get(const struct test_service *service, const char *path, long status)
{
	struct http_client_request request = {0};
	struct http_client_answer answer;

	send_to(service, path, &request, &answer);
	ck_assert_msg(answer.status == status, "%s: %ld instead of %ld: %s", path, answer.status, status,
		answer.body);
	json_t *json = http_client_json(&answer);
	http_client_answer_free(&answer);
	return json;
}

json_t *jobs_status(const struct test_service *service, const char *id)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/status?id=%s", id);
	return jobs_get(service, path, 200);
}

json_t *jobs_wait(const struct test_service *service, const char *id, const char *status, bool is_not)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	time_t end = time(NULL) + JOBS_PATIENCE_SEC;

	for (;;) {
		json_t *job = jobs_status(service, id);
		if ((strcmp(jobs_text(job, "status"), status) == 0) != is_not)
			return job;
		ck_assert_msg(time(NULL) < end, "job %s is still %s; see %s/service.log", id,
			jobs_text(job, "status"), service->dir);
		json_decref(job);
		(void)nanosleep(&pause, NULL);
	}
}

json_t *jobs_finish(const struct test_service *service, const char *id)
{
	for (;;) {
		json_decref(jobs_wait(service, id, "queued", true));
		json_t *job = jobs_wait(service, id, "running", true);
		/* It may have been given back in between. */
		if (strcmp(jobs_text(job, "status"), "queued") != 0)
			return job;
		json_decref(job);
	}
}

char *jobs_output(const struct test_service *service, const char *id, size_t *ret_size)
{
	struct http_client_request request = {0};
	struct http_client_answer answer;
	char path[128];

	(void)snprintf(path, sizeof(path), "/result?id=%s", id);
	json_t *result = jobs_get(service, path, 200);
	ck_assert_ptr_nonnull(jobs_text(result, "url"));
	send_to(service, jobs_text(result, "url"), &request, &answer);
	ck_assert_int_eq(answer.status, 200);
	char *output = answer.body;
	*ret_size = answer.size;
	answer.body = NULL;
	http_client_answer_free(&answer);
	json_decref(result);
	return output;
}

const char *jobs_text(const json_t *job, const char *key)
{
	return json_string_value(json_object_get(job, key));
}
