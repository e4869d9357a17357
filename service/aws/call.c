/* call.c: one call: its attempts, and the pauses between them. */
#include "sandbox/base/fd.h"
#include "service/aws/client_state.h"
#include "service/aws/limits.h"
#include "service/aws/payload.h"
#include "service/aws/secret.h"
#include "service/aws/transport.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	USEC_PER_SEC = 1000000,
	SKEW_SEC = 4 * 60, /* a difference that explains a refusal */
	SHOWN_SEC = 2,	   /* one that is not merely the second's fraction, and is taken over */
	OUR_HEADERS = 8,
	PAUSE_SLICE_USEC = 100 * 1000,
};

/* --- one attempt ---------------------------------------------------------------------------------------------- */

/* A call under way. */
struct call {
	struct aws_client *client;
	const struct aws_request *request;
	struct aws_target target;
	char *query; /* owned: canonical */
	char *url;   /* owned */
	char payload_hash[AWS_SHA256_SIZE];
	int64_t end_usec; /* CLOCK_MONOTONIC */
	struct aws_limits limits;
	unsigned attempts;
	unsigned cost;	     /* of the last repetition */
	uint64_t generation; /* of the keys of the last attempt */
	bool has_renewed;    /* them */
};

/* For the next attempt: no longer than until the deadline. */
static unsigned msec_left(const struct call *call)
{
	int64_t left = (call->end_usec - aws_clock_usec(CLOCK_MONOTONIC)) / 1000;

	return left >= call->limits.attempt_msec ? call->limits.attempt_msec : left > 1 ? (unsigned)left : 1;
}

/* The signature, and the attempt with it. */
static int send_signed(const struct call *call, const struct aws_keys *keys, struct aws_answer *ret,
	struct sandbox_error *err)
{
	const struct aws_request *request = call->request;
	struct aws_pair headers[AWS_HEADERS_MAX + OUR_HEADERS];
	_cleanup_secret_ char *authorization = NULL;
	char date[AWS_DATE_SIZE];
	size_t n = 0;

	time_t now = (time_t)(aws_client_now_usec(call->client) / USEC_PER_SEC);
	aws_sigv4_date(now, date);
	headers[n++] = (struct aws_pair){"Host", call->target.host};
	headers[n++] = (struct aws_pair){"X-Amz-Date", date};
	headers[n++] = (struct aws_pair){"X-Amz-Content-Sha256", call->payload_hash};
	if (keys->token != NULL)
		headers[n++] = (struct aws_pair){"X-Amz-Security-Token", keys->token};
	for (size_t i = 0; i < request->nheaders; i++)
		headers[n++] = request->headers[i];
	const struct aws_sigv4 what = {
		.method = request->method,
		.path = call->target.path,
		.is_s3 = call->client->service == AWS_S3,
		.query = request->query,
		.nquery = request->nquery,
		.headers = headers,
		.nheaders = n,
		.payload_hash = call->payload_hash,
		.time = now,
		.region = call->client->environment->region,
		.service = aws_service_name(call->client->service),
		.keys = keys,
	};
	if (aws_sigv4_authorization(&what, &authorization) < 0)
		return error_set(err, ENOMEM, "aws.sign", "no memory");
	headers[n++] = (struct aws_pair){"Authorization", authorization};
	const struct aws_attempt attempt = {
		.method = request->method,
		.url = call->url,
		.headers = headers,
		.nheaders = n,
		.body = request->body,
		.body_fd = request->body_fd,
		.body_offset = request->body_offset,
		.body_size = request->body_size,
		.reply_fd = request->has_reply_fd ? request->reply_fd : -1,
		.reply_max = request->reply_max > 0 ? request->reply_max : AWS_REPLY_MAX,
		.msec = msec_left(call),
		.stall_sec = call->limits.stall_sec,
		.is_cancellable = request->is_cancellable,
	};
	return aws_transport_attempt(call->client->transport, &attempt, ret, err);
}

static int rewind_reply(const struct aws_request *request, struct sandbox_error *err)
{
	if (!request->has_reply_fd)
		return 0;
	if (ftruncate(request->reply_fd, 0) < 0 || lseek(request->reply_fd, 0, SEEK_SET) < 0)
		return error_errno(err, "aws.reply", "cannot rewind the file");
	return 0;
}

static int attempt(struct call *call, struct aws_answer *ret, struct sandbox_error *err)
{
	struct aws_credentials credentials;

	int r = rewind_reply(call->request, err);
	if (r == 0)
		r = aws_chain_get(call->client->environment->chain, &credentials, err);
	if (r != 0)
		return r;
	call->generation = credentials.generation;
	const struct aws_keys keys = {
		credentials.access_key,
		credentials.secret,
		credentials.token[0] != '\0' ? credentials.token : NULL,
	};
	r = send_signed(call, &keys, ret, err);
	aws_credentials_wipe(&credentials);
	return r;
}

