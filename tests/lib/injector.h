/* injector.h: makes one system call of one process fail, as if the kernel had refused it. A tracer of its own process
 * (ptrace) follows the calling process and all that it starts; between injector_arm and injector_disarm it counts the
 * calls of each, and lets the one that was asked for return an errno. The call itself does not happen, but for those
 * whose errno does not mean that (close). The job's own program is let go at its exec. x86-64. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* By generation: the caller, its children, theirs, and so on. */
enum injector_role {
	INJECTOR_ENGINE,
	INJECTOR_LAUNCHER,
	INJECTOR_INIT,
	INJECTOR_TARGET,
	INJECTOR_ROLE_N,
};

/* The AT-th call (from 0) of all processes in ROLE fails with ERROR. 0: none fails. */
struct injector_fault {
	enum injector_role role;
	unsigned at;
	int error;
};

struct injector_call {
	long nr;
	unsigned long args[6];
	char text[96]; /* the path that it names, or that its descriptor has */
};

/* What happened since injector_arm. */
struct injector_report {
	unsigned counts[INJECTOR_ROLE_N]; /* calls */
	bool is_met;			  /* it came to that call */
	bool is_spared;			  /* which cannot fail, and was left alone */
	struct injector_call call;	  /* that one */
	bool is_retried;		  /* the process's next call was the same */
};

struct injector;

/* Starts the tracer; fails the test where that is impossible. What is started from now on is followed. */
struct injector *injector_open(void);
void injector_arm(struct injector *injector, const struct injector_fault *fault);
void injector_disarm(struct injector *injector, struct injector_report *ret);
/* The caller is let go; whatever else is still followed is killed. */
void injector_close(struct injector *injector);

/* "mount", by number. */
const char *injector_call_name(const struct injector_call *call);
