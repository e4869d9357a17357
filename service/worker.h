/* worker.h: the threads that take jobs from the queue and see them through to a stored result.
 *
 * Receive (leased) → claim (conditional write) → compile and run → store the output → finish (conditional write) →
 * acknowledge. Whatever fails in between, the message comes back and the job is taken up again; the conditional
 * writes see to it that it has one result. What stands side by side is one batch, where there are batches (batch.h).
 * A claim is for a while (LEASE_SEC) and is renewed in time (keeper.h): whose process dies loses it to whoever receives
 * the message next. A missing supervisor is waited for and costs a job nothing, nor does a restart of the service; a job that meets other
 * failures of the host again and again ends as internal_error. */
#pragma once

#include "service/service.h"

enum {
	WORKER_FAILURES = 3,	  /* of the host: internal_error */
	WORKER_FAILURES_LOST = 5, /* the same when it is the supervisor that vanishes under it */
};

struct workers;

/* Starts N threads. SERVICE is borrowed until workers_stop returns. */
int workers_start(struct service *service, unsigned n, struct workers **ret, struct sandbox_error *err);

/* Stops the queue, gives running jobs back (their cells are killed, they are queued again) and ends the threads.
 * Accepts NULL; returns NULL. */
struct workers *workers_stop(struct workers *workers);

/* As many as this process may use CPUs. */
unsigned workers_default(void);
/* A run's limits from the configuration; 0 where it leaves them to the policy. */
struct sandbox_limits workers_run_limits(const struct service_config *config);
/* Does every language allow them? 0, or -ERANGE with ERR naming language, limit and maximum. */
int workers_check_limits(const struct service *service, struct sandbox_error *err);
