/* Standard input, output and error. */
#include "sandbox/base/fd.h"
#include "tests/lib/cell.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { MEBIBYTE = 1 << 20 };

static char *pattern(size_t size)
{
	char *text = malloc(size);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)(i * 7 + i / 251);
	return text;
}

/* As tests/probes/work.c sums up what it read. */
static void expect_read(const struct cell *cell, const char *text, size_t size, bool is_fifo)
{
	char wanted[128];
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + (unsigned char)text[i];
	(void)snprintf(wanted, sizeof(wanted), "bytes=%zu sum=%llu end=eof fifo=%d\n", size,
		(unsigned long long)sum, is_fifo);
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, wanted);
}

START_TEST(standard_input_is_empty_when_none_is_given)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "work read");
	expect_read(cell, "", 0, false);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(a_pipe_arrives_whole)
{
	_cleanup_free_ char *text = pattern(MEBIBYTE);

	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "work read",
						   .input = CELL_INPUT_PIPE,
						   .input_text = text,
						   .input_size = MEBIBYTE});
	expect_read(cell, text, MEBIBYTE, true);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* Read from its start whatever the descriptor's offset is, which stays; and the cell has a copy, not the descriptor. */
START_TEST(a_file_arrives_whole_as_a_copy)
{
	_cleanup_free_ char *text = pattern(MEBIBYTE);

	_cleanup_close_ int fd = fd_memfd("input", text, MEBIBYTE);
	CELL_OPEN(host, "attack-run");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lseek(fd, 1000, SEEK_SET), 1000);
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "work read",
						   .input = CELL_INPUT_FD,
						   .input_fd = fd});
	expect_read(cell, text, MEBIBYTE, false);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 1000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(an_empty_file_is_an_empty_input)
{
	_cleanup_close_ int fd = fd_memfd("input", "", 0);
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "work read",
						   .input = CELL_INPUT_FD,
						   .input_fd = fd});
	expect_read(cell, "", 0, false);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(a_program_may_close_its_input_while_more_is_coming)
{
	_cleanup_free_ char *text = pattern(4 * MEBIBYTE);

	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(host, &(struct cell_plan){.policy = "attack-run",
						   .command = "work close-stdin 100",
						   .input = CELL_INPUT_PIPE,
						   .input_text = text,
						   .input_size = 4 * MEBIBYTE});
	cell_expect_exit(cell, 0);
	cell_expect_output(cell, "read=1\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(input_can_answer_output)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_start(host, &(struct cell_plan){.policy = "attack-run",
						     .command = "attack_channels listen files",
						     .input = CELL_INPUT_OPEN_PIPE});
	cell_wait_for(cell, "ready\n");
	cell_feed(cell, "x");
	cell_wait_for(cell, "file_untouched=yes\n");
	cell_wait(cell);
	cell_expect_exit(cell, 0);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(every_byte_survives)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "work bytes 1000");
	cell_expect_exit(cell, 0);
	ck_assert_uint_eq(cell->out.size, 256000);
	for (size_t i = 0; i < cell->out.size; i++)
		ck_assert_uint_eq((unsigned char)cell->out.text[i], i % 256);
	ck_assert_uint_eq(cell->result.output_bytes, 256000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(output_and_error_are_apart)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "work both");
	cell_expect_exit(cell, 0);
	ck_assert_str_eq(cell->out.text, "out\n");
	ck_assert_str_eq(cell->err.text, "err\n");
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(one_pipe_for_both_keeps_their_order)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(
		host, &(struct cell_plan){.policy = "attack-run", .command = "work both", .is_merged = true});
	cell_expect_exit(cell, 0);
	ck_assert_str_eq(cell->out.text, "out\nerr\n");
	ck_assert_uint_eq(cell->result.output_bytes, 8);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(output_without_a_taker_is_counted_and_dropped)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_run(
		host, &(struct cell_plan){
			      .policy = "attack-run", .command = "work write 1 500000", .is_silent = true});
	cell_expect_exit(cell, 0);
	ck_assert_uint_eq(cell->result.output_bytes, 500000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

START_TEST(a_client_that_stops_reading_does_not_end_the_program)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_start(host, &(struct cell_plan){.policy = "attack-run",
						     .command = "work write 1 1000000",
						     .limits = {.wall_usec = 20000000}});
	cell->out.fd = fd_close(cell->out.fd);
	cell_wait(cell);
	cell_expect_exit(cell, 0);
	ck_assert_uint_eq(cell->result.output_bytes, 1000000);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* Its pipe fills, then the program's, which waits: that is what the wall limit is for. What was in the pipes when the
 * program ended still reaches the client. */
START_TEST(a_client_that_does_not_read_meets_the_wall_limit)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_start(host, &(struct cell_plan){.policy = "attack-run",
						     .command = "work write 1 1000000",
						     .limits = {.wall_usec = 500000}});
	int held = cell->out.fd;
	cell->out.fd = -1; /* the loop does not see it */
	pid_t pids[CELL_PIDS];
	while (cell_pids(host, pids) < 2)
		cell_turn(host, 20);
	while (cell_pids(host, pids) > 0)
		cell_turn(host, 20);
	cell->out.fd = held;
	cell_wait(cell);
	cell_expect_cause(cell, SANDBOX_WALL_LIMIT);
	cell_expect(cell, cell->out.total > 0 && cell->out.total == cell->result.output_bytes);
	cell_free(cell);
	cell_close(host);
}
END_TEST

/* The pipe is the cell's own, so it can be opened by name; a client's file never is. */
START_TEST(standard_output_can_be_opened_by_name)
{
	CELL_OPEN(host, "attack-run");
	struct cell *cell = cell_probe(host, "work fill /dev/stdout 5");
	cell_expect_exit(cell, 0);
	ck_assert_uint_eq(cell->out.size, 5 + strlen("wrote=5 end=all\n"));
	cell_free(cell);
	cell_close(host);
}
END_TEST

TEST_PROGRAM("streams", 60, tcase_add_test(tc, standard_input_is_empty_when_none_is_given);
	     tcase_add_test(tc, a_pipe_arrives_whole); tcase_add_test(tc, a_file_arrives_whole_as_a_copy);
	     tcase_add_test(tc, an_empty_file_is_an_empty_input);
	     tcase_add_test(tc, a_program_may_close_its_input_while_more_is_coming);
	     tcase_add_test(tc, input_can_answer_output); tcase_add_test(tc, every_byte_survives);
	     tcase_add_test(tc, output_and_error_are_apart);
	     tcase_add_test(tc, one_pipe_for_both_keeps_their_order);
	     tcase_add_test(tc, output_without_a_taker_is_counted_and_dropped);
	     tcase_add_test(tc, a_client_that_stops_reading_does_not_end_the_program);
	     tcase_add_test(tc, a_client_that_does_not_read_meets_the_wall_limit);
	     tcase_add_test(tc, standard_output_can_be_opened_by_name))
