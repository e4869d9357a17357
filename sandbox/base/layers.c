#include "sandbox/base/layers.h"

#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
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

static int probe_mdwe(struct layers *ret, struct sandbox_error *err)
{
	enum { GET_MDWE = 66 }; /* PR_GET_MDWE of newer headers */
	int flags = prctl(GET_MDWE, 0, 0, 0, 0);

	if (flags < 0 && errno != EINVAL)
		return error_errno(err, "layers", "PR_GET_MDWE");
	ret->has_mdwe = flags >= 0;
	return 0;
}

static int probe_core_scheduling(struct layers *ret, struct sandbox_error *err)
{
	uint64_t cookie;
	int r = prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, PR_SCHED_CORE_SCOPE_THREAD, &cookie);

	/* EINVAL: not in this kernel. ENODEV: no processor here shares its core. */
	if (r < 0 && errno != EINVAL && errno != ENODEV)
		return error_errno(err, "layers", "PR_SCHED_CORE_GET");
	ret->has_core_scheduling = r == 0;
	return 0;
}

static int probe_speculation(struct layers *ret, struct sandbox_error *err)
{
	for (int kind = 0; kind < LAYERS_SPECULATION_N; kind++) {
		int state = prctl(PR_GET_SPECULATION_CTRL, kind, 0, 0, 0);
		/* ENODEV: this kernel does not know this kind, or not on this processor; EINVAL: none. */
		if (state < 0 && errno != ENODEV && errno != EINVAL)
			return error_errno(err, "layers", "PR_GET_SPECULATION_CTRL %d", kind);
		ret->speculation[kind] = state < 0 ? 0 : state;
	}
	return 0;
}

int layers_probe(struct layers *ret, struct sandbox_error *err)
{
	struct layers layers = {0};

	int r = probe_landlock(&layers, err);
	if (r == 0)
		r = probe_mdwe(&layers, err);
	if (r == 0)
		r = probe_core_scheduling(&layers, err);
	if (r == 0)
		r = probe_speculation(&layers, err);
	if (r == 0)
		*ret = layers;
	return r;
}

/* Not left to seccomp, which implies it (without its flag SPEC_ALLOW) only before Linux 5.16 or where the kernel was booted
 * so. */
int layers_restrain_speculation(const struct layers *offered, struct sandbox_error *err)
{
	static const int kinds[] = {PR_SPEC_STORE_BYPASS, PR_SPEC_INDIRECT_BRANCH};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((offered->speculation[kinds[i]] & PR_SPEC_PRCTL) &&
			prctl(PR_SET_SPECULATION_CTRL, kinds[i], PR_SPEC_FORCE_DISABLE, 0, 0) < 0)
			return error_errno(err, "layers.speculation", "kind %d", kinds[i]);
	return 0;
}
