#include "sandbox/base/fd.h"
#include "service/http.h"
#include "tests/lib/http_client.h"
#include "tests/lib/test.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BODY_MAX = 100000, LONG_SEC = 60, SHORT_SEC = 1, KEEP_SEC = 4 };

static struct http_server *server;
static char url[64];

/* /refused is refused by its headers; everything else is answered with the size of its body. */
static bool refuse(const struct http_request *request, struct http_reply *reply, void *user)
{
	struct api_error error;

	(void)user;
	if (strcmp(request->path, "/refused") != 0)
		return false;
	(void)api_error_set(&error, API_ERROR_UNSUPPORTED_MEDIA_TYPE, NULL, "refused");
	http_reply_error(reply, &error);
	return true;
}

static char seen_host[64], seen_path[64];

static void answer_size(const struct http_request *request, struct http_reply *reply, void *user)
{
	(void)snprintf(seen_host, sizeof(seen_host), "%s", request->host ? request->host : "none");
	(void)snprintf(seen_path, sizeof(seen_path), "%s", request->path);
	const char *query = http_query(request, "q");

	(void)user;
	http_reply_json(reply, 200,
		json_pack("{s:s, s:I, s:s?}", "method", request->method, "size",
			(json_int_t)request->body_size, "q", query));
	http_reply_header(reply, "X-Test", "%d", 7);
}

/* Every answer is told, once. */
static long nsent;

static void count(const struct http_request *request, const struct http_reply *reply, void *user)
{
	(void)request;
	(void)user;
	ck_assert_uint_ge(reply->status, 200);
	nsent++;
}

static void start(size_t body_max, unsigned timeout_sec)
{
	const struct http_options options = {
		.address = "127.0.0.1",
		.timeout_sec = timeout_sec,
		.body_max = body_max,
		.handler = {.refuse = refuse, .answer = answer_size, .sent = count},
	};

	ck_assert_int_eq(http_server_open(&options, &server, NULL), 0);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_server_port(server));
}

static void stop(void)
{
	server = http_server_close(server);
}

/* The status of a POST of SIZE bytes, and what the handler saw (-1: nothing). */
static long post(const char *path, size_t size, const char *header, json_int_t *ret_seen)
{
	char *body = malloc(size + 1), target[128];
	struct http_client_answer answer;

	memset(body, 'x', size);
	body[size] = '\0';
	(void)snprintf(target, sizeof(target), "%s%s", url, path);
	struct http_client_request request = {
		.url = target, .headers = {"Expect:", header}, .body = body, .body_size = size};
	http_client_send(&request, &answer);
	long status = answer.status;
	json_t *json = http_client_json(&answer);
	const json_t *seen = json_object_get(json, "size");
	*ret_seen = seen ? json_integer_value(seen) : -1;
	json_decref(json);
	http_client_answer_free(&answer);
	free(body);
	return status;
}

START_TEST(hands_over_the_whole_request)
{
	struct http_client_answer answer;
	char target[128];

	start(BODY_MAX, LONG_SEC);
	(void)snprintf(target, sizeof(target), "%s/path?q=a%%20b", url);
	http_client_send(&(struct http_client_request){.url = target}, &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "{\"method\":\"GET\",\"size\":0,\"q\":\"a b\"}\n");
	ck_assert_pstr_eq(http_client_header(&answer, "x-test"), "7");
	ck_assert_pstr_eq(http_client_header(&answer, "x-content-type-options"), "nosniff");
	http_client_answer_free(&answer);
	http_client_send(&(struct http_client_request){.url = target, .method = "HEAD"}, &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.size, 0);
	http_client_answer_free(&answer);
	stop();
	ck_assert_int_eq(nsent, 2);
}
END_TEST

static const char *const encodings[] = {NULL, "Transfer-Encoding: chunked", "Expect: 100-continue"};

START_TEST(holds_the_bound_of_a_body)
{
	json_int_t seen;

	start(BODY_MAX, LONG_SEC);
	ck_assert_int_eq(post("/", 1, encodings[_i], &seen), 200);
	ck_assert_int_eq(seen, 1);
	ck_assert_int_eq(post("/", BODY_MAX, encodings[_i], &seen), 200);
	ck_assert_int_eq(seen, BODY_MAX);
	ck_assert_int_eq(post("/", BODY_MAX + 1, encodings[_i], &seen), 413);
	ck_assert_int_eq(seen, -1);
	stop();
}
END_TEST

START_TEST(refuses_by_headers_without_losing_the_answer)
{
	json_int_t seen;

	start(BODY_MAX, LONG_SEC);
	ck_assert_int_eq(post("/refused", BODY_MAX, encodings[_i], &seen), 415);
	ck_assert_int_eq(seen, -1);
	stop();
}
END_TEST

START_TEST(holds_the_bound_of_all_bodies_together)
{
	json_int_t seen;

	start(2 * (size_t)HTTP_BODIES_BYTES, LONG_SEC);
	ck_assert_int_eq(post("/", HTTP_BODIES_BYTES + 1, NULL, &seen), 503);
	ck_assert_int_eq(seen, -1);
	/* The budget is given back. */
	ck_assert_int_eq(post("/", HTTP_BODIES_BYTES / 4, NULL, &seen), 200);
	ck_assert_int_eq(seen, HTTP_BODIES_BYTES / 4);
	stop();
}
END_TEST

static const char *const half_sent[] = {
	"G",
	"GET / HTTP/1.1\r\nHost: localhost\r\n",
	"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345",
	"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
};

