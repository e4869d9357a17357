#include "service/live.h"

#include "sandbox/base/fd.h"
#include "service/runner_text.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>

/* As much as one stream printed before the other did. */
struct part {
	uint64_t begin;	       /* in both streams together */
	uint64_t stream_begin; /* in its own */
	enum live_stream stream;
};

/* What one step has printed. */
struct record {
	int fd; /* owned; -1: the step has not begun, or its output was let go */
	uint64_t size;
	uint64_t stream_sizes[LIVE_MIXED];
	struct part *parts; /* owned */
	size_t nparts, room;
};

struct live_job {
	LIST_ENTRY(live_job) link; /* while the attempt is under way */
	struct live *live;
	char id[JOB_ID_SIZE];
	uint32_t attempt;
	unsigned watchers;
	bool has_ended;
	enum sandbox_step step; /* the one under way */
	struct record records[SANDBOX_STEP_N];
};

struct live {
	struct waiters *waiters;
	pthread_mutex_t lock; /* for all that follows, and all jobs */
	LIST_HEAD(live_jobs, live_job) jobs;
};

static void lock(struct live *live)
{
	(void)pthread_mutex_lock(&live->lock);
}

static void unlock(struct live *live)
{
	(void)pthread_mutex_unlock(&live->lock);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

int live_open(struct waiters *waiters, struct live **ret, struct sandbox_error *err)
{
	struct live *live = calloc(1, sizeof(*live));

	if (live == NULL)
		return error_set(err, ENOMEM, "live", "no memory");
	live->waiters = waiters;
	LIST_INIT(&live->jobs);
	(void)pthread_mutex_init(&live->lock, NULL);
	*ret = live;
	return 0;
}

struct live *live_close(struct live *live)
{
	if (live == NULL)
		return NULL;
	assert(LIST_EMPTY(&live->jobs));
	(void)pthread_mutex_destroy(&live->lock);
	free(live);
	return NULL;
}

static void let_go(struct live_job *job)
{
	for (size_t i = 0; i < SANDBOX_STEP_N; i++) {
		struct record *record = &job->records[i];
		record->fd = fd_close(record->fd);
		free(record->parts);
		*record = (struct record){.fd = -1};
	}
}

static void free_job(struct live_job *job)
{
	let_go(job);
	free(job);
}

/* --- for the worker --------------------------------------------------------------------------------------------- */

struct live_job *live_begin(struct live *live, const char *id, uint32_t attempt)
{
	struct live_job *job = live != NULL ? calloc(1, sizeof(*job)) : NULL;

	if (job == NULL)
		return NULL;
	job->live = live;
	job->attempt = attempt;
	(void)snprintf(job->id, sizeof(job->id), "%s", id);
	for (size_t i = 0; i < SANDBOX_STEP_N; i++)
		job->records[i].fd = -1;
	lock(live);
	LIST_INSERT_HEAD(&live->jobs, job, link);
	unlock(live);
	waiters_wake(live->waiters, id);
	return job;
}

void live_step(struct live_job *job, enum sandbox_step step, int fd)
{
	if (job == NULL)
		return;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* -1: nobody will see it before it is stored */
	lock(job->live);
	job->step = step;
	job->records[step].fd = copy;
	unlock(job->live);
}

static bool has_room(struct record *record)
{
	if (record->parts != NULL && record->nparts < record->room)
		return true;
	size_t room = record->room > 0 ? 2 * record->room : 8;
	struct part *parts = reallocarray(record->parts, room, sizeof(*parts));
	if (parts == NULL)
		return false;
	record->parts = parts;
	record->room = room;
	return true;
}

/* The part that STREAM's next bytes belong to is the last one. False: no memory. */
static bool begin_part(struct record *record, enum live_stream stream)
{
	const struct part *last = record->nparts > 0 ? &record->parts[record->nparts - 1] : NULL;

	if (last != NULL && (last->stream == stream || last->stream == LIVE_MIXED))
		return true;
	if (!has_room(record))
		return false;
	if (record->nparts == LIVE_PARTS - 1)
		stream = LIVE_MIXED;
	record->parts[record->nparts++] = (struct part){
		.begin = record->size,
		.stream_begin = stream == LIVE_MIXED ? record->size : record->stream_sizes[stream],
		.stream = stream,
	};
	return true;
}

void live_grow(struct live_job *job, enum live_stream stream, uint64_t size)
{
	if (job == NULL || size == 0)
		return;
	struct live *live = job->live;
	lock(live);
	struct record *record = &job->records[job->step];
	bool has_part = begin_part(record, stream);
	if (has_part) {
		record->size += size;
		if (stream != LIVE_MIXED)
			record->stream_sizes[stream] += size;
	} else {
		record->fd = fd_close(record->fd); /* what was printed next can no longer be said */
	}
	bool is_watched = job->watchers > 0;
	unlock(live);
	if (is_watched)
		waiters_wake(live->waiters, job->id);
}

void live_end(struct live_job *job)
{
	uint64_t size = 0;

	if (job == NULL)
		return;
	struct live *live = job->live;
	char id[JOB_ID_SIZE];
	memcpy(id, job->id, sizeof(id));
	lock(live);
	LIST_REMOVE(job, link);
	job->has_ended = true;
	for (size_t i = 0; i < SANDBOX_STEP_N; i++)
		size += job->records[i].size;
	bool is_watched = job->watchers > 0;
	if (size > LIVE_LINGER_BYTES)
		let_go(job);
	unlock(live);
	if (is_watched)
		waiters_wake(live->waiters, id);
	else
		free_job(job);
}

/* --- for those who watch ---------------------------------------------------------------------------------------- */

struct live_job *live_watch(struct live *live, const char *id)
{
	struct live_job *job;

	if (live == NULL)
		return NULL;
	lock(live);
	LIST_FOREACH(job, &live->jobs, link)
	if (strcmp(job->id, id) == 0)
		break;
	if (job != NULL)
		job->watchers++;
	unlock(live);
	return job;
}

void live_unwatch(struct live_job *job)
{
	if (job == NULL)
		return;
	struct live *live = job->live;
	lock(live);
	bool is_last = --job->watchers == 0 && job->has_ended;
	unlock(live);
	if (is_last)
		free_job(job);
}

uint32_t live_attempt(const struct live_job *job)
{
	return job->attempt;
}

/* The part that holds OFFSET, which is below the size. */
static size_t find_part(const struct record *record, uint64_t offset)
{
	size_t low = 0, high = record->nparts;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (record->parts[middle].begin <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Of one part, at OFFSET. IS_COMPLETE: the step will print no more. */
static bool read_part(const struct record *record, uint64_t offset, bool is_complete, struct live_chunk *ret)
{
	size_t i = find_part(record, offset);
	const struct part *part = &record->parts[i];
	bool is_last = i + 1 == record->nparts;
	uint64_t end = is_last ? record->size : part[1].begin;
	size_t wanted = end - offset < sizeof(ret->data) ? (size_t)(end - offset) : sizeof(ret->data);

	ssize_t n = pread(record->fd, ret->data, wanted, (off_t)offset);
	if (n <= 0)
		return false;
	bool may_go_on = (uint64_t)n < end - offset || (is_last && !is_complete);
	ret->size = may_go_on ? runner_text_whole(ret->data, (size_t)n) : (size_t)n;
	ret->stream = part->stream;
	ret->offset = part->stream_begin + (offset - part->begin);
	return ret->size > 0;
}

static int read_on(const struct live_job *job, struct live_position *position, struct live_chunk *ret)
{
	for (;;) {
		const struct record *record = &job->records[position->step];
		bool is_complete = job->has_ended || position->step < job->step;
		if (record->fd >= 0 && position->offset < record->size) {
			ret->step = position->step;
			if (!read_part(record, position->offset, is_complete, ret))
				return is_complete ? LIVE_OVER : 0;
			position->offset += ret->size;
			return LIVE_CHUNK;
		}
		if (position->step >= job->step)
			return job->has_ended ? LIVE_OVER : 0;
		position->step++;
		position->offset = 0;
	}
}

int live_read(struct live_job *job, struct live_position *position, struct live_chunk *ret)
{
	lock(job->live);
	if (position->attempt != job->attempt)
		*position = (struct live_position){.attempt = job->attempt, .step = SANDBOX_COMPILE};
	int r = read_on(job, position, ret);
	unlock(job->live);
	return r;
}
