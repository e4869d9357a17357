#include "service/database.h"
#include "service/queue.h"
#include "tests/lib/queue_contract.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct scratch scratch;
static struct database *database;
static struct queue *queue;
static struct sandbox_error err;

static void open_queue(void)
{
	int r = database_open(scratch.dir, &database, &err);

	if (r == 0)
		r = queue_sqlite_open(database, &queue, &err);
	ck_assert_msg(r == 0, "%s: %s", err.stage, err.message);
}

static void close_queue(void)
{
	queue = queue->operations->close(queue);
	ck_assert_ptr_null(queue);
	database = database_close(database);
}

static void set_up(void)
{
	err = (struct sandbox_error){0};
	scratch_open(&scratch);
	open_queue();
}

static void tear_down(void)
{
	close_queue();
	scratch_close(&scratch);
}

/* --- what every queue keeps --------------------------------------------------------------------------------------- */

#define X(name)                                                                                              \
	START_TEST(name)                                                                                     \
	{                                                                                                    \
		set_up();                                                                                    \
		queue_contract_##name(queue);                                                                \
		tear_down();                                                                                 \
	}                                                                                                    \
	END_TEST
QUEUE_CONTRACT(X)
QUEUE_CONTRACT_RECEIPTS(X)
#undef X

/* --- urgent ones --------------------------------------------------------------------------------------------------- */

START_TEST(urgent_ones_come_first_each_kind_in_its_order)
{
	static const bool is_urgent[] = {false, true, false, true, true, false};
	static const size_t order[] = {1, 3, 4, 0, 2, 5};
	char ids[6][JOB_ID_SIZE];

	set_up();
	for (size_t round = 0; round < 2; round++) {
		for (size_t i = 0; i < 6; i++) {
			job_new_id(ids[i]);
			const struct job_ticket ticket = {ids[i], "cpp", is_urgent[i]};
			ck_assert_int_eq(queue->operations->send(queue, &ticket, &err), 0);
		}
		for (size_t i = 0; i < 6; i++) {
			struct queue_message message = contract_receive(queue, 60);
			ck_assert_str_eq(message.id, ids[order[i]]);
			ck_assert_int_eq(queue->operations->ack(queue, &message, &err), 0);
		}
	}
	tear_down();
}
END_TEST

/* --- what this one keeps besides ---------------------------------------------------------------------------------- */

enum { MESSAGES = 20 };

START_TEST(delivers_in_order_of_arrival)
{
	char ids[MESSAGES][JOB_ID_SIZE];

	set_up();
	for (size_t i = 0; i < MESSAGES; i++)
		contract_send(queue, ids[i]);
	for (size_t i = 0; i < MESSAGES; i++) {
		struct queue_message message = contract_receive(queue, 60);
		ck_assert_str_eq(message.id, ids[i]);
		if (i % 2 == 0)
			ck_assert_int_eq(queue->operations->ack(queue, &message, &err), 0);
	}
	tear_down();
}
END_TEST

START_TEST(keeps_the_place_of_what_was_given_back)
{
	char ids[3][JOB_ID_SIZE];

	set_up();
	for (size_t i = 0; i < 3; i++)
		contract_send(queue, ids[i]);
	struct queue_message first = contract_receive(queue, 60);
	ck_assert_int_eq(queue->operations->nack(queue, &first, 0, &err), 0);
	for (size_t i = 0; i < 3; i++)
		ck_assert_str_eq(contract_receive(queue, 60).id, ids[i]);
	tear_down();
}
END_TEST

START_TEST(takes_a_second_message_for_an_id_as_none)
{
	char ids[2][JOB_ID_SIZE];
	uint64_t depth = 0;

	set_up();
	contract_send(queue, ids[0]);
	contract_send(queue, ids[1]);
	ck_assert_int_eq(queue->operations->send(queue, &(struct job_ticket){ids[0], "cpp", false}, &err), 0);
	ck_assert_int_eq(queue->operations->depth(queue, &depth, &err), 0);
	ck_assert_uint_eq(depth, 2);
	ck_assert_str_eq(contract_receive(queue, 60).id, ids[0]);
	ck_assert_str_eq(contract_receive(queue, 60).id, ids[1]);
	contract_expect_empty(queue);
	tear_down();
}
END_TEST

