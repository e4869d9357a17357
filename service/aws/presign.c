/* presign.c: links that carry their own permission. */
#include "sandbox/base/fd.h"
#include "service/aws/client_state.h"
#include "service/aws/secret.h"
#include "service/aws/sigv4.h"

enum { USEC_PER_SEC = 1000000 };

/* For as long as the keys live, if that is shorter. */
static unsigned bounded_ttl(const struct aws_credentials *credentials, unsigned ttl_sec)
{
	int64_t left = (credentials->expires_usec - aws_clock_usec(CLOCK_REALTIME)) / USEC_PER_SEC;

	if (credentials->expires_usec == 0 || left >= ttl_sec)
		return ttl_sec;
	return left > 1 ? (unsigned)left : 1;
}

static int presign(struct aws_client *client, const struct aws_presign *what,
	const struct aws_endpoint *endpoint, const struct aws_credentials *credentials, char **ret)
{
	const struct aws_keys keys = {
		credentials->access_key,
		credentials->secret,
		credentials->token[0] != '\0' ? credentials->token : NULL,
	};
	_cleanup_secret_ char *query = NULL;
	struct aws_target target = {0};

	int r = aws_target_find(client, endpoint, what->bucket, what->path, &target);
	if (r < 0)
		return r;
	const struct aws_pair host = {"Host", target.host};
	const struct aws_sigv4 signature = {
		.method = "GET",
		.path = target.path,
		.is_s3 = true,
		.query = what->query,
		.nquery = what->nquery,
		.headers = &host,
		.nheaders = 1,
		.payload_hash = AWS_UNSIGNED_PAYLOAD,
		.time = (time_t)(aws_client_now_usec(client) / USEC_PER_SEC),
		.region = client->environment->region,
		.service = "s3",
		.keys = &keys,
	};
	r = aws_sigv4_query(&signature, what->ttl_sec, &query);
	if (r == 0) {
		*ret = aws_target_url(endpoint, &target, query);
		r = *ret != NULL ? 0 : -ENOMEM;
	}
	free(target.path);
	return r;
}

int aws_presign_get(struct aws_client *client, const struct aws_presign *what, char **ret, unsigned *ret_sec,
	struct sandbox_error *err)
{
	struct aws_endpoint endpoint = client->endpoint;
	struct aws_credentials credentials;

	if (what->ttl_sec < 1 || what->ttl_sec > AWS_PRESIGN_SEC_MAX || what->path[0] != '/')
		return error_set(err, EINVAL, "aws.presign", "a link that makes no sense");
	int r = what->public_endpoint != NULL ? aws_endpoint_parse(what->public_endpoint, &endpoint, err) : 0;
	if (r == 0)
		r = aws_chain_get(client->environment->chain, &credentials, err);
	if (r != 0)
		return r;
	struct aws_presign bounded = *what;
	*ret_sec = bounded.ttl_sec = bounded_ttl(&credentials, what->ttl_sec);
	r = presign(client, &bounded, &endpoint, &credentials, ret);
	aws_credentials_wipe(&credentials);
	return r < 0 ? error_set(err, -r, "aws.presign", "no link could be made") : 0;
}
