#include "tests/lib/queue_contract.h"

#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct sandbox_error err;

enum {
	LONG_MSEC = 60 * 1000, /* a wait that a message ends */
	LONG_SEC = 60,	       /* a lease that outlasts the test */
	SHORT_SEC = 1,	       /* one that runs out within LONG_MSEC */
	LATER_MSEC = 1500,     /* after SHORT_SEC */
};

#define QUEUE(call) queue->operations->call
#define EXPECT(call, wanted)                                                                                 \
	do {                                                                                                 \
		int got_ = (call);                                                                           \
		ck_assert_msg(got_ == (wanted), "%s is %d, not %d: %s", #call, got_, wanted, err.message);   \
	} while (0)

void contract_send(struct queue *queue, char id[JOB_ID_SIZE])
{
	job_new_id(id);
	EXPECT(QUEUE(send)(queue, &(struct job_ticket){id, "cpp", false}, &err), 0);
}

struct queue_message contract_receive(struct queue *queue, unsigned lease_sec)
{
	struct queue_message message = {0};

	EXPECT(QUEUE(receive)(queue, LONG_MSEC, lease_sec, &message, &err), 0);
	return message;
}

void contract_expect_empty(struct queue *queue)
{
	struct queue_message message = {.receipt = "untouched"};

	EXPECT(QUEUE(receive)(queue, 0, LONG_SEC, &message, &err), QUEUE_EMPTY);
	ck_assert_str_eq(message.receipt, "untouched");
}

static void expect_depth(struct queue *queue, uint64_t wanted)
{
	uint64_t depth = UINT64_MAX;

	EXPECT(QUEUE(depth)(queue, &depth, &err), 0);
	ck_assert_uint_eq(depth, wanted);
}

void queue_contract_delivers_what_was_sent(struct queue *queue)
{
	char id[JOB_ID_SIZE], language[JOB_LANGUAGE_BYTES + 1];

	job_new_id(id);
	memset(language, 'l', JOB_LANGUAGE_BYTES);
	language[JOB_LANGUAGE_BYTES] = '\0';
	EXPECT(QUEUE(send)(queue, &(struct job_ticket){id, language, false}, &err), 0);
	struct queue_message message = contract_receive(queue, LONG_SEC);
	ck_assert_str_eq(message.id, id);
	ck_assert_str_eq(message.language, language);
	ck_assert_uint_eq(message.receive_count, 1);
	ck_assert_uint_gt(strlen(message.receipt), 0);
}

void queue_contract_says_when_it_is_empty(struct queue *queue)
{
	struct queue_message message;

	contract_expect_empty(queue);
	EXPECT(QUEUE(receive)(queue, 300, LONG_SEC, &message, &err), QUEUE_EMPTY);
	expect_depth(queue, 0);
}

void queue_contract_leases_a_message_to_one(struct queue *queue)
{
	char ids[2][JOB_ID_SIZE];

	contract_send(queue, ids[0]);
	contract_send(queue, ids[1]);
	struct queue_message first = contract_receive(queue, LONG_SEC);
	struct queue_message second = contract_receive(queue, LONG_SEC);
	ck_assert_str_ne(first.id, second.id);
	ck_assert_str_ne(first.receipt, second.receipt);
	contract_expect_empty(queue);
}

void queue_contract_forgets_what_was_acknowledged(struct queue *queue)
{
	struct queue_message none;
	char id[JOB_ID_SIZE];

	contract_send(queue, id);
	struct queue_message message = contract_receive(queue, SHORT_SEC);
	EXPECT(QUEUE(ack)(queue, &message, &err), 0);
	EXPECT(QUEUE(receive)(queue, LATER_MSEC, LONG_SEC, &none, &err), QUEUE_EMPTY);
	expect_depth(queue, 0);
}

void queue_contract_delivers_again_what_was_given_back(struct queue *queue)
{
	char id[JOB_ID_SIZE];

	contract_send(queue, id);
	for (uint32_t n = 1; n <= 3; n++) {
		struct queue_message message = contract_receive(queue, LONG_SEC);
		ck_assert_str_eq(message.id, id);
		ck_assert_uint_eq(message.receive_count, n);
		EXPECT(QUEUE(nack)(queue, &message, 0, &err), 0);
	}
}

void queue_contract_delivers_later_what_was_given_back_for_later(struct queue *queue)
{
	char id[JOB_ID_SIZE];

	contract_send(queue, id);
	struct queue_message message = contract_receive(queue, LONG_SEC);
	EXPECT(QUEUE(nack)(queue, &message, LONG_SEC, &err), 0);
	contract_expect_empty(queue);
	contract_send(queue, id);
	message = contract_receive(queue, LONG_SEC);
	ck_assert_str_eq(message.id, id);
	EXPECT(QUEUE(nack)(queue, &message, SHORT_SEC, &err), 0);
	message = contract_receive(queue, LONG_SEC);
	ck_assert_str_eq(message.id, id);
	ck_assert_uint_eq(message.receive_count, 2);
}

void queue_contract_delivers_again_when_a_lease_runs_out(struct queue *queue)
{
	char id[JOB_ID_SIZE];

	contract_send(queue, id);
	(void)contract_receive(queue, SHORT_SEC);
	struct queue_message again = contract_receive(queue, LONG_SEC);
	ck_assert_str_eq(again.id, id);
	ck_assert_uint_eq(again.receive_count, 2);
}

void queue_contract_keeps_a_lease_that_was_extended(struct queue *queue)
{
	struct queue_message none;
	char id[JOB_ID_SIZE];

	contract_send(queue, id);
	struct queue_message message = contract_receive(queue, SHORT_SEC);
	EXPECT(QUEUE(extend)(queue, &message, LONG_SEC, &err), 0);
	EXPECT(QUEUE(receive)(queue, LATER_MSEC, LONG_SEC, &none, &err), QUEUE_EMPTY);
	EXPECT(QUEUE(ack)(queue, &message, &err), 0);
}

void queue_contract_takes_no_receipt_of_an_earlier_delivery(struct queue *queue)
{
	char id[JOB_ID_SIZE];

	contract_send(queue, id);
	struct queue_message old = contract_receive(queue, SHORT_SEC);
	struct queue_message message = contract_receive(queue, LONG_SEC);
	ck_assert_str_ne(old.receipt, message.receipt);
	EXPECT(QUEUE(extend)(queue, &old, LONG_SEC, &err), QUEUE_STALE);
	EXPECT(QUEUE(nack)(queue, &old, 0, &err), QUEUE_STALE);
	EXPECT(QUEUE(ack)(queue, &old, &err), QUEUE_STALE);
	contract_expect_empty(queue);
	EXPECT(QUEUE(ack)(queue, &message, &err), 0);
}

void queue_contract_takes_a_receipt_once(struct queue *queue)
{
	char id[JOB_ID_SIZE];

	contract_send(queue, id);
	struct queue_message message = contract_receive(queue, LONG_SEC);
	EXPECT(QUEUE(nack)(queue, &message, 0, &err), 0);
	EXPECT(QUEUE(ack)(queue, &message, &err), QUEUE_STALE);
	message = contract_receive(queue, LONG_SEC);
	EXPECT(QUEUE(ack)(queue, &message, &err), 0);
	EXPECT(QUEUE(ack)(queue, &message, &err), QUEUE_STALE);
	EXPECT(QUEUE(nack)(queue, &message, 0, &err), QUEUE_STALE);
	contract_expect_empty(queue);
}

void queue_contract_counts_what_waits(struct queue *queue)
{
	char id[JOB_ID_SIZE];

	for (size_t i = 0; i < 3; i++)
		contract_send(queue, id);
	expect_depth(queue, 3);
	struct queue_message message = contract_receive(queue, LONG_SEC);
	expect_depth(queue, 2);
	EXPECT(QUEUE(nack)(queue, &message, 0, &err), 0);
	expect_depth(queue, 3);
	message = contract_receive(queue, LONG_SEC);
	EXPECT(QUEUE(ack)(queue, &message, &err), 0);
	expect_depth(queue, 2);
}

/* --- threads ---------------------------------------------------------------------------------------------------- */

enum { THREADS = 8, MESSAGES = 200 };

struct receiver {
	struct queue *queue;
	pthread_t thread;
	int result;
	struct queue_message message;
};

static void *receive_one(void *user)
{
	struct receiver *receiver = user;
	struct queue *queue = receiver->queue;

	receiver->result = QUEUE(receive)(queue, LONG_MSEC, LONG_SEC, &receiver->message, NULL);
	return NULL;
}

static void start(struct receiver *receiver, struct queue *queue)
{
	*receiver = (struct receiver){.queue = queue};
	ck_assert_int_eq(pthread_create(&receiver->thread, NULL, receive_one, receiver), 0);
}

void queue_contract_wakes_a_waiting_receiver(struct queue *queue)
{
	struct receiver receiver;
	char id[JOB_ID_SIZE];

	start(&receiver, queue);
	contract_send(queue, id);
	ck_assert_int_eq(pthread_join(receiver.thread, NULL), 0);
	ck_assert_int_eq(receiver.result, 0);
	ck_assert_str_eq(receiver.message.id, id);
}

void queue_contract_wakes_everyone_when_it_stops(struct queue *queue)
{
	struct receiver receivers[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		start(&receivers[i], queue);
	QUEUE(stop)(queue);
	for (size_t i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(receivers[i].thread, NULL), 0);
		ck_assert_int_eq(receivers[i].result, QUEUE_EMPTY);
	}
}

/* Without receivers before: a poll given up half-way may still take the next message into its service's hands, where it is hidden
 * until its visibility ends. */
void queue_contract_gives_nothing_after_it_stopped(struct queue *queue)
{
	char id[JOB_ID_SIZE];

	QUEUE(stop)(queue);
	contract_send(queue, id);
	struct queue_message none;
	EXPECT(QUEUE(receive)(queue, LONG_MSEC, LONG_SEC, &none, &err), QUEUE_EMPTY);
	expect_depth(queue, 1);
}

struct crowd {
	struct queue *queue;
	char ids[MESSAGES][JOB_ID_SIZE];
	atomic_uint received[MESSAGES];
	atomic_uint left, failures; /* libcheck's assertions belong to the main thread */
};

static void count(struct crowd *crowd, const char *id)
{
	size_t i = 0;

	while (i < MESSAGES && strcmp(crowd->ids[i], id) != 0)
		i++;
	atomic_fetch_add(i < MESSAGES ? &crowd->received[i] : &crowd->failures, 1);
}

static void *receive_all(void *user)
{
	struct crowd *crowd = user;
	struct queue *queue = crowd->queue;
	struct queue_message message;

	while (atomic_load(&crowd->left) > 0) {
		int r = QUEUE(receive)(queue, 100, LONG_SEC, &message, NULL);
		if (r == QUEUE_EMPTY)
			continue;
		if (r == 0) {
			count(crowd, message.id);
			r = QUEUE(ack)(queue, &message, NULL);
			atomic_fetch_sub(&crowd->left, 1);
		}
		if (r != 0)
			atomic_fetch_add(&crowd->failures, 1);
	}
	return NULL;
}

void queue_contract_gives_each_message_to_one_of_many_threads(struct queue *queue)
{
	static struct crowd crowd;
	pthread_t threads[THREADS];

	crowd.queue = queue;
	atomic_store(&crowd.left, MESSAGES);
	for (size_t i = 0; i < MESSAGES; i++)
		job_new_id(crowd.ids[i]);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, receive_all, &crowd), 0);
	for (size_t i = 0; i < MESSAGES; i++)
		EXPECT(QUEUE(send)(queue, &(struct job_ticket){crowd.ids[i], "go", false}, &err), 0);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&crowd.failures), 0);
	for (size_t i = 0; i < MESSAGES; i++)
		ck_assert_uint_eq(atomic_load(&crowd.received[i]), 1);
	expect_depth(queue, 0);
}
