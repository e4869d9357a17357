/* check.c: `cofferdam check`: are all policies and profiles as they must be? */
#include "sandbox/cli/cli.h"
#include "sandbox/policy/policy.h"

struct check_options {
	const char *policies_dir;
};

static const struct config_row rows[] = {
	{"POLICIES_DIR", CONFIG_STRING, offsetof(struct check_options, policies_dir), 1, 4000,
		DEFAULT_POLICIES_DIR, "policies and seccomp profiles"},
};

static const char usage[] = "cofferdam check [options]\n"
			    "Loads and validates every policy and profile. Exit status 1: one is wrong.\n";

static void print_policy(const struct policy *policy)
{
	static const char *const steps[] = {[SANDBOX_COMPILE] = "compile", [SANDBOX_RUN] = "run"};

	(void)printf("ok  %-12s %-20s", policy->name, policy->title);
	for (size_t i = 0; i < SANDBOX_STEP_N; i++) {
		const struct policy_step *step = &policy->steps[i];
		if (step->is_present)
			(void)printf("  %s: image %s, seccomp %s (%u instructions)", steps[i], step->image,
				step->profile, (unsigned)step->filter.len);
	}
	(void)putchar('\n');
}

int command_check(int argc, char *argv[])
{
	struct check_options options;
	struct policy_set *set = NULL;
	struct sandbox_error err = {0};
	int next;

	int r = config_parse(rows, ARRAY_SIZE(rows), &options, argc, argv, usage, stdout, &next, &err);
	if (r == CONFIG_HELP)
		return 0;
	if (r == 0 && next < argc)
		r = error_set(&err, EINVAL, "usage", "unexpected argument: %.64s", argv[next]);
	if (r < 0)
		return cli_complain(&err);
	if (policy_set_load(options.policies_dir, NULL, &set, &err) < 0) {
		(void)fprintf(stderr, "cofferdam: %s\n", err.message);
		return 1;
	}
	for (size_t i = 0; i < set->npolicies; i++)
		print_policy(set->policies[i]);
	set = policy_set_free(set);
	return 0;
}
