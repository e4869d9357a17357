#include "tests/lib/store_contract.h"

#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* In every call: a failure says why. */
static struct sandbox_error err;

#define STORE(call) store->operations->call
#define EXPECT(call, wanted)                                                                                 \
	do {                                                                                                 \
		int got_ = (call);                                                                           \
		ck_assert_msg(got_ == (wanted), "%s is %d, not %d: %s", #call, got_, wanted, err.message);   \
	} while (0)

/* --- jobs ------------------------------------------------------------------------------------------------------- */

static char *copy(const char *text)
{
	char *fresh = strdup(text);

	ck_assert_ptr_nonnull(fresh);
	return fresh;
}

struct job contract_job(const char *language, const char *code, const char *input)
{
	struct job job = {
		.user_id = copy("ann \"o'hara\" \xc3\xbc"),
		.language = copy(language),
		.code = copy(code),
		.code_size = strlen(code),
		.input = copy(input),
		.input_size = strlen(input),
		.status = JOB_QUEUED,
		.created_usec = job_now_usec(),
		.exec_duration_usec = -1,
	};

	job.updated_usec = job.created_usec;
	job_new_id(job.id);
	return job;
}

void contract_create(struct store *store, char id[JOB_ID_SIZE])
{
	struct job job = contract_job("cpp", "int main() {}\n", "");

	EXPECT(STORE(create)(store, &job, &err), 0);
	memcpy(id, job.id, JOB_ID_SIZE);
	job_free(&job);
}

static const struct store_lease long_lease = {.sec = 600, .worker = "http://127.0.0.1:1"};

struct job contract_claim(struct store *store, const char *id)
{
	struct job job = {0};

	EXPECT(STORE(claim)(store, id, &long_lease, &job, &err), 0);
	return job;
}

void contract_complete(struct job *job)
{
	job->status = JOB_COMPLETED;
	job->verdict = REPORT_ACCEPTED;
	job->completed_usec = job->updated_usec = job_now_usec();
}

void contract_expect_status(struct store *store, const char *id, enum job_status status)
{
	struct job job = {0};

	EXPECT(STORE(get)(store, id, &job, &err), 0);
	ck_assert_str_eq(job_status_name(job.status), job_status_name(status));
	job_free(&job);
}

void contract_expect_same(const struct job *a, const struct job *b)
{
	ck_assert_str_eq(a->id, b->id);
	ck_assert_str_eq(a->user_id, b->user_id);
	ck_assert_str_eq(a->language, b->language);
	ck_assert_int_eq((int)a->status, (int)b->status);
	ck_assert_int_eq((int)a->verdict, (int)b->verdict);
	ck_assert_uint_eq(a->attempt, b->attempt);
	ck_assert_pstr_eq(a->error, b->error);
	ck_assert_pstr_eq(a->output_path, b->output_path);
	ck_assert_pstr_eq(a->stdout_preview, b->stdout_preview);
	ck_assert_int_eq(a->created_usec, b->created_usec);
	ck_assert_int_eq(a->updated_usec, b->updated_usec);
	ck_assert_int_eq(a->started_usec, b->started_usec);
	ck_assert_int_eq(a->completed_usec, b->completed_usec);
	ck_assert_int_eq(a->is_urgent, b->is_urgent);
	ck_assert_int_eq(a->expires_usec, b->expires_usec);
	ck_assert_int_eq(a->exec_duration_usec, b->exec_duration_usec);
	ck_assert_int_eq(a->has_compile, b->has_compile);
	ck_assert_int_eq(a->is_compile_cached, b->is_compile_cached);
	ck_assert_int_eq(a->has_run, b->has_run);
	ck_assert_mem_eq(&a->compile, &b->compile, sizeof(a->compile));
	ck_assert_mem_eq(&a->run, &b->run, sizeof(a->run));
}

static void expect_same_source(const struct job *a, const struct job *b)
{
	ck_assert_uint_eq(a->code_size, b->code_size);
	ck_assert_mem_eq(a->code, b->code, b->code_size + 1);
	ck_assert_uint_eq(a->input_size, b->input_size);
	ck_assert_mem_eq(a->input, b->input, b->input_size + 1);
}

/* The store has exactly JOB; who only asks about it does not get code and input. */
void contract_expect_stored(struct store *store, const struct job *job)
{
	struct job found = {0};

	EXPECT(STORE(get)(store, job->id, &found, &err), 0);
	contract_expect_same(&found, job);
	ck_assert_ptr_null(found.code);
	ck_assert_ptr_null(found.input);
	job_free(&found);
}

/* It has JOB, and gives its code and input to who claims it. */
static void expect_claimed(struct store *store, const struct job *job)
{
	contract_expect_stored(store, job);
	struct job claimed = contract_claim(store, job->id);
	expect_same_source(&claimed, job);
	job_free(&claimed);
}

/* --- create and get --------------------------------------------------------------------------------------------- */

void store_contract_keeps_what_was_submitted(struct store *store)
{
	struct job job = contract_job("go", "package main // \xe2\x82\xac '\"\\\r\n\t\x01", "1 2\n");

	job.is_urgent = true;
	EXPECT(STORE(create)(store, &job, &err), 0);
	expect_claimed(store, &job);
	job_free(&job);
}

static char *filled(size_t size)
{
	char *text = malloc(size + 1);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + i % 26);
	text[size] = '\0';
	return text;
}

