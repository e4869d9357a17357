/* Loading policies: out of memory it is said, nothing is kept, and what loads all the same is what loads otherwise. */
#include "sandbox/policy/policy.h"
#include "tests/torture/torture.h"

#include <errno.h>
#include <string.h>

enum { ONE_STRIDE = 17, SHIPPED_STRIDE = 499 };

static uint64_t sum(uint64_t seed, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		seed = (seed ^ at[i]) * UINT64_C(0x100000001b3);
	return seed;
}

/* Over names and programs: an allocation that fails must not make a filter another one. */
static uint64_t sum_of(const struct policy_set *set)
{
	uint64_t value = 0;

	for (size_t i = 0; i < set->npolicies; i++)
		for (int id = 0; id < SANDBOX_STEP_N; id++) {
			const struct policy *policy = set->policies[i];
			const struct filter_program *filter = &policy->steps[id].filter;
			value = sum(value, policy->name, strlen(policy->name));
			value = sum(value, filter->insns, filter->len * sizeof(filter->insns[0]));
		}
	return value;
}

static void load_in_turn(const char *dir, const char *only, unsigned long stride)
{
	uint64_t wanted = 0;

	TORTURE_EACH(turn, stride)
	{
		struct policy_set *set = NULL;
		struct sandbox_error err = {0};
		torture_arm(&turn);
		int r = policy_set_load(dir, only, &set, &err);
		torture_disarm(&turn);
		torture_check(&turn, r, &err);
		if (r < 0) {
			ck_assert_str_eq(err.stage, "policy");
			ck_assert_ptr_null(set);
			continue;
		}
		if (turn.n == 0)
			wanted = sum_of(set);
		ck_assert_uint_eq(sum_of(set), wanted);
		(void)policy_set_free(set);
	}
}

static const char small_profile[] =
	"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"execve\",\"read\"],\"action\":"
	"\"SCMP_ACT_ALLOW\"},{\"names\":[\"ioctl\"],\"action\":\"SCMP_ACT_ERRNO\",\"errno\":\"ENOTTY\","
	"\"args\":[{\"index\":1,\"value\":7,\"op\":\"SCMP_CMP_NE\"}],\"includes\":{\"minKernel\":\"4.8\"}}]}";

START_TEST(a_profile_compiles_to_the_same_program_or_not_at_all)
{
	struct filter_program wanted = {0};

	TORTURE_EACH(turn, 1)
	{
		struct filter_program program = {0};
		struct sandbox_error err = {0};
		torture_arm(&turn);
		int r = filter_compile("p.json", small_profile, strlen(small_profile), &program, &err);
		torture_disarm(&turn);
		torture_check(&turn, r, &err);
		if (r < 0) {
			ck_assert_ptr_null(program.insns);
			continue;
		}
		if (wanted.insns == NULL) {
			wanted = program;
			continue;
		}
		ck_assert_uint_eq(program.len, wanted.len);
		ck_assert_mem_eq(program.insns, wanted.insns, wanted.len * sizeof(wanted.insns[0]));
		filter_free(&program);
	}
	filter_free(&wanted);
}
END_TEST

START_TEST(one_policy_with_its_profile)
{
	load_in_turn(DEFAULT_POLICIES_DIR, "default", ONE_STRIDE);
}
END_TEST

START_TEST(all_shipped_policies)
{
	load_in_turn(DEFAULT_POLICIES_DIR, NULL, SHIPPED_STRIDE);
}
END_TEST

TEST_PROGRAM(
	"torture of policies", 3600, tcase_add_test(tc, a_profile_compiles_to_the_same_program_or_not_at_all);
	tcase_add_test(tc, one_policy_with_its_profile); tcase_add_test(tc, all_shipped_policies))
