/* Requests over a socket, up to the stores: out of memory a client gets an honest answer or none; never half of one, or
 * one without its security headers. And the service goes on. */
#include "sandbox/base/fd.h"
#include "tests/lib/api_daemon.h"
#include "tests/torture/torture.h"

#include <openssl/err.h>
#include <string.h>

enum { ANSWER_MAX = 64 * 1024, STRIDE = 3 };

#define HOST "Host: localhost\r\n\r\n"
#define JSON "Content-Type: application/json\r\n"
/* Of "outputs/" API_DAEMON_FINISHED ".txt\n4102444800" with a key of 'k' alone. */
#define LINK_SIGNATURE "ef45326b360fd47ed852645ea39acdebf9beb694df76b80a49ee5025f605044b"

static const struct request {
	const char *text;
	unsigned status;
	bool is_fixed; /* its body is always the same; else it holds WORDS */
	const char *words;
} requests[] = {
	{"GET / HTTP/1.1\r\n" HOST, 200, true},
	{"GET /health HTTP/1.1\r\n" HOST, 200, true},
	{"GET /languages HTTP/1.1\r\n" HOST, 200, true},
	{"GET /metrics HTTP/1.1\r\n" HOST, 200, false, "cofferdam_http_requests_total"},
	{"GET /ready HTTP/1.1\r\n" HOST, 503, false, "\"supervisor\":"},
	{"GET /status?id=" API_DAEMON_FINISHED " HTTP/1.1\r\n" HOST, 200, false, "\"run\":{\"cause\":"},
	{"GET /status?id=00000000-0000-4000-8000-00000000000f HTTP/1.1\r\n" HOST, 404, true},
	{"GET /result?id=" API_DAEMON_FINISHED " HTTP/1.1\r\n" HOST, 200, false, "&signature="},
	{"GET /result?id=" API_DAEMON_QUEUED " HTTP/1.1\r\n" HOST, 409, true},
	{"GET /objects/outputs/" API_DAEMON_FINISHED ".txt?expires=4102444800&signature=" LINK_SIGNATURE
	 " HTTP/1.1\r\n" HOST,
		200, true},
	{"DELETE /status HTTP/1.1\r\n" HOST, 405, true},
	{"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", 403, true},
	{"POST /submit HTTP/1.1\r\n" JSON "Content-Length: 30\r\n" HOST
	 "{\"userId\":\"a\",\"extra\":[1,2.5]}",
		400, true},
	{"POST /submit HTTP/1.1\r\n" JSON "Content-Length: 55\r\n" HOST
	 "{\"userId\":\"a\",\"language\":\"cobol\",\"code\":\"xxxx\\u00e4xx\"}",
		400, true},
};

static struct api_daemon service;

struct answer {
	char text[ANSWER_MAX];
	size_t size;
	unsigned status; /* 0: none */
	const char *body;
};

static void ask(const char *request, struct answer *answer)
{
	ssize_t n =
		api_daemon_talk(&service, request, strlen(request), SIZE_MAX, answer->text, ANSWER_MAX - 1);

	answer->size = n > 0 ? (size_t)n : 0;
	answer->text[answer->size] = '\0';
	answer->status = 0;
	answer->body = strstr(answer->text, "\r\n\r\n");
	(void)sscanf(answer->text, "HTTP/1.1 %3u ", &answer->status);
}

static void expect_headers(const struct answer *answer)
{
	static const char *const wanted[] = {"Content-Type: ", "X-Content-Type-Options: nosniff",
		"Cache-Control: no-store", "Referrer-Policy: no-referrer",
		"Content-Security-Policy: default-src 'none'"};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		ck_assert_msg(strstr(answer->text, wanted[i]) != NULL, "without %s: %.600s", wanted[i],
			answer->text);
}

/* What REQUEST came to in a turn, WANTED being what it comes to otherwise. */
static void check(const struct torture *turn, const struct request *request, const struct answer *answer,
	const struct answer *wanted)
{
	if (answer->status == 0 || (answer->status != request->status && answer->status >= 500)) {
		ck_assert_msg(turn->has_failed, "status %u: %.200s", answer->status, answer->text);
		return; /* libmicrohttpd's own words, or no word at all */
	}
	ck_assert_msg(
		answer->status == request->status, "allocation %lu: status %u", turn->n, answer->status);
	ck_assert_ptr_nonnull(answer->body);
	expect_headers(answer);
	if (request->words != NULL)
		ck_assert_msg(strstr(answer->body, request->words) != NULL, "allocation %lu: %.600s", turn->n,
			answer->body);
	if (request->is_fixed)
		ck_assert_msg(strcmp(answer->body, wanted->body) == 0, "allocation %lu%s: %.600s", turn->n,
			turn->is_lasting ? " and all after it" : "", answer->body);
}

