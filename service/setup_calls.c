#include "service/setup_calls.h"

#include "sandbox/base/fd.h"
#include "service/store_dynamodb.h"

#include <openssl/evp.h>
#include <string.h>
#include <time.h>

static const char stage[] = "setup";

enum { TABLE_POLLS = 120, POLL_MSEC = 500, RETENTION_SEC = 14 * 86400, PIECE_SIZE = 1024, ARN_SIZE = 1200 };

int setup_open(struct setup *setup, struct sandbox_error *err)
{
	int r = aws_environment_open(&setup->environment, err);

	if (r == 0)
		r = aws_client_open(setup->environment, AWS_DYNAMODB, &setup->dynamodb, err);
	if (r == 0)
		r = aws_client_open(setup->environment, AWS_SQS, &setup->sqs, err);
	if (r == 0)
		r = aws_client_open(setup->environment, AWS_S3, &setup->s3, err);
	return r;
}

void setup_close(struct setup *setup)
{
	setup->s3 = aws_client_close(setup->s3);
	setup->sqs = aws_client_close(setup->sqs);
	setup->dynamodb = aws_client_close(setup->dynamodb);
	setup->environment = aws_environment_close(setup->environment);
}

static void say(const char *what, const char *name, const char *state)
{
	(void)printf("%-8s %s: %s\n", what, name, state);
}

/* --- the JSON services ---------------------------------------------------------------------------------------- */

struct step {
	struct aws_client *client;
	const char *operation;
	json_t *in;	      /* taken over; NULL: no memory */
	const char *accepted; /* a refusal of this code is a condition, SETUP_OTHERWISE; NULL: none is */
};

enum { SETUP_OTHERWISE = 1 };

