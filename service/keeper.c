#include "service/keeper.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/monotonic.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

/* What names a claim. */
struct claim {
	struct queue_message message;
	struct job job; /* id, attempt and lease; it owns nothing */
};

struct keeper {
	struct keeper_options options;
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	struct claim claim;
	uint64_t number; /* of the claim in hand: a renewal may come back when another is */
	bool is_held, is_lost, is_asleep, is_stopping;
};

static struct timespec seconds_from_now(unsigned sec)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += sec;
	return time;
}

/* Whether the claim is lost. What merely failed is tried again, as long as the worker holds on. */
static bool renew(const struct keeper *keeper, const struct claim *claim)
{
	const struct keeper_options *options = &keeper->options;
	struct sandbox_error err = {0};

	int r = options->store->operations->renew(options->store, &claim->job, options->lease_sec, &err);
	if (r > 0)
		return true;
	if (r == 0)
		r = options->queue->operations->extend(
			options->queue, &claim->message, options->lease_sec, &err);
	if (r < 0)
		log_event(LOG_LEVEL_WARN, "lease.renew", "s:id", claim->job.id, "e:error", &err, NULL);
	return false;
}

static void note_lost(struct keeper *keeper, uint64_t number)
{
	if (!keeper->is_held || keeper->is_lost || keeper->number != number)
		return;
	keeper->is_lost = true;
	(void)eventfd_write(keeper->options.lost_fd, 1);
}

static void renew_unlocked(struct keeper *keeper)
{
	struct claim claim = keeper->claim;
	uint64_t number = keeper->number;

	(void)pthread_mutex_unlock(&keeper->lock);
	bool is_lost = renew(keeper, &claim);
	(void)pthread_mutex_lock(&keeper->lock);
	if (is_lost)
		note_lost(keeper, number);
}

/* It does not watch single claims, most of which are let go long before they must be renewed: at each of its wakings it
 * renews what is held then, and it sleeps on as soon as nothing is. */
static void *keep(void *user)
{
	struct keeper *keeper = user;
	unsigned interval_sec = keeper->options.lease_sec / 3;
	struct timespec next;

	(void)pthread_mutex_lock(&keeper->lock);
	while (!keeper->is_stopping) {
		keeper->is_asleep = !keeper->is_held;
		if (keeper->is_asleep) {
			(void)pthread_cond_wait(&keeper->changed, &keeper->lock);
			continue;
		}
		next = seconds_from_now(interval_sec);
		while (!keeper->is_stopping &&
			pthread_cond_timedwait(&keeper->changed, &keeper->lock, &next) == 0)
			;
		if (!keeper->is_stopping && keeper->is_held)
			renew_unlocked(keeper);
	}
	(void)pthread_mutex_unlock(&keeper->lock);
	return NULL;
}

void keeper_hold(struct keeper *keeper, const struct queue_message *message, const struct job *job)
{
	(void)pthread_mutex_lock(&keeper->lock);
	keeper->claim.message = *message;
	keeper->claim.job = (struct job){.attempt = job->attempt};
	memcpy(keeper->claim.job.id, job->id, sizeof(job->id));
	memcpy(keeper->claim.job.lease, job->lease, sizeof(job->lease));
	keeper->number++;
	keeper->is_held = true;
	keeper->is_lost = false;
	if (keeper->is_asleep)
		(void)pthread_cond_signal(&keeper->changed);
	(void)pthread_mutex_unlock(&keeper->lock);
}

bool keeper_let_go(struct keeper *keeper)
{
	eventfd_t ignored;

	(void)pthread_mutex_lock(&keeper->lock);
	bool is_lost = keeper->is_lost;
	keeper->is_held = false;
	if (is_lost)
		(void)eventfd_read(keeper->options.lost_fd, &ignored);
	(void)pthread_mutex_unlock(&keeper->lock);
	return !is_lost;
}

int keeper_open(const struct keeper_options *options, struct keeper **ret, struct sandbox_error *err)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	if (keeper == NULL)
		return error_set(err, ENOMEM, "keeper", "no memory");
	keeper->options = *options;
	(void)pthread_mutex_init(&keeper->lock, NULL);
	monotonic_condition_init(&keeper->changed);
	int r = pthread_create(&keeper->thread, NULL, keep, keeper);
	if (r == 0) {
		*ret = keeper;
		return 0;
	}
	(void)pthread_cond_destroy(&keeper->changed);
	(void)pthread_mutex_destroy(&keeper->lock);
	free(keeper);
	return error_set(err, r, "keeper", "cannot start a thread");
}

struct keeper *keeper_close(struct keeper *keeper)
{
	if (keeper == NULL)
		return NULL;
	(void)pthread_mutex_lock(&keeper->lock);
	keeper->is_stopping = true;
	(void)pthread_cond_signal(&keeper->changed);
	(void)pthread_mutex_unlock(&keeper->lock);
	(void)pthread_join(keeper->thread, NULL);
	(void)pthread_cond_destroy(&keeper->changed);
	(void)pthread_mutex_destroy(&keeper->lock);
	free(keeper);
	return NULL;
}
