/* variant.c: each step once more, as a command policy: what `cofferdam verify` runs attacks in. */
#include "sandbox/base/fd.h"
#include "sandbox/policy/document.h"
#include "sandbox/policy/parse.h"

#include <string.h>

/* A copy of STRINGS, or of none when it is NULL; NULL: no memory. */
static char **copy_strings(char *const *strings)
{
	size_t n = 0;

	while (strings != NULL && strings[n] != NULL)
		n++;
	char **copy = calloc(n + 1, sizeof(*copy));
	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(strings[i]);
		if (copy[i] == NULL)
			return document_strings_free(copy);
	}
	return copy;
}

/* All that makes the cell is FROM's, but that it can execute a file of its own. What belongs to its argv, its input
 * and its product is not taken over. */
static int copy_step(const struct policy_step *from, struct policy_step *ret)
{
	*ret = *from;
	ret->extras = NULL;
	ret->nextras = 0;
	ret->collect = ret->input = NULL;
	ret->can_execute_files = true; /* the attack program lies in /box */
	ret->image = strdup(from->image);
	ret->profile = strdup(from->profile);
	ret->argv = copy_strings(NULL);
	ret->sources = copy_strings(NULL);
	ret->env = copy_strings(from->env);
	ret->writable = copy_strings(from->writable);
	ret->filter.insns = calloc(from->filter.len, sizeof(*ret->filter.insns));
	if (ret->filter.insns != NULL)
		memcpy(ret->filter.insns, from->filter.insns, from->filter.len * sizeof(*ret->filter.insns));
	bool is_complete = ret->image != NULL && ret->profile != NULL && ret->argv != NULL &&
			   ret->sources != NULL && ret->env != NULL && ret->writable != NULL &&
			   ret->filter.insns != NULL;
	return is_complete ? 0 : -ENOMEM;
}

/* NULL: no memory. */
static struct policy *make_variant(const struct policy *policy, enum sandbox_step step)
{
	struct policy *variant = calloc(1, sizeof(*variant));

	if (variant == NULL)
		return NULL;
	variant->kind = POLICY_COMMAND;
	variant->title = strdup(policy->title);
	variant->version = strdup(policy->version);
	variant->aliases = copy_strings(NULL);
	if (asprintf(&variant->name, "%s@%s", policy->name, sandbox_step_name(step)) < 0)
		variant->name = NULL;
	int r = copy_step(&policy->steps[step], &variant->steps[SANDBOX_RUN]);
	if (r < 0 || variant->title == NULL || variant->version == NULL || variant->aliases == NULL ||
		variant->name == NULL)
		return policy_free(variant);
	return variant;
}

int policy_set_add_variants(struct policy_set *set, struct sandbox_error *err)
{
	size_t n = set->npolicies;
	struct policy **list = reallocarray(set->policies, n + n * SANDBOX_STEP_N, sizeof(*list));

	if (list == NULL)
		return error_set(err, ENOMEM, "policy", "out of memory");
	set->policies = list;
	for (size_t i = 0; i < n; i++)
		for (int step = 0; step < SANDBOX_STEP_N; step++) {
			if (!list[i]->steps[step].is_present)
				continue;
			struct policy *variant = make_variant(list[i], (enum sandbox_step)step);
			if (variant == NULL)
				return error_set(err, ENOMEM, "policy", "out of memory");
			list[set->npolicies++] = variant;
		}
	return 0;
}
