#include "service/store_dynamodb_call.h"

#include "sandbox/base/fd.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

static const char stage[] = "store.dynamodb";

enum { NAME_MAX_BYTES = 32 }; /* of an attribute */

static int no_memory(struct sandbox_error *err)
{
	return error_set(err, ENOMEM, stage, "no memory");
}

/* In our expressions each attribute is written "#name": never a reserved word. Adds {"#name": "name"} for each. */
static int add_names(json_t *names, const char *expression)
{
	char alias[NAME_MAX_BYTES + 1];
	int r = 0;

	for (const char *at = strchr(expression, '#'); at != NULL && r == 0; at = strchr(at + 1, '#')) {
		size_t length = 1;
		while (isalpha((unsigned char)at[length]))
			length++;
		assert(length < sizeof(alias));
		(void)snprintf(alias, sizeof(alias), "%.*s", (int)length, at);
		r = json_object_set_new(names, alias, json_string(alias + 1));
	}
	return r;
}

/* {"TableName": …, the expressions, their names and VALUES}. VALUES is taken over; NULL: there are none. */
json_t *dynamodb_request(const struct dynamodb_table *table, const struct dynamodb_expression *expressions,
	size_t nexpressions, json_t *values)
{
	json_t *names = json_object();
	json_t *request = json_pack("{s:s}", "TableName", table->name);
	int r = names != NULL && request != NULL ? 0 : -1;

	for (size_t i = 0; i < nexpressions && r == 0; i++) {
		r = json_object_set_new(request, expressions[i].key, json_string(expressions[i].text));
		if (r == 0)
			r = add_names(names, expressions[i].text);
	}
	if (r == 0 && json_object_size(names) > 0)
		r = json_object_set(request, "ExpressionAttributeNames", names);
	if (r == 0 && values != NULL)
		r = json_object_set(request, "ExpressionAttributeValues", values);
	json_decref(names);
	json_decref(values);
	if (r == 0)
		return request;
	json_decref(request);
	return NULL;
}

static json_t *key_of(const char *id)
{
	return json_pack("{s:{s:s}}", "executionId", "S", id);
}

/* REQUEST is taken over; *RET (may be NULL) is the answer. 0, DYNAMODB_NOT_SO, or a negative errno. */
int dynamodb_call(const struct dynamodb_table *table, const char *operation, json_t *request, json_t **ret,
	struct sandbox_error *err)
{
	struct sandbox_error cause = {0};
	struct aws_fault fault = {0};
	json_t *answer = NULL;

	if (request == NULL)
		return no_memory(err);
	int r = aws_json_call(table->client,
		&(struct aws_json_request){.operation = operation, .in = request, .fault = &fault}, &answer,
		&cause);
	json_decref(request);
	if (r == 0 && ret != NULL)
		*ret = answer;
	else if (r >= 0)
		json_decref(answer);
	if (r > 0 && strcmp(fault.code, "ConditionalCheckFailedException") == 0)
		return DYNAMODB_NOT_SO;
	if (r > 0 || aws_is_unavailable(r))
		r = -EAGAIN;
	return r == 0 ? 0 : error_set(err, -r, cause.stage, "%s", cause.message);
}

/* The item of ID as it is now, IS_WHOLE: with code and input. *RET: owned; NULL: there is none. */
int dynamodb_get(const struct dynamodb_table *table, const char *id, bool is_whole, json_t **ret,
	struct sandbox_error *err)
{
	static const struct dynamodb_expression expressions[] = {
		{"ProjectionExpression", DYNAMODB_ATTRIBUTES}};
	json_t *request = dynamodb_request(table, expressions, is_whole ? 0 : ARRAY_SIZE(expressions), NULL);
	json_t *answer = NULL;

	if (request == NULL || json_object_set_new(request, "Key", key_of(id)) < 0 ||
		json_object_set_new(request, "ConsistentRead", json_true()) < 0) {
		json_decref(request);
		return no_memory(err);
	}
	int r = dynamodb_call(table, "GetItem", request, &answer, err);
	if (r == 0)
		*ret = json_incref(json_object_get(answer, "Item"));
	json_decref(answer);
	return r > 0 ? error_set(err, EPROTO, stage, "a condition failed that was not set") : r;
}

/* 0 with *RET the new item if that is wanted (owned); DYNAMODB_NOT_SO. */
int dynamodb_change(const struct dynamodb_table *table, const struct dynamodb_change *change, json_t **ret,
	struct sandbox_error *err)
{
	const struct dynamodb_expression expressions[] = {
		{"UpdateExpression", change->update}, {"ConditionExpression", change->condition}};
	json_t *answer = NULL;

	if (change->values == NULL)
		return no_memory(err);
	json_t *request = dynamodb_request(table, expressions, ARRAY_SIZE(expressions), change->values);
	const char *wanted = change->wants_item ? "ALL_NEW" : "NONE";
	if (request == NULL || json_object_set_new(request, "Key", key_of(change->id)) < 0 ||
		json_object_set_new(request, "ReturnValues", json_string(wanted)) < 0) {
		json_decref(request);
		return no_memory(err);
	}
	int r = dynamodb_call(table, "UpdateItem", request, &answer, err);
	if (r == 0 && change->wants_item)
		*ret = json_incref(json_object_get(answer, "Attributes"));
	json_decref(answer);
	return r;
}

/* "SET #a = :a, …" of the fields that are there, and their values into VALUES, which own them from then on. NULL: no
 * memory. */
static char *set_expression(const struct dynamodb_field *fields, size_t n, json_t *values)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	int r = stream != NULL ? 0 : -1;

	for (size_t i = 0; i < n; i++) {
		char name[NAME_MAX_BYTES + 1];
		if (!fields[i].is_there)
			continue;
		(void)snprintf(name, sizeof(name), ":%s", fields[i].name);
		r |= json_object_set_new(values, name, fields[i].value);
		if (stream != NULL)
			(void)fprintf(stream, "%s #%s = %s", i == 0 ? "SET" : ",", fields[i].name, name);
	}
	if (stream != NULL && fclose(stream) != 0)
		r = -1;
	if (r == 0)
		return text;
	free(text);
	return NULL;
}

/* Sets the fields, which are consumed, if CONDITION holds; VALUES (taken over; NULL: no memory) are the condition's. */
int dynamodb_set(const struct dynamodb_table *table, const struct dynamodb_change *what,
	const struct dynamodb_field *fields, size_t n, struct sandbox_error *err)
{
	struct dynamodb_change with_fields = *what;

	if (with_fields.values == NULL)
		with_fields.values = json_object(); /* without it the values could not be owned */
	_cleanup_free_ char *update = set_expression(fields, n, with_fields.values);
	if (what->values == NULL || update == NULL) {
		json_decref(with_fields.values);
		return no_memory(err);
	}
	with_fields.update = update;
	return dynamodb_change(table, &with_fields, NULL, err);
}
