#include "service/events.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/node.h"
#include "service/relay.h"
#include "service/runner_text.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

enum { RELAY_TRIES = 5 }; /* per attempt; then only what is stored is told */

struct events {
	struct service *service; /* borrowed, as is the waiter */
	struct waiter *waiter;
	char id[JOB_ID_SIZE];
	bool is_live_only, is_over;
	struct live_position at; /* how far the client is */
	/* What it was told last; -1: nothing. */
	int status;
	uint32_t attempt;
	/* Where the chunks come from; at most one of these is there. */
	struct live_job *live; /* owned */
	struct relay *relay;   /* owned */
	int object;	       /* owned; -1: none */
	uint64_t object_size;
	json_t *result;		/* owned: follows the object */
	uint32_t relay_attempt; /* was asked for so often: */
	unsigned relay_tries;
	/* Events on their way. */
	char *text; /* owned */
	size_t size, sent;
	time_t beat; /* CLOCK_MONOTONIC: when a comment is due */
	struct live_chunk chunk;
};

/* What a source has. */
enum outcome {
	NOTHING, /* for now */
	SOMETHING,
	EXHAUSTED, /* look for another one */
};

/* --- what is said ----------------------------------------------------------------------------------------------- */

/* Takes the text. */
static enum outcome say_text(struct events *events, char *text, size_t size)
{
	free(events->text);
	events->text = text;
	events->size = size;
	events->sent = 0;
	return SOMETHING;
}

/* One event; takes the reference to DATA. ID NULL: it has none. Without memory the stream ends, and the client comes back. */
static enum outcome say(struct events *events, const char *name, const char *id, json_t *data)
{
	char *line = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15));
	char *text = NULL;
	int size = -1;

	json_decref(data);
	if (line != NULL)
		size = asprintf(&text, "event: %s\n%s%s%sdata: %s\n\n", name, id != NULL ? "id: " : "",
			id != NULL ? id : "", id != NULL ? "\n" : "", line);
	free(line);
	if (size >= 0)
		return say_text(events, text, (size_t)size);
	events->is_over = true;
	return NOTHING;
}

static enum outcome say_status(struct events *events, enum job_status status, uint32_t attempt)
{
	if (events->status == (int)status && events->attempt == attempt)
		return NOTHING;
	events->status = (int)status;
	events->attempt = attempt;
	return say(events, "status", NULL,
		json_pack("{s:s, s:s, s:i}", "executionId", events->id, "status", job_status_name(status),
			"attempt", (int)attempt));
}

static json_t *base64(const char *data, size_t size)
{
	char text[LIVE_CHUNK_BYTES / 3 * 4 + 8];

	(void)EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)data, (int)size);
	return json_string(text);
}

/* The chunk, after which the client is at `at`. */
static enum outcome say_chunk(struct events *events)
{
	static const char *const names[] = {
		[LIVE_STDOUT] = "stdout", [LIVE_STDERR] = "stderr", [LIVE_MIXED] = "output"};
	const struct live_chunk *chunk = &events->chunk;
	char id[EVENTS_ID_SIZE];

	json_t *text = json_stringn(chunk->data, chunk->size); /* NULL: it is no UTF-8 */
	const char *key = text != NULL ? "text" : "base64";
	if (text == NULL)
		text = base64(chunk->data, chunk->size);
	events_id_text(&events->at, id);
	return say(events, names[chunk->stream], id,
		json_pack("{s:s, s:I, s:o}", "step", sandbox_step_name(chunk->step), "offset",
			(json_int_t)chunk->offset, key, text));
}

/* --- the attempt that runs here --------------------------------------------------------------------------------- */

static enum outcome read_live(struct events *events)
{
	switch (live_read(events->live, &events->at, &events->chunk)) {
	case LIVE_CHUNK:
		return say_chunk(events);
	case LIVE_OVER:
		live_unwatch(TAKE_PTR(events->live));
		return EXHAUSTED;
	default:
		return NOTHING;
	}
}

/* --- the process that runs it ----------------------------------------------------------------------------------- */

static enum outcome read_relay(struct events *events)
{
	char *text;
	size_t size;

	switch (relay_take(events->relay, &text, &size, &events->at)) {
	case RELAY_EVENTS:
		return say_text(events, text, size);
	case RELAY_OVER:
		events->relay = relay_close(events->relay);
		return EXHAUSTED;
	default:
		return NOTHING;
	}
}

/* A failure costs nothing but the liveness: what the job printed is stored at its end. */
static void open_relay(struct events *events, const struct job *job)
{
	const struct node *node = events->service->node;
	struct sandbox_error err = {0};

	if (events->relay_attempt != job->attempt)
		events->relay_tries = 0;
	events->relay_attempt = job->attempt;
	if (!node_is_elsewhere(node, job->worker) || events->relay_tries >= RELAY_TRIES)
		return;
	events->relay_tries++;
	const struct relay_options options = {
		.node = node,
		.url = job->worker,
		.id = events->id,
		.from = events->at,
		.waiters = events->service->waiters,
	};
	if (relay_open(&options, &events->relay, &err) < 0)
		log_event(LOG_LEVEL_WARN, "relay.open", "s:id", events->id, "e:error", &err, NULL);
}

/* --- what is stored --------------------------------------------------------------------------------------------- */

/* The output of the step that the job ended with. */
static enum outcome open_object(struct events *events, const struct job *job)
{
	struct objects *objects = events->service->objects;
	enum sandbox_step step = job->has_run ? SANDBOX_RUN : SANDBOX_COMPILE;
	struct sandbox_error err = {0};
	int r = OBJECTS_MISSING;

