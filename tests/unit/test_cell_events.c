/* test_cell_events.c: what a cell's init says to the engine. An init that a job has taken over may say anything, in any order. */
#include "sandbox/base/fd.h"
#include "sandbox/engine/engine.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#define NSEC_PER_MSEC UINT64_C(1000000)

struct scene {
	struct sandbox sandbox;
	struct cell cell;
	struct sandbox_run run;
};

/* A run whose plan is on its way. Whatever would reach the kernel finds no descriptor; nobody waits for a report. */
static struct scene *begin(void)
{
	static struct scene scene;
	const struct watch idle = {
		.fd = -1, .sandbox = &scene.sandbox, .run = &scene.run, .cell = &scene.cell};
	const struct pump closed = {.from = -1, .to = -1, .from_watch = idle, .to_watch = idle};

	scene = (struct scene){
		.sandbox = {.epoll_fd = -1, .timer_fd = -1},
		.cell = {.sandbox = &scene.sandbox,
			.run = &scene.run,
			.control_fd = -1,
			.pidfd = -1,
			.pidfd_watch = idle},
		.run = {.sandbox = &scene.sandbox,
			.cell = &scene.cell,
			.state = RUN_BUILDING,
			.limits = {.cpu_usec = 1000000, .wall_usec = 1000000},
			.has_evidence = true,
			.pumps = {closed, closed}},
	};
	return &scene;
}

static void say(struct scene *scene, struct wire_event event)
{
	run_cell_said(&scene->run, &event);
}

START_TEST(what_is_said_out_of_turn_ends_the_run)
{
	static const struct {
		enum run_state state;
		uint32_t said;
	} rows[] = {
		{RUN_BUILDING, WIRE_READY}, /* its plan is sent */
		{RUN_BUILDING, WIRE_FORBIDDEN},
		{RUN_BUILDING, WIRE_ENDED},
		{RUN_BUILDING, WIRE_COLLECTED},
		{RUN_RUNNING, WIRE_READY},
		{RUN_RUNNING, WIRE_STARTED},
		{RUN_RUNNING, WIRE_COLLECTED},
		{RUN_ENDING, WIRE_READY},
		{RUN_ENDING, WIRE_STARTED},
		{RUN_ENDING, WIRE_FORBIDDEN},
		{RUN_ENDING, WIRE_ENDED},
		{RUN_RUNNING, WIRE_FAILED + 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct scene *scene = begin();
		scene->run.state = rows[i].state;
		say(scene, (struct wire_event){.type = rows[i].said});
		ck_assert_int_eq(scene->run.state, RUN_KILLED);
		ck_assert_int_eq(scene->run.error.errno_value, EPROTO);
	}
}
END_TEST

START_TEST(a_run_starts_once_even_when_it_was_killed)
{
	struct scene *scene = begin();
	const struct wire_event early = {
		.type = WIRE_STARTED, .at_nsec = NSEC_PER_MSEC, .setup_cpu_nsec = NSEC_PER_MSEC};
	const struct wire_event late = {
		.type = WIRE_STARTED, .at_nsec = 9 * NSEC_PER_MSEC, .setup_cpu_nsec = NSEC_NEVER};

	say(scene, early);
	ck_assert_int_eq(scene->run.state, RUN_RUNNING);
	run_kill(&scene->run, SANDBOX_CPU_LIMIT);
	say(scene, late);
	ck_assert_int_eq(scene->run.error.errno_value, 0);
	ck_assert_uint_eq(scene->run.started_nsec, NSEC_PER_MSEC);
	ck_assert_uint_eq(scene->run.setup_cpu_usec, 1000);
}
END_TEST

START_TEST(little_is_taken_off_for_an_end)
{
	const struct {
		uint64_t said_msec, taken_msec;
	} rows[] = {{1, 1}, {11, 11}, {21, 21}, {22, 21}, {1000, 21}, {0, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct scene *scene = begin();
		say(scene, (struct wire_event){.type = WIRE_STARTED,
				   .at_nsec = NSEC_PER_MSEC,
				   .setup_cpu_nsec = NSEC_PER_MSEC});
		say(scene, (struct wire_event){.type = WIRE_ENDED,
				   .at_nsec = 2 * NSEC_PER_MSEC,
				   .setup_cpu_nsec = rows[i].said_msec * NSEC_PER_MSEC});
		ck_assert_int_eq(scene->run.state, RUN_GONE);
		ck_assert_uint_eq(scene->run.setup_cpu_usec, rows[i].taken_msec * 1000);
	}
}
END_TEST

/* Ten events of every order that a small generator makes; what the engine makes of them may be anything but a crash. */
START_TEST(no_order_of_events_is_the_engines_end)
{
	uint32_t state = 1;

	for (int i = 0; i < 20000; i++) {
		struct scene *scene = begin();
		for (int n = 0; n < 10 && scene->run.cell != NULL; n++) {
			struct wire_event event;
			for (size_t at = 0; at < sizeof(event) / sizeof(uint32_t); at++) {
				state = state * 1664525 + 1013904223;
				memcpy((char *)&event + at * sizeof(state), &state, sizeof(state));
			}
			event.type = (event.type >> 16) % (WIRE_FAILED + 2);
			say(scene, event);
		}
		ck_assert_int_le(scene->run.state, RUN_GONE);
		ck_assert_uint_eq(scene->run.error.stage[sizeof(scene->run.error.stage) - 1], 0);
	}
}
END_TEST

TEST_PROGRAM("cell_events", 60, tcase_add_test(tc, what_is_said_out_of_turn_ends_the_run);
	     tcase_add_test(tc, a_run_starts_once_even_when_it_was_killed);
	     tcase_add_test(tc, little_is_taken_off_for_an_end);
	     tcase_add_test(tc, no_order_of_events_is_the_engines_end))
