/* Case 52: the host's clock is stepped while a run is going on. Here it is stepped at every look: this program has its own
 * clock_gettime, time and gettimeofday, which the engine, the launcher and the cells' inits call as it is linked into one
 * program with them. The clocks that cannot be stepped stay as they are; durations and deadlines must rest on those. */
#include "tests/lib/cell.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { STEP_SEC = 100000 };

static atomic_uint looks;

/* A day and more, forwards and backwards by turns. */
static time_t stepped(time_t now)
{
	unsigned n = atomic_fetch_add(&looks, 1);

	return now + (n % 2 ? -1 : 1) * (time_t)(n + 1) * STEP_SEC;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI))
		ret->tv_sec = stepped(ret->tv_sec);
	return r;
}

time_t time(time_t *ret)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (ret != NULL)
		*ret = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}

/* Whatever was measured is nearer to nothing than to one step. */
static void expect_small(const struct cell *cell)
{
	const struct sandbox_phases *phases = &cell->result.phases;
	const uint64_t step_nsec = UINT64_C(1000000000) * STEP_SEC;

	cell_expect(cell, cell->result.wall_usec < step_nsec / 1000);
#define X(field) cell_expect(cell, phases->field##_nsec < step_nsec);
	SANDBOX_PHASE_TABLE(X)
#undef X
}

START_TEST(the_clock_of_this_program_is_stepped_indeed)
{
	time_t a = time(NULL), b = time(NULL);

	ck_assert_int_gt(a - b > 0 ? a - b : b - a, STEP_SEC);
}
END_TEST

START_TEST(durations_are_what_they_were)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "work sleep 300");
	cell_expect_exit(cell, 0);
	cell_expect(cell, cell->result.wall_usec >= 300000);
	expect_small(cell);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(a_deadline_neither_comes_early_nor_never)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "attack_ways wait poll",
						   .limits = {.wall_usec = 400000}});
	cell_expect_cause(cell, SANDBOX_WALL_LIMIT);
	cell_expect(cell, cell->result.wall_usec >= 400000);
	expect_small(cell);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(the_cpu_limit_does_not_look_at_the_clock)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "work burn 60000",
						   .limits = {.cpu_usec = 200000}});
	cell_expect_cause(cell, SANDBOX_CPU_LIMIT);
	cell_expect(cell, cell->result.cpu_usec >= 200000);
	expect_small(cell);
	cell_free(cell);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("clock", 60, tcase_add_test(tc, the_clock_of_this_program_is_stepped_indeed);
	     tcase_add_test(tc, durations_are_what_they_were);
	     tcase_add_test(tc, a_deadline_neither_comes_early_nor_never);
	     tcase_add_test(tc, the_cpu_limit_does_not_look_at_the_clock))
