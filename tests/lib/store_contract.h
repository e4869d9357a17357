/* store_contract.h: what every implementation of service/store.h must keep. Each function gets a fresh, empty store;
 * what is broken fails the running test.
 *
 *   #define X(name) START_TEST(name) { store_contract_##name(store); } END_TEST
 *   STORE_CONTRACT(X)
 */
#pragma once

#include "service/store.h"

#define STORE_CONTRACT(X)                                                                                    \
	X(keeps_what_was_submitted)                                                                          \
	X(keeps_code_and_input_at_their_bounds)                                                              \
	X(creates_an_id_once)                                                                                \
	X(knows_no_other_jobs)                                                                               \
	X(claims_a_job_once)                                                                                 \
	X(keeps_the_result)                                                                                  \
	X(keeps_every_verdict_and_status)                                                                    \
	X(takes_the_first_result_only)                                                                       \
	X(takes_no_result_of_an_old_attempt)                                                                 \
	X(takes_no_result_of_a_job_that_is_not_running)                                                      \
	X(releases_for_another_attempt)                                                                      \
	X(releases_only_the_running_attempt)                                                                 \
	X(gives_a_job_to_another_when_its_lease_ran_out)                                                     \
	X(keeps_a_lease_that_is_renewed)                                                                     \
	X(revives_what_the_host_failed)                                                                      \
	X(buries_what_nobody_will_finish)                                                                    \
	X(lists_the_jobs_of_a_user)                                                                          \
	X(lists_page_by_page)                                                                                \
	X(takes_no_cursor_but_its_own)                                                                       \
	X(forgets_what_has_expired)                                                                          \
	X(gives_each_job_to_one_of_many_threads)                                                             \
	X(answers_a_ping)

/* Besides, where the queue is rebuilt from the store at start. */
#define STORE_CONTRACT_RECOVERY(X)                                                                           \
	X(recovers_unfinished_jobs_in_order)                                                                 \
	X(stops_recovering_at_an_error)                                                                      \
	X(lets_the_recovering_use_it)

#define X(name) void store_contract_##name(struct store *store);
STORE_CONTRACT(X)
STORE_CONTRACT_RECOVERY(X)
#undef X

/* A job with a fresh id, as POST /submit makes it. */
struct job contract_job(const char *language, const char *code, const char *input);
/* Makes one and stores it; its id into ID. */
void contract_create(struct store *store, char id[JOB_ID_SIZE]);
/* Claims job ID under a lease that outlasts the test. */
struct job contract_claim(struct store *store, const char *id);
/* Gives a claimed JOB a result: completed, accepted. */
void contract_complete(struct job *job);
void contract_expect_same(const struct job *a, const struct job *b); /* but for code and input */
/* The store has exactly JOB; who only asks about it does not get code and input. */
void contract_expect_stored(struct store *store, const struct job *job);
void contract_expect_status(struct store *store, const char *id, enum job_status status);
