#include "sandbox/verify/site.h"

#include <stdio.h>
#include <string.h>

static bool same_strings(char *const *a, char *const *b)
{
	size_t i = 0;

	while (a[i] != NULL && b[i] != NULL && strcmp(a[i], b[i]) == 0)
		i++;
	return a[i] == b[i];
}

/* The environment is left out: it is data for the program, and a row of its own looks at each step's. */
static bool same_cell(const struct policy_step *a, const struct policy_step *b)
{
	return strcmp(a->image, b->image) == 0 && strcmp(a->profile, b->profile) == 0 &&
	       a->has_proc == b->has_proc && a->can_execute_files == b->can_execute_files &&
	       a->can_make_memory_executable == b->can_make_memory_executable &&
	       same_strings(a->writable, b->writable);
}

static unsigned kind_of(const struct policy *policy, enum sandbox_step step)
{
	if (policy->kind == POLICY_COMMAND)
		return SITE_COMMAND;
	return step == SANDBOX_COMPILE ? SITE_COMPILE : SITE_RUN;
}

static void add_name(struct site *site, const struct policy *policy, enum sandbox_step step)
{
	size_t used = strlen(site->name);

	(void)snprintf(site->name + used, sizeof(site->name) - used, "%s%s.%s", used > 0 ? ", " : "",
		policy->name, sandbox_step_name(step));
}

static size_t add_step(struct site *sites, size_t n, const struct policy *policy, enum sandbox_step step)
{
	const struct policy_step *body = &policy->steps[step];
	unsigned kind = kind_of(policy, step);
	size_t i = 0;

	while (i < n && (sites[i].kind != kind || !same_cell(sites[i].body, body)))
		i++;
	if (i == n) {
		sites[n] = (struct site){.step = step, .body = body, .kind = kind};
		(void)snprintf(sites[n].variant, sizeof(sites[n].variant), "%s@%s", policy->name,
			sandbox_step_name(step));
		n++;
	}
	sites[i].policies[sites[i].npolicies++] = policy;
	add_name(&sites[i], policy, step);
	return n;
}

size_t site_list(const struct policy_set *set, struct site *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < set->npolicies; i++)
		for (int step = 0; step < SANDBOX_STEP_N; step++)
			if (set->policies[i]->steps[step].is_present &&
				strchr(set->policies[i]->name, '@') == NULL)
				n = add_step(ret, n, set->policies[i], (enum sandbox_step)step);
	return n;
}

const struct policy *site_policy(const struct site *site, const char *name)
{
	for (size_t i = 0; i < site->npolicies; i++)
		if (strcmp(site->policies[i]->name, name) == 0)
			return site->policies[i];
	return NULL;
}
