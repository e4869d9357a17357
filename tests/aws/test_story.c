/* Two nodes that answer HTTP and three workers on one queue, one table and one bucket, half of them with clocks that are wrong
 * by an hour, while workers are killed and each backend in turn misbehaves: every accepted job ends once, with one result and
 * one object, and nothing is left over.
 * STORY_JOBS says how many (`make chaos`: 1000), STORY_SEED repeats an order of events. */
#include "sandbox/base/fd.h"
#include "tests/lib/aws_place.h"
#include "tests/lib/client.h"
#include "tests/lib/http_client.h"
#include "tests/lib/jobs.h"
#include "tests/lib/place.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum {
	JOBS_DEFAULT = 40,
	JOBS_MAX = 20000,
	APIS = 2,
	WORKERS = 3,
	PHASE_MSEC = 700, /* of one fault of one backend */
	DOWN_MSEC = 4000, /* of a backend that is down; `make chaos` has 20 s */
	PACE_MSEC = 400,  /* between two submissions of a client: some come at each fault */
	CLIENTS_MAX = 4,  /* one for each hundred jobs */
	HOUR_SEC = 3600,
	LOG_MAX = 256 << 20,
	WAIT_SEC = 20, /* of one question for a job's end */
	PATIENCE = 15, /* questions */
	NUMBER_SIZE = 16,
};

/* How far their clocks are ahead. */
static const long api_clocks[APIS] = {HOUR_SEC, 0}, worker_clocks[WORKERS] = {HOUR_SEC, -HOUR_SEC, 0};

struct job_seen {
	char id[JOB_ID_SIZE];
	bool is_done;
	unsigned nresults; /* that workers say they stored */
};

struct world {
	struct supervisor supervisor;
	struct aws_place place;
	struct test_service apis[APIS], workers[WORKERS];
	struct job_seen jobs[JOBS_MAX];
	unsigned wanted, seed, down_msec;
	atomic_uint nbegun, naccepted, nrefused; /* submissions, counted by the clients' threads */
	unsigned nkills, nfaults;
};

static struct world world;
static struct sandbox_error err;

static void pause_msec(long msec)
{
	(void)nanosleep(&(struct timespec){msec / 1000, msec % 1000 * 1000000}, NULL);
}

static unsigned number_of(const char *name, unsigned standard)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? (unsigned)strtoul(text, NULL, 10) : standard;
}

/* --- the place -------------------------------------------------------------------------------------------------- */

static void start_worker(struct test_service *worker)
{
	static const char *const options[] = {"--role=worker", "--workers=2", NULL};

	service_start(worker, &world.supervisor, options);
}

static void open_world(void)
{
	static const char *const options[] = {"--role=api", NULL};

	world.wanted = number_of("STORY_JOBS", JOBS_DEFAULT);
	world.seed = number_of("STORY_SEED", (unsigned)time(NULL));
	world.down_msec = number_of("STORY_DOWN_MSEC", DOWN_MSEC);
	ck_assert_uint_le(world.wanted, JOBS_MAX);
	supervisor_open(&world.supervisor);
	aws_place_open(&world.place, &(struct aws_place_plan){AWS_PLACE_ALL, .has_proxies = true});
	ck_assert_int_eq(setenv("LEASE_SEC", "3", 1), 0);
	for (size_t i = 0; i < APIS; i++) {
		service_begin(&world.apis[i]);
		world.apis[i].ahead_sec = api_clocks[i];
		service_start(&world.apis[i], NULL, options);
	}
	for (size_t i = 0; i < WORKERS; i++) {
		service_begin(&world.workers[i]);
		world.workers[i].ahead_sec = worker_clocks[i];
		start_worker(&world.workers[i]);
	}
}

static void close_world(void)
{
	for (size_t i = 0; i < APIS; i++)
		service_end(&world.apis[i]);
	for (size_t i = 0; i < WORKERS; i++)
		service_end(&world.workers[i]);
	aws_place_close(&world.place);
	supervisor_close(&world.supervisor);
}

/* --- jobs ------------------------------------------------------------------------------------------------------- */

