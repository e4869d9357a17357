/* queue_sqs.h: the queue in SQS: one, or several. A message is {"executionId": …, "language": …}. */
#pragma once

#include "service/aws/client.h"
#include "service/queue.h"

/* One queue of SQS, and which jobs go there: the urgent ones if there is a queue for them; the others to the one of their
 * language, or where there is none to the one for all. */
struct queue_sqs_route {
	const char *url;
	const char *language; /* NULL: any */
	bool is_urgent;
};

enum { QUEUE_SQS_ROUTES_MAX = 32 };

struct queue_sqs_options {
	struct aws_client *client;	      /* of AWS_SQS; borrowed */
	const struct queue_sqs_route *routes; /* copied; the texts are borrowed */
	size_t nroutes;			      /* at most QUEUE_SQS_ROUTES_MAX, and one that takes any job */
};

/* Asks nobody: whether the queues are there, `depth` says. */
int queue_sqs_open(const struct queue_sqs_options *options, struct queue **ret, struct sandbox_error *err);
