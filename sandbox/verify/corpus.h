/* corpus.h: the attacks, as one table: what is tried, where the idea comes from, and how exactly it must fail.
 *
 * `cofferdam verify` tries every row on the machine at hand; `make test` (tests/attacks) tries the same rows. Most rows
 * are a program (tests/probes) run in the place of a step: CAUSE is the verdict it must come to; for SANDBOX_EXITED it must
 * end with 0, which it does when everything it tried was refused, and its output must hold all of EVIDENCE and no
 * "BREACH"; for SANDBOX_FORBIDDEN_SYSCALL, EVIDENCE[0] is the name of the call. Rows of another kind bring a function.
 *
 * NUMBER is the row's case in the list that docs/threat-model.md describes; several rows can show one case. */
#pragma once

#include "sandbox/verify/attempt.h"
#include "sandbox/verify/site.h"

struct trial;

/* What a row needs beyond its sites; without it, the row counts as skipped. */
enum corpus_need {
	CORPUS_I386 = 1, /* 32-bit system calls; without them the program dies of a fault */
	CORPUS_POLICY_LIMITS =
		2,	     /* no need but a choice: the limits are the policy's own, not the small ones */
	CORPUS_WRITABLE = 4, /* a site with a writable layer; others are left out */
	CORPUS_CONTENT =
		8, /* a choice: the image's bytes are compared at once, not only at the end of it all */
	CORPUS_ONCE = 16,   /* a choice: at the first site only; what is tried does not depend on the cell */
	CORPUS_SEALED = 64, /* a site whose memory is sealed; others are left out */
	CORPUS_INHERITED =
		32, /* what a careless parent would hand down: the tests make this process such a parent */
};

enum { CORPUS_EVIDENCE = 10 };

struct corpus_row {
	int number;
	const char *name;
	const char *origin; /* the CVE or the idea it reproduces */
	unsigned kinds;	    /* of sites: SITE_… */
	const char *command;
	enum sandbox_cause cause;
	const char *evidence[CORPUS_EVIDENCE];
	struct sandbox_limits limits;
	unsigned needs; /* enum corpus_need */
	/* NULL, or a further condition on a program's end: NULL when it holds, else what is wrong. */
	const char *(*also)(const struct site *site, const struct attempt *attempt);
	void (*perform)(struct trial *trial); /* NULL: trial_program */
	const void *data;		      /* for PERFORM */
	const char *policy;		      /* NULL, or the only policy whose steps the row is for */
	const char *expected; /* for people, where it does not follow from CAUSE and EVIDENCE */
};

struct corpus_part {
	const struct corpus_row *rows;
	size_t n;
	bool is_per_profile; /* the image has no part in them: sites of one kind with one profile are tried once */
};

/* In the order of their numbers, as far as the parts go: rows_….c */
extern const struct corpus_part corpus_calls, corpus_files, corpus_processes, corpus_limits, corpus_exchange,
	corpus_peers, corpus_host, corpus_cpp, corpus_go;

/* All rows, in the order of the parts. NULL past the last. */
const struct corpus_row *corpus_row(size_t index);

/* Is ROW to be tried at the site of that INDEX? */
bool corpus_fits(const struct corpus_row *row, const struct site *sites, size_t index);

/* "exited 0: EPERM=255, …": what ROW expects, for people. */
void corpus_expected(const struct corpus_row *row, char *buf, size_t size);
