/* AWS's own SDK for JavaScript as the other side: what we write it reads, what it writes we read, and it signs links as we do. */
#include "tests/lib/aws_place.h"
#include "tests/lib/objects_contract.h"
#include "tests/lib/program.h"
#include "tests/lib/queue_contract.h"
#include "tests/lib/store_contract.h"

#include <string.h>

static struct aws_place place;
static struct sandbox_error err;

static void set_up(void)
{
	aws_place_open(&place, &(struct aws_place_plan){AWS_PLACE_ALL});
}

/* What the SDK says of TASK, which is taken over. Owned. */
static json_t *ask_sdk(json_t *task)
{
	char *text = json_dumps(task, JSON_COMPACT);
	struct program program = program_run("tests/aws/emulators/sdk", text);

	expect_status(program, 0);
	json_t *answer = json_loads(program.out, 0, NULL);
	ck_assert_msg(answer != NULL, "no JSON: %s", program.out);
	program_free(&program);
	free(text);
	json_decref(task);
	return answer;
}

static json_t *task_of(const char *what, const char *id, const char *key)
{
	json_t *task = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "do", what, "table", place.table, "bucket",
		place.bucket, "queue", place.queue_url, "id", id, "key", key);

	ck_assert_ptr_nonnull(task);
	return task;
}

static void expect_attribute(const json_t *item, const char *name, const char *wanted)
{
	ck_assert_pstr_eq(json_string_value(json_object_get(json_object_get(item, name), "S")), wanted);
}

static void expect_value(const json_t *json, const char *name, const char *wanted)
{
	ck_assert_pstr_eq(json_string_value(json_object_get(json, name)), wanted);
}

START_TEST(the_sdk_reads_what_we_write)
{
	struct job job = contract_job("go", "package main \xe2\x82\xac", "1 2\n");
	char key[CONTRACT_NAME_SIZE];

	NEEDS_EMULATORS();
	set_up();
	ck_assert_int_eq(place.store->operations->create(place.store, &job, &err), 0);
	const struct job_ticket ticket = {job.id, "go", false};
	ck_assert_int_eq(place.queue->operations->send(place.queue, &ticket, &err), 0);
	contract_name(key);
	contract_put(place.objects, key, "printed", 7);
	json_t *seen = ask_sdk(task_of("read", job.id, key));
	const json_t *item = json_object_get(seen, "item"), *message = json_object_get(seen, "message");
	expect_attribute(item, "executionId", job.id);
	expect_attribute(item, "userId", job.user_id);
	expect_attribute(item, "language", "go");
	expect_attribute(item, "code", job.code);
	expect_attribute(item, "input", job.input);
	expect_attribute(item, "status", "queued");
	expect_value(message, "executionId", job.id);
	expect_value(message, "language", "go");
	expect_value(seen, "body", "printed");
	expect_value(seen, "type", "text/plain; charset=utf-8");
	expect_value(seen, "disposition", "attachment");
	json_decref(seen);
	job_free(&job);
	aws_place_close(&place);
}
END_TEST

START_TEST(we_read_what_the_sdk_writes)
{
	char id[JOB_ID_SIZE], key[CONTRACT_NAME_SIZE];

	NEEDS_EMULATORS();
	set_up();
	job_new_id(id);
	contract_name(key);
	json_decref(ask_sdk(task_of("write", id, key)));
	struct queue_message message = contract_receive(place.queue, 60);
	ck_assert_str_eq(message.id, id);
	struct job job = contract_claim(place.store, id);
	ck_assert_str_eq(job.user_id, "ann");
	ck_assert_str_eq(job.code, "int main() {}");
	ck_assert_str_eq(job.input, "1 2\n");
	ck_assert_uint_eq(job.attempt, 1);
	contract_expect_object(place.objects, key, "written by the SDK", strlen("written by the SDK"));
	job_free(&job);
	aws_place_close(&place);
}
END_TEST

/* With the parameters that the SDK adds of its own accord. */
START_TEST(the_sdk_signs_links_as_we_do)
{
	static const struct aws_pair query[] = {{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"},
		{"x-amz-checksum-mode", "ENABLED"}, {"x-id", "GetObject"}};
	static const char *const keys[] = {"outputs/x.txt", "a b/\xc3\xa9+~(1)*=&@:,$!'.txt"};
	char path[128], date[32];

	NEEDS_EMULATORS();
	set_up();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char *url = NULL;
		unsigned ttl_sec;
		(void)snprintf(path, sizeof(path), "/%s", keys[i]);
		const struct aws_presign what = {
			.bucket = place.bucket, .path = path, .query = query, .nquery = 3, .ttl_sec = 1800};
		ck_assert_int_eq(aws_presign_get(place.s3, &what, &url, &ttl_sec, &err), 0);
		const char *at = strstr(url, "X-Amz-Date=");
		ck_assert_ptr_nonnull(at);
		(void)snprintf(date, sizeof(date), "%.16s", at + strlen("X-Amz-Date="));
		json_t *task = task_of("sign", "", keys[i]);
		ck_assert_int_eq(json_object_set_new(task, "date", json_string(date)), 0);
		ck_assert_int_eq(json_object_set_new(task, "ttl", json_integer(1800)), 0);
		json_t *answer = ask_sdk(task);
		expect_value(answer, "url", url);
		json_decref(answer);
		free(url);
	}
	aws_place_close(&place);
}
END_TEST

TEST_PROGRAM("sdk", 120, AWS_PLACE_SHARE(tc, EMULATOR_FAUXQS, EMULATOR_DYNALITE, EMULATOR_RGW);
	     tcase_add_test(tc, the_sdk_reads_what_we_write); tcase_add_test(tc, we_read_what_the_sdk_writes);
	     tcase_add_test(tc, the_sdk_signs_links_as_we_do))
