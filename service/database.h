/* database.h: the one file of the embedded store, queue and objects: DIR/jobs.db, SQLite in WAL mode.
 *
 * A commit is seen by everybody and survives the end of this process at once (synchronous=NORMAL). It survives a power
 * cut once the write-ahead log was synced after it; one thread does that, for all who wait at the time (group commit).
 * Who must not be answered before waits in database_sync; everything else is synced within moments
 * (database_sync_soon). The log is replayed up to the first gap: of two commits the later one is never kept without
 * the earlier. */
#pragma once

#include "sandbox/base/error.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* How soon what was committed must survive a power cut. */
enum database_sync_need { SYNC_NONE, SYNC_SOON, SYNC_NOW };

enum database_transaction { TRANSACTION_BEGIN, TRANSACTION_COMMIT, TRANSACTION_ROLLBACK, TRANSACTION_N };

/* Syncs are numbered by who wants them. */
struct database_sync {
	pthread_mutex_t lock;
	pthread_cond_t is_wanted, is_done;
	pthread_t thread;
	bool is_started, is_stopping;
	uint64_t wanted, done; /* the newest demand; the newest that was met */
	bool is_due;	       /* somebody wants one by due_usec (CLOCK_MONOTONIC), but does not wait */
	int64_t due_usec;
	int errno_value; /* the first sync that failed: what was written since is uncertain, for good */
};

/* One thread writes what is in the log to the file (database_checkpoint.c). */
struct database_checkpoint {
	sqlite3 *handle;      /* owned: the thread's connection */
	pthread_mutex_t work; /* held while one is made */
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t is_wanted;
	pthread_t thread;
	bool is_started, is_stopping;
	int frames;  /* in the log since our last commit */
	int covered; /* so many of them were there when the last checkpoint began */
};

/* One connection, used by one thread at a time: the caller holds `lock` (recursive) from a statement's begin to its end,
 * and across a transaction. */
struct database {
	char *path;				  /* owned */
	int dirfd;				  /* owned: DIR */
	int log_fd;				  /* owned: the write-ahead log */
	sqlite3 *handle;			  /* owned */
	sqlite3_stmt *transaction[TRANSACTION_N]; /* owned */
	pthread_mutex_t lock;
	/* There was no memory to roll back, and a transaction is still open. The next call does it before anything else. */
	bool is_stuck;
	bool is_batch;		      /* the lock's holder is in a batch (batch_sqlite.c), */
	enum database_sync_need owed; /* which owes this when it is committed */
	struct database_sync sync;
	struct database_checkpoint checkpoint;
};

/* Opens DIR/jobs.db, makes it (mode 0600) when there is none, and brings it to the newest version. Stage "database";
 * -EUCLEAN: the file is damaged or none of ours; -ENOTSUP: a newer program made it; -EBUSY: another process holds it. */
int database_open(const char *dir, struct database **ret, struct sandbox_error *err);
/* Syncs what is not synced yet. Accepts NULL; returns NULL. Whoever uses it has been closed before. */
struct database *database_close(struct database *db);

/* Everything committed before the call survives a power cut when this returns 0. -errno with ERR when the disk refused:
 * from then on every call does, as nobody knows what it kept. Called without `lock`. */
int database_sync(struct database *db, struct sandbox_error *err);
/* The same within a tenth of a second, without waiting. */
void database_sync_soon(struct database *db);
/* 0, or what database_sync would say. */
int database_check(struct database *db, struct sandbox_error *err);

/* One more connection. *RET is the caller's to close, also when this fails. */
int database_connect(struct database *db, sqlite3 **ret, struct sandbox_error *err);
/* For sqlite_util.c: an SQLite result code as an error of STAGE. Returns the negative errno. */
int database_fail(const struct database *db, const char *stage, int code, struct sandbox_error *err);
/* Steps a transaction statement; an SQLite result code. */
int database_transact(struct database *db, enum database_transaction which);
