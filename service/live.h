/* live.h: what the jobs that run in this process have printed so far, for those who watch them.
 *
 * One record per attempt: the memory files that its output goes to anyway, and which part of them came from where. Nothing is
 * copied until somebody reads. A record lives until its attempt has ended and nobody watches it any more; what it holds of a
 * large output is let go with the attempt, as the stored object has it. Any thread may call any function; those that take a
 * struct live_job accept NULL, which is a job that cannot be watched. */
#pragma once

#include "sandbox/sandbox.h"
#include "service/job.h"
#include "service/waiters.h"

enum live_stream { LIVE_STDOUT, LIVE_STDERR, LIVE_MIXED };

enum {
	LIVE_CHUNK_BYTES = 16 * 1024,
	LIVE_LINGER_BYTES = 1024 * 1024, /* of an ended attempt, for those who still read */
	LIVE_PARTS =
		65536, /* of one step: what comes after so many changes between the streams is not told apart */
};

struct live;
struct live_job;

/* How far somebody has read. */
struct live_position {
	uint32_t attempt; /* 0: of none */
	enum sandbox_step step;
	uint64_t offset; /* in the output of STEP, both streams together */
};

struct live_chunk {
	enum sandbox_step step;
	enum live_stream stream;
	uint64_t offset; /* in STREAM */
	size_t size;
	char data[LIVE_CHUNK_BYTES];
};

/* WAITERS (borrowed) are woken whenever there is more. */
int live_open(struct waiters *waiters, struct live **ret, struct sandbox_error *err);
/* No attempt is under way, nobody watches. Accepts NULL; returns NULL. */
struct live *live_close(struct live *live);

/* --- for the worker */

/* NULL: no memory, or LIVE is NULL. */
struct live_job *live_begin(struct live *live, const char *id, uint32_t attempt);
/* From now on STEP's output comes, into FD (a copy of it is made). */
void live_step(struct live_job *job, enum sandbox_step step, int fd);
/* SIZE bytes more of it, of STREAM. */
void live_grow(struct live_job *job, enum live_stream stream, uint64_t size);
/* The attempt has ended. JOB is no longer the worker's. */
void live_end(struct live_job *job);

/* --- for those who watch */

/* The attempt of job ID that is under way here; live_unwatch by the caller. NULL: there is none. */
struct live_job *live_watch(struct live *live, const char *id);
void live_unwatch(struct live_job *job);
uint32_t live_attempt(const struct live_job *job);

enum { LIVE_CHUNK = 1, LIVE_OVER = 2 };

/* What comes after POSITION, of one stream, cut between characters if it is text: LIVE_CHUNK with *RET, POSITION is moved
 * behind it. 0: nothing yet. LIVE_OVER: nothing more will come from here. A POSITION of another attempt is the begin. */
int live_read(struct live_job *job, struct live_position *position, struct live_chunk *ret);
