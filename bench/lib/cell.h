/* cell.h: an engine of one's own and the payload (bench/payload) in its cells. What fails ends the program. */
#pragma once

#include "sandbox/base/config.h"
#include "sandbox/sandbox.h"

struct cell_options {
	const char *policies_dir, *images_dir, *json;
	uint64_t rounds;
};

/* Rows for a struct TYPE whose first member is a struct cell_options; ROUNDS: their default number, as text. */
#define CELL_ROWS(rounds_default)                                                                            \
	{"POLICIES_DIR", CONFIG_STRING, offsetof(struct cell_options, policies_dir), 1, 4000,                \
		DEFAULT_POLICIES_DIR, "policies and seccomp profiles"},                                      \
		{"IMAGES_DIR", CONFIG_STRING, offsetof(struct cell_options, images_dir), 1, 4000,            \
			DEFAULT_IMAGES_DIR, "root images"},                                                  \
		{"rounds", CONFIG_NUMBER, offsetof(struct cell_options, rounds), 1, 1000000, rounds_default, \
			"runs of each"},                                                                     \
	{                                                                                                    \
		"json", CONFIG_STRING, offsetof(struct cell_options, json), 1, 4000, NULL,                   \
			"write the figures there"                                                            \
	}

struct cell_usage {
	const struct config_row *rows;
	size_t nrows;
	const char *text;
};

/* Parses; ends the program for --help and for what is wrong. */
void cell_parse(const struct cell_usage *usage, void *options, int argc, char *argv[]);

/* With a POOL of so many cells. */
struct sandbox *cell_open(const struct cell_options *options, unsigned pool);
/* As a supervisor does between requests: until what is left is cleared away and the pool is filled. */
void cell_settle(struct sandbox *sandbox);
/* The payload beside the program whose argv[0] is OWN: a descriptor open for reading. */
int cell_payload(const char *own);

/* The program `cofferdam` (environment COFFERDAM, or where the build puts it beside OWN). Owned. */
char *cell_cli(const char *own);

/* `payload NAME COUNT` in a cell. */
struct cell_work {
	struct sandbox *sandbox;
	int payload_fd;
	const char *name, *count;
	struct sandbox_limits limits; /* 0: the policy's */
	struct sandbox_result result;
	char text[64]; /* what it printed */
};

void cell_run(struct cell_work *work);
