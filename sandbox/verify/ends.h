/* ends.h: rows about how an end is told: a list of programs, and what exactly is to be reported of each. */
#pragma once

#include "sandbox/verify/corpus.h"

struct end {
	const char *command;
	enum sandbox_cause cause;
	int code;   /* EXITED: the exit code */
	int signal; /* SIGNALED: the signal */
};

struct ends {
	const struct end *list;
	size_t n;
};

/* corpus_row.perform; DATA is a struct ends. */
void ends_perform(struct trial *trial);
