/* runner.h: one job through the sandbox: compile it, run it, say what came of it. Knows neither queue nor store. */
#pragma once

#include "sandbox/policy/policy.h"
#include "service/artifacts.h"
#include "service/job.h"
#include "service/runner_step.h"

struct runner_options {
	const char *socket;	     /* the supervisor's */
	int stop_fd;		     /* readable: give up (RUNNER_STOPPED) */
	struct artifacts *artifacts; /* borrowed; NULL: everything is compiled */
	struct sandbox_limits
		run_limits; /* 0: the policy's default. The compile step always has the policy's */
};

/* Compiles and runs JOB with POLICY. 0: JOB has its verdict, results, error, preview, duration and final status, and
 * OUTPUT (runner_output_close by the caller) what belongs into its object: the program's output, or the compiler's
 * when that failed. Else a condition of runner_step.h or a negative errno with ERR, and JOB as it was. */
int runner_run(const struct runner_options *options, const struct policy *policy, struct job *job,
	struct runner_output *output, struct sandbox_error *err);

/* JOB ends for a reason that is the host's: verdict internal_error, ERROR says where. */
void runner_fail(struct job *job, const char *stage, const char *message);
