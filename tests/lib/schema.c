#include "tests/lib/schema.h"

#include "tests/lib/test.h"

#include <regex.h>
#include <stdarg.h>
#include <string.h>

struct check {
	const json_t *document;
	char where[512];
	char *why;
	size_t size;
};

static bool broken(struct check *check, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool holds(struct check *check, const json_t *schema, const json_t *value);

static bool broken(struct check *check, const char *fmt, ...)
{
	va_list args;
	int used = snprintf(check->why, check->size, "%s: ", check->where[0] ? check->where : "(root)");

	if (used < 0 || (size_t)used >= check->size)
		return false;
	va_start(args, fmt);
	(void)vsnprintf(check->why + used, check->size - (size_t)used, fmt, args);
	va_end(args);
	return false;
}

const json_t *schema_resolve(const json_t *document, const json_t *value)
{
	const json_t *reference;

	while ((reference = json_object_get(value, "$ref")) != NULL) {
		char path[256];
		char *rest = path;
		(void)snprintf(path, sizeof(path), "%s", json_string_value(reference));
		value = document;
		for (char *name; (name = strsep(&rest, "/")) != NULL;)
			if (strcmp(name, "#") != 0)
				value = json_object_get(value, name);
		ck_assert_msg(value != NULL, "dangling reference %s", json_string_value(reference));
	}
	return value;
}

/* --- one keyword each ----------------------------------------------------------------------------------------- */

static bool is_of_type(const json_t *value, const char *type)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "object",
		[JSON_ARRAY] = "array",
		[JSON_STRING] = "string",
		[JSON_INTEGER] = "integer",
		[JSON_REAL] = "number",
		[JSON_TRUE] = "boolean",
		[JSON_FALSE] = "boolean",
		[JSON_NULL] = "null",
	};

	return strcmp(names[json_typeof(value)], type) == 0 ||
	       (json_is_integer(value) && strcmp(type, "number") == 0);
}

static bool check_type(struct check *check, const json_t *rule, const json_t *value)
{
	const json_t *one;
	size_t i;

	if (json_is_string(rule))
		return is_of_type(value, json_string_value(rule)) ||
		       broken(check, "is no %s", json_string_value(rule));
	json_array_foreach(rule, i, one) if (is_of_type(value, json_string_value(one))) return true;
	return broken(check, "has none of the types");
}

static bool check_enum(struct check *check, const json_t *rule, const json_t *value)
{
	const json_t *one;
	size_t i;

	json_array_foreach(rule, i, one) if (json_equal(one, value)) return true;
	return broken(check, "is none of the listed values");
}

static bool check_const(struct check *check, const json_t *rule, const json_t *value)
{
	return json_equal(rule, value) || broken(check, "is not the one value");
}

static bool check_required(struct check *check, const json_t *rule, const json_t *value)
{
	const json_t *name;
	size_t i;

	json_array_foreach(rule, i,
		name) if (json_is_object(value) &&
			  json_object_get(value, json_string_value(name)) == NULL) return broken(check,
		"%s is missing", json_string_value(name));
	return true;
}

static bool check_items(struct check *check, const json_t *rule, const json_t *value)
{
	const json_t *one;
	size_t i;

	json_array_foreach(value, i, one) if (!holds(check, rule, one)) return false;
	return true;
}

static bool check_min_items(struct check *check, const json_t *rule, const json_t *value)
{
	return !json_is_array(value) || json_array_size(value) >= (size_t)json_integer_value(rule) ||
	       broken(check, "has too few elements");
}

static bool check_min_length(struct check *check, const json_t *rule, const json_t *value)
{
	return !json_is_string(value) || json_string_length(value) >= (size_t)json_integer_value(rule) ||
	       broken(check, "is too short");
}

static bool check_minimum(struct check *check, const json_t *rule, const json_t *value)
{
	return !json_is_number(value) || json_number_value(value) >= json_number_value(rule) ||
	       broken(check, "is too small");
}

static bool check_maximum(struct check *check, const json_t *rule, const json_t *value)
{
	return !json_is_number(value) || json_number_value(value) <= json_number_value(rule) ||
	       broken(check, "is too large");
}

static bool check_pattern(struct check *check, const json_t *rule, const json_t *value)
{
	regex_t regex;

	if (!json_is_string(value))
		return true;
	ck_assert_msg(regcomp(&regex, json_string_value(rule), REG_EXTENDED | REG_NOSUB) == 0,
		"bad pattern %s", json_string_value(rule));
	bool matches = regexec(&regex, json_string_value(value), 0, NULL, 0) == 0;
	regfree(&regex);
	return matches ||
	       broken(check, "\"%s\" does not match %s", json_string_value(value), json_string_value(rule));
}

/* --- objects: properties and additionalProperties go together ------------------------------------------------- */

static bool check_member(struct check *check, const json_t *schema, const char *name, const json_t *member)
{
	const json_t *rule = json_object_get(json_object_get(schema, "properties"), name);
	size_t used = strlen(check->where);

	(void)snprintf(check->where + used, sizeof(check->where) - used, ".%s", name);
	if (rule == NULL)
		rule = json_object_get(schema, "additionalProperties");
	if (json_is_false(rule))
		return broken(check, "is not documented");
	if (rule != NULL && !json_is_true(rule) && !holds(check, rule, member))
		return false;
	check->where[used] = '\0';
	return true;
}

static bool check_members(struct check *check, const json_t *schema, const json_t *value)
{
	const char *name;
	json_t *member;

	json_object_foreach((json_t *)(uintptr_t)value, name,
		member) if (!check_member(check, schema, name, member)) return false;
	return true;
}

static bool check_elsewhere(struct check *check, const json_t *rule, const json_t *value)
{
	(void)check;
	(void)rule;
	(void)value;
	return true;
}

static const struct keyword {
	const char *name;
	bool (*check)(struct check *check, const json_t *rule, const json_t *value);
} keywords[] = {
	{"type", check_type},
	{"enum", check_enum},
	{"const", check_const},
	{"required", check_required},
	{"items", check_items},
	{"minItems", check_min_items},
	{"minLength", check_min_length},
	{"minimum", check_minimum},
	{"maximum", check_maximum},
	{"pattern", check_pattern},
	{"properties", check_elsewhere},
	{"additionalProperties", check_elsewhere},
	{"description", check_elsewhere},
	{"default", check_elsewhere},
};

static const struct keyword *keyword_find(const char *name)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (strcmp(keywords[i].name, name) == 0)
			return &keywords[i];
	return NULL;
}

static bool holds(struct check *check, const json_t *schema, const json_t *value)
{
	const char *name;
	json_t *rule;

	schema = schema_resolve(check->document, schema);
	json_object_foreach((json_t *)(uintptr_t)schema, name, rule)
	{
		const struct keyword *keyword = keyword_find(name);
		ck_assert_msg(keyword != NULL, "%s: unknown keyword %s", check->where, name);
		if (!keyword->check(check, rule, value))
			return false;
	}
	return check_members(check, schema, value);
}

bool schema_holds(const json_t *document, const json_t *schema, const json_t *value, char *why, size_t size)
{
	struct check check = {.document = document, .why = why, .size = size};

	return holds(&check, schema, value);
}