/* Dry: it is printed instead, as the call that would be made, and nothing is answered. *RET may be NULL; owned. */
static int perform(
	const struct setup *setup, const struct step *step, json_t **ret, struct sandbox_error *err)
{
	struct sandbox_error cause = {0};
	struct aws_fault fault = {0};
	json_t *answer = NULL;

	if (step->in == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	if (setup->is_dry) {
		_cleanup_free_ char *text = json_dumps(step->in, JSON_COMPACT);
		(void)printf("%s %s\n", step->operation, text ? text : "");
		json_decref(step->in);
		return 0;
	}
	int r = aws_json_call(step->client,
		&(struct aws_json_request){.operation = step->operation, .in = step->in, .fault = &fault},
		&answer, &cause);
	json_decref(step->in);
	if (r == 0 && ret != NULL)
		*ret = answer;
	else if (r >= 0)
		json_decref(answer);
	if (r > 0 && step->accepted != NULL && strcmp(fault.code, step->accepted) == 0)
		return SETUP_OTHERWISE;
	return r == 0 ? 0 : error_set(err, r > 0 ? EPERM : -r, cause.stage, "%s", cause.message);
}

/* --- the table ------------------------------------------------------------------------------------------------ */

static json_t *key_schema(const char *hash, const char *range)
{
	json_t *schema = json_pack("[{s:s, s:s}]", "AttributeName", hash, "KeyType", "HASH");

	if (range != NULL && json_array_append_new(schema, json_pack("{s:s, s:s}", "AttributeName", range,
								   "KeyType", "RANGE")) < 0) {
		json_decref(schema);
		return NULL;
	}
	return schema;
}

/* Code and input are not in the index: nobody who lists jobs sees them. */
static json_t *index_projection(void)
{
	return json_pack("{s:s, s:[s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s]}", "ProjectionType", "INCLUDE",
		"NonKeyAttributes", "language", "status", "verdict", "error", "outputPath", "stdoutPreview",
		"updatedAt", "startedAt", "completedAt", "execDurationMs", "compile", "run", "compileCached",
		"urgent", "attempt", "failures", "expires");
}

static json_t *table_description(const struct setup *setup)
{
	return json_pack("{s:s, s:s, s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}], s:o, s:[{s:s, s:o, s:o}]}",
		"TableName", setup->table, "BillingMode", "PAY_PER_REQUEST", "AttributeDefinitions",
		"AttributeName", "executionId", "AttributeType", "S", "AttributeName", "userId",
		"AttributeType", "S", "AttributeName", "createdAt", "AttributeType", "S", "KeySchema",
		key_schema("executionId", NULL), "GlobalSecondaryIndexes", "IndexName", STORE_DYNAMODB_INDEX,
		"KeySchema", key_schema("userId", "createdAt"), "Projection", index_projection());
}

/* *RET: it exists and can be used. SETUP_OTHERWISE: there is none. */
static int describe_table(const struct setup *setup, bool *ret, struct sandbox_error *err)
{
	const struct step describe = {setup->dynamodb, "DescribeTable",
		json_pack("{s:s}", "TableName", setup->table), "ResourceNotFoundException"};
	json_t *answer = NULL;
	const char *status = NULL, *hash = NULL;

	int r = perform(setup, &describe, &answer, err);
	if (r == 0)
		(void)json_unpack(answer, "{s:{s:s, s:[{s:s}]}}", "Table", "TableStatus", &status,
			"KeySchema", "AttributeName", &hash);
	*ret = status != NULL && strcmp(status, "ACTIVE") == 0;
	if (r == 0 && !setup->is_dry && (hash == NULL || strcmp(hash, "executionId") != 0))
		r = error_set(err, EEXIST, stage, "table %s is there, but its key is not executionId",
			setup->table);
	json_decref(answer);
	return r;
}

static int wait_for_table(const struct setup *setup, struct sandbox_error *err)
{
	bool is_active = setup->is_dry;

	for (unsigned i = 0; i < TABLE_POLLS && !is_active; i++) {
		int r = describe_table(setup, &is_active, err);
		if (r < 0)
			return r;
		if (!is_active)
			(void)nanosleep(&(struct timespec){.tv_nsec = POLL_MSEC * 1000000L}, NULL);
	}
	return is_active ? 0
			 : error_set(err, ETIMEDOUT, stage, "table %s does not become active", setup->table);
}

/* DynamoDB refuses to be told what it does already. */
static int set_ttl(const struct setup *setup, struct sandbox_error *err)
{
	const struct step ttl = {setup->dynamodb, "UpdateTimeToLive",
		json_pack("{s:s, s:{s:b, s:s}}", "TableName", setup->table, "TimeToLiveSpecification",
			"Enabled", true, "AttributeName", "expiresAt"),
		"ValidationException"};
	struct sandbox_error cause = {0};

	int r = perform(setup, &ttl, NULL, &cause);
	if (r == -EPERM) { /* some emulators know nothing of it; the service does not depend on it */
		say("table", setup->table, "no TTL here: records past their time are not removed");
		return 0;
	}
	return r < 0 ? error_set(err, -r, cause.stage, "%s", cause.message) : 0;
}

int setup_table(struct setup *setup, struct sandbox_error *err)
{
	const struct step create = {
		setup->dynamodb, "CreateTable", table_description(setup), "ResourceInUseException"};
	bool is_active = false;

	int r = setup->is_dry ? SETUP_OTHERWISE : describe_table(setup, &is_active, err);
	if (r == SETUP_OTHERWISE)
		r = perform(setup, &create, NULL, err);
	else
		json_decref(create.in);
	if (r < 0)
		return r;
	r = wait_for_table(setup, err);
	if (r == 0)
		r = set_ttl(setup, err);
	if (r == 0 && !setup->is_dry)
		say("table", setup->table, is_active ? "is there" : "made");
	return r;
}

/* --- queues --------------------------------------------------------------------------------------------------- */

bool setup_queue_name(const char *url, char name[SETUP_NAME_SIZE])
{
	const char *slash = strrchr(url, '/');
	const char *last = slash != NULL ? slash + 1 : url;

	if (*last == '\0' || strlen(last) >= SETUP_NAME_SIZE)
		return false;
	(void)snprintf(name, SETUP_NAME_SIZE, "%s", last);
	return true;
}

static int take_string(json_t *answer, const char *key, char *buf, size_t size, struct sandbox_error *err)
{
	const char *text = json_string_value(json_object_get(answer, key));

	if (text == NULL || strlen(text) >= size)
		return error_set(err, EPROTO, stage, "SQS answered without a usable %s", key);
	(void)snprintf(buf, size, "%s", text);
	return 0;
}

/* The address of queue NAME, which is made when it is not there, into URL; in a dry run its name. */
static int make_queue(
	const struct setup *setup, const char *name, char url[PIECE_SIZE], struct sandbox_error *err)
{
	const struct step find = {
		setup->sqs, "GetQueueUrl", json_pack("{s:s}", "QueueName", name), "QueueDoesNotExist"};
	json_t *answer = NULL;

	(void)snprintf(url, PIECE_SIZE, "%s", name);
	int r = setup->is_dry ? SETUP_OTHERWISE : perform(setup, &find, &answer, err);
	bool is_fresh = r == SETUP_OTHERWISE;
	if (setup->is_dry)
		json_decref(find.in);
	if (is_fresh) {
		const struct step create = {
			setup->sqs, "CreateQueue", json_pack("{s:s}", "QueueName", name), NULL};
		r = perform(setup, &create, &answer, err);
	}
	if (r == 0 && !setup->is_dry) {
		r = take_string(answer, "QueueUrl", url, PIECE_SIZE, err);
		say("queue", url, is_fresh ? "made" : "is there");
	}
	json_decref(answer);
	return r;
}

static int queue_arn(
	const struct setup *setup, const char *url, char arn[ARN_SIZE], struct sandbox_error *err)
{
	const struct step get = {setup->sqs, "GetQueueAttributes",
		json_pack("{s:s, s:[s]}", "QueueUrl", url, "AttributeNames", "QueueArn"), NULL};
	json_t *answer = NULL;

	(void)snprintf(
		arn, ARN_SIZE, "arn:aws:sqs:%s:ACCOUNT:%s", aws_environment_region(setup->environment), url);
	if (setup->is_dry) {
		json_decref(get.in);
		return 0;
	}
	int r = perform(setup, &get, &answer, err);
	if (r == 0)
		r = take_string(json_object_get(answer, "Attributes"), "QueueArn", arn, ARN_SIZE, err);
	json_decref(answer);
	return r;
}

static int set_attributes(
	const struct setup *setup, const char *url, json_t *attributes, struct sandbox_error *err)
{
	const struct step set = {setup->sqs, "SetQueueAttributes",
		attributes ? json_pack("{s:s, s:o}", "QueueUrl", url, "Attributes", attributes) : NULL, NULL};

	return perform(setup, &set, NULL, err);
}

static json_t *queue_attributes(const struct setup *setup, const char *dead_arn)
{
	char visibility[24], retention[24], policy[ARN_SIZE + 100];

	(void)snprintf(visibility, sizeof(visibility), "%u", (unsigned)setup->lease_sec);
	(void)snprintf(retention, sizeof(retention), "%d", RETENTION_SEC);
	(void)snprintf(policy, sizeof(policy), "{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":\"%u\"}",
		dead_arn, (unsigned)setup->max_receives);
	return json_pack("{s:s, s:s, s:s, s:s}", "VisibilityTimeout", visibility, "MessageRetentionPeriod",
		retention, "ReceiveMessageWaitTimeSeconds", "20", "RedrivePolicy", policy);
}

/* One queue and the dead-letter queue beside it. */
static int setup_queue(const struct setup *setup, const char *where, struct sandbox_error *err)
{
	char name[SETUP_NAME_SIZE], dead_name[SETUP_NAME_SIZE + 8];
	char url[PIECE_SIZE], dead_url[PIECE_SIZE], dead_arn[ARN_SIZE];
	char retention[24];

	if (!setup_queue_name(where, name) || strlen(name) + strlen("-dead") >= SETUP_NAME_SIZE)
		return error_set(err, EINVAL, stage, "%.100s: no name of a queue, or too long a one", where);
	(void)snprintf(dead_name, sizeof(dead_name), "%s-dead", name);
	(void)snprintf(retention, sizeof(retention), "%d", RETENTION_SEC);
	int r = make_queue(setup, dead_name, dead_url, err);
	if (r == 0)
		r = set_attributes(
			setup, dead_url, json_pack("{s:s}", "MessageRetentionPeriod", retention), err);
	if (r == 0)
		r = queue_arn(setup, dead_url, dead_arn, err);
	if (r == 0)
		r = make_queue(setup, name, url, err);
	return r == 0 ? set_attributes(setup, url, queue_attributes(setup, dead_arn), err) : r;
}

int setup_queues(struct setup *setup, struct sandbox_error *err)
{
	_cleanup_free_ char *more = setup->more_queues ? strdup(setup->more_queues) : NULL;
	char *rest = more;
	int r = 0;

	if (setup->more_queues != NULL && more == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	for (size_t i = 0; i < SETUP_QUEUES && r == 0; i++)
		if (setup->queues[i] != NULL)
			r = setup_queue(setup, setup->queues[i], err);
	for (const char *one; r == 0 && (one = strsep(&rest, ",")) != NULL;)
		r = setup_queue(setup, one, err);
	return r;
}

/* --- the bucket ----------------------------------------------------------------------------------------------- */

/* A request without a body if XML is NULL. ACCEPTED: as in struct step. */
static int bucket_call(const struct setup *setup, const struct aws_request *request, const char *accepted,
	struct sandbox_error *err)
{
	struct sandbox_error cause = {0};
	struct aws_reply reply = {0};

	if (setup->is_dry) {
		(void)printf("%s %s %.*s\n", request->operation, setup->bucket, (int)request->body_size,
			request->body ? (const char *)request->body : "");
		return 0;
	}
	int r = aws_call(setup->s3, request, &reply, &cause);
	bool is_accepted = r > 0 && accepted != NULL && strcmp(reply.fault.code, accepted) == 0;
	if (r >= 0)
		aws_reply_free(&reply);
	if (is_accepted)
		return SETUP_OTHERWISE;
	return r == 0 ? 0 : error_set(err, r > 0 ? EPERM : -r, cause.stage, "%s", cause.message);
}

static struct aws_request bucket_request(const struct setup *setup, const char *operation, const char *method)
{
	return (struct aws_request){.operation = operation,
		.method = method,
		.bucket = setup->bucket,
		.path = "/",
		.body_fd = -1};
}

static int make_bucket(const struct setup *setup, bool *ret_fresh, struct sandbox_error *err)
{
	struct aws_request head = bucket_request(setup, "HeadBucket", "HEAD");
	struct aws_request create = bucket_request(setup, "CreateBucket", "PUT");
	const char *region = aws_environment_region(setup->environment);
	char xml[256] = "";

	int r = setup->is_dry ? SETUP_OTHERWISE : bucket_call(setup, &head, "NotFound", err);
	*ret_fresh = r == SETUP_OTHERWISE;
	if (r != SETUP_OTHERWISE)
		return r;
	/* S3: the region is named but for the first one. */
	if (strcmp(region, "us-east-1") != 0)
		(void)snprintf(xml, sizeof(xml),
			"<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint>"
			"</CreateBucketConfiguration>",
			region);
	create.body = xml;
	create.body_size = strlen(xml);
	return bucket_call(setup, &create, NULL, err);
}

/* S3 wants a digest with settings. */
static int put_setting(const struct setup *setup, const char *operation, const char *parameter,
	const char *xml, struct sandbox_error *err)
{
	const struct aws_pair query[] = {{parameter, NULL}};
	struct aws_request put = bucket_request(setup, operation, "PUT");
	unsigned char digest[16], text[32];
	size_t size;

	if (EVP_Q_digest(NULL, "MD5", NULL, xml, strlen(xml), digest, &size) != 1)
		return error_set(err, ENOTSUP, stage, "MD5 is not to be had");
	(void)EVP_EncodeBlock(text, digest, sizeof(digest));
	const struct aws_pair headers[] = {
		{"Content-Type", "application/xml"}, {"Content-MD5", (const char *)text}};
	put.query = query;
	put.nquery = ARRAY_SIZE(query);
	put.headers = headers;
	put.nheaders = ARRAY_SIZE(headers);
	put.body = xml;
	put.body_size = strlen(xml);
	return bucket_call(setup, &put, NULL, err);
}

static int put_lifecycle(const struct setup *setup, struct sandbox_error *err)
{
	char xml[1024], expiry[256] = "";

	if (setup->keep_days > 0)
		(void)snprintf(expiry, sizeof(expiry),
			"<Rule><ID>expire</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>"
			"<Expiration><Days>%u</Days></Expiration></Rule>",
			(unsigned)setup->keep_days);
	(void)snprintf(xml, sizeof(xml),
		"<LifecycleConfiguration><Rule><ID>abort</ID><Filter><Prefix></Prefix></Filter>"
		"<Status>Enabled</Status><AbortIncompleteMultipartUpload>"
		"<DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>"
		"%s</LifecycleConfiguration>",
		expiry);
	return put_setting(setup, "PutBucketLifecycleConfiguration", "lifecycle", xml, err);
}

/* Ceph 18.2 with BlockPublicAcls refuses every object; public ones it ignores all the same. */
static int block_public_access(const struct setup *setup, struct sandbox_error *err)
{
	bool is_amazon = strstr(aws_client_endpoint(setup->s3), ".amazonaws.com") != NULL;
	char xml[512];

	(void)snprintf(xml, sizeof(xml),
		"<PublicAccessBlockConfiguration><BlockPublicAcls>%s</BlockPublicAcls>"
		"<IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>"
		"<RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
		is_amazon ? "true" : "false");
	return put_setting(setup, "PutPublicAccessBlock", "publicAccessBlock", xml, err);
}

int setup_bucket(struct setup *setup, struct sandbox_error *err)
{
	bool is_fresh = false;

	int r = make_bucket(setup, &is_fresh, err);
	if (r == 0)
		r = block_public_access(setup, err);
	if (r == 0)
		r = put_lifecycle(setup, err);
	if (r == 0 && !setup->is_dry)
		say("bucket", setup->bucket, is_fresh ? "made" : "is there");
	return r;
}
