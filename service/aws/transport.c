#include "service/aws/transport.h"

#include "sandbox/base/fd.h"
#include "service/aws/secret.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <time.h>

static const char stage[] = "aws.transport";

enum {
	POLL_MSEC = 1000,
	RETRY_MAX_SEC = 3600,	      /* longer hints are none */
	STALLED_BYTES_PER_SEC = 1024, /* less than that is next to nothing */
};

/* A connection's home: one easy handle in a multi handle of its own, so that a wait for it can be woken. Used by one thread
 * at a time. */
struct line {
	LIST_ENTRY(line) link; /* of those at rest, or of those at work */
	CURLM *multi;
	CURL *easy;
	bool is_cancellable;
};

LIST_HEAD(lines, line);

struct aws_transport {
	struct aws_transport_options options;
	pthread_mutex_t lock;
	struct lines resting, working; /* under it */
	atomic_bool is_cancelled;
};

/* --- lines ---------------------------------------------------------------------------------------------------- */

static void line_free(struct line *line)
{
	if (line->easy != NULL)
		curl_easy_cleanup(line->easy);
	if (line->multi != NULL)
		(void)curl_multi_cleanup(line->multi);
	free(line);
}

static struct line *line_new(void)
{
	struct line *line = calloc(1, sizeof(*line));

	if (line == NULL)
		return NULL;
	line->multi = curl_multi_init();
	line->easy = curl_easy_init();
	if (line->multi != NULL && line->easy != NULL)
		return line;
	line_free(line);
	return NULL;
}

/* The one that rested last: its connection is the freshest. */
static struct line *line_take(struct aws_transport *transport, bool is_cancellable)
{
	(void)pthread_mutex_lock(&transport->lock);
	struct line *line = LIST_FIRST(&transport->resting);
	if (line != NULL)
		LIST_REMOVE(line, link);
	(void)pthread_mutex_unlock(&transport->lock);
	if (line == NULL)
		line = line_new();
	if (line == NULL)
		return NULL;
	line->is_cancellable = is_cancellable;
	(void)pthread_mutex_lock(&transport->lock);
	LIST_INSERT_HEAD(&transport->working, line, link);
	(void)pthread_mutex_unlock(&transport->lock);
	return line;
}

static void line_give(struct aws_transport *transport, struct line *line)
{
	curl_easy_reset(line->easy); /* connections stay with the multi handle */
	(void)pthread_mutex_lock(&transport->lock);
	LIST_REMOVE(line, link);
	LIST_INSERT_HEAD(&transport->resting, line, link);
	(void)pthread_mutex_unlock(&transport->lock);
}

void aws_transport_cancel(struct aws_transport *transport)
{
	struct line *line;

	atomic_store(&transport->is_cancelled, true);
	(void)pthread_mutex_lock(&transport->lock);
	LIST_FOREACH(line, &transport->working, link)
	if (line->is_cancellable)
		(void)curl_multi_wakeup(line->multi);
	(void)pthread_mutex_unlock(&transport->lock);
}

/* --- one attempt ---------------------------------------------------------------------------------------------- */

struct exchange {
	const struct aws_attempt *attempt;
	struct aws_answer *answer;
	CURL *easy;
	uint64_t sent;
	struct aws_text memory; /* the answer's body, as far as it is kept */
	bool is_too_large;
	bool has_exact_retry; /* x-amz-retry-after was there */
	int file_errno;
	int64_t age_sec;
};

static size_t read_body(char *to, size_t size, size_t n, void *user)
{
	struct exchange *exchange = user;
	const struct aws_attempt *attempt = exchange->attempt;
	uint64_t left = attempt->body_size - exchange->sent;
	size_t room = size * n < left ? size * n : (size_t)left;

	if (room == 0)
		return 0;
	if (attempt->body != NULL) {
		memcpy(to, (const char *)attempt->body + exchange->sent, room);
	} else {
		ssize_t got =
			pread(attempt->body_fd, to, room, (off_t)(attempt->body_offset + exchange->sent));
		if (got <= 0) {
			exchange->file_errno = got < 0 ? errno : ENODATA;
			return CURL_READFUNC_ABORT;
		}
		room = (size_t)got;
	}
	exchange->sent += room;
	return room;
}

