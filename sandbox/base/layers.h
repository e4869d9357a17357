/* layers.h: the layers of a cell that depend on the kernel at hand: what it offers is found out by asking it, once, never
 * guessed from a version. What is offered is used, and a run that cannot put it on fails; what is not offered is told by
 * `cofferdam doctor`. */
#pragma once

#include "sandbox/base/error.h"

#include <stdbool.h>

enum {
	/* Linux 5.19: LANDLOCK_ACCESS_FS_REFER. Fallback: none. Below it no file could be renamed or linked into another
	 * directory, which toolchains do. */
	LAYERS_LANDLOCK_LEAST = 2,
	LAYERS_SPECULATION_N = 3, /* PR_SPEC_STORE_BYPASS, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_L1D_FLUSH */
};

struct layers {
	int landlock_abi; /* as the kernel tells; 0: not offered */
	/* Linux 6.3: PR_SET_MDWE. Fallback: a seccomp program (sandbox/cell/memory.c). */
	bool has_mdwe;
	/* Linux 5.14: PR_SCHED_CORE, with CONFIG_SCHED_CORE and hardware threads. Fallback: none; without hardware threads it
	 * has no meaning. */
	bool has_core_scheduling;
	/* Linux 4.17: PR_GET_SPECULATION_CTRL's answer for each kind; 0: this processor has no such fault, or this kernel no
	 * control. Fallback: none. */
	int speculation[LAYERS_SPECULATION_N];
};

/* Asks the kernel. Changes nothing in the caller, allocates nothing. 0, or -errno with ERR (stage "layers"): an answer
 * that means neither yes nor no. */
int layers_probe(struct layers *ret, struct sandbox_error *err);

/* The calling process, and all it becomes or starts: no speculative store bypass, no indirect branch guessed by what others
 * did, where OFFERED has a control over that. It cannot be taken back. 0, or -errno with ERR. */
int layers_restrain_speculation(const struct layers *offered, struct sandbox_error *err);
