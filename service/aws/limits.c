#include "service/aws/limits.h"

enum {
	SLOWEST_BYTES_PER_SEC = 64 << 10,
	EXTRA_MAX_SEC = 24 * 3600,
	STALL_SEC = 30,
};

static const struct aws_limits standards[AWS_SERVICE_N] = {
	[AWS_SQS] = {.attempts = 3, .base_msec = 50, .attempt_msec = 10 * 1000, .deadline_msec = 15 * 1000},
	[AWS_DYNAMODB] = {.attempts = 4,
		.base_msec = 25,
		.attempt_msec = 5 * 1000,
		.deadline_msec = 10 * 1000},
	[AWS_S3] = {.attempts = 3, .base_msec = 50, .attempt_msec = 60 * 1000, .deadline_msec = 180 * 1000},
	[AWS_STS] = {.attempts = 3, .base_msec = 50, .attempt_msec = 5 * 1000, .deadline_msec = 10 * 1000},
};

/* Bytes that go from or to a file. */
static uint64_t streamed_bytes(const struct aws_request *request)
{
	uint64_t bytes = request->body == NULL ? request->body_size : 0;

	if (request->has_reply_fd)
		bytes += request->reply_max > 0 ? request->reply_max : AWS_REPLY_MAX;
	return bytes;
}

struct aws_limits aws_limits_of(enum aws_service service, const struct aws_request *request)
{
	struct aws_limits limits = standards[service];
	uint64_t bytes = streamed_bytes(request), extra_sec = bytes / SLOWEST_BYTES_PER_SEC;
	unsigned extra_msec = (unsigned)(extra_sec < EXTRA_MAX_SEC ? extra_sec : EXTRA_MAX_SEC) * 1000;

	limits.stall_sec = bytes > 0 ? STALL_SEC : 0;
	limits.attempt_msec += extra_msec;
	limits.deadline_msec += limits.attempts * extra_msec;
	if (request->attempt_msec > 0)
		limits.attempt_msec = request->attempt_msec;
	if (request->deadline_msec > 0)
		limits.deadline_msec = request->deadline_msec;
	if (limits.attempt_msec > limits.deadline_msec)
		limits.attempt_msec = limits.deadline_msec;
	limits.attempt_msec += request->wait_msec;
	limits.deadline_msec += request->wait_msec;
	return limits;
}
