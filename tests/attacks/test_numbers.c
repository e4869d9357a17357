/* Every system call number from 0 to 1023, made from inside a cell with zero arguments, is answered by the kernel as
 * the profile says: the refused ones with their errno, the forbidden ones by ending the run. (bubblewrap's try-syscall
 * and sandbox2's bpf_evaluator are the models.) */
#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"
#include "tests/lib/cell.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

enum { NUMBERS = 1024, BATCH = 200 };

/* Linux 6.14: these two pass every filter, and are a fault outside of a probe's trampoline. */
static bool is_seen_by_filters(int nr)
{
	return nr != 335 && nr != 336;
}

static uint32_t answer(const struct cell_host *host, const char *policy, int nr)
{
	const struct policy *found = policy_find(sandbox_policies(cell_sandbox(host)), policy);
	const struct seccomp_data data = {.nr = nr, .arch = AUDIT_ARCH_X86_64};

	ck_assert_ptr_nonnull(found);
	return filter_evaluate(&found->steps[SANDBOX_RUN].filter, &data);
}

/* argv of one batch of the numbers that the profile refuses with an errno, from *NEXT on. */
static size_t fill_batch(const struct cell_host *host, const char *policy, int *next, char text[BATCH][12],
	const char *argv[BATCH + 3])
{
	size_t n = 0;

	argv[0] = "/box/attack_calls";
	argv[1] = "numbers";
	for (; *next < NUMBERS && n < BATCH; (*next)++) {
		if (!is_seen_by_filters(*next) ||
			(answer(host, policy, *next) & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO)
			continue;
		(void)snprintf(text[n], sizeof(text[n]), "%d", *next);
		argv[2 + n] = text[n];
		n++;
	}
	argv[2 + n] = NULL;
	return n;
}

static const char *const policies[] = {"attack-run", "attack-compile", "attack-command"};

START_TEST(refused_numbers_get_the_errno_of_the_profile)
{
	static char text[BATCH][12];
	const char *argv[BATCH + 3];
	size_t n, all = 0;
	int next = 0;

	CELL_OPEN(host, policies[_i]);
	while ((n = fill_batch(host, policies[_i], &next, text, argv)) > 0) {
		struct cell *cell = cell_run(host,
			&(struct cell_plan){.policy = policies[_i], .probe = "attack_calls", .argv = argv});
		cell_expect_exit(cell, 0);
		for (size_t i = 0; i < n; i++) {
			int nr = (int)strtol(text[i], NULL, 10);
			uint32_t value = answer(host, policies[_i], nr) & SECCOMP_RET_DATA;
			char wanted[64];
			(void)snprintf(wanted, sizeof(wanted), "%d=%s\n", nr,
				value == 0 ? "OK" : strerrorname_np((int)value));
			const char *line = strstr(cell->out.text, wanted);
			ck_assert_msg(line != NULL && (line == cell->out.text || line[-1] == '\n'),
				"expected %s of %s; %s", wanted, policies[_i], cell_describe(cell));
		}
		all += n;
		cell_free(cell);
	}
	ck_assert_uint_gt(all, 700); /* the list of allowed calls is the short one */
	cell_close(host);
}
END_TEST

START_TEST(forbidden_numbers_end_the_run_with_their_name)
{
	unsigned forbidden = 0;

	CELL_OPEN(host, policies[_i]);
	for (int nr = 0; nr < NUMBERS; nr++) {
		if (!is_seen_by_filters(nr) ||
			(answer(host, policies[_i], nr) & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_USER_NOTIF)
			continue;
		char command[64], name[32];
		(void)snprintf(command, sizeof(command), "attack_calls numbers %d", nr);
		filter_syscall_name(AUDIT_ARCH_X86_64, nr, name, sizeof(name));
		struct cell *cell =
			cell_run(host, &(struct cell_plan){.policy = policies[_i], .command = command});
		cell_expect_cause(cell, SANDBOX_FORBIDDEN_SYSCALL);
		cell_expect(cell, cell->result.syscall_nr == nr);
		ck_assert_str_eq(cell->result.syscall_name, name);
		cell_free(cell);
		forbidden++;
	}
	ck_assert_uint_ge(forbidden, 20);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("numbers", 120,
	     tcase_add_loop_test(tc, refused_numbers_get_the_errno_of_the_profile, 0, ARRAY_SIZE(policies));
	     tcase_add_loop_test(tc, forbidden_numbers_end_the_run_with_their_name, 0, ARRAY_SIZE(policies)))
