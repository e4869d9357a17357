/* database_checkpoint.c: what the log has is written to the file by a thread with a connection of its own. SQLite would do it
 * in the commit that finds the log long: a write of many pages and two syncs, for which everybody waits.
 *
 * While the thread writes, commits go on, and so it never sees the whole of a log that is always growing; only when nothing
 * is left to be written can the log begin anew. Hence the second bound: beyond it the commit itself writes what little the
 * thread has left. */
#include "service/database_checkpoint.h"

static const char stage[] = "database";

static void checkpoint(struct database *db, sqlite3 *handle)
{
	/* That it fails is no fault of anybody's commit: the log grows, until the next one or until the disk is full. */
	(void)pthread_mutex_lock(&db->checkpoint.work);
	(void)sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	(void)pthread_mutex_unlock(&db->checkpoint.work);
}

static bool is_due(const struct database_checkpoint *state)
{
	return state->frames - state->covered >= CHECKPOINT_STEP_FRAMES;
}

static void *run(void *user)
{
	struct database *db = user;
	struct database_checkpoint *state = &db->checkpoint;

	(void)pthread_mutex_lock(&state->lock);
	for (;;) {
		while (!state->is_stopping && !is_due(state))
			(void)pthread_cond_wait(&state->is_wanted, &state->lock);
		if (state->is_stopping)
			break;
		state->covered = state->frames;
		(void)pthread_mutex_unlock(&state->lock);
		checkpoint(db, state->handle);
		(void)pthread_mutex_lock(&state->lock);
	}
	(void)pthread_mutex_unlock(&state->lock);
	return NULL;
}

/* After each commit, in the thread that made it: FRAMES are in the log. */
static int on_commit(void *user, sqlite3 *handle, const char *name, int frames)
{
	struct database *db = user;
	struct database_checkpoint *state = &db->checkpoint;
	bool is_long = frames >= CHECKPOINT_MAX_FRAMES;

	(void)name;
	(void)pthread_mutex_lock(&state->lock);
	if (frames <= state->frames)
		state->covered = 0; /* it has begun anew */
	state->frames = frames;
	if (is_long)
		state->covered = frames;
	if (is_due(state))
		(void)pthread_cond_signal(&state->is_wanted);
	(void)pthread_mutex_unlock(&state->lock);
	if (is_long)
		checkpoint(db, handle);
	return SQLITE_OK;
}

int database_checkpoint_start(struct database *db, struct sandbox_error *err)
{
	struct database_checkpoint *state = &db->checkpoint;

	int r = database_connect(db, &state->handle, err);
	if (r < 0)
		return r;
	/* A connection that has read nothing does not know that there is a log. */
	int code = sqlite3_exec(
		state->handle, "PRAGMA synchronous=NORMAL; SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
	if (code != SQLITE_OK)
		return database_fail(db, stage, code, err);
	(void)pthread_mutex_init(&state->lock, NULL);
	(void)pthread_mutex_init(&state->work, NULL);
	(void)pthread_cond_init(&state->is_wanted, NULL);
	r = pthread_create(&state->thread, NULL, run, db);
	if (r != 0)
		return error_set(err, r, stage, "cannot start a thread");
	state->is_started = true;
	(void)sqlite3_wal_hook(db->handle, on_commit, db); /* in the place of SQLite's own */
	return 0;
}

void database_checkpoint_stop(struct database *db)
{
	struct database_checkpoint *state = &db->checkpoint;

	if (state->is_started) {
		(void)pthread_mutex_lock(&state->lock);
		state->is_stopping = true;
		(void)pthread_cond_signal(&state->is_wanted);
		(void)pthread_mutex_unlock(&state->lock);
		(void)pthread_join(state->thread, NULL);
		(void)pthread_cond_destroy(&state->is_wanted);
		(void)pthread_mutex_destroy(&state->work);
		(void)pthread_mutex_destroy(&state->lock);
	}
	(void)sqlite3_close(state->handle);
}
