/* store_sqlite_row.h: a row of the table of jobs as a struct job. Internal to store_sqlite.c. */
#pragma once

#include "service/job.h"
#include "service/sqlite_util.h"

/* In the order in which store_sqlite_row takes them. */
#define STORE_SQLITE_COLUMNS                                                                                 \
	"id, user_id, language, status, verdict, attempt, error, output_path, stdout_preview,"               \
	" created_usec, updated_usec, started_usec, completed_usec, exec_duration_usec, compile, run,"       \
	" failures, compile_cached, lease_usec, worker, expires_usec, urgent"

/* The next columns of CALL's row into JOB, which is all zeroes; the caller frees it in any case. -EUCLEAN with ERR: a
 * stored value has no meaning. */
int store_sqlite_row(struct sqlite_call *call, struct job *job, struct sandbox_error *err);
