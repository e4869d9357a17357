/* store.h: where jobs live. Implementations: store_sqlite.c (embedded), DynamoDB later. No other module knows which
 * one is in use. Every function may be called from any thread. 0 or a positive condition as documented; a negative
 * errno with ERR is the store's own failure. */
#pragma once

#include "service/job.h"

struct store;

enum {
	STORE_EXISTS = 1,   /* a job of that id is there already */
	STORE_MISSING = 2,  /* no job of that id */
	STORE_CONFLICT = 3, /* the job is not in the state, or not of the attempt, that the call requires */
};

struct store_operations {
	/* Writes JOB as queued if its id is absent; durable when it returns. */
	int (*create)(struct store *store, const struct job *job, struct sandbox_error *err);
	/* The whole job into *RET (caller: job_free). */
	int (*get)(struct store *store, const char *id, struct job *ret, struct sandbox_error *err);
	/* queued → running, attempt + 1, started_usec = now, in one conditional write; the job as claimed into *RET.
	 * STORE_CONFLICT when it is not queued. */
	int (*claim)(struct store *store, const char *id, struct job *ret, struct sandbox_error *err);
	/* running of JOB's attempt → JOB's final status with verdict, results, error, preview …; conditional: a job has one
	 * result, whoever comes first. Whoever asks sees it at once; it is durable within moments, together with the object
	 * of its output. A power cut before that makes the job run again. */
	int (*finish)(struct store *store, const struct job *job, struct sandbox_error *err);
	/* running of that attempt → queued again (the worker could not finish it). IS_FAILURE: failures + 1; false when
	 * nothing went wrong with the job itself. */
	int (*release)(struct store *store, const char *id, uint32_t attempt, bool is_failure,
		struct sandbox_error *err);
	/* Calls EACH with the id and language of every unfinished job in order of creation, to rebuild an embedded
	 * queue at start; before that every running job becomes queued (the process that ran it is gone). EACH may use the
	 * store; its negative errno ends it. From then until close this process is the one that runs these jobs: -EBUSY
	 * when another one lives that did the same. */
	int (*recover)(struct store *store, int (*each)(const char *id, const char *language, void *user),
		void *user, struct sandbox_error *err);
	/* Is it usable now? */
	int (*ping)(struct store *store, struct sandbox_error *err);
	struct store *(*close)(struct store *store); /* accepts NULL, returns NULL */
};

struct store {
	const struct store_operations *operations;
};

struct database;

/* The embedded store: in DB (borrowed). */
int store_sqlite_open(struct database *db, struct store **ret, struct sandbox_error *err);
