/* node.h: the processes of one installation among each other. A node that answers HTTP fetches the live output of a job from
 * the node that runs it, whose address stands with the job's lease, and shows by a shared key that it may.
 *
 * The fetch is GET URL/jobs/ID/events with `Authorization: Cofferdam-HMAC-SHA256 SIGNATURE` (NODE_SCHEME) over "GET URL/jobs/ID/events": it
 * names node and job and stays good, so that no clocks have to agree; whoever overhears one has overheard the output as well.
 * Between machines that do not trust their network, let it go through TLS or a tunnel. */
#pragma once

#include "service/job.h"
#include "service/service.h"

#define NODE_SCHEME "Cofferdam-HMAC-SHA256 "

enum {
	NODE_KEY_MIN = 32, /* bytes, without white space at its end */
	NODE_KEY_MAX = 4096,
	NODE_SIGNATURE_SIZE = 65, /* in hexadecimal, with its NUL */
	NODE_URL_SIZE = JOB_WORKER_BYTES + 1,
};

struct node;

/* As CONFIG says (NODE_KEY, NODE_KEY_FILE, NODE_URL; NODE_LISTEN is node_server.h's). *RET stays NULL when there is nothing to
 * do. -EINVAL with ERR: the settings contradict each other, or the key is none. */
int node_open(const struct service_config *config, struct node **ret, struct sandbox_error *err);
/* Accepts NULL; returns NULL. */
struct node *node_close(struct node *node);

/* Where others can ask about a job that runs here; "": nowhere. Accepts NULL. */
const char *node_url(const struct node *node);
void node_set_url(struct node *node, const char *url);
/* May the node at URL be asked, and is it another one? Accepts NULL: no. */
bool node_is_elsewhere(const struct node *node, const char *url);
/* Of the fetch of job ID's output from URL. */
int node_sign(const struct node *node, const char *url, const char *id, char signature[NODE_SIGNATURE_SIZE],
	struct sandbox_error *err);
/* Is that SIGNATURE of the fetch of job ID's output from here? */
bool node_is_signature(const struct node *node, const char *id, const char *signature);