void store_contract_keeps_code_and_input_at_their_bounds(struct store *store)
{
	char *code = filled(100000), *input = filled(1 << 20);
	struct job job = contract_job("cpp", code, input);

	EXPECT(STORE(create)(store, &job, &err), 0);
	expect_claimed(store, &job);
	job_free(&job);
	free(code);
	free(input);
}

void store_contract_creates_an_id_once(struct store *store)
{
	struct job first = contract_job("cpp", "first", "");
	struct job second = contract_job("go", "second", "");

	memcpy(second.id, first.id, sizeof(second.id));
	EXPECT(STORE(create)(store, &first, &err), 0);
	EXPECT(STORE(create)(store, &second, &err), STORE_EXISTS);
	expect_claimed(store, &first);
	job_free(&first);
	job_free(&second);
}

void store_contract_knows_no_other_jobs(struct store *store)
{
	struct job job = {0};
	char id[JOB_ID_SIZE];

	contract_create(store, id);
	job_new_id(job.id);
	job.attempt = 1;
	memcpy(id, job.id, sizeof(id));
	EXPECT(STORE(get)(store, id, &job, &err), STORE_MISSING);
	EXPECT(STORE(claim)(store, id, &long_lease, &job, &err), STORE_MISSING);
	EXPECT(STORE(renew)(store, &job, 60, &err), STORE_MISSING);
	EXPECT(STORE(release)(store, &job, false, &err), STORE_MISSING);
	contract_complete(&job);
	EXPECT(STORE(finish)(store, &job, &err), STORE_MISSING);
	EXPECT(STORE(bury)(store, &job, &err), STORE_MISSING);
	ck_assert_ptr_null(job.user_id);
}

/* --- claim and finish ------------------------------------------------------------------------------------------- */

void store_contract_claims_a_job_once(struct store *store)
{
	struct job again = {0};
	char id[JOB_ID_SIZE];

	contract_create(store, id);
	int64_t before = job_now_usec();
	struct job job = contract_claim(store, id);
	ck_assert_int_eq((int)job.status, JOB_RUNNING);
	ck_assert_uint_eq(job.attempt, 1);
	ck_assert_int_ge(job.started_usec, before);
	ck_assert_int_le(job.started_usec, job_now_usec());
	ck_assert_str_eq(job.code, "int main() {}\n");
	ck_assert_str_eq(job.worker, long_lease.worker);
	ck_assert_int_ge(job.lease_usec, before + INT64_C(600) * 1000000);
	contract_expect_stored(store, &job);
	EXPECT(STORE(claim)(store, id, &long_lease, &again, &err), STORE_CONFLICT);
	contract_expect_stored(store, &job);
	job_free(&job);
}

static struct sandbox_result some_result(uint64_t seed)
{
	struct sandbox_result result = {
		.cause = SANDBOX_EXITED,
		.exit_code = (int32_t)(seed % 200),
		.syscall_nr = -1,
		.cpu_user_usec = seed + 1,
		.cpu_system_usec = seed + 2,
		.cpu_usec = 2 * seed + 3,
		.wall_usec = seed + 4,
		.memory_peak_bytes = seed << 20,
		.processes_peak = 3,
		.output_bytes = seed + 5,
		.switches_voluntary = seed + 6,
		.switches_involuntary = seed + 7,
		.oom_kills = 8,
		.forks_refused = 9,
		.phases = {1, 2, 3, seed, 5, 6},
	};

	return result;
}

void store_contract_keeps_the_result(struct store *store)
{
	char id[JOB_ID_SIZE];

	contract_create(store, id);
	struct job job = contract_claim(store, id);
	contract_complete(&job);
	job.error = copy("main.cpp:1: error: \xe2\x80\x98x\xe2\x80\x99\n");
	job.output_path = copy("outputs/x.txt");
	job.stdout_preview = copy("");
	job.exec_duration_usec = 79429;
	job.has_compile = job.has_run = job.is_compile_cached = true;
	job.compile = some_result(100);
	job.run = some_result(7);
	EXPECT(STORE(finish)(store, &job, &err), 0);
	contract_expect_stored(store, &job);
	job_free(&job);
}

