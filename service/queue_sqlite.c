/* queue_sqlite.c: the embedded queue. A message waits until its `visible_usec` is past; to receive it is to push that
 * time into the future and to put a fresh receipt on it. Whoever holds the receipt may extend, acknowledge or give
 * back; the receipt of an earlier delivery fits nothing any more.
 *
 * Nothing here waits for the disk: messages that a power cut takes are sent again from the store, which has the jobs
 * (store->recover). */
#include "service/queue.h"

#include "sandbox/base/fd.h"
#include "service/monotonic.h"
#include "service/sqlite_util.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const char stage[] = "queue.sqlite";

#define NOT_URGENT "(1 << 61)" /* their numbers begin there */

enum statement { SEND, LEASE, EXTEND, ACK, NACK, STATEMENT_N };

static const char *const statements[STATEMENT_N] = {
	/* In order of arrival, the urgent ones before the others. */
	[SEND] = "INSERT INTO messages (seq, id, language, visible_usec, receive_count) VALUES ("
		 "CASE WHEN ?1"
		 " THEN coalesce((SELECT max(seq) FROM messages WHERE seq < " NOT_URGENT "), 0) + 1"
		 " ELSE max(coalesce((SELECT max(seq) FROM messages), 0), " NOT_URGENT ") + 1 END,"
		 " ?2, ?3, 0, 0)"
		 " ON CONFLICT (id) DO UPDATE SET visible_usec = 0, receipt = NULL WHERE visible_usec <> 0",
	[LEASE] = "UPDATE messages SET visible_usec = ?, receipt = ?, receive_count = receive_count + 1"
		  " WHERE seq = (SELECT seq FROM messages WHERE visible_usec <= ? ORDER BY seq LIMIT 1)"
		  " RETURNING id, language, receive_count",
	[EXTEND] = "UPDATE messages SET visible_usec = ? WHERE id = ? AND receipt = ?",
	[ACK] = "DELETE FROM messages WHERE id = ? AND receipt = ?",
	[NACK] = "UPDATE messages SET visible_usec = ?, receipt = NULL WHERE id = ? AND receipt = ?",
};

static const char depth_text[] = "SELECT count(*) FROM messages WHERE receipt IS NULL OR visible_usec <= ?";

enum {
	USEC_PER_SEC = 1000000,
	NSEC_PER_MSEC = 1000000,
	NSEC_PER_SEC = 1000000000,
	/* Leases that run out and messages that another process sends (role api beside role worker) wake nobody here:
	 * so often a waiting thread looks by itself. */
	LOOK_MSEC = 250,
};

struct queue_sqlite {
	struct queue base;
	struct sqlite_client client;
	pthread_cond_t arrived; /* with the database's lock */
	bool is_stopped;	/* under it */
	/* To count is to read the whole table: on a connection of its own nobody waits for it. */
	pthread_mutex_t counting;
	sqlite3 *reader;     /* owned */
	sqlite3_stmt *count; /* owned */
};

static struct queue_sqlite *from_base(struct queue *queue)
{
	return (struct queue_sqlite *)queue;
}

static struct queue_sqlite *lock(struct queue *base)
{
	struct queue_sqlite *queue = from_base(base);

	sqlite_lock(&queue->client);
	return queue;
}

static void unlock(struct queue_sqlite *queue)
{
	sqlite_unlock(&queue->client);
}

static int64_t seconds_from_now(unsigned seconds)
{
	return job_now_usec() + (int64_t)seconds * USEC_PER_SEC;
}

/* --- send ----------------------------------------------------------------------------------------------------- */

static int send_locked(
	struct sqlite_client *client, const struct job_ticket *ticket, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, SEND);

	sqlite_put_int(&call, ticket->is_urgent);
	sqlite_put_text(&call, ticket->id);
	sqlite_put_text(&call, ticket->language);
	return sqlite_run(&call, err);
}

static int queue_send(struct queue *base, const struct job_ticket *ticket, struct sandbox_error *err)
{
	struct queue_sqlite *queue = lock(base);

	int r = send_locked(&queue->client, ticket, err);
	(void)pthread_cond_signal(&queue->arrived);
	unlock(queue);
	return r;
}

/* --- receive -------------------------------------------------------------------------------------------------- */

