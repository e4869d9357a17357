/* sqlite_util.h: statements of a database: prepared once, put, run, taken; errors as sandbox_error. */
#pragma once

#include "service/database.h"

#include <stddef.h>

/* The statements of one module. */
struct sqlite_client {
	struct database *db;	   /* borrowed */
	const char *stage;	   /* of its errors: "store.sqlite" */
	sqlite3_stmt **statements; /* owned */
	size_t nstatements;
};

/* Prepares TEXTS[N]. The client is closed when this fails. */
int sqlite_client_open(struct database *db, const char *stage, const char *const *texts, size_t n,
	struct sqlite_client *client, struct sandbox_error *err);
/* Accepts what sqlite_client_open left closed or what is all zeroes. */
void sqlite_client_close(struct sqlite_client *client);

/* The database's lock: held from a call's begin to its end, and across a transaction. */
void sqlite_lock(struct sqlite_client *client);
void sqlite_unlock(struct sqlite_client *client);
/* Unlocks after a write that returned R, and when that is 0 sees to it that what was committed becomes durable as NEED
 * says; within a batch, when that is committed. Returns R, or the negative errno of the sync. */
int sqlite_end(struct sqlite_client *client, int r, enum database_sync_need need, struct sandbox_error *err);

/* BEGIN IMMEDIATE: writers of other processes wait from here on. Within a batch, begin and commit do nothing, and
 * rollback undoes the whole of it. */
int sqlite_begin(struct sqlite_client *client, struct sandbox_error *err);
int sqlite_commit(struct sqlite_client *client, struct sandbox_error *err);
void sqlite_rollback(struct sqlite_client *client);

/* One execution of a prepared statement: put its parameters in order, run it, take the row's columns in order.
 *
 *   _cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, STATEMENT_X);
 *   sqlite_put_text(&call, id);
 *   int r = sqlite_run(&call, err);
 */
struct sqlite_call {
	struct sqlite_client *client;
	sqlite3_stmt *statement; /* borrowed */
	int nput, ntaken;
	int failed; /* the first SQLite code that was not SQLITE_OK; reported by sqlite_run or sqlite_taken */
};

struct sqlite_call sqlite_call(struct sqlite_client *client, size_t statement);
/* Strings are borrowed until the call ends; NULL puts NULL. */
void sqlite_put_text(struct sqlite_call *call, const char *text);
void sqlite_put_bytes(struct sqlite_call *call, const char *text, size_t size);
void sqlite_put_blob(struct sqlite_call *call, const void *bytes, size_t size);
void sqlite_put_int(struct sqlite_call *call, int64_t value);
void sqlite_put_null(struct sqlite_call *call);
/* 1: there is a row (a call again goes to the next one); 0: there is none (left); a negative errno with ERR. */
int sqlite_run(struct sqlite_call *call, struct sandbox_error *err);
/* Copies, owned by the caller; NULL stays NULL. SIZE may be NULL. */
char *sqlite_take_text(struct sqlite_call *call, size_t *size);
/* Borrowed until the next call of sqlite_run or the end; NULL when there are none. */
const void *sqlite_take_blob(struct sqlite_call *call, size_t *size);
/* A short text into TEXT[SIZE], NUL-terminated, cut if it must be: without an allocation that could fail. */
void sqlite_take_into(struct sqlite_call *call, char *text, size_t size);
/* NULL becomes ABSENT. */
int64_t sqlite_take_int(struct sqlite_call *call, int64_t absent);
/* Have all columns been taken whole? 0, or -ENOMEM with ERR. */
int sqlite_taken(const struct sqlite_call *call, struct sandbox_error *err);
/* How many rows the last INSERT, UPDATE or DELETE changed. */
int sqlite_changes(const struct sqlite_client *client);
/* The statement is ready for its next call; its borrowed strings are let go. */
void sqlite_call_end(struct sqlite_call *call);

#define _cleanup_sqlite_ __attribute__((cleanup(sqlite_call_end)))