START_TEST(ends_the_lease_of_what_is_sent_again)
{
	char id[JOB_ID_SIZE];

	set_up();
	contract_send(queue, id);
	struct queue_message old = contract_receive(queue, 3600);
	ck_assert_int_eq(queue->operations->send(queue, &(struct job_ticket){id, "cpp", false}, &err), 0);
	ck_assert_int_eq(queue->operations->ack(queue, &old, &err), QUEUE_STALE);
	struct queue_message message = contract_receive(queue, 3600);
	ck_assert_str_eq(message.id, id);
	ck_assert_uint_eq(message.receive_count, 2);
	ck_assert_int_eq(queue->operations->ack(queue, &message, &err), 0);
	contract_expect_empty(queue);
	tear_down();
}
END_TEST

START_TEST(keeps_messages_and_leases_through_a_restart)
{
	char ids[2][JOB_ID_SIZE];

	set_up();
	contract_send(queue, ids[0]);
	contract_send(queue, ids[1]);
	struct queue_message leased = contract_receive(queue, 3600);
	close_queue();
	open_queue();
	ck_assert_str_eq(contract_receive(queue, 3600).id, ids[1]);
	contract_expect_empty(queue);
	ck_assert_int_eq(queue->operations->ack(queue, &leased, &err), 0);
	tear_down();
}
END_TEST

START_TEST(keeps_every_accepted_message_through_kill_9)
{
	char ids[10][JOB_ID_SIZE];
	int pipes[2], status;

	set_up();
	close_queue();
	ck_assert_int_eq(pipe(pipes), 0);
	for (size_t i = 0; i < 10; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			open_queue();
			contract_send(queue, ids[i]);
			(void)!write(pipes[1], ids[i], JOB_ID_SIZE);
			(void)raise(SIGKILL);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		ck_assert_int_eq(read(pipes[0], ids[i], JOB_ID_SIZE), JOB_ID_SIZE);
	}
	open_queue();
	for (size_t i = 0; i < 10; i++)
		ck_assert_str_eq(contract_receive(queue, 60).id, ids[i]);
	tear_down();
}
END_TEST

/* Role api beside role worker: nothing but the file joins them. */
START_TEST(receives_what_another_process_sends)
{
	char id[JOB_ID_SIZE];
	int pipes[2], status;

	scratch_open(&scratch);
	ck_assert_int_eq(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		open_queue();
		(void)!read(pipes[0], id, 1);
		contract_send(queue, id);
		close_queue();
		_exit(0);
	}
	open_queue();
	contract_expect_empty(queue);
	ck_assert_int_eq(write(pipes[1], "", 1), 1);
	struct queue_message message = contract_receive(queue, 60);
	ck_assert(job_id_ok(message.id));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	tear_down();
}
END_TEST

#define X(name) tcase_add_test(tc, name);
TEST_PROGRAM("queue", 120,
	     QUEUE_CONTRACT(X) QUEUE_CONTRACT_RECEIPTS(X) tcase_add_test(tc, delivers_in_order_of_arrival);
	     tcase_add_test(tc, keeps_the_place_of_what_was_given_back);
	     tcase_add_test(tc, takes_a_second_message_for_an_id_as_none);
	     tcase_add_test(tc, ends_the_lease_of_what_is_sent_again);
	     tcase_add_test(tc, keeps_messages_and_leases_through_a_restart);
	     tcase_add_test(tc, keeps_every_accepted_message_through_kill_9);
	     tcase_add_test(tc, receives_what_another_process_sends);
	     tcase_add_test(tc, urgent_ones_come_first_each_kind_in_its_order);)
