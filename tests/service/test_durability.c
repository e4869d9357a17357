/* Accepted jobs finish, each once, in order, whatever is killed meanwhile; and refused ones leave no trace. */
#include "sandbox/base/fd.h"
#include "service/worker.h"
#include "tests/lib/cell_host.h"
#include "tests/lib/client.h"
#include "tests/lib/http_client.h"
#include "tests/lib/jobs.h"
#include "tests/lib/place.h"
#include "tests/lib/serve.h"
#include "tests/lib/state.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

/* --- what lies on the disk ------------------------------------------------------------------------------------ */

/* N jobs have their result and their object; nothing waits, nothing is half done. A message is acknowledged after its
 * job's result can be read: that is waited for. */
static void expect_all_done(const char *dir, unsigned n)
{
	static const char messages[] = "SELECT count(*) FROM messages";

	for (int i = 0; i < 500 && state_count(dir, messages) > 0; i++)
		serve_pause_msec(20);
	ck_assert_int_eq(state_count(dir, "SELECT count(*) FROM jobs"), (int)n);
	ck_assert_int_eq(state_count(dir, "SELECT count(*) FROM jobs WHERE status = 'completed'"), (int)n);
	ck_assert_int_eq(state_count(dir, messages), 0);
	ck_assert_int_eq(state_count(dir, "SELECT count(*) FROM objects"), (int)n);
	ck_assert_uint_eq(state_files(dir, "service/objects/tmp"), 0);
}

/* --- jobs ------------------------------------------------------------------------------------------------------- */

/* Prints what it reads after a while, so that something can happen meanwhile. */
static const char echo[] =
	"#include <cstdio>\n#include <unistd.h>\n"
	"int main() { int n; if (scanf(\"%d\", &n) == 1) { usleep(300000); printf(\"%d\\n\", n); } }";

static void submit_many(const struct test_service *service, size_t n, char ids[][JOB_ID_SIZE])
{
	for (size_t i = 0; i < n; i++) {
		char input[32];
		(void)snprintf(input, sizeof(input), "%zu", i);
		jobs_submit(service, &(struct jobs_submission){"cpp", echo, input}, ids[i]);
	}
}

static void expect_results(const struct test_service *service, size_t n, char ids[][JOB_ID_SIZE])
{
	for (size_t i = 0; i < n; i++) {
		char wanted[32];
		size_t size;
		int length = snprintf(wanted, sizeof(wanted), "%zu\n", i);
		json_t *job = jobs_finish(service, ids[i]);
		ck_assert_msg(strcmp(jobs_text(job, "verdict"), "accepted") == 0, "%s: %s",
			jobs_text(job, "verdict"), jobs_text(job, "error"));
		ck_assert_str_eq(jobs_text(job, "stdoutPreview"), wanted);
		char *output = jobs_output(service, ids[i], &size);
		ck_assert_uint_eq(size, (size_t)length);
		ck_assert_str_eq(output, wanted);
		free(output);
		json_decref(job);
	}
}

/* --- order ------------------------------------------------------------------------------------------------------ */

enum { QUEUED = 8 };

