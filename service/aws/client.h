/* client.h: calls to SQS, DynamoDB, S3 and STS, or to whatever speaks their protocols. Knows nothing of jobs.
 *
 * A call is signed (sigv4.h), sent over a kept connection (transport.h), and asked again where that can help, as AWS's own
 * clients do in their standard mode (retry.h). It blocks its thread; any number of threads may call through one client.
 * No function here logs, but for a renewal of keys that fails, which is no call's failure. No secret key, session token or
 * signature is ever in an error, a fault or a reply's fields, and no memory is freed that holds one (secret.h). A link is the
 * caller's.
 *
 * The environment, as AWS's own clients read it:
 *   AWS_REGION, AWS_DEFAULT_REGION, "region" of the profile in the shared configuration
 *   AWS_ENDPOINT_URL_SQS, _DYNAMODB, _S3, _STS, AWS_ENDPOINT_URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
 *   AWS_CA_BUNDLE, HTTPS_PROXY, NO_PROXY and the like (a proxy is never asked for credentials of this machine)
 *   AWS_MAX_ATTEMPTS; AWS_RETRY_MODE (all of standard, legacy and adaptive mean standard)
 *   credentials: credentials.h */
#pragma once

#include "sandbox/base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum aws_service { AWS_SQS, AWS_DYNAMODB, AWS_S3, AWS_STS, AWS_SERVICE_N };

enum {
	AWS_REFUSED = 1, /* the service answers with an error that asking again would not change */

	AWS_CODE_SIZE = 80,
	AWS_MESSAGE_SIZE = 512,
	AWS_REQUEST_ID_SIZE = 128,
	AWS_ETAG_SIZE = 128,
	AWS_REPLY_MAX = 16 << 20, /* bytes of an answer that is kept in memory */
	AWS_HEADERS_MAX = 16,	  /* of a request, beside those that the client adds */
	AWS_QUERY_MAX = 16,
	AWS_PRESIGN_SEC_MAX = 7 * 24 * 3600, /* the services' own bound */
};

/* --- the environment -------------------------------------------------------------------------------------------- */

/* Region, endpoints, trust and credentials; all clients of a process share one. */
struct aws_environment;

/* Reads the process's environment and the shared files that it names. Asks nobody over the network; credentials are
 * fetched when a call first needs them, and from then on renewed in time by a thread of the environment's.
 * 0; -EINVAL with ERR naming the variable that makes no sense; -ENOENT: no region is named; other -errno. */
int aws_environment_open(struct aws_environment **ret, struct sandbox_error *err);
/* Every client must be closed by then. */
struct aws_environment *aws_environment_close(struct aws_environment *environment);

const char *aws_environment_region(const struct aws_environment *environment);

/* Where a bucket's name goes: into the path, or into the host. The standard is the path if an endpoint for S3 is named, else
 * the host. Before the first client of S3 is opened. */
enum aws_addressing { AWS_ADDRESSING_STANDARD, AWS_ADDRESSING_PATH, AWS_ADDRESSING_HOST };
void aws_environment_set_addressing(struct aws_environment *environment, enum aws_addressing addressing);

/* --- a client --------------------------------------------------------------------------------------------------- */

/* One service: its endpoint, connections and budget of retries. */
struct aws_client;

/* ENVIRONMENT stays borrowed. 0, or -ENOMEM with ERR. */
int aws_client_open(struct aws_environment *environment, enum aws_service service, struct aws_client **ret,
	struct sandbox_error *err);
/* No call may be under way. */
struct aws_client *aws_client_close(struct aws_client *client);

/* Calls under way with IS_CANCELLABLE, and those to come with it, return -ECANCELED at once. From any thread. */
void aws_client_cancel(struct aws_client *client);

/* CLOCK_REALTIME as AWS sees it: the local clock, and what the answers to this process showed that to be off by. Links are
 * signed by it as well, without asking anybody. */
int64_t aws_client_now_usec(const struct aws_client *client);

enum aws_service aws_client_service(const struct aws_client *client);

/* "http://127.0.0.1:4566", "https://sqs.eu-west-1.amazonaws.com": for people. */
const char *aws_client_endpoint(const struct aws_client *client);

/* --- calls ------------------------------------------------------------------------------------------------------ */

struct aws_pair {
	const char *name, *value;
};

/* All borrowed. */
struct aws_request {
	const char *operation; /* for people: "PutObject" */
	const char *method;
	const char *bucket;	      /* S3, NULL: none */
	const char *path;	      /* not encoded, from '/' on, without the bucket: "/outputs/x.txt" */
	const struct aws_pair *query; /* not encoded; a value of NULL is empty: {"uploads", NULL} */
	size_t nquery;
	const struct aws_pair *
		headers; /* beside Host, Authorization and X-Amz-…, which signing adds; they are signed too */
	size_t nheaders;

