/* languages.h: the languages this service offers, from the policies. Read-only once open; any thread. */
#pragma once

#include "sandbox/policy/policy.h"

#include <jansson.h>

struct languages;

/* Loads every policy below POLICIES_DIR and keeps those of kind POLICY_LANGUAGE; none is an error (-ENOENT). */
int languages_open(const char *policies_dir, struct languages **ret, struct sandbox_error *err);
struct languages *languages_close(struct languages *languages); /* accepts NULL, returns NULL */

/* The language called NAME (its id or an alias, without regard to case), borrowed; NULL: unsupported. Its `name` is
 * the normalised id. */
const struct policy *languages_find(const struct languages *languages, const char *name);

size_t languages_count(const struct languages *languages);
const struct policy *languages_at(const struct languages *languages, size_t index);

/* {"languages": [{"id": "cpp", "name": "C++17 (g++)", "version": …, "aliases": […], "fileName": "main.cpp",
 *   "isCompiled": true, "limits": {"cpu_usec": {"default": …, "maximum": …}, …}}, …]}: the limits are the run step's.
 * Owned by the caller; NULL: no memory. */
json_t *languages_json(const struct languages *languages);
/* ["cpp", "go"]: for the refusal of an unsupported one. */
json_t *languages_ids(const struct languages *languages);
