#include "service/http_body.h"

#include "service/http.h"

#include <stdlib.h>
#include <string.h>

static bool budget_take(http_budget *budget, size_t size)
{
	if (atomic_fetch_add(budget, size) + size <= HTTP_BODIES_BYTES)
		return true;
	(void)atomic_fetch_sub(budget, size);
	return false;
}

static int make_room(struct http_body *body, http_budget *budget, size_t wanted)
{
	size_t doubled = 2 * body->room;
	size_t room = wanted < doubled ? doubled : wanted;
	size_t growth = room - body->room;

	if (!budget_take(budget, growth))
		return HTTP_BODY_NO_ROOM;
	char *larger = realloc(body->data, room);
	if (larger == NULL) {
		(void)atomic_fetch_sub(budget, growth);
		return HTTP_BODY_NO_ROOM;
	}
	body->data = larger;
	body->room = room;
	return 0;
}

int http_body_append(struct http_body *body, http_budget *budget, size_t max, const char *data, size_t size)
{
	int r = 0;

	if (size > max - body->size)
		return HTTP_BODY_TOO_LARGE;
	if (body->size + size > body->room)
		r = make_room(body, budget, body->size + size);
	if (r != 0)
		return r;
	memcpy(body->data + body->size, data, size);
	body->size += size;
	return 0;
}

void http_body_drop(struct http_body *body, http_budget *budget)
{
	free(body->data);
	(void)atomic_fetch_sub(budget, body->room);
	*body = (struct http_body){0};
}
