#include "service/janitor.h"

#include "sandbox/base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
	ROUND_SEC = 60,
	ROUND_JOBS = 1000, /* in one go; the rest a moment later, so that nobody else waits long */
	PAUSE_SEC = 1,
};

struct janitor {
	struct store *store;
	struct objects *objects;
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

/* How long until the next round. */
static unsigned tidy(struct janitor *janitor)
{
	struct sandbox_error err = {0};
	unsigned n = 0;

	int r = janitor->store->operations->expire(
		janitor->store, ROUND_JOBS, remove_output, janitor->objects, &n, &err);
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
		next.tv_sec += tidy(janitor);
		(void)pthread_mutex_lock(&janitor->lock);
		while (!janitor->is_stopping &&
			pthread_cond_timedwait(&janitor->stopping, &janitor->lock, &next) == 0)
			;
	}
	(void)pthread_mutex_unlock(&janitor->lock);
	return NULL;
}

int janitor_open(
	struct store *store, struct objects *objects, struct janitor **ret, struct sandbox_error *err)
{
	struct janitor *janitor = calloc(1, sizeof(*janitor));
	pthread_condattr_t attributes;

	if (janitor == NULL)
		return error_set(err, ENOMEM, "janitor", "no memory");
	janitor->store = store;
	janitor->objects = objects;
	(void)pthread_mutex_init(&janitor->lock, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&janitor->stopping, &attributes);
	(void)pthread_condattr_destroy(&attributes);
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