/* Says its number and when it began: no two attempts say the same. */
static const char echo[] = "#include <stdio.h>\n#include <time.h>\n#include <unistd.h>\n"
			   "int main() { struct timespec t; clock_gettime(CLOCK_REALTIME, &t);\n"
			   "int n; if (scanf(\"%d\", &n) != 1) return 1; usleep(100000);\n"
			   "printf(\"%d %lld\\n\", n, t.tv_sec * 1000000LL + t.tv_nsec / 1000); }";

/* True: accepted. What is refused is refused with 503, and Retry-After. */
static bool submit(const struct test_service *api, unsigned number, char id[JOB_ID_SIZE])
{
	struct http_client_request request = {.headers = {"Content-Type: application/json"}};
	struct http_client_answer answer;
	char input[NUMBER_SIZE], url[256];

	(void)snprintf(input, sizeof(input), "%u", number);
	(void)snprintf(url, sizeof(url), "%s/submit", api->url);
	json_t *body = json_pack(
		"{s:s, s:s, s:s, s:s}", "userId", "story", "language", "cpp", "code", echo, "input", input);
	char *text = json_dumps(body, 0);
	request.url = url;
	request.body = text;
	http_client_send(&request, &answer);
	bool is_accepted = answer.status == 202;
	if (is_accepted) {
		json_t *job = http_client_json(&answer);
		(void)snprintf(id, JOB_ID_SIZE, "%s", jobs_text(job, "executionId"));
		json_decref(job);
	} else {
		ck_assert_int_eq(answer.status, 503);
		ck_assert_ptr_nonnull(http_client_header(&answer, "retry-after"));
	}
	http_client_answer_free(&answer);
	free(text);
	json_decref(body);
	return is_accepted;
}

/* As a client does: what is refused is submitted again, at the other node. */
static void *be_client(void *user)
{
	unsigned n, turn = 0;

	(void)user;
	while ((n = atomic_fetch_add(&world.nbegun, 1)) < world.wanted) {
		while (!submit(&world.apis[turn++ % APIS], n, world.jobs[n].id)) {
			atomic_fetch_add(&world.nrefused, 1);
			pause_msec(PACE_MSEC / 2);
		}
		atomic_fetch_add(&world.naccepted, 1);
		pause_msec(PACE_MSEC);
	}
	return NULL;
}

/* The job, or NULL: it cannot be told now. */
static json_t *ask(const char *path)
{
	static unsigned turn;
	struct http_client_request request = {0};
	struct http_client_answer answer;
	char url[256];

	(void)snprintf(url, sizeof(url), "%s%s", world.apis[turn++ % APIS].url, path);
	request.url = url;
	http_client_send(&request, &answer);
	json_t *json = answer.status == 200 ? http_client_json(&answer) : NULL;
	http_client_answer_free(&answer);
	return json;
}

/* --- trouble ---------------------------------------------------------------------------------------------------- */

static unsigned chance(unsigned n)
{
	return (unsigned)rand_r(&world.seed) % n;
}

static void kill_one(void)
{
	struct test_service *worker = &world.workers[chance(WORKERS)];

	service_kill(worker);
	start_worker(worker);
	world.nkills++;
}

