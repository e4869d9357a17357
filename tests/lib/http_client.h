/* http_client.h: a real HTTP client for tests (libcurl). */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct http_client_request {
	const char *method; /* NULL: GET */
	const char *url;
	const char *headers[8]; /* "Name: value"; an empty value ("Name:") sends none. NULL ends them */
	const char *body;	/* NULL: none */
	size_t body_size;	/* 0: its string length */
};

struct http_client_answer {
	long status; /* 0: the connection ended without one */
	char *body;  /* owned, NUL-terminated */
	size_t size;
	json_t *headers; /* owned: an object, names in lower case */
};

/* Fails the running test when there is no connection at all. */
void http_client_send(const struct http_client_request *request, struct http_client_answer *answer);
/* Sends TEXT as it is to URL's address on a connection of its own and reads until the server closes it. */
void http_client_send_raw(const char *url, const char *text, struct http_client_answer *answer);
/* A connection to URL's address; owned by the caller. */
int http_client_connect(const char *url);
void http_client_answer_free(struct http_client_answer *answer);
const char *http_client_header(
	const struct http_client_answer *answer, const char *lower_name); /* NULL: none */
/* The body as JSON, owned by the caller; anything else fails the running test. */
json_t *http_client_json(const struct http_client_answer *answer);