/* --- all attempts --------------------------------------------------------------------------------------------- */

/* What a server says of the time is believed where a wrong clock explains a refusal, and of answers that were asked for a
 * moment ago as well: leases of many machines depend on it. True: it is far from SIGNED_SEC, the offset by which the request was
 * signed; what is set right meanwhile, by another call's answer, explains a refusal as well. */
static bool take_clock(
	struct aws_client *client, const struct aws_answer *answer, int64_t begun_usec, int64_t signed_sec)
{
	_Atomic int64_t *offset_sec = &client->environment->offset_sec;
	int64_t took = aws_clock_usec(CLOCK_REALTIME) - begun_usec;

	if (answer->date_sec == 0 || took < 0 || took > (int64_t)SKEW_SEC * USEC_PER_SEC)
		return false;
	/* Between the begin and the end of the attempt. */
	int64_t offset = answer->date_sec - (begun_usec + took / 2) / USEC_PER_SEC;
	if (llabs(offset - atomic_load(offset_sec)) > SHOWN_SEC + took / USEC_PER_SEC)
		atomic_store(offset_sec, offset);
	return llabs(offset - signed_sec) > SKEW_SEC;
}

static bool is_network_failure(int r)
{
	return r == -ETIMEDOUT || r == -ECONNREFUSED || r == -ECONNRESET || r == -EHOSTUNREACH;
}

bool aws_is_unavailable(int r)
{
	return r == -EAGAIN || r == -EIO || r == -EPROTO || r == -EACCES || is_network_failure(r);
}

static double chance(void)
{
	uint32_t bits = 0;

	(void)!getrandom(&bits, sizeof(bits), GRND_NONBLOCK);
	return (double)bits / UINT32_MAX;
}

/* False: cancelled, or the deadline would be over. */
static bool pause_for(const struct call *call, unsigned msec)
{
	int64_t end = aws_clock_usec(CLOCK_MONOTONIC) + (int64_t)msec * 1000;

	if (end >= call->end_usec)
		return false;
	for (;;) {
		int64_t left = end - aws_clock_usec(CLOCK_MONOTONIC);
		if (call->request->is_cancellable && atomic_load(&call->client->is_cancelled))
			return false;
		if (left <= 0)
			return true;
		if (left > PAUSE_SLICE_USEC)
			left = PAUSE_SLICE_USEC;
		(void)nanosleep(&(struct timespec){.tv_nsec = left * 1000}, NULL);
	}
}

/* One attempt's outcome. */
struct outcome {
	int r; /* of the attempt */
	struct aws_answer answer;
	struct aws_fault fault;
	struct sandbox_error err;
	enum aws_verdict verdict;
	bool is_skewed; /* it was signed by a wrong clock, which now is right */
};

static void try_once(struct call *call, struct outcome *outcome)
{
	*outcome = (struct outcome){0};
	int64_t begun = aws_clock_usec(CLOCK_REALTIME);
	int64_t signed_sec = atomic_load(&call->client->environment->offset_sec);
	outcome->r = attempt(call, &outcome->answer, &outcome->err);
	call->attempts++;
	if (outcome->r < 0) {
		outcome->verdict = is_network_failure(outcome->r) ? AWS_TRANSIENT : AWS_FINE;
		return;
	}
	bool is_far_off = take_clock(call->client, &outcome->answer, begun, signed_sec);
	unsigned status = outcome->answer.status;
	if (status < 200 || status >= 300)
		aws_fault_read(status, &outcome->answer.fault, outcome->answer.body, &outcome->fault);
	outcome->fault.status = status;
	outcome->verdict = aws_retry_verdict(status, outcome->fault.code);
	outcome->is_skewed = is_far_off && aws_retry_is_skew(outcome->fault.code);
	if (outcome->is_skewed)
		outcome->verdict = AWS_TRANSIENT;
}

/* Once per call others are fetched: whoever refuses those as well has another reason. */
static bool renew_keys(struct call *call)
{
	if (call->has_renewed)
		return false;
	call->has_renewed = true;
	return aws_chain_renew(call->client->environment->chain, call->generation);
}

