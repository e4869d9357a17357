#include "service/http_exchange.h"

#include "sandbox/base/fd.h"
#include "service/http_deadline.h"
#include "service/waiters.h"

#include <string.h>
#include <strings.h>

enum { HTTP_STREAM_BYTES = 16 * 1024 };

struct exchange {
	struct http_exchanges *all;
	struct http_request request;
	struct http_reply reply;
	char authority[512];   /* of an absolute request target; "" otherwise */
	bool is_decided;       /* REPLY is the answer, whatever still arrives */
	struct http_body body; /* owned */
	struct waiter waiter;
};

const char *http_query(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static struct http_deadline *deadline_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

struct occurrences {
	const char *name;
	unsigned n;
};

static enum MHD_Result count_value(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct occurrences *found = cls;

	(void)kind, (void)value;
	size_t len = strlen(found->name);
	/* libmicrohttpd leaves blanks before the colon to the name, where others may drop them. */
	if (strncasecmp(name, found->name, len) == 0 && name[len + strspn(name + len, " \t")] == '\0')
		found->n++;
	return MHD_YES;
}

/* NULL where there are several: another who reads them, as a proxy, may go by another one (RFC 9112, 3.2). */
static const char *single_header_of(struct MHD_Connection *connection, const char *name)
{
	struct occurrences found = {.name = name};

	(void)MHD_get_connection_values(connection, MHD_HEADER_KIND, count_value, &found);
	return found.n == 1 ? header_of(connection, name) : NULL;
}

const char *http_header(const struct http_request *request, const char *name)
{
	return header_of(request->connection, name);
}

static void decide_error(struct exchange *exchange, enum api_error_code code, const char *message)
{
	struct api_error error;

	(void)api_error_set(&error, code, NULL, "%s", message);
	http_reply_error(&exchange->reply, &error);
	exchange->is_decided = true;
}

/* Before the body: what is wrong already? */
static bool announces_too_much(struct MHD_Connection *connection, size_t body_max)
{
	const char *length = header_of(connection, "Content-Length");

	return length != NULL && strtoull(length, NULL, 10) > body_max;
}

/* --- the body ------------------------------------------------------------------------------------------------- */

/* A decided request's body is read to its end and dropped: libmicrohttpd takes an answer before the body or after
 * it, and a client that is still sending would lose one to a reset. The deadline bounds how long that goes on. */
static void take_body(struct exchange *exchange, const char *data, size_t size)
{
	if (exchange->is_decided)
		return;
	struct http_exchanges *all = exchange->all;
	int r = http_body_append(&exchange->body, &all->budget, all->body_max, data, size);
	if (r == 0)
		return;
	http_body_drop(&exchange->body, &all->budget);
	if (r == HTTP_BODY_TOO_LARGE)
		decide_error(exchange, API_ERROR_TOO_LARGE, "the body is larger than any job may be");
	else
		decide_error(exchange, API_ERROR_UNAVAILABLE, "too many large requests at one time");
}

static void disarm(const struct exchange *exchange)
{
	struct http_deadline *deadline = deadline_of(exchange->request.connection);

	if (deadline != NULL)
		http_deadline_disarm(deadline);
}

/* --- the answer ----------------------------------------------------------------------------------------------- */

/* MHD_ContentReaderCallback. 0: the connection is suspended, and this is called again once it is resumed. */
static ssize_t read_stream(void *cls, uint64_t position, char *buf, size_t size)
{
	struct exchange *exchange = cls;
	const struct http_stream *stream = &exchange->reply.stream;
	struct waiters *waiters = exchange->all->waiters;
	ssize_t n;

	(void)position;
	do {
		n = stream->pull(stream->user, buf, size);
		if (n != HTTP_STREAM_LATER)
			return n == HTTP_STREAM_END ? MHD_CONTENT_READER_END_OF_STREAM : n;
	} while (!waiters_suspend(waiters, &exchange->waiter, exchange->request.connection));
	return 0;
}

/* What REPLY owned is the response's, once there is one; but for a stream, which stays the exchange's. */
static struct MHD_Response *make_response(struct exchange *exchange)
{
	struct http_reply *reply = &exchange->reply;
	struct MHD_Response *response;

	if (reply->stream.pull != NULL)
		return MHD_create_response_from_callback(
			MHD_SIZE_UNKNOWN, HTTP_STREAM_BYTES, read_stream, exchange, NULL);

	if (reply->fd >= 0) {
		response = MHD_create_response_from_fd64(reply->fd_size, reply->fd);
		if (response != NULL)
			reply->fd = -1;
		return response;
	}
	response = MHD_create_response_from_buffer(
		reply->body_size, reply->body, reply->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (response != NULL)
		reply->body = NULL;
	return response;
}

/* All or none: an answer without its security headers is not to leave the house. */
static bool add_headers(struct MHD_Response *response, const struct http_reply *reply)
{
	static const struct {
		const char *name, *value;
	} always[] = {
		{"X-Content-Type-Options", "nosniff"},
		{"Cache-Control", "no-store"},
		{"Referrer-Policy", "no-referrer"},
		{"Content-Security-Policy",
			"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
	};
	enum MHD_Result r = MHD_YES;

	if (reply->content_type != NULL)
		r = MHD_add_response_header(response, "Content-Type", reply->content_type);
	for (size_t i = 0; i < ARRAY_SIZE(always) && r == MHD_YES; i++)
		r = MHD_add_response_header(response, always[i].name, always[i].value);
	for (size_t i = 0; i < reply->nheaders && r == MHD_YES; i++)
		r = MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
	return r == MHD_YES;
}

static enum MHD_Result send_reply(struct exchange *exchange)
{
	disarm(exchange);
	struct MHD_Response *response = make_response(exchange);
	if (response == NULL)
		return MHD_NO; /* no memory: the connection is closed */
	enum MHD_Result r = MHD_NO;
	if (add_headers(response, &exchange->reply)) {
		exchange->all->handler.sent(
			&exchange->request, &exchange->reply, exchange->all->handler.user);
		r = MHD_queue_response(exchange->request.connection, exchange->reply.status, response);
	}
	MHD_destroy_response(response);
	return r;
}

/* --- the steps ------------------------------------------------------------------------------------------------ */

/* "http://authority/path" (RFC 9112, 3.2.2): what it names counts, not the Host header. */
static const char *take_authority(struct exchange *exchange, const char *url)
{
	static const char scheme[] = "http://";

	if (strncasecmp(url, scheme, sizeof(scheme) - 1) != 0)
		return url;
	const char *authority = url + sizeof(scheme) - 1;
	size_t len = strcspn(authority, "/");
	if (len >= sizeof(exchange->authority))
		return url; /* longer than any host that is accepted: not found */
	memcpy(exchange->authority, authority, len);
	exchange->request.host = exchange->authority;
	return authority[len] != '\0' ? authority + len : "/";
}

static struct exchange *begin(
	struct http_exchanges *all, struct MHD_Connection *connection, const char *url, const char *method)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->all = all;
	exchange->request = (struct http_request){
		.method = method,
		.path = url,
		.host = single_header_of(connection, "Host"),
		.content_type = single_header_of(connection, "Content-Type"),
		.connection = connection,
		.waiter = &exchange->waiter,
	};
	exchange->request.path = take_authority(exchange, url);
	http_reply_init(&exchange->reply);
	exchange->is_decided = all->handler.refuse(&exchange->request, &exchange->reply, all->handler.user);
	return exchange;
}

/* The first call, with the headers. A client that asks before it sends (Expect) or announces too much is answered
 * at once. */
static enum MHD_Result on_headers(struct exchange *exchange)
{
	struct MHD_Connection *connection = exchange->request.connection;
	bool is_too_large = announces_too_much(connection, exchange->all->body_max);

	if (!exchange->is_decided && is_too_large)
		decide_error(exchange, API_ERROR_TOO_LARGE, "the body is larger than any job may be");
	if (exchange->is_decided && (is_too_large || header_of(connection, "Expect") != NULL))
		return send_reply(exchange);
	return MHD_YES;
}

/* True: the reply comes later. The connection is suspended then, and this is called again. */
static bool answer(struct exchange *exchange)
{
	struct http_exchanges *all = exchange->all;

	do {
		exchange->reply.is_later = false;
		all->handler.answer(&exchange->request, &exchange->reply, all->handler.user);
		if (!exchange->reply.is_later)
			return false;
	} while (!waiters_suspend(all->waiters, &exchange->waiter, exchange->request.connection));
	return true;
}

static enum MHD_Result on_complete(struct exchange *exchange)
{
	disarm(exchange); /* the answer may take its time */
	if (!exchange->is_decided) {
		exchange->request.body = exchange->body.data ? exchange->body.data : "";
		exchange->request.body_size = exchange->body.size;
		if (answer(exchange))
			return MHD_YES;
		http_body_drop(&exchange->body, &exchange->all->budget);
	}
	return send_reply(exchange);
}

enum MHD_Result http_exchange_handle(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
	void **con_cls)
{
	struct exchange *exchange = *con_cls;

	(void)version;
	if (exchange == NULL) {
		exchange = begin(cls, connection, url, method);
		*con_cls = exchange;
		return exchange ? on_headers(exchange) : MHD_NO;
	}
	if (*upload_data_size > 0) {
		take_body(exchange, upload_data, *upload_data_size);
		*upload_data_size = 0;
		return MHD_YES;
	}
	return on_complete(exchange);
}

void http_exchange_completed(
	void *cls, struct MHD_Connection *connection, void **con_cls, enum MHD_RequestTerminationCode toe)
{
	struct exchange *exchange = *con_cls;
	struct http_deadline *deadline = deadline_of(connection);

	(void)cls;
	(void)toe;
	if (deadline != NULL)
		http_deadline_arm(deadline);
	if (exchange == NULL)
		return;
	waiters_leave(exchange->all->waiters, &exchange->waiter);
	http_body_drop(&exchange->body, &exchange->all->budget);
	http_reply_free(&exchange->reply);
	free(exchange);
	*con_cls = NULL;
}
