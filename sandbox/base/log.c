#include "sandbox/base/log.h"

#include "sandbox/base/fd.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum {
	LINE_BYTES = 8192,
	VALUE_BYTES = 256, /* of one string, before escaping */
};

static enum log_level threshold = LOG_LEVEL_INFO;

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

/* A line under construction. What does not fit is left out from the end of the last whole pair on. */
struct line {
	char text[LINE_BYTES];
	size_t used;
	bool is_full;
};

static void put(struct line *line, const char *text, size_t size)
{
	/* The end of the line, "}\n", always has its place. */
	if (line->is_full || size > sizeof(line->text) - 2 - line->used) {
		line->is_full = true;
		return;
	}
	memcpy(line->text + line->used, text, size);
	line->used += size;
}

static void put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* How many bytes the UTF-8 sequence at TEXT has, 0 when it is none (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_length(const unsigned char *text, size_t size)
{
	static const struct {
		unsigned char first_min, first_max, second_min, second_max, length;
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	if (text[0] < 0x80)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (text[0] < forms[i].first_min || text[0] > forms[i].first_max)
			continue;
		if (size < forms[i].length || text[1] < forms[i].second_min || text[1] > forms[i].second_max)
			return 0;
		for (size_t at = 2; at < forms[i].length; at++)
			if ((text[at] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

static void put_character(struct line *line, const unsigned char *text, size_t length)
{
	char escape[8];

	if (length == 0) {
		put_text(line, "\xef\xbf\xbd"); /* U+FFFD */
	} else if (text[0] == '"' || text[0] == '\\') {
		(void)snprintf(escape, sizeof(escape), "\\%c", text[0]);
		put_text(line, escape);
	} else if (text[0] < 0x20 || text[0] == 0x7f) {
		(void)snprintf(escape, sizeof(escape), "\\u%04x", text[0]);
		put_text(line, escape);
	} else {
		put(line, (const char *)text, length);
	}
}

static void put_string(struct line *line, const char *value)
{
	if (value == NULL) {
		put_text(line, "null");
		return;
	}
	const unsigned char *text = (const unsigned char *)value;
	size_t size =
		strnlen(value, VALUE_BYTES + 4); /* a sequence that begins within the bound ends with it */
	put_text(line, "\"");
	for (size_t at = 0; at < size && at < VALUE_BYTES;) {
		size_t length = utf8_length(text + at, size - at);
		if (at + length > VALUE_BYTES)
			break;
		put_character(line, text + at, length);
		at += length ? length : 1;
	}
	put_text(line, "\"");
}

static void put_error(struct line *line, const struct sandbox_error *error)
{
	if (error == NULL) {
		put_text(line, "null");
		return;
	}
	put_text(line, "{\"stage\":");
	put_string(line, error->stage);
	put_text(line, ",\"errno\":");
	put_string(line, strerrorname_np(error->errno_value));
	put_text(line, ",\"message\":");
	put_string(line, error->message);
	put_text(line, "}");
}

static void put_time(struct line *line)
{
	struct timespec now = {0};
	struct tm utc = {0};
	char text[64];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &utc);
	size_t used = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	(void)snprintf(text + used, sizeof(text) - used, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
	put_text(line, text);
}

/* ARGS is a pointer: a va_list that a callee has used is of no more use to the caller. */
static void put_pair(struct line *line, const char *key, va_list *args)
{
	char number[32];

	assert(key[0] != '\0' && key[1] == ':');
	put_text(line, ",");
	put_string(line, key + 2);
	put_text(line, ":");
	switch (key[0]) {
	case 's':
		put_string(line, va_arg(*args, const char *));
		break;
	case 'u':
		(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)va_arg(*args, uint64_t));
		put_text(line, number);
		break;
	case 'i':
		(void)snprintf(number, sizeof(number), "%lld", (long long)va_arg(*args, int64_t));
		put_text(line, number);
		break;
	case 'e':
		put_error(line, va_arg(*args, const struct sandbox_error *));
		break;
	default:
		assert(!"unknown type of a log value");
	}
}

void log_event(enum log_level level, const char *event, ...)
{
	struct line line = {.used = 0};
	const char *key;
	va_list args;

	if (level < threshold)
		return;
	put_text(&line, "{\"time\":\"");
	put_time(&line);
	put_text(&line, "\",\"level\":");
	put_string(&line, level_names[level]);
	put_text(&line, ",\"event\":");
	put_string(&line, event);
	va_start(args, event);
	while (!line.is_full && (key = va_arg(args, const char *)) != NULL) {
		size_t whole = line.used;
		put_pair(&line, key, &args);
		if (line.is_full)
			line.used = whole;
	}
	va_end(args);
	line.text[line.used++] = '}';
	line.text[line.used++] = '\n';
	(void)!write(STDERR_FILENO, line.text, line.used); /* where would one complain? */
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

int log_set_level_name(const char *name, struct sandbox_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
		if (strcmp(level_names[i], name) == 0) {
			threshold = (enum log_level)i;
			return 0;
		}
	return error_set(err, EINVAL, "config", "LOG_LEVEL is debug, info, warn or error");
}
