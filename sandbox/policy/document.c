#include "sandbox/policy/document.h"

#include "sandbox/json/json_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COMMENT = 4096 };

int document_parse(const char *where, const char *text, size_t size, json_t **ret, struct sandbox_error *err)
{
	struct json_text_error failure;
	json_t *tree = NULL;

	int r = json_text_parse(text, size, &tree, &failure);
	if (r < 0)
		return error_set(err, -r, "policy", "%s: out of memory", where);
	if (r > 0)
		return error_set(err, EINVAL, "policy", "%s: line %d, column %d: %s", where, failure.line,
			failure.column, failure.text);
	*ret = tree;
	return 0;
}

/* Appends the way to AT: "run.limits", "syscalls[3].args[0].op". */
static void render(const struct document_at *at, char *buf, size_t size)
{
	if (at->parent == NULL)
		return;
	render(at->parent, buf, size);
	size_t used = strlen(buf);
	if (at->key == NULL)
		(void)snprintf(buf + used, size - used, "[%zu]", at->index);
	else
		(void)snprintf(buf + used, size - used, "%s%s", used > 0 ? "." : "", at->key);
}

int(document_fail)(const struct document_at *at, const char *fmt, ...)
{
	char way[160] = "";
	char reason[160];
	va_list args;

	render(at, way, sizeof(way));
	va_start(args, fmt);
	(void)vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	return error_set(
		at->err, EINVAL, "policy", "%s: %s%s%s", at->where, way, way[0] != '\0' ? ": " : "", reason);
}

/* A message for a value of the wrong type or none at all. */
static int fail_type(const struct document_at *at, const char *wanted)
{
	return at->value == NULL ? document_fail(at, "is missing") : document_fail(at, "must be %s", wanted);
}

static bool is_listed(const char *key, const char *const *known)
{
	for (; *known != NULL; known++)
		if (strcmp(key, *known) == 0)
			return true;
	return false;
}

int document_object(const struct document_at *at, const char *const *known)
{
	const char *key;
	json_t *value;

	if (!json_is_object(at->value))
		return fail_type(at, "an object");
	json_object_foreach(at->value, key, value)
	{
		if (!is_listed(key, known)) {
			struct document_at unknown = document_member(at, key);
			return document_fail(&unknown, "unknown key");
		}
	}
	return 0;
}

ssize_t document_array(const struct document_at *at, size_t max)
{
	if (!json_is_array(at->value))
		return fail_type(at, "an array");
	size_t n = json_array_size(at->value);
	if (n > max)
		return document_fail(at, "has %zu elements, at most %zu are allowed", n, max);
	return (ssize_t)n;
}

struct document_at document_member(const struct document_at *at, const char *key)
{
	json_t *value = json_object_get(at->value, key);

	return (struct document_at){
		.where = at->where,
		.parent = at,
		.key = key,
		.value = json_is_null(value) ? NULL : value,
		.err = at->err,
	};
}

struct document_at document_element(const struct document_at *at, size_t index)
{
	return (struct document_at){
		.where = at->where,
		.parent = at,
		.index = index,
		.value = json_array_get(at->value, index),
		.err = at->err,
	};
}

int document_string(const struct document_at *at, size_t min, size_t max, const char **ret)
{
	if (!json_is_string(at->value))
		return fail_type(at, "a string");
	size_t length = json_string_length(at->value);
	if (length < min)
		return document_fail(at, "is empty");
	if (length > max)
		return document_fail(at, "has %zu bytes, at most %zu are allowed", length, max);
	*ret = json_string_value(at->value);
	return 0;
}

int document_name(const struct document_at *at, const char *const *names, size_t n, const char *what)
{
	const char *text;

	int r = document_string(at, 1, 64, &text);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	return document_fail(at, "\"%s\" is no %s", text, what);
}

int document_number(const struct document_at *at, uint64_t min, uint64_t max, uint64_t *ret)
{
	if (!json_is_integer(at->value))
		return fail_type(at, "a whole number");
	json_int_t value = json_integer_value(at->value);
	if (value < 0 || (uint64_t)value < min || (uint64_t)value > max)
		return document_fail(at, "%lld is outside %llu..%llu", (long long)value,
			(unsigned long long)min, (unsigned long long)max);
	*ret = (uint64_t)value;
	return 0;
}

int document_bool(const struct document_at *at, bool *ret)
{
	if (!json_is_boolean(at->value))
		return fail_type(at, "true or false");
	*ret = json_is_true(at->value);
	return 0;
}

int document_comment(const struct document_at *at)
{
	struct document_at comment = document_member(at, "comment");
	const char *text;

	return comment.value == NULL ? 0 : document_string(&comment, 0, MAX_COMMENT, &text);
}

int document_copy(const struct document_at *at, size_t min, size_t max, char **ret)
{
	const char *text = NULL;

	int r = document_string(at, min, max, &text);
	if (r < 0)
		return r;
	char *copy = strdup(text);
	if (copy == NULL)
		return error_set(at->err, ENOMEM, "policy", "%s: out of memory", at->where);
	*ret = copy;
	return 0;
}

int document_strings(const struct document_at *at, size_t max, size_t max_bytes, char ***ret)
{
	ssize_t n = at->value == NULL ? 0 : document_array(at, max);
	if (n < 0)
		return (int)n;
	char **strings = calloc((size_t)n + 1, sizeof(*strings));
	if (strings == NULL)
		return error_set(at->err, ENOMEM, "policy", "%s: out of memory", at->where);
	for (size_t i = 0; i < (size_t)n; i++) {
		struct document_at element = document_element(at, i);
		int r = document_copy(&element, 0, max_bytes, &strings[i]);
		if (r < 0) {
			(void)document_strings_free(strings);
			return r;
		}
	}
	*ret = strings;
	return 0;
}

char **document_strings_free(char **strings)
{
	for (char **at = strings; at != NULL && *at != NULL; at++)
		free(*at);
	free(strings);
	return NULL;
}
