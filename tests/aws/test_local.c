/* `make run BACKEND=aws-local` beside `cofferdam serve`: the README's calls have the same answers, whatever keeps the jobs. */
#include "tests/lib/emulator.h"
#include "tests/lib/event_stream.h"
#include "tests/lib/http_client.h"
#include "tests/lib/jobs.h"
#include "tests/lib/place.h"
#include "tests/lib/serve.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

static struct serve embedded;
static struct program local;
static struct test_service services[2]; /* their addresses: embedded, local */

static void start_local(const char *port)
{
	const char *bin = getenv("BIN_DIR");

	ck_assert_int_eq(setenv("STATE_DIR", place_path("local"), 1), 0);
	ck_assert_int_eq(setenv("PORT", port, 1), 0);
	ck_assert_int_eq(mkdir(place_path("local"), 0755), 0);
	local = program_start(&(struct program_plan){
		.argv = (const char *const[]){"tests/aws/local", bin != NULL ? bin : "build/debug/bin", NULL},
	});
	char line[128] = "";
	ssize_t n = read(local.out_fd, line, sizeof(line) - 1);
	ck_assert_msg(n > 0 && strncmp(line, "http://127.0.0.1:", 17) == 0, "it does not start: %s", line);
	line[strcspn(line, "\n")] = '\0';
	(void)snprintf(services[1].url, sizeof(services[1].url), "%s", line);
}

static void begin(void)
{
	embedded = serve_start(place_path("embedded"));
	(void)snprintf(services[0].url, sizeof(services[0].url), "http://127.0.0.1:%u", embedded.port);
	start_local("0");
}

static void end(void)
{
	ck_assert_int_eq(kill(local.pid, SIGTERM), 0);
	program_finish(&local);
	expect_status(local, 0);
	program_free(&local);
	ck_assert_int_eq(unsetenv("STATE_DIR"), 0);
	ck_assert_int_eq(unsetenv("PORT"), 0);
	serve_stop(&embedded, SIGTERM);
}

/* --- the same --------------------------------------------------------------------------------------------------- */

/* Of strings, what differs from one run to the next. */
static bool is_of_its_run(const char *key)
{
	static const char *const keys[] = {"executionId", "createdAt", "updatedAt", "startedAt",
		"completedAt", "expiresAt", "url", "outputPath", "cursor"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

/* Same keys and types; same strings and truths; numbers only where they are of the job's doing. */
static void expect_same(const json_t *one, const json_t *other, const char *key)
{
	const char *name;
	json_t *value;
	size_t i;

	ck_assert_msg(json_typeof(one) == json_typeof(other), "%s: not of one type", key);
	ck_assert_msg(json_object_size(one) == json_object_size(other), "%s: more keys than the other", key);
	ck_assert_msg(json_array_size(one) == json_array_size(other), "%s: of another length", key);
	json_object_foreach((json_t *)(uintptr_t)one, name, value)
	{
		const json_t *same = json_object_get(other, name);
		ck_assert_msg(same != NULL, "%s has no %s", key, name);
		expect_same(value, same, name);
	}
	json_array_foreach(one, i, value) expect_same(value, json_array_get(other, i), key);
	if (json_is_string(one) && !is_of_its_run(key))
		ck_assert_str_eq(json_string_value(one), json_string_value(other));
	if (strcmp(key, "exit_code") == 0 || strcmp(key, "output_bytes") == 0 || strcmp(key, "attempt") == 0)
		ck_assert(json_equal(one, other));
}

/* GET PATH, in which %s is the service's job, from both. */
static void expect_same_answer(const char *path, char ids[2][JOB_ID_SIZE], long status)
{
	json_t *answers[2];
	char text[256];

	for (size_t i = 0; i < 2; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(text, sizeof(text), path, ids[i]);
#pragma GCC diagnostic pop
		answers[i] = jobs_get(&services[i], text, status);
	}
	expect_same(answers[0], answers[1], path);
	json_decref(answers[0]);
	json_decref(answers[1]);
}

/* What a client sees who follows the job to its end: the bytes of each stream, and the result. */
static json_t *follow(const struct test_service *service, const char *id)
{
	json_t *seen = json_object();
	struct event_stream stream;
	struct event event;

	event_stream_open(&stream, service, id, NULL);
	ck_assert_int_eq(stream.status, 200);
	for (; event_stream_next(&stream, &event); event_free(&event)) {
		if (strcmp(event.name, "status") == 0)
			continue;
		json_t *value = json_incref(event.data);
		if (strcmp(event.name, "result") != 0) {
			size_t size;
			char *bytes = event_bytes(&event, &size);
			const char *before = json_string_value(json_object_get(seen, event.name));
			json_decref(value);
			value = json_sprintf("%s%s", before != NULL ? before : "", bytes);
			free(bytes);
		}
		ck_assert_int_eq(json_object_set_new(seen, event.name, value), 0);
	}
	event_stream_close(&stream);
	return seen;
}

START_TEST(the_readme_s_calls_have_the_same_answers)
{
	static const struct jobs_submission jobs[] = {
		{"cpp",
			"#include <iostream>\n#include <unistd.h>\nint main() { int a, b; std::cin >> a >> "
			"b; sleep(1);\n"
			"std::cout << a + b << \"\\n\" << std::flush; sleep(1); std::cerr << \"done\\n\"; "
			"}\n",
			"40 2\n", "ada"},
		{"cpp", "int main() { return nowhere; }", NULL, "ada"},
		{"cpp", "int main() { return 3; }", NULL, "ada"},
	};
	char ids[2][JOB_ID_SIZE];

	if (emulator_skip_reason() != NULL)
		TEST_SKIP(emulator_skip_reason());
	NEEDS_IMAGE("cpp");
	PLACE_ENTER(before);
	begin();
	for (size_t j = 0; j < sizeof(jobs) / sizeof(jobs[0]); j++) {
		json_t *seen[2];
		size_t sizes[2];
		char *outputs[2];
		for (size_t i = 0; i < 2; i++) {
			jobs_submit(&services[i], &jobs[j], ids[i]);
			seen[i] = follow(&services[i], ids[i]);
			outputs[i] = jobs_output(&services[i], ids[i], &sizes[i]);
		}
		expect_same(seen[0], seen[1], "events");
		ck_assert_uint_eq(sizes[0], sizes[1]);
		ck_assert_mem_eq(outputs[0], outputs[1], sizes[0]);
		for (size_t i = 0; i < 2; i++) {
			json_decref(seen[i]);
			free(outputs[i]);
		}
		expect_same_answer("/status?id=%s&wait=30", ids, 200);
		expect_same_answer("/result?id=%s", ids, 200);
	}
	expect_same_answer("/jobs?userId=ada", ids, 200);
	expect_same_answer("/jobs?userId=ada&limit=1", ids, 200);
	expect_same_answer("/jobs?userId=nobody", ids, 200);
	expect_same_answer("/status?id=00000000-0000-4000-8000-000000000000", ids, 404);
	expect_same_answer("/languages", ids, 200);
	expect_same_answer("/health", ids, 200);
	expect_same_answer("/ready", ids, 200);
	end();
	place_leave(&before);
}
END_TEST

TEST_PROGRAM("local", 170, tcase_add_test(tc, the_readme_s_calls_have_the_same_answers))