START_TEST(jobs_run_in_the_order_of_their_submission)
{
	static const char *const one_worker[] = {"--workers=1", NULL};
	char ids[QUEUED][JOB_ID_SIZE], ended[JOB_TIME_SIZE] = "";
	struct test_service service;
	struct supervisor supervisor;

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	supervisor_open(&supervisor);
	service_begin(&service);
	service_start(&service, &supervisor, one_worker);
	submit_many(&service, QUEUED, ids);
	expect_results(&service, QUEUED, ids);
	for (size_t i = 0; i < QUEUED; i++) {
		json_t *job = jobs_status(&service, ids[i]);
		ck_assert_str_ge(jobs_text(job, "startedAt"), ended);
		ck_assert_str_ge(jobs_text(job, "completedAt"), jobs_text(job, "startedAt"));
		(void)snprintf(ended, sizeof(ended), "%s", jobs_text(job, "completedAt"));
		json_decref(job);
	}
	expect_all_done(service.dir, QUEUED);
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

/* --- refusals --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *body;
	long status;
} refused[] = {
	{"{\"userId\":\"u\",\"language\":\"cpp\"}", 400},
	{"{\"userId\":\"u\",\"language\":\"cobol\",\"code\":\"x\"}", 400},
	{"{\"userId\":\"u\",\"language\":\"cpp\",\"code\":\"x\",\"more\":1}", 400},
	{"{\"userId\":\"u\",\"language\":\"cpp\",\"code\":\"\xff\"}", 400},
	{"{\"userId\":\"u\",\"language\":\"cpp\",\"code\":\"xxxxxxxxxxx\"}", 413},
	{"{\"userId\":\"u\",\"language\":\"cpp\",\"code\":\"x\"", 400},
};

START_TEST(a_refused_submission_changes_nothing)
{
	static const char *const options[] = {"--code-max=10", NULL};
	struct test_service service;
	char url[256], id[JOB_ID_SIZE];

	service_begin(&service);
	service_start(&service, NULL, options);
	(void)snprintf(url, sizeof(url), "%s/submit", service.url);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct http_client_answer answer;
		http_client_send(&(struct http_client_request){.url = url,
					 .headers = {"Content-Type: application/json"},
					 .body = refused[i].body},
			&answer);
		ck_assert_int_eq(answer.status, refused[i].status);
		http_client_answer_free(&answer);
	}
	ck_assert_int_eq(state_count(service.dir, "SELECT count(*) FROM jobs"), 0);
	ck_assert_int_eq(state_count(service.dir, "SELECT count(*) FROM sources"), 0);
	ck_assert_int_eq(state_count(service.dir, "SELECT count(*) FROM messages"), 0);
	jobs_submit(&service, &(struct jobs_submission){"cpp", "xxxxxxxxxx", NULL}, id); /* at the bound */
	ck_assert_int_eq(state_count(service.dir, "SELECT count(*) FROM jobs"), 1);
	ck_assert_int_eq(state_count(service.dir, "SELECT count(*) FROM messages"), 1);
	service_end(&service);
}
END_TEST

/* --- cofferdam serve, killed here and there --------------------------------------------------------------------- */

/* A job that the supervisor vanishes under for the fifth time is given up (WORKER_FAILURES_LOST): fewer kills. */
enum { MANY = 20, KILLS = 2 };

static struct test_service address_of(const struct serve *serve)
{
	struct test_service service = {0};

	(void)snprintf(service.url, sizeof(service.url), "http://127.0.0.1:%u", serve->port);
	return service;
}

/* Some job is running at this moment. */
static void wait_for_a_run(const struct serve *serve)
{
	for (int i = 0; i < 1000; i++) {
		if (state_count(place_path("state"), "SELECT count(*) FROM jobs WHERE status = 'running'") >
			0)
			return;
		serve_pause_msec(10);
	}
	ck_abort_msg("no job runs at port %u", serve->port);
}

static void kill_halves(const struct serve *serve)
{
	pid_t service = serve_service(serve), supervisor = serve_supervisor(serve);

	wait_for_a_run(serve);
	ck_assert_int_eq(kill(service, SIGKILL), 0);
	ck_assert_int_gt(serve_wait_for_another(serve, SUPERVISOR_SERVICE_UID, service), 0);
	wait_for_a_run(serve);
	ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
	ck_assert_int_gt(serve_wait_for_another(serve, 0, supervisor), 0);
	serve_wait_until_healthy(serve->port);
}

START_TEST(kill_9_of_either_half_again_and_again_loses_no_job)
{
	char ids[MANY][JOB_ID_SIZE];

	PLACE_ENTER(before);
	NEEDS_IMAGE("cpp");
	struct serve serve = serve_start(place_path("state"));
	struct test_service service = address_of(&serve);
	submit_many(&service, MANY, ids);
	for (size_t i = 0; i < KILLS; i++)
		kill_halves(&serve);
	expect_results(&service, MANY, ids);
	expect_all_done(place_path("state"), MANY);
	serve_stop(&serve, SIGTERM);
	place_leave(&before);
}
END_TEST

