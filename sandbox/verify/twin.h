/* twin.h: a process beside us with an engine of its own, for rows in which an engine is to suffer. */
#pragma once

#include "sandbox/verify/trial.h"

enum { TWIN_TEXT = 256 };

struct twin {
	struct bench bench;	 /* the engine, and the sites; nothing of the parent's */
	const struct site *site; /* the same site, of the child's bench */
	int tell;		 /* owned */
};

/* In the child: one line for the parent. */
void twin_say(struct twin *twin, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct twin_plan {
	void (*main)(struct twin *twin);
	bool is_supervisor; /* its engine has no variants, as a supervisor's has none */
};

/* Forks, opens an engine there with the deployed policies and calls MAIN; the first line that it says comes into TEXT, ""
 * if it ends without one. Its pid (to be killed or waited for), or -1: the trial has failed. */
pid_t twin_start(struct trial *trial, const struct twin_plan *plan, char *text, size_t size);

/* SIGKILL, and waits. */
void twin_kill(pid_t pid);
/* Waits for its end. False: it ended badly, and so the trial has failed. */
bool twin_wait(struct trial *trial, pid_t pid, const char *text);

/* Start and wait. */
bool twin_run(struct trial *trial, const struct twin_plan *plan, char *text, size_t size);
