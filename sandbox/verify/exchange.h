/* exchange.h: rows about what goes into a cell and what comes out of it: files, names, standard streams, a result file.
 * The row's command is run with what DATA, a struct exchange, brings; the end is held against the row, and what came out
 * against DATA. With a STAGE the run must not come to an end at all: it is refused, or fails, with that stage and errno. */
#pragma once

#include "sandbox/verify/sources.h"

struct exchange {
	struct source_file files[SOURCE_FILES]; /* uploaded besides the program */
	const char *stage;
	int errno_value;

	const char *collect; /* name of a result file */
	uint64_t collect_max;
	enum sandbox_collect_status collected;
	const char *content; /* of it, when it was collected; NULL: whatever it is */

	enum attempt_input input;
	const char *input_text;
	uint64_t input_bytes;

	const char *output; /* all of standard output; OUTPUT_BYTES of it, NULs included */
	size_t output_bytes;
};

/* corpus_row.perform */
void exchange_perform(struct trial *trial);

/* A script "#!/proc/self/exe" as the first program: until a cell's first exec that is the engine's own file. Landlock or the
 * mounts may refuse it; else it is run as any program is, without rights, and finds no library for itself. */
void exchange_self(struct trial *trial);

/* "refused: request.files EINVAL", "exited 0, result file refused": for people. */
void exchange_expected(const struct corpus_row *row, char *buf, size_t size);
