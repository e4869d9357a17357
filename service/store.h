/* store.h: where jobs live. Implementations: store_sqlite.c (embedded), store_dynamodb.c. No other module knows which
 * one is in use. Every function may be called from any thread. 0 or a positive condition as documented; a negative
 * errno with ERR is the store's own failure: -EAGAIN when it is not to be had or refuses, and asking later may help.
 *
 * A job that is past its expires_usec counts as gone, whether it has been removed yet or not. */
#pragma once

#include "service/job.h"

struct store;

enum {
	STORE_EXISTS = 1,   /* a job of that id is there already */
	STORE_MISSING = 2,  /* no job of that id */
	STORE_CONFLICT = 3, /* the job is not in the state, or not under the claim, that the call requires */
};

/* A claim is for a while, and for longer if it is renewed in time. */
struct store_lease {
	unsigned sec;
	const char *worker; /* where the claimant can be asked about it: "http://10.0.0.7:8080"; "" nowhere */
};

struct store_page {
	struct job *jobs; /* owned: as `get` has them, newest first */
	size_t n;
	char *cursor; /* owned: where the next page begins; NULL: there is none */
};

enum { STORE_PAGE_MAX = 100, STORE_CURSOR_BYTES = 1024 };

struct store_operations {
	/* Writes JOB as queued if its id is absent; durable when it returns. */
	int (*create)(struct store *store, const struct job *job, struct sandbox_error *err);
	/* The job, but for its code and input, into *RET (caller: job_free). */
	int (*get)(struct store *store, const char *id, struct job *ret, struct sandbox_error *err);
	/* queued, or running under a lease that is over → running, attempt + 1, started_usec = now, in one conditional
	 * write; the whole job as claimed into *RET. STORE_CONFLICT when it is neither. */
	int (*claim)(struct store *store, const char *id, const struct store_lease *lease, struct job *ret,
		struct sandbox_error *err);
	/* JOB is as `claim` returned it, here and in what follows. Its lease ends SEC from now. STORE_CONFLICT: the claim is
	 * no longer good, somebody else has the job, or its result is there. A lease that ran out is still one's own until
	 * somebody else claims the job. */
	int (*renew)(struct store *store, const struct job *job, unsigned sec, struct sandbox_error *err);
	/* running under JOB's claim → JOB's final status with verdict, results, error, preview …; conditional: a job has one
	 * result, whoever comes first. Whoever asks sees it at once; it is durable within moments, together with the object
	 * of its output. A power cut before that makes the job run again. */
	int (*finish)(struct store *store, const struct job *job, struct sandbox_error *err);
	/* running under JOB's claim → queued again (the worker could not finish it). IS_FAILURE: failures + 1; false when
	 * nothing went wrong with the job itself. */
	int (*release)(
		struct store *store, const struct job *job, bool is_failure, struct sandbox_error *err);
	/* queued, or running under a lease that is over → the final status, verdict and error of JOB, of which only these and
	 * the id count: no worker will finish it. STORE_CONFLICT when it is neither. */
	int (*bury)(struct store *store, const struct job *job, struct sandbox_error *err);
	/* failed with verdict internal_error → queued, as if it were new but for its attempts; into *RET as `get` has it.
	 * STORE_CONFLICT when it ended otherwise or has not ended. */
	int (*revive)(struct store *store, const char *id, struct job *ret, struct sandbox_error *err);
	/* At most LIMIT (1 to STORE_PAGE_MAX) of USER_ID's jobs, newest first, from CURSOR on (NULL: the newest), into *RET
	 * (caller: store_page_free). -EINVAL with stage "store.cursor": the cursor is none of this store's. */
	int (*list)(struct store *store, const char *user_id, const char *cursor, unsigned limit,
		struct store_page *ret, struct sandbox_error *err);
	/* Removes up to LIMIT jobs that have expired, and calls EACH with the output_path of those that have one, before that
	 * is forgotten; its negative errno ends it. How many into *RET. A store that lets them go by itself removes none. */
	int (*expire)(struct store *store, unsigned limit, int (*each)(const char *output_path, void *user),
		void *user, unsigned *ret, struct sandbox_error *err);
	/* Calls EACH with the ticket of every unfinished job in order of creation, to rebuild an embedded
	 * queue at start; before that every running job becomes queued (the process that ran it is gone). EACH may use the
	 * store; its negative errno ends it. From then until close this process is the one that runs these jobs: -EBUSY
	 * when another one lives that did the same. With a queue that outlives its processes, nothing is to be done. */
	int (*recover)(struct store *store, int (*each)(const struct job_ticket *ticket, void *user),
		void *user, struct sandbox_error *err);
	/* The time, by the clock that leases and expiry are told by and that the times of jobs are to be of: whoever shares the
	 * store agrees on it, however wrong his own clock is. */
	int64_t (*now_usec)(struct store *store);
	/* Is it usable now? */
	int (*ping)(struct store *store, struct sandbox_error *err);
	struct store *(*close)(struct store *store); /* accepts NULL, returns NULL */
};

struct store {
	const struct store_operations *operations;
};

/* Frees what it holds, zeroes it. */
void store_page_free(struct store_page *page);

struct database;

/* The embedded store: in DB (borrowed). */
int store_sqlite_open(struct database *db, struct store **ret, struct sandbox_error *err);
