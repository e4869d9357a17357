#include "service/waiters.h"

#include "sandbox/base/fd.h"
#include "service/monotonic.h"

#include <assert.h>
#include <microhttpd.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { USEC_PER_SEC = 1000 * 1000, USEC_PER_MSEC = 1000, NSEC_PER_USEC = 1000 };

TAILQ_HEAD(waiter_list, waiter);

struct waiters {
	pthread_t thread;
	unsigned look_msec;
	pthread_mutex_t lock; /* for what follows, and for the waiters themselves */
	pthread_cond_t changed;
	struct waiter_list list;
	size_t n;
	int64_t next_usec; /* when the thread wakes by itself */
	bool is_stopping;
};

static int64_t now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / NSEC_PER_USEC;
}

static void lock(struct waiters *waiters)
{
	(void)pthread_mutex_lock(&waiters->lock);
}

static void unlock(struct waiters *waiters)
{
	(void)pthread_mutex_unlock(&waiters->lock);
}

/* From here on the waiter is its connection's thread's again. */
static void resume(struct waiter *waiter)
{
	waiter->state = WAITER_WOKEN;
	MHD_resume_connection(waiter->connection);
}

static void wake(struct waiter *waiter)
{
	if (waiter->state == WAITER_SUSPENDED)
		resume(waiter);
	else
		waiter->state = WAITER_WOKEN;
}

/* --- those whose time has come ---------------------------------------------------------------------------------- */

/* When the next one's time will come; INT64_MAX: nobody waits. */
static int64_t resume_due(struct waiters *waiters)
{
	int64_t now = now_usec(), next = INT64_MAX;
	struct waiter *waiter;

	TAILQ_FOREACH(waiter, &waiters->list, link)
	{
		if (waiter->state != WAITER_SUSPENDED)
			continue;
		if (waiter->due_usec <= now)
			resume(waiter);
		else if (waiter->due_usec < next)
			next = waiter->due_usec;
	}
	return next;
}

static void *watch(void *user)
{
	struct waiters *waiters = user;

	lock(waiters);
	while (!waiters->is_stopping) {
		waiters->next_usec = resume_due(waiters);
		struct timespec next = {.tv_sec = waiters->next_usec / USEC_PER_SEC,
			.tv_nsec = waiters->next_usec % USEC_PER_SEC * NSEC_PER_USEC};
		if (waiters->next_usec == INT64_MAX)
			(void)pthread_cond_wait(&waiters->changed, &waiters->lock);
		else
			(void)pthread_cond_timedwait(&waiters->changed, &waiters->lock, &next);
	}
	unlock(waiters);
	return NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

int waiters_open(unsigned look_msec, struct waiters **ret, struct sandbox_error *err)
{
	struct waiters *waiters = calloc(1, sizeof(*waiters));

	if (waiters == NULL)
		return error_set(err, ENOMEM, "waiters", "no memory");
	waiters->look_msec = look_msec;
	TAILQ_INIT(&waiters->list);
	(void)pthread_mutex_init(&waiters->lock, NULL);
	monotonic_condition_init(&waiters->changed);
	int r = pthread_create(&waiters->thread, NULL, watch, waiters);
	if (r == 0) {
		*ret = waiters;
		return 0;
	}
	(void)pthread_cond_destroy(&waiters->changed);
	(void)pthread_mutex_destroy(&waiters->lock);
	free(waiters);
	return error_set(err, r, "waiters", "cannot start a thread");
}

void waiters_stop(struct waiters *waiters)
{
	struct waiter *waiter;

	if (waiters == NULL)
		return;
	lock(waiters);
	waiters->is_stopping = true;
	TAILQ_FOREACH(waiter, &waiters->list, link)
	wake(waiter);
	(void)pthread_cond_signal(&waiters->changed);
	unlock(waiters);
}

struct waiters *waiters_close(struct waiters *waiters)
{
	if (waiters == NULL)
		return NULL;
	waiters_stop(waiters);
	(void)pthread_join(waiters->thread, NULL);
	assert(TAILQ_EMPTY(&waiters->list));
	(void)pthread_cond_destroy(&waiters->changed);
	(void)pthread_mutex_destroy(&waiters->lock);
	free(waiters);
	return NULL;
}

/* --- to wait and to wake ---------------------------------------------------------------------------------------- */

void waiters_wake(struct waiters *waiters, const char *id)
{
	struct waiter *waiter;

	if (waiters == NULL)
		return;
	lock(waiters);
	TAILQ_FOREACH(waiter, &waiters->list, link)
	if (strcmp(waiter->id, id) == 0)
		wake(waiter);
	unlock(waiters);
}

static void plan_next_look(const struct waiters *waiters, struct waiter *waiter, int64_t now)
{
	int64_t look = now + (int64_t)waiters->look_msec * USEC_PER_MSEC;

	waiter->due_usec = waiter->end_usec;
	if (waiters->look_msec > 0 && look < waiter->end_usec)
		waiter->due_usec = look;
}

static void take_out(struct waiters *waiters, struct waiter *waiter)
{
	TAILQ_REMOVE(&waiters->list, waiter, link);
	waiters->n--;
	waiter->state = WAITER_NONE;
}

static void put_in(struct waiters *waiters, struct waiter *waiter, const char *id)
{
	(void)snprintf(waiter->id, sizeof(waiter->id), "%s", id);
	TAILQ_INSERT_TAIL(&waiters->list, waiter, link);
	waiters->n++;
}

/* Under the lock; its end is set. */
static bool begin(struct waiters *waiters, struct waiter *waiter, const char *id, int64_t now)
{
	bool has_room = waiter->state != WAITER_NONE || waiters->n < WAITERS_MAX;

	if (waiters->is_stopping || !has_room || now >= waiter->end_usec) {
		if (waiter->state != WAITER_NONE)
			take_out(waiters, waiter);
		return false;
	}
	if (waiter->state == WAITER_NONE)
		put_in(waiters, waiter, id);
	waiter->state = WAITER_LISTENING;
	plan_next_look(waiters, waiter, now);
	return true;
}

bool waiters_listen(struct waiters *waiters, struct waiter *waiter, const char *id, unsigned sec)
{
	int64_t now = now_usec();

	if (waiters == NULL)
		return false;
	lock(waiters);
	if (waiter->end_usec == 0)
		waiter->end_usec = now + (int64_t)sec * USEC_PER_SEC;
	bool may_wait = begin(waiters, waiter, id, now);
	unlock(waiters);
	return may_wait;
}

bool waiters_follow(struct waiters *waiters, struct waiter *waiter, const char *id, unsigned sec)
{
	waiter->end_usec = 0;
	return waiters_listen(waiters, waiter, id, sec);
}

void waiters_leave(struct waiters *waiters, struct waiter *waiter)
{
	if (waiters == NULL)
		return;
	lock(waiters);
	if (waiter->state != WAITER_NONE)
		take_out(waiters, waiter);
	unlock(waiters);
}

bool waiters_suspend(struct waiters *waiters, struct waiter *waiter, struct MHD_Connection *connection)
{
	lock(waiters);
	bool has_to_wait = waiter->state == WAITER_LISTENING;
	if (has_to_wait) {
		MHD_suspend_connection(connection);
		waiter->connection = connection;
		waiter->state = WAITER_SUSPENDED;
		if (waiter->due_usec < waiters->next_usec)
			(void)pthread_cond_signal(&waiters->changed);
	}
	unlock(waiters);
	return has_to_wait;
}
