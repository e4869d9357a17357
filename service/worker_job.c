#include "service/worker_job.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/languages.h"
#include "service/metrics.h"
#include "service/waiters.h"
#include "service/worker.h"

#include <assert.h>
#include <poll.h>
#include <string.h>

enum {
	PAUSE_MSEC = 500,
	RETRY_DELAY_SEC = 1,
	RECEIVE_WAIT_MSEC = 20 * 1000,
	HOLDS_MAX = 120, /* pauses of one delivery: a minute, and what asking takes besides */
};

/* Beside the conditions of runner_step.h. */
enum {
	DELIVERY_STALE = RUNNER_LOST +
			 1, /* the claim is no longer good: the job is another worker's, or has its result */
	DELIVERY_DONE,	    /* nothing is left to do */
	DELIVERY_UNSTORED,  /* the result could not be stored: that is none of the job's failures */
};

/* A delivery on its way. */
struct delivery {
	struct worker *worker;
	struct worker_context *context; /* the worker's */
	struct queue_message message;
	struct job job; /* as claimed */
	struct runner_output output;
	bool has_stored_output; /* what its result tells of */
	unsigned nholds;
};

/* True: the service is stopping. */
static bool pause_msec(const struct worker_context *context, int msec)
{
	struct pollfd stop = {.fd = context->stop_fd, .events = POLLIN};

	return poll(&stop, 1, msec) > 0;
}

bool worker_is_stopping(const struct worker_context *context)
{
	return pause_msec(context, 0);
}

bool worker_wait_for_supervisor(struct worker *worker)
{
	struct worker_context *context = worker->context;
	struct sandbox_error err = {0};

	while (atomic_load(&context->is_supervisor_lost) && door_ping(worker->runner.socket, &err) < 0) {
		if (pause_msec(context, PAUSE_MSEC))
			return false;
		err.errno_value = 0;
	}
	if (atomic_exchange(&context->is_supervisor_lost, false))
		log_event(LOG_LEVEL_INFO, "supervisor.back", NULL);
	return true;
}

/* Logs a failure that is not a job's and waits a moment, so that a broken backend is not asked in a tight loop. */
static void pause_after(
	const struct worker_context *context, const char *what, const struct sandbox_error *err)
{
	log_event(LOG_LEVEL_ERROR, what, "e:error", err, NULL);
	(void)pause_msec(context, PAUSE_MSEC);
}

/* --- the message ---------------------------------------------------------------------------------------------- */

static void acknowledge(const struct delivery *delivery)
{
	struct queue *queue = delivery->context->service->queue;
	struct sandbox_error err = {0};

	/* Not acknowledged: it comes again, finds a finished job and is acknowledged then. */
	if (queue->operations->ack(queue, &delivery->message, &err) < 0)
		log_event(LOG_LEVEL_WARN, "queue.ack", "s:id", delivery->message.id, "e:error", &err, NULL);
}

static void return_message(const struct delivery *delivery, unsigned delay_sec)
{
	struct queue *queue = delivery->context->service->queue;
	struct sandbox_error err = {0};

	/* Not returned: its lease runs out. */
	if (queue->operations->nack(queue, &delivery->message, delay_sec, &err) < 0)
		log_event(LOG_LEVEL_WARN, "queue.nack", "s:id", delivery->message.id, "e:error", &err, NULL);
}

/* While store or objects are not to be had (R is -EAGAIN), the worker holds on to what it has in hand, be it only the message:
 * given back, it would be delivered in vain again and again, until the queue gives it up, and a job that has run would run again.
 * 0: ask once more; RUNNER_STOPPED; DELIVERY_UNSTORED: it has been long enough, another may do better. */
