/* http.h: HTTP as the API sees it: a request, a reply, and a server that turns one into the other.
 *
 * libmicrohttpd (epoll, a small pool of threads) is known to http.c, http_exchange.c and waiters.c only. What bounds a client: the
 * number of connections, the memory of one connection's headers, the size of one body, the bytes of all bodies
 * together, and the time within which a request must be complete (http_deadline.h). */
#pragma once

#include "sandbox/base/error.h"
#include "service/api_error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct MHD_Connection;
struct waiter;
struct waiters;

enum {
	HTTP_THREADS = 4,
	HTTP_THREADS_REMOTE = 32, /* where a handler waits for the network */
	HTTP_CONNECTIONS = 256,
	HTTP_HEADER_BYTES = 32 * 1024, /* request line and headers of one request, and its read buffer */
	HTTP_BODIES_BYTES = 128 * 1024 * 1024, /* bodies of all unfinished requests together */
	HTTP_REPLY_HEADERS = 4,
};

struct http_request {
	const char *method;
	const char *path;	  /* decoded, without the query */
	const char *host;	  /* NULL: none, or several headers of this name */
	const char *content_type; /* the same */
	const char *body;
	size_t body_size;
	struct MHD_Connection *connection;
	struct waiter *waiter; /* for waiters_listen */
};

/* The decoded value of a query parameter, a header's value; NULL when it is not there. Borrowed. */
const char *http_query(const struct http_request *request, const char *name);
const char *http_header(const struct http_request *request, const char *name);

enum { HTTP_STREAM_LATER = 0, HTTP_STREAM_END = -1 };

/* A body that comes by and by, for as long as there is more of it. All zeroes: none. */
struct http_stream {
	/* Up to SIZE bytes (SIZE > 0) into BUF: how many. Or HTTP_STREAM_LATER: there is nothing yet, and the request's waiter
	 * follows what there will be (waiters_follow). Or HTTP_STREAM_END. */
	ssize_t (*pull)(void *user, char *buf, size_t size);
	void (*close)(void *user);
	void *user; /* owned */
};

struct http_reply {
	unsigned status;
	const char *content_type; /* static */
	const char *error;	  /* static: the code of the error it tells, for the log; NULL: none */
	char *body;		  /* owned, from malloc; unused when fd or stream is set */
	size_t body_size;
	int fd; /* owned; -1: none */
	uint64_t fd_size;
	struct http_stream stream;
	bool is_later; /* there is none yet: the handler listens (waiters_listen), and wants to be called again */
	size_t nheaders;
	struct {
		const char *name; /* static */
		char value[192];
	} headers[HTTP_REPLY_HEADERS];
};

void http_reply_init(struct http_reply *reply);
void http_reply_free(struct http_reply *reply);
/* One more header; the value is cut at the size above. */
void http_reply_header(struct http_reply *reply, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* JSON, one line; takes the reference. NULL (no memory) makes it a bare 500. */
void http_reply_json(struct http_reply *reply, unsigned status, json_t *json);
void http_reply_error(struct http_reply *reply, const struct api_error *error);
/* A copy of TEXT; NULL (no memory) makes it a bare 500. */
void http_reply_text(struct http_reply *reply, const char *content_type, const char *text);

/* Both may be called from several threads at once. */
struct http_handler {
	/* The headers are there, the body is not: true with REPLY filled refuses the request. */
	bool (*refuse)(const struct http_request *request, struct http_reply *reply, void *user);
	/* The whole request is there. Again and again, when REPLY is to come later. */
	void (*answer)(const struct http_request *request, struct http_reply *reply, void *user);
	/* REPLY, whoever made it, is on its way: to be counted and logged. */
	void (*sent)(const struct http_request *request, const struct http_reply *reply, void *user);
	void *user;
};

struct http_options {
	const char *address; /* in numbers */
	uint16_t port;	     /* 0: any */
	unsigned timeout_sec;
	size_t body_max;
	struct http_handler handler;
	struct waiters *waiters; /* borrowed; NULL: no reply comes later */
	unsigned threads;	 /* in which handlers run; 0: HTTP_THREADS */
};

struct http_server;

/* Listens and serves from now on, in threads of its own. */
int http_server_open(const struct http_options *options, struct http_server **ret, struct sandbox_error *err);
/* "http://ADDRESS:PORT" of an address in numbers. */
void http_url(const char *address, unsigned port, char *buf, size_t size);
uint16_t http_server_port(const struct http_server *server);
/* Ends every connection; no handler runs any more when it returns. Accepts NULL; returns NULL. */
struct http_server *http_server_close(struct http_server *server);
