/* emf.h: metrics for CloudWatch, in its embedded metric format: JSON lines from which CloudWatch Logs makes metrics. Each
 * round, and once more at the end, so that what was counted is there whole:
 *   - one line with QueueDepth (left out when the queue cannot say), JobsRunning, JobsSubmitted, JobsRetried;
 *   - for each language and verdict of jobs finished meanwhile, one line with JobsFinished, by Verdict and by both: a line has
 *     one value of a dimension only.
 * Counts are those since the line before: CloudWatch adds them up, over nodes as well. */
#pragma once

#include "service/metrics.h"
#include "service/queue.h"

struct emf;

enum { EMF_ROUND_MSEC = 60 * 1000 }; /* CloudWatch's own resolution */

/* All borrowed until it is closed. */
struct emf_options {
	struct metrics *metrics;
	struct queue *queue;
	const char *name_space; /* of CloudWatch */
	unsigned round_msec;
	const char *
		path; /* appended to, and opened anew for each round, so that it may be moved away; "-": standard output */
};

/* 0, or a negative errno with ERR: the file cannot be written, or no memory. */
int emf_open(const struct emf_options *options, struct emf **ret, struct sandbox_error *err);
/* Accepts NULL; returns NULL. */
struct emf *emf_close(struct emf *emf);
