#include "service/queue_sqs_api.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"

#include <string.h>

static const char stage[] = "queue.sqs";

enum { DEAD_NAME_SIZE = 128, MSEC_PER_SEC = 1000 };

static unsigned at_most(unsigned value, unsigned max)
{
	return value < max ? value : max;
}

/* REQUEST's IN is taken over; *RET (may be NULL) is owned. What SQS refuses is our failure here: -EIO. */
static int perform(struct aws_client *client, const struct aws_json_request *request, json_t **ret,
	struct sandbox_error *err)
{
	json_t *in = (json_t *)(uintptr_t)request->in, *out = NULL;

	if (in == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	int r = aws_json_call(client, request, &out, err);
	json_decref(in);
	if (r == 0 && ret != NULL)
		*ret = out;
	else if (r >= 0)
		json_decref(out);
	return r > 0 ? -EIO : r;
}

static int call(
	struct aws_client *client, const char *operation, json_t *in, json_t **ret, struct sandbox_error *err)
{
	return perform(client, &(struct aws_json_request){.operation = operation, .in = in}, ret, err);
}

/* --- send and receive ---------------------------------------------------------------------------------------- */

int sqs_send(struct aws_client *client, const char *url, const struct job_ticket *ticket,
	struct sandbox_error *err)
{
	json_t *message = json_pack("{s:s, s:s}", "executionId", ticket->id, "language", ticket->language);
	_cleanup_free_ char *body = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	if (body == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	return call(client, "SendMessage", json_pack("{s:s, s:s}", "QueueUrl", url, "MessageBody", body),
		NULL, err);
}

static bool copy_text(const json_t *value, char *text, size_t size)
{
	const char *from = json_string_value(value);

	if (from == NULL || strlen(from) >= size)
		return false;
	(void)snprintf(text, size, "%s", from);
	return true;
}

/* Of the body, only what we put there. */
static bool read_body(const char *body, struct queue_message *ret)
{
	json_t *message = body != NULL ? json_loads(body, 0, NULL) : NULL;

	bool is_ok = copy_text(json_object_get(message, "executionId"), ret->id, sizeof(ret->id)) &&
		     job_id_ok(ret->id) &&
		     copy_text(json_object_get(message, "language"), ret->language, sizeof(ret->language));
	json_decref(message);
	return is_ok;
}

bool sqs_read_message(const json_t *entry, const char *url, struct queue_message *ret)
{
	const json_t *attributes = json_object_get(entry, "Attributes");
	const char *count = json_string_value(json_object_get(attributes, "ApproximateReceiveCount"));

	*ret = (struct queue_message){.queue = url};
	ret->receive_count = count != NULL ? (uint32_t)strtoul(count, NULL, 10) : 1;
	if (copy_text(json_object_get(entry, "ReceiptHandle"), ret->receipt, sizeof(ret->receipt)) &&
		read_body(json_string_value(json_object_get(entry, "Body")), ret))
		return true;
	const char *id = json_string_value(json_object_get(entry, "MessageId"));
	log_event(LOG_LEVEL_ERROR, "queue.poison", "s:message", id ? id : "", "s:queue", url, NULL);
	return false;
}

int sqs_receive(
	struct aws_client *client, const struct sqs_poll *poll, json_t **ret, struct sandbox_error *err)
{
	const struct aws_json_request request = {
		.operation = "ReceiveMessage",
		.wait_msec = poll->wait_sec * MSEC_PER_SEC,
		.is_cancellable = true,
		.in = json_pack("{s:s, s:i, s:i, s:i, s:[s]}", "QueueUrl", poll->url, "MaxNumberOfMessages",
			(int)poll->max, "WaitTimeSeconds", (int)poll->wait_sec, "VisibilityTimeout",
			(int)at_most(poll->lease_sec, SQS_LEASE_SEC_MAX), "AttributeNames",
			"ApproximateReceiveCount"),
	};

	return perform(client, &request, ret, err);
}

/* --- with a receipt ------------------------------------------------------------------------------------------ */

int sqs_set_visibility(struct aws_client *client, const struct queue_message *message, unsigned sec,
	struct sandbox_error *err)
{
	return call(client, "ChangeMessageVisibility",
		json_pack("{s:s, s:s, s:i}", "QueueUrl", message->queue, "ReceiptHandle", message->receipt,
			"VisibilityTimeout", (int)at_most(sec, SQS_LEASE_SEC_MAX)),
		NULL, err);
}

int sqs_delete(struct aws_client *client, const struct queue_message *message, struct sandbox_error *err)
{
	return call(client, "DeleteMessage",
		json_pack("{s:s, s:s}", "QueueUrl", message->queue, "ReceiptHandle", message->receipt), NULL,
		err);
}

/* --- the queue ----------------------------------------------------------------------------------------------- */

int sqs_depth(struct aws_client *client, const char *url, uint64_t *ret, struct sandbox_error *err)
{
	json_t *answer = NULL;

	int r = call(client, "GetQueueAttributes",
		json_pack("{s:s, s:[s]}", "QueueUrl", url, "AttributeNames", "ApproximateNumberOfMessages"),
		&answer, err);
	if (r < 0)
		return r;
	const json_t *attributes = json_object_get(answer, "Attributes");
	const char *text = json_string_value(json_object_get(attributes, "ApproximateNumberOfMessages"));
	*ret = text != NULL ? strtoull(text, NULL, 10) : 0;
	if (text == NULL)
		r = error_set(err, EPROTO, stage, "SQS does not say how many messages wait");
	json_decref(answer);
	return r;
}

/* "…:NAME" at the end of the address in a queue's redrive policy. False: it has none. */
static bool dead_name(const json_t *answer, char *name, size_t size)
{
	const json_t *attributes = json_object_get(answer, "Attributes");
	const char *text = json_string_value(json_object_get(attributes, "RedrivePolicy"));
	json_t *policy = text != NULL ? json_loads(text, 0, NULL) : NULL;
	const char *arn = json_string_value(json_object_get(policy, "deadLetterTargetArn"));
	const char *colon = arn != NULL ? strrchr(arn, ':') : NULL;
	bool is_there = colon != NULL && strlen(colon + 1) < size;

	if (is_there)
		(void)snprintf(name, size, "%s", colon + 1);
	json_decref(policy);
	return is_there;
}

int sqs_dead_url(struct aws_client *client, const char *url, char **ret, struct sandbox_error *err)
{
	json_t *answer = NULL, *found = NULL;
	char name[DEAD_NAME_SIZE];

	int r = call(client, "GetQueueAttributes",
		json_pack("{s:s, s:[s]}", "QueueUrl", url, "AttributeNames", "RedrivePolicy"), &answer, err);
	if (r == 0 && dead_name(answer, name, sizeof(name)))
		r = call(client, "GetQueueUrl", json_pack("{s:s}", "QueueName", name), &found, err);
	const char *dead = json_string_value(json_object_get(found, "QueueUrl"));
	if (r == 0 && dead != NULL) {
		*ret = strdup(dead);
		r = *ret != NULL ? 0 : error_set(err, ENOMEM, stage, "no memory");
	}
	json_decref(answer);
	json_decref(found);
	return r;
}
