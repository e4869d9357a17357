/* test_verdict.c: every cause from the evidence that proves it, and the order among several. */
#include "sandbox/engine/verdict.h"
#include "tests/lib/test.h"

#include <signal.h>
#include <string.h>

#define EXITED(code) ((code) << 8)

static const struct sandbox_limits limits = {
	.cpu_usec = 1000000,
	.wall_usec = 2000000,
	.output_bytes = 100,
};

static struct sandbox_result decide(struct verdict_facts facts)
{
	struct sandbox_result result = {0};
	ck_assert(verdict_decide(&facts, &limits, &result));
	return result;
}

#define assert_result(result, want_cause, want_code, want_signal)                                            \
	do {                                                                                                 \
		struct sandbox_result got_ = (result);                                                       \
		ck_assert_str_eq(sandbox_cause_name(got_.cause), sandbox_cause_name(want_cause));            \
		ck_assert_int_eq(got_.exit_code, want_code);                                                 \
		ck_assert_int_eq(got_.signal, want_signal);                                                  \
	} while (0)

START_TEST(every_exit_code_is_told)
{
	for (int code = 0; code < 256; code++)
		assert_result(decide((struct verdict_facts){.has_ended = true, .status = EXITED(code)}),
			SANDBOX_EXITED, code, 0);
}
END_TEST

START_TEST(a_signal_without_a_limit_is_the_programs_own)
{
	static const int signals[] = {SIGKILL, SIGSEGV, SIGXCPU, SIGSYS, SIGTERM, 64};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_result(decide((struct verdict_facts){.has_ended = true, .status = signals[i]}),
			SANDBOX_SIGNALED, -1, signals[i]);
}
END_TEST

START_TEST(sigxfsz_is_the_file_limit)
{
	assert_result(decide((struct verdict_facts){.has_ended = true, .status = SIGXFSZ}),
		SANDBOX_FILE_LIMIT, -1, SIGXFSZ);
}
END_TEST

START_TEST(a_limit_is_passed_one_beyond_it_not_at_it)
{
	struct verdict_facts at = {
		.has_ended = true, .cpu_usec = 1000000, .wall_usec = 2000000, .output_bytes = 100};
	struct verdict_facts cpu = at, wall = at, output = at;
	cpu.cpu_usec++;
	wall.wall_usec++;
	output.output_bytes++;

	assert_result(decide(at), SANDBOX_EXITED, 0, 0);
	assert_result(decide(cpu), SANDBOX_CPU_LIMIT, -1, 0);
	assert_result(decide(wall), SANDBOX_WALL_LIMIT, -1, 0);
	assert_result(decide(output), SANDBOX_OUTPUT_LIMIT, -1, 0);
}
END_TEST

START_TEST(counters_speak_even_when_the_target_exited_with_zero)
{
	assert_result(decide((struct verdict_facts){.has_ended = true, .oom_kills = 1}), SANDBOX_MEMORY_LIMIT,
		-1, 0);
	assert_result(decide((struct verdict_facts){.has_ended = true, .forks_refused = 1}),
		SANDBOX_PROCESS_LIMIT, -1, 0);
	assert_result(decide((struct verdict_facts){.has_ended = true, .is_forbidden = true}),
		SANDBOX_FORBIDDEN_SYSCALL, -1, 0);
}
END_TEST

START_TEST(what_the_engine_acted_upon_comes_first)
{
	struct verdict_facts facts = {
		.is_killed = true,
		.kill_reason = SANDBOX_WALL_LIMIT,
		.oom_kills = 1,
		.forks_refused = 1,
		.cpu_usec = 5000000,
	};
	assert_result(decide(facts), SANDBOX_WALL_LIMIT, -1, SIGKILL);
}
END_TEST

START_TEST(among_counters_the_order_is_fixed)
{
	struct verdict_facts facts = {
		.has_ended = true,
		.is_forbidden = true,
		.oom_kills = 1,
		.forks_refused = 1,
		.output_bytes = 101,
		.cpu_usec = 5000000,
		.wall_usec = 5000000,
	};
	assert_result(decide(facts), SANDBOX_FORBIDDEN_SYSCALL, -1, 0);
	facts.is_forbidden = false;
	assert_result(decide(facts), SANDBOX_MEMORY_LIMIT, -1, 0);
	facts.oom_kills = 0;
	assert_result(decide(facts), SANDBOX_PROCESS_LIMIT, -1, 0);
	facts.forks_refused = 0;
	assert_result(decide(facts), SANDBOX_OUTPUT_LIMIT, -1, 0);
	facts.output_bytes = 0;
	assert_result(decide(facts), SANDBOX_CPU_LIMIT, -1, 0);
	facts.cpu_usec = 0;
	assert_result(decide(facts), SANDBOX_WALL_LIMIT, -1, 0);
}
END_TEST

START_TEST(init_killed_by_the_oom_killer_is_the_jobs_doing)
{
	assert_result(decide((struct verdict_facts){.oom_kills = 1}), SANDBOX_MEMORY_LIMIT, -1, SIGKILL);
}
END_TEST

START_TEST(an_end_that_nothing_explains_is_the_hosts_fault)
{
	struct verdict_facts facts = {0};
	struct sandbox_result result = {0};
	ck_assert(!verdict_decide(&facts, &limits, &result));
}
END_TEST

START_TEST(every_cause_has_a_name)
{
	for (int cause = 0; cause < SANDBOX_CAUSE_N; cause++)
		ck_assert_ptr_nonnull(sandbox_cause_name(cause));
	ck_assert_ptr_null(sandbox_cause_name(SANDBOX_CAUSE_N));
}
END_TEST

TEST_PROGRAM("verdict", 30, tcase_add_test(tc, every_exit_code_is_told);
	     tcase_add_test(tc, a_signal_without_a_limit_is_the_programs_own);
	     tcase_add_test(tc, sigxfsz_is_the_file_limit);
	     tcase_add_test(tc, a_limit_is_passed_one_beyond_it_not_at_it);
	     tcase_add_test(tc, counters_speak_even_when_the_target_exited_with_zero);
	     tcase_add_test(tc, what_the_engine_acted_upon_comes_first);
	     tcase_add_test(tc, among_counters_the_order_is_fixed);
	     tcase_add_test(tc, init_killed_by_the_oom_killer_is_the_jobs_doing);
	     tcase_add_test(tc, an_end_that_nothing_explains_is_the_hosts_fault);
	     tcase_add_test(tc, every_cause_has_a_name))
