/* verdict.h: from evidence to cause. Pure: no kernel, no clock. */
#pragma once

#include "sandbox/base/limits.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>

/* What is known when a run is over. */
struct verdict_facts {
	bool is_killed; /* the engine killed the cell, for this reason: */
	enum sandbox_cause kill_reason;
	bool has_ended;	   /* init reported the target's end, with this status: */
	int status;	   /* as from waitpid */
	bool is_forbidden; /* seccomp reported a call of the kill group */
	uint64_t cpu_usec, wall_usec, output_bytes;
	uint64_t oom_kills, forks_refused;
};

/* Fills RESULT's cause, exit_code and signal. The first reason that the engine acted upon decides; without one, the
 * kernel's counters do, in the order: forbidden call, memory, processes, output, CPU, wall, file size; then how the
 * target ended. False: nothing explains the end (init died of itself), which is the host's fault. */
bool verdict_decide(const struct verdict_facts *facts, const struct sandbox_limits *limits,
	struct sandbox_result *result);
