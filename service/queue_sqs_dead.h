/* queue_sqs_dead.h: a walk through dead-letter queues. Internal to queue_sqs.c. */
#pragma once

#include "service/queue_sqs_api.h"

struct sqs_walk {
	struct queue *queue; /* to send again */
	struct aws_client *client;
	enum queue_fate (*decide)(struct job_ticket *ticket, void *user);
	void *user;
	unsigned left;	/* so many may be looked at */
	unsigned nseen; /* so many were */

	/* Of the queue that is walked through: */
	const char *url;
	json_t *kept; /* owned: receipts. What is kept is hidden until the end, so that each is seen once */
};

/* Through the dead-letter queues of the N queues URLS, which may share one. */
int sqs_walk_dead(struct sqs_walk *walk, const char *const *urls, size_t n, struct sandbox_error *err);
