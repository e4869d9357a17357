/* faulty.h: a proxy before a server on this machine that lets requests through, or not. For tests of what happens then. The
 * server gets whole requests only, and gets to answer them: it need not bear what is meant for its clients (dynalite ends when
 * one leaves in the middle of a request). */
#pragma once

#include <sys/types.h>

#define FAULTY_MODES(X)                                                                                      \
	X(PASS)                                                                                              \
	X(ERROR_500)                                                                                         \
	X(ERROR_503)                                                                                         \
	X(ERROR_429)                                                                                         \
	X(THROTTLE)    /* as DynamoDB does: 400, ProvisionedThroughputExceededException */                   \
	X(SLOW)	       /* each request waits for a while */                                                  \
	X(RESET)       /* the connection is reset when a request comes */                                    \
	X(LOSE_ANSWER) /* the request is done, and the connection is reset before its answer */              \
	X(REPEAT)      /* the request is done twice, at about the same time, and answered once */            \
	X(DOWN)	       /* nothing is to be had: every connection ends at once */

enum faulty_mode {
#define X(name) FAULTY_##name,
	FAULTY_MODES(X)
#undef X
		FAULTY_MODE_N,
};

const char *faulty_mode_name(enum faulty_mode mode);

struct faulty {
	pid_t pid;
	unsigned port;
	struct faulty_state *state; /* shared with it */
};

/* Before the server at 127.0.0.1:TARGET_PORT. */
void faulty_start(struct faulty *faulty, unsigned target_port);
/* From the next request on. */
void faulty_set(struct faulty *faulty, enum faulty_mode mode);
/* How many requests were done twice, and how many were refused with 403: by the server itself, or, as emulators of SQS and
 * DynamoDB do not look at the date, by the proxy in their place. */
unsigned faulty_repeated(const struct faulty *faulty);
unsigned faulty_refused(const struct faulty *faulty);
void faulty_stop(struct faulty *faulty);
