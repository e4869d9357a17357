/* trial.h: one row of the corpus, tried at one site, with the host looked at before and after. */
#pragma once

#include "sandbox/verify/bench.h"
#include "sandbox/verify/corpus.h"

enum trial_status { TRIAL_OK, TRIAL_FAILED, TRIAL_SKIPPED };

enum { TRIAL_TEXT = 2048 };

struct trial {
	struct bench *bench;
	const struct corpus_row *row;
	const struct site *site;
	enum trial_status status;
	char seen[TRIAL_TEXT]; /* what happened */
	char why[TRIAL_TEXT];  /* it failed or was skipped */
};

/* Tries ROW at SITE. */
void trial_perform(
	struct bench *bench, const struct corpus_row *row, const struct site *site, struct trial *ret);

/* "ok", "FAILED", "skipped" */
const char *trial_status_name(enum trial_status status);

/* --- for the functions that perform ---------------------------------------------------------------------------- */

/* Runs the row's program and holds it against the row. */
void trial_program(struct trial *trial);

/* Notes what was seen; several are joined. */
void trial_see(struct trial *trial, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The trial failed; the first reason stays. */
void trial_fail(struct trial *trial, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void trial_skip(struct trial *trial, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Holds an attempt that is over against ROW's cause, evidence and `also`. */
void trial_judge(struct trial *trial, const struct attempt *attempt);
/* The parts of that which other rows want: it exited with CODE; every TEXT of the NULL-terminated list was written, and no
 * breach was told. False: the trial has failed. */
bool trial_exited(struct trial *trial, const struct attempt *attempt, int code);
bool trial_wrote(struct trial *trial, const struct attempt *attempt, const char *const *texts);

/* ATTEMPT cannot be judged: it was refused for the policy's maxima (the trial is skipped) or by the host (failed). */
bool trial_is_void(struct trial *trial, const struct attempt *attempt);
