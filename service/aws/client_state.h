/* client_state.h: what a client consists of, and where its requests go. Internal to service/aws. */
#pragma once

#include "service/aws/environment.h"
#include "service/aws/retry.h"

#include <stdatomic.h>
#include <time.h>

enum { AWS_HOST_SIZE = 512 };

struct aws_client {
	struct aws_environment *environment; /* borrowed */
	enum aws_service service;
	struct aws_endpoint endpoint;
	char url[AWS_ENDPOINT_URL_SIZE]; /* for people */
	struct aws_transport *transport;
	struct aws_bucket bucket;
	atomic_bool is_cancelled;
};

int64_t aws_clock_usec(clockid_t clock);

struct aws_target {
	char host[AWS_HOST_SIZE]; /* as the Host header has it */
	char *path; /* owned, not encoded: with the endpoint's own and the bucket's name, where it is there */
};

/* Of the object PATH in BUCKET (NULL: none) at ENDPOINT. 0, and the caller frees ret->path; -ENOMEM. */
int aws_target_find(const struct aws_client *client, const struct aws_endpoint *endpoint, const char *bucket,
	const char *path, struct aws_target *ret);
/* QUERY is encoded; "": none. Owned. NULL: no memory. */
char *aws_target_url(const struct aws_endpoint *endpoint, const struct aws_target *target, const char *query);