/* Each fault of each backend once, in an order of their own; workers are killed meanwhile. */
static void make_trouble(void)
{
	unsigned order[AWS_PLACE_PROXY_N * (FAULTY_MODE_N - 1)];
	size_t n = sizeof(order) / sizeof(order[0]);

	for (size_t i = 0; i < n; i++) {
		size_t k = chance((unsigned)i + 1);
		order[i] = order[k];
		order[k] = (unsigned)i;
	}
	for (size_t i = 0; i < n; i++) {
		struct faulty *proxy = &world.place.proxies[order[i] % AWS_PLACE_PROXY_N];
		enum faulty_mode mode = (enum faulty_mode)(1 + order[i] / AWS_PLACE_PROXY_N);
		faulty_set(proxy, mode);
		pause_msec(mode == FAULTY_DOWN ? (long)world.down_msec : PHASE_MSEC);
		if (chance(3) == 0)
			kill_one();
		faulty_set(proxy, FAULTY_PASS);
		aws_place_expect_alive();
		pause_msec(PHASE_MSEC / 2);
		world.nfaults++;
	}
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

/* Its output is its own number, and the one that its record tells of. */
static void check_job(unsigned number, const json_t *job)
{
	char path[128], wanted[NUMBER_SIZE + 2];
	struct http_client_answer answer;

	ck_assert_msg(strcmp(jobs_text(job, "status"), "completed") == 0, "job %u (%s): %s, %s", number,
		world.jobs[number].id, jobs_text(job, "status"), jobs_text(job, "error"));
	ck_assert_str_eq(jobs_text(job, "verdict"), "accepted");
	(void)snprintf(wanted, sizeof(wanted), "%u ", number);
	ck_assert_int_eq(strncmp(jobs_text(job, "stdoutPreview"), wanted, strlen(wanted)), 0);
	(void)snprintf(path, sizeof(path), "/result?id=%s", world.jobs[number].id);
	json_t *result = ask(path);
	ck_assert_ptr_nonnull(result);
	struct http_client_request request = {.url = jobs_text(result, "url")};
	http_client_send(&request, &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, jobs_text(job, "stdoutPreview"));
	http_client_answer_free(&answer);
	json_decref(result);
}

static void wait_for_all(void)
{
	char path[128];

	for (unsigned n = 0; n < world.wanted; n++) {
		(void)snprintf(path, sizeof(path), "/status?id=%s&wait=%d", world.jobs[n].id, WAIT_SEC);
		json_t *job = NULL;
		for (unsigned i = 0; i < PATIENCE && !world.jobs[n].is_done; i++) {
			json_decref(job);
			job = ask(path);
			const char *status = jobs_text(job, "status");
			world.jobs[n].is_done = job != NULL && strcmp(status, "queued") != 0 &&
						strcmp(status, "running") != 0;
		}
		ck_assert_msg(world.jobs[n].is_done, "job %u (%s) does not end", n, world.jobs[n].id);
		check_job(n, job);
		json_decref(job);
	}
}

/* What a job left, under "outputs/"; a page of S3 has a thousand. */
static unsigned count_objects(void)
{
	char token[1024] = "", from[1024];
	unsigned n = 0;

	do {
		(void)snprintf(from, sizeof(from), "%s", token);
		const struct aws_pair query[] = {
			{"list-type", "2"}, {"prefix", "outputs/"}, {"continuation-token", from}};
		const struct aws_request request = {.operation = "ListObjectsV2",
			.method = "GET",
			.bucket = world.place.bucket,
			.path = "/",
			.query = query,
			.nquery = from[0] != '\0' ? 3 : 2,
			.body_fd = -1};
		struct aws_reply reply = {0};
		ck_assert_msg(aws_call(world.place.s3, &request, &reply, &err) == 0, "%s", err.message);
		for (const char *at = reply.body; (at = strstr(at, "<Key>")) != NULL; at++)
			n++;
		if (!aws_xml_text(reply.body, "NextContinuationToken", token, sizeof(token)))
			token[0] = '\0';
		aws_reply_free(&reply);
	} while (token[0] != '\0');
	return n;
}

static unsigned count_records(const char *status)
{
	json_t *from = NULL;
	unsigned n = 0;

	do {
		json_t *input = json_pack("{s:s, s:s, s:{s:s}, s:{s:{s:s}}}", "TableName", world.place.table,
			"FilterExpression", "#status = :status", "ExpressionAttributeNames", "#status",
			"status", "ExpressionAttributeValues", ":status", "S", status);
		if (from != NULL)
			ck_assert_int_eq(json_object_set(input, "ExclusiveStartKey", from), 0);
		json_decref(from);
		json_t *answer = aws_place_ask(world.place.dynamodb, "Scan", input);
		n += (unsigned)json_integer_value(json_object_get(answer, "Count"));
		from = json_incref(json_object_get(answer, "LastEvaluatedKey"));
		json_decref(answer);
	} while (from != NULL);
	return n;
}

/* A submission that was refused may have run all the same, if only its answer was lost: it ended once as well. */
static void expect_nothing_left(void)
{
	unsigned nmessages = 1;

	/* Duplicates may still be on their way: they find nothing to do. */
	for (int i = 0; i < 600 && nmessages > 0; i++) {
		nmessages = aws_place_messages(&world.place, world.place.queue_url);
		pause_msec(100);
	}
	ck_assert_uint_eq(nmessages, 0);
	ck_assert_uint_eq(aws_place_messages(&world.place, world.place.dead_url), 0);
	ck_assert_uint_eq(count_records("running"), 0);
	unsigned ncompleted = count_records("completed");
	ck_assert_uint_ge(ncompleted, world.wanted);
	ck_assert_uint_eq(count_objects(), ncompleted);
}

static void note_result(const char *id)
{
	for (unsigned n = 0; n < world.wanted; n++)
		if (strncmp(world.jobs[n].id, id, JOB_ID_SIZE - 1) == 0)
			world.jobs[n].nresults++;
}

/* By the workers' logs; who was killed may not have come to say it. */
static void expect_no_second_results(void)
{
	static const char event[] = "\"event\":\"job.finished\",\"id\":\"";
	char path[128];

	for (size_t i = 0; i < WORKERS; i++) {
		(void)snprintf(path, sizeof(path), "%s/service.log", world.workers[i].dir);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
		_cleanup_free_ char *log = NULL;
		size_t size;
		ck_assert_int_eq(fd_read_all(fd, LOG_MAX, &log, &size), 0);
		for (const char *at = log; (at = strstr(at, event)) != NULL; at += strlen(event))
			note_result(at + strlen(event));
	}
	unsigned sum = 0;
	for (unsigned n = 0; n < world.wanted; n++) {
		ck_assert_msg(world.jobs[n].nresults <= 1, "job %u (%s) has %u results", n, world.jobs[n].id,
			world.jobs[n].nresults);
		sum += world.jobs[n].nresults;
	}
	ck_assert_uint_gt(sum, world.wanted / 2);
}

/* What the proxies and the clocks were there for did happen. */
static void say_what_happened(unsigned seed)
{
	unsigned nrepeated = 0, nskewed = 0;

	for (size_t i = 0; i < AWS_PLACE_PROXY_N; i++) {
		nrepeated += faulty_repeated(&world.place.proxies[i]);
		nskewed += faulty_refused(&world.place.proxies[i]);
	}
	ck_assert_uint_gt(faulty_repeated(&world.place.proxies[AWS_PLACE_SQS]), 0);
	ck_assert_uint_ge(nskewed, 3); /* each of those whose clock is wrong */
	(void)fprintf(stderr,
		"# chaos: %u jobs accepted, %u submissions refused, %u faults, %u workers killed, %u "
		"requests done "
		"twice, %u refused for a wrong clock: 0 lost, 0 double (seed %u)\n",
		world.wanted, atomic_load(&world.nrefused), world.nfaults, world.nkills, nrepeated, nskewed,
		seed);
}

START_TEST(every_accepted_job_ends_once_whatever_happens)
{
	pthread_t clients[CLIENTS_MAX];

	NEEDS_EMULATORS();
	if (cell_skip_reason() != NULL)
		TEST_SKIP(cell_skip_reason());
	NEEDS_IMAGE("cpp");
	open_world();
	unsigned seed = world.seed;
	size_t nclients = world.wanted / 100 + 1;
	nclients = nclients < CLIENTS_MAX ? nclients : CLIENTS_MAX;
	for (size_t i = 0; i < nclients; i++)
		ck_assert_int_eq(pthread_create(&clients[i], NULL, be_client, NULL), 0);
	do
		make_trouble();
	while (atomic_load(&world.naccepted) < world.wanted);
	for (size_t i = 0; i < nclients; i++)
		ck_assert_int_eq(pthread_join(clients[i], NULL), 0);
	wait_for_all();
	expect_nothing_left();
	expect_no_second_results();
	say_what_happened(seed);
	close_world();
}
END_TEST

TEST_PROGRAM("story", 600, AWS_PLACE_SHARE(tc, EMULATOR_FAUXQS, EMULATOR_DYNALITE, EMULATOR_RGW);
	     tcase_add_test(tc, every_accepted_job_ends_once_whatever_happens))
