/* parse.h: one policy file in memory, for the loader, tests and fuzzers. */
#pragma once

#include "sandbox/policy/policy.h"

#include <stddef.h>

/* Parses and validates the policy in TEXT, all but its seccomp programs (step.profile names them; step.filter stays
 * empty). WHERE ("languages/cpp.json") starts every message; NAME is what the file's name says the policy's is.
 * *RET is owned by the caller (policy_free), written only on success. 0, -EINVAL or -ENOMEM. */
int policy_parse(enum policy_kind kind, const char *where, const char *name, const char *text, size_t size,
	struct policy **ret, struct sandbox_error *err);

/* Frees the policy and its filters. Accepts NULL; returns NULL. */
struct policy *policy_free(struct policy *policy);

/* Is NAME fit for a policy, an image or a profile: [a-z0-9-], 1..MAX bytes, not starting with '-'? */
bool policy_name_ok(const char *name, size_t max);

/* step.c: one step of a policy, for parse.c. */
struct document_at;

/* STEP (zeroed; freed by policy_free in any case) from the object AT. 0, -EINVAL or -ENOMEM. */
int policy_parse_step(
	const struct document_at *at, enum policy_kind kind, enum sandbox_step id, struct policy_step *step);
void policy_step_free(struct policy_step *step);
