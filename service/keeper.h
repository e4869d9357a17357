/* keeper.h: keeps a worker's claim to the job that it has in hand: renews the lease in the store and the message's in the
 * queue, from a thread of its own, as the worker is busy with the job's output. One keeper per worker: a slow backend then
 * costs nobody else's claim. */
#pragma once

#include "service/queue.h"
#include "service/store.h"

struct keeper;

struct keeper_options {
	struct store *store; /* borrowed, as is the queue */
	struct queue *queue;
	unsigned lease_sec; /* of every claim; each third of it the lease is renewed */
	int lost_fd;	    /* borrowed: an eventfd, written when the claim turns out to be another's */
};

int keeper_open(const struct keeper_options *options, struct keeper **ret, struct sandbox_error *err);
/* Accepts NULL; returns NULL. */
struct keeper *keeper_close(struct keeper *keeper);

/* From now on, JOB as claimed and its MESSAGE (both are copied as far as needed). */
void keeper_hold(struct keeper *keeper, const struct queue_message *message, const struct job *job);
/* No longer. True: as far as anybody knows the claim is still good. False: it was lost, and lost_fd is read empty. */
bool keeper_let_go(struct keeper *keeper);
