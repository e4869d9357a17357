#include "service/aws/retry.h"

#include "sandbox/base/fd.h"

#include <string.h>

enum {
	COST_TRANSIENT = 14,
	COST_THROTTLED = 5,
	THROTTLED_BASE_MSEC = 1000,
	PAUSE_MAX_MSEC = 20 * 1000,
	HINT_BEYOND_MSEC = 5 * 1000,
};

static bool is_among(const char *code, const char *const *codes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

enum aws_verdict aws_retry_verdict(unsigned status, const char *code)
{
	static const char *const throttled[] = {"BandwidthLimitExceeded", "EC2ThrottledException",
		"LimitExceededException", "PriorRequestNotComplete", "ProvisionedThroughputExceededException",
		"RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown",
		"ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
		"TransactionInProgressException"};
	static const char *const transient[] = {"RequestTimeout", "RequestTimeoutException", "InternalError"};

	if (status >= 200 && status < 300)
		return AWS_FINE;
	if (status == 429 || is_among(code, throttled, ARRAY_SIZE(throttled)))
		return AWS_THROTTLED;
	if (status == 0 || status == 500 || status == 502 || status == 503 || status == 504 ||
		is_among(code, transient, ARRAY_SIZE(transient)))
		return AWS_TRANSIENT;
	return AWS_FINE;
}

bool aws_retry_is_skew(const char *code)
{
	static const char *const skewed[] = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture",
		"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "AccessDeniedException"};

	return is_among(code, skewed, ARRAY_SIZE(skewed));
}

bool aws_retry_is_keys(const char *code)
{
	static const char *const unknown[] = {"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId",
		"InvalidClientTokenId", "InvalidToken", "TokenRefreshRequired",
		"UnrecognizedClientException"};

	return is_among(code, unknown, ARRAY_SIZE(unknown));
}

void aws_bucket_init(struct aws_bucket *bucket)
{
	(void)pthread_mutex_init(&bucket->lock, NULL);
	bucket->tokens = AWS_BUCKET_TOKENS;
}

void aws_bucket_destroy(struct aws_bucket *bucket)
{
	(void)pthread_mutex_destroy(&bucket->lock);
}

bool aws_bucket_take(struct aws_bucket *bucket, enum aws_verdict verdict, unsigned *ret_cost)
{
	unsigned cost = verdict == AWS_THROTTLED ? COST_THROTTLED : COST_TRANSIENT;

	(void)pthread_mutex_lock(&bucket->lock);
	bool is_enough = bucket->tokens >= cost;
	if (is_enough)
		bucket->tokens -= cost;
	(void)pthread_mutex_unlock(&bucket->lock);
	*ret_cost = cost;
	return is_enough;
}

void aws_bucket_give(struct aws_bucket *bucket, unsigned cost)
{
	(void)pthread_mutex_lock(&bucket->lock);
	bucket->tokens += cost > 0 ? cost : 1;
	if (bucket->tokens > AWS_BUCKET_TOKENS)
		bucket->tokens = AWS_BUCKET_TOKENS;
	(void)pthread_mutex_unlock(&bucket->lock);
}

unsigned aws_pause_msec(const struct aws_pause *pause)
{
	unsigned base = pause->verdict == AWS_THROTTLED ? THROTTLED_BASE_MSEC : pause->base_msec;
	unsigned bound = PAUSE_MAX_MSEC;

	if (pause->attempt < 16 && (base << pause->attempt) < PAUSE_MAX_MSEC)
		bound = base << pause->attempt;
	unsigned msec = (unsigned)(pause->chance * bound);
	unsigned hint = pause->hint_msec;
	if (hint > msec + HINT_BEYOND_MSEC)
		hint = msec + HINT_BEYOND_MSEC;
	return hint > msec ? hint : msec;
}
