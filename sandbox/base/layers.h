/* layers.h: the layers of a cell that depend on the kernel at hand: what it offers is found out by asking it, once, never
 * guessed from a version. What is offered is used, and a run that cannot put it on fails; what is not offered is told by
 * `cofferdam doctor`. */
#pragma once

#include "sandbox/base/error.h"

enum {
	/* Linux 5.19: LANDLOCK_ACCESS_FS_REFER. Fallback: none. Below it no file could be renamed or linked into another
	 * directory, which toolchains do. */
	LAYERS_LANDLOCK_LEAST = 2,
};

struct layers {
	int landlock_abi; /* as the kernel tells; 0: not offered */
};

/* Asks the kernel. Changes nothing in the caller, allocates nothing. 0, or -errno with ERR (stage "layers"): an answer
 * that means neither yes nor no. */
int layers_probe(struct layers *ret, struct sandbox_error *err);
