#include "service/backends.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"
#include "service/aws/client.h"
#include "service/database.h"
#include "service/languages.h"
#include "service/objects_s3.h"
#include "service/queue_sqs.h"
#include "service/store_dynamodb.h"

#include <ctype.h>
#include <string.h>

struct backends {
	struct database *database; /* NULL: nothing is embedded */
	struct aws_environment *environment;
	struct aws_client *sqs, *dynamodb, *s3; /* NULL: not used */
};

bool backends_are_remote(const struct service_config *config)
{
	return config->dynamodb_table != NULL || config->queue_url != NULL || config->bucket != NULL;
}

static bool are_embedded(const struct service_config *config)
{
	return config->dynamodb_table == NULL || config->queue_url == NULL || config->bucket == NULL;
}

/* The embedded queue does not outlive a power cut by itself: it is rebuilt from the embedded store. */
static int check_config(const struct service_config *config, struct sandbox_error *err)
{
	if (config->dynamodb_table != NULL && config->queue_url == NULL)
		return error_set(err, EINVAL, "config",
			"DYNAMODB_TABLE needs SQS_QUEUE_URL: the embedded queue goes with the embedded store "
			"only");
	if (config->urgent_queue_url != NULL && config->queue_url == NULL)
		return error_set(err, EINVAL, "config", "SQS_QUEUE_URL_HIGH needs SQS_QUEUE_URL");
	return 0;
}

/* --- SQS ------------------------------------------------------------------------------------------------------ */

/* SQS_QUEUE_URL_CPP for "cpp". NULL: there is none. */
static const char *language_queue(const char *language)
{
	char name[sizeof("SQS_QUEUE_URL_") + JOB_LANGUAGE_BYTES];
	int length = snprintf(name, sizeof(name), "SQS_QUEUE_URL_%s", language);

	if (length < 0 || (size_t)length >= sizeof(name))
		return NULL;
	for (char *at = name; *at != '\0'; at++)
		*at = isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_';
	const char *url = getenv(name);
	return url != NULL && *url != '\0' ? url : NULL;
}

static int open_sqs(struct backends *backends, struct service *service, struct sandbox_error *err)
{
	struct queue_sqs_route routes[QUEUE_SQS_ROUTES_MAX] = {{.url = service->config.queue_url}};
	size_t n = 1;

	if (service->config.urgent_queue_url != NULL)
		routes[n++] = (struct queue_sqs_route){service->config.urgent_queue_url, NULL, true};
	for (size_t i = 0; i < languages_count(service->languages) && n < ARRAY_SIZE(routes); i++) {
		const char *language = languages_at(service->languages, i)->name;
		const char *url = language_queue(language);
		if (url != NULL)
			routes[n++] = (struct queue_sqs_route){url, language, false};
	}
	int r = aws_client_open(backends->environment, AWS_SQS, &backends->sqs, err);
	if (r < 0)
		return r;
	const struct queue_sqs_options options = {.client = backends->sqs, .routes = routes, .nroutes = n};
	return queue_sqs_open(&options, &service->queue, err);
}

/* --- S3 and DynamoDB ------------------------------------------------------------------------------------------ */

static int open_s3(struct backends *backends, struct service *service, struct sandbox_error *err)
{
	const struct service_config *config = &service->config;

	if (config->is_s3_path_style)
		aws_environment_set_addressing(backends->environment, AWS_ADDRESSING_PATH);
	int r = aws_client_open(backends->environment, AWS_S3, &backends->s3, err);
	if (r < 0)
		return r;
	const struct objects_s3_options options = {
		.client = backends->s3,
		.bucket = config->bucket,
		.public_endpoint = config->s3_public_endpoint,
	};
	return objects_s3_open(&options, &service->objects, err);
}

static int open_dynamodb(struct backends *backends, struct service *service, struct sandbox_error *err)
{
	int r = aws_client_open(backends->environment, AWS_DYNAMODB, &backends->dynamodb, err);
	if (r < 0)
		return r;
	const struct store_dynamodb_options options = {
		.client = backends->dynamodb,
		.table = service->config.dynamodb_table,
		.objects = service->objects,
	};
	return store_dynamodb_open(&options, &service->store, err);
}

/* --- all ------------------------------------------------------------------------------------------------------ */

/* The store after the objects, which it may use. */
static int open_each(struct backends *backends, struct service *service, struct sandbox_error *err)
{
	const struct service_config *config = &service->config;
	struct database *db = backends->database;

	int r = config->bucket != NULL ? open_s3(backends, service, err)
				       : objects_files_open(db, &service->objects, err);
	if (r == 0)
		r = config->dynamodb_table != NULL ? open_dynamodb(backends, service, err)
						   : store_sqlite_open(db, &service->store, err);
	if (r == 0)
		r = config->queue_url != NULL ? open_sqs(backends, service, err)
					      : queue_sqlite_open(db, &service->queue, err);
	if (r == 0 && !backends_are_remote(config))
		r = batch_sqlite_open(db, &service->batch, err);
	return r;
}

int backends_open(struct service *service, const char *dir, struct backends **ret, struct sandbox_error *err)
{
	const struct service_config *config = &service->config;

	int r = check_config(config, err);
	if (r < 0)
		return r;
	struct backends *backends = calloc(1, sizeof(*backends));
	if (backends == NULL)
		return error_set(err, ENOMEM, "backends", "no memory");
	if (are_embedded(config))
		r = database_open(dir, &backends->database, err);
	if (r == 0 && backends_are_remote(config))
		r = aws_environment_open(&backends->environment, err);
	if (r == 0)
		r = open_each(backends, service, err);
	if (r < 0) {
		(void)backends_close(backends, service);
		return r;
	}
	*ret = backends;
	return 0;
}

struct backends *backends_close(struct backends *backends, struct service *service)
{
	if (backends == NULL)
		return NULL;
	if (service->batch != NULL)
		service->batch = service->batch->operations->close(service->batch);
	if (service->queue != NULL)
		service->queue = service->queue->operations->close(service->queue);
	if (service->store != NULL)
		service->store = service->store->operations->close(service->store);
	if (service->objects != NULL)
		service->objects = service->objects->operations->close(service->objects);
	backends->sqs = aws_client_close(backends->sqs);
	backends->dynamodb = aws_client_close(backends->dynamodb);
	backends->s3 = aws_client_close(backends->s3);
	backends->environment = aws_environment_close(backends->environment);
	backends->database = database_close(backends->database);
	free(backends);
	return NULL;
}
