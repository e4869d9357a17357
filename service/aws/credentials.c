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
	CONNECT_MSEC = 1000,
	FAILED_SEC =
		1, /* so long nobody asks again when there are no keys at all, or again those that were refused */
};

static const struct aws_chain_pace standard_pace = {
	.ahead_msec = 5 * 60 * 1000,
	.soonest_msec = 10 * 1000,
	.again_msec = 60 * 1000,
	.vain_msec = 1000,
};

struct aws_chain {
	struct aws_sources sources;
	struct aws_chain_pace pace;
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	struct aws_credentials credentials;
	bool has_credentials, has_thread, is_stopping, is_fetching;
	bool is_alone;	     /* no thread was to be had */
	int64_t next_usec;   /* when to fetch anew; 0: never */
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

/* It becomes part of headers and of lines that are signed. */
static bool is_usable(const char *text, bool may_be_empty)
{
	for (const char *at = text; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return may_be_empty || *text != '\0';
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
	if (r == 0 && (!is_usable(ret->access_key, false) || !is_usable(ret->secret, false) ||
			      !is_usable(ret->token, true)))
		r = error_set(err, EACCES, "aws.credentials", "the keys are empty, or have blanks in them");
	if (r != 0)
		aws_credentials_wipe(ret);
	if (r == AWS_NOT_HERE)
		return error_set(
			err, EACCES, "aws.credentials", "no keys: neither in the environment nor elsewhere");
	return r;
}

/* When to fetch anew: well before the end, but however little is left, not without end. */
static int64_t renewal_usec(const struct aws_chain *chain)
{
	int64_t at = chain->credentials.expires_usec - (int64_t)chain->pace.ahead_msec * 1000;
	int64_t soonest = now_usec() + (int64_t)chain->pace.soonest_msec * 1000;

	if (chain->credentials.expires_usec == 0)
		return 0;
	return at > soonest ? at : soonest;
}

static int64_t again_usec(const struct aws_chain *chain)
{
	unsigned chance = 0;

	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	return now_usec() + ((int64_t)chain->pace.again_msec + chance % chain->pace.again_msec) * 1000;
}

static bool is_same(const struct aws_credentials *a, const struct aws_credentials *b)
{
	return strcmp(a->access_key, b->access_key) == 0 && strcmp(a->secret, b->secret) == 0 &&
	       strcmp(a->token, b->token) == 0;
}

/* Under the lock. */
static void take(struct aws_chain *chain, const struct aws_credentials *fresh)
{
	uint64_t generation = chain->credentials.generation;

	if (!is_same(fresh, &chain->credentials))
		generation++;
	chain->credentials = *fresh;
	chain->credentials.generation = generation;
	chain->has_credentials = true;
	chain->next_usec = renewal_usec(chain);
}

/* Under the lock, which is let go meanwhile; nobody else is fetching. */
static int renew(struct aws_chain *chain, struct sandbox_error *err)
{
	struct aws_credentials fresh;

	chain->is_fetching = true;
	(void)pthread_mutex_unlock(&chain->lock);
	int r = fetch(&chain->sources, &fresh, err);
	(void)pthread_mutex_lock(&chain->lock);
	chain->is_fetching = false;
	if (r == 0)
		take(chain, &fresh);
	else if (chain->next_usec != 0)
		chain->next_usec = again_usec(chain);
	aws_credentials_wipe(&fresh);
	(void)pthread_cond_broadcast(&chain->changed);
	return r;
}

/* What fails is tried again; meanwhile the old keys are used on, beyond their end if need be. */
static void renew_again(struct aws_chain *chain)
{
	struct sandbox_error err = {0};

	if (renew(chain, &err) < 0)
		log_event(LOG_LEVEL_WARN, "aws.credentials", "e:error", &err, NULL);
}

static bool is_due(const struct aws_chain *chain)
{
	return chain->next_usec != 0 && now_usec() >= chain->next_usec && !chain->is_fetching;
}

static void *keep_fresh(void *user)
{
	struct aws_chain *chain = user;

	(void)pthread_mutex_lock(&chain->lock);
	while (!chain->is_stopping) {
		const struct timespec until = {
			.tv_sec = chain->next_usec / USEC_PER_SEC,
			.tv_nsec = chain->next_usec % USEC_PER_SEC * 1000,
		};
		if (is_due(chain))
			renew_again(chain);
		else if (chain->next_usec == 0 || chain->is_fetching)
			(void)pthread_cond_wait(&chain->changed, &chain->lock);
		else
			(void)pthread_cond_timedwait(&chain->changed, &chain->lock, &until);
	}
	(void)pthread_mutex_unlock(&chain->lock);
	return NULL;
}

/* For keys that have an end. Where no thread is to be had, whoever asks for keys renews them. */
static void see_to_renewal(struct aws_chain *chain)
{
	struct sandbox_error err = {0};

	if (chain->next_usec == 0 || chain->has_thread)
		return;
	if (!chain->is_alone) {
		int r = pthread_create(&chain->thread, NULL, keep_fresh, chain);
		chain->has_thread = r == 0;
		chain->is_alone = r != 0;
		if (r == 0)
			return;
		(void)error_set(&err, r, "aws.credentials", "no thread to renew the keys: callers will wait");
		log_event(LOG_LEVEL_WARN, "aws.credentials", "e:error", &err, NULL);
	}
	if (is_due(chain))
		renew_again(chain);
}

static bool was_vain(const struct aws_chain *chain)
{
	return chain->failed_usec + (int64_t)chain->pace.vain_msec * 1000 > now_usec();
}

static int get_first(struct aws_chain *chain, struct sandbox_error *err)
{
	struct sandbox_error failure = {0};

	while (chain->is_fetching)
		(void)pthread_cond_wait(&chain->changed, &chain->lock);
	if (chain->has_credentials)
		return 0;
	if (was_vain(chain)) {
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
	return 0;
}

int aws_chain_get(struct aws_chain *chain, struct aws_credentials *ret, struct sandbox_error *err)
{
	struct sandbox_error cause = {0};

	(void)pthread_mutex_lock(&chain->lock);
	int r = chain->has_credentials ? 0 : get_first(chain, &cause);
	if (r == 0) {
		see_to_renewal(chain);
		*ret = chain->credentials;
	}
	(void)pthread_mutex_unlock(&chain->lock);
	return r == 0 ? 0 : error_set(err, EACCES, cause.stage, "%s", cause.message);
}

bool aws_chain_renew(struct aws_chain *chain, uint64_t generation)
{
	(void)pthread_mutex_lock(&chain->lock);
	while (chain->is_fetching)
		(void)pthread_cond_wait(&chain->changed, &chain->lock);
	if (chain->credentials.generation == generation && !was_vain(chain)) {
		renew_again(chain);
		if (chain->credentials.generation == generation)
			chain->failed_usec = now_usec();
	}
	bool is_other = chain->credentials.generation != generation;
	(void)pthread_mutex_unlock(&chain->lock);
	return is_other;
}

int aws_chain_open(const struct aws_chain_options *options, struct aws_chain **ret, struct sandbox_error *err)
{
	const struct aws_transport_options transport = {options->ca_bundle, false, CONNECT_MSEC};
	const struct aws_transport_options direct = {options->ca_bundle, true, CONNECT_MSEC};
	struct aws_chain *chain = calloc(1, sizeof(*chain));

	if (chain == NULL)
		return error_set(err, ENOMEM, "aws.credentials", "no memory");
	chain->pace = options->pace != NULL ? *options->pace : standard_pace;
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
