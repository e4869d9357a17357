/* torture.h: makes each allocation of an operation fail in turn, as curl's torture tests do.
 *
 *   TORTURE_EACH(turn, 1) {
 *           …                         set up; nothing fails
 *           torture_arm(&turn);
 *           int r = operation();
 *           torture_disarm(&turn);
 *           …                         an error? then it is a clean one. What was there before is there still
 *           …                         clean up; nothing fails
 *   }
 *
 * The programs of this folder bring a malloc of their own (torture.c), so that libraries are failed like our own code,
 * strdup and open_memstream included. The body is run first without a failure, to see it pass and to let libraries
 * settle; then with the first, the second … allocation failing, until a turn passes without having met its failure;
 * then once more with every allocation failing from that one on. Whatever a turn has allocated must be free at its end,
 * and no process that was forked meanwhile may allocate at all. */
#pragma once

#include "tests/lib/test.h"

struct torture {
	unsigned long n;      /* the allocation that fails; 0: none */
	unsigned long stride; /* between two turns */
	unsigned settling;    /* turns to come without a failure */
	bool is_lasting;      /* and all after it */
	bool has_failed;      /* after torture_disarm: it did come to that */
	long live;	      /* blocks at the turn's begin */
	unsigned long served; /* allocations of the program before the first turn */
	bool is_begun;
};

/* STRIDE is held to unless TORTURE=full is set: of an operation with thousands of allocations only some are failed. */
struct torture torture_begin(unsigned long stride);
bool torture_next(struct torture *turn);
void torture_arm(struct torture *turn);
void torture_disarm(struct torture *turn);

#define TORTURE_EACH(turn, stride) for (struct torture turn = torture_begin(stride); torture_next(&(turn));)

/* R is what an operation of this turn returned, ERR its record: 0, or -ENOMEM (and nothing else) once an allocation has
 * failed. */
#define torture_check(turn, r, err)                                                                          \
	ck_assert_msg((r) >= 0 || ((turn)->has_failed && (r) == -ENOMEM && (err)->errno_value == ENOMEM),    \
		"allocation %lu%s: %d, %s: %s", (turn)->n, (turn)->is_lasting ? " and all after it" : "", r, \
		(err)->stage, (err)->message)
