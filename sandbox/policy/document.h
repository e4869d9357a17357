/* document.h: reads the administrator's JSON with messages that name file, key and reason.
 *
 * A `struct document_at` is a value together with the way to it; one per level lives on the reader's stack, so a message
 * can spell the whole key ("seccomp/native.json: syscalls[3].args[0].op: …") without any bookkeeping. */
#pragma once

#include "sandbox/base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct document_at {
	const char *where;		  /* file, as messages show it */
	const struct document_at *parent; /* NULL at the top */
	const char *key;		  /* NULL: an element of an array, or the top */
	size_t index;
	json_t *value; /* borrowed; NULL: the key is absent */
	struct sandbox_error *err;
};

/* Parses TEXT: duplicate keys, NULs in strings and trailing text are errors. *RET is owned by the caller (json_decref).
 * 0, -EINVAL or -ENOMEM. */
int document_parse(const char *where, const char *text, size_t size, json_t **ret, struct sandbox_error *err);

/* Fills ERR with "file: key: reason" and returns -EINVAL. */
int document_fail(const struct document_at *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define document_fail(...) error_is_negative((document_fail)(__VA_ARGS__))

/* AT is an object whose keys are all in the NULL-terminated KNOWN. 0 or -EINVAL. */
int document_object(const struct document_at *at, const char *const *known);

/* AT is an array of at most MAX elements; its length or -EINVAL. */
ssize_t document_array(const struct document_at *at, size_t max);

/* The member KEY of AT, an object. JSON's null counts as absent: Docker writes it for empty lists. */
struct document_at document_member(const struct document_at *at, const char *key);
/* The element INDEX of AT, an array. */
struct document_at document_element(const struct document_at *at, size_t index);

/* Readers of one value, which must be there. *RET of document_string is borrowed from the tree; MIN and MAX count its
 * bytes. 0 or -EINVAL. */
int document_string(const struct document_at *at, size_t min, size_t max, const char **ret);
/* A string that must be one of N names; its index, or -EINVAL ("… is no WHAT"). */
int document_name(const struct document_at *at, const char *const *names, size_t n, const char *what);
int document_number(const struct document_at *at, uint64_t min, uint64_t max, uint64_t *ret);
int document_bool(const struct document_at *at, bool *ret);

/* The member "comment" of AT, an object: text for people, which may be missing. 0 or -EINVAL. */
int document_comment(const struct document_at *at);

/* As document_string, into a fresh copy that the caller owns. 0, -EINVAL or -ENOMEM. */
int document_copy(const struct document_at *at, size_t min, size_t max, char **ret);

/* A NULL-terminated copy of an array of at most MAX strings of 0..MAX_BYTES bytes; an absent array is empty. Owned by
 * the caller (document_strings_free). 0, -EINVAL or -ENOMEM. */
int document_strings(const struct document_at *at, size_t max, size_t max_bytes, char ***ret);
char **document_strings_free(char **strings); /* accepts NULL, returns NULL */