static void open_service(void)
{
	/* OpenSSL keeps what it notes of a thread's first failure. */
	ERR_raise(ERR_LIB_USER, 1);
	ERR_clear_error();
	ck_assert_int_eq(api_daemon_open(&service, DEFAULT_POLICIES_DIR), 0);
	api_daemon_close_stores(&service);
}

START_TEST(an_answer_is_right_or_says_that_there_is_no_memory)
{
	static struct answer answer, wanted;
	const struct request *request = &requests[_i];

	open_service();
	TORTURE_EACH(turn, STRIDE)
	{
		ck_assert_int_eq(api_daemon_open_stores(&service), 0);
		torture_arm(&turn);
		ask(request->text, &answer);
		torture_disarm(&turn);
		if (turn.n == 0)
			wanted = answer;
		wanted.body = strstr(wanted.text, "\r\n\r\n");
		check(&turn, request, &answer, &wanted);
		ask(request->text, &answer);
		check(&(struct torture){0}, request, &answer, &wanted);
		ck_assert_uint_eq(service.exchanges.budget, 0);
		api_daemon_close_stores(&service);
		ERR_clear_error();
	}
	api_daemon_close(&service);
}
END_TEST

/* --- submissions ------------------------------------------------------------------------------------------------- */

static const struct request submission = {"POST /submit HTTP/1.1\r\n" JSON "Content-Length: 85\r\n" HOST
					  "{\"userId\":\"someone\",\"language\":\"C++\",\"code\":\"int "
					  "main() { return 0; }\",\"input\":\"2 3\"}",
	202, false, "\"queued\""};

static int count_whole(const struct job_ticket *ticket, void *user)
{
	struct job job = {0};
	int r = service.service.store->operations->get(service.service.store, ticket->id, &job, NULL);

	job_free(&job);
	++*(uint64_t *)user;
	return r == 0 ? 0 : -EINVAL;
}

/* Unfinished jobs, all of them whole. */
static uint64_t njobs(void)
{
	uint64_t n = 0;
	struct sandbox_error err = {0};

	int r = service.service.store->operations->recover(service.service.store, count_whole, &n, &err);
	ck_assert_msg(r == 0, "%s", err.message);
	return n;
}

static uint64_t nmessages(void)
{
	uint64_t n = 0;

	ck_assert_int_eq(service.service.queue->operations->depth(service.service.queue, &n, NULL), 0);
	return n;
}

/* No job is accepted that is not stored and queued. One that is stored although it was refused can only be one whose
 * message could not be queued any more: the next start finds it. */
START_TEST(a_submission_is_accepted_whole_or_refused)
{
	static struct answer answer;

	open_service();
	TORTURE_EACH(turn, STRIDE)
	{
		ck_assert_int_eq(api_daemon_open_stores(&service), 0);
		uint64_t jobs = njobs(), messages = nmessages();
		torture_arm(&turn);
		ask(submission.text, &answer);
		torture_disarm(&turn);
		check(&turn, &submission, &answer, &answer);
		uint64_t new_jobs = njobs() - jobs, new_messages = nmessages() - messages;
		if (answer.status == submission.status)
			ck_assert_msg(new_jobs == 1 && new_messages == 1, "accepted: %u jobs, %u messages",
				(unsigned)new_jobs, (unsigned)new_messages);
		else
			ck_assert_msg(new_jobs <= 1 && new_messages <= new_jobs,
				"refused: %u jobs, %u messages", (unsigned)new_jobs, (unsigned)new_messages);
		ask(submission.text, &answer);
		check(&(struct torture){0}, &submission, &answer, &answer);
		ck_assert_uint_eq(njobs(), jobs + new_jobs + 1);
		api_daemon_close_stores(&service);
	}
	api_daemon_close(&service);
}
END_TEST

TEST_PROGRAM(
	"torture of the API", 1800,
	tcase_add_loop_test(tc, an_answer_is_right_or_says_that_there_is_no_memory, 0, ARRAY_SIZE(requests));
	tcase_add_test(tc, a_submission_is_accepted_whole_or_refused))