static int new_receipt(char *receipt, size_t size, struct sandbox_error *err)
{
	unsigned char bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return error_errno(err, stage, "getrandom");
	for (size_t i = 0; i < sizeof(bytes) && 2 * i + 2 < size; i++)
		(void)snprintf(receipt + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* The row of LEASE into MESSAGE. The statement is run to its end: only then has it been committed. Nothing here may
 * fail for want of memory, as the message would be leased, but to nobody. */
static int take_message(struct sqlite_call *call, struct queue_message *message, struct sandbox_error *err)
{
	sqlite_take_into(call, message->id, sizeof(message->id));
	sqlite_take_into(call, message->language, sizeof(message->language));
	message->receive_count = (uint32_t)sqlite_take_int(call, 0);
	return sqlite_run(call, err);
}

/* One look: the first visible message. */
static int lease(struct sqlite_client *client, unsigned lease_sec, struct queue_message *ret,
	struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(client, LEASE);
	struct queue_message message = {0};

	int r = new_receipt(message.receipt, sizeof(message.receipt), err);
	if (r < 0)
		return r;
	sqlite_put_int(&call, seconds_from_now(lease_sec));
	sqlite_put_text(&call, message.receipt);
	sqlite_put_int(&call, job_now_usec());
	r = sqlite_run(&call, err);
	if (r == 0)
		return QUEUE_EMPTY;
	if (r > 0)
		r = take_message(&call, &message, err);
	if (r == 0)
		*ret = message;
	return r;
}

static struct timespec msec_from_now(unsigned msec)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	int64_t nsec = time.tv_nsec + (int64_t)msec * NSEC_PER_MSEC;
	time.tv_sec += nsec / NSEC_PER_SEC;
	time.tv_nsec = nsec % NSEC_PER_SEC;
	return time;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static int queue_receive(struct queue *base, unsigned wait_msec, unsigned lease_sec,
	struct queue_message *ret, struct sandbox_error *err)
{
	struct queue_sqlite *queue = lock(base);
	const struct timespec end = msec_from_now(wait_msec);
	assert(wait_msec == 0 || !queue->client.db->is_batch);
	int r = QUEUE_EMPTY;

	while (!queue->is_stopped) {
		r = lease(&queue->client, lease_sec, ret, err);
		struct timespec now = msec_from_now(0);
		if (r != QUEUE_EMPTY || !is_before(&now, &end))
			break;
		struct timespec look = msec_from_now(LOOK_MSEC);
		(void)pthread_cond_timedwait(
			&queue->arrived, &queue->client.db->lock, is_before(&look, &end) ? &look : &end);
	}
	unlock(queue);
	return r;
}

/* --- with a receipt ------------------------------------------------------------------------------------------- */

/* STATEMENT with VISIBLE_USEC (negative: it takes none), the id and the receipt. */
static int settle(struct queue_sqlite *queue, enum statement statement, int64_t visible_usec,
	const struct queue_message *message, struct sandbox_error *err)
{
	_cleanup_sqlite_ struct sqlite_call call = sqlite_call(&queue->client, statement);

	if (visible_usec >= 0)
		sqlite_put_int(&call, visible_usec);
	sqlite_put_text(&call, message->id);
	sqlite_put_text(&call, message->receipt);
	int r = sqlite_run(&call, err);
	return r == 0 && sqlite_changes(&queue->client) == 0 ? QUEUE_STALE : r;
}

static int queue_extend(struct queue *base, const struct queue_message *message, unsigned lease_sec,
	struct sandbox_error *err)
{
	struct queue_sqlite *queue = lock(base);
	int r = settle(queue, EXTEND, seconds_from_now(lease_sec), message, err);

	unlock(queue);
	return r;
}

static int queue_ack(struct queue *base, const struct queue_message *message, struct sandbox_error *err)
{
	struct queue_sqlite *queue = lock(base);
	int r = settle(queue, ACK, -1, message, err);

	unlock(queue);
	return r;
}

static int queue_nack(struct queue *base, const struct queue_message *message, unsigned delay_sec,
	struct sandbox_error *err)
{
	struct queue_sqlite *queue = lock(base);
	int r = settle(queue, NACK, delay_sec > 0 ? seconds_from_now(delay_sec) : 0, message, err);

	(void)pthread_cond_signal(&queue->arrived);
	unlock(queue);
	return r;
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

static int queue_depth(struct queue *base, uint64_t *ret, struct sandbox_error *err)
{
	struct queue_sqlite *queue = from_base(base);

	(void)pthread_mutex_lock(&queue->counting);
	int code = sqlite3_bind_int64(queue->count, 1, job_now_usec());
	if (code == SQLITE_OK)
		code = sqlite3_step(queue->count);
	if (code == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(queue->count, 0);
	(void)sqlite3_reset(queue->count);
	(void)pthread_mutex_unlock(&queue->counting);
	return code == SQLITE_ROW ? 0 : database_fail(queue->client.db, stage, code, err);
}

static int queue_dead(struct queue *queue, unsigned limit,
	enum queue_fate (*decide)(struct job_ticket *ticket, void *user), void *user, unsigned *ret,
	struct sandbox_error *err)
{
	(void)queue;
	(void)limit;
	(void)decide;
	(void)user;
	(void)err;
	*ret = 0;
	return 0;
}

static void queue_stop(struct queue *base)
{
	struct queue_sqlite *queue = lock(base);

	queue->is_stopped = true;
	(void)pthread_cond_broadcast(&queue->arrived);
	unlock(queue);
}

static struct queue *queue_close(struct queue *base)
{
	struct queue_sqlite *queue = from_base(base);

	if (queue == NULL)
		return NULL;
	sqlite_client_close(&queue->client);
	(void)sqlite3_finalize(queue->count);
	(void)sqlite3_close(queue->reader);
	(void)pthread_mutex_destroy(&queue->counting);
	(void)pthread_cond_destroy(&queue->arrived);
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

static int open_reader(struct queue_sqlite *queue, struct sandbox_error *err)
{
	struct database *db = queue->client.db;

	int r = database_connect(db, &queue->reader, err);
	if (r < 0)
		return r;
	/* It reads everything once: there is no use in keeping pages. */
	int code = sqlite3_exec(queue->reader, "PRAGMA cache_size=16", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v3(
			queue->reader, depth_text, -1, SQLITE_PREPARE_PERSISTENT, &queue->count, NULL);
	return code == SQLITE_OK ? 0 : database_fail(db, stage, code, err);
}

int queue_sqlite_open(struct database *db, struct queue **ret, struct sandbox_error *err)
{
	struct queue_sqlite *queue = calloc(1, sizeof(*queue));

	if (queue == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	queue->base.operations = &operations;
	monotonic_condition_init(&queue->arrived);
	(void)pthread_mutex_init(&queue->counting, NULL);
	int r = sqlite_client_open(db, stage, statements, STATEMENT_N, &queue->client, err);
	if (r == 0)
		r = open_reader(queue, err);
	if (r < 0) {
		(void)queue_close(&queue->base);
		return r;
	}
	*ret = (struct queue *)queue;
	return 0;
}
