#include "service/aws/credentials.h"

#include "sandbox/base/fd.h"
#include "sandbox/base/log.h"
#include "service/aws/transport.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
	USEC_PER_SEC = 1000000,
	AHEAD_SEC = 5 * 60,    /* so long before their end keys are fetched anew */
	AGAIN_SEC = 60,	       /* after that failed, up to twice as long: some times before the end */
	ALWAYS_AHEAD_SEC = 10, /* of keys that live shorter than AHEAD_SEC */
	CONNECT_MSEC = 1000,
	FAILED_SEC = 1, /* so long nobody asks again when there are no keys at all */
};

struct aws_chain {
	struct aws_sources sources;
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	struct aws_credentials credentials;
	bool has_credentials, has_thread, is_stopping, is_fetching;
	int64_t failed_usec; /* when it was last asked in vain */
	struct sandbox_error failure;
};

static int64_t now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

void aws_credentials_wipe(struct aws_credentials *credentials)
{
	OPENSSL_cleanse(credentials, sizeof(*credentials));
}

/* Asks the sources in their order: the first that is configured decides. Not under the lock. */
static int fetch(const struct aws_sources *sources, struct aws_credentials *ret, struct sandbox_error *err)
{
	static int (*const remote[])(
		const struct aws_sources *sources, struct aws_credentials *ret, struct sandbox_error *err) = {
		aws_credentials_web_identity, aws_credentials_container, aws_credentials_machine};

	*ret = (struct aws_credentials){0};
	int r = aws_credentials_environment(ret, err);
	if (r == AWS_NOT_HERE)
		r = aws_credentials_profile(ret, err);
	for (size_t i = 0; i < ARRAY_SIZE(remote) && r == AWS_NOT_HERE; i++)
		r = remote[i](sources, ret, err);
	if (r != 0)
		aws_credentials_wipe(ret);
	if (r == AWS_NOT_HERE)
		return error_set(
			err, EACCES, "aws.credentials", "no keys: neither in the environment nor elsewhere");
	return r;
}

/* When to fetch anew: well before the end. */
static int64_t renewal_usec(const struct aws_credentials *credentials)
{
	int64_t at = credentials->expires_usec - (int64_t)AHEAD_SEC * USEC_PER_SEC;

	if (at <= now_usec())
		at = credentials->expires_usec - (int64_t)ALWAYS_AHEAD_SEC * USEC_PER_SEC;
	/* What comes expired, by our clock at least, is no reason to ask without end. */
	int64_t soonest = now_usec() + (int64_t)ALWAYS_AHEAD_SEC * USEC_PER_SEC;
	return at > soonest ? at : soonest;
}

static int64_t again_usec(void)
{
	unsigned chance = 0;

	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	return now_usec() + (int64_t)(AGAIN_SEC + chance % AGAIN_SEC) * USEC_PER_SEC;
}

/* Under the lock, which is let go meanwhile. */
static int renew(struct aws_chain *chain, struct sandbox_error *err)
{
	struct aws_credentials fresh;

	chain->is_fetching = true;
	(void)pthread_mutex_unlock(&chain->lock);
	int r = fetch(&chain->sources, &fresh, err);
	(void)pthread_mutex_lock(&chain->lock);
	chain->is_fetching = false;
	if (r == 0) {
		chain->credentials = fresh;
		chain->has_credentials = true;
	}
	aws_credentials_wipe(&fresh);
	(void)pthread_cond_broadcast(&chain->changed);
	return r;
}

/* For keys that have an end. What fails is tried again; meanwhile the old ones are used on, beyond their end if need be. */
static void *keep_fresh(void *user)
{
	struct aws_chain *chain = user;

	(void)pthread_mutex_lock(&chain->lock);
	int64_t next = renewal_usec(&chain->credentials);
	while (!chain->is_stopping) {
		struct timespec until = {
			.tv_sec = next / USEC_PER_SEC, .tv_nsec = next % USEC_PER_SEC * 1000};
		struct sandbox_error err = {0};
		if (now_usec() < next) {
			(void)pthread_cond_timedwait(&chain->changed, &chain->lock, &until);
			continue;
		}
		int r = renew(chain, &err);
		if (r < 0)
			log_event(LOG_LEVEL_WARN, "aws.credentials", "e:error", &err, NULL);
		next = r < 0 ? again_usec() : renewal_usec(&chain->credentials);
	}
	(void)pthread_mutex_unlock(&chain->lock);
	return NULL;
}

static int get_first(struct aws_chain *chain, struct sandbox_error *err)
{
	struct sandbox_error failure = {0};

	while (chain->is_fetching)
		(void)pthread_cond_wait(&chain->changed, &chain->lock);
	if (chain->has_credentials)
		return 0;
	if (chain->failed_usec + (int64_t)FAILED_SEC * USEC_PER_SEC > now_usec()) {
		*err = chain->failure;
		return -EACCES;
	}
	if (renew(chain, &failure) < 0) {
		chain->failed_usec = now_usec();
		chain->failure = failure;
		chain->failure.errno_value = EACCES;
		*err = chain->failure;
		return -EACCES;
	}
	if (chain->credentials.expires_usec != 0 && !chain->has_thread)
		chain->has_thread = pthread_create(&chain->thread, NULL, keep_fresh, chain) == 0;
	return 0;
}

int aws_chain_get(struct aws_chain *chain, struct aws_credentials *ret, struct sandbox_error *err)
{
	struct sandbox_error cause = {0};

	(void)pthread_mutex_lock(&chain->lock);
	int r = chain->has_credentials ? 0 : get_first(chain, &cause);
	if (r == 0)
		*ret = chain->credentials;
	(void)pthread_mutex_unlock(&chain->lock);
	return r == 0 ? 0 : error_set(err, EACCES, cause.stage, "%s", cause.message);
}

int aws_chain_open(const struct aws_chain_options *options, struct aws_chain **ret, struct sandbox_error *err)
{
	const struct aws_transport_options transport = {options->ca_bundle, false, CONNECT_MSEC};
	const struct aws_transport_options direct = {options->ca_bundle, true, CONNECT_MSEC};
	struct aws_chain *chain = calloc(1, sizeof(*chain));

	if (chain == NULL)
		return error_set(err, ENOMEM, "aws.credentials", "no memory");
	chain->sources.region = options->region;
	chain->sources.sts_endpoint = options->sts_endpoint;
	(void)pthread_mutex_init(&chain->lock, NULL);
	(void)pthread_cond_init(&chain->changed, NULL);
	int r = aws_transport_open(&transport, &chain->sources.transport, err);
	if (r == 0)
		r = aws_transport_open(&direct, &chain->sources.direct, err);
	if (r < 0) {
		(void)aws_chain_close(chain);
		return r;
	}
	*ret = chain;
	return 0;
}

struct aws_chain *aws_chain_close(struct aws_chain *chain)
{
	if (chain == NULL)
		return NULL;
	(void)pthread_mutex_lock(&chain->lock);
	chain->is_stopping = true;
	(void)pthread_cond_broadcast(&chain->changed);
	(void)pthread_mutex_unlock(&chain->lock);
	if (chain->has_thread)
		(void)pthread_join(chain->thread, NULL);
	(void)aws_transport_close(chain->sources.transport);
	(void)aws_transport_close(chain->sources.direct);
	(void)pthread_cond_destroy(&chain->changed);
	(void)pthread_mutex_destroy(&chain->lock);
	aws_credentials_wipe(&chain->credentials);
	free(chain);
	return NULL;
}