/* Ends it in the middle of runs; whatever was accepted finishes after the next start. */
static void end_and_start_again(int signal)
{
	char ids[QUEUED][JOB_ID_SIZE];

	struct serve serve = serve_start(place_path("state"));
	struct test_service service = address_of(&serve);
	submit_many(&service, QUEUED, ids);
	wait_for_a_run(&serve);
	if (signal == SIGKILL) {
		ck_assert_int_eq(kill(serve.program.pid, SIGKILL), 0);
		program_finish(&serve.program);
		program_free(&serve.program);
	} else {
		serve_stop(&serve, signal);
		ck_assert_int_eq(state_count(place_path("state"),
					 "SELECT count(*) FROM jobs WHERE status = 'running'"),
			0);
	}
	serve = serve_start(place_path("state"));
	service = address_of(&serve);
	expect_results(&service, QUEUED, ids);
	expect_all_done(place_path("state"), QUEUED);
	serve_stop(&serve, SIGTERM);
}

START_TEST(sigterm_in_the_middle_of_runs_leaves_nothing_and_loses_nothing)
{
	PLACE_ENTER(before);
	NEEDS_IMAGE("cpp");
	end_and_start_again(SIGTERM);
	place_leave(&before);
}
END_TEST

START_TEST(kill_9_of_serve_itself_loses_no_job)
{
	PLACE_ENTER(before);
	NEEDS_IMAGE("cpp");
	end_and_start_again(SIGKILL);
	place_leave(&before);
}
END_TEST

/* --- what a job is charged with --------------------------------------------------------------------------------- */

enum { MANY_TIMES = 6, FAR_TOO_OFTEN = 30 };

/* The job runs, and its worker has had the time to reach the supervisor. False: it is finished. */
static bool is_under_way(const struct test_service *service, const char *id)
{
	json_t *job = jobs_wait(service, id, "queued", true);
	bool is_running = strcmp(jobs_text(job, "status"), "running") == 0;

	json_decref(job);
	serve_pause_msec(100);
	return is_running;
}

