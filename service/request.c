#include "service/request.h"

#include "sandbox/base/fd.h"
#include "sandbox/json/json_text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* The fields of a submission. All are strings; what differs stands here. */
struct field {
	const char *name;
	bool is_required;
	bool is_multiline; /* control characters are welcome */
	size_t min;
	size_t max; /* bytes; 0: taken from the limits */
	enum api_error_code too_long;
};

enum { FIELD_USER_ID, FIELD_LANGUAGE, FIELD_CODE, FIELD_INPUT, FIELD_PRIORITY, FIELD_N };

static const struct field fields[FIELD_N] = {
	[FIELD_USER_ID] = {"userId", true, false, 1, JOB_USER_ID_BYTES, API_ERROR_INVALID_VALUE},
	[FIELD_LANGUAGE] = {"language", true, false, 1, JOB_LANGUAGE_BYTES, API_ERROR_UNSUPPORTED_LANGUAGE},
	[FIELD_CODE] = {"code", true, true, 1, 0, API_ERROR_TOO_LARGE},
	[FIELD_INPUT] = {"input", false, true, 0, 0, API_ERROR_TOO_LARGE},
	[FIELD_PRIORITY] = {"priority", false, false, 1, 16, API_ERROR_INVALID_VALUE},
};

enum {
	BODY_OVERHEAD = 64 * 1024,
	ESCAPED_BYTES = 6,
	SHOWN_BYTES = 64, /* of an unknown field's name */
};

size_t request_body_max(const struct request_limits *limits)
{
	return ESCAPED_BYTES * (limits->code_bytes + limits->input_bytes) + BODY_OVERHEAD;
}

static size_t field_max(size_t index, const struct request_limits *limits)
{
	if (index == FIELD_CODE)
		return limits->code_bytes;
	if (index == FIELD_INPUT)
		return limits->input_bytes;
	return fields[index].max;
}

static int refuse_json(const struct json_text_error *error, struct api_error *err)
{
	switch (error->code) {
	case json_error_invalid_utf8:
		return api_error_set(err, API_ERROR_INVALID_UTF8, NULL,
			"the body is not valid UTF-8 at byte %zu", error->position);
	case json_error_duplicate_key:
		return api_error_set(
			err, API_ERROR_INVALID_JSON, NULL, "a field is given twice (line %d)", error->line);
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return api_error_set(err, API_ERROR_INVALID_JSON, NULL,
			"the NUL character (\\u0000) is not accepted (line %d, column %d)", error->line,
			error->column);
	default:
		/* jansson's text quotes what the client sent; place and kind say enough without it. */
		return api_error_set(err, API_ERROR_INVALID_JSON, NULL,
			"the body is not valid JSON at line %d, column %d", error->line, error->column);
	}
}

