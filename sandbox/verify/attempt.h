/* attempt.h: one run in a cell, and what it wrote. */
#pragma once

#include "sandbox/verify/bench.h"

enum {
	ATTEMPT_OUTPUT = 4 << 20,  /* kept of one stream */
	ATTEMPT_PATIENCE_SEC = 60, /* above every limit that a row sets */
	ATTEMPT_SUMMARY = 256,
};

enum attempt_input {
	ATTEMPT_NO_INPUT,
	ATTEMPT_TEXT_INPUT,  /* input_text, then the end */
	ATTEMPT_OPEN_INPUT,  /* stays open until attempt_feed */
	ATTEMPT_FLOOD_INPUT, /* input_text again and again, input_bytes in all, then the end */
};

/* Small, so that what is unbounded shows at once. */
extern const struct sandbox_limits attempt_small_limits;

struct attempt_plan {
	const struct site *site;
	/* NULL: the site's variant, with COMMAND; else this policy's STEP as it is. */
	const struct policy *policy;
	enum sandbox_step step;
	/* Split at spaces. The first word is an attack program, which becomes /box/WORD and argv[0]; one that begins with
	 * "/" or "." is run as it is. One word may begin with "{writable}": the site's first writable
	 * directory, if it has one. */
	const char *command;
	/* 0: the small ones (or the policy's maximum if that is less), or else the policy's defaults. */
	struct sandbox_limits limits;
	bool has_policy_limits;
	const struct sandbox_file *files; /* besides the program */
	size_t nfiles;
	const struct sandbox_collect *collects;
	size_t ncollects;
	enum attempt_input input;
	const char *input_text;
	uint64_t input_bytes;
};

struct attempt_stream {
	int fd;	    /* owned; -1: at its end */
	char *text; /* owned, NUL-terminated */
	size_t size;
	uint64_t total; /* also what was not kept */
};

struct attempt {
	struct bench *bench;
	struct sandbox_run *run; /* borrowed; NULL: over */
	bool has_result; /* RESULT, else ERROR (errno_value 0: it is still under way, or was given up) */
	struct sandbox_result result;
	struct sandbox_error error;
	struct attempt_stream out, err;
	int input_fd; /* owned; -1: closed */
	const char *input_text;
	size_t input_at;
	uint64_t input_left;
	bool keeps_input;
};

/* Starts a run. NULL: no memory. A refusal is in ->error. Free it. */
struct attempt *attempt_start(struct bench *bench, const struct attempt_plan *plan);

/* Until the run is over. False: it is not, since a signal came, the engine broke, or patience ran out. */
bool attempt_wait(struct attempt *attempt);
/* Until standard output holds TEXT. False: the run ended without it, or as attempt_wait. */
bool attempt_wait_for(struct attempt *attempt, const char *text);
/* Closes the open input. */
void attempt_feed(struct attempt *attempt);

/* Start and wait. */
struct attempt *attempt_run(struct bench *bench, const struct attempt_plan *plan);

/* Cancels and waits if it must. Accepts NULL; returns NULL. */
struct attempt *attempt_free(struct attempt *attempt);

/* How it ended: "exited 0", "signaled 11", "forbidden_syscall mount", "memory_limit", "fault cell.exec: ENOENT". */
void attempt_summary(const struct attempt *attempt, char *buf, size_t size);

/* For bench.c: its part of a round, and the poll set before it: how many of FDS (room for 3) were filled. */
struct pollfd;
size_t attempt_poll(const struct attempt *attempt, struct pollfd *fds);
void attempt_move(struct attempt *attempt);
