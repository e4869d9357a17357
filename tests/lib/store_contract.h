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
	X(recovers_unfinished_jobs_in_order)                                                                 \
	X(stops_recovering_at_an_error)                                                                      \
	X(lets_the_recovering_use_it)                                                                        \
	X(gives_each_job_to_one_of_many_threads)                                                             \
	X(answers_a_ping)

#define X(name) void store_contract_##name(struct store *store);
STORE_CONTRACT(X)
#undef X

/* A job with a fresh id, as POST /submit makes it. */
struct job contract_job(const char *language, const char *code, const char *input);
/* Makes one and stores it; its id into ID. */
void contract_create(struct store *store, char id[JOB_ID_SIZE]);
/* Gives a claimed JOB a result: completed, accepted. */
void contract_complete(struct job *job);
void contract_expect_status(struct store *store, const char *id, enum job_status status);
