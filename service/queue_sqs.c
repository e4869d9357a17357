/* queue_sqs.c: the queue in SQS.
 *
 * Threads that wait for a message share the polling: of those in `receive` one per queue polls, for itself and for those
 * who wait beside it, as many messages as they are; it hands the others theirs. So a process never takes more than it has
 * room for, and asks SQS as seldom as it can. With more queues than threads, each poll is short and goes on to the next
 * queue; urgent ones are asked first every time.
 *
 * SQS may deliver a message twice, and takes an old receipt without a word: that a job is not done twice is the store's to
 * see to. A message that makes no sense is left alone: SQS delivers it a few times and then moves it to its dead-letter
 * queue. */
#include "service/queue_sqs.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/monotonic.h"
#include "service/queue_sqs_api.h"
#include "service/queue_sqs_dead.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

static const char stage[] = "queue.sqs";

enum {
	POLL_SEC_SHARED = 1, /* while other queues wait to be asked */
	PAUSE_MSEC = 100,    /* between polls that may not wait at all */
	MSEC_PER_SEC = 1000,
};

struct source {
	struct queue_sqs_route route;
	bool is_polled; /* by a thread, now */
};

/* A message that waits for a thread of those who wait. */
struct arrival {
	STAILQ_ENTRY(arrival) link;
	struct queue_message message;
};

struct queue_sqs {
	struct queue base;
	struct aws_client *client;
	struct source sources[QUEUE_SQS_ROUTES_MAX]; /* urgent ones first */
	size_t nsources, nurgent;
	pthread_mutex_t lock; /* for what follows, and is_polled */
	pthread_cond_t changed;
	STAILQ_HEAD(, arrival) arrivals;
	unsigned narrivals, nwaiting;
	unsigned npromised; /* of those who wait, so many have a poll under way that counts them in */
	size_t turn;	    /* where the next thread begins among the queues that are not urgent */
	bool is_stopped;
};

static struct queue_sqs *from_base(struct queue *queue)
{
	return (struct queue_sqs *)queue;
}

static void lock(struct queue_sqs *queue)
{
	(void)pthread_mutex_lock(&queue->lock);
}

static void unlock(struct queue_sqs *queue)
{
	(void)pthread_mutex_unlock(&queue->lock);
}

static int64_t now_msec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * MSEC_PER_SEC + now.tv_nsec / 1000000;
}

static unsigned at_most(unsigned value, unsigned max)
{
	return value < max ? value : max;
}

/* --- send ----------------------------------------------------------------------------------------------------- */

static bool takes(const struct queue_sqs_route *route, const struct job_ticket *ticket)
{
	return route->is_urgent == ticket->is_urgent &&
	       (route->language == NULL || strcmp(route->language, ticket->language) == 0);
}

/* A job that is not so urgent goes to a queue of its kind; every job goes somewhere. */
static const struct queue_sqs_route *route_of(const struct queue_sqs *queue, struct job_ticket ticket)
{
	const struct queue_sqs_route *found = NULL;

	for (size_t i = 0; i < queue->nsources; i++) {
		const struct queue_sqs_route *route = &queue->sources[i].route;
		if (takes(route, &ticket) && (found == NULL || route->language != NULL))
			found = route;
	}
	if (found != NULL || !ticket.is_urgent)
		return found;
	ticket.is_urgent = false;
	return route_of(queue, ticket);
}

static int queue_send(struct queue *base, const struct job_ticket *ticket, struct sandbox_error *err)
{
	struct queue_sqs *queue = from_base(base);
	const struct queue_sqs_route *route = route_of(queue, *ticket);

	assert(route != NULL); /* queue_sqs_open saw to it */
	return sqs_send(queue->client, route->url, ticket, err);
}

/* --- receive -------------------------------------------------------------------------------------------------- */

/* Under the lock. */
static void take_in(struct queue_sqs *queue, const char *url, const json_t *answer)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(answer, "Messages"), i, entry)
	{
		struct arrival *arrival = malloc(sizeof(*arrival));
		/* Without memory it comes again when its lease is over. */
		if (arrival != NULL && sqs_read_message(entry, url, &arrival->message)) {
			STAILQ_INSERT_TAIL(&queue->arrivals, arrival, link);
			queue->narrivals++;
			continue;
		}
		free(arrival);
	}
}

static bool take_arrival(struct queue_sqs *queue, struct queue_message *ret)
{
	struct arrival *arrival = STAILQ_FIRST(&queue->arrivals);

	if (arrival == NULL)
		return false;
	STAILQ_REMOVE_HEAD(&queue->arrivals, link);
	queue->narrivals--;
	*ret = arrival->message;
	free(arrival);
	return true;
}

