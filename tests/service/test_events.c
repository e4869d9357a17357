/* GET /jobs/ID/events: what a job prints while it prints it, from the process that runs it, from another one, and from
 * what is stored. */
#include "service/events_id.h"
#include "tests/lib/client.h"
#include "tests/lib/event_stream.h"
#include "tests/lib/http_client.h"
#include "tests/lib/jobs.h"
#include "tests/lib/place.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define PRINT(call) "#include <cstdio>\n#include <unistd.h>\nint main() { " call " }"

/* The pauses keep the order of what goes through two pipes. Longer than any test looks: it is over when its time limit says so, or its service is stopped. */
static const struct jobs_submission waits = {"cpp",
	PRINT("write(1, \"one\\n\", 4); usleep(300000); write(2, \"two\\n\", 4); usleep(300000);"
	      "write(1, \"three\\n\", 6); for (;;) pause();"),
	NULL, NULL};

static struct supervisor supervisor;

#define BEGIN                                                                                                \
	if (cell_skip_reason() != NULL)                                                                      \
		TEST_SKIP(cell_skip_reason());                                                               \
	NEEDS_IMAGE("cpp");                                                                                  \
	supervisor_open(&supervisor)

/* --- what is expected ------------------------------------------------------------------------------------------- */

static struct event next(struct event_stream *stream)
{
	struct event event;

	ck_assert_msg(event_stream_next(stream, &event), "the stream has ended");
	return event;
}

/* A status event; those of the states before it are passed over. */
static void expect_state(struct event_stream *stream, const char *status, int attempt)
{
	for (;;) {
		struct event event = next(stream);
		ck_assert_str_eq(event.name, "status");
		ck_assert_str_eq(event.id, "");
		bool is_it = strcmp(jobs_text(event.data, "status"), status) == 0 &&
			     json_integer_value(json_object_get(event.data, "attempt")) == attempt;
		event_free(&event);
		if (is_it)
			return;
	}
}

static void expect_chunk(
	struct event_stream *stream, const char *name, const char *id, json_int_t offset, const char *bytes)
{
	struct event event = next(stream);
	size_t size;

	ck_assert_str_eq(event.name, name);
	ck_assert_str_eq(event.id, id);
	char *got = event_bytes(&event, &size);
	ck_assert_str_eq(got, bytes);
	ck_assert_str_eq(jobs_text(event.data, "step"), "run");
	ck_assert_int_eq(json_integer_value(json_object_get(event.data, "offset")), offset);
	free(got);
	event_free(&event);
}

static void expect_result(struct event_stream *stream, const char *verdict, int attempt)
{
	struct event event = next(stream);

	ck_assert_str_eq(event.name, "result");
	ck_assert_str_eq(event.id, "end");
	ck_assert_pstr_eq(jobs_text(event.data, "verdict"), verdict);
	ck_assert_int_eq(json_integer_value(json_object_get(event.data, "attempt")), attempt);
	event_free(&event);
	ck_assert_msg(!event_stream_next(stream, &event), "an event after the result: %s", event.name);
}

static void expect_waits_output(struct event_stream *stream, int attempt)
{
	char id[3][EVENTS_ID_SIZE];
	static const uint64_t ends[] = {4, 8, 14};

	for (size_t i = 0; i < 3; i++)
		events_id_text(&(struct live_position){(uint32_t)attempt, SANDBOX_RUN, ends[i]}, id[i]);
	expect_chunk(stream, "stdout", id[0], 0, "one\n");
	expect_chunk(stream, "stderr", id[1], 0, "two\n");
	expect_chunk(stream, "stdout", id[2], 4, "three\n");
}

/* --- one process ------------------------------------------------------------------------------------------------ */

