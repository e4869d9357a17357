/* sqlite_util.h: what the embedded store and the embedded queue share: one SQLite database each, its statements
 * prepared once, errors as sandbox_error.
 *
 * A database is in WAL mode with synchronous=FULL: a commit that has returned survives a power cut. One connection,
 * used by one thread at a time: the caller holds `lock` from a call's begin to its end, and across a transaction. */
#pragma once

#include "sandbox/base/error.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite_schema {
	const char *file;  /* within the directory: "jobs.db" */
	const char *stage; /* of its errors: "store.sqlite" */
	/* versions[n] is a script that takes a database of version n (PRAGMA user_version) to n + 1. */
	const char *const *versions;
	size_t nversions;
	const char *const *statements;
	size_t nstatements;
};

enum sqlite_transaction { TRANSACTION_BEGIN, TRANSACTION_COMMIT, TRANSACTION_ROLLBACK, TRANSACTION_N };

struct sqlite_db {
	const struct sqlite_schema *schema;	  /* static */
	char *path;				  /* owned */
	sqlite3 *handle;			  /* owned */
	sqlite3_stmt **statements;		  /* owned */
	sqlite3_stmt *transaction[TRANSACTION_N]; /* owned */
	pthread_mutex_t lock;
	/* There was no memory to roll back, and a transaction is still open. The next call does it before anything else. */
	bool is_stuck;
};

/* Opens SCHEMA's file in DIR, makes it (mode 0600) when there is none, and brings it to the newest version. -EUCLEAN:
 * the file is damaged or none of ours; -ENOTSUP: a newer program made it. DB is closed when this fails. */
int sqlite_open(
	const char *dir, const struct sqlite_schema *schema, struct sqlite_db *db, struct sandbox_error *err);
/* Accepts what sqlite_open left closed or what is all zeroes. */
void sqlite_close(struct sqlite_db *db);

/* BEGIN IMMEDIATE: writers of other processes wait from here on. */
int sqlite_begin(struct sqlite_db *db, struct sandbox_error *err);
int sqlite_commit(struct sqlite_db *db, struct sandbox_error *err);
void sqlite_rollback(struct sqlite_db *db);

/* One execution of a prepared statement: put its parameters in order, run it, take the row's columns in order.
 *
 *   _cleanup_sqlite_ struct sqlite_call call = sqlite_call(db, STATEMENT_X);
 *   sqlite_put_text(&call, id);
 *   int r = sqlite_run(&call, err);
 */
struct sqlite_call {
	struct sqlite_db *db;
	sqlite3_stmt *statement; /* borrowed */
	int nput, ntaken;
	int failed; /* the first SQLite code that was not SQLITE_OK; reported by sqlite_run or sqlite_taken */
};

struct sqlite_call sqlite_call(struct sqlite_db *db, size_t statement);
/* Strings are borrowed until the call ends; NULL puts NULL. */
void sqlite_put_text(struct sqlite_call *call, const char *text);
void sqlite_put_bytes(struct sqlite_call *call, const char *text, size_t size);
void sqlite_put_int(struct sqlite_call *call, int64_t value);
void sqlite_put_null(struct sqlite_call *call);
/* 1: there is a row (a call again goes to the next one); 0: there is none (left); a negative errno with ERR. */
int sqlite_run(struct sqlite_call *call, struct sandbox_error *err);
/* Copies, owned by the caller; NULL stays NULL. SIZE may be NULL. */
char *sqlite_take_text(struct sqlite_call *call, size_t *size);
/* A short text into TEXT[SIZE], NUL-terminated, cut if it must be: without an allocation that could fail. */
void sqlite_take_into(struct sqlite_call *call, char *text, size_t size);
/* NULL becomes ABSENT. */
int64_t sqlite_take_int(struct sqlite_call *call, int64_t absent);
/* Have all columns been taken whole? 0, or -ENOMEM with ERR. */
int sqlite_taken(const struct sqlite_call *call, struct sandbox_error *err);
/* How many rows the last INSERT, UPDATE or DELETE changed. */
int sqlite_changes(const struct sqlite_db *db);
/* The statement is ready for its next call; its borrowed strings are let go. */
void sqlite_call_end(struct sqlite_call *call);

#define _cleanup_sqlite_ __attribute__((cleanup(sqlite_call_end)))
