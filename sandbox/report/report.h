/* report.h: results as JSON and as verdicts. A shared leaf: the command line prints with it, the service stores and
 * answers with it. */
#pragma once

#include "sandbox/sandbox.h"

#include <jansson.h>

/* What a job came to. X(symbol, name). */
#define REPORT_VERDICT_TABLE(X)                                                                              \
	X(ACCEPTED, "accepted")		  /* exit code 0 (and the expected output, once there is one) */     \
	X(WRONG_ANSWER, "wrong_answer")	  /* a checker's word */                                             \
	X(COMPILE_ERROR, "compile_error") /* the compile step did not exit with 0, limits included */        \
	X(RUNTIME_ERROR, "runtime_error") /* another exit code, a signal, file_limit */                      \
	X(TIME_LIMIT, "time_limit")	  /* cpu_limit, wall_limit */                                        \
	X(MEMORY_LIMIT, "memory_limit")	  /* as the cause */                                                 \
	X(OUTPUT_LIMIT, "output_limit")	  /* as the cause */                                                 \
	X(PROCESS_LIMIT, "process_limit") /* as the cause */                                                 \
	X(FORBIDDEN_SYSCALL, "forbidden_syscall") /* as the cause */                                         \
	X(CANCELLED, "cancelled")		  /* as the cause */                                         \
	X(INTERNAL_ERROR, "internal_error")	  /* the host's failure, never the program's */

enum report_verdict {
	REPORT_NONE, /* not finished */
#define X(symbol, name) REPORT_##symbol,
	REPORT_VERDICT_TABLE(X)
#undef X
		REPORT_VERDICT_N,
};

/* "accepted" …; NULL for REPORT_NONE and out of range. */
const char *report_verdict_name(enum report_verdict verdict);
/* The inverse; REPORT_NONE when NAME is none. */
enum report_verdict report_verdict_parse(const char *name);

/* The verdict of a job: COMPILE NULL: there is no compile step; RUN NULL: it was not reached. */
enum report_verdict report_verdict(const struct sandbox_result *compile, const struct sandbox_result *run);

/* One line for people on why a step ended ("the program used more than its 10 s of CPU time", "exit code 3",
 * "killed by signal 11 (SIGSEGV)", "forbidden system call: mount"). LIMITS: what was in force; NULL: unknown, numbers
 * are left out. */
void report_explain(
	const struct sandbox_result *result, const struct sandbox_limits *limits, char *buf, size_t size);

/* {"cause": "exited", "exit_code": 0, "signal": null, "syscall": null, "cpu_usec": …, "cpu_user_usec": …,
 *  "cpu_system_usec": …, "wall_usec": …, "memory_peak_bytes": …, "processes_peak": …|null, "output_bytes": …,
 *  "switches_voluntary": …, "switches_involuntary": …, "oom_kills": …, "forks_refused": …,
 *  "phases": {"acquire_nsec": …, …}}. exit_code null unless the cause is exited. Owned by the caller; NULL: no memory. */
json_t *report_result(const struct sandbox_result *result);
/* The inverse, for stored results; what JSON does not carry (`collected`, the number and architecture of a forbidden
 * call) comes back as "none". 0 or -EINVAL. */
int report_result_parse(const json_t *json, struct sandbox_result *ret);

/* {"stage": …, "errno": "ENOMEM", "message": …} */
json_t *report_error(const struct sandbox_error *error);
