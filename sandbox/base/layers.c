#include "sandbox/base/layers.h"

#include <linux/landlock.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static int probe_landlock(struct layers *ret, struct sandbox_error *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	/* ENOSYS: not in this kernel. EOPNOTSUPP: not among the security modules that it was booted with. */
	if (abi < 0 && errno != ENOSYS && errno != EOPNOTSUPP)
		return error_errno(err, "layers", "Landlock");
	ret->landlock_abi = abi < 0 ? 0 : (int)abi;
	return 0;
}

int layers_probe(struct layers *ret, struct sandbox_error *err)
{
	struct layers layers = {0};

	int r = probe_landlock(&layers, err);
	if (r == 0)
		*ret = layers;
	return r;
}
