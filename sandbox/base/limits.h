/* limits.h: the limits of a run. One table; policies, command line, message and report all follow it. */
#pragma once

#include <stdint.h>

/* X(field, key and flag, unit, what it bounds). The flag is "--" + key with '-' for '_' and without the unit's
 * suffix: memory_bytes is "memory_bytes" in policies and reports and "--memory" on the command line. */
#define LIMIT_TABLE(X)                                                                                       \
	X(cpu_usec, "cpu-time", LIMIT_USEC, "CPU time of all processes together, user and system")           \
	X(wall_usec, "wall-time", LIMIT_USEC, "elapsed time, CLOCK_MONOTONIC")                               \
	X(memory_bytes, "memory", LIMIT_BYTES,                                                               \
		"memory of all processes, tmpfs files included; there is no swap")                           \
	X(processes, "processes", LIMIT_COUNT, "processes and threads at one time")                          \
	X(output_bytes, "output", LIMIT_BYTES, "standard output and error together")                         \
	X(file_bytes, "file-size", LIMIT_BYTES, "size of any one file")                                      \
	X(disk_bytes, "disk", LIMIT_BYTES, "all files in /box and /tmp together")                            \
	X(inodes, "inodes", LIMIT_COUNT, "files, directories and links in /box and /tmp")                    \
	X(open_files, "open-files", LIMIT_COUNT, "open descriptors of one process")                          \
	X(stack_bytes, "stack", LIMIT_BYTES, "stack of the main thread")                                     \
	X(cpu_millis, "cpus", LIMIT_MILLIS, "CPUs that it may use at one time (0.5, 2)")

enum limit_unit { LIMIT_USEC, LIMIT_BYTES, LIMIT_COUNT, LIMIT_MILLIS };

/* A set of limits. In a request 0 means "the policy's default"; in a policy and in a plan no field is 0. */
struct sandbox_limits {
#define X(field, flag, unit, help) uint64_t field;
	LIMIT_TABLE(X)
#undef X
};

/* The same limits as an array, for code that walks them. */
enum limit_id {
#define X(field, flag, unit, help) LIMIT_ID_##field,
	LIMIT_TABLE(X)
#undef X
		LIMIT_N,
};

struct limit_info {
	const char *key;  /* "memory_bytes" */
	const char *flag; /* "memory" */
	enum limit_unit unit;
	const char *help;
};

extern const struct limit_info limit_infos[LIMIT_N];

/* The least that a run can be given: descriptors are used up while the target is made. Policies and requests with
 * less are refused. */
enum { LIMIT_OPEN_FILES_MIN = 8 };

static inline uint64_t limit_minimum(enum limit_id id)
{
	return id == LIMIT_ID_open_files ? LIMIT_OPEN_FILES_MIN : 1;
}

static inline uint64_t *limit_at(struct sandbox_limits *limits, enum limit_id id)
{
	return (uint64_t *)limits + id;
}

static inline uint64_t limit_get(const struct sandbox_limits *limits, enum limit_id id)
{
	return ((const uint64_t *)limits)[id];
}

_Static_assert(sizeof(struct sandbox_limits) == LIMIT_N * sizeof(uint64_t), "limits are an array of u64");
