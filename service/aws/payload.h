/* payload.h: what a request carries, as its signature wants it. Internal to service/aws. */
#pragma once

#include "service/aws/sigv4.h"

/* The SHA-256 of the request's body, in memory or in its file. 0; negative with ERR. */
int aws_payload_hash(
	const struct aws_request *request, char hash[AWS_SHA256_SIZE], struct sandbox_error *err);
