/* site.h: where attacks are tried: in the place of each step of the deployed policies, in a cell that is made exactly as
 * the step's is (policy_set_add_variants). Steps whose cells cannot be told apart from within are one site. */
#pragma once

#include "sandbox/policy/policy.h"

enum {
	SITE_RUN = 1,	  /* a language's run step */
	SITE_COMPILE = 2, /* a language's compile step */
	SITE_COMMAND = 4, /* a command policy */
	SITE_BOTH = SITE_RUN | SITE_COMPILE,
	SITE_ALL = SITE_RUN | SITE_COMPILE | SITE_COMMAND,
	SITES_MAX = 2 * BOUND_POLICIES,
};

struct site {
	/* The policies whose steps are this site; borrowed from the set. The first one stands for it: BODY is its step. */
	const struct policy *policies[BOUND_POLICIES];
	size_t npolicies;
	enum sandbox_step step;
	const struct policy_step *body;
	unsigned kind;	  /* one of SITE_RUN, SITE_COMPILE, SITE_COMMAND */
	char variant[80]; /* "cpp@run": the policy that runs attacks here */
	char name[160];	  /* "cpp.run, go.run": all of them */
};

/* The sites of a set (its variants left out), in the order of its policies, at most SITES_MAX. Returns how many. */
size_t site_list(const struct policy_set *set, struct site *ret);

/* The policy of that name if its step is this site; else NULL. */
const struct policy *site_policy(const struct site *site, const char *name);
