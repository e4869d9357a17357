/* What running jobs have printed, for those who watch. */
#include "sandbox/base/fd.h"
#include "service/events_id.h"
#include "service/live.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <string.h>

#define ID "00000000-0000-4000-8000-000000000001"

static struct live *live;
static struct live_job *job;
static int output;
static struct live_chunk chunk;

static void step(enum sandbox_step which)
{
	output = fd_close(output);
	output = fd_memfd("output", NULL, 0);
	ck_assert_int_ge(output, 0);
	live_step(job, which, output);
}

static void begin(void)
{
	output = -1;
	ck_assert_int_eq(live_open(NULL, &live, NULL), 0);
	job = live_begin(live, ID, 1);
	ck_assert_ptr_nonnull(job);
	step(SANDBOX_RUN);
}

static void print_bytes(enum live_stream stream, const char *text, size_t size)
{
	ck_assert_int_eq(fd_write_all(output, text, size), 0);
	live_grow(job, stream, size);
}

static void print(enum live_stream stream, const char *text)
{
	print_bytes(stream, text, strlen(text));
}

static void end(void)
{
	live_end(TAKE_PTR(job));
	output = fd_close(output);
	live = live_close(live);
}

static void expect(struct live_job *watched, struct live_position *at, enum live_stream stream,
	uint64_t offset, const char *text)
{
	ck_assert_int_eq(live_read(watched, at, &chunk), LIVE_CHUNK);
	ck_assert_int_eq(chunk.stream, stream);
	ck_assert_uint_eq(chunk.offset, offset);
	ck_assert_uint_eq(chunk.size, strlen(text));
	ck_assert_mem_eq(chunk.data, text, chunk.size);
}

START_TEST(tells_the_streams_apart_in_their_order)
{
	struct live_position at = {0};

	begin();
	ck_assert_ptr_null(live_watch(live, "00000000-0000-4000-8000-000000000002"));
	struct live_job *watched = live_watch(live, ID);
	ck_assert_ptr_eq(watched, job);
	ck_assert_uint_eq(live_attempt(watched), 1);
	ck_assert_int_eq(live_read(watched, &at, &chunk), 0);
	print(LIVE_STDOUT, "ab");
	print(LIVE_STDOUT, "c");
	print(LIVE_STDERR, "de");
	print(LIVE_STDOUT, "f");
	expect(watched, &at, LIVE_STDOUT, 0, "abc");
	expect(watched, &at, LIVE_STDERR, 0, "de");
	expect(watched, &at, LIVE_STDOUT, 3, "f");
	ck_assert_int_eq(live_read(watched, &at, &chunk), 0);
	print(LIVE_STDERR, "g");
	expect(watched, &at, LIVE_STDERR, 2, "g");
	at = (struct live_position){1, SANDBOX_RUN, 4}; /* in the midst */
	expect(watched, &at, LIVE_STDERR, 1, "e");
	at.attempt = 7; /* of another attempt */
	expect(watched, &at, LIVE_STDOUT, 0, "abc");
	live_unwatch(watched);
	end();
}
END_TEST

START_TEST(cuts_no_character_that_goes_on)
{
	struct live_position at = {0};

	begin();
	struct live_job *watched = live_watch(live, ID);
	print(LIVE_STDOUT, "a\xe2\x82");
	expect(watched, &at, LIVE_STDOUT, 0, "a");
	ck_assert_int_eq(live_read(watched, &at, &chunk), 0);
	print(LIVE_STDOUT, "\xac\xe2");
	expect(watched, &at, LIVE_STDOUT, 1, "\xe2\x82\xac");
	ck_assert_int_eq(live_read(watched, &at, &chunk), 0);
	print(LIVE_STDERR, "b\xc3"); /* the stream was left: it will not go on here */
	expect(watched, &at, LIVE_STDOUT, 4, "\xe2");
	expect(watched, &at, LIVE_STDERR, 0, "b");
	live_end(TAKE_PTR(job));
	expect(watched, &at, LIVE_STDERR, 1, "\xc3");
	ck_assert_int_eq(live_read(watched, &at, &chunk), LIVE_OVER);
	live_unwatch(watched);
	end();
}
END_TEST

START_TEST(cuts_what_is_larger_than_a_chunk)
{
	static char text[2 * LIVE_CHUNK_BYTES];
	struct live_position at = {0};

	begin();
	memset(text, 'x', sizeof(text));
	memcpy(text + LIVE_CHUNK_BYTES - 1, "\xc3\xa4", 2);
	print_bytes(LIVE_STDOUT, text, sizeof(text));
	struct live_job *watched = live_watch(live, ID);
	ck_assert_int_eq(live_read(watched, &at, &chunk), LIVE_CHUNK);
	ck_assert_uint_eq(chunk.size, LIVE_CHUNK_BYTES - 1);
	ck_assert_int_eq(live_read(watched, &at, &chunk), LIVE_CHUNK);
	ck_assert_uint_eq(chunk.offset, LIVE_CHUNK_BYTES - 1);
	ck_assert_mem_eq(chunk.data, "\xc3\xa4", 2);
	live_unwatch(watched);
	end();
}
END_TEST