/* Who was counted on has left meanwhile: its message goes back. Under the lock, which is let go meanwhile. */
static void give_surplus_back(struct queue_sqs *queue)
{
	struct queue_message message;

	while (queue->narrivals > (queue->is_stopped ? 0 : queue->nwaiting) &&
		take_arrival(queue, &message)) {
		struct sandbox_error err = {0};
		unlock(queue);
		int r = queue->base.operations->nack(&queue->base, &message, 0, &err);
		if (r < 0)
			log_event(LOG_LEVEL_WARN, "queue.nack", "s:id", message.id, "e:error", &err, NULL);
		lock(queue);
	}
}

/* One poll, for this thread and for those who wait. Under the lock, which is let go meanwhile. 0 with a message, or
 * QUEUE_EMPTY. */
static int lead(struct queue_sqs *queue, struct source *source, struct sqs_poll *poll,
	struct queue_message *ret, struct sandbox_error *err)
{
	unsigned others = at_most(queue->nwaiting - queue->npromised, SQS_BATCH_MAX - 1);
	struct sandbox_error cause = {0};
	json_t *answer = NULL;

	poll->max = 1 + others;
	source->is_polled = true;
	queue->npromised += others;
	unlock(queue);
	int r = sqs_receive(queue->client, poll, &answer, &cause);
	lock(queue);
	queue->npromised -= others;
	source->is_polled = false;
	if (r == 0)
		take_in(queue, poll->url, answer);
	json_decref(answer);
	if (r == 0 && !take_arrival(queue, ret))
		r = QUEUE_EMPTY;
	give_surplus_back(queue);
	(void)pthread_cond_broadcast(&queue->changed);
	if (r == -ECANCELED && queue->is_stopped)
		r = QUEUE_EMPTY;
	return r < 0 ? error_set(err, -r, cause.stage, "%s", cause.message) : r;
}

/* The queue to ask as the N-th: urgent ones, then the others from the thread's turn on. */
static struct source *nth_source(struct queue_sqs *queue, size_t turn, size_t n)
{
	size_t others = queue->nsources - queue->nurgent;

	if (n < queue->nurgent)
		return &queue->sources[n];
	return &queue->sources[queue->nurgent + (turn + n - queue->nurgent) % others];
}

/* One thread in `receive`. */
struct visit {
	int64_t end_msec;
	unsigned lease_sec;
	size_t turn;
	size_t next;   /* the queue to ask next, as nth_source counts */
	size_t nasked; /* since it last paused */
};

/* A queue that nobody polls. NULL: there is none. */
static struct source *pick_source(struct queue_sqs *queue, struct visit *visit)
{
	for (size_t i = 0; i < queue->nsources; i++) {
		struct source *source = nth_source(queue, visit->turn, visit->next);
		visit->next = (visit->next + 1) % queue->nsources;
		if (!source->is_polled)
			return source;
	}
	return NULL;
}

static bool is_anyone_unpolled(const struct queue_sqs *queue, const struct source *but)
{
	for (size_t i = 0; i < queue->nsources; i++)
		if (&queue->sources[i] != but && !queue->sources[i].is_polled)
			return true;
	return false;
}

static void wait_for_change(struct queue_sqs *queue, int64_t until_msec)
{
	struct timespec until = {
		.tv_sec = until_msec / MSEC_PER_SEC, .tv_nsec = until_msec % MSEC_PER_SEC * 1000000};

	queue->nwaiting++;
	(void)pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
	queue->nwaiting--;
}

/* One step: a poll of one's own, or a pause in which others may bring something. */
static int step(
	struct queue_sqs *queue, struct visit *visit, struct queue_message *ret, struct sandbox_error *err)
{
	int64_t left = visit->end_msec - now_msec();
	struct source *source = pick_source(queue, visit);

	left = left > 0 ? left : 0;
	if (source == NULL) {
		wait_for_change(queue, visit->end_msec);
		return QUEUE_EMPTY;
	}
	unsigned max_sec = is_anyone_unpolled(queue, source) ? POLL_SEC_SHARED : SQS_POLL_SEC_MAX;
	struct sqs_poll poll = {
		.url = source->route.url,
		.lease_sec = visit->lease_sec,
		.wait_sec = at_most((unsigned)(left / MSEC_PER_SEC), max_sec),
	};
	int r = lead(queue, source, &poll, ret, err);
	/* With less than a second left SQS does not wait: we do, once every queue was asked. */
	if (r == QUEUE_EMPTY && poll.wait_sec == 0 && ++visit->nasked >= queue->nsources && left > 0) {
		visit->nasked = 0;
		wait_for_change(queue, now_msec() + (left < PAUSE_MSEC ? left : PAUSE_MSEC));
	}
	return r;
}

static int queue_receive(struct queue *base, unsigned wait_msec, unsigned lease_sec,
	struct queue_message *ret, struct sandbox_error *err)
{
	struct queue_sqs *queue = from_base(base);
	struct visit visit = {.end_msec = now_msec() + wait_msec, .lease_sec = lease_sec};
	size_t nsteps = 0;
	int r = QUEUE_EMPTY;