START_TEST(output_comes_while_the_job_runs)
{
	static const char *const options[] = {"--exec-timeout-sec=3", NULL};
	struct test_service service;
	struct event_stream stream, later;
	char id[JOB_ID_SIZE];

	BEGIN;
	service_begin(&service);
	service_start(&service, &supervisor, options);
	jobs_submit(&service, &waits, id);
	event_stream_open(&stream, &service, id, NULL);
	expect_state(&stream, "running", 1);
	expect_waits_output(&stream, 1);
	/* It came before the end; and whoever comes later, or again, gets what it has not seen. */
	json_t *job = jobs_status(&service, id);
	ck_assert_str_eq(jobs_text(job, "status"), "running");
	json_decref(job);
	event_stream_open(&later, &service, id, "1-1-6");
	expect_state(&later, "running", 1);
	expect_chunk(&later, "stderr", "1-1-8", 2, "o\n");
	expect_chunk(&later, "stdout", "1-1-14", 4, "three\n");
	expect_result(&stream, "time_limit", 1);
	expect_result(&later, "time_limit", 1);
	event_stream_close(&stream);
	event_stream_close(&later);
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_finished_job_is_told_from_what_is_stored)
{
	static const struct jobs_submission prints = {
		"cpp", PRINT("write(1, \"a\\nb\\xff\\n\", 5);"), NULL, NULL};
	struct test_service service;
	struct event_stream stream;
	char id[JOB_ID_SIZE];

	BEGIN;
	service_begin(&service);
	service_start(&service, &supervisor, NULL);
	jobs_submit(&service, &prints, id);
	json_decref(jobs_finish(&service, id));
	event_stream_open(&stream, &service, id, NULL);
	expect_chunk(&stream, "output", "1-1-5", 0, "a\nb\xff\n");
	expect_result(&stream, "accepted", 1);
	event_stream_close(&stream);
	event_stream_open(&stream, &service, id, "1-1-3");
	expect_chunk(&stream, "output", "1-1-5", 3, "\xff\n");
	expect_result(&stream, "accepted", 1);
	event_stream_close(&stream);
	event_stream_open(&stream, &service, id, "2-0-1"); /* of another attempt: from the begin */
	expect_chunk(&stream, "output", "1-1-5", 0, "a\nb\xff\n");
	event_stream_close(&stream);
	event_stream_open(&stream, &service, id, "end");
	ck_assert_int_eq(stream.status, 204);
	event_stream_close(&stream);
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_compiler_s_complaint_is_output_of_its_step)
{
	static const struct jobs_submission wrong = {"cpp", "int main() { return nowhere; }", NULL, NULL};
	struct test_service service;
	struct event_stream stream;
	char id[JOB_ID_SIZE], *text;
	size_t size;

	BEGIN;
	service_begin(&service);
	service_start(&service, &supervisor, NULL);
	jobs_submit(&service, &wrong, id);
	event_stream_open(&stream, &service, id, NULL);
	expect_state(&stream, "running", 1);
	struct event event = next(&stream);
	ck_assert_str_eq(event.name, "output");
	ck_assert_str_eq(jobs_text(event.data, "step"), "compile");
	text = event_bytes(&event, &size);
	ck_assert_ptr_nonnull(strstr(text, "main.cpp"));
	free(text);
	while (strcmp(event.name, "output") == 0) {
		event_free(&event);
		event = next(&stream);
	}
	ck_assert_str_eq(event.name, "result");
	ck_assert_pstr_eq(jobs_text(event.data, "verdict"), "compile_error");
	event_free(&event);
	event_stream_close(&stream);
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

/* Reads on while the job prints, until the result. The bytes of all chunks, of which each begins where its stream was left. */
static char *collect(struct event_stream *stream, size_t *ret_size)
{
	json_int_t offsets[3] = {0};
	char *all = NULL;
	FILE *memory = open_memstream(&all, ret_size);
	struct event event;

	for (;; event_free(&event)) {
		ck_assert_msg(event_stream_next(stream, &event), "the stream has ended");
		if (strcmp(event.name, "status") == 0)
			continue;
		if (strcmp(event.name, "result") == 0)
			break;
		size_t i = strcmp(event.name, "stdout") == 0 ? 0 : strcmp(event.name, "stderr") == 0 ? 1 : 2;
		size_t size;
		char *bytes = event_bytes(&event, &size);
		ck_assert_int_eq(json_integer_value(json_object_get(event.data, "offset")),
			i < 2 ? offsets[i] : offsets[0] + offsets[1]);
		offsets[i < 2 ? i : 0] += (json_int_t)size;
		(void)fwrite(bytes, 1, size, memory);
		free(bytes);
	}
	event_free(&event);
	(void)fclose(memory);
	return all;
}

/* 9 MB of both streams, characters of several bytes cut anywhere. */
static const struct jobs_submission prints_much = {"cpp",
	"#include <cstdio>\n#include <cstring>\n#include <unistd.h>\n#include <time.h>\n"
	"int main() { char b[1000]; for (int i = 0; i < 9000; i++) { for (int j = 0; j < 1000; j++) "
	"b[j] = \"\\xe2\\x82\\xac\"[(i * 1000 + j) % 3]; write(i % 7 == 0 ? 2 : 1, b, 1000);"
	"if (i % 100 == 0) { timespec t = {0, 20000000}; nanosleep(&t, nullptr); } } }",
	NULL, NULL};

static void expect_same_as_stored(
	const struct test_service *service, const char *id, const char *text, size_t size)
{
	size_t stored_size;
	char *stored = jobs_output(service, id, &stored_size);

	ck_assert_uint_eq(stored_size, 9000000);
	ck_assert_uint_eq(size, stored_size);
	ck_assert_mem_eq(text, stored, size);
	free(stored);
}

START_TEST(much_output_comes_whole_and_in_order)
{
	struct test_service service;
	struct event_stream stream;
	char id[JOB_ID_SIZE];
	size_t size;

	BEGIN;
	service_begin(&service);
	service_start(&service, &supervisor, NULL);
	jobs_submit(&service, &prints_much, id);
	event_stream_open(&stream, &service, id, NULL);
	char *all = collect(&stream, &size);
	expect_same_as_stored(&service, id, all, size);
	free(all);
	event_stream_close(&stream);
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

/* Longer than a request may take and than a connection may be silent. */
START_TEST(a_stream_without_events_is_kept_alive_and_has_its_place)
{
	static const char *const options[] = {"--role=api", "--request-timeout-sec=1", NULL};
	struct event_stream streams[WAITERS_MAX], one;
	struct test_service service;
	char id[JOB_ID_SIZE];

	service_begin(&service);
	service_start(&service, NULL, options); /* nobody runs it */
	jobs_submit(&service, &waits, id);
	for (size_t i = 0; i < WAITERS_MAX; i++) {
		event_stream_open(&streams[i], &service, id, NULL);
		expect_state(&streams[i], "queued", 0);
	}
	event_stream_open(&one, &service, id, NULL);
	ck_assert_int_eq(one.status, 503);
	event_stream_close(&one);
	event_stream_await_comments(&streams[0], 1);
	for (size_t i = 0; i < WAITERS_MAX; i++)
		event_stream_close(&streams[i]);
	/* Their places are free when the next comment finds nobody. */
	do {
		event_stream_close(&one);
		client_pause(100);
		event_stream_open(&one, &service, id, NULL);
	} while (one.status == 503);
	ck_assert_int_eq(one.status, 200);
	expect_state(&one, "queued", 0);
	service_stop(&service); /* it does not wait for who follows a job */
	struct event event;
	ck_assert(!event_stream_next(&one, &event));
	event_stream_close(&one);
	service_end(&service);
}
END_TEST

/* --- several processes ------------------------------------------------------------------------------------------ */

/* Nodes on one embedded state: STATE_DIR is the first one's. */
struct nodes {
	struct test_service api, worker;
	char key[128];
	char id[JOB_ID_SIZE]; /* a job that the worker gets */
	struct event_stream stream;
};

static void write_key(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void nodes_start_worker(struct nodes *nodes)
{
	char key[160];
	const char *const options[] = {"--role=worker", "--lease-sec=3", "--exec-timeout-sec=4",
		"--node-listen=127.0.0.1", "--node-port=0", key, NULL};

	(void)snprintf(key, sizeof(key), "--node-key-file=%s", nodes->key);
	memcpy(nodes->worker.dir, nodes->api.dir, sizeof(nodes->worker.dir));
	service_start(&nodes->worker, &supervisor, options);
}

static void nodes_start(struct nodes *nodes, const char *api_key, const struct jobs_submission *submission)
{
	char key[192], other[128];
	const char *const options[] = {"--role=api", key, NULL};

	*nodes = (struct nodes){0};
	service_begin(&nodes->api);
	(void)snprintf(nodes->key, sizeof(nodes->key), "%s/node.key", nodes->api.dir);
	(void)snprintf(other, sizeof(other), "%s/other.key", nodes->api.dir);
	write_key(nodes->key, "0123456789abcdef0123456789abcdef\n", 0600);
	write_key(other, api_key, 0600);
	(void)snprintf(key, sizeof(key), "--node-key-file=%s", other);
	service_start(&nodes->api, NULL, options);
	nodes_start_worker(nodes);
	jobs_submit(&nodes->api, submission, nodes->id);
	event_stream_open(&nodes->stream, &nodes->api, nodes->id, NULL);
}

static void nodes_end(struct nodes *nodes)
{
	event_stream_close(&nodes->stream);
	if (nodes->worker.pid > 0)
		service_stop(&nodes->worker);
	service_end(&nodes->api);
	supervisor_close(&supervisor);
}

#define SAME_KEY "0123456789abcdef0123456789abcdef"

START_TEST(another_node_s_output_comes_while_the_job_runs)
{
	struct nodes nodes = {0};
	struct event_stream later;

	BEGIN;
	nodes_start(&nodes, SAME_KEY, &waits);
	expect_state(&nodes.stream, "running", 1);
	expect_waits_output(&nodes.stream, 1);
	json_t *job = jobs_status(&nodes.api, nodes.id);
	ck_assert_str_eq(jobs_text(job, "status"), "running");
	json_decref(job);
	event_stream_open(&later, &nodes.api, nodes.id, "1-1-8");
	expect_state(&later, "running", 1);
	expect_chunk(&later, "stdout", "1-1-14", 4, "three\n");
	expect_result(&nodes.stream, "time_limit", 1);
	expect_result(&later, "time_limit", 1);
	event_stream_close(&later);
	nodes_end(&nodes);
}
END_TEST

START_TEST(another_node_s_much_output_comes_whole_and_in_order)
{
	struct nodes nodes = {0};
	size_t size;

	BEGIN;
	nodes_start(&nodes, SAME_KEY, &prints_much);
	json_decref(jobs_finish(&nodes.api, nodes.id)); /* nobody reads meanwhile */
	char *all = collect(&nodes.stream, &size);
	expect_same_as_stored(&nodes.api, nodes.id, all, size);
	free(all);
	nodes_end(&nodes);
}
END_TEST

/* Its job goes to the next worker: what the client has seen of the first attempt is told apart from the second's. */
START_TEST(when_the_other_node_dies_the_stream_goes_on_with_the_next_attempt)
{
	struct nodes nodes = {0};

	BEGIN;
	nodes_start(&nodes, SAME_KEY, &waits);
	expect_state(&nodes.stream, "running", 1);
	expect_waits_output(&nodes.stream, 1);
	service_kill(&nodes.worker);
	nodes_start_worker(&nodes);
	expect_state(&nodes.stream, "running", 2);
	expect_waits_output(&nodes.stream, 2);
	expect_result(&nodes.stream, "time_limit", 2);
	nodes_end(&nodes);
}
END_TEST

/* Without the right key there is what is stored, in the end. */
START_TEST(another_node_tells_only_who_has_the_key)
{
	struct nodes nodes = {0};

	BEGIN;
	nodes_start(&nodes, "another key, which is as long as the first\n", &waits);
	expect_state(&nodes.stream, "running", 1);
	expect_chunk(&nodes.stream, "output", "1-1-14", 0, "one\ntwo\nthree\n");
	expect_result(&nodes.stream, "time_limit", 1);
	nodes_end(&nodes);
}
END_TEST

TEST_PROGRAM("events", 100, tcase_add_test(tc, output_comes_while_the_job_runs);
	     tcase_add_test(tc, a_finished_job_is_told_from_what_is_stored);
	     tcase_add_test(tc, a_compiler_s_complaint_is_output_of_its_step);
	     tcase_add_test(tc, much_output_comes_whole_and_in_order);
	     tcase_add_test(tc, a_stream_without_events_is_kept_alive_and_has_its_place);
	     tcase_add_test(tc, another_node_s_output_comes_while_the_job_runs);
	     tcase_add_test(tc, another_node_s_much_output_comes_whole_and_in_order);
	     tcase_add_test(tc, when_the_other_node_dies_the_stream_goes_on_with_the_next_attempt);
	     tcase_add_test(tc, another_node_tells_only_who_has_the_key))
