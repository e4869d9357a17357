/* queue.h: the way from accepted to claimed: at-least-once delivery with a lease (visibility timeout). Thread-safe.
 * Implementations: queue_sqlite.c (embedded), queue_sqs.c. A message may come twice, and to two; who may work on its job
 * is the store's to say. */
#pragma once

#include "service/job.h"

struct queue;

enum { QUEUE_RECEIPT_SIZE = 1024 + 1 }; /* as long as SQS may make them */

struct queue_message {
	char id[JOB_ID_SIZE];
	char language[JOB_LANGUAGE_BYTES + 1];
	char receipt[QUEUE_RECEIPT_SIZE]; /* names this delivery */
	uint32_t receive_count;
	const char *queue; /* the implementation's: which of several it came from */
};

enum {
	QUEUE_EMPTY = 1,
	/* The message was acknowledged, given back or received again since this delivery: where the queue can tell (SQS
	 * cannot). */
	QUEUE_STALE = 2,
};

/* What is to become of a message that was given up. */
enum queue_fate { QUEUE_KEEP, QUEUE_DROP, QUEUE_SEND_AGAIN };

struct queue_operations {
	/* Urgent ones are received before those that are not. Embedded: a message for an id that is there already is no second one: it keeps its place and becomes visible at
	 * once, and the receipt of a delivery under way is stale (store->recover: whoever had it is gone). */
	int (*send)(struct queue *queue, const struct job_ticket *ticket, struct sandbox_error *err);
	/* Waits at most WAIT_MSEC for a message and leases it for LEASE_SEC. QUEUE_EMPTY when none came. */
	int (*receive)(struct queue *queue, unsigned wait_msec, unsigned lease_sec, struct queue_message *ret,
		struct sandbox_error *err);
	/* The lease ends LEASE_SEC from now. Or QUEUE_STALE; so do ack and nack. A lease that has run out is still one's own
	 * until the message is received again. */
	int (*extend)(struct queue *queue, const struct queue_message *message, unsigned lease_sec,
		struct sandbox_error *err);
	int (*ack)(struct queue *queue, const struct queue_message *message, struct sandbox_error *err);
	/* Gives it back: visible again after DELAY_SEC. */
	int (*nack)(struct queue *queue, const struct queue_message *message, unsigned delay_sec,
		struct sandbox_error *err);
	/* Messages waiting (not leased), as far as the queue knows at the moment. */
	int (*depth)(struct queue *queue, uint64_t *ret, struct sandbox_error *err);
	/* Looks through the messages that were given up (delivered so often that there is no hope), up to LIMIT, and does with
	 * each as DECIDE says, which may change the ticket that is sent again. How many it saw into *RET. Embedded: there are
	 * none, as the worker gives up the job itself. */
	int (*dead)(struct queue *queue, unsigned limit,
		enum queue_fate (*decide)(struct job_ticket *ticket, void *user), void *user, unsigned *ret,
		struct sandbox_error *err);
	/* Wakes every thread in receive, now and from now on (QUEUE_EMPTY at once): the service is stopping. */
	void (*stop)(struct queue *queue);
	struct queue *(*close)(struct queue *queue); /* accepts NULL, returns NULL */
};

struct queue {
	const struct queue_operations *operations;
};

struct database;

/* The embedded queue: in DB (borrowed), first in first out. */
int queue_sqlite_open(struct database *db, struct queue **ret, struct sandbox_error *err);
