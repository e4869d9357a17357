/* service.h: a `cofferdam serve` of one's own, or several over emulators of AWS, and a client of it for each thread. What
 * fails ends the program. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct service {
	pid_t pid;    /* of cofferdam serve, or of the script */
	char dir[64]; /* its STATE_DIR, below TMPDIR or /tmp */
	char url[64]; /* "http://127.0.0.1:43210" */
};

/* CLI: the program `cofferdam`. On a free port, in a fresh directory. */
void service_start(struct service *service, const char *cli);
/* LOCAL: tests/aws/local. One that answers HTTP and runs jobs, and WORKERS - 1 that run jobs. */
void service_start_local(struct service *service, const char *local, const char *cli, unsigned workers);
/* Ends it, and removes the directory. */
void service_stop(struct service *service);
/* Resident memory of it and its children, in bytes. */
uint64_t service_memory(const struct service *service);
/* The size of NAME in the directory of its database; 0 when it is not there. */
uint64_t service_file_bytes(const struct service *service, const char *name);

struct client; /* one connection, kept alive; for one thread */
struct client *client_open(const struct service *service);
void client_close(struct client *client);

struct client_job {
	char id[40];
};

/* Submits; BODY is the JSON. */
void client_submit(struct client *client, const char *body, struct client_job *ret);
/* Until it is finished, which must be with the verdict accepted. */
void client_wait(struct client *client, const struct client_job *job);
/* The number that METRIC, without labels, has now. */
double client_metric(struct client *client, const char *metric);
