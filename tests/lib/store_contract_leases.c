/* store_contract_leases.c: leases, and the jobs of a user. */
#include "tests/lib/store_contract.h"

#include "tests/lib/test.h"

#include <string.h>
#include <time.h>

static struct sandbox_error err;

static const struct store_lease long_lease = {.sec = 600, .worker = ""};
static const struct store_lease short_lease = {.sec = 1, .worker = ""};

#define STORE(call) store->operations->call
#define EXPECT(call, wanted)                                                                                 \
	do {                                                                                                 \
		int got_ = (call);                                                                           \
		ck_assert_msg(got_ == (wanted), "%s is %d, not %d: %s", #call, got_, wanted, err.message);   \
	} while (0)

static char *text(const char *words)
{
	char *fresh = strdup(words);

	ck_assert_ptr_nonnull(fresh);
	return fresh;
}

enum { PAST_SHORT_MSEC = 1100 };

static void pause_msec(long msec)
{
	(void)nanosleep(&(struct timespec){msec / 1000, msec % 1000 * 1000000}, NULL);
}

void store_contract_gives_a_job_to_another_when_its_lease_ran_out(struct store *store)
{
	struct job old = {0};
	char id[JOB_ID_SIZE];

	contract_create(store, id);
	EXPECT(STORE(claim)(store, id, &short_lease, &old, &err), 0);
	pause_msec(PAST_SHORT_MSEC);
	struct job job = contract_claim(store, id);
	ck_assert_uint_eq(job.attempt, 2);
	ck_assert_uint_eq(job.failures, 0);
	EXPECT(STORE(renew)(store, &old, 60, &err), STORE_CONFLICT);
	contract_complete(&old);
	EXPECT(STORE(finish)(store, &old, &err), STORE_CONFLICT);
	contract_complete(&job);
	EXPECT(STORE(finish)(store, &job, &err), 0);
	contract_expect_stored(store, &job);
	job_free(&old);
	job_free(&job);
}

/* Also by who renews late, as long as nobody else came. */
void store_contract_keeps_a_lease_that_is_renewed(struct store *store)
{
	struct job job = {0}, none = {0};
	char id[JOB_ID_SIZE];

	contract_create(store, id);
	EXPECT(STORE(claim)(store, id, &short_lease, &job, &err), 0);
	pause_msec(PAST_SHORT_MSEC);
	EXPECT(STORE(renew)(store, &job, 600, &err), 0);
	EXPECT(STORE(claim)(store, id, &long_lease, &none, &err), STORE_CONFLICT);
	contract_complete(&job);
	EXPECT(STORE(finish)(store, &job, &err), 0);
	contract_expect_stored(store, &job);
	job_free(&job);
}

void store_contract_revives_what_the_host_failed(struct store *store)
{
	struct job job = {0};
	char id[JOB_ID_SIZE], other[JOB_ID_SIZE];

	contract_create(store, id);
	contract_create(store, other);
	struct job failed = contract_claim(store, id), completed = contract_claim(store, other);
	contract_complete(&failed);
	contract_complete(&completed);
	failed.status = JOB_FAILED;
	failed.verdict = REPORT_INTERNAL_ERROR;
	failed.error = text("the disk");
	EXPECT(STORE(finish)(store, &failed, &err), 0);
	EXPECT(STORE(finish)(store, &completed, &err), 0);
	EXPECT(STORE(revive)(store, other, &job, &err), STORE_CONFLICT);
	EXPECT(STORE(revive)(store, id, &job, &err), 0);
	ck_assert_int_eq((int)job.status, JOB_QUEUED);
	ck_assert_int_eq((int)job.verdict, REPORT_NONE);
	ck_assert_ptr_null(job.error);
	ck_assert_int_eq(job.completed_usec, 0);
	ck_assert_uint_eq(job.attempt, 1);
	contract_expect_stored(store, &job);
	job_free(&job);
	job = contract_claim(store, id);
	ck_assert_uint_eq(job.attempt, 2);
	ck_assert_str_gt(job.code, "");
	job_free(&job);
	job_new_id(other);
	EXPECT(STORE(revive)(store, other, &job, &err), STORE_MISSING);
	job_free(&failed);
	job_free(&completed);
}

void store_contract_buries_what_nobody_will_finish(struct store *store)
{
	struct job dead = {.status = JOB_FAILED, .verdict = REPORT_INTERNAL_ERROR}, found = {0};

	dead.error = text("nobody could run it");
	contract_create(store, dead.id);
	int64_t before = job_now_usec();
	EXPECT(STORE(bury)(store, &dead, &err), 0);
	EXPECT(STORE(get)(store, dead.id, &found, &err), 0);
	ck_assert_int_eq((int)found.status, JOB_FAILED);
	ck_assert_int_eq((int)found.verdict, REPORT_INTERNAL_ERROR);
	ck_assert_str_eq(found.error, dead.error);
	ck_assert_int_ge(found.completed_usec, before);
	job_free(&found);
	contract_create(store, dead.id);
	EXPECT(STORE(claim)(store, dead.id, &short_lease, &found, &err), 0);
	EXPECT(STORE(bury)(store, &dead, &err), STORE_CONFLICT);
	pause_msec(PAST_SHORT_MSEC);
	EXPECT(STORE(bury)(store, &dead, &err), 0);
	contract_complete(&found);
	EXPECT(STORE(finish)(store, &found, &err), STORE_CONFLICT);
	contract_expect_status(store, dead.id, JOB_FAILED);
	job_free(&found);
	job_free(&dead);
}

/* --- the jobs of a user ----------------------------------------------------------------------------------------- */

/* N jobs of USER_ID, a moment apart, in the order of creation. */
static void create_for(struct store *store, const char *user_id, char (*ids)[JOB_ID_SIZE], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct job job = contract_job("cpp", "code", "");
		free(job.user_id);
		job.user_id = text(user_id);
		EXPECT(STORE(create)(store, &job, &err), 0);
		memcpy(ids[i], job.id, JOB_ID_SIZE);
		job_free(&job);
		pause_msec(1);
	}
}

