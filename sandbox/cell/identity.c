/* identity.c: from root to nobody at all.
 *
 * The order matters. The outer ids are taken first, while CAP_SETUID is there; KEEPCAPS carries the capabilities over
 * so that the user namespace can be made without the host allowing unprivileged ones. The namespace's owner is then
 * the outer id, which no process outside this cell has, and its only mapped id is that one. Last, every privilege
 * that the new namespace gave is put down in a way that exec cannot undo. */
#include "sandbox/cell/cell.h"

#include "sandbox/base/fd.h"
#include "sandbox/cell/sys.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int set_caps(uint64_t permitted, struct sandbox_error *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)permitted, .permitted = (uint32_t)permitted},
		{.effective = (uint32_t)(permitted >> 32), .permitted = (uint32_t)(permitted >> 32)},
	};
	if (syscall(SYS_capset, &head, data) < 0)
		return error_errno(err, "cell.capabilities", "capset");
	return 0;
}

/* The raw calls: glibc's wrappers would signal other threads, of which there are none. The process group list goes
 * first: afterwards CAP_SETGID is gone. */
static int take_outer_ids(uint32_t id, struct sandbox_error *err)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		return error_errno(err, "cell.ids", "setgroups");
	if (syscall(SYS_setresgid, id, id, id) < 0)
		return error_errno(err, "cell.ids", "setresgid %u", id);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_errno(err, "cell.ids", "keepcaps");
	if (syscall(SYS_setresuid, id, id, id) < 0)
		return error_errno(err, "cell.ids", "setresuid %u", id);
	/* CAP_SYS_ADMIN and nothing else: for unshare on hosts that forbid unprivileged user namespaces. */
	return set_caps(1ULL << CAP_SYS_ADMIN, err);
}

static int write_map(int proc_fd, const char *file, uint32_t outer_id, struct sandbox_error *err)
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%d %u 1", CELL_ID, outer_id);
	int r = fd_write_file(proc_fd, file, text);
	return r < 0 ? error_set(err, -r, "cell.userns", "%s: %s", file, strerrordesc_np(-r)) : 0;
}

/* No namespace of any kind can be made below this one, whatever a system call filter lets through. */
static int forbid_nested_namespaces(int proc_fd, struct sandbox_error *err)
{
	static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char path[48];
		(void)snprintf(path, sizeof(path), "sys/user/max_%s_namespaces", kinds[i]);
		/* Linux 5.6: time namespaces, the youngest kind. No fallback: doctor refuses older kernels. */
		int r = fd_write_file(proc_fd, path, "0");
		if (r < 0)
			return error_set(err, -r, "cell.userns", "%s: %s", path, strerrordesc_np(-r));
	}
	return 0;
}

static int enter_user_namespace(const struct cell_birth *birth, struct sandbox_error *err)
{
	if (unshare(CLONE_NEWUSER) < 0)
		return error_errno(err, "cell.userns", "unshare");
	/* Changing ids made the process not dumpable, and its /proc files root's. No job is near yet; protect_init()
	 * takes it back. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return error_errno(err, "cell.userns", "dumpable");
	/* A process may map its own id without privilege over the parent namespace, groups only once setgroups is
	 * denied (user_namespaces(7)). The directory is this process's own, as "self" is looked up on each open. */
	int r = fd_write_file(birth->proc_fd, "self/setgroups", "deny");
	if (r < 0)
		return error_set(err, -r, "cell.userns", "setgroups: %s", strerrordesc_np(-r));
	r = write_map(birth->proc_fd, "self/gid_map", birth->order.outer_id, err);
	if (r == 0)
		r = write_map(birth->proc_fd, "self/uid_map", birth->order.outer_id, err);
	return r == 0 ? forbid_nested_namespaces(birth->proc_fd, err) : r;
}

/* Nothing that exec could turn into a privilege stays: not the bounding set (file capabilities), not the special
 * meaning of user id 0 (securebits), not set-user-ID bits (no_new_privs). */
static int shed_privileges(struct sandbox_error *err)
{
	for (int cap = 0; cap <= 63; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			int reason = errno;
			if (reason == EINVAL && cap > CAP_AUDIT_READ &&
				prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
				break; /* past the last capability that this kernel knows, and it says so twice */
			return error_set(err, reason, "cell.capabilities", "bounding set, %d: %s", cap,
				strerrordesc_np(reason));
		}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_errno(err, "cell.capabilities", "ambient set");
	if (prctl(PR_SET_SECUREBITS,
		    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
			    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
			    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
		    0, 0, 0) < 0)
		return error_errno(err, "cell.capabilities", "securebits");
	int r = set_caps(0, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, "cell.privileges", "no_new_privs");
	return 0;
}

/* Init has the job's own user id: what keeps the job from tracing it, reading its memory or its /proc files is that
 * it is not dumpable. Signals do not reach it: pid 1 ignores what its namespace sends. */
static int protect_init(struct sandbox_error *err)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, "cell.privileges", "dumpable");
	/* Again, as taking the ids cleared it (prctl(2)): the cell dies with its launcher. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return error_errno(err, "cell.privileges", "parent death signal");
	return 0;
}

/* What a process inherits and a job must not learn or use. */
static int clean_inheritance(struct sandbox_error *err)
{
	/* ENOSYS: a kernel without keyrings. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return error_errno(err, "cell.keyring", "new session keyring");
	if (personality(PER_LINUX) < 0)
		return error_errno(err, "cell.inherited", "personality");
	if (prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0) < 0)
		return error_errno(err, "cell.inherited", "timer slack");
	(void)umask(022);
	return 0;
}

int cell_identity(const struct cell_birth *birth, struct sandbox_error *err)
{
	int r = take_outer_ids(birth->order.outer_id, err);
	if (r == 0)
		r = enter_user_namespace(birth, err);
	if (r == 0)
		r = clean_inheritance(err);
	if (r == 0)
		r = shed_privileges(err);
	if (r == 0)
		r = protect_init(err);
	return r;
}