/* How many bytes of KEY, which is UTF-8, a message shows: whole characters, as the message must be UTF-8 too. */
static int shown_bytes(const char *key)
{
	size_t n = strnlen(key, SHOWN_BYTES);

	while (n > 0 && ((unsigned char)key[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

static int refuse_unknown(const json_t *object, struct api_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		size_t i = 0;
		while (i < FIELD_N && strcmp(fields[i].name, key) != 0)
			i++;
		if (i == FIELD_N)
			return api_error_set(err, API_ERROR_UNKNOWN_FIELD, NULL,
				"unknown field \"%.*s\"; known are userId, language, code, input and "
				"priority",
				shown_bytes(key), key);
	}
	return 0;
}

/* Those of ASCII, and U+0080 to U+009F. */
static bool has_control(const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
		if (*at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0))
			return true;
	return false;
}

/* *RET: NULL when the field is absent and may be; otherwise owned by OBJECT. */
static int check_field(
	const json_t *object, size_t index, size_t max, const json_t **ret, struct api_error *err)
{
	const struct field *field = &fields[index];
	const json_t *value = json_object_get(object, field->name);

	*ret = NULL;
	if (value == NULL || (json_is_null(value) && !field->is_required)) {
		if (!field->is_required)
			return 0;
		return api_error_set(err, API_ERROR_MISSING_FIELD, field->name, "%s is missing", field->name);
	}
	if (!json_is_string(value))
		return api_error_set(
			err, API_ERROR_INVALID_TYPE, field->name, "%s must be a string", field->name);
	size_t size = json_string_length(value);
	if (size < field->min)
		return api_error_set(err, API_ERROR_INVALID_VALUE, field->name, "%s is empty", field->name);
	if (size > max)
		return api_error_set(err, field->too_long, field->name,
			"%s has %zu bytes; at most %zu are accepted", field->name, size, max);
	if (!field->is_multiline && has_control(json_string_value(value)))
		return api_error_set(err, API_ERROR_INVALID_VALUE, field->name, "%s holds control characters",
			field->name);
	*ret = value;
	return 0;
}

static int check(const json_t *root, const struct request_limits *limits, const json_t *values[FIELD_N],
	struct api_error *err)
{
	if (!json_is_object(root))
		return api_error_set(err, API_ERROR_INVALID_TYPE, NULL, "the body must be a JSON object");
	int r = refuse_unknown(root, err);
	for (size_t i = 0; i < FIELD_N && r == 0; i++)
		r = check_field(root, i, field_max(i, limits), &values[i], err);
	return r;
}

static int check_priority(const json_t *value, struct api_error *err)
{
	const char *text = value ? json_string_value(value) : "normal";

	if (strcmp(text, "normal") == 0 || strcmp(text, "high") == 0)
		return 0;
	return api_error_set(err, API_ERROR_INVALID_VALUE, "priority", "priority is normal or high");
}

static char *copy_text(const json_t *value, size_t *ret_size)
{
	size_t size = value ? json_string_length(value) : 0;
	char *copy = malloc(size + 1);

	if (copy == NULL)
		return NULL;
	if (value != NULL)
		memcpy(copy, json_string_value(value), size);
	copy[size] = '\0';
	if (ret_size != NULL)
		*ret_size = size;
	return copy;
}

static int fill(struct job *job, const json_t *const values[FIELD_N])
{
	_cleanup_free_ char *user_id = copy_text(values[FIELD_USER_ID], NULL);
	_cleanup_free_ char *language = copy_text(values[FIELD_LANGUAGE], NULL);
	_cleanup_free_ char *code = copy_text(values[FIELD_CODE], &job->code_size);
	_cleanup_free_ char *input = copy_text(values[FIELD_INPUT], &job->input_size);

	if (user_id == NULL || language == NULL || code == NULL || input == NULL)
		return -ENOMEM;
	job->user_id = TAKE_PTR(user_id);
	job->language = TAKE_PTR(language);
	job->code = TAKE_PTR(code);
	job->input = TAKE_PTR(input);
	job->is_urgent = values[FIELD_PRIORITY] != NULL &&
			 strcmp(json_string_value(values[FIELD_PRIORITY]), "high") == 0;
	return 0;
}

int request_parse(const char *body, size_t size, const struct request_limits *limits, struct job *job,
	struct api_error *err)
{
	const json_t *values[FIELD_N] = {NULL};
	struct json_text_error error;
	json_t *root = NULL;

	/* jansson refuses \u0000 (no JSON_ALLOW_NUL), invalid UTF-8 and nesting beyond 2047 by itself. */
	int r = json_text_parse(body, size, &root, &error);
	if (r < 0)
		return r;
	if (r > 0)
		return refuse_json(&error, err);
	r = check(root, limits, values, err);
	if (r == 0)
		r = check_priority(values[FIELD_PRIORITY], err);
	if (r == 0)
		r = fill(job, values);
	json_decref(root);
	return r;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

bool request_content_type_ok(const char *value)
{
	static const char type[] = "application/json";

	if (value == NULL)
		return false;
	value = skip_blanks(value);
	if (strncasecmp(value, type, sizeof(type) - 1) != 0)
		return false;
	value = skip_blanks(value + sizeof(type) - 1);
	if (*value == '\0')
		return true;
	if (*value != ';')
		return false;
	value = skip_blanks(value + 1);
	static const char *const charsets[] = {"charset=utf-8", "charset=\"utf-8\""};
	for (size_t i = 0; i < ARRAY_SIZE(charsets); i++)
		if (strncasecmp(value, charsets[i], strlen(charsets[i])) == 0 &&
			*skip_blanks(value + strlen(charsets[i])) == '\0')
			return true;
	return false;
}

bool request_address_is_loopback(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, address, &four) == 1)
		return (ntohl(four.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool port_ok(const char *at)
{
	if (*at == '\0')
		return true;
	if (*at != ':')
		return false;
	size_t digits = strspn(at + 1, "0123456789");
	return digits >= 1 && digits <= 5 && at[1 + digits] == '\0';
}

bool request_host_ok(const char *value)
{
	char name[64];

	if (value == NULL)
		return false;
	bool is_bracketed = *value == '[';
	if (is_bracketed)
		value++;
	size_t length = strcspn(value, is_bracketed ? "]" : ":");
	if (length == 0 || length >= sizeof(name) || (is_bracketed && value[length] != ']'))
		return false;
	memcpy(name, value, length);
	name[length] = '\0';
	if (!port_ok(value + length + (is_bracketed ? 1 : 0)))
		return false;
	if (is_bracketed)
		return strchr(name, ':') != NULL && request_address_is_loopback(name);
	return strcasecmp(name, "localhost") == 0 || request_address_is_loopback(name);
}
