/* Requests that wait for a job's end, over real connections. */
#include "sandbox/base/fd.h"
#include "service/waiters.h"
#include "tests/lib/http_client.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#define ID "00000000-0000-4000-8000-000000000001"

/* Longer than a test may take: who is not woken is never answered. */
enum { LONG_SEC = 600 };

/* The handler's job, and what happens while it looks. */
static atomic_bool is_finished, ends_meanwhile;
static atomic_int nlooks;
static unsigned wait_sec;
static struct waiters *waiters;
static struct http_server *server;
static char url[64];

static bool refuse(const struct http_request *request, struct http_reply *reply, void *user)
{
	(void)request;
	(void)reply;
	(void)user;
	return false;
}

/* As api_status: listen, look, and answer or wait. The answer says what was seen. */
static void answer(const struct http_request *request, struct http_reply *reply, void *user)
{
	(void)user;
	bool may_wait = waiters_listen(waiters, request->waiter, ID, wait_sec);
	bool is_done = atomic_load(&is_finished);
	atomic_fetch_add(&nlooks, 1);
	if (atomic_exchange(&ends_meanwhile, false)) {
		atomic_store(&is_finished, true);
		waiters_wake(waiters, ID);
	}
	reply->is_later = may_wait && !is_done;
	if (reply->is_later)
		return;
	http_reply_text(reply, "text/plain", is_done ? "finished" : "open");
	if (may_wait)
		waiters_leave(waiters, request->waiter);
}

static void sent(const struct http_request *request, const struct http_reply *reply, void *user)
{
	(void)request;
	(void)reply;
	(void)user;
}

static void start(unsigned look_msec, unsigned sec)
{
	wait_sec = sec;
	ck_assert_int_eq(waiters_open(look_msec, &waiters, NULL), 0);
	const struct http_options options = {
		.address = "127.0.0.1",
		.timeout_sec = 1, /* for a request to arrive, not for its answer */
		.handler = {.refuse = refuse, .answer = answer, .sent = sent},
		.waiters = waiters,
	};
	ck_assert_int_eq(http_server_open(&options, &server, NULL), 0);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", http_server_port(server));
}

static void stop(void)
{
	server = http_server_close(server);
	waiters = waiters_close(waiters);
	ck_assert_ptr_null(waiters);
}

static void expect_answer(const char *text)
{
	struct http_client_answer got;

	http_client_send(&(struct http_client_request){.url = url}, &got);
	ck_assert_int_eq(got.status, 200);
	ck_assert_str_eq(got.body, text);
	http_client_answer_free(&got);
}

/* Lets the client ask, and when it has, ends the job and does what STEP does. */
static void *end_when_asked(void *step)
{
	while (atomic_load(&nlooks) == 0)
		(void)usleep(1000);
	(void)usleep(50 * 1000); /* it waits by now, most probably; it must not matter */
	atomic_store(&is_finished, true);
	((void (*)(void))step)();
	return NULL;
}

static void expect_end(void (*step)(void))
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, end_when_asked, (void *)step), 0);
	expect_answer("finished");
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static void wake(void)
{
	waiters_wake(waiters, "00000000-0000-4000-8000-000000000002"); /* nobody's */
	waiters_wake(waiters, ID);
}

static void tell_nobody(void)
{
}

START_TEST(a_job_s_end_wakes_who_waits_for_it)
{
	start(0, LONG_SEC);
	expect_end(wake);
	ck_assert_int_eq(nlooks, 2);
	stop();
}
END_TEST

START_TEST(an_end_while_the_handler_looks_is_not_missed)
{
	start(0, LONG_SEC);
	atomic_store(&ends_meanwhile, true);
	expect_answer("finished");
	ck_assert_int_eq(nlooks, 2);
	stop();
}
END_TEST

START_TEST(who_waits_in_vain_is_answered_in_time)
{
	start(0, 2); /* longer than a request may take to arrive */
	expect_answer("open");
	ck_assert_int_eq(nlooks, 2);
	stop();
}
END_TEST

START_TEST(what_is_finished_is_told_at_once)
{
	start(0, LONG_SEC);
	atomic_store(&is_finished, true);
	expect_answer("finished");
	ck_assert_int_eq(nlooks, 1);
	stop();
}
END_TEST

START_TEST(an_end_that_nobody_tells_is_found)
{
	start(20, LONG_SEC);
	expect_end(tell_nobody);
	stop();
}
END_TEST

static int ask(void)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	int fd = http_client_connect(url);

	ck_assert_int_eq(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
	return fd;
}

START_TEST(half_of_the_connections_never_wait)
{
	int fds[WAITERS_MAX];

	start(0, LONG_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = ask();
	while (atomic_load(&nlooks) < WAITERS_MAX)
		(void)usleep(1000);
	expect_answer("open");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
	stop();
}
END_TEST

START_TEST(who_waits_does_not_hold_up_the_end)
{
	char byte;

	start(0, LONG_SEC);
	int fd = ask();
	while (atomic_load(&nlooks) == 0)
		(void)usleep(1000);
	stop();
	while (recv(fd, &byte, 1, 0) > 0)
		;
	(void)close(fd);
}
END_TEST

START_TEST(without_waiters_nobody_waits)
{
	struct waiter waiter = {0};

	ck_assert(!waiters_listen(NULL, &waiter, ID, LONG_SEC));
	waiters_leave(NULL, &waiter);
	waiters_wake(NULL, ID);
	waiters_stop(NULL);
	ck_assert_ptr_null(waiters_close(NULL));
}
END_TEST

TEST_PROGRAM("waiters", 60, tcase_add_test(tc, a_job_s_end_wakes_who_waits_for_it);
	     tcase_add_test(tc, an_end_while_the_handler_looks_is_not_missed);
	     tcase_add_test(tc, who_waits_in_vain_is_answered_in_time);
	     tcase_add_test(tc, what_is_finished_is_told_at_once);
	     tcase_add_test(tc, an_end_that_nobody_tells_is_found);
	     tcase_add_test(tc, half_of_the_connections_never_wait);
	     tcase_add_test(tc, who_waits_does_not_hold_up_the_end);
	     tcase_add_test(tc, without_waiters_nobody_waits))
