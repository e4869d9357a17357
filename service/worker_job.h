/* worker_job.h: one delivery of the queue, from claim to acknowledgement. Internal to worker.c. */
#pragma once

#include "service/keeper.h"
#include "service/runner.h"
#include "service/service.h"

#include <stdatomic.h>

/* What the threads share. */
struct worker_context {
	struct service *service; /* borrowed */
	struct store_lease lease;
	int stop_fd;			/* owned by struct workers; readable once the service stops */
	atomic_bool is_supervisor_lost; /* someone found it gone: ask before taking the next job */
};

/* One of them. */
struct worker {
	struct worker_context *context; /* borrowed */
	struct runner_options
		runner; /* its stop_fd is owned: readable once the service stops or lost_fd is written */
	int lost_fd;	/* owned: an eventfd */
	struct keeper *keeper; /* owned */
};

bool worker_is_stopping(const struct worker_context *context);

/* At once while the supervisor is not known to be gone; else until it answers. False: the service is stopping. */
bool worker_wait_for_supervisor(struct worker *worker);

/* Waits a while for a message, and sees its job through or gives it back. */
void worker_next(struct worker *worker);
