/* limits.h: how long a call may take, and how often it is tried. Pure. */
#pragma once

#include "service/aws/client.h"

struct aws_limits {
	unsigned attempts, base_msec; /* retry.h */
	unsigned attempt_msec;	      /* of one attempt */
	unsigned deadline_msec;	      /* of all, with the pauses between them */
	unsigned stall_sec; /* so long next to nothing may move in an attempt; 0: no bound but the others */
};

/* What goes from or to a file has time in proportion to its size, if only it moves. What REQUEST asks for itself counts, and
 * the wait of a long poll is on top of it. */
struct aws_limits aws_limits_of(enum aws_service service, const struct aws_request *request);
