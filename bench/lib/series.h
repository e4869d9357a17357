/* series.h: what a benchmark measures: series of durations, taken in turns, reported as JSON and as a table. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct series {
	const char *name; /* borrowed: "fork_exec" */
	const char *what; /* borrowed: one line for people */
	uint64_t *nsec;	  /* owned */
	size_t n, room;
};

uint64_t series_now_nsec(void); /* CLOCK_MONOTONIC */

/* Ends the program when memory is short: a benchmark has nothing better to do. */
void series_add(struct series *series, uint64_t nsec);
void series_free(struct series *series);

/* The sample below which PERCENT (0..100) of all are; the nearest rank. 0 when there is none. */
uint64_t series_percentile(const struct series *series, double percent);

/* {"name", "what", "n", "min_nsec", "p50_nsec", "p90_nsec", "p99_nsec", "max_nsec", "mean_nsec"}. Owned. */
json_t *series_json(const struct series *series);

/* One line per series: p50, p90, p99 in microseconds, and p50 as a multiple of the first one's. */
void series_print(const struct series *series, size_t n);

/* {"bench": NAME, "at": …, "machine": {"cpu", "cpus", "kernel", "mitigations", "cgroup", "memory_bytes"}}: what the figures
 * were taken on. The caller adds them. Owned. */
json_t *series_report(const char *name);
/* Writes REPORT (owned) to PATH; NULL: nowhere. Ends the program when that fails. */
void series_write(json_t *report, const char *path);
