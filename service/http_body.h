/* http_body.h: the body of one request, within a bound of its own and a budget that all requests share. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

struct http_body {
	char *data; /* owned; NULL while empty */
	size_t size, room;
};

/* The bytes that all bodies together hold; starts at 0. */
typedef atomic_size_t http_budget;

enum http_body_condition {
	HTTP_BODY_TOO_LARGE = 1, /* it would pass MAX */
	HTTP_BODY_NO_ROOM = 2,	 /* all together would pass HTTP_BODIES_BYTES, or there is no memory */
};

/* Appends SIZE bytes of DATA. 0 or a condition; BODY is then as it was. */
int http_body_append(struct http_body *body, http_budget *budget, size_t max, const char *data, size_t size);

/* Frees it and gives its share of the budget back; it is empty then. */
void http_body_drop(struct http_body *body, http_budget *budget);
