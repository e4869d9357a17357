/* sweep.h: every number of the system call table, asked of the kernel from within a cell, held against the answers that
 * the profile gives (or that a table says it gives). */
#pragma once

#include "sandbox/verify/trial.h"

enum { SWEEP_NUMBERS = 1024 };

/* What a profile answers: SECCOMP_RET_… values, by number. */
struct sweep_answers {
	uint32_t values[SWEEP_NUMBERS];
};

/* The answers of FILTER when all six arguments are ARGUMENT. */
void sweep_ask(const struct filter_program *filter, int64_t argument, struct sweep_answers *ret);

/* "allow", "EPERM", "OK" (an errno of 0), "ends" (a call of the kill group). BUF: at least 16 bytes. */
void sweep_answer_name(uint32_t value, char *buf, size_t size);

/* Does a number reach the filter at all? Linux 6.11 and 6.14 let two of x86-64 (uretprobe, uprobe) pass every filter; they do
 * nothing outside of a probe's trampoline: the caller gets SIGILL or ENXIO. */
bool sweep_is_filtered(int nr);

/* Makes every call of which ANSWERS do not say that it ends the run, with all arguments ARGUMENT, in one cell, and
 * holds what came back against ANSWERS. */
void sweep_numbers(struct trial *trial, int64_t argument, const struct sweep_answers *answers);

/* One call per cell: each must end the run, under the name of its table. */
enum sweep_table { SWEEP_X86_64, SWEEP_X32, SWEEP_I386 };
void sweep_forbidden(struct trial *trial, enum sweep_table table, int nr);

/* corpus_row.perform */
void sweep_profile(struct trial *trial); /* the site's own profile, all arguments 0 */
void sweep_x32(struct trial *trial);	 /* a sample; the tests make all */
void sweep_i386(struct trial *trial);
