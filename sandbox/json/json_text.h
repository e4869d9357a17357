/* json_text.h: from JSON text to a tree and back, also when memory runs out. A shared leaf. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Where and what is wrong. */
struct json_text_error {
	enum json_error_code code;
	int line, column; /* from 1 on */
	size_t position;  /* in bytes */
	char text[JSON_ERROR_TEXT_LENGTH];
};

enum { JSON_TEXT_INVALID = 1 };

/* Exactly one value of any type. What jansson refuses (invalid UTF-8, NULs, nesting beyond 2047 levels, numbers beyond
 * their types) is refused, and a key twice in one object. *RET is owned by the caller (json_decref). 0;
 * JSON_TEXT_INVALID with ERROR filled; -ENOMEM. */
int json_text_parse(const char *text, size_t size, json_t **ret, struct json_text_error *error);

/* The text of JSON, an object or an array, with jansson's FLAGS; NUL-terminated, its length without the NUL in *RET_SIZE
 * (NULL: not wanted). Owned by the caller. NULL: no memory; so does a JSON that is NULL. */
char *json_text_print(const json_t *json, size_t flags, size_t *ret_size);
