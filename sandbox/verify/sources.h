/* sources.h: rows whose attack is a source: compiled as the shipped policy of a language says, in its compile step as it
 * is; and where the row says so, what came of it is run in the run step as it is. What a source can reach is the image
 * and the cell; what it can use up is its own limits. */
#pragma once

#include "sandbox/verify/corpus.h"

enum {
	SOURCE_FILES = 6,
	SOURCE_PRODUCT_BYTES = 64 << 20,
};

/* How compiling may end: bits of enum sandbox_cause, or these. */
enum {
	SOURCE_FAILS = 1U << SANDBOX_EXITED,   /* with an exit code other than 0 */
	SOURCE_PASSES = 1U << SANDBOX_CAUSE_N, /* with 0 and a product */
	SOURCE_LIMIT = 1U << SANDBOX_CPU_LIMIT | 1U << SANDBOX_WALL_LIMIT | 1U << SANDBOX_MEMORY_LIMIT |
		       1U << SANDBOX_OUTPUT_LIMIT | 1U << SANDBOX_FILE_LIMIT,
};

struct source_file {
	const char *name;
	const char *text;    /* "{canary}" in it: the path of a file of the host that holds BENCH_SECRET */
	const char *program; /* instead of TEXT: an attack program under that name */
	bool is_executable;
};

struct source {
	struct source_file files[SOURCE_FILES];
	unsigned ends;
	const char *message; /* on standard error when it FAILS */
	const char *output;  /* of the product, which is run when this is not NULL */
};

/* What a client sends along: opened, to be closed. */
struct upload {
	struct sandbox_file files[SOURCE_FILES];
	size_t n;
};

/* Opens FILES, up to the first without a name; what is open so far is in RET in either case. False: the trial has
 * failed. */
bool upload_open(struct trial *trial, const struct source_file *files, struct upload *ret);
void upload_close(struct upload *upload);

/* corpus_row.perform for a row whose DATA is a struct source and whose POLICY is a language. Neither the compiler's words
 * nor the product may hold BENCH_SECRET or "BREACH". */
void source_perform(struct trial *trial);

/* "exited 1: …", "exited 0 or a limit": for people. */
void source_expected(const struct source *source, char *buf, size_t size);