static int hold_on(struct delivery *delivery, struct sandbox_error *err)
{
	struct queue *queue = delivery->context->service->queue;
	struct pollfd stop = {.fd = delivery->worker->runner.stop_fd, .events = POLLIN};
	struct sandbox_error ignored = {0};

	if (delivery->nholds == 0)
		log_event(LOG_LEVEL_WARN, "job.held", "s:id", delivery->message.id, "e:error", err, NULL);
	if (++delivery->nholds > HOLDS_MAX)
		return DELIVERY_UNSTORED;
	(void)queue->operations->extend(queue, &delivery->message, delivery->context->lease.sec, &ignored);
	if (poll(&stop, 1, PAUSE_MSEC) > 0)
		return RUNNER_STOPPED;
	*err = (struct sandbox_error){0};
	return 0;
}

/* --- the job's state ------------------------------------------------------------------------------------------ */

/* The claimed job and its message go back, for another attempt. */
static void give_back(struct delivery *delivery, unsigned delay_sec, bool is_failure)
{
	struct store *store = delivery->context->service->store;
	struct sandbox_error err = {0};

	/* Not released: its lease runs out, and its next delivery finds that. */
	if (store->operations->release(store, &delivery->job, is_failure, &err) < 0)
		log_event(LOG_LEVEL_WARN, "store.release", "s:id", delivery->job.id, "e:error", &err, NULL);
	return_message(delivery, delay_sec);
}

static void retry(struct delivery *delivery, bool is_failure, const struct sandbox_error *why)
{
	log_event(LOG_LEVEL_WARN, "job.retry", "s:id", delivery->job.id, "u:attempt",
		(uint64_t)delivery->job.attempt, "e:error", why, NULL);
	metrics_retried(delivery->context->service->metrics);
	give_back(delivery, RETRY_DELAY_SEC, is_failure);
}

/* Until JOB's lease is over, in whole seconds. */
static unsigned lease_left_sec(struct store *store, const struct job *job)
{
	int64_t left = job->lease_usec - store->operations->now_usec(store);

	return left <= 0 ? 0 : (unsigned)(left / 1000000) + 1;
}

/* The message's job cannot be claimed: it is finished, or someone has it. */
static void resolve_conflict(const struct delivery *delivery)
{
	struct store *store = delivery->context->service->store;
	struct sandbox_error err = {0};
	struct job job = {0};

	int r = store->operations->get(store, delivery->message.id, &job, &err);
	if (r == STORE_MISSING || (r == 0 && job_is_finished(job.status)))
		acknowledge(delivery);
	else
		return_message(delivery, r == 0 ? lease_left_sec(store, &job) : RETRY_DELAY_SEC);
	job_free(&job);
}

/* True: the job is ours. */
static bool claim(struct delivery *delivery)
{
	struct store *store = delivery->context->service->store;
	struct sandbox_error err = {0};

	int r;
	do
		r = store->operations->claim(
			store, delivery->message.id, &delivery->context->lease, &delivery->job, &err);
	while (r == -EAGAIN && hold_on(delivery, &err) == 0);
	if (r == STORE_CONFLICT) {
		resolve_conflict(delivery);
	} else if (r == STORE_MISSING) {
		log_event(LOG_LEVEL_WARN, "job.missing", "s:id", delivery->message.id, NULL);
		acknowledge(delivery);
	} else if (r < 0) {
		return_message(delivery, RETRY_DELAY_SEC);
		pause_after(delivery->context, "store.claim", &err);
	}
	return r == 0;
}

static bool receive(struct delivery *delivery)
{
	struct worker_context *context = delivery->context;
	struct queue *queue = context->service->queue;
	struct sandbox_error err = {0};

	int r = queue->operations->receive(
		queue, RECEIVE_WAIT_MSEC, context->lease.sec, &delivery->message, &err);
	if (r < 0)
		pause_after(context, "queue.receive", &err);
	return r == 0;
}

