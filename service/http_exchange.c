#include "service/http_exchange.h"

#include "sandbox/base/fd.h"
#include "service/http_deadline.h"

#include <string.h>

struct exchange {
	struct http_exchanges *all;
	struct http_request request;
	struct http_reply reply;
	bool is_decided; /* REPLY is the answer, whatever still arrives */
	char *body;	 /* owned */
	size_t body_size, body_room;
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

/* Room for SIZE more bytes, and one for a NUL. The requests of all clients share one budget. */
static enum api_error_code make_room(struct exchange *exchange, size_t size)
{
	size_t wanted = exchange->body_size + size + 1;

	if (exchange->body_size + size > exchange->all->body_max)
		return API_ERROR_TOO_LARGE;
	if (wanted <= exchange->body_room)
		return API_ERROR_NONE;
	size_t room = wanted < 2 * exchange->body_room ? 2 * exchange->body_room : wanted;
	size_t growth = room - exchange->body_room;
	if (atomic_fetch_add(&exchange->all->bodies_bytes, growth) + growth > HTTP_BODIES_BYTES) {
		(void)atomic_fetch_sub(&exchange->all->bodies_bytes, growth);
		return API_ERROR_UNAVAILABLE;
	}
	char *larger = realloc(exchange->body, room);
	if (larger == NULL) {
		(void)atomic_fetch_sub(&exchange->all->bodies_bytes, growth);
		return API_ERROR_UNAVAILABLE;
	}
	exchange->body = larger;
	exchange->body_room = room;
	return API_ERROR_NONE;
}

static void drop_body(struct exchange *exchange)
{
	free(exchange->body);
	(void)atomic_fetch_sub(&exchange->all->bodies_bytes, exchange->body_room);
	exchange->body = NULL;
	exchange->body_size = exchange->body_room = 0;
}

/* A decided request's body is read to its end and dropped: libmicrohttpd takes an answer before the body or after
 * it, and a client that is still sending would lose one to a reset. The deadline bounds how long that goes on. */
static void take_body(struct exchange *exchange, const char *data, size_t size)
{
	if (exchange->is_decided)
		return;
	switch (make_room(exchange, size)) {
	case API_ERROR_NONE:
		memcpy(exchange->body + exchange->body_size, data, size);
		exchange->body_size += size;
		return;
	case API_ERROR_TOO_LARGE:
		drop_body(exchange);
		decide_error(exchange, API_ERROR_TOO_LARGE, "the body is larger than any job may be");
		return;
	default:
		drop_body(exchange);
		decide_error(exchange, API_ERROR_UNAVAILABLE, "too many large requests at one time");
		return;
	}
}

/* --- the answer ----------------------------------------------------------------------------------------------- */

static struct MHD_Response *make_response(struct http_reply *reply)
{
	if (reply->fd >= 0)
		return MHD_create_response_from_fd64(reply->fd_size, TAKE_FD(reply->fd));
	if (reply->body == NULL)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	return MHD_create_response_from_buffer(
		reply->body_size, TAKE_PTR(reply->body), MHD_RESPMEM_MUST_FREE);
}

static void add_headers(struct MHD_Response *response, const struct http_reply *reply)
{
	if (reply->content_type != NULL)
		(void)MHD_add_response_header(response, "Content-Type", reply->content_type);
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	(void)MHD_add_response_header(response, "Cache-Control", "no-store");
	(void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	(void)MHD_add_response_header(response, "Content-Security-Policy",
		"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
	for (size_t i = 0; i < reply->nheaders; i++)
		(void)MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
}

static enum MHD_Result send_reply(struct exchange *exchange)
{
	struct http_deadline *deadline = deadline_of(exchange->request.connection);

	if (deadline != NULL)
		http_deadline_disarm(deadline);
	struct MHD_Response *response = make_response(&exchange->reply);
	if (response == NULL)
		return MHD_NO; /* no memory: the connection is closed */
	add_headers(response, &exchange->reply);
	exchange->all->handler.sent(&exchange->request, &exchange->reply, exchange->all->handler.user);
	enum MHD_Result r =
		MHD_queue_response(exchange->request.connection, exchange->reply.status, response);
	MHD_destroy_response(response);
	return r;
}

/* --- the steps ------------------------------------------------------------------------------------------------ */

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
		.host = header_of(connection, "Host"),
		.content_type = header_of(connection, "Content-Type"),
		.connection = connection,
	};
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

static enum MHD_Result on_complete(struct exchange *exchange)
{
	if (!exchange->is_decided) {
		exchange->request.body = exchange->body ? exchange->body : "";
		exchange->request.body_size = exchange->body_size;
		exchange->all->handler.answer(
			&exchange->request, &exchange->reply, exchange->all->handler.user);
		drop_body(exchange);
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
	drop_body(exchange);
	http_reply_free(&exchange->reply);
	free(exchange);
	*con_cls = NULL;
}
