/* credentials.h: where the keys come from, asked in this order, as AWS's own clients do it:
 *
 *   1 AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   2 the shared files: AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials), AWS_CONFIG_FILE (~/.aws/config), in them the
 *     profile AWS_PROFILE ("default")
 *   3 a web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN (AWS_ROLE_SESSION_NAME), at STS
 *   4 a container's endpoint: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with AWS_CONTAINER_AUTHORIZATION_TOKEN
 *     or _TOKEN_FILE
 *   5 the machine's (IMDSv2, never v1), unless AWS_EC2_METADATA_DISABLED is "true"; AWS_EC2_METADATA_SERVICE_ENDPOINT
 *
 * What has an end is fetched anew by a thread before it comes, so that no call waits for it; if that fails, the old ones are
 * used on, beyond their end if need be, and it is tried again. */
#pragma once

#include "service/aws/client.h"

enum { AWS_KEY_SIZE = 256, AWS_TOKEN_SIZE = 8192 };

struct aws_credentials {
	char access_key[AWS_KEY_SIZE], secret[AWS_KEY_SIZE];
	char token[AWS_TOKEN_SIZE]; /* "": none */
	int64_t expires_usec;	    /* CLOCK_REALTIME; 0: never */
	uint64_t generation;	    /* the chain's count of different ones */
};

struct aws_chain;

/* When keys that have an end are fetched anew. */
struct aws_chain_pace {
	unsigned ahead_msec;   /* so long before their end */
	unsigned soonest_msec; /* but not sooner than this after the last time */
	unsigned again_msec;   /* after that failed, up to twice as long */
	unsigned vain_msec;    /* so long nobody asks after there were none, or only those refused */
};

struct aws_chain_options {
	const char *sts_endpoint;	   /* "https://sts.eu-west-1.amazonaws.com". Borrowed */
	const char *ca_bundle;		   /* NULL: the system's. Borrowed */
	const struct aws_chain_pace *pace; /* NULL: as AWS's own clients have it */
};

/* Asks nobody. */
int aws_chain_open(
	const struct aws_chain_options *options, struct aws_chain **ret, struct sandbox_error *err);
struct aws_chain *aws_chain_close(struct aws_chain *chain); /* accepts NULL, returns NULL */

/* The credentials to use now into *RET (caller: aws_credentials_wipe). Waits for the first ones. -EACCES with ERR: there are
 * none. */
int aws_chain_get(struct aws_chain *chain, struct aws_credentials *ret, struct sandbox_error *err);
/* A service knows the keys of GENERATION no longer: they are fetched anew, unless somebody has done so meanwhile, or has
 * found no others just now. True: there are others. */
bool aws_chain_renew(struct aws_chain *chain, uint64_t generation);
void aws_credentials_wipe(struct aws_credentials *credentials);

/* One source. 0; AWS_NOT_HERE: it is not configured; a negative errno with ERR: it is, but fails. For credentials.c. */
enum { AWS_NOT_HERE = 1 };
int aws_credentials_environment(struct aws_credentials *ret, struct sandbox_error *err);
int aws_credentials_profile(struct aws_credentials *ret, struct sandbox_error *err);
/* The value of KEY of the profile in the shared configuration. False: there is none. */
bool aws_profile_get(const char *key, char *buf, size_t size);

struct aws_transport;
/* What a source asks over the network. */
struct aws_sources {
	struct aws_transport *transport; /* for STS */
	struct aws_transport *direct;	 /* for addresses of this machine: through no proxy */
	const char *sts_endpoint;
};
int aws_credentials_web_identity(
	const struct aws_sources *sources, struct aws_credentials *ret, struct sandbox_error *err);
int aws_credentials_container(
	const struct aws_sources *sources, struct aws_credentials *ret, struct sandbox_error *err);
int aws_credentials_machine(
	const struct aws_sources *sources, struct aws_credentials *ret, struct sandbox_error *err);

/* May a container's keys be asked for at URL? Only on this machine, or over TLS. */
bool aws_credentials_may_ask(const char *url);
/* Keys out of what containers and machines answer, and of what STS does; BODY may be NULL. 0; -EPROTO with ERR. */
int aws_credentials_take_json(const char *body, struct aws_credentials *ret, struct sandbox_error *err);
int aws_credentials_take_xml(const char *body, struct aws_credentials *ret, struct sandbox_error *err);
