/* environment.h: what all clients of a process share. Internal to service/aws. */
#pragma once

#include "service/aws/credentials.h"
#include "service/aws/uri.h"

#include <stdatomic.h>

struct aws_environment {
	char region[64];
	char ca_bundle[1024]; /* "": the system's */
	struct aws_endpoint endpoints[AWS_SERVICE_N];
	bool has_endpoint[AWS_SERVICE_N]; /* one was named; else the service's own */
	char sts_url[AWS_ENDPOINT_URL_SIZE];
	unsigned max_attempts; /* 0: the service's standard */
	enum aws_addressing addressing;
	struct aws_chain *chain;
	_Atomic int64_t offset_sec; /* the services' clock is that much ahead of ours */
};

/* The name in addresses and signatures: "sqs". */
const char *aws_service_name(enum aws_service service);
