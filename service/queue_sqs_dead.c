#include "service/queue_sqs_dead.h"

#include "sandbox/base/fd.h"
#include "service/queue_sqs.h"

#include <assert.h>
#include <string.h>

enum { DEAD_HIDDEN_SEC = 120 };

static int walk_message(struct sqs_walk *walk, const struct queue_message *message, struct sandbox_error *err)
{
	struct queue *base = walk->queue;
	struct job_ticket ticket = {message->id, message->language, false};
	enum queue_fate fate = walk->decide(&ticket, walk->user);
	int r = 0;

	if (fate == QUEUE_KEEP)
		return json_array_append_new(walk->kept, json_string(message->receipt)) < 0 ? -ENOMEM : 0;
	if (fate == QUEUE_SEND_AGAIN)
		r = base->operations->send(base, &ticket, err);
	return r == 0 ? base->operations->ack(base, message, err) : r;
}

/* Up to ten. *RET: were there any? What makes no sense stays where it is. */
static int walk_some(struct sqs_walk *walk, bool *ret, struct sandbox_error *err)
{
	const struct sqs_poll poll = {
		walk->url, walk->left < SQS_BATCH_MAX ? walk->left : SQS_BATCH_MAX, 0, DEAD_HIDDEN_SEC};
	struct queue_message message;
	const json_t *entry;
	json_t *answer = NULL;
	size_t i;

	int r = sqs_receive(walk->client, &poll, &answer, err);
	const json_t *messages = json_object_get(answer, "Messages");
	*ret = json_array_size(messages) > 0;
	json_array_foreach(messages, i, entry)
	{
		if (r < 0)
			break;
		walk->nseen++;
		walk->left--;
		if (sqs_read_message(entry, walk->url, &message))
			r = walk_message(walk, &message, err);
	}
	json_decref(answer);
	return r;
}

static void show_kept(const struct sqs_walk *walk)
{
	struct queue_message message = {.queue = walk->url};
	const json_t *receipt;
	size_t i;

	json_array_foreach(walk->kept, i, receipt)
	{
		struct sandbox_error ignored = {0}; /* it is seen again when it is no longer hidden */
		(void)snprintf(message.receipt, sizeof(message.receipt), "%s", json_string_value(receipt));
		(void)sqs_set_visibility(walk->client, &message, 0, &ignored);
	}
}

static int walk_through(struct sqs_walk *walk, struct sandbox_error *err)
{
	bool has_more = true;
	int r = 0;

	walk->kept = json_array();
	if (walk->kept == NULL)
		return error_set(err, ENOMEM, "queue.sqs", "no memory");
	while (r == 0 && has_more && walk->left > 0)
		r = walk_some(walk, &has_more, err);
	show_kept(walk);
	json_decref(walk->kept);
	return r;
}

int sqs_walk_dead(struct sqs_walk *walk, const char *const *urls, size_t n, struct sandbox_error *err)
{
	char *dead[QUEUE_SQS_ROUTES_MAX] = {NULL};
	int r = 0;

	assert(n <= QUEUE_SQS_ROUTES_MAX);
	for (size_t i = 0; i < n && r == 0; i++) {
		bool is_known = false;
		r = sqs_dead_url(walk->client, urls[i], &dead[i], err);
		for (size_t k = 0; k < i && dead[i] != NULL; k++)
			is_known |= dead[k] != NULL && strcmp(dead[k], dead[i]) == 0;
		walk->url = dead[i];
		if (r == 0 && dead[i] != NULL && !is_known)
			r = walk_through(walk, err);
	}
	for (size_t i = 0; i < n; i++)
		free(dead[i]);
	return r;
}
