#include "sandbox/engine/verdict.h"

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

/* The cause that the counters prove, or SANDBOX_CAUSE_N. */
static enum sandbox_cause from_counters(
	const struct verdict_facts *facts, const struct sandbox_limits *limits)
{
	if (facts->is_forbidden)
		return SANDBOX_FORBIDDEN_SYSCALL;
	if (facts->oom_kills > 0)
		return SANDBOX_MEMORY_LIMIT;
	if (facts->forks_refused > 0)
		return SANDBOX_PROCESS_LIMIT;
	if (facts->output_bytes > limits->output_bytes)
		return SANDBOX_OUTPUT_LIMIT;
	if (facts->cpu_usec > limits->cpu_usec)
		return SANDBOX_CPU_LIMIT;
	if (facts->wall_usec > limits->wall_usec)
		return SANDBOX_WALL_LIMIT;
	if (facts->has_ended && WIFSIGNALED(facts->status) && WTERMSIG(facts->status) == SIGXFSZ)
		return SANDBOX_FILE_LIMIT;
	return SANDBOX_CAUSE_N;
}

bool verdict_decide(
	const struct verdict_facts *facts, const struct sandbox_limits *limits, struct sandbox_result *result)
{
	enum sandbox_cause cause = facts->is_killed ? facts->kill_reason : from_counters(facts, limits);

	result->exit_code = -1;
	result->signal = facts->is_killed ? SIGKILL : 0;
	if (facts->has_ended)
		result->signal = WIFSIGNALED(facts->status) ? WTERMSIG(facts->status) : 0;
	else if (cause != SANDBOX_CAUSE_N)
		result->signal = SIGKILL;
	if (cause == SANDBOX_CAUSE_N) {
		if (!facts->has_ended)
			return false;
		cause = WIFEXITED(facts->status) ? SANDBOX_EXITED : SANDBOX_SIGNALED;
		if (cause == SANDBOX_EXITED)
			result->exit_code = WEXITSTATUS(facts->status);
	}
	result->cause = cause;
	return true;
}

const char *sandbox_cause_name(enum sandbox_cause cause)
{
	static const char *const names[] = {
#define X(symbol, name) [SANDBOX_##symbol] = name,
		SANDBOX_CAUSE_TABLE(X)
#undef X
	};
	return (unsigned)cause < SANDBOX_CAUSE_N ? names[cause] : NULL;
}

const char *sandbox_layer_name(enum sandbox_layer layer)
{
	static const char *const names[] = {
#define X(symbol, name) [SANDBOX_LAYER_##symbol] = name,
		SANDBOX_LAYER_TABLE(X)
#undef X
	};
	return (unsigned)layer < SANDBOX_LAYER_N ? names[layer] : NULL;
}