/* Receives and claims as one, if a message is there and all is as it should be. */
static bool take_at_once(struct delivery *delivery)
{
	const struct service *service = delivery->context->service;
	const struct store_lease *lease = &delivery->context->lease;
	struct queue *queue = service->queue;
	struct store *store = service->store;
	struct sandbox_error err = {0};

	if (!batch_begin(service->batch))
		return false;
	int r = queue->operations->receive(queue, 0, lease->sec, &delivery->message, &err);
	if (r == 0)
		r = store->operations->claim(store, delivery->message.id, lease, &delivery->job, &err);
	if (batch_end(service->batch, r == 0))
		return true;
	job_free(&delivery->job);
	return false;
}

/* --- the result ----------------------------------------------------------------------------------------------- */

/* An output has its job's name, whichever attempt it is of: who stores one must still have the job, and have it for as
 * long as storing takes (the keeper goes on). */
static int keep_claim(const struct delivery *delivery, struct sandbox_error *err)
{
	struct store *store = delivery->context->service->store;

	int r = store->operations->renew(store, &delivery->job, delivery->context->lease.sec, err);
	return r > 0 ? DELIVERY_STALE : r;
}

static int store_output(struct delivery *delivery, struct sandbox_error *err)
{
	struct objects *objects = delivery->context->service->objects;
	char name[sizeof("outputs/.txt") + JOB_ID_SIZE];

	(void)snprintf(name, sizeof(name), "outputs/%s.txt", delivery->job.id);
	int r = objects->operations->put(objects, name, delivery->output.fd, delivery->output.size, err);
	if (r < 0)
		return r;
	free(delivery->job.output_path);
	delivery->job.output_path = strdup(name);
	return delivery->job.output_path ? 0 : error_set(err, ENOMEM, "worker.output", "no memory");
}

/* Another attempt was faster; its result stands. */
static void log_superseded(const struct job *job)
{
	log_event(
		LOG_LEVEL_WARN, "job.superseded", "s:id", job->id, "u:attempt", (uint64_t)job->attempt, NULL);
}

static int store_result(struct delivery *delivery, struct sandbox_error *err)
{
	struct store *store = delivery->context->service->store;

	delivery->job.completed_usec = delivery->job.updated_usec = store->operations->now_usec(store);
	return store->operations->finish(store, &delivery->job, err);
}

static void note_finished(const struct delivery *delivery)
{
	const struct job *job = &delivery->job;

	waiters_wake(delivery->context->service->waiters, job->id);
	metrics_finished(delivery->context->service->metrics, job);
	log_event(LOG_LEVEL_INFO, "job.finished", "s:id", job->id, "s:language", job->language, "s:status",
		job_status_name(job->status), "s:verdict", report_verdict_name(job->verdict), "u:attempt",
		(uint64_t)job->attempt, "i:wall_usec", job->exec_duration_usec, NULL);
}

/* Its result is stored. */
static void finish(const struct delivery *delivery)
{
	acknowledge(delivery);
	note_finished(delivery);
}

/* Output, result and acknowledgement as one, if all is as it should be. An attempt that comes too late cannot
 * acknowledge, and so leaves nothing. */
static bool finish_at_once(struct delivery *delivery)
{
	const struct service *service = delivery->context->service;
	struct queue *queue = service->queue;
	struct sandbox_error err = {0};

	if (delivery->output.size > OBJECTS_SMALL_BYTES || !batch_begin(service->batch))
		return false;
	int r = store_output(delivery, &err);
	if (r == 0)
		r = store_result(delivery, &err);
	if (r == 0)
		r = queue->operations->ack(queue, &delivery->message, &err);
	if (!batch_end(service->batch, r == 0))
		return false;
	note_finished(delivery);
	return true;
}

static void fail(struct delivery *delivery, const struct sandbox_error *err)
{
	struct sandbox_error cause = {0};

	log_event(LOG_LEVEL_ERROR, "job.internal_error", "s:id", delivery->job.id, "u:attempt",
		(uint64_t)delivery->job.attempt, "e:error", err, NULL);
	runner_fail(&delivery->job, err->stage, err->message);
	int r = store_result(delivery, &cause);
	if (r < 0)
		retry(delivery, false, &cause);
	else if (r > 0)
		log_superseded(&delivery->job);
	else
		finish(delivery);
}

