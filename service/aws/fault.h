/* fault.h: AWS's error out of an answer, whichever of its protocols it is of. What a server says is taken apart with care:
 * it may be anything. */
#pragma once

#include "service/aws/client.h"

/* What an answer's headers say of its failure; "": they do not. */
struct aws_fault_headers {
	char error_type[AWS_CODE_SIZE];	 /* X-Amzn-ErrorType */
	char query_error[AWS_CODE_SIZE]; /* x-amzn-query-error: "CODE;Sender" */
	char request_id[AWS_REQUEST_ID_SIZE];
};

/* Fills RET's code, message and request_id for an answer of STATUS, which is no 2xx. BODY may be NULL. */
void aws_fault_read(
	unsigned status, const struct aws_fault_headers *headers, const char *body, struct aws_fault *ret);
