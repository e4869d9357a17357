/* retry.h: when to ask again, as AWS's own clients do it in their standard mode: a bucket of tokens per client bounds how
 * much of its load may be repetition, pauses grow and are random. Pure but for the bucket: time and chance are passed in.
 *
 * Source: @smithy/core 3.41, the set of constants of 2026. */
#pragma once

#include "service/aws/client.h"

#include <pthread.h>

enum aws_verdict {
	AWS_FINE,      /* a 2xx answer, or a refusal that asking again would not change */
	AWS_TRANSIENT, /* the service's or the network's failure */
	AWS_THROTTLED, /* too much is asked */
};

/* Of an answer; STATUS 0 is none. */
enum aws_verdict aws_retry_verdict(unsigned status, const char *code);
/* May a wrong clock be the reason for this refusal? */
bool aws_retry_is_skew(const char *code);
/* Is it that the service knows the keys no longer, or not yet? */
bool aws_retry_is_keys(const char *code);

struct aws_bucket {
	pthread_mutex_t lock;
	unsigned tokens;
};

enum { AWS_BUCKET_TOKENS = 500 };

void aws_bucket_init(struct aws_bucket *bucket);
void aws_bucket_destroy(struct aws_bucket *bucket);
/* What a repetition after VERDICT costs. False: there is not as much, and it is not to be made. */
bool aws_bucket_take(struct aws_bucket *bucket, enum aws_verdict verdict, unsigned *ret_cost);
/* A call went well, after repetitions that had cost COST (0: there were none). */
void aws_bucket_give(struct aws_bucket *bucket, unsigned cost);

struct aws_pause {
	enum aws_verdict verdict;
	unsigned attempt;   /* that failed, from 0 on */
	unsigned base_msec; /* of a transient failure */
	unsigned hint_msec; /* what the server asks for; 0: nothing */
	double chance;	    /* 0 to 1 */
};

unsigned aws_pause_msec(const struct aws_pause *pause);
