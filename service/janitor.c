#include "service/janitor.h"

#include "sandbox/base/log.h"
#include "service/monotonic.h"
#include "service/runner.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
	ROUND_SEC = 60,
	ROUND_JOBS = 1000, /* in one go; the rest a moment later, so that nobody else waits long */
	PAUSE_SEC = 1,
};

struct janitor {
	struct janitor_options options;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stopping;
	bool is_stopping;
};

static int remove_output(const char *output_path, void *user)
{
	struct objects *objects = user;
	struct sandbox_error err = {0};

	int r = objects->operations->remove(objects, output_path, &err);
	if (r < 0)
		log_event(LOG_LEVEL_WARN, "janitor.output", "s:name", output_path, "e:error", &err, NULL);
	return r;
}

/* Of a job that the queue has given up. It is dropped when that came too late, as the job has ended; it is kept for who may
 * want to send it again. */
static enum queue_fate end_dead_job(struct job_ticket *ticket, void *user)
{
	struct store *store = user;
	struct sandbox_error err = {0};
	struct job job = {0};

	(void)snprintf(job.id, sizeof(job.id), "%s", ticket->id);
	runner_fail(&job, "queue", "given up after too many deliveries; it waits in the dead-letter queue");
	int r = store->operations->bury(store, &job, &err);
	job_free(&job);
	if (r == 0)
		log_event(LOG_LEVEL_ERROR, "job.dead", "s:id", ticket->id, NULL);
	if (r == STORE_CONFLICT)
		r = store->operations->get(store, ticket->id, &job, &err);
	bool is_over = r == STORE_MISSING ||
		       (r == 0 && job_is_finished(job.status) && job.verdict != REPORT_INTERNAL_ERROR);
	job_free(&job);
	if (r < 0)
		log_event(LOG_LEVEL_WARN, "janitor.dead", "s:id", ticket->id, "e:error", &err, NULL);
	return is_over ? QUEUE_DROP : QUEUE_KEEP;
}

static void look_after_the_dead(struct janitor *janitor)
{
	struct queue *queue = janitor->options.queue;
	struct sandbox_error err = {0};
	unsigned n;

	if (queue->operations->dead(queue, ROUND_JOBS, end_dead_job, janitor->options.store, &n, &err) < 0)
		log_event(LOG_LEVEL_WARN, "janitor.dead", "e:error", &err, NULL);
}

/* How long until the next round. */
static unsigned tidy(struct janitor *janitor)
{
	struct sandbox_error err = {0};
	unsigned n = 0;

	struct store *store = janitor->options.store;
	int r = store->operations->expire(
		store, ROUND_JOBS, remove_output, janitor->options.objects, &n, &err);
	if (r < 0)
		log_event(LOG_LEVEL_WARN, "janitor.failed", "e:error", &err, NULL);
	if (n > 0)
		log_event(LOG_LEVEL_INFO, "janitor.expired", "u:jobs", (uint64_t)n, NULL);
	return r == 0 && n == ROUND_JOBS ? PAUSE_SEC : ROUND_SEC;
}

static void *work(void *user)
{
	struct janitor *janitor = user;
	struct timespec next;

	(void)clock_gettime(CLOCK_MONOTONIC, &next);
	(void)pthread_mutex_lock(&janitor->lock);
	while (!janitor->is_stopping) {
		(void)pthread_mutex_unlock(&janitor->lock);
		look_after_the_dead(janitor);
		next.tv_sec += tidy(janitor);
		(void)pthread_mutex_lock(&janitor->lock);
		while (!janitor->is_stopping &&
			pthread_cond_timedwait(&janitor->stopping, &janitor->lock, &next) == 0)
			;
	}
	(void)pthread_mutex_unlock(&janitor->lock);
	return NULL;
}

int janitor_open(const struct janitor_options *options, struct janitor **ret, struct sandbox_error *err)
{
	struct janitor *janitor = calloc(1, sizeof(*janitor));

	if (janitor == NULL)
		return error_set(err, ENOMEM, "janitor", "no memory");
	janitor->options = *options;
	(void)pthread_mutex_init(&janitor->lock, NULL);
	monotonic_condition_init(&janitor->stopping);
	int r = pthread_create(&janitor->thread, NULL, work, janitor);
	if (r == 0) {
		*ret = janitor;
		return 0;
	}
	(void)pthread_cond_destroy(&janitor->stopping);
	(void)pthread_mutex_destroy(&janitor->lock);
	free(janitor);
	return error_set(err, r, "janitor", "cannot start a thread");
}

struct janitor *janitor_close(struct janitor *janitor)
{
	if (janitor == NULL)
		return NULL;
	(void)pthread_mutex_lock(&janitor->lock);
	janitor->is_stopping = true;
	(void)pthread_cond_signal(&janitor->stopping);
	(void)pthread_mutex_unlock(&janitor->lock);
	(void)pthread_join(janitor->thread, NULL);
	(void)pthread_cond_destroy(&janitor->stopping);
	(void)pthread_mutex_destroy(&janitor->lock);
	free(janitor);
	return NULL;
}
