/* test_priority.c: the places that the engine's thread takes in the scheduler, and gives back. */
#include "sandbox/base/priority.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <sched.h>

START_TEST(the_first_place_is_given_back_and_no_child_inherits_it)
{
	struct priority was, again, inner;

	ck_assert_int_eq(priority_plain(), 0);
	if (priority_first(&was) < 0 && errno == EPERM)
		TEST_SKIP("needs CAP_SYS_NICE");
	ck_assert_int_eq(sched_getscheduler(0), SCHED_FIFO | SCHED_RESET_ON_FORK);
	ck_assert_int_eq(priority_visit_cpus(&was), 0);
	ck_assert_int_eq(priority_first(&inner), 0);
	ck_assert_uint_eq(inner.attributes.policy, SCHED_FIFO);
	/* Where there is more than one, it is held on the last that it visited. */
	ck_assert_int_eq(CPU_COUNT(&inner.cpus), 1);
	ck_assert_int_eq(priority_restore(&was), 0);
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	ck_assert_int_eq(priority_first(&again), 0);
	ck_assert(CPU_EQUAL(&was.cpus, &again.cpus));
	ck_assert_mem_eq(&was.attributes, &again.attributes, sizeof(was.attributes));
	ck_assert_int_eq(priority_restore(&was), 0);
}
END_TEST

TEST_PROGRAM("priority", 10, tcase_add_test(tc, the_first_place_is_given_back_and_no_child_inherits_it))