void store_contract_lists_the_jobs_of_a_user(struct store *store)
{
	char anns[3][JOB_ID_SIZE], bobs[2][JOB_ID_SIZE];
	struct store_page page = {0};

	create_for(store, "ann", anns, 2);
	create_for(store, "bob", bobs, 2);
	create_for(store, "ann", &anns[2], 1);
	struct job job = contract_claim(store, anns[1]);
	contract_complete(&job);
	job.stdout_preview = text("5");
	EXPECT(STORE(finish)(store, &job, &err), 0);
	EXPECT(STORE(list)(store, "ann", NULL, 10, &page, &err), 0);
	ck_assert_uint_eq(page.n, 3);
	ck_assert_ptr_null(page.cursor);
	for (size_t i = 0; i < 3; i++)
		ck_assert_str_eq(page.jobs[i].id, anns[2 - i]);
	contract_expect_same(&page.jobs[1], &job);
	store_page_free(&page);
	EXPECT(STORE(list)(store, "carol", NULL, 10, &page, &err), 0);
	ck_assert_uint_eq(page.n, 0);
	ck_assert_ptr_null(page.cursor);
	store_page_free(&page);
	job_free(&job);
}

/* Each job once, whatever is created meanwhile. */
void store_contract_lists_page_by_page(struct store *store)
{
	enum { N = 7, PAGE = 3 };
	char ids[N][JOB_ID_SIZE], later[1][JOB_ID_SIZE];
	struct store_page page = {0};
	char *cursor = NULL;
	size_t n = 0;

	create_for(store, "ann", ids, N);
	do {
		EXPECT(STORE(list)(store, "ann", cursor, PAGE, &page, &err), 0);
		ck_assert_uint_le(page.n, PAGE);
		for (size_t i = 0; i < page.n; i++, n++) {
			ck_assert_uint_lt(n, N);
			ck_assert_str_eq(page.jobs[i].id, ids[N - 1 - n]);
		}
		free(cursor);
		cursor = page.cursor ? text(page.cursor) : NULL;
		ck_assert(cursor == NULL || strlen(cursor) <= STORE_CURSOR_BYTES);
		store_page_free(&page);
		create_for(store, "ann", later, 1);
	} while (cursor != NULL);
	ck_assert_uint_eq(n, N);
}

void store_contract_takes_no_cursor_but_its_own(struct store *store)
{
	static const char *const cursors[] = {
		"", "x", "-1", "0", "9999999999999999999999", "1 ", "{}", "e30="};
	struct store_page page = {0};

	for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
		EXPECT(STORE(list)(store, "ann", cursors[i], 10, &page, &err), -EINVAL);
		ck_assert_str_eq(err.stage, "store.cursor");
		ck_assert_ptr_null(page.jobs);
		err = (struct sandbox_error){0};
	}
}

/* --- expiry ----------------------------------------------------------------------------------------------------- */

static int note_path(const char *output_path, void *user)
{
	ck_assert_str_eq(output_path, "outputs/x.txt");
	(*(unsigned *)user)++;
	return 0;
}

/* At once, for everybody; to remove it is another matter. */
void store_contract_forgets_what_has_expired(struct store *store)
{
	struct job job = contract_job("cpp", "", ""), found = {0};
	struct store_page page = {0};
	char kept[JOB_ID_SIZE];
	unsigned n = 0, npaths = 0;

	contract_create(store, kept);
	job.expires_usec = job.created_usec + 2 * 1000000;
	EXPECT(STORE(create)(store, &job, &err), 0);
	struct job claimed = contract_claim(store, job.id);
	contract_complete(&claimed);
	claimed.output_path = text("outputs/x.txt");
	EXPECT(STORE(finish)(store, &claimed, &err), 0);
	contract_expect_stored(store, &claimed);
	pause_msec(2100);
	EXPECT(STORE(get)(store, job.id, &found, &err), STORE_MISSING);
	EXPECT(STORE(claim)(store, job.id, &long_lease, &found, &err), STORE_MISSING);
	EXPECT(STORE(list)(store, job.user_id, NULL, 10, &page, &err), 0);
	ck_assert_uint_eq(page.n, 1);
	ck_assert_str_eq(page.jobs[0].id, kept);
	EXPECT(STORE(expire)(store, 10, note_path, &npaths, &n, &err), 0);
	ck_assert_uint_eq(npaths, n); /* 1, or 0 where they go by themselves */
	ck_assert_uint_le(n, 1);
	contract_expect_status(store, kept, JOB_QUEUED);
	store_page_free(&page);
	job_free(&claimed);
	job_free(&job);
}