/* libcurl goes back when a kept connection turns out to be closed. */
static int seek_body(void *user, curl_off_t offset, int origin)
{
	struct exchange *exchange = user;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > exchange->attempt->body_size)
		return CURL_SEEKFUNC_FAIL;
	exchange->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static bool goes_to_file(const struct exchange *exchange)
{
	long status = 0;

	if (exchange->attempt->reply_fd < 0)
		return false;
	(void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300;
}

static size_t write_body(char *from, size_t size, size_t n, void *user)
{
	struct exchange *exchange = user;
	struct aws_answer *answer = exchange->answer;
	bool is_file = goes_to_file(exchange);
	uint64_t max = is_file ? exchange->attempt->reply_max : AWS_REPLY_MAX;

	if (answer->received + size * n > max) {
		exchange->is_too_large = true;
		return 0;
	}
	answer->received += size * n;
	if (!is_file)
		return fwrite(from, 1, size * n, exchange->memory.stream);
	int r = fd_write_all(exchange->attempt->reply_fd, from, size * n);
	exchange->file_errno = r < 0 ? -r : 0;
	return r < 0 ? 0 : size * n;
}

/* The value of LINE, if its name is NAME, into BUF. */
static bool take_header(const char *line, size_t length, const char *name, char *buf, size_t size)
{
	size_t n = strlen(name);

	if (length <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	line += n + 1;
	length -= n + 1;
	while (length > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		length--;
	}
	while (length > 0 && (unsigned char)line[length - 1] <= ' ')
		length--;
	if (length >= size)
		return false;
	(void)snprintf(buf, size, "%.*s", (int)length, line);
	return true;
}

/* AWS's own header, in milliseconds, counts more than HTTP's, in seconds. */
static void read_retry(struct exchange *exchange, const char *line, size_t length)
{
	unsigned *msec = &exchange->answer->retry_msec;
	char text[64];

	if (take_header(line, length, "x-amz-retry-after", text, sizeof(text)) &&
		strtoul(text, NULL, 10) < RETRY_MAX_SEC * 1000UL) {
		*msec = (unsigned)strtoul(text, NULL, 10);
		exchange->has_exact_retry = true;
	}
	if (!exchange->has_exact_retry && take_header(line, length, "Retry-After", text, sizeof(text)) &&
		strtoul(text, NULL, 10) < RETRY_MAX_SEC)
		*msec = (unsigned)strtoul(text, NULL, 10) * 1000;
}

static size_t read_header(char *line, size_t size, size_t n, void *user)
{
	struct exchange *exchange = user;
	struct aws_answer *answer = exchange->answer;
	size_t length = size * n;
	char text[64];

	/* The last answer's count, not those of 100 before. */
	if (length > 5 && strncmp(line, "HTTP/", 5) == 0) {
		answer->date_sec = answer->retry_msec = 0;
		exchange->has_exact_retry = false;
	}
	(void)take_header(line, length, "ETag", answer->etag, sizeof(answer->etag));
	(void)take_header(
		line, length, "x-amzn-requestid", answer->fault.request_id, sizeof(answer->fault.request_id));
	(void)take_header(
		line, length, "x-amz-request-id", answer->fault.request_id, sizeof(answer->fault.request_id));
	(void)take_header(line, length, "x-amzn-query-error", answer->fault.query_error,
		sizeof(answer->fault.query_error));
	(void)take_header(
		line, length, "x-amzn-errortype", answer->fault.error_type, sizeof(answer->fault.error_type));
	if (take_header(line, length, "Date", text, sizeof(text))) {
		time_t date = curl_getdate(text, NULL);
		answer->date_sec = date > 0 ? (int64_t)date : 0;
	}
	if (take_header(line, length, "Age", text, sizeof(text)))
		exchange->age_sec = strtoll(text, NULL, 10);
	if (take_header(line, length, "Content-Length", text, sizeof(text)))
		answer->content_length = strtoull(text, NULL, 10);
	read_retry(exchange, line, length);
	return length;
}

/* A header as libcurl wants it: without a value "Name;". */
static char *header_line(const struct aws_pair *header)
{
	struct aws_text line;

	if (!aws_text_open(&line))
		return NULL;
	(void)fprintf(
		line.stream, header->value[0] != '\0' ? "%s: %s" : "%s;%s", header->name, header->value);
	return aws_text_close(&line, NULL);
}

/* NULL: no memory. */
static struct curl_slist *header_list(const struct aws_attempt *attempt)
{
	/* Of libcurl's own accord: neither is signed, nor wanted. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (size_t i = 0; i < attempt->nheaders && list != NULL; i++) {
		_cleanup_secret_ char *line = header_line(&attempt->headers[i]);
		struct curl_slist *more = line != NULL ? curl_slist_append(list, line) : NULL;
		if (more == NULL)
			curl_slist_free_all(list);
		list = more;
	}
	return list;
}

#define SET(option, value)                                                                                   \
	do {                                                                                                 \
		if (code == CURLE_OK)                                                                        \
			code = curl_easy_setopt(easy, option, value);                                        \
	} while (0)

static CURLcode set_body(CURL *easy, struct exchange *exchange)
{
	const struct aws_attempt *attempt = exchange->attempt;
	CURLcode code = CURLE_OK;

	if (strcmp(attempt->method, "HEAD") == 0) {
		SET(CURLOPT_NOBODY, 1L);
	} else if (strcmp(attempt->method, "PUT") == 0 || attempt->body_size > 0) {
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)attempt->body_size);
		SET(CURLOPT_READFUNCTION, read_body);
		SET(CURLOPT_READDATA, exchange);
		SET(CURLOPT_SEEKFUNCTION, seek_body);
		SET(CURLOPT_SEEKDATA, exchange);
	} else if (strcmp(attempt->method, "POST") == 0) {
		SET(CURLOPT_POSTFIELDS, "");
	}
	SET(CURLOPT_CUSTOMREQUEST, attempt->method);
	return code;
}

static CURLcode set_options(const struct aws_transport *transport, CURL *easy, struct exchange *exchange,
	struct curl_slist *headers)
{
	const struct aws_attempt *attempt = exchange->attempt;
	CURLcode code = CURLE_OK;

	SET(CURLOPT_URL, attempt->url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_USERAGENT, "cofferdam/1");
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)transport->options.connect_msec);
	SET(CURLOPT_TIMEOUT_MS, (long)attempt->msec);
	SET(CURLOPT_LOW_SPEED_LIMIT, (long)STALLED_BYTES_PER_SEC);
	SET(CURLOPT_LOW_SPEED_TIME, (long)attempt->stall_sec);
	SET(CURLOPT_WRITEFUNCTION, write_body);
	SET(CURLOPT_WRITEDATA, exchange);
	SET(CURLOPT_HEADERFUNCTION, read_header);
	SET(CURLOPT_HEADERDATA, exchange);
	if (transport->options.is_direct)
		SET(CURLOPT_PROXY, "");
	else
		SET(CURLOPT_NOPROXY, NULL);
	if (transport->options.ca_bundle != NULL)
		SET(CURLOPT_CAINFO, transport->options.ca_bundle);
	return code == CURLE_OK ? set_body(easy, exchange) : code;
}

static int errno_of(CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		return ECONNREFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return EHOSTUNREACH;
	case CURLE_OUT_OF_MEMORY:
		return ENOMEM;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return EPROTO;
	default:
		return ECONNRESET;
	}
}

/* Until the attempt has ended. A negative errno: it did not, and why. */
static int drive(struct aws_transport *transport, struct line *line, CURLcode *ret)
{
	CURLMcode code = curl_multi_add_handle(line->multi, line->easy);
	int running = 1, left = 0;

	while (code == CURLM_OK && running > 0) {
		if (line->is_cancellable && atomic_load(&transport->is_cancelled))
			return -ECANCELED;
		code = curl_multi_perform(line->multi, &running);
		if (code == CURLM_OK && running > 0)
			code = curl_multi_poll(line->multi, NULL, 0, POLL_MSEC, NULL);
	}
	if (code != CURLM_OK)
		return code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
	const CURLMsg *message = curl_multi_info_read(line->multi, &left);
	*ret = message != NULL ? message->data.result : CURLE_GOT_NOTHING;
	return 0;
}

static int conclude(const struct exchange *exchange, CURLcode code, struct sandbox_error *err)
{
	long status = 0;

	if (exchange->file_errno != 0)
		return error_set(err, exchange->file_errno, stage, "a file: %s",
			strerrordesc_np(exchange->file_errno));
	if (exchange->is_too_large)
		return error_set(err, EFBIG, stage, "the answer is too large");
	if (code != CURLE_OK)
		return error_set(err, errno_of(code), stage, "%s", curl_easy_strerror(code));
	(void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	exchange->answer->status = (unsigned)status;
	if (exchange->age_sec > 0)
		exchange->answer->date_sec = 0;
	return 0;
}

static int perform(struct aws_transport *transport, struct line *line, struct exchange *exchange,
	struct sandbox_error *err)
{
	struct curl_slist *headers = header_list(exchange->attempt);
	CURLcode code = CURLE_OK;

	if (headers == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	int r = 0;
	exchange->easy = line->easy;
	code = set_options(transport, line->easy, exchange, headers);
	if (code == CURLE_OK)
		r = drive(transport, line, &code);
	(void)curl_multi_remove_handle(line->multi, line->easy);
	if (r < 0)
		r = error_set(err, -r, stage, r == -ECANCELED ? "cancelled" : "libcurl fails");
	else
		r = conclude(exchange, code, err);
	curl_slist_free_all(headers);
	return r;
}

int aws_transport_attempt(struct aws_transport *transport, const struct aws_attempt *attempt,
	struct aws_answer *ret, struct sandbox_error *err)
{
	struct exchange exchange = {.attempt = attempt, .answer = ret};

	*ret = (struct aws_answer){0};
	struct line *line = line_take(transport, attempt->is_cancellable);
	if (line == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	bool is_open = aws_text_open(&exchange.memory);
	int r = is_open ? perform(transport, line, &exchange, err)
			: error_set(err, ENOMEM, stage, "no memory");
	line_give(transport, line);
	ret->body = is_open ? aws_text_close(&exchange.memory, &ret->body_size) : NULL;
	if (r == 0 && ret->body == NULL)
		r = error_set(err, ENOMEM, stage, "no memory");
	if (r < 0) {
		aws_secret_free(ret->body);
		ret->body = NULL;
	}
	return r;
}

/* --- life ----------------------------------------------------------------------------------------------------- */

int aws_transport_open(
	const struct aws_transport_options *options, struct aws_transport **ret, struct sandbox_error *err)
{
	struct aws_transport *transport = calloc(1, sizeof(*transport));

	if (transport == NULL)
		return error_set(err, ENOMEM, stage, "no memory");
	aws_secret_guard_libraries();
	transport->options = *options;
	(void)pthread_mutex_init(&transport->lock, NULL);
	LIST_INIT(&transport->resting);
	LIST_INIT(&transport->working);
	*ret = transport;
	return 0;
}

struct aws_transport *aws_transport_close(struct aws_transport *transport)
{
	struct line *line;

	if (transport == NULL)
		return NULL;
	while ((line = LIST_FIRST(&transport->resting)) != NULL) {
		LIST_REMOVE(line, link);
		line_free(line);
	}
	(void)pthread_mutex_destroy(&transport->lock);
	free(transport);
	return NULL;
}
