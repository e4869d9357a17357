/* check.c: `cofferdam check`: are all policies and profiles as they must be? */
#include "sandbox/cli/cli.h"
#include "sandbox/policy/policy.h"
#include "sandbox/verify/sweep.h"

#include <linux/audit.h>
#include <string.h>

struct check_options {
	const char *policies_dir, *syscalls;
};

static const struct config_row rows[] = {
	{"POLICIES_DIR", CONFIG_STRING, offsetof(struct check_options, policies_dir), 1, 4000,
		DEFAULT_POLICIES_DIR, "policies and seccomp profiles"},
	{"syscalls", CONFIG_STRING, offsetof(struct check_options, syscalls), 1, BOUND_POLICY_NAME, NULL,
		"print what this profile answers to each system call number"},
};

static const char usage[] =
	"cofferdam check [options]\n"
	"Loads and validates every policy and profile. Exit status 1: one is wrong, and the first such\n"
	"is named.\n";

static void print_policy(const struct policy *policy)
{
	(void)printf("ok  %-12s %-20s", policy->name, policy->title);
	for (size_t i = 0; i < SANDBOX_STEP_N; i++) {
		const struct policy_step *step = &policy->steps[i];
		if (step->is_present)
			(void)printf("  %s: image %s, seccomp %s (%u instructions)",
				sandbox_step_name((enum sandbox_step)i), step->image, step->profile,
				(unsigned)step->filter.len);
	}
	(void)putchar('\n');
}

/* --- --syscalls ------------------------------------------------------------------------------------------------ */

struct answers {
	struct sweep_answers zeros, ones;
};

/* Has libseccomp no name for NR? Then it is one of many that get the same answer. */
static bool is_nameless(int nr)
{
	char name[32];

	filter_syscall_name(AUDIT_ARCH_X86_64, nr, name, sizeof(name));
	return name[0] == '#';
}

static bool is_same(const struct answers *answers, int a, int b)
{
	return answers->zeros.values[a] == answers->zeros.values[b] &&
	       answers->ones.values[a] == answers->ones.values[b];
}

/* The line that begins with number FIRST; returns the number of the next. */
static int print_answers(const struct answers *answers, int first)
{
	char name[32], zero[16], one[16], range[32];
	int next = first + 1;

	filter_syscall_name(AUDIT_ARCH_X86_64, first, name, sizeof(name));
	while (is_nameless(first) && next < SWEEP_NUMBERS && is_nameless(next) &&
		is_same(answers, first, next))
		next++;
	if (next > first + 1)
		(void)snprintf(range, sizeof(range), "%d-%d", first, next - 1);
	else
		(void)snprintf(range, sizeof(range), "%d", first);
	sweep_answer_name(answers->zeros.values[first], zero, sizeof(zero));
	sweep_answer_name(answers->ones.values[first], one, sizeof(one));
	(void)printf("%-9s %-28s %-14s %s\n", range, is_nameless(first) ? "-" : name, zero, one);
	return next;
}

static const struct policy_step *find_step(const struct policy_set *set, const char *profile)
{
	for (size_t i = 0; i < set->npolicies; i++)
		for (size_t step = 0; step < SANDBOX_STEP_N; step++)
			if (set->policies[i]->steps[step].is_present &&
				strcmp(set->policies[i]->steps[step].profile, profile) == 0)
				return &set->policies[i]->steps[step];
	return NULL;
}

static int print_syscalls(const struct policy_set *set, const char *profile)
{
	const struct policy_step *step = find_step(set, profile);
	struct answers answers;

	if (step == NULL) {
		(void)fprintf(stderr, "cofferdam: no policy names a profile %.64s\n", profile);
		return 1;
	}
	sweep_ask(&step->filter, 0, &answers.zeros);
	sweep_ask(&step->filter, -1, &answers.ones);
	(void)printf("# What the profile %s answers to each system call (x86-64) when all arguments are 0, "
		     "and when\n"
		     "# all are -1. ends: the run ends as forbidden_syscall. Every call of the x32 and the "
		     "32-bit\n"
		     "# table ends it, too. Linux lets 335 (since 6.14) and 336 (since 6.18) pass every "
		     "filter; they "
		     "do\n# nothing outside of a probe.\n",
		profile);
	for (int nr = 0; nr < SWEEP_NUMBERS;)
		nr = print_answers(&answers, nr);
	return 0;
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
	for (size_t i = 0; options.syscalls == NULL && i < set->npolicies; i++)
		print_policy(set->policies[i]);
	int status = options.syscalls != NULL ? print_syscalls(set, options.syscalls) : 0;
	set = policy_set_free(set);
	return status;
}
