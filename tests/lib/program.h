/* program.h: runs one of our programs and keeps what it wrote. */
#pragma once

#include "tests/lib/test.h"

#include <sys/types.h>

struct program {
	pid_t pid;
	int out_fd, err_fd; /* our ends; owned */
	int status;	    /* exit status; -N: signal N */
	char *out, *err;    /* owned, NUL-terminated */
};

/* How it is to be started. Zero descriptors are replaced: input by /dev/null, output by pipes. */
struct program_plan {
	const char *const *argv; /* argv[0]: a path, or the name of one of our programs */
	int in, out, err;	 /* borrowed */
	bool has_in, has_out, has_err;
};

/* Starts ARGV. */
struct program program_start(const struct program_plan *plan);
/* Reads both outputs to their ends and waits, at most PROGRAM_PATIENCE_SEC. */
void program_finish(struct program *program);
void program_free(struct program *program);

enum { PROGRAM_PATIENCE_SEC = 100 };

/* Start and finish: program_run("cofferdam", "run", …). */
#define program_run(...)                                                                                     \
	program_run_plan(&(struct program_plan){.argv = (const char *const[]){__VA_ARGS__, NULL}})
struct program program_run_plan(const struct program_plan *plan);

#define expect_status(program, wanted)                                                                       \
	ck_assert_msg((program).status == (wanted), "status %d, not %d; stderr: %s", (program).status,       \
		wanted, (program).err)
#define expect_text(text, wanted)                                                                            \
	ck_assert_msg(strstr(text, wanted) != NULL, "\"%s\" is not in \"%s\"", wanted, text)
