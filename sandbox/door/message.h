/* message.h: what is said at the door. One request and one reply per connection, each one SOCK_SEQPACKET message of
 * fixed layout in this machine's byte order; all descriptors travel with the request, in SCM_RIGHTS.
 *
 *   request  struct message_request_head, argument bytes, name bytes; or a bare struct message_head (hello, cancel)
 *   reply    struct message_reply
 *
 * This is all that the privileged half reads of what others wrote. Building and parsing are pure functions of bytes:
 * no allocation, no system call (tests/unit/test_message.c). */
#pragma once

#include "sandbox/sandbox.h"

enum {
	MESSAGE_MAGIC = 0x52444643, /* "CFDR" */
	MESSAGE_VERSION = 1, /* of everything below; both sides come from one build, or say so clearly */
	MESSAGE_FDS_MAX = 3 + BOUND_FILES + BOUND_COLLECT,
};

enum message_type {
	MESSAGE_RUN = 1,     /* request: a run; the connection is its life line */
	MESSAGE_HELLO = 2,   /* request and reply: are you there? */
	MESSAGE_CANCEL = 3,  /* after a RUN: end it, but still tell me */
	MESSAGE_RESULT = 16, /* reply: the run's result */
	MESSAGE_ERROR = 17,  /* reply: why there is no result */
};

/* Begins every message, in every version. */
struct message_head {
	uint32_t magic;
	uint16_t version;
	uint16_t type; /* enum message_type */
	uint32_t size; /* of the whole message */
	uint32_t reserved;
};

/* Which standard streams come with a descriptor. */
enum {
	MESSAGE_STDIN = 1,
	MESSAGE_STDOUT = 2,
	MESSAGE_STDERR = 4,
	MESSAGE_MERGED = 8, /* stderr_fd is stdout_fd; STDOUT and not STDERR */
};

/* Descriptors follow in the order of the fields: stdin, stdout, stderr, input files, result files. Whatever is not
 * used is 0. */
struct message_request_head {
	struct message_head head;
	char policy[BOUND_POLICY_NAME + 1];
	uint32_t step;
	uint32_t streams;
	uint32_t nargs, args_bytes; /* NUL-terminated strings, one after the other */
	uint32_t nfiles, ncollects;
	uint32_t names_bytes; /* input files, then result files: NUL-terminated */
	uint32_t reserved;
	uint64_t executables; /* bit I: input file I */
	uint64_t collect_max[BOUND_COLLECT];
	struct sandbox_limits limits;
};

struct message_reply {
	struct message_head head;
	union {
		struct sandbox_result result;
		struct sandbox_error error;
	};
};

_Static_assert(sizeof(struct message_request_head) + BOUND_ARG_BYTES + BOUND_NAME_BYTES < BOUND_REQUEST_BYTES,
	"the largest request fits into one message");
_Static_assert(BOUND_FILES <= 64, "executables has one bit per file");

/* A parsed request. Strings are borrowed from the message's bytes, pointers in SPEC from this struct: it is not to be
 * moved or copied. */
struct message_request {
	enum message_type type;	  /* RUN, HELLO or CANCEL; the rest is for RUN */
	struct sandbox_spec spec; /* descriptors are indices into the message's until message_bind */
	const char *args[BOUND_ARGS];
	struct sandbox_file files[BOUND_FILES];
	struct sandbox_collect collects[BOUND_COLLECT];
	char policy[BOUND_POLICY_NAME + 1];
};

/* Reads a request that came with NFDS descriptors. Every length is checked and every descriptor accounted for; what a
 * name or a limit means is left to sandbox_start. 0; -EPROTONOSUPPORT (another version; stage "request.version"),
 * -E2BIG (a bound of bounds.h) or -EINVAL with ERR, stage "request.message". */
int message_parse(
	const void *bytes, size_t size, size_t nfds, struct message_request *ret, struct sandbox_error *err);

/* Puts the descriptors themselves, FDS[NFDS] as they arrived (borrowed), in the place of their indices. */
void message_bind(struct message_request *request, const int *fds);

/* A request ready to be sent. */
struct message_out {
	size_t size;
	size_t nfds;
	int fds[MESSAGE_FDS_MAX]; /* borrowed from the spec */
	_Alignas(uint64_t) char bytes[BOUND_REQUEST_BYTES];
};

/* Lays SPEC out. 0, or -EINVAL with ERR (stage "request.message") when SPEC is beyond a bound. */
int message_build(const struct sandbox_spec *spec, struct message_out *ret, struct sandbox_error *err);

/* A bare HELLO or CANCEL. */
struct message_head message_bare(enum message_type type);

/* Exactly one of RESULT and ERROR; neither: a HELLO. */
void message_reply_build(
	const struct sandbox_result *result, const struct sandbox_error *error, struct message_reply *ret);

/* Checks a reply before a field of it is used. 0, or -EPROTO / -EPROTONOSUPPORT with ERR, stage "door.reply". */
int message_reply_check(const struct message_reply *reply, size_t size, struct sandbox_error *err);
