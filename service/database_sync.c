/* database_sync.c: group commit. One thread syncs the write-ahead log; a sync that begins after a commit covers it, and
 * with it every other commit up to then. While one is under way, whoever comes waits for the next. */
#include "service/database_sync.h"
#include "service/database.h"
#include "service/monotonic.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char stage[] = "database";

enum { SOON_USEC = 100 * 1000, USEC_PER_SEC = 1000 * 1000, NSEC_PER_USEC = 1000 };

static int64_t now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / NSEC_PER_USEC;
}

void database_sync_init(struct database_sync *sync)
{
	(void)pthread_mutex_init(&sync->lock, NULL);
	monotonic_condition_init(&sync->is_wanted);
	(void)pthread_cond_init(&sync->is_done, NULL);
}

/* Waits until somebody waits, or until what is due by time is. */
static void await_demand(struct database_sync *sync)
{
	while (!sync->is_stopping && sync->wanted == sync->done) {
		if (!sync->is_due) {
			(void)pthread_cond_wait(&sync->is_wanted, &sync->lock);
			continue;
		}
		struct timespec due = {.tv_sec = sync->due_usec / USEC_PER_SEC,
			.tv_nsec = sync->due_usec % USEC_PER_SEC * NSEC_PER_USEC};
		if (pthread_cond_timedwait(&sync->is_wanted, &sync->lock, &due) == ETIMEDOUT)
			return;
	}
}

static void *run(void *user)
{
	struct database *db = user;
	struct database_sync *sync = &db->sync;

	(void)pthread_mutex_lock(&sync->lock);
	for (;;) {
		await_demand(sync);
		if (sync->wanted == sync->done && !sync->is_due)
			break; /* stopping, and nothing is left to do */
		uint64_t covered = sync->wanted;
		sync->is_due = false;
		(void)pthread_mutex_unlock(&sync->lock);
		int errno_value = fdatasync(db->log_fd) < 0 ? errno : 0;
		(void)pthread_mutex_lock(&sync->lock);
		/* The kernel tells of a lost write once; the next fdatasync succeeds although the data is gone. */
		if (sync->errno_value == 0)
			sync->errno_value = errno_value;
		sync->done = covered;
		(void)pthread_cond_broadcast(&sync->is_done);
	}
	(void)pthread_mutex_unlock(&sync->lock);
	return NULL;
}

int database_sync_start(struct database *db, struct sandbox_error *err)
{
	int r = pthread_create(&db->sync.thread, NULL, run, db);

	if (r != 0)
		return error_set(err, r, stage, "cannot start a thread");
	db->sync.is_started = true;
	return 0;
}

void database_sync_stop(struct database *db)
{
	struct database_sync *sync = &db->sync;

	if (sync->is_started) {
		(void)pthread_mutex_lock(&sync->lock);
		sync->is_stopping = true;
		(void)pthread_cond_signal(&sync->is_wanted);
		(void)pthread_mutex_unlock(&sync->lock);
		(void)pthread_join(sync->thread, NULL);
	}
	(void)pthread_cond_destroy(&sync->is_done);
	(void)pthread_cond_destroy(&sync->is_wanted);
	(void)pthread_mutex_destroy(&sync->lock);
}

static int answer(const struct database *db, struct sandbox_error *err)
{
	int errno_value = db->sync.errno_value;

	if (errno_value == 0)
		return 0;
	return error_set(err, errno_value, stage, "%s-wal: the disk refused a sync: %s", db->path,
		strerrordesc_np(errno_value));
}

int database_sync(struct database *db, struct sandbox_error *err)
{
	struct database_sync *sync = &db->sync;

	(void)pthread_mutex_lock(&sync->lock);
	uint64_t ticket = ++sync->wanted;
	(void)pthread_cond_signal(&sync->is_wanted);
	while (sync->done < ticket)
		(void)pthread_cond_wait(&sync->is_done, &sync->lock);
	int r = answer(db, err);
	(void)pthread_mutex_unlock(&sync->lock);
	return r;
}

void database_sync_soon(struct database *db)
{
	struct database_sync *sync = &db->sync;

	(void)pthread_mutex_lock(&sync->lock);
	if (!sync->is_due) {
		sync->is_due = true;
		sync->due_usec = now_usec() + SOON_USEC;
		(void)pthread_cond_signal(&sync->is_wanted);
	}
	(void)pthread_mutex_unlock(&sync->lock);
}

int database_check(struct database *db, struct sandbox_error *err)
{
	(void)pthread_mutex_lock(&db->sync.lock);
	int r = answer(db, err);
	(void)pthread_mutex_unlock(&db->sync.lock);
	return r;
}
