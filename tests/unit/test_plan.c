/* test_plan.c: a cell refuses every plan that does not add up, and a message's descriptors are never lost. */
#include "sandbox/base/fd.h"
#include "sandbox/cell/cell.h"
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

/* A plan with two arguments, one environment entry, one file and one result file. */
struct sample {
	struct wire_plan head;
	char strings[64];
} __attribute__((aligned(16)));

static const char sample_strings[] = "./program\0-v\0LANG=C\0main.c\0program";

static size_t make_sample(struct sample *sample)
{
	memset(sample, 0, sizeof(*sample));
	sample->head.nargs = 2;
	sample->head.nenv = 1;
	sample->head.nfiles = 1;
	sample->head.ncollects = 1;
	sample->head.strings_bytes = sizeof(sample_strings);
	memcpy(sample->strings, sample_strings, sizeof(sample_strings));
	return offsetof(struct sample, strings) + sizeof(sample_strings);
}

/* COUNT numbers that stand for descriptors, the other slots empty. */
static void make_fds(int fds[WIRE_PLAN_FDS], int count)
{
	for (int i = 0; i < WIRE_PLAN_FDS; i++)
		fds[i] = i < count ? 100 + i : -1;
}

static int parse(struct sample *sample, size_t size, int nfds, struct cell_plan *plan)
{
	struct sandbox_error err = {0};
	int fds[WIRE_PLAN_FDS];

	make_fds(fds, nfds);
	memset(plan, 0, sizeof(*plan));
	return cell_plan_parse(sample, size, fds, plan, &err);
}

START_TEST(a_good_plan_is_split_into_its_parts)
{
	struct sample sample;
	struct cell_plan plan;
	size_t size = make_sample(&sample);

	ck_assert_int_eq(parse(&sample, size, 4, &plan), 0);
	ck_assert_str_eq(plan.argv[0], "./program");
	ck_assert_str_eq(plan.argv[1], "-v");
	ck_assert_ptr_null(plan.argv[2]);
	ck_assert_str_eq(plan.env[0], "LANG=C");
	ck_assert_ptr_null(plan.env[1]);
	ck_assert_str_eq(plan.file_names[0], "main.c");
	ck_assert_str_eq(plan.collect_names[0], "program");
	ck_assert_int_eq(plan.stdio[0], -1);
	ck_assert_int_eq(plan.stdio[1], 100);
	ck_assert_int_eq(plan.stdio[2], 101);
	ck_assert_int_eq(plan.file_fds[0], 102);
	ck_assert_int_eq(plan.collect_fds[0], 103);
	ck_assert_int_eq(plan.trace_fd, -1);
}
END_TEST

START_TEST(a_traced_plan_has_one_descriptor_more)
{
	struct sample sample;
	struct cell_plan plan;
	size_t size = make_sample(&sample);

	sample.head.is_traced = 1;
	ck_assert_int_eq(parse(&sample, size, 4, &plan), -EBADMSG);
	ck_assert_int_eq(parse(&sample, size, 5, &plan), 0);
	ck_assert_int_eq(plan.collect_fds[0], 103);
	ck_assert_int_eq(plan.trace_fd, 104);
}
END_TEST

START_TEST(every_other_size_is_refused)
{
	struct sample sample;
	struct cell_plan plan;
	size_t size = make_sample(&sample);

	for (size_t i = 0; i <= size + 8; i++)
		if (i != size)
			ck_assert_int_eq(parse(&sample, i, 4, &plan), -EBADMSG);
}
END_TEST

START_TEST(every_other_number_of_descriptors_is_refused)
{
	struct sample sample;
	struct cell_plan plan;
	size_t size = make_sample(&sample);

	for (int n = 0; n <= WIRE_PLAN_FDS; n++)
		if (n != 4)
			ck_assert_int_eq(parse(&sample, size, n, &plan), -EBADMSG);
}
END_TEST

START_TEST(counts_beyond_their_bounds_or_the_strings_are_refused)
{
	struct sample sample;
	struct cell_plan plan;
	size_t size = make_sample(&sample);
	uint32_t *const counts[] = {&sample.head.nargs, &sample.head.nenv, &sample.head.nfiles,
		&sample.head.ncollects, &sample.head.strings_bytes};

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		const uint32_t bad[] = {0, *counts[i] + 1, 1000, 100000, UINT32_MAX};
		uint32_t good = *counts[i];
		for (size_t j = 0; j < ARRAY_SIZE(bad); j++) {
			*counts[i] = bad[j];
			ck_assert_msg(parse(&sample, size, 4, &plan) == -EBADMSG, "count %zu as %u was taken",
				i, bad[j]);
		}
		*counts[i] = good;
	}
	sample.strings[sizeof(sample_strings) - 1] = 'x'; /* the last NUL */
	ck_assert_int_eq(parse(&sample, size, 4, &plan), -EBADMSG);
}
END_TEST

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

START_TEST(descriptors_that_do_not_fit_are_closed)
{
	int pair[2], sent[3] = {0, 1, 2}, got[2];
	char byte;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	int before = open_fds();

	ck_assert_int_eq(wire_send(pair[0], "x", 1, sent, 3), 0);
	ck_assert_int_eq(wire_receive(pair[1], &byte, 1, got, 2), -EMSGSIZE);
	ck_assert_int_eq(got[0], -1);
	ck_assert_int_eq(open_fds(), before);

	ck_assert_int_eq(wire_send(pair[0], "xy", 2, sent, 1), 0);
	ck_assert_int_eq(wire_receive(pair[1], &byte, 1, got, 2), -EMSGSIZE);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(descriptors_arrive_close_on_exec_and_in_order)
{
	int pair[2], sent[2] = {-1, 1}, got[3];
	char byte;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	sent[0] = pair[0];

	ck_assert_int_eq(wire_send(pair[0], "x", 1, sent, 2), 0);
	ck_assert_int_eq(wire_receive(pair[1], &byte, 1, got, 3), 1);
	ck_assert_int_eq(byte, 'x');
	ck_assert_int_ge(got[0], 0);
	ck_assert_int_ge(got[1], 0);
	ck_assert_int_eq(got[2], -1);
	ck_assert_int_eq(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(got[1], F_GETFD), FD_CLOEXEC);

	(void)close(got[0]); /* the copy of pair[0] that was sent */
	ck_assert_int_eq(wire_unblock(pair[1]), 0);
	ck_assert_int_eq(wire_receive(pair[1], &byte, 1, got, 3), -EAGAIN);
	(void)close(pair[0]);
	ck_assert_int_eq(wire_receive(pair[1], &byte, 1, got, 3), 0);
}
END_TEST

TEST_PROGRAM("plan", 30, tcase_add_test(tc, a_good_plan_is_split_into_its_parts);
	     tcase_add_test(tc, a_traced_plan_has_one_descriptor_more);
	     tcase_add_test(tc, every_other_size_is_refused);
	     tcase_add_test(tc, every_other_number_of_descriptors_is_refused);
	     tcase_add_test(tc, counts_beyond_their_bounds_or_the_strings_are_refused);
	     tcase_add_test(tc, descriptors_that_do_not_fit_are_closed);
	     tcase_add_test(tc, descriptors_arrive_close_on_exec_and_in_order))