/* More of them than failures would be forgiven, and then a failure. */
START_TEST(restarts_of_the_service_cost_a_job_nothing)
{
	struct test_service service;
	struct supervisor supervisor;
	char id[1][JOB_ID_SIZE];

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	supervisor_open(&supervisor);
	service_begin(&service);
	service_start(&service, &supervisor, NULL);
	submit_many(&service, 1, id);
	for (int i = 0; i < MANY_TIMES; i++) {
		ck_assert(is_under_way(&service, id[0]));
		service_kill(&service);
		service_start(&service, &supervisor, NULL);
	}
	ck_assert(is_under_way(&service, id[0]));
	supervisor_kill(&supervisor);
	supervisor_start(&supervisor);
	expect_results(&service, 1, id);
	ck_assert_int_gt(state_count(service.dir, "SELECT attempt FROM jobs"), MANY_TIMES);
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(a_job_under_which_the_supervisor_vanishes_again_and_again_is_given_up)
{
	struct test_service service;
	struct supervisor supervisor;
	char id[1][JOB_ID_SIZE];
	int kills = 0;

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	supervisor_open(&supervisor);
	service_begin(&service);
	service_start(&service, &supervisor, NULL);
	submit_many(&service, 1, id);
	for (; kills < FAR_TOO_OFTEN && is_under_way(&service, id[0]); kills++) {
		supervisor_kill(&supervisor);
		supervisor_start(&supervisor);
	}
	json_t *job = jobs_finish(&service, id[0]);
	ck_assert_str_eq(jobs_text(job, "verdict"), "internal_error");
	json_decref(job);
	ck_assert_int_ge(kills, WORKER_FAILURES_LOST);
	ck_assert_int_eq(state_count(service.dir, "SELECT failures FROM jobs"), WORKER_FAILURES_LOST - 1);
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

/* --- an attempt that comes too late ----------------------------------------------------------------------------- */

/* Says when it began: no two attempts say the same. */
static const char slow[] = "#include <cstdio>\n#include <ctime>\n#include <unistd.h>\n"
			   "int main() { timespec t; clock_gettime(CLOCK_REALTIME, &t); sleep(2);\n"
			   "printf(\"%lld.%09ld\\n\", (long long)t.tv_sec, t.tv_nsec); }";

static void wait_for_log(const struct test_service *service, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/service.log", service->dir);
	for (int i = 0; i < 1000; i++) {
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
		_cleanup_free_ char *log = NULL;
		size_t size;
		ck_assert_int_eq(fd_read_all(fd, 1 << 20, &log, &size), 0);
		if (strstr(log, text) != NULL)
			return;
		serve_pause_msec(20);
	}
	ck_abort_msg("%s never has %s", path, text);
}

/* Stops the one cell there is as it runs. Returns how many processes it has. */
static size_t stop_cell(const struct supervisor *supervisor, pid_t pids[CELL_PIDS])
{
	size_t n = 0;

	for (int i = 0; i < 1000 && (n = host_slot_pids(supervisor->slot, pids)) == 0; i++)
		serve_pause_msec(10);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(kill(pids[i], SIGSTOP), 0);
	ck_assert_uint_gt(n, 0);
	return n;
}

/* The lease of a run that is stopped ends, another worker brings the result, and then the first one comes, or finds that
 * its claim is lost. */
START_TEST(an_attempt_that_comes_too_late_changes_nothing)
{
	static const char *const two_workers[] = {"--workers=2", NULL};
	const struct jobs_submission submission = {"cpp", slow, NULL};
	struct test_service service;
	struct supervisor supervisor;
	char id[JOB_ID_SIZE], warm[JOB_ID_SIZE];
	pid_t pids[CELL_PIDS];
	size_t size;

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	supervisor_open(&supervisor);
	service_begin(&service);
	service_start(&service, &supervisor, two_workers);
	jobs_submit(&service, &submission, warm); /* from now on it is compiled */
	json_decref(jobs_finish(&service, warm));
	supervisor_wait_until_empty(&supervisor);
	jobs_submit(&service, &submission, id);
	size_t n = stop_cell(&supervisor, pids);
	ck_assert_int_eq(
		state_change(service.dir, "UPDATE jobs SET lease_usec = 0 WHERE status = 'running'"), 1);
	ck_assert_int_ge(
		state_change(service.dir, "UPDATE messages SET visible_usec = 0 WHERE receipt IS NOT NULL"),
		1);
	json_t *job = jobs_finish(&service, id);
	ck_assert_str_eq(jobs_text(job, "verdict"), "accepted");
	for (size_t i = 0; i < n; i++)
		(void)kill(pids[i], SIGCONT);
	wait_for_log(&service, "job.superseded");
	_cleanup_free_ char *output = jobs_output(&service, id, &size);
	ck_assert_str_eq(output, jobs_text(job, "stdoutPreview"));
	json_t *now = jobs_status(&service, id);
	ck_assert(json_equal(now, job));
	json_decref(now);
	json_decref(job);
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

/* --- roles ------------------------------------------------------------------------------------------------------ */

START_TEST(role_api_accepts_what_role_worker_runs)
{
	static const char *const api_role[] = {"--role=api", NULL}, *const worker_role[] = {
									    "--role=worker", NULL};
	struct test_service api, worker;
	struct supervisor supervisor;
	char ids[2][JOB_ID_SIZE];

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	supervisor_open(&supervisor);
	service_begin(&api);
	worker = api;
	service_start(&api, NULL, api_role);
	json_decref(jobs_get(&api, "/ready", 200)); /* it needs no supervisor */
	submit_many(&api, 1, ids);
	service_start(&worker, &supervisor, worker_role);
	submit_many(&api, 1, ids + 1);
	expect_results(&api, 1, ids);
	expect_results(&api, 1, ids + 1);
	service_stop(&worker);
	service_end(&api);
	supervisor_close(&supervisor);
}
END_TEST

START_TEST(one_process_at_a_time_runs_the_jobs_of_a_state_directory)
{
	struct test_service service;
	char state[128], program[4096];

	service_begin(&service);
	service_start(&service, NULL, NULL);
	(void)snprintf(state, sizeof(state), "--state-dir=%s", service.dir);
	(void)snprintf(program, sizeof(program), "%s-service", supervisor_program());
	struct program second = program_run(program, "--role=worker", state);
	expect_status(second, 1);
	expect_text(second.err, "another process runs these jobs");
	program_free(&second);
	service_end(&service);
}
END_TEST

/* --- figures ---------------------------------------------------------------------------------------------------- */

/* Asks until the answer has that status and text. The counters of /metrics are raised after the result can be read, and what
 * /ready says is kept for a second. */
static void wait_for_answer(
	const struct test_service *service, const char *path, long status, const char *text)
{
	char url[256];

	(void)snprintf(url, sizeof(url), "%s%s", service->url, path);
	for (int i = 0; i < 500; i++) {
		struct http_client_answer answer;
		http_client_send(&(struct http_client_request){.url = url}, &answer);
		bool is_it = answer.status == status && strstr(answer.body, text) != NULL;
		http_client_answer_free(&answer);
		if (is_it)
			return;
		serve_pause_msec(20);
	}
	ck_abort_msg("GET %s does not come to %ld: %s", path, status, text);
}

static void wait_for_figure(const struct test_service *service, const char *line)
{
	char wanted[256];

	(void)snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	wait_for_answer(service, "/metrics", 200, wanted);
}

START_TEST(the_figures_tell_what_happened)
{
	struct test_service service;
	struct supervisor supervisor;
	char ids[2][JOB_ID_SIZE];

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	supervisor_open(&supervisor);
	service_begin(&service);
	service_start(&service, &supervisor, NULL);
	submit_many(&service, 1, ids);
	jobs_submit(&service, &(struct jobs_submission){"cpp", "int main() { return x; }", NULL}, ids[1]);
	wait_for_figure(&service, "cofferdam_jobs_total{language=\"cpp\",verdict=\"accepted\"} 1");
	wait_for_figure(&service, "cofferdam_jobs_total{language=\"cpp\",verdict=\"compile_error\"} 1");
	wait_for_figure(&service, "cofferdam_jobs_submitted_total{language=\"cpp\"} 2");
	wait_for_figure(&service, "cofferdam_jobs_running 0");
	wait_for_figure(&service, "cofferdam_queue_depth 0");
	wait_for_figure(&service, "cofferdam_phase_seconds_count{step=\"compile\",phase=\"run\"} 2");
	wait_for_figure(&service, "cofferdam_phase_seconds_count{step=\"run\",phase=\"run\"} 1");
	wait_for_figure(&service, "cofferdam_http_requests_total{route=\"submit\",code=\"202\"} 2");
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

/* One that is there and does not answer holds up nobody who asks something else. */
START_TEST(a_supervisor_that_hangs_makes_the_service_not_ready)
{
	struct test_service service;
	struct supervisor supervisor;

	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	supervisor_open(&supervisor);
	service_begin(&service);
	service_start(&service, &supervisor, NULL);
	ck_assert_int_eq(kill(supervisor.pid, SIGSTOP), 0);
	wait_for_answer(&service, "/ready", 503, "does not answer");
	json_decref(jobs_get(&service, "/health", 200));
	ck_assert_int_eq(kill(supervisor.pid, SIGCONT), 0);
	wait_for_answer(&service, "/ready", 200, "");
	service_end(&service);
	supervisor_close(&supervisor);
}
END_TEST

TEST_PROGRAM("durability", 300, tcase_add_test(tc, jobs_run_in_the_order_of_their_submission);
	     tcase_add_test(tc, a_refused_submission_changes_nothing);
	     tcase_add_test(tc, kill_9_of_either_half_again_and_again_loses_no_job);
	     tcase_add_test(tc, sigterm_in_the_middle_of_runs_leaves_nothing_and_loses_nothing);
	     tcase_add_test(tc, kill_9_of_serve_itself_loses_no_job);
	     tcase_add_test(tc, restarts_of_the_service_cost_a_job_nothing);
	     tcase_add_test(tc, a_job_under_which_the_supervisor_vanishes_again_and_again_is_given_up);
	     tcase_add_test(tc, an_attempt_that_comes_too_late_changes_nothing);
	     tcase_add_test(tc, role_api_accepts_what_role_worker_runs);
	     tcase_add_test(tc, one_process_at_a_time_runs_the_jobs_of_a_state_directory);
	     tcase_add_test(tc, the_figures_tell_what_happened);
	     tcase_add_test(tc, a_supervisor_that_hangs_makes_the_service_not_ready))
