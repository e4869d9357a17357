#include "service/setup_policies.h"

#include "sandbox/base/fd.h"
#include "service/store_dynamodb.h"

#include <string.h>

enum { ARN_SIZE = 512 };

/* What a role does on one kind of resource. */
static const struct grant {
	const char *role;
	enum { ON_TABLE, ON_INDEX, ON_QUEUES, ON_DEAD_QUEUES, ON_OUTPUTS, ON_SOURCES } on;
	const char *actions; /* separated by spaces */
} grants[] = {
	{"api", ON_TABLE, "dynamodb:PutItem dynamodb:GetItem dynamodb:UpdateItem"},
	{"api", ON_INDEX, "dynamodb:Query"},
	{"api", ON_QUEUES, "sqs:SendMessage sqs:GetQueueAttributes"},
	{"api", ON_OUTPUTS, "s3:GetObject"},
	{"api", ON_SOURCES, "s3:PutObject"},
	{"worker", ON_TABLE, "dynamodb:GetItem dynamodb:UpdateItem"},
	{"worker", ON_QUEUES,
		"sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes"},
	{"worker", ON_DEAD_QUEUES,
		"sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueUrl"},
	{"worker", ON_OUTPUTS, "s3:PutObject s3:GetObject s3:AbortMultipartUpload"},
	{"worker", ON_SOURCES, "s3:GetObject"},
};

static json_t *words(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	json_t *array = json_array();
	char *rest = copy;

	for (const char *one; copy != NULL && (one = strsep(&rest, " ")) != NULL;)
		if (json_array_append_new(array, json_string(one)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static int add_text(json_t *array, const char *before, const char *name, const char *after)
{
	char arn[ARN_SIZE];

	(void)snprintf(arn, sizeof(arn), "%s%s%s", before, name, after);
	return json_array_append_new(array, json_string(arn));
}

/* Accounts are left open: the roles are of one. */
static int add_queues(json_t *array, const struct setup *setup, const char *region, const char *suffix)
{
	_cleanup_free_ char *more = strdup(setup->more_queues ? setup->more_queues : "");
	char before[128], name[SETUP_NAME_SIZE];
	char *rest = more;
	int r = more != NULL ? 0 : -1;

	(void)snprintf(before, sizeof(before), "arn:aws:sqs:%s:*:", region);
	for (size_t i = 0; i < SETUP_QUEUES; i++)
		if (setup->queues[i] != NULL && setup_queue_name(setup->queues[i], name))
			r |= add_text(array, before, name, suffix);
	for (const char *one; r == 0 && (one = strsep(&rest, ",")) != NULL;)
		if (setup_queue_name(one, name))
			r |= add_text(array, before, name, suffix);
	return r;
}

/* An empty array: the resource is not wanted. */
static json_t *resources(const struct setup *setup, const struct grant *grant)
{
	const char *region = aws_environment_region(setup->environment);
	json_t *array = json_array();
	char before[128];
	int r = 0;

	(void)snprintf(before, sizeof(before), "arn:aws:dynamodb:%s:*:table/", region);
	if (grant->on == ON_TABLE && setup->table != NULL)
		r = add_text(array, before, setup->table, "");
	if (grant->on == ON_INDEX && setup->table != NULL)
		r = add_text(array, before, setup->table, "/index/" STORE_DYNAMODB_INDEX);
	if (grant->on == ON_QUEUES)
		r = add_queues(array, setup, region, "");
	if (grant->on == ON_DEAD_QUEUES)
		r = add_queues(array, setup, region, "-dead");
	if (grant->on == ON_OUTPUTS && setup->bucket != NULL)
		r = add_text(array, "arn:aws:s3:::", setup->bucket, "/outputs/*");
	if (grant->on == ON_SOURCES && setup->bucket != NULL)
		r = add_text(array, "arn:aws:s3:::", setup->bucket, "/sources/*");
	if (r == 0)
		return array;
	json_decref(array);
	return NULL;
}

static json_t *policy_of(const struct setup *setup, const char *role)
{
	json_t *statements = json_array();
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(grants) && r == 0; i++) {
		if (strcmp(grants[i].role, role) != 0)
			continue;
		json_t *on = resources(setup, &grants[i]);
		if (on != NULL && json_array_size(on) == 0) {
			json_decref(on);
			continue;
		}
		r = json_array_append_new(
			statements, json_pack("{s:s, s:o, s:o}", "Effect", "Allow", "Action",
					    words(grants[i].actions), "Resource", on));
	}
	if (r == 0)
		return json_pack("{s:s, s:o}", "Version", "2012-10-17", "Statement", statements);
	json_decref(statements);
	return NULL;
}

int setup_print_policies(const struct setup *setup, struct sandbox_error *err)
{
	json_t *policies =
		json_pack("{s:o, s:o}", "api", policy_of(setup, "api"), "worker", policy_of(setup, "worker"));
	_cleanup_free_ char *text = policies ? json_dumps(policies, JSON_INDENT(2)) : NULL;

	json_decref(policies);
	if (text == NULL)
		return error_set(err, ENOMEM, "setup", "no memory");
	(void)puts(text);
	return 0;
}