static void retry_or_fail(struct delivery *delivery, uint32_t failures, const struct sandbox_error *err)
{
	if (delivery->job.failures + 1 >= failures)
		fail(delivery, err);
	else
		retry(delivery, true, err);
}

/* One after the other; again after -EAGAIN. An attempt that comes too late leaves nothing: the message is for who has the job to acknowledge, or for
 * who receives it next, and finds the result. */
static int finish_in_steps(struct delivery *delivery, struct sandbox_error *err)
{
	int r = 0;

	if (!delivery->has_stored_output) {
		r = keep_claim(delivery, err);
		if (r == 0)
			r = store_output(delivery, err);
		if (r != 0)
			return r;
		delivery->has_stored_output = true;
	}
	r = store_result(delivery, err);
	if (r > 0)
		return DELIVERY_STALE;
	return r < 0 && r != -EAGAIN ? DELIVERY_UNSTORED : r;
}

/* --- the delivery --------------------------------------------------------------------------------------------- */

static int perform(struct delivery *delivery, struct sandbox_error *err)
{
	const struct policy *policy =
		languages_find(delivery->context->service->languages, delivery->job.language);
	if (policy == NULL)
		return error_set(err, ENOENT, "worker.language", "the language is no longer offered");
	int r = runner_run(&delivery->worker->runner, policy, &delivery->job, &delivery->output, err);
	if (r != 0)
		return r;
	if (finish_at_once(delivery))
		return DELIVERY_DONE;
	do {
		r = finish_in_steps(delivery, err);
		if (r != -EAGAIN)
			return r;
		r = hold_on(delivery, err);
	} while (r == 0);
	return r;
}

static void conclude(struct delivery *delivery, int r, const struct sandbox_error *err)
{
	switch (r) {
	case 0:
		finish(delivery);
		return;
	case RUNNER_STOPPED:
		log_event(LOG_LEVEL_INFO, "job.given_back", "s:id", delivery->job.id, NULL);
		give_back(delivery, 0, false);
		return;
	case DELIVERY_DONE:
		return;
	case DELIVERY_STALE:
		log_superseded(&delivery->job);
		return;
	case DELIVERY_UNSTORED:
		retry(delivery, false, err);
		return;
	case RUNNER_UNREACHABLE:
		atomic_store(&delivery->context->is_supervisor_lost, true);
		retry(delivery, false, err);
		return;
	case RUNNER_LOST:
		atomic_store(&delivery->context->is_supervisor_lost, true);
		retry_or_fail(delivery, WORKER_FAILURES_LOST, err);
		return;
	default:
		assert(r < 0);
		retry_or_fail(delivery, WORKER_FAILURES, err);
		return;
	}
}

/* The keeper keeps the claim until the result is stored, and may find that it is lost while the job runs. */
static void see_through(struct delivery *delivery)
{
	struct keeper *keeper = delivery->worker->keeper;
	struct sandbox_error err = {0};

	keeper_hold(keeper, &delivery->message, &delivery->job);
	int r = perform(delivery, &err);
	if (!keeper_let_go(keeper) && r == RUNNER_STOPPED)
		r = DELIVERY_STALE;
	conclude(delivery, r, &err);
}

void worker_next(struct worker *worker)
{
	struct delivery delivery = {.worker = worker, .context = worker->context, .output.fd = -1};
	struct metrics *metrics = worker->context->service->metrics;

	if (take_at_once(&delivery) || (receive(&delivery) && claim(&delivery))) {
		struct live_job *live =
			live_begin(worker->context->service->live, delivery.job.id, delivery.job.attempt);
		metrics_started(metrics);
		delivery.output.live = live;
		see_through(&delivery);
		live_end(live); /* not before its result can be seen */
		metrics_stopped(metrics);
	}
	runner_output_close(&delivery.output);
	job_free(&delivery.job);
}