/* Is it to be asked again? Waits until then. */
static bool asks_again(struct call *call, const struct outcome *outcome)
{
	const struct aws_client *client = call->client;
	unsigned attempts = client->environment->max_attempts > 0 ? client->environment->max_attempts
								  : call->limits.attempts;
	unsigned cost = 0;

	if (call->attempts >= attempts)
		return false;
	if (aws_retry_is_keys(outcome->fault.code))
		return renew_keys(call);
	if (outcome->verdict == AWS_FINE)
		return false;
	bool may = aws_bucket_take(&call->client->bucket, outcome->verdict, &cost);
	const struct aws_pause pause = {
		.verdict = outcome->verdict,
		.attempt = call->attempts - 1,
		.base_msec = call->limits.base_msec,
		.hint_msec = outcome->answer.retry_msec,
		.chance = chance(),
	};
	/* A long poll that may not be repeated sleeps all the same: whoever polls comes again at once. */
	if (!may) {
		if (call->request->wait_msec > 0)
			(void)pause_for(call, aws_pause_msec(&pause));
		return false;
	}
	call->cost = cost;
	return outcome->is_skewed || pause_for(call, aws_pause_msec(&pause));
}

static int fail(const struct call *call, const struct outcome *outcome, struct sandbox_error *err)
{
	const char *operation = call->request->operation ? call->request->operation : call->request->method;
	const struct aws_fault *fault = &outcome->fault;
	char stage[32];

	(void)snprintf(stage, sizeof(stage), "aws.%s", aws_service_name(call->client->service));
	if (call->request->is_cancellable && atomic_load(&call->client->is_cancelled))
		return error_set(err, ECANCELED, stage, "%s: cancelled", operation);
	if (outcome->r < 0)
		return error_set(err, -outcome->r, stage, "%s at %.80s: %s (%u attempts)", operation,
			call->client->url, outcome->err.message, call->attempts);
	int errno_value = outcome->verdict == AWS_THROTTLED   ? EAGAIN
			  : outcome->verdict == AWS_TRANSIENT ? EIO
			  : aws_retry_is_keys(fault->code)    ? EACCES
							      : EPERM;
	int r = error_set(err, errno_value, stage, "%s: %u %s: %.120s (request %.40s, %u attempts)",
		operation, fault->status, fault->code, fault->message, fault->request_id, call->attempts);
	return errno_value == EPERM ? AWS_REFUSED : r;
}

static int repeat(struct call *call, struct aws_reply *ret, struct sandbox_error *err)
{
	struct outcome outcome;

	try_once(call, &outcome);
	while (asks_again(call, &outcome)) {
		free(outcome.answer.body);
		try_once(call, &outcome);
	}
	outcome.fault.attempts = call->attempts;
	ret->fault = outcome.fault;
	bool is_good = outcome.r == 0 && outcome.answer.status >= 200 && outcome.answer.status < 300;
	if (is_good)
		aws_bucket_give(&call->client->bucket, call->cost);
	int r = is_good ? 0 : fail(call, &outcome, err);
	if (r < 0) {
		free(outcome.answer.body);
		return r;
	}
	ret->body = outcome.answer.body;
	ret->body_size = outcome.answer.body_size;
	(void)snprintf(ret->etag, sizeof(ret->etag), "%s", outcome.answer.etag);
	bool is_head = strcmp(call->request->method, "HEAD") == 0;
	ret->content_length = is_head ? outcome.answer.content_length : outcome.answer.received;
	return r;
}

static int prepare(struct call *call, struct sandbox_error *err)
{
	const struct aws_request *request = call->request;
	const struct aws_client *client = call->client;

	if (request->nheaders > AWS_HEADERS_MAX || request->nquery > AWS_QUERY_MAX || request->path[0] != '/')
		return error_set(err, EINVAL, "aws.client", "a request that makes no sense");
	call->limits = aws_limits_of(client->service, request);
	call->end_usec = aws_clock_usec(CLOCK_MONOTONIC) + (int64_t)call->limits.deadline_msec * 1000;
	if (aws_target_find(client, &client->endpoint, request->bucket, request->path, &call->target) < 0 ||
		aws_sigv4_canonical_query(request->query, request->nquery, &call->query) < 0)
		return error_set(err, ENOMEM, "aws.client", "no memory");
	call->url = aws_target_url(&client->endpoint, &call->target, call->query);
	if (call->url == NULL)
		return error_set(err, ENOMEM, "aws.client", "no memory");
	return aws_payload_hash(request, call->payload_hash, err);
}

int aws_call(struct aws_client *client, const struct aws_request *request, struct aws_reply *ret,
	struct sandbox_error *err)
{
	struct call call = {.client = client, .request = request};

	*ret = (struct aws_reply){0};
	int r = prepare(&call, err);
	if (r == 0)
		r = repeat(&call, ret, err);
	free(call.target.path);
	free(call.query);
	free(call.url);
	return r;
}

void aws_reply_free(struct aws_reply *reply)
{
	free(reply->body);
	*reply = (struct aws_reply){0};
}
