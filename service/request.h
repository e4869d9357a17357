/* request.h: what POST /submit accepts, and how it says no. Nothing here touches the network or the store. */
#pragma once

#include "service/api_error.h"
#include "service/job.h"

struct request_limits {
	size_t code_bytes;
	size_t input_bytes;
};

/* The largest body that can hold a job within LIMITS: JSON may need six bytes ("\u0041") for one. */
size_t request_body_max(const struct request_limits *limits);

/* Reads {"userId", "language", "code", "input", "priority"} into JOB (user_id, language as the client spelled it, code, input,
 * is_urgent;
 * caller: job_free) and checks each field's type, length and content. 0; an enum api_error_code (positive) with ERR
 * filled and JOB as it was; -ENOMEM. */
int request_parse(const char *body, size_t size, const struct request_limits *limits, struct job *job,
	struct api_error *err);

/* Is VALUE "application/json", with no parameter but charset=utf-8? NULL is none. */
bool request_content_type_ok(const char *value);

/* Does a Host header name this machine's loopback (localhost, 127.0.0.0/8, [::1], any port)? A page of a foreign
 * site that re-binds its name to 127.0.0.1 still sends its own name here. NULL is none and does not. */
bool request_host_ok(const char *value);

/* Is ADDRESS a loopback address in numbers ("127.0.0.1", "::1")? */
bool request_address_is_loopback(const char *address);
