/* runner_output.h: what a program printed: all of it in a memory file, in order of arrival, and the beginning of its
 * standard output for the preview. */
#pragma once

#include "sandbox/base/error.h"
#include "service/job.h"
#include "service/live.h"

enum {
	RUNNER_HEAD_BYTES = 4 * JOB_PREVIEW_CHARS, /* JOB_PREVIEW_CHARS characters are never longer */
};

struct runner_output {
	int fd;		       /* owned */
	struct live_job *live; /* borrowed: told of everything; NULL: nobody watches */
	bool is_mixed;	       /* standard output and error came through one pipe */
	uint64_t size;
	uint64_t max; /* what comes beyond it is dropped; the supervisor has ended the run by then */
	size_t head_size;
	bool has_more; /* standard output went on after the head */
	char head[RUNNER_HEAD_BYTES];
};

/* LIVE stays as it is. */
int runner_output_open(uint64_t max, struct runner_output *ret, struct sandbox_error *err);
/* Accepts what runner_output_open never filled, if fd is -1. */
void runner_output_close(struct runner_output *output);

int runner_output_take(struct runner_output *output, const char *data, size_t size, bool is_stdout,
	struct sandbox_error *err);

/* The first JOB_PREVIEW_CHARS characters of standard output; owned by the caller, NULL: no memory. */
char *runner_output_preview(const struct runner_output *output);
/* The beginning of everything, at most JOB_ERROR_BYTES. */
int runner_output_text(const struct runner_output *output, char **ret, struct sandbox_error *err);
