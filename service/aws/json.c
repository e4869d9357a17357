/* json.c: the JSON protocols of SQS and DynamoDB. */
#include "service/aws/client.h"

#include "sandbox/base/fd.h"
#include "service/aws/environment.h"

#include <string.h>

static const struct {
	const char *content_type, *target;
} protocols[AWS_SERVICE_N] = {
	[AWS_SQS] = {"application/x-amz-json-1.0", "AmazonSQS."},
	[AWS_DYNAMODB] = {"application/x-amz-json-1.0", "DynamoDB_20120810."},
};

/* *RET: an object, or NULL when BODY is none. */
static json_t *parse(const struct aws_reply *reply)
{
	json_t *answer =
		reply->body_size > 0 ? json_loadb(reply->body, reply->body_size, 0, NULL) : json_object();

	if (json_is_object(answer))
		return answer;
	json_decref(answer);
	return NULL;
}

int aws_json_call(struct aws_client *client, const struct aws_json_request *request, json_t **ret,
	struct sandbox_error *err)
{
	enum aws_service service = aws_client_service(client);
	_cleanup_free_ char *body = json_dumps(request->in, JSON_COMPACT);
	struct aws_reply reply = {0};
	char target[64];

	*ret = NULL;
	if (body == NULL)
		return error_set(err, ENOMEM, "aws.json", "no memory");
	(void)snprintf(target, sizeof(target), "%s%s", protocols[service].target, request->operation);
	const struct aws_pair headers[] = {
		{"Content-Type", protocols[service].content_type}, {"X-Amz-Target", target}};
	const struct aws_request call = {
		.operation = request->operation,
		.method = "POST",
		.path = "/",
		.headers = headers,
		.nheaders = ARRAY_SIZE(headers),
		.body = body,
		.body_fd = -1,
		.body_size = strlen(body),
		.attempt_msec = request->attempt_msec,
		.deadline_msec = request->deadline_msec,
		.wait_msec = request->wait_msec,
		.is_cancellable = request->is_cancellable,
	};
	int r = aws_call(client, &call, &reply, err);
	if (request->fault != NULL)
		*request->fault = reply.fault;
	if (r >= 0)
		*ret = parse(&reply);
	aws_reply_free(&reply);
	return r == 0 && *ret == NULL
		       ? error_set(err, EPROTO, "aws.json", "%s: the answer is no JSON", request->operation)
		       : r;
}
