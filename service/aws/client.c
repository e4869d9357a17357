#include "service/aws/client_state.h"

#include "sandbox/base/fd.h"
#include "service/aws/secret.h"
#include "service/aws/transport.h"

#include <string.h>

enum { USEC_PER_SEC = 1000000, CONNECT_MSEC = 2000 };

/* --- life ----------------------------------------------------------------------------------------------------- */

int aws_client_open(struct aws_environment *environment, enum aws_service service, struct aws_client **ret,
	struct sandbox_error *err)
{
	const struct aws_transport_options options = {
		.ca_bundle = environment->ca_bundle[0] != '\0' ? environment->ca_bundle : NULL,
		.connect_msec = CONNECT_MSEC,
	};
	struct aws_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return error_set(err, ENOMEM, "aws.client", "no memory");
	client->environment = environment;
	client->service = service;
	client->endpoint = environment->endpoints[service];
	aws_endpoint_url(&client->endpoint, client->url, sizeof(client->url));
	aws_bucket_init(&client->bucket);
	int r = aws_transport_open(&options, &client->transport, err);
	if (r < 0) {
		(void)aws_client_close(client);
		return r;
	}
	*ret = client;
	return 0;
}

struct aws_client *aws_client_close(struct aws_client *client)
{
	if (client == NULL)
		return NULL;
	client->transport = aws_transport_close(client->transport);
	aws_bucket_destroy(&client->bucket);
	free(client);
	return NULL;
}

void aws_client_cancel(struct aws_client *client)
{
	atomic_store(&client->is_cancelled, true);
	aws_transport_cancel(client->transport);
}

enum aws_service aws_client_service(const struct aws_client *client)
{
	return client->service;
}

const char *aws_client_endpoint(const struct aws_client *client)
{
	return client->url;
}

int64_t aws_clock_usec(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

int64_t aws_client_now_usec(const struct aws_client *client)
{
	return aws_clock_usec(CLOCK_REALTIME) + atomic_load(&client->environment->offset_sec) * USEC_PER_SEC;
}

/* --- where a request goes ------------------------------------------------------------------------------------- */

/* A bucket's name in the host's: also when it goes there by itself. */
static bool is_in_host(const struct aws_client *client, const char *bucket)
{
	enum aws_addressing addressing = client->environment->addressing;

	if (bucket == NULL || addressing == AWS_ADDRESSING_PATH)
		return false;
	/* TLS certificates of S3 do not cover names with a dot. */
	if (addressing == AWS_ADDRESSING_STANDARD &&
		(client->environment->has_endpoint[AWS_S3] || strchr(bucket, '.') != NULL))
		return false;
	return true;
}

int aws_target_find(const struct aws_client *client, const struct aws_endpoint *endpoint, const char *bucket,
	const char *path, struct aws_target *ret)
{
	char host[AWS_HOST_SIZE - 80];
	bool is_host = is_in_host(client, bucket);

	aws_endpoint_host(endpoint, host, sizeof(host));
	(void)snprintf(
		ret->host, sizeof(ret->host), "%.63s%s%s", is_host ? bucket : "", is_host ? "." : "", host);
	bool is_path = bucket != NULL && !is_host;
	/* The bucket itself is "/bucket", without a slash behind it. */
	const char *rest = is_path && strcmp(path, "/") == 0 ? "" : path;
	if (asprintf(&ret->path, "%s%s%s%s", endpoint->path, is_path ? "/" : "", is_path ? bucket : "",
		    rest) < 0) {
		ret->path = NULL;
		return -ENOMEM;
	}
	return 0;
}

char *aws_target_url(const struct aws_endpoint *endpoint, const struct aws_target *target, const char *query)
{
	struct aws_text url;

	if (!aws_text_open(&url))
		return NULL;
	(void)fprintf(url.stream, "%s://%s", endpoint->scheme, target->host);
	aws_uri_encode(url.stream, target->path, true);
	if (query[0] != '\0')
		(void)fprintf(url.stream, "?%s", query);
	return aws_text_close(&url, NULL);
}