	if (job->output_path != NULL)
		r = objects->operations->open(
			objects, job->output_path, &events->object, &events->object_size, &err);
	if (r < 0)
		return NOTHING; /* it is asked for again */
	if (events->at.attempt != job->attempt || events->at.step != step)
		events->at = (struct live_position){.attempt = job->attempt, .step = step};
	events->result = job_json(job);
	events->is_over = events->result == NULL;
	return EXHAUSTED;
}

static enum outcome read_object(struct events *events)
{
	struct live_chunk *chunk = &events->chunk;
	ssize_t n = 0;

	if (events->object >= 0 && events->at.offset < events->object_size)
		n = pread(events->object, chunk->data, sizeof(chunk->data), (off_t)events->at.offset);
	if (n <= 0) {
		events->is_over = true;
		return say(events, "result", "end", TAKE_PTR(events->result));
	}
	bool is_last = events->at.offset + (uint64_t)n >= events->object_size;
	chunk->step = events->at.step;
	chunk->stream = LIVE_MIXED;
	chunk->offset = events->at.offset;
	chunk->size = is_last ? (size_t)n : runner_text_whole(chunk->data, (size_t)n);
	events->at.offset += chunk->size;
	return say_chunk(events);
}

static enum outcome look(struct events *events, const struct job *job)
{
	if (job_is_finished(job->status))
		return open_object(events, job);
	if (job->status == JOB_RUNNING && job->worker != NULL)
		open_relay(events, job);
	if (say_status(events, job->status, job->attempt) == SOMETHING)
		return SOMETHING;
	return events->relay != NULL ? EXHAUSTED : NOTHING;
}

static enum outcome read_store(struct events *events)
{
	struct store *store = events->service->store;
	struct sandbox_error err = {0};
	struct job job = {0};

	int r = store->operations->get(store, events->id, &job, &err);
	if (r == STORE_MISSING) /* it has expired */
		events->is_over = true;
	enum outcome outcome =
		r == 0 ? look(events, &job) : NOTHING; /* a failure passes, or the client goes */
	job_free(&job);
	return outcome;
}

/* --- the stream ------------------------------------------------------------------------------------------------- */

/* Whoever runs the job is asked before the store is. */
static enum outcome find_source(struct events *events)
{
	events->live = live_watch(events->service->live, events->id);
	if (events->live == NULL && !events->is_live_only)
		return read_store(events);
	if (events->live == NULL) {
		events->is_over = true;
		return NOTHING;
	}
	if (events->is_live_only)
		return EXHAUSTED;
	return say_status(events, JOB_RUNNING, live_attempt(events->live)) == SOMETHING ? SOMETHING
											: EXHAUSTED;
}

static enum outcome advance(struct events *events)
{
	if (events->live != NULL)
		return read_live(events);
	if (events->relay != NULL)
		return read_relay(events);
	if (events->result != NULL)
		return read_object(events);
	return find_source(events);
}

static time_t now_sec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static size_t take_text(struct events *events, char *buf, size_t size)
{
	size_t left = events->size - events->sent;
	size_t n = left < size ? left : size;

	memcpy(buf, events->text + events->sent, n);
	events->sent += n;
	events->beat = now_sec() + EVENTS_BEAT_SEC;
	return n;
}

static ssize_t pull(void *user, char *buf, size_t size)
{
	static const char comment[] = ":\n\n";
	struct events *events = user;
	enum outcome outcome = NOTHING;

	if (events->sent < events->size)
		return (ssize_t)take_text(events, buf, size);
	if (events->is_over ||
		!waiters_follow(events->service->waiters, events->waiter, events->id, EVENTS_BEAT_SEC))
		return HTTP_STREAM_END;
	do
		outcome = advance(events);
	while (outcome == EXHAUSTED && !events->is_over);
	if (outcome == SOMETHING)
		return (ssize_t)take_text(events, buf, size);
	if (events->is_over)
		return HTTP_STREAM_END;
	if (now_sec() < events->beat || size < sizeof(comment) - 1)
		return HTTP_STREAM_LATER;
	events->beat = now_sec() + EVENTS_BEAT_SEC;
	memcpy(buf, comment, sizeof(comment) - 1);
	return sizeof(comment) - 1;
}

static void end(void *user)
{
	struct events *events = user;

	live_unwatch(events->live);
	events->relay = relay_close(events->relay);
	events->object = fd_close(events->object);
	json_decref(events->result);
	free(events->text);
	free(events);
}

int events_open(const struct events_options *options, struct http_stream *ret, struct sandbox_error *err)
{
	struct waiters *waiters = options->service->waiters;

	if (!waiters_follow(waiters, options->waiter, options->id, EVENTS_BEAT_SEC))
		return error_set(err, EBUSY, "events.open", "too many requests wait");
	struct events *events = calloc(1, sizeof(*events));
	if (events == NULL) {
		waiters_leave(waiters, options->waiter);
		return error_set(err, ENOMEM, "events.open", "no memory");
	}
	events->service = options->service;
	events->waiter = options->waiter;
	events->is_live_only = options->is_live_only;
	events->at = options->from;
	events->status = -1;
	events->object = -1;
	events->beat = now_sec() + EVENTS_BEAT_SEC;
	(void)snprintf(events->id, sizeof(events->id), "%s", options->id);
	*ret = (struct http_stream){.pull = pull, .close = end, .user = events};
	return 0;
}
