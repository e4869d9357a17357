#include "tests/lib/faulty.h"

#include "sandbox/base/fd.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum {
	SLOW_MSEC = 1200,
	DRAIN_MSEC = 500,
	LEAVE_MSEC = 5000,
	BUFFER = 64 * 1024,
	REQUEST_MAX = 32 << 20,
	SKEW_SEC = 15 * 60, /* AWS's own bound */
};

struct faulty_state {
	atomic_int mode;
	atomic_uint nrepeated, nrefused;
};

static const char *const names[] = {
#define X(name) #name,
	FAULTY_MODES(X)
#undef X
};

const char *faulty_mode_name(enum faulty_mode mode)
{
	return names[mode];
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* --- in the proxy's process: no assertions ------------------------------------------------------------------------ */

/* One client and its server. */
struct pair {
	struct faulty_state *state;
	int client, server; /* owned */
	unsigned target_port;
	char *request; /* owned: what there is of the one that is coming, NUL-terminated */
	size_t size;
};

static enum faulty_mode mode_of(const struct pair *pair)
{
	return (enum faulty_mode)atomic_load(&pair->state->mode);
}

static void reset(int *sock)
{
	(void)setsockopt(*sock, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	*sock = fd_close(*sock);
}

/* What the client still sends is read, so that it gets to read the answer. */
static void answer(struct pair *pair, const char *text)
{
	struct pollfd client = {.fd = pair->client, .events = POLLIN};
	char rest[BUFFER];

	(void)!send(pair->client, text, strlen(text), MSG_NOSIGNAL);
	(void)shutdown(pair->client, SHUT_WR);
	while (poll(&client, 1, DRAIN_MSEC) > 0 && recv(pair->client, rest, sizeof(rest), 0) > 0)
		;
	pair->client = fd_close(pair->client);
}

#define CANNED(status, head, body) "HTTP/1.1 " status "\r\n" head "Connection: close\r\nContent-Length: " body

static void fail_request(struct pair *pair)
{
	switch (mode_of(pair)) {
	case FAULTY_ERROR_500:
		answer(pair, CANNED("500 Internal Server Error", "", "5\r\n\r\nOops\n"));
		break;
	case FAULTY_ERROR_503:
		answer(pair, CANNED("503 Service Unavailable", "Retry-After: 1\r\n", "5\r\n\r\n<oh/>"));
		break;
	case FAULTY_ERROR_429:
		answer(pair, CANNED("429 Too Many Requests", "", "2\r\n\r\n{}"));
		break;
	case FAULTY_THROTTLE:
		answer(pair, CANNED("400 Bad Request", "",
				     "97\r\n\r\n{\"__type\":\"com.amazonaws.dynamodb.v20120810#"
				     "ProvisionedThroughputExceededException\",\"message\":\"m\"}  "));
		break;
	default:
		reset(&pair->client);
	}
}

/* How long the request will be; 0: that is not known yet. */
static size_t request_size(const struct pair *pair)
{
	static const char field[] = "\r\ncontent-length:";
	const char *end = pair->request != NULL ? strstr(pair->request, "\r\n\r\n") : NULL;

	if (end == NULL)
		return 0;
	const char *length = strcasestr(pair->request, field);
	size_t body = length != NULL && length < end ? strtoul(length + strlen(field), NULL, 10) : 0;
	return (size_t)(end - pair->request) + strlen("\r\n\r\n") + body;
}

/* After the last word to it. */
static void leave_server(int server)
{
	struct pollfd wait = {.fd = server, .events = POLLIN};
	char rest[BUFFER];

	(void)shutdown(server, SHUT_WR);
	while (poll(&wait, 1, LEAVE_MSEC) > 0 && recv(server, rest, sizeof(rest), 0) > 0)
		;
	(void)fd_close(server);
}

static int reach_server(const struct pair *pair)
{
	struct sockaddr_in target = loopback(pair->target_port);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(server, (struct sockaddr *)&target, sizeof(target)) == 0)
		return server;
	return fd_close(server);
}

static void *hear_out(void *user)
{
	leave_server((int)(intptr_t)user);
	return NULL;
}

static void repeat(const struct pair *pair)
{
	int server = reach_server(pair);
	pthread_t thread;

	if (server < 0)
		return;
	if (fd_write_all(server, pair->request, pair->size) == 0)
		atomic_fetch_add(&pair->state->nrepeated, 1);
	if (pthread_create(&thread, NULL, hear_out, (void *)(intptr_t)server) == 0)
		(void)pthread_detach(thread);
	else
		leave_server(server);
}

/* Of SQS and DynamoDB, and signed with a date that they do not take. */
static bool is_skewed(const struct pair *pair)
{
	static const char field[] = "\r\nX-Amz-Date: ";
	const char *date = strcasestr(pair->request, field);
	struct tm tm = {0};

	if (date == NULL || strcasestr(pair->request, "\r\nX-Amz-Target: ") == NULL ||
		strptime(date + strlen(field), "%Y%m%dT%H%M%SZ", &tm) == NULL)
		return false;
	return llabs((long long)timegm(&tm) - (long long)time(NULL)) > SKEW_SEC;
}

static void refuse(struct pair *pair)
{
	char date[64], text[512];
	time_t now = time(NULL);
	struct tm tm;

	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	(void)snprintf(text, sizeof(text),
		"HTTP/1.1 403 Forbidden\r\nDate: %s\r\nConnection: close\r\n"
		"Content-Length: 64\r\n\r\n%-64s",
		date, "{\"__type\":\"InvalidSignatureException\",\"message\":\"expired\"}");
	atomic_fetch_add(&pair->state->nrefused, 1);
	answer(pair, text);
}

static void handle(struct pair *pair)
{
	if (mode_of(pair) == FAULTY_PASS && is_skewed(pair)) {
		refuse(pair);
		return;
	}
	switch (mode_of(pair)) {
	case FAULTY_SLOW:
		(void)nanosleep(&(struct timespec){SLOW_MSEC / 1000, SLOW_MSEC % 1000 * 1000000}, NULL);
		break;
	case FAULTY_REPEAT:
		repeat(pair);
		break;
	case FAULTY_PASS:
	case FAULTY_LOSE_ANSWER:
		break;
	default:
		fail_request(pair);
		return;
	}
	if (fd_write_all(pair->server, pair->request, pair->size) < 0)
		reset(&pair->client);
	free(pair->request);
	pair->request = NULL;
	pair->size = 0;
}

/* Each of our clients waits for its answer: they begin a request, or go on with one. */
static void from_client(struct pair *pair, const char *bytes, size_t size)
{
	char *request =
		pair->size + size < REQUEST_MAX ? realloc(pair->request, pair->size + size + 1) : NULL;

	if (request == NULL) {
		reset(&pair->client);
		return;
	}
	memcpy(request + pair->size, bytes, size);
	pair->request = request;
	pair->size += size;
	pair->request[pair->size] = '\0';
	size_t whole = request_size(pair);
	if (whole > 0 && pair->size >= whole)
		handle(pair);
}

static void from_server(struct pair *pair, const char *bytes, size_t size)
{
	static const char refusal[] = "HTTP/1.1 403";

	if (size > strlen(refusal) && memcmp(bytes, refusal, strlen(refusal)) == 0)
		atomic_fetch_add(&pair->state->nrefused, 1);
	if (mode_of(pair) == FAULTY_LOSE_ANSWER || mode_of(pair) == FAULTY_DOWN ||
		fd_write_all(pair->client, bytes, size) < 0)
		reset(&pair->client);
}

static void *carry(void *user)
{
	struct pair *pair = user;
	char bytes[BUFFER];

	pair->server = mode_of(pair) == FAULTY_DOWN ? -1 : reach_server(pair);
	if (pair->server < 0)
		reset(&pair->client);
	while (pair->client >= 0) {
		struct pollfd both[] = {
			{.fd = pair->client, .events = POLLIN}, {.fd = pair->server, .events = POLLIN}};
		if (poll(both, 2, -1) < 0)
			break;
		bool is_client = both[0].revents != 0;
		ssize_t n = recv(is_client ? pair->client : pair->server, bytes, sizeof(bytes), 0);
		if (n <= 0)
			break;
		if (is_client)
			from_client(pair, bytes, (size_t)n);
		else
			from_server(pair, bytes, (size_t)n);
	}
	(void)fd_close(pair->client);
	if (pair->server >= 0)
		leave_server(pair->server);
	free(pair->request);
	free(pair);
	return NULL;
}

__attribute__((noreturn)) static void serve(struct faulty_state *state, int listener, unsigned target_port)
{
	pthread_attr_t detached;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)pthread_attr_init(&detached);
	(void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (;;) {
		struct pair *pair = calloc(1, sizeof(*pair));
		pthread_t thread;
		if (pair == NULL)
			_exit(1);
		*pair = (struct pair){.state = state,
			.client = accept4(listener, NULL, NULL, SOCK_CLOEXEC),
			.server = -1,
			.target_port = target_port};
		(void)setsockopt(pair->client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		if (pair->client < 0 || pthread_create(&thread, &detached, carry, pair) != 0) {
			(void)fd_close(pair->client);
			free(pair);
		}
	}
}

/* --- in the test's ------------------------------------------------------------------------------------------------ */

void faulty_start(struct faulty *faulty, unsigned target_port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	faulty->state =
		mmap(NULL, sizeof(*faulty->state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(faulty->state, MAP_FAILED);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(listener, 128), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	faulty->port = ntohs(address.sin_port);
	faulty->pid = fork();
	ck_assert_int_ge(faulty->pid, 0);
	if (faulty->pid == 0)
		serve(faulty->state, listener, target_port);
}

void faulty_set(struct faulty *faulty, enum faulty_mode mode)
{
	atomic_store(&faulty->state->mode, (int)mode);
}

unsigned faulty_repeated(const struct faulty *faulty)
{
	return atomic_load(&faulty->state->nrepeated);
}

unsigned faulty_refused(const struct faulty *faulty)
{
	return atomic_load(&faulty->state->nrefused);
}

void faulty_stop(struct faulty *faulty)
{
	ck_assert_int_eq(kill(faulty->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(faulty->pid, NULL, 0), faulty->pid);
	(void)munmap(faulty->state, sizeof(*faulty->state));
}
