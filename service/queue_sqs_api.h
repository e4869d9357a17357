/* queue_sqs_api.h: the calls to SQS that the queue is made of. Internal to queue_sqs.c. URL is a queue's address. 0, or a
 * negative errno with ERR. */
#pragma once

#include "service/aws/client.h"
#include "service/queue.h"

enum {
	SQS_BATCH_MAX = 10,	   /* messages in one answer */
	SQS_POLL_SEC_MAX = 20,	   /* of one poll */
	SQS_LEASE_SEC_MAX = 43200, /* a longer one is this */
};

int sqs_send(struct aws_client *client, const char *url, const struct job_ticket *ticket,
	struct sandbox_error *err);

struct sqs_poll {
	const char *url;
	unsigned max, wait_sec, lease_sec;
};

/* *RET: the answer, owned: {"Messages": […]}. Cancellable. */
int sqs_receive(
	struct aws_client *client, const struct sqs_poll *poll, json_t **ret, struct sandbox_error *err);
/* An element of "Messages". False: it is none that sqs_send makes; that is noted in the log. */
bool sqs_read_message(const json_t *entry, const char *url, struct queue_message *ret);

/* Of a delivery. SQS takes an old receipt without a word. */
int sqs_set_visibility(struct aws_client *client, const struct queue_message *message, unsigned sec,
	struct sandbox_error *err);
int sqs_delete(struct aws_client *client, const struct queue_message *message, struct sandbox_error *err);

int sqs_depth(struct aws_client *client, const char *url, uint64_t *ret, struct sandbox_error *err);
/* The address of its dead-letter queue: *RET owned; NULL: it has none. */
int sqs_dead_url(struct aws_client *client, const char *url, char **ret, struct sandbox_error *err);
