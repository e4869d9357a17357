/* http_exchange.h: one request's way through libmicrohttpd: headers, body, answer. Internal to http.c. */
#pragma once

#include "service/http.h"
#include "service/http_body.h"

#include <microhttpd.h>

struct http_exchanges {
	struct http_handler handler;
	size_t body_max;
	struct waiters *waiters; /* borrowed */
	http_budget budget;	 /* of the bodies of unfinished requests */
};

/* The callbacks of a daemon whose CLS is a struct http_exchanges. */
enum MHD_Result http_exchange_handle(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
	void **con_cls);
void http_exchange_completed(
	void *cls, struct MHD_Connection *connection, void **con_cls, enum MHD_RequestTerminationCode toe);