START_TEST(ends_half_sent_requests)
{
	struct http_client_answer answer;

	start(BODY_MAX, SHORT_SEC);
	http_client_send_raw(url, half_sent[_i], &answer);
	ck_assert_int_eq(answer.status, 408);
	http_client_answer_free(&answer);
	stop();
}
END_TEST

/* A client about to send the next request would take a 408 for its answer. */
START_TEST(closes_idle_connections_without_a_word)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char buf[1024];

	start(BODY_MAX, SHORT_SEC);
	int fresh = http_client_connect(url), used = http_client_connect(url);
	ck_assert_int_eq(send(used, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	ck_assert_int_gt(recv(used, buf, sizeof(buf), 0), 0);
	ssize_t n = recv(used, buf, sizeof(buf) - 1, 0);
	while (n > 0 && memmem(buf, (size_t)n, "408", 3) == NULL) /* the rest of the answer */
		n = recv(used, buf, sizeof(buf) - 1, 0);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(recv(fresh, buf, sizeof(buf), 0), 0);
	(void)close(fresh);
	(void)close(used);
	stop();
}
END_TEST

/* A byte now and then keeps libmicrohttpd's own timeout from firing; the deadline fires all the same. */
START_TEST(ends_trickling_requests)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

	start(BODY_MAX, SHORT_SEC);
	int fd = http_client_connect(url);
	ck_assert_int_eq(send(fd, head, strlen(head), MSG_NOSIGNAL), (ssize_t)strlen(head));
	/* Until the server has closed; the test's own timeout fails one that never does. */
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		(void)nanosleep(&pause, NULL);
	(void)close(fd);
	stop();
}
END_TEST

START_TEST(a_new_request_has_its_whole_time)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	const struct timespec pause = {.tv_sec = KEEP_SEC - 1}; /* two of them are longer than KEEP_SEC */
	char buf[1024];

	start(BODY_MAX, KEEP_SEC);
	int fd = http_client_connect(url);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
		ck_assert_int_gt(recv(fd, buf, sizeof(buf), 0), 0);
		ck_assert_int_eq(memcmp(buf, "HTTP/1.1 200", 12), 0);
		(void)nanosleep(&pause, NULL);
	}
	(void)close(fd);
	stop();
}
END_TEST

/* RFC 9112, 3.2.2: the target's authority counts, not the Host header. */
START_TEST(an_absolute_target_is_taken_apart)
{
	static const struct {
		const char *request, *host, *path;
	} rows[] = {
		{"GET http://a.example:80/x/y?q=1 HTTP/1.1\r\nHost: b\r\n\r\n", "a.example:80", "/x/y"},
		{"GET HTTP://a.example HTTP/1.1\r\nHost: b\r\n\r\n", "a.example", "/"},
		{"GET /x HTTP/1.1\r\nHost: b\r\n\r\n", "b", "/x"},
		/* Nobody knows by which of two another reader would go. */
		{"GET /x HTTP/1.1\r\nHost: b\r\nhost: c\r\n\r\n", "none", "/x"},
		{"GET /x HTTP/1.1\r\nHost: b\r\nHost : c\r\n\r\n", "none", "/x"},
	};
	char buf[1024];

	start(BODY_MAX, LONG_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = http_client_connect(url);
		ck_assert_int_eq(send(fd, rows[i].request, strlen(rows[i].request), MSG_NOSIGNAL),
			(ssize_t)strlen(rows[i].request));
		ck_assert_int_gt(recv(fd, buf, sizeof(buf), 0), 0);
		ck_assert_str_eq(seen_host, rows[i].host);
		ck_assert_str_eq(seen_path, rows[i].path);
		(void)close(fd);
	}
	stop();
}
END_TEST

START_TEST(closes_with_connections_open)
{
	start(BODY_MAX, LONG_SEC);
	int idle = http_client_connect(url), begun = http_client_connect(url);
	ck_assert_int_eq(send(begun, "POST / HT", 9, MSG_NOSIGNAL), 9);
	stop();
	char byte;
	ck_assert_int_le(recv(idle, &byte, 1, 0), 0);
	ck_assert_int_le(recv(begun, &byte, 1, 0), 0);
	(void)close(idle);
	(void)close(begun);
}
END_TEST

START_TEST(says_why_it_cannot_listen)
{
	struct sandbox_error err = {0};
	struct http_server *second = NULL;

	start(BODY_MAX, LONG_SEC);
	struct http_options options = {
		.address = "127.0.0.1", .port = http_server_port(server), .timeout_sec = 1};
	ck_assert_int_eq(http_server_open(&options, &second, &err), -EADDRINUSE);
	ck_assert_str_eq(err.stage, "http.listen");
	ck_assert_ptr_null(second);
	stop();
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

TEST_PROGRAM("http", 60, tcase_add_test(tc, hands_over_the_whole_request);
	     tcase_add_loop_test(tc, holds_the_bound_of_a_body, 0, N(encodings));
	     tcase_add_loop_test(tc, refuses_by_headers_without_losing_the_answer, 0, N(encodings));
	     tcase_add_test(tc, holds_the_bound_of_all_bodies_together);
	     tcase_add_loop_test(tc, ends_half_sent_requests, 0, N(half_sent));
	     tcase_add_test(tc, closes_idle_connections_without_a_word);
	     tcase_add_test(tc, ends_trickling_requests);
	     tcase_add_test(tc, a_new_request_has_its_whole_time);
	     tcase_add_test(tc, an_absolute_target_is_taken_apart);
	     tcase_add_test(tc, closes_with_connections_open); tcase_add_test(tc, says_why_it_cannot_listen))
