/* Several queues of SQS for one service. */
#include "service/queue_sqs.h"
#include "tests/lib/aws_place.h"
#include "tests/lib/queue_contract.h"
#include "tests/lib/test.h"

#include <string.h>

static struct aws_place place;
static struct queue *queue;
static struct sandbox_error err;

static void set_up(const struct queue_sqs_route *routes, size_t n)
{
	const struct queue_sqs_options options = {place.sqs, routes, n};

	ck_assert_int_eq(queue_sqs_open(&options, &queue, &err), 0);
}

static void open_place(void)
{
	aws_place_open(&place, &(struct aws_place_plan){.sqs = EMULATOR_FAUXQS, .has_sqs = true});
}

static void tear_down(void)
{
	queue = queue->operations->close(queue);
	aws_place_close(&place);
}

static void send(const char *language, bool is_urgent)
{
	char id[JOB_ID_SIZE];
	const struct job_ticket ticket = {id, language, is_urgent};

	job_new_id(id);
	ck_assert_int_eq(queue->operations->send(queue, &ticket, &err), 0);
}

static void expect(const char *language, const char *url)
{
	struct queue_message message = contract_receive(queue, 60);

	ck_assert_str_eq(message.language, language);
	ck_assert_str_eq(message.queue, url);
	ck_assert_int_eq(queue->operations->ack(queue, &message, &err), 0);
}

START_TEST(a_language_may_have_a_queue_of_its_own)
{
	NEEDS_EMULATORS();
	open_place();
	const struct queue_sqs_route routes[] = {
		{place.queue_url, NULL, false}, {place.urgent_url, "go", false}};
	set_up(routes, 2);
	send("cpp", false);
	expect("cpp", place.queue_url);
	send("go", false);
	expect("go", place.urgent_url);
	/* There is none for urgent ones. */
	send("go", true);
	expect("go", place.urgent_url);
	send("cpp", true);
	expect("cpp", place.queue_url);
	tear_down();
}
END_TEST

START_TEST(urgent_ones_are_received_first)
{
	NEEDS_EMULATORS();
	open_place();
	const struct queue_sqs_route routes[] = {
		{place.queue_url, NULL, false}, {place.urgent_url, NULL, true}};
	set_up(routes, 2);
	for (int i = 0; i < 3; i++) {
		send("cpp", false);
		send("go", true);
	}
	for (int i = 0; i < 3; i++)
		expect("go", place.urgent_url);
	for (int i = 0; i < 3; i++)
		expect("cpp", place.queue_url);
	contract_expect_empty(queue);
	tear_down();
}
END_TEST

START_TEST(there_is_a_queue_for_every_job_or_none_at_all)
{
	static const struct queue_sqs_route only_go[] = {{"http://x/go", "go", false}};
	static const struct queue_sqs_route only_urgent[] = {{"http://x/high", NULL, true}};
	static const struct queue_sqs_route fifo[] = {{"http://x/jobs.fifo", NULL, false}};
	const struct queue_sqs_route *const wrong[] = {only_go, only_urgent, fifo};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct queue_sqs_options options = {NULL, wrong[i], 1};
		ck_assert_int_eq(queue_sqs_open(&options, &queue, &err), -EINVAL);
		ck_assert_ptr_null(queue);
		err = (struct sandbox_error){0};
	}
}
END_TEST

TEST_PROGRAM("queues", 120, AWS_PLACE_SHARE(tc, EMULATOR_FAUXQS);
	     tcase_add_test(tc, a_language_may_have_a_queue_of_its_own);
	     tcase_add_test(tc, urgent_ones_are_received_first);
	     tcase_add_test(tc, there_is_a_queue_for_every_job_or_none_at_all))