void store_contract_keeps_every_verdict_and_status(struct store *store)
{
	static const enum job_status statuses[] = {JOB_COMPLETED, JOB_FAILED, JOB_TIMEOUT, JOB_CANCELLED};
	char id[JOB_ID_SIZE];

	for (unsigned verdict = REPORT_NONE + 1; verdict < REPORT_VERDICT_N; verdict++) {
		contract_create(store, id);
		struct job job = contract_claim(store, id);
		contract_complete(&job);
		job.verdict = (enum report_verdict)verdict;
		job.status = statuses[verdict % 4];
		EXPECT(STORE(finish)(store, &job, &err), 0);
		contract_expect_stored(store, &job);
		job_free(&job);
	}
}

void store_contract_takes_the_first_result_only(struct store *store)
{
	struct job again = {0};
	char id[JOB_ID_SIZE];

	contract_create(store, id);
	struct job job = contract_claim(store, id);
	contract_complete(&job);
	EXPECT(STORE(finish)(store, &job, &err), 0);
	struct job second = job;
	second.status = JOB_FAILED;
	second.verdict = REPORT_RUNTIME_ERROR;
	EXPECT(STORE(finish)(store, &second, &err), STORE_CONFLICT);
	EXPECT(STORE(claim)(store, id, &long_lease, &again, &err), STORE_CONFLICT);
	EXPECT(STORE(release)(store, &job, false, &err), STORE_CONFLICT);
	EXPECT(STORE(renew)(store, &job, 60, &err), STORE_CONFLICT);
	EXPECT(STORE(bury)(store, &second, &err), STORE_CONFLICT);
	contract_expect_stored(store, &job);
	job_free(&job);
}

void store_contract_takes_no_result_of_an_old_attempt(struct store *store)
{
	char id[JOB_ID_SIZE];

	contract_create(store, id);
	struct job old = contract_claim(store, id);
	EXPECT(STORE(release)(store, &old, false, &err), 0);
	struct job job = contract_claim(store, id);
	EXPECT(STORE(renew)(store, &old, 60, &err), STORE_CONFLICT);
	EXPECT(STORE(release)(store, &old, false, &err), STORE_CONFLICT);
	contract_complete(&old);
	EXPECT(STORE(finish)(store, &old, &err), STORE_CONFLICT);
	contract_expect_stored(store, &job);
	contract_complete(&job);
	EXPECT(STORE(finish)(store, &job, &err), 0);
	contract_expect_stored(store, &job);
	job_free(&old);
	job_free(&job);
}

void store_contract_takes_no_result_of_a_job_that_is_not_running(struct store *store)
{
	struct job job = contract_job("cpp", "", "");

	EXPECT(STORE(create)(store, &job, &err), 0);
	struct job result = job;
	contract_complete(&result);
	EXPECT(STORE(finish)(store, &result, &err), STORE_CONFLICT);
	contract_expect_stored(store, &job);
	job_free(&job);
}

/* --- release ---------------------------------------------------------------------------------------- */

void store_contract_releases_for_another_attempt(struct store *store)
{
	char id[JOB_ID_SIZE];
	struct job job = {0};

	contract_create(store, id);
	for (uint32_t attempt = 1; attempt <= 3; attempt++) {
		job = contract_claim(store, id);
		ck_assert_uint_eq(job.attempt, attempt);
		EXPECT(STORE(release)(store, &job, attempt != 2, &err), 0);
		job_free(&job);
		EXPECT(STORE(get)(store, id, &job, &err), 0);
		ck_assert_uint_eq(job.failures, attempt == 1 ? 1 : attempt - 1);
		ck_assert_int_eq((int)job.status, JOB_QUEUED);
		ck_assert_int_eq(job.started_usec, 0);
		ck_assert_uint_eq(job.attempt, attempt);
		job_free(&job);
	}
}

void store_contract_releases_only_the_running_attempt(struct store *store)
{
	char id[JOB_ID_SIZE];

	contract_create(store, id);
	struct job job = contract_claim(store, id);
	struct job other = job;
	for (other.attempt = 0; other.attempt <= 2; other.attempt += 2)
		EXPECT(STORE(release)(store, &other, false, &err), STORE_CONFLICT);
	contract_expect_stored(store, &job);
	job_free(&job);
}

/* --- recover ---------------------------------------------------------------------------------------------------- */

enum { RECOVERED = 8 };

struct recovered {
	struct store *store;
	char ids[RECOVERED][JOB_ID_SIZE];
	size_t n, stop_at;
};

static int note(const struct job_ticket *ticket, void *user)
{
	struct recovered *recovered = user;

	ck_assert_uint_lt(recovered->n, RECOVERED);
	ck_assert_str_eq(ticket->language, "cpp");
	if (recovered->n == recovered->stop_at)
		return -EBUSY;
	memcpy(recovered->ids[recovered->n++], ticket->id, JOB_ID_SIZE);
	return 0;
}