	/* The body: BODY_SIZE bytes at BODY, or if that is NULL of the file BODY_FD from BODY_OFFSET on, streamed (it is read
	 * twice: its hash is signed). Its position neither matters nor moves. */
	const void *body;
	int body_fd;
	uint64_t body_offset;
	size_t body_size;

	/* If HAS_REPLY_FD, the body of a 2xx answer goes to this file from its start on, which is truncated first, and no more
	 * of it than REPLY_MAX bytes (0: AWS_REPLY_MAX; more is -EFBIG). Its position is undefined after. */
	bool has_reply_fd;
	int reply_fd;
	uint64_t reply_max;

	unsigned attempt_msec;	/* 0: the service's standard (limits.c) */
	unsigned deadline_msec; /* for all attempts and the pauses between them; 0: the service's standard */
	unsigned wait_msec;	/* what the service itself waits in a long poll: comes on top of both */
	bool is_cancellable;
};

/* How a call ended, for the log. */
struct aws_fault {
	unsigned status;   /* of HTTP; 0: no answer */
	unsigned attempts; /* after more than one, a refusal may be the answer to our own earlier attempt */
	char code
		[AWS_CODE_SIZE]; /* "ConditionalCheckFailedException", without any prefix; "" if it went well. An answer
	                           * without a code is called "NotFound" (404), "Forbidden" (403), "PreconditionFailed"
	                           * (412), "NotModified" (304), else "Http<status>" */
	char message[AWS_MESSAGE_SIZE]; /* one line */
	char request_id[AWS_REQUEST_ID_SIZE];
};

struct aws_reply {
	struct aws_fault fault;
	char *body; /* owned, NUL-terminated; NULL: none */
	size_t body_size;
	char etag[AWS_ETAG_SIZE]; /* with its quotes */
	uint64_t content_length;  /* as announced (HEAD), or received */
};

/* 0: a 2xx answer, in *RET. AWS_REFUSED: RET->fault says why, and so does ERR. In both cases the caller frees *RET with
 * aws_reply_free. Negative with ERR, and nothing to free, though RET->fault is filled as far as known:
 *   -EAGAIN      throttled, at the last attempt too
 *   -EIO         the service failed (5xx), at the last attempt too
 *   -ETIMEDOUT   no answer in time, or the deadline is over
 *   -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH: not reachable
 *   -EPROTO      TLS was refused, or the answer is no HTTP
 *   -EFBIG       the answer is larger than allowed
 *   -EACCES      there are no credentials, or none that the service knows
 *   -ECANCELED   see aws_client_cancel
 *   -EINVAL      the request makes no sense
 *   other -errno the machine's own failures, of files and memory */
int aws_call(struct aws_client *client, const struct aws_request *request, struct aws_reply *ret,
	struct sandbox_error *err);
/* Safe on a zeroed reply. */
void aws_reply_free(struct aws_reply *reply);

/* Where an error of aws_call says that the service is not to be had now, rather than that the call was wrong. */
bool aws_is_unavailable(int r);

struct aws_json_request {
	const char *operation; /* "PutItem" */
	const json_t *in;
	unsigned attempt_msec, deadline_msec, wait_msec; /* as in struct aws_request */
	bool is_cancellable;
	struct aws_fault *fault; /* filled if it is not NULL */
};

/* The JSON protocols of SQS and DynamoDB. All of REQUEST is borrowed. Returns as aws_call does. 0: *RET is the answer, an
 * object (an empty one if the answer is empty). AWS_REFUSED: *RET is what came with the refusal ("Item",
 * "CancellationReasons"), or NULL. The caller decrefs *RET in both cases. An answer that is no JSON object is -EPROTO. */
int aws_json_call(struct aws_client *client, const struct aws_json_request *request, json_t **ret,
	struct sandbox_error *err);

struct aws_presign {
	const char *bucket, *path;    /* as in struct aws_request */
	const struct aws_pair *query; /* {"response-content-disposition", "attachment"} */
	size_t nquery;
	unsigned ttl_sec;	     /* 1 … AWS_PRESIGN_SEC_MAX */
	const char *public_endpoint; /* the URL under which downloaders reach S3; NULL: as we do */
};

/* S3: a URL for a GET without a key. *RET owned (free). It is good for TTL_SEC, or for as long as the credentials live if
 * that is shorter: *RET_SEC. 0; -EACCES as aws_call; -EINVAL: what is asked for makes no sense; -ENOMEM. */
int aws_presign_get(struct aws_client *client, const struct aws_presign *what, char **ret, unsigned *ret_sec,
	struct sandbox_error *err);

/* The text of the first element NAME of an answer in XML ("UploadId"), its entities resolved, NUL-terminated: into
 * BUF[SIZE]. False: there is none, or it does not fit. */
bool aws_xml_text(const char *xml, const char *name, char *buf, size_t size);
