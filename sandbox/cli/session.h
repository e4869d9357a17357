/* session.h: an engine within the command: steps one after the other, standard streams passed through, signals obeyed. */
#pragma once

#include "sandbox/cli/cli.h"
#include "sandbox/policy/policy.h"

struct session {
	struct sandbox *sandbox;	/* owned */
	int signal_fd;			/* owned */
	int caught;			/* SIGINT, SIGTERM or SIGHUP came: the run was cancelled; 0: none */
	int trace_fd;			/* owned; 0: steps are not traced */
	json_t *traces[SANDBOX_STEP_N]; /* owned; what was noted of a step */
};

/* What makes an engine another one than a supervisor's. */
struct session_manner {
	bool is_traced;
	uint32_t without; /* sandbox_options.without */
};

/* ONLY: the one policy that will be used. 0 or -errno with ERR; close it in either case. */
int session_open(struct session *session, const struct engine_config *config, const char *only,
	const struct session_manner *manner, struct sandbox_error *err);
void session_close(struct session *session);

struct session_step {
	struct sandbox_spec spec; /* complete but for its three standard streams */
	int in, out, err; /* borrowed: what they are connected to; -1: nothing. The same file for OUT and ERR:
	                             * one pipe, so that the order stays */
};

/* Runs it to its end, its output passed on completely. 0 with RESULT; -errno with ERR: as sandbox_start, or the host. */
int session_run(struct session *session, const struct session_step *step, struct sandbox_result *result,
	struct sandbox_error *err);

/* RESULT as JSON, and what was noted of the STEP that it is of. NULL: no memory. */
json_t *session_report(
	const struct session *session, enum sandbox_step step, const struct sandbox_result *result);

/* The policy that NAME means. Borrowed. */
const struct policy *session_policy(const struct session *session, const char *name);

/* What is in force for SPEC: its limits with the policy's defaults filled in. */
struct sandbox_limits session_limits(const struct session *session, const struct sandbox_spec *spec);
