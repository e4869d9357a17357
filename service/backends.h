/* backends.h: which implementation of store, queue and objects a process uses: the one place that knows. Each is chosen by
 * its own setting: DYNAMODB_TABLE, SQS_QUEUE_URL, CODE_EXEC_BUCKET; without, it is the embedded one. */
#pragma once

#include "service/service.h"

struct backends;

/* Opens what SERVICE's configuration names, into its store, queue, objects and batch, which are borrowed from *RET. DIR: the
 * directory of what is embedded. -EINVAL with ERR: the settings contradict each other. */
int backends_open(struct service *service, const char *dir, struct backends **ret, struct sandbox_error *err);
/* Accepts NULL; returns NULL. Nobody uses them any more. */
struct backends *backends_close(struct backends *backends, struct service *service);

/* Are any of them elsewhere, so that a call may take as long as a network does? */
bool backends_are_remote(const struct service_config *config);
