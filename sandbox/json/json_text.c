/* json_text.c: jansson's parser and printer, kept out of harm's way.
 *
 * The parser: jansson (2.14 and before) collects each token in a buffer that grows, and does not look whether it did: short of
 * memory, bytes of the token are missing, and then it reads past the token's end or fails an assertion. Everything else
 * it checks. So the buffer is made to grow before the text is shown to it, on a token that bears missing bytes: the text
 * becomes the second element of an array whose first is 0.000…, longer than any token that can follow. Zeros that are
 * missing change nothing, and the buffer keeps its size for the tokens after it. Only when there was memory for that is
 * the text handed on; else jansson sees the end of its input.
 *
 * The printer: jansson does not look whether a key was written, and goes on behind one that was not. So whoever collects
 * the text remembers that something is missing. */
#include "sandbox/json/json_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- parsing --------------------------------------------------------------------------------------------------- */

static const char begin[] = "[0.", between[] = ",\n", end[] = "]";

enum {
	FIRST_ZEROS_AT = 2,   /* in the token "0.000…" */
	LEAST_TOKEN = 1 << 5, /* above jansson's first buffer */
	OWN_LINES = 1,	      /* before the text */
	DOCUMENT = 1,	      /* its index */
	ELEMENTS = DOCUMENT + 1,
};

enum part { PART_BEGIN, PART_ZEROS, PART_BETWEEN, PART_TEXT, PART_END, PART_N };

struct source {
	const char *text;
	size_t size;
	size_t zeros;
	enum part part;
	size_t at;     /* within the part */
	bool is_short; /* of memory */
};

/* So many zeros that the token's length is a power of two. The buffer, which doubles, then has as much room again: what
 * ends the token does not make it grow. */
static size_t zeros_for(size_t size)
{
	size_t token = LEAST_TOKEN;

	while (token < size)
		token *= 2;
	return token - FIRST_ZEROS_AT;
}

static size_t size_of(const struct source *source)
{
	const size_t sizes[PART_N] = {
		[PART_BEGIN] = sizeof(begin) - 1,
		[PART_ZEROS] = source->zeros,
		[PART_BETWEEN] = sizeof(between) - 1,
		[PART_TEXT] = source->size,
		[PART_END] = sizeof(end) - 1,
	};

	return sizes[source->part];
}

static void copy_part(const struct source *source, char *buffer, size_t size)
{
	const char *const texts[PART_N] = {
		[PART_BEGIN] = begin,
		[PART_BETWEEN] = between,
		[PART_TEXT] = source->text,
		[PART_END] = end,
	};

	if (source->part == PART_ZEROS)
		memset(buffer, '0', size);
	else
		memcpy(buffer, texts[source->part] + source->at, size);
}

/* jansson asks for more when it has taken everything before: at PART_BETWEEN, all zeros. */
static size_t feed(void *buffer, size_t room, void *user)
{
	struct source *source = user;

	while (source->part < PART_N && source->at == size_of(source)) {
		source->part++;
		source->at = 0;
	}
	source->is_short |= source->part == PART_BETWEEN && errno == ENOMEM;
	if (source->part == PART_N || source->is_short)
		return 0;
	size_t left = size_of(source) - source->at;
	size_t size = left < room ? left : room;
	copy_part(source, buffer, size);
	source->at += size;
	return size;
}

__attribute__((format(printf, 3, 4))) static int fail(
	struct json_text_error *error, enum json_error_code code, const char *fmt, ...)
{
	va_list args;

	error->code = code;
	va_start(args, fmt);
	(void)vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	return JSON_TEXT_INVALID;
}

static int invalid(const struct source *source, const json_error_t *failure, struct json_text_error *error)
{
	size_t before = sizeof(begin) - 1 + source->zeros + sizeof(between) - 1;
	size_t position = (size_t)failure->position;

	*error = (struct json_text_error){.line = failure->line - OWN_LINES, .column = failure->column};
	error->position = position > before ? position - before : 0;
	if (error->position > source->size) /* our own bracket is none of the text's */
		return fail(error, json_error_premature_end_of_input, "unexpected end");
	return fail(error, json_error_code(failure), "%s", failure->text);
}

static int unwrap(json_t *array, json_t **ret, struct json_text_error *error)
{
	if (json_array_size(array) != ELEMENTS) {
		*error = (struct json_text_error){.line = 1};
		return fail(error, json_error_end_of_input_expected, "not exactly one value");
	}
	*ret = json_incref(json_array_get(array, DOCUMENT));
	return 0;
}

int json_text_parse(const char *text, size_t size, json_t **ret, struct json_text_error *error)
{
	struct source source = {.text = text, .size = size, .zeros = zeros_for(size)};

	json_error_t failure;

	errno = 0;
	json_t *array = json_load_callback(feed, &source, JSON_REJECT_DUPLICATES, &failure);
	if (array == NULL && (source.is_short || errno == ENOMEM))
		return -ENOMEM;
	if (array == NULL)
		return invalid(&source, &failure, error);
	int r = unwrap(array, ret, error);
	json_decref(array);
	return r;
}

/* --- printing -------------------------------------------------------------------------------------------------- */

struct output {
	char *text; /* owned */
	size_t used, room;
	bool is_short; /* of memory: something is missing */
};

/* Keeps room for a NUL. */
static int collect(const char *text, size_t size, void *user)
{
	struct output *output = user;

	if (size >= output->room - output->used) {
		size_t room = 2 * output->room + size;
		char *larger = output->is_short ? NULL : realloc(output->text, room);
		output->is_short = larger == NULL;
		if (larger == NULL)
			return -1;
		output->text = larger;
		output->room = room;
	}
	memcpy(output->text + output->used, text, size);
	output->used += size;
	return 0;
}

char *json_text_print(const json_t *json, size_t flags, size_t *ret_size)
{
	enum { FIRST_ROOM = 256 };
	struct output output = {.text = malloc(FIRST_ROOM), .room = FIRST_ROOM};

	if (output.text == NULL || json_dump_callback(json, collect, &output, flags) < 0 || output.is_short) {
		free(output.text);
		return NULL;
	}
	output.text[output.used] = '\0';
	if (ret_size != NULL)
		*ret_size = output.used;
	return output.text;
}
