/* transport.h: one attempt of one request over HTTP (libcurl). Connections are kept and used again. Any thread. */
#pragma once

#include "service/aws/fault.h"

struct aws_transport;

struct aws_transport_options {
	const char *ca_bundle; /* file; NULL: the system's. Borrowed */
	bool is_direct;	       /* never through a proxy */
	unsigned connect_msec;
};

int aws_transport_open(
	const struct aws_transport_options *options, struct aws_transport **ret, struct sandbox_error *err);
/* No attempt may be under way. Accepts NULL; returns NULL. */
struct aws_transport *aws_transport_close(struct aws_transport *transport);
/* Attempts under way that may be cancelled end with -ECANCELED, and so do those to come. */
void aws_transport_cancel(struct aws_transport *transport);

struct aws_attempt {
	const char *method, *url;
	const struct aws_pair *headers; /* all there are to be */
	size_t nheaders;
	const void *body; /* or, if NULL, BODY_SIZE bytes of BODY_FD from BODY_OFFSET on */
	int body_fd;
	uint64_t body_offset, body_size;
	int reply_fd; /* -1: the answer's body is kept in memory */
	uint64_t reply_max;
	unsigned msec;
	unsigned stall_sec; /* the attempt ends if for so long next to nothing moved; 0: not for that */
	bool is_cancellable;
};

struct aws_answer {
	unsigned status;
	char *body; /* owned; what does not go to reply_fd (which takes 2xx answers only). NUL-terminated */
	size_t body_size;
	uint64_t received, content_length;
	char etag[AWS_ETAG_SIZE];
	struct aws_fault_headers fault;
	unsigned retry_msec; /* what the server asks for; 0: nothing */
	int64_t date_sec;    /* the server's clock; 0: it did not tell, or the answer is an old one */
};

/* 0: there is an answer, of whatever status (free(ret->body)). Negative as aws_call, with ERR. */
int aws_transport_attempt(struct aws_transport *transport, const struct aws_attempt *attempt,
	struct aws_answer *ret, struct sandbox_error *err);
