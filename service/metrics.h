/* metrics.h: what GET /metrics tells Prometheus. Any thread. */
#pragma once

#include "service/job.h"

struct languages;
struct metrics;

/* LANGUAGES (borrowed, must outlive it) gives the label values: what clients send never becomes a label. */
int metrics_open(const struct languages *languages, struct metrics **ret, struct sandbox_error *err);
struct metrics *metrics_close(struct metrics *metrics); /* accepts NULL, returns NULL */

void metrics_submitted(struct metrics *metrics, const char *language);
/* A worker takes a job up, and puts it down again (finished or given back). */
void metrics_started(struct metrics *metrics);
void metrics_stopped(struct metrics *metrics);
/* JOB has its result: counted by language and verdict, its phases go into the histograms. */
void metrics_finished(struct metrics *metrics, const struct job *job);
/* A job was given back because of the host. */
void metrics_retried(struct metrics *metrics);
/* A request to ROUTE was answered with CODE. ROUTE is the service's own name for it (static), never the client's path. */
void metrics_request(struct metrics *metrics, const char *route, unsigned code);

/* What was counted since the start, all at one time. */
struct metrics_counts {
	uint64_t running, submitted, retried;
	size_t nlanguages;
	struct metrics_language *languages; /* owned (free) */
};

struct metrics_language {
	const char *name; /* borrowed */
	uint64_t submitted;
	uint64_t finished[REPORT_VERDICT_N];
};

/* 0 or -ENOMEM. */
int metrics_count(struct metrics *metrics, struct metrics_counts *ret);

/* The exposition text (version 0.0.4), with the gauge of waiting jobs. Owned by the caller; NULL: no memory. */
char *metrics_text(struct metrics *metrics, uint64_t queue_depth);