START_TEST(goes_from_the_compiler_s_output_to_the_program_s)
{
	struct live_position at = {0}, late = {0};

	output = -1;
	ck_assert_int_eq(live_open(NULL, &live, NULL), 0);
	job = live_begin(live, ID, 1);
	struct live_job *watched = live_watch(live, ID);
	ck_assert_int_eq(live_read(watched, &at, &chunk), 0); /* nothing has begun */
	step(SANDBOX_COMPILE);
	print(LIVE_MIXED, "warning");
	expect(watched, &at, LIVE_MIXED, 0, "warning");
	ck_assert_int_eq(chunk.step, SANDBOX_COMPILE);
	ck_assert_int_eq(live_read(watched, &at, &chunk), 0);
	step(SANDBOX_RUN);
	print(LIVE_STDOUT, "out");
	expect(watched, &at, LIVE_STDOUT, 0, "out");
	ck_assert_int_eq(chunk.step, SANDBOX_RUN);
	ck_assert_uint_eq(at.offset, 3);
	/* The file of the first step is not the worker's any more, and yet there. */
	expect(watched, &late, LIVE_MIXED, 0, "warning");
	expect(watched, &late, LIVE_STDOUT, 0, "out");
	live_unwatch(watched);
	end();
}
END_TEST

START_TEST(an_ended_attempt_stays_for_who_watches_it)
{
	struct live_position at = {0};

	begin();
	print(LIVE_STDOUT, "rest");
	struct live_job *watched = live_watch(live, ID), *other = live_watch(live, ID);
	live_end(TAKE_PTR(job));
	ck_assert_ptr_null(live_watch(live, ID));
	live_unwatch(other);
	expect(watched, &at, LIVE_STDOUT, 0, "rest");
	ck_assert_int_eq(live_read(watched, &at, &chunk), LIVE_OVER);
	live_unwatch(watched);
	end();
}
END_TEST

START_TEST(a_large_output_is_let_go_with_its_attempt)
{
	static char text[LIVE_LINGER_BYTES + 1];
	struct live_position at = {0};

	begin();
	memset(text, 'x', sizeof(text));
	print_bytes(LIVE_STDOUT, text, sizeof(text));
	struct live_job *watched = live_watch(live, ID);
	ck_assert_int_eq(live_read(watched, &at, &chunk), LIVE_CHUNK);
	live_end(TAKE_PTR(job));
	ck_assert_int_eq(live_read(watched, &at, &chunk), LIVE_OVER);
	ck_assert_uint_eq(at.offset, LIVE_CHUNK_BYTES); /* there the stored output goes on */
	live_unwatch(watched);
	end();
}
END_TEST

START_TEST(after_too_many_changes_the_streams_are_mixed)
{
	struct live_position at = {.attempt = 1, .step = SANDBOX_RUN, .offset = LIVE_PARTS - 2};

	begin();
	for (size_t i = 0; i < LIVE_PARTS + 3; i++)
		print(i % 2 == 0 ? LIVE_STDOUT : LIVE_STDERR, i % 2 == 0 ? "o" : "e");
	struct live_job *watched = live_watch(live, ID);
	expect(watched, &at, LIVE_STDOUT, (LIVE_PARTS - 2) / 2, "o");
	expect(watched, &at, LIVE_MIXED, LIVE_PARTS - 1, "eoeo");
	live_unwatch(watched);
	end();
}
END_TEST

START_TEST(a_job_that_cannot_be_watched_is_nobody_s_trouble)
{
	ck_assert_ptr_null(live_begin(NULL, ID, 1));
	ck_assert_ptr_null(live_watch(NULL, ID));
	live_step(NULL, SANDBOX_RUN, -1);
	live_grow(NULL, LIVE_STDOUT, 1);
	live_end(NULL);
	live_unwatch(NULL);
	ck_assert_ptr_null(live_close(NULL));
}
END_TEST

/* --- ids of events ---------------------------------------------------------------------------------------------- */

START_TEST(an_event_s_id_is_a_position)
{
	static const char *const wrong[] = {"", "1", "1-1", "1-1-", "-1-1-1", "1-2-0", "1-1-1 ", " 1-1-1",
		"1-1-1x", "4294967296-0-0", "1-0-18446744073709551616", "+1-0-0", "1--1-0", "end"};
	const struct live_position far = {UINT32_MAX, SANDBOX_RUN, UINT64_MAX};
	struct live_position got;
	char text[EVENTS_ID_SIZE];

	events_id_text(&far, text);
	ck_assert_str_eq(text, "4294967295-1-18446744073709551615");
	ck_assert(events_id_parse(text, &got));
	ck_assert_uint_eq(got.attempt, far.attempt);
	ck_assert_uint_eq(got.step, far.step);
	ck_assert_uint_eq(got.offset, far.offset);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ck_assert_msg(!events_id_parse(wrong[i], &got), "%s", wrong[i]);
}
END_TEST

START_TEST(the_path_names_the_job)
{
	static const char *const wrong[] = {"/jobs/" ID, "/jobs/" ID "/", "/jobs/" ID "/events/",
		"/jobs/" ID "0/events", "/jobs//events", "/job/" ID "/events", "/jobs/" ID "/event", "/jobs/",
		""};
	char id[JOB_ID_SIZE];

	ck_assert_pstr_eq(events_path_id("/jobs/" ID "/events", id), ID);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ck_assert_msg(events_path_id(wrong[i], id) == NULL, "%s", wrong[i]);
}
END_TEST

TEST_PROGRAM("live", 30, tcase_add_test(tc, tells_the_streams_apart_in_their_order);
	     tcase_add_test(tc, cuts_no_character_that_goes_on);
	     tcase_add_test(tc, cuts_what_is_larger_than_a_chunk);
	     tcase_add_test(tc, goes_from_the_compiler_s_output_to_the_program_s);
	     tcase_add_test(tc, an_ended_attempt_stays_for_who_watches_it);
	     tcase_add_test(tc, a_large_output_is_let_go_with_its_attempt);
	     tcase_add_test(tc, after_too_many_changes_the_streams_are_mixed);
	     tcase_add_test(tc, a_job_that_cannot_be_watched_is_nobody_s_trouble);
	     tcase_add_test(tc, an_event_s_id_is_a_position); tcase_add_test(tc, the_path_names_the_job))
