/* job.h: a job as the store keeps it and the API shows it. */
#pragma once

#include "sandbox/report/report.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum job_status {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_COMPLETED,
	JOB_FAILED,
	JOB_TIMEOUT,
	JOB_CANCELLED,
	JOB_STATUS_N
};

enum {
	JOB_ID_SIZE = 37, /* a random UUID (version 4) in text, with its NUL */
	JOB_USER_ID_BYTES = 128,
	JOB_LANGUAGE_BYTES = 64,
	JOB_PREVIEW_CHARS = 500, /* Unicode characters of stdoutPreview */
	JOB_ERROR_BYTES = 16 * 1024,
	JOB_TIME_SIZE = 32, /* RFC 3339 UTC with milliseconds: "2026-11-24T10:00:00.123Z" */
	JOB_LEASE_SIZE = 33,
	JOB_WORKER_BYTES = 255,
};

const char *job_status_name(enum job_status status); /* "queued" … */
/* The inverse. 0, or -EINVAL when NAME is none (or NULL). */
int job_status_parse(const char *name, enum job_status *ret);
/* Is STATUS final? */
bool job_is_finished(enum job_status status);

/* All pointers owned; job_free frees them. NULL: absent (null in JSON). Times are microseconds since 1970 UTC; 0: not
 * yet. */
struct job {
	char id[JOB_ID_SIZE];
	char *user_id;
	char *language; /* normalised: "cpp" */
	char *code; /* NUL-terminated UTF-8, code_size bytes; may hold no NUL inside (the API refuses \u0000) */
	size_t code_size;
	char *input; /* as code; "" when absent */
	size_t input_size;
	bool is_urgent; /* it is taken up before those that are not */
	enum job_status status;
	enum report_verdict verdict;
	uint32_t attempt;  /* claims so far */
	uint32_t failures; /* attempts that the host's failure ended; restarts of the service are none */
	char *error;	   /* the compiler's message or the cause, at most JOB_ERROR_BYTES */
	char *output_path; /* object name: "outputs/<id>.txt" */
	char *stdout_preview;
	int64_t created_usec, updated_usec, started_usec, completed_usec;
	int64_t expires_usec; /* from then on there is no such job any more; 0: it is kept */
	/* While it is running: */
	char lease
		[JOB_LEASE_SIZE]; /* names the claim, where the store needs more than the attempt for that; or "" */
	int64_t lease_usec;	  /* until then it is the claimant's; afterwards anyone's */
	char *worker;		  /* the process that runs it, as struct store_lease says */
	int64_t exec_duration_usec; /* the program's run alone; -1: none */
	bool has_compile, has_run;
	bool is_compile_cached; /* `compile` is of an earlier job of the same source */
	struct sandbox_result compile, run;
};

/* What a queue needs to know of a job. */
struct job_ticket {
	const char *id, *language;
	bool is_urgent;
};

void job_free(struct job *job);	       /* frees what it holds, zeroes it; not the struct itself */
void job_new_id(char id[JOB_ID_SIZE]); /* RFC 9562, version 4, from getrandom */
bool job_id_ok(const char *id);	       /* exactly the form of job_new_id */
int64_t job_now_usec(void);
void job_time_text(int64_t usec, char text[JOB_TIME_SIZE]);

/* What GET /status shows: executionId userId language status verdict error outputPath stdoutPreview createdAt updatedAt
 * startedAt completedAt priority execDurationMs (a number with microseconds as fraction, or null) attempt compile run (as
 * report_result, or null). Never code nor input. Owned by the caller; NULL: no memory. */
json_t *job_json(const struct job *job);
