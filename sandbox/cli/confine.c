/* confine.c: what the supervisor keeps of root, and what it and the service may call. */
#include "sandbox/cli/confine.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/policy.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

/* Each is needed by a step of a cell's life; tests/sandbox/test_confine.c fails when one is missing or is too many. */
static const cap_value_t kept[] = {
	CAP_SYS_ADMIN,	  /* namespaces, mounts */
	CAP_SETUID,	  /* a cell's outer ids */
	CAP_SETGID,	  /* the same */
	CAP_SETPCAP,	  /* a cell's bounding set and securebits */
	CAP_CHOWN,	  /* a cell's directories and pipes become its own */
	CAP_MKNOD,	  /* the device nodes of /dev */
	CAP_KILL,	  /* a cell has another user id */
	CAP_DAC_OVERRIDE, /* the top of a cgroup hierarchy is writable by nobody */
	CAP_SYS_RESOURCE, /* hard rlimits above one's own, where the host grants that */
	CAP_SYS_NICE,	  /* init is woken before its job's processes, the engine near a CPU limit */
};

static bool is_kept(cap_value_t cap)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (kept[i] == cap)
			return true;
	return false;
}

/* Where the caller never had one of them, it stays without. */
static int keep_capabilities(void)
{
	cap_t now = cap_get_proc(), then = cap_init();
	int r = now != NULL && then != NULL ? 0 : -1;

	for (size_t i = 0; i < ARRAY_SIZE(kept) && r == 0; i++) {
		cap_flag_value_t is_had = CAP_CLEAR;
		r = cap_get_flag(now, kept[i], CAP_PERMITTED, &is_had);
		if (r == 0 && is_had == CAP_SET)
			r = cap_set_flag(then, CAP_PERMITTED, 1, &kept[i], CAP_SET);
		if (r == 0 && is_had == CAP_SET)
			r = cap_set_flag(then, CAP_EFFECTIVE, 1, &kept[i], CAP_SET);
	}
	if (r == 0)
		r = cap_set_proc(then);
	int saved = errno;
	(void)cap_free(now);
	(void)cap_free(then);
	errno = saved;
	return r;
}

static int cut_capabilities(struct sandbox_error *err)
{
	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!is_kept(cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return error_errno(err, "supervise.capabilities", "bounding set");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_errno(err, "supervise.capabilities", "ambient set");
	if (keep_capabilities() < 0)
		return error_errno(err, "supervise.capabilities", "keep what cells need");
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
		       ? error_errno(err, "supervise.capabilities", "no_new_privs")
		       : 0;
}

int confine_supervisor(struct sandbox_error *err)
{
	if (unshare(CLONE_NEWNET) < 0)
		return error_errno(err, "supervise.network", "new network namespace");
	return cut_capabilities(err);
}

int confine_read(
	const char *policies_dir, const char *name, struct filter_program *ret, struct sandbox_error *err)
{
	static const struct filter_calls none; /* it starts nothing that has a filter of its own */

	return policy_profile_load(policies_dir, name, &none, ret, err);
}

int confine_enter(const struct filter_program *program, struct sandbox_error *err)
{
	const struct sock_fprog filter = {.len = program->len, .filter = program->insns};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		return error_errno(err, "confine.seccomp", "put the filter on");
	return 0;
}
