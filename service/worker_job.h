/* worker_job.h: one delivery of the queue, from claim to acknowledgement. Internal to worker.c. */
#pragma once

#include "service/runner.h"
#include "service/service.h"

#include <stdatomic.h>

/* What the threads share. */
struct worker_context {
	struct service *service;      /* borrowed */
	struct runner_options runner; /* stop_fd: owned by struct workers; readable once the service stops */
	atomic_bool is_supervisor_lost; /* someone found it gone: ask before taking the next job */
};

bool worker_is_stopping(const struct worker_context *context);

/* At once while the supervisor is not known to be gone; else until it answers. False: the service is stopping. */
bool worker_wait_for_supervisor(struct worker_context *context);

/* Logs a failure that is not a job's and waits a moment, so that a broken backend is not asked in a tight loop. */
void worker_pause_after(
	const struct worker_context *context, const char *what, const struct sandbox_error *err);

/* Sees MESSAGE's job through, or gives it back. */
void worker_handle(struct worker_context *context, const struct queue_message *message);
