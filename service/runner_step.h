/* runner_step.h: one run at the door: compile or run, with its output drained while it goes. */
#pragma once

#include "sandbox/door/client.h"
#include "service/runner_output.h"

enum {
	RUNNER_STOPPED = 1,	/* the service is stopping; the run was cancelled */
	RUNNER_UNREACHABLE = 2, /* there is no supervisor; nothing ran. ERR says why */
	RUNNER_LOST = 3,	/* the supervisor vanished during the run. ERR says so */
};

struct runner_step {
	const char *socket;	   /* the supervisor's */
	int stop_fd;		   /* readable: give up */
	struct sandbox_spec *spec; /* complete but for stdout_fd and stderr_fd */
	bool is_merged;		   /* standard output and error through one pipe: exact order, no preview */
	struct runner_output *output;
};

/* Runs it to its end. 0 with RESULT filled; one of the conditions above; a negative errno with ERR: the host. */
int runner_step(const struct runner_step *step, struct sandbox_result *result, struct sandbox_error *err);
