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

/* Parses; ends the program for --help and for what is wrong. */
void cell_parse(const struct config_row *rows, size_t nrows, void *options, int argc, char *argv[],
	const char *usage);

struct sandbox *cell_open(const struct cell_options *options);
/* The payload beside the program whose argv[0] is OWN: a descriptor open for reading. */
int cell_payload(const char *own);

/* `payload NAME COUNT` in a cell under LIMITS (0: the policy's); what it printed goes into TEXT[SIZE]. */
void cell_run(struct sandbox *sandbox, int payload_fd, const char *name, const char *count,
	const struct sandbox_limits *limits, struct sandbox_result *result, char *text, size_t size);