void store_contract_recovers_unfinished_jobs_in_order(struct store *store)
{
	struct recovered recovered = {.stop_at = RECOVERED};
	char ids[4][JOB_ID_SIZE];

	for (size_t i = 0; i < 4; i++)
		contract_create(store, ids[i]);
	struct job running = contract_claim(store, ids[2]), finished = contract_claim(store, ids[1]);
	contract_complete(&finished);
	EXPECT(STORE(finish)(store, &finished, &err), 0);
	EXPECT(STORE(recover)(store, note, &recovered, &err), 0);
	ck_assert_uint_eq(recovered.n, 3);
	ck_assert_str_eq(recovered.ids[0], ids[0]);
	ck_assert_str_eq(recovered.ids[1], ids[2]);
	ck_assert_str_eq(recovered.ids[2], ids[3]);
	contract_expect_status(store, ids[2], JOB_QUEUED);
	contract_expect_stored(store, &finished);
	contract_complete(&running);
	EXPECT(STORE(finish)(store, &running, &err), STORE_CONFLICT);
	job_free(&running);
	running = contract_claim(store, ids[2]);
	ck_assert_uint_eq(running.attempt, 2);
	ck_assert_uint_eq(running.failures, 0); /* that its process ended is none of the job's faults */
	job_free(&running);
	job_free(&finished);
}

void store_contract_stops_recovering_at_an_error(struct store *store)
{
	struct recovered recovered = {.stop_at = 1};
	char id[JOB_ID_SIZE];

	for (size_t i = 0; i < 3; i++)
		contract_create(store, id);
	EXPECT(STORE(recover)(store, note, &recovered, &err), -EBUSY);
	ck_assert_uint_eq(recovered.n, 1);
	ck_assert_int_eq(err.errno_value, EBUSY);
	err = (struct sandbox_error){0};
	recovered = (struct recovered){.stop_at = RECOVERED};
	EXPECT(STORE(recover)(store, note, &recovered, &err), 0);
	ck_assert_uint_eq(recovered.n, 3);
}

static int finish_it(const struct job_ticket *ticket, void *user)
{
	struct recovered *recovered = user;
	struct store *store = recovered->store;
	struct job job = contract_claim(store, ticket->id);

	contract_complete(&job);
	EXPECT(STORE(finish)(store, &job, &err), 0);
	job_free(&job);
	recovered->n++;
	return 0;
}

void store_contract_lets_the_recovering_use_it(struct store *store)
{
	struct recovered recovered = {.store = store};
	char id[JOB_ID_SIZE];

	for (size_t i = 0; i < 5; i++)
		contract_create(store, id);
	EXPECT(STORE(recover)(store, finish_it, &recovered, &err), 0);
	ck_assert_uint_eq(recovered.n, 5);
	contract_expect_status(store, id, JOB_COMPLETED);
}

/* --- threads ---------------------------------------------------------------------------------------------------- */

enum { THREADS = 8, JOBS = 200 };

struct crowd {
	struct store *store;
	char ids[JOBS][JOB_ID_SIZE];
	atomic_uint claimed[JOBS];
	atomic_uint failures; /* libcheck's assertions belong to the main thread */
};

static void *claim_all(void *user)
{
	struct crowd *crowd = user;
	struct store *store = crowd->store;

	for (size_t i = 0; i < JOBS; i++) {
		struct sandbox_error mine = {0};
		struct job job = {0};
		int r = STORE(claim)(store, crowd->ids[i], &long_lease, &job, &mine);
		if (r == 0) {
			atomic_fetch_add(&crowd->claimed[i], 1);
			contract_complete(&job);
			r = STORE(finish)(store, &job, &mine);
		} else if (r == STORE_CONFLICT) {
			r = 0;
		}
		if (r != 0) {
			(void)fprintf(stderr, "# %d %s: %s\n", r, mine.stage, mine.message);
			atomic_fetch_add(&crowd->failures, 1);
		}
		job_free(&job);
	}
	return NULL;
}

void store_contract_gives_each_job_to_one_of_many_threads(struct store *store)
{
	static struct crowd crowd;
	pthread_t threads[THREADS];

	crowd.store = store;
	for (size_t i = 0; i < JOBS; i++)
		contract_create(store, crowd.ids[i]);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, claim_all, &crowd), 0);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&crowd.failures), 0);
	for (size_t i = 0; i < JOBS; i++) {
		ck_assert_uint_eq(atomic_load(&crowd.claimed[i]), 1);
		contract_expect_status(store, crowd.ids[i], JOB_COMPLETED);
	}
}

void store_contract_answers_a_ping(struct store *store)
{
	char id[JOB_ID_SIZE];

	EXPECT(STORE(ping)(store, &err), 0);
	contract_create(store, id);
	EXPECT(STORE(ping)(store, &err), 0);
}