	lock(queue);
	visit.turn = queue->turn++;
	/* Every queue is asked once, however short the time. */
	while (r == QUEUE_EMPTY && !queue->is_stopped &&
		(nsteps++ < queue->nsources || now_msec() < visit.end_msec)) {
		if (take_arrival(queue, ret))
			r = 0;
		else
			r = step(queue, &visit, ret, err);
	}
	if (r == QUEUE_EMPTY && !queue->is_stopped && take_arrival(queue, ret))
		r = 0;
	if (queue->is_stopped)
		give_surplus_back(queue);
	unlock(queue);
	return r;
}

/* --- with a receipt ------------------------------------------------------------------------------------------- */

static int queue_extend(struct queue *base, const struct queue_message *message, unsigned lease_sec,
	struct sandbox_error *err)
{
	return sqs_set_visibility(from_base(base)->client, message, lease_sec, err);
}

static int queue_nack(struct queue *base, const struct queue_message *message, unsigned delay_sec,
	struct sandbox_error *err)
{
	return sqs_set_visibility(from_base(base)->client, message, delay_sec, err);
}

static int queue_ack(struct queue *base, const struct queue_message *message, struct sandbox_error *err)
{
	return sqs_delete(from_base(base)->client, message, err);
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

static int queue_depth(struct queue *base, uint64_t *ret, struct sandbox_error *err)
{
	struct queue_sqs *queue = from_base(base);
	uint64_t sum = 0, depth = 0;
	int r = 0;

	for (size_t i = 0; i < queue->nsources && r == 0; i++) {
		r = sqs_depth(queue->client, queue->sources[i].route.url, &depth, err);
		sum += depth;
	}
	if (r == 0)
		*ret = sum;
	return r;
}

static int queue_dead(struct queue *base, unsigned limit,
	enum queue_fate (*decide)(struct job_ticket *ticket, void *user), void *user, unsigned *ret,
	struct sandbox_error *err)
{
	struct queue_sqs *queue = from_base(base);
	const char *urls[QUEUE_SQS_ROUTES_MAX];

	for (size_t i = 0; i < queue->nsources; i++)
		urls[i] = queue->sources[i].route.url;
	struct sqs_walk walk = {
		.queue = base, .client = queue->client, .decide = decide, .user = user, .left = limit};
	int r = sqs_walk_dead(&walk, urls, queue->nsources, err);
	*ret = walk.nseen;
	return r;
}

static void queue_stop(struct queue *base)
{
	struct queue_sqs *queue = from_base(base);

	lock(queue);
	queue->is_stopped = true;
	(void)pthread_cond_broadcast(&queue->changed);
	unlock(queue);
	aws_client_cancel(queue->client);
}

static struct queue *queue_close(struct queue *base)
{
	struct queue_sqs *queue = from_base(base);

	if (queue == NULL)
		return NULL;
	assert(STAILQ_EMPTY(&queue->arrivals));
	(void)pthread_cond_destroy(&queue->changed);
	(void)pthread_mutex_destroy(&queue->lock);
	free(queue);
	return NULL;
}

static const struct queue_operations operations = {
	.send = queue_send,
	.receive = queue_receive,
	.extend = queue_extend,
	.ack = queue_ack,
	.nack = queue_nack,
	.depth = queue_depth,
	.dead = queue_dead,
	.stop = queue_stop,
	.close = queue_close,
};

static int check_routes(const struct queue_sqs_options *options, struct sandbox_error *err)
{
	bool has_any = false;

	for (size_t i = 0; i < options->nroutes; i++) {
		const struct queue_sqs_route *route = &options->routes[i];
		size_t length = strlen(route->url);
		has_any |= !route->is_urgent && route->language == NULL;
		if (length > 5 && strcmp(route->url + length - 5, ".fifo") == 0)
			return error_set(err, EINVAL, stage,
				"%s: a FIFO queue; jobs do not wait for each other, use a standard one",
				route->url);
	}
	if (!has_any || options->nroutes > QUEUE_SQS_ROUTES_MAX)
		return error_set(
			err, EINVAL, stage, "there is no queue for every job, or there are too many");
	return 0;
}

static void add_sources(struct queue_sqs *queue, const struct queue_sqs_options *options, bool is_urgent)
{
	for (size_t i = 0; i < options->nroutes; i++)
		if (options->routes[i].is_urgent == is_urgent)
			queue->sources[queue->nsources++].route = options->routes[i];
}

int queue_sqs_open(const struct queue_sqs_options *options, struct queue **ret, struct sandbox_error *err)
{
	int r = check_routes(options, err);
	if (r < 0)
		return r;
	struct queue_sqs *queue = calloc(1, sizeof(*queue));
	if (queue == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	queue->base.operations = &operations;
	queue->client = options->client;
	add_sources(queue, options, true);
	queue->nurgent = queue->nsources;
	add_sources(queue, options, false);
	STAILQ_INIT(&queue->arrivals);
	(void)pthread_mutex_init(&queue->lock, NULL);
	monotonic_condition_init(&queue->changed);
	*ret = &queue->base;
	return 0;
}
