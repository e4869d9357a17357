/* config.h: configuration as one table. The same rows parse the environment and the command line, print --help and
 * the documentation (`--help-markdown`). Unknown options are errors; so are values out of range. */
#pragma once

#include "sandbox/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_type {
	CONFIG_STRING, /* const char *, MIN and MAX bound its length */
	CONFIG_NUMBER, /* uint64_t, decimal */
	CONFIG_BYTES,  /* uint64_t: 4096, 64K, 10M, 1G (also KiB, MiB, GiB); powers of 1024 */
	CONFIG_USEC,   /* uint64_t microseconds: 2, 1.5, 250ms, 10s, 3m; a bare number is seconds */
	CONFIG_MILLIS, /* uint64_t thousandths: 1, 0.5, 2 */
	CONFIG_FLAG,   /* bool: a bare --flag, or yes/no/true/false/1/0 in the environment */
	CONFIG_LIST,   /* struct config_list: each --name appends; MIN and MAX bound each item's length */
};

enum { CONFIG_LIST_MAX = 64 };

struct config_list {
	const char *items[CONFIG_LIST_MAX]; /* borrowed */
	size_t nitems;
};

struct config_row {
	const char *
		name; /* environment name: "PORT", "STATE_DIR"; the flag is "--port", "--state-dir". A name in
	                   * lower case has no place in the environment: "report" is "--report" and nothing else */
	enum config_type type;
	size_t offset;	      /* of the field in the caller's struct */
	uint64_t min, max;    /* inclusive, in the field's unit; a MAX of 0 is none */
	const char *standard; /* default as text; NULL: none (strings: NULL, numbers: 0) */
	const char *help;     /* one line */
};

/* Fills TARGET: defaults, then the environment (rows whose name is set and not empty), then ARGV[1..]. Stops at "--"
 * or at the first word that is no option; *NEXT is its index in ARGV ("--" skipped). "--name=value" and
 * "--name value" both work. Strings stay borrowed from ARGV, the environment or the row.
 * 0; CONFIG_HELP (1): --help or --help-markdown was given and OUT has it; -EINVAL with ERR: stage "config", message
 * names option and range. */
enum { CONFIG_HELP = 1 };
int config_parse(const struct config_row *rows, size_t nrows, void *target, int argc, char *const argv[],
	const char *usage, FILE *out, int *next, struct sandbox_error *err);

/* The row of an option as it stands in ARGV ("--port", "--port=8080"); NULL when ROWS have none. */
const struct config_row *config_find(const struct config_row *rows, size_t nrows, const char *option);

/* One value in the notation of TYPE (one of the numeric types). 0, or -EINVAL / -ERANGE (more than 64 bits). */
int config_number(enum config_type type, const char *text, uint64_t *ret);
