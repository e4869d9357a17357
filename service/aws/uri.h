/* uri.h: URIs as AWS's signatures want them (RFC 3986), and endpoints. */
#pragma once

#include "sandbox/base/error.h"

#include <stdbool.h>
#include <stdio.h>

/* Writes TEXT with everything but A-Z a-z 0-9 - . _ ~ as %XX; with KEEPS_SLASHES '/' stays, too. */
void aws_uri_encode(FILE *out, const char *text, bool keeps_slashes);

enum { AWS_ENDPOINT_URL_SIZE = 640 }; /* of any endpoint, with its NUL */

struct aws_endpoint {
	char scheme[8]; /* "http", "https" */
	char host[256]; /* a name or a number; IPv6 in its brackets */
	unsigned port;	/* 0: the scheme's */
	char path[256]; /* before every path: "" or "/base", without a slash at its end */
};

/* "http://127.0.0.1:4566/base". -EINVAL with ERR: it is none (it has a query or a user, another scheme …). */
int aws_endpoint_parse(const char *url, struct aws_endpoint *ret, struct sandbox_error *err);
/* As the Host header has it: with the port, if that is not the scheme's. */
void aws_endpoint_host(const struct aws_endpoint *endpoint, char *buf, size_t size);
/* "https://host:port/base", into BUF of AWS_ENDPOINT_URL_SIZE or more. */
void aws_endpoint_url(const struct aws_endpoint *endpoint, char *buf, size_t size);
