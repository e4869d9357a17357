/* service.h: what the service's parts share: configuration and the three backends. */
#pragma once

#include "service/batch.h"
#include "service/objects.h"
#include "service/queue.h"
#include "service/store.h"

#include <stdbool.h>

struct service_config {
	const char *listen; /* "127.0.0.1"; a non-loopback address is refused (no authentication yet) */
	uint64_t port;	    /* 8080; 0: any free port, printed in the ready line */
	const char *state_dir;
	const char *socket; /* the supervisor's */
	const char *policies_dir;
	const char *role;   /* "api", "worker", "all" */
	uint64_t workers;   /* 0: as many as CPUs */
	uint64_t lease_sec; /* a claim's, unless it is renewed */
	uint64_t keep_days; /* jobs and outputs are kept so long; 0: for ever */
	const char *dynamodb_table, *queue_url, *urgent_queue_url, *bucket; /* NULL: embedded (backends.h) */
	const char *s3_public_endpoint;
	bool is_s3_path_style;
	uint64_t exec_timeout_sec; /* EXEC_TIMEOUT_SEC, 10: wall time of a run */
	uint64_t memory_bytes, processes, cpu_millis, output_bytes; /* a run's limits; 0: the policy's */
	const char *images_dir;
	uint64_t artifacts_bytes, artifacts_memory_bytes; /* 0: nothing is kept */
	bool is_artifact_per_user;
	uint64_t code_max_bytes, input_max_bytes;
	uint64_t url_ttl_sec;	      /* 1800 */
	uint64_t request_timeout_sec; /* a request must be complete within it */
	const char *node_listen, *node_url, *node_key, *node_key_file; /* NULL: none (node.h) */
	uint64_t node_port;
	const char *emf_file; /* NULL: none */
	const char *emf_namespace;
	const char *log_level;
	uint64_t ready_fd; /* gets "READY http://…\n" once requests are accepted; 0: none */
};

struct artifacts; /* service/artifacts.h */
struct languages; /* service/languages.h: what GET /languages shows and POST /submit accepts */
struct live;	  /* service/live.h */
struct node;	  /* service/node.h */
struct metrics;	  /* service/metrics.h */
struct waiters;	  /* service/waiters.h */

struct service {
	struct service_config config;
	struct store *store;
	struct queue *queue;
	struct objects *objects;
	struct batch *batch;	     /* NULL: they are not kept in one place */
	struct artifacts *artifacts; /* NULL: off, or this process runs no jobs */
	struct languages *languages;
	struct metrics *metrics;
	struct waiters *waiters;
	struct live *live; /* NULL: this process runs no jobs */
	struct node *node; /* NULL: it knows no others */
};
