#include "service/aws/environment.h"

#include "sandbox/base/fd.h"

#include <ctype.h>
#include <string.h>

static const struct {
	const char *name, *variable;
} services[AWS_SERVICE_N] = {
	[AWS_SQS] = {"sqs", "AWS_ENDPOINT_URL_SQS"},
	[AWS_DYNAMODB] = {"dynamodb", "AWS_ENDPOINT_URL_DYNAMODB"},
	[AWS_S3] = {"s3", "AWS_ENDPOINT_URL_S3"},
	[AWS_STS] = {"sts", "AWS_ENDPOINT_URL_STS"},
};

const char *aws_service_name(enum aws_service service)
{
	return services[service].name;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* It becomes part of host names. */
static bool region_ok(const char *region)
{
	size_t length = strlen(region);

	for (size_t i = 0; i < length; i++)
		if (!islower((unsigned char)region[i]) && !isdigit((unsigned char)region[i]) &&
			region[i] != '-')
			return false;
	return length > 0 && region[0] != '-' && region[length - 1] != '-';
}

static int read_region(struct aws_environment *environment, struct sandbox_error *err)
{
	const char *region = variable("AWS_REGION");

	if (region == NULL)
		region = variable("AWS_DEFAULT_REGION");
	if (region == NULL && aws_profile_get("region", environment->region, sizeof(environment->region)))
		region = environment->region;
	if (region == NULL)
		return error_set(err, ENOENT, "aws.environment", "no region: set AWS_REGION");
	if (strlen(region) >= sizeof(environment->region) || !region_ok(region))
		return error_set(err, EINVAL, "aws.environment", "AWS_REGION: %.64s is no region", region);
	if (region != environment->region)
		(void)snprintf(environment->region, sizeof(environment->region), "%s", region);
	return 0;
}

/* A service's own address. */
static void standard_endpoint(
	const struct aws_environment *environment, enum aws_service service, struct aws_endpoint *ret)
{
	*ret = (struct aws_endpoint){.scheme = "https"};
	(void)snprintf(ret->host, sizeof(ret->host), "%s.%s.amazonaws.com%s", services[service].name,
		environment->region, strncmp(environment->region, "cn-", 3) == 0 ? ".cn" : "");
}

static int read_endpoints(struct aws_environment *environment, struct sandbox_error *err)
{
	const char *is_ignored = variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
	bool may_be_named = is_ignored == NULL || strcasecmp(is_ignored, "true") != 0;

	for (size_t i = 0; i < AWS_SERVICE_N; i++) {
		const char *url = may_be_named ? variable(services[i].variable) : NULL;
		if (url == NULL && may_be_named)
			url = variable("AWS_ENDPOINT_URL");
		standard_endpoint(environment, (enum aws_service)i, &environment->endpoints[i]);
		environment->has_endpoint[i] = url != NULL;
		if (url == NULL)
			continue;
		int r = aws_endpoint_parse(url, &environment->endpoints[i], err);
		if (r < 0)
			return r;
	}
	aws_endpoint_url(
		&environment->endpoints[AWS_STS], environment->sts_url, sizeof(environment->sts_url));
	return 0;
}

static int read_retries(struct aws_environment *environment, struct sandbox_error *err)
{
	const char *attempts = variable("AWS_MAX_ATTEMPTS"), *mode = variable("AWS_RETRY_MODE");
	char *end = NULL;

	if (mode != NULL && strcmp(mode, "standard") != 0 && strcmp(mode, "legacy") != 0 &&
		strcmp(mode, "adaptive") != 0)
		return error_set(err, EINVAL, "aws.environment", "AWS_RETRY_MODE: %.32s is none", mode);
	if (attempts == NULL)
		return 0;
	unsigned long n = strtoul(attempts, &end, 10);
	if (!isdigit((unsigned char)attempts[0]) || *end != '\0' || n < 1 || n > 100)
		return error_set(
			err, EINVAL, "aws.environment", "AWS_MAX_ATTEMPTS is a number from 1 to 100");
	environment->max_attempts = (unsigned)n;
	return 0;
}

int aws_environment_open(struct aws_environment **ret, struct sandbox_error *err)
{
	struct aws_environment *environment = calloc(1, sizeof(*environment));
	const char *bundle = variable("AWS_CA_BUNDLE");

	if (environment == NULL)
		return error_set(err, ENOMEM, "aws.environment", "no memory");
	int r = read_region(environment, err);
	if (r == 0)
		r = read_endpoints(environment, err);
	if (r == 0)
		r = read_retries(environment, err);
	if (r == 0 && bundle != NULL && strlen(bundle) >= sizeof(environment->ca_bundle))
		r = error_set(err, EINVAL, "aws.environment", "AWS_CA_BUNDLE is too long");
	if (bundle != NULL)
		(void)snprintf(environment->ca_bundle, sizeof(environment->ca_bundle), "%s", bundle);
	const struct aws_chain_options chain = {
		.sts_endpoint = environment->sts_url,
		.ca_bundle = environment->ca_bundle[0] != '\0' ? environment->ca_bundle : NULL,
	};
	if (r == 0)
		r = aws_chain_open(&chain, &environment->chain, err);
	if (r < 0) {
		free(environment);
		return r;
	}
	*ret = environment;
	return 0;
}

struct aws_environment *aws_environment_close(struct aws_environment *environment)
{
	if (environment == NULL)
		return NULL;
	environment->chain = aws_chain_close(environment->chain);
	free(environment);
	return NULL;
}

const char *aws_environment_region(const struct aws_environment *environment)
{
	return environment->region;
}

void aws_environment_set_addressing(struct aws_environment *environment, enum aws_addressing addressing)
{
	environment->addressing = addressing;
}
