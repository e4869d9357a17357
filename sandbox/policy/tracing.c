#include "sandbox/policy/tracing.h"

#include "sandbox/base/fd.h"
#include "sandbox/policy/profile.h"

#include <asm/ioctls.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* --- the tracing form --------------------------------------------------------------------------------------------- */

static bool refuses(uint32_t ret)
{
	switch (ret & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return false;
	case SECCOMP_RET_ERRNO:
		return (ret & SECCOMP_RET_DATA) != 0;
	default:
		return true;
	}
}

void tracing_rewrite(struct sock_filter *insns, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (insns[i].code == (BPF_RET | BPF_K) && refuses(insns[i].k))
			insns[i].k = SECCOMP_RET_USER_NOTIF;
}

/* --- what is never made ------------------------------------------------------------------------------------------- */

/* Numbers that older headers lack. */
enum {
	NR_LSM_SET_SELF_ATTR = 460,
	NR_OPEN_TREE_ATTR = 467,
	NR_UNKNOWN = 470, /* from here on nobody has looked at what the calls do */
};

static const char mounts[] = "mounts";
static const char namespaces[] = "namespaces";
static const char kernel_code[] = "code in the kernel";
static const char others[] = "reaches into other processes";
static const char filters[] = "seccomp programs and security labels";
static const char windows[] = "a way into the kernel past every seccomp program";
static const char keys[] = "the kernel's keys";
static const char host[] = "the host itself";
static const char handles[] = "files past their path";
static const char page_cache[] = "pages of files without a copy";

static const struct {
	int nr;
	const char *reason;
} never[] = {
	{SYS_mount, mounts},
	{SYS_umount2, mounts},
	{SYS_pivot_root, mounts},
	{SYS_chroot, mounts},
	{SYS_open_tree, mounts},
	{NR_OPEN_TREE_ATTR, mounts},
	{SYS_move_mount, mounts},
	{SYS_fsopen, mounts},
	{SYS_fsconfig, mounts},
	{SYS_fsmount, mounts},
	{SYS_fspick, mounts},
	{SYS_mount_setattr, mounts},
	{SYS_setns, namespaces},
	{SYS_unshare, namespaces},
	{SYS_clone3, "its flags lie behind a pointer"},
	{SYS_bpf, kernel_code},
	{SYS_init_module, kernel_code},
	{SYS_finit_module, kernel_code},
	{SYS_delete_module, kernel_code},
	{SYS_kexec_load, kernel_code},
	{SYS_kexec_file_load, kernel_code},
	{SYS_modify_ldt, kernel_code},
	{SYS_ptrace, others},
	{SYS_process_vm_readv, others},
	{SYS_process_vm_writev, others},
	{SYS_process_madvise, others},
	{SYS_process_mrelease, others},
	{SYS_pidfd_getfd, others},
	{SYS_kcmp, others},
	{SYS_move_pages, others},
	{SYS_migrate_pages, others},
	{SYS_seccomp, filters},
	{NR_LSM_SET_SELF_ATTR, filters},
	{SYS_io_uring_setup, windows},
	{SYS_io_uring_enter, windows},
	{SYS_io_uring_register, windows},
	{SYS_userfaultfd, windows},
	{SYS_perf_event_open, windows},
	{SYS_add_key, keys},
	{SYS_request_key, keys},
	{SYS_keyctl, keys},
	{SYS_reboot, host},
	{SYS_swapon, host},
	{SYS_swapoff, host},
	{SYS_iopl, host},
	{SYS_ioperm, host},
	{SYS_acct, host},
	{SYS_quotactl, host},
	{SYS_quotactl_fd, host},
	{SYS_syslog, host},
	{SYS_settimeofday, host},
	{SYS_clock_settime, host},
	{SYS_clock_adjtime, host},
	{SYS_adjtimex, host},
	{SYS_sethostname, host},
	{SYS_setdomainname, host},
	{SYS_vhangup, host},
	{SYS_name_to_handle_at, handles},
	{SYS_open_by_handle_at, handles},
	{SYS_fanotify_init, handles},
	{SYS_fanotify_mark, handles},
	{SYS_splice, page_cache},
	{SYS_vmsplice, page_cache},
	{SYS_tee, page_cache},
	{SYS_sendfile, page_cache},
};

/* Calls of which some are never made. The kernel reads the lower half of these arguments, so that is looked at. */
static const char *never_of_these(int nr, const __u64 args[6])
{
	static const uint64_t new_namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
					       CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	uint32_t first = (uint32_t)args[0], second = (uint32_t)args[1];

	switch (nr) {
	case SYS_clone:
		return (args[0] & new_namespaces) != 0 ? namespaces : NULL;
	case SYS_prctl:
		return first == PR_SET_SECCOMP ? filters : NULL;
	case SYS_personality: /* the question 0xffffffff sets nothing */
		return (first & READ_IMPLIES_EXEC) != 0 && first != UINT32_MAX ? "executable memory" : NULL;
	case SYS_prlimit64:
		return first != 0 && args[2] != 0 ? others : NULL;
	case SYS_ioctl:
		return second == TIOCSTI || second == TIOCLINUX ? "types on a terminal" : NULL;
	case SYS_socket:
	case SYS_socketpair:
		return first != AF_UNIX && first != AF_INET && first != AF_INET6 ? "a rare socket family"
										 : NULL;
	default:
		return NULL;
	}
}

const char *tracing_never(const struct seccomp_data *data)
{
	if (data->arch != FILTER_ARCH || (uint32_t)data->nr >= FILTER_X32_BIT)
		return "another entry into the kernel";
	if (data->nr >= NR_UNKNOWN)
		return "newer than this list";
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (never[i].nr == data->nr)
			return never[i].reason;
	return never_of_these(data->nr, data->args);
}

/* --- what tells calls of one number apart ------------------------------------------------------------------------- */

unsigned tracing_selectors(uint32_t nr)
{
	static const struct {
		uint32_t nr;
		unsigned arguments;
	} rows[] = {
		{SYS_socket, 7},
		{SYS_socketpair, 7},
		{SYS_setsockopt, 6},
		{SYS_getsockopt, 6},
		{SYS_ioctl, 2},
		{SYS_fcntl, 2},
		{SYS_madvise, 4},
		{SYS_prctl, 1},
		{SYS_arch_prctl, 1},
		{SYS_clone, 1},
		{SYS_unshare, 1},
		{SYS_personality, 1},
		{SYS_membarrier, 1},
		{SYS_ptrace, 1},
		{SYS_keyctl, 1},
		{SYS_bpf, 1},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].nr == nr)
			return rows[i].arguments;
	return 0;
}
