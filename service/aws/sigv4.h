/* sigv4.h: AWS's signature, version 4. Pure: no clock, no network, no environment.
 *
 * Source: "Signature Version 4 signing process" of AWS's documentation; held against AWS's own vectors by
 * tests/aws/test_sigv4.c. */
#pragma once

#include "service/aws/client.h"

#include <time.h>

enum {
	AWS_SHA256_SIZE = 65, /* hexadecimal, with its NUL */
	AWS_DATE_SIZE = 17,   /* "20150830T123600Z" */
};

#define AWS_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

struct aws_keys {
	const char *access_key, *secret;
	const char *token; /* NULL: none */
};

struct aws_sigv4 {
	const char *method;
	const char *path; /* not encoded */
	/* S3 signs a path as it is; the others normalise it ("/a/./b//c" is "/a/b/c") and encode it twice. */
	bool is_s3;
	const struct aws_pair *query; /* not encoded */
	size_t nquery;
	const struct aws_pair *headers; /* all of them are signed; Host is one */
	size_t nheaders;
	const char *payload_hash; /* hexadecimal SHA-256 of the body, or AWS_UNSIGNED_PAYLOAD */
	time_t time;
	const char *region, *service;
	const struct aws_keys *keys;
};

void aws_sigv4_date(time_t time, char date[AWS_DATE_SIZE]);
/* Of SIZE bytes. 0 or -ENOTSUP. */
int aws_sha256(const void *bytes, size_t size, char hash[AWS_SHA256_SIZE]);

/* The value of the Authorization header. X-Amz-Date and X-Amz-Security-Token are among the headers, if they are to be
 * signed. *RET owned (aws_secret_free); NULL and -ENOMEM or -ENOTSUP. */
int aws_sigv4_authorization(const struct aws_sigv4 *what, char **ret);
/* The whole query of a URL that carries its permission, encoded: the caller's parameters, X-Amz-… and the signature; good
 * for TTL_SEC. The payload's hash is AWS_UNSIGNED_PAYLOAD for S3. */
int aws_sigv4_query(const struct aws_sigv4 *what, unsigned ttl_sec, char **ret);
/* The canonical query of the caller's parameters: as it is to stand in the request. *RET owned. */
int aws_sigv4_canonical_query(const struct aws_pair *query, size_t nquery, char **ret);
