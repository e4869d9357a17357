/* rows_calls.c: system calls that a cell must not have, and other ways into the kernel. */
#include "sandbox/verify/rows.h"
#include "sandbox/verify/sweep.h"

#include "sandbox/base/fd.h"

static const struct corpus_row rows[] = {
	/* 1: the mount family. */
	TRIPWIRE(1, "mount", "every container escape begins with it"),
	TRIPWIRE(1, "umount2", "CVE-2025-31133: uncovering what a mount hides"),
	TRIPWIRE(1, "pivot_root", "leaving the root"),
	TRIPWIRE(1, "open_tree", "the new mount API, past filters that know only the old"),
	TRIPWIRE(1, "move_mount", "the new mount API"),
	TRIPWIRE(1, "fsopen", "CVE-2022-0185: fsconfig heap overflow"),
	TRIPWIRE(1, "fsconfig", "CVE-2022-0185"),
	TRIPWIRE(1, "fsmount", "the new mount API"),
	TRIPWIRE(1, "fspick", "the new mount API"),
	TRIPWIRE(1, "mount_setattr", "taking the read-only flag off"),
	DENIED(1, "chroot", "chroot escape", "chroot", "chroot=EPERM"),
	DENIED(1, "mount tables", "statmount tells host paths", "statmount listmount", "statmount=E",
		"listmount=E"),

	/* 2 to 4: namespaces. */
	{2, "all 255 subsets of namespaces", "CVE-2022-0492 and the user-namespace way into nf_tables",
		SITE_ALL, "attack_calls namespaces", SANDBOX_EXITED,
		{"unshare: tries=255 ok=0 EPERM=255 other=0", "clone: tries=127 ok=0 EPERM=127 other=0",
			"unshare(files)=EPERM"}},
	{3, "clone3, whose flags no filter can see", "moby: seccomp and clone3", SITE_ALL,
		"attack_calls clone3", SANDBOX_EXITED,
		{"clone3(plain)=ENOSYS", "clone3(user)=ENOSYS", "threads_work=yes"}},
	{4, "joining namespaces", "CVE-2024-21626: a leaked descriptor; nsenter", SITE_ALL,
		"attack_calls setns", SANDBOX_EXITED,
		{"setns(user)=EPERM", "setns(mnt)=EPERM", "setns(net)=EPERM", "setns(pidfd of init)=EPERM",
			"pidfd_getfd(init, 0)=EPERM"}},

	/* 5: other processes. */
	TRIPWIRE(5, "ptrace", "bubblewrap CVE-2020-5291; firejail 0.9.x seccomp bypass by ptrace"),
	{5, "ptrace(TRACEME) ends the run too", "the same", SITE_BOTH, "attack_calls call ptrace_traceme",
		SANDBOX_FORBIDDEN_SYSCALL, {"ptrace"}},
	DENIED(5, "another process's memory", "process_vm_writev into init",
		"process_vm_readv process_vm_writev", "process_vm_readv=ENOSYS", "process_vm_writev=ENOSYS"),
	DENIED(5, "another process's descriptors and pages", "pidfd_getfd steals descriptors",
		"pidfd_getfd kcmp process_madvise process_mrelease migrate_pages move_pages",
		"pidfd_getfd=EPERM", "kcmp=EPERM", "process_madvise=EPERM", "migrate_pages=EPERM",
		"move_pages=EPERM"),

	/* 6: large kernel interfaces. */
	TRIPWIRE(6, "bpf", "CVE-2021-3490 and its many kin"),
	TRIPWIRE(6, "kexec_load", "another kernel"),
	TRIPWIRE(6, "kexec_file_load", "another kernel"),
	TRIPWIRE(6, "init_module", "kernel code"),
	TRIPWIRE(6, "finit_module", "kernel code"),
	TRIPWIRE(6, "delete_module", "kernel code"),
	TRIPWIRE(6, "reboot", "the host's end"),
	TRIPWIRE(6, "swapon", "a swap file of one's own"),
	TRIPWIRE(6, "swapoff", "the host's swap"),
	TRIPWIRE(6, "iopl", "port input and output"),
	TRIPWIRE(6, "ioperm", "port input and output"),
	DENIED(6, "perf events and page faults in user hands", "CVE-2013-2094; userfaultfd as race helper",
		"perf_event_open userfaultfd", "perf_event_open=EPERM", "userfaultfd=EPERM"),
	DENIED(6, "io_uring", "CVE-2022-29582 and many; calls past the filter",
		"io_uring_setup io_uring_enter io_uring_register", "io_uring_setup=ENOSYS",
		"io_uring_enter=ENOSYS", "io_uring_register=ENOSYS"),
	DENIED(6, "keyrings", "CVE-2016-0728; isolate 2.4: keys cross sandboxes",
		"add_key request_key keyctl", "add_key=EPERM", "request_key=EPERM", "keyctl=EPERM"),
	DENIED(6, "file handles and watches on the host", "the shocker exploit: open_by_handle_at",
		"name_to_handle_at open_by_handle_at fanotify_init fanotify_mark inotify_init1 "
		"lookup_dcookie",
		"name_to_handle_at=EPERM", "open_by_handle_at=EPERM", "fanotify_init=EPERM",
		"inotify_init1=ENOSYS", "lookup_dcookie=EPERM"),
	DENIED(6, "quotas, accounting, the system's clock and name", "host state",
		"quotactl quotactl_fd acct settimeofday clock_settime clock_adjtime adjtimex sethostname "
		"setdomainname",
		"quotactl=EPERM", "acct=EPERM", "settimeofday=EPERM", "clock_settime=EPERM", "adjtimex=EPERM",
		"sethostname=EPERM"),
	DENIED(6, "segments, the log, old calls", "CVE-2014-9322 (espfix), dmesg addresses",
		"modify_ldt syslog vhangup nfsservctl uselib personality_exec landlock_create_ruleset "
		"lsm_set_self_attr listns remap_file_pages mbind io_setup",
		"modify_ldt=EPERM", "syslog=EPERM", "vhangup=EPERM", "personality_exec=EPERM", "mbind=EPERM",
		"io_setup=EPERM"),

	{6, "every number from 0 to 1023", "bubblewrap's try-syscall, sandbox2's bpf_evaluator", SITE_ALL,
		.perform = sweep_profile, .expected = "what the profile says, number by number"},

	/* 7: other tables of system calls. */
	{7, "the 32-bit table, by int 0x80", "moby 3c28324: socketcall hides the family", SITE_ALL,
		.perform = sweep_i386, .expected = "forbidden_syscall i386:… for each"},
	{7, "the x32 table", "numbers with bit 30 set pass naive filters", SITE_ALL, .perform = sweep_x32,
		.expected = "forbidden_syscall x32:… for each"},
	{7, "a far jump into 32-bit code", "nacl and seccomp of the first days", SITE_ALL,
		"attack_calls far-jump", SANDBOX_FORBIDDEN_SYSCALL, {"i386:20"}, .needs = CORPUS_I386},

	/* 8 and 9: sockets. */
	{8, "every family, type and protocol", "the sweep of all families", SITE_RUN | SITE_COMPILE,
		"attack_sweep sockets", SANDBOX_EXITED,
		{"socket(others): tries=131989 ok=0 EAFNOSUPPORT=131989 other=0",
			"socket(unix): tries=2893 ok=0 EAFNOSUPPORT=2893 other=0",
			"socketpair(others): tries=131989 ok=0 EAFNOSUPPORT=131989 other=0",
			"only_unix_sockets=yes"}},
	{8, "every family, type and protocol but local pairs", "the sweep of all families", SITE_COMMAND,
		"attack_sweep sockets", SANDBOX_EXITED,
		{"socket(others): tries=131989 ok=0 EAFNOSUPPORT=131989 other=0",
			"socket(unix): tries=2893 ok=0 EAFNOSUPPORT=2893 other=0",
			"socketpair(others): tries=131989 ok=0 EAFNOSUPPORT=131989 other=0",
			"only_unix_sockets=yes"}},
	{9, "the families of Copy Fail, Dirty Frag and Fragnesia",
		"CVE-2026-31431, CVE-2026-43284, CVE-2026-46300", SITE_ALL, "attack_calls families",
		SANDBOX_EXITED,
		{"AF_ALG=EAFNOSUPPORT", "AF_VSOCK=EAFNOSUPPORT", "AF_RXRPC=EAFNOSUPPORT",
			"AF_KEY=EAFNOSUPPORT", "AF_PACKET=EAFNOSUPPORT", "NETLINK_XFRM=EAFNOSUPPORT",
			"NETLINK_NETFILTER=EAFNOSUPPORT", "NETLINK_AUDIT=EAFNOSUPPORT",
			"AF_INET=EAFNOSUPPORT", "MPTCP=EAFNOSUPPORT"}},

	/* 10 to 14. */
	{10, "page-cache writes through pipes", "Dirty Pipe CVE-2022-0847, Copy Fail CVE-2026-31431",
		SITE_ALL, "attack_files splice", SANDBOX_EXITED,
		{"splice=EINVAL", "vmsplice=EINVAL", "tee=EINVAL", "sendfile(pipe)=EINVAL",
			"content_unchanged=yes", "mmap(shared, write)=EACCES",
			"mprotect(shared, write)=EACCES"}},
	{11, "terminal, file system and device ioctls", "bubblewrap CVE-2017-5226 (TIOCSTI), CVE-2019-10063",
		SITE_ALL, "attack_files ioctl", SANDBOX_EXITED,
		{"TIOCSTI=ENOTTY", "TIOCLINUX=ENOTTY", "TIOCSCTTY=ENOTTY", "FS_IOC_SETFLAGS=ENOTTY",
			"FICLONE=ENOTTY", "KVM_CREATE_VM=ENOTTY", "LOOP_CTL_GET_FREE=ENOTTY",
			"TIOCSTI(high half)=ENOTTY"}},
	{12, "prctl", "PR_SET_MM rewrites what /proc tells; PR_SET_DUMPABLE opens init", SITE_ALL,
		"attack_calls prctl", SANDBOX_EXITED,
		{"PR_SET_MM=EINVAL", "PR_SET_SECCOMP(strict)=EINVAL", "PR_SET_PTRACER=EINVAL",
			"PR_SET_TSC=EINVAL", "PR_SET_DUMPABLE=EINVAL", "PR_CAP_AMBIENT(raise)=EINVAL",
			"PR_SET_SECUREBITS=EINVAL", "no_new_privs=yes"}},
	{13, "filters of one's own", "a listener answers for others; a thousand filters slow the kernel",
		SITE_ALL, "attack_calls seccomp", SANDBOX_EXITED,
		{"seccomp(NEW_LISTENER)=EPERM", "stacked: tries=1000 ok=0 EINVAL=1000 other=0"}},
	{14, "becoming somebody", "setuid, capset, chown to root", SITE_ALL,
		"attack_calls call setuid setgid setresuid setresgid setreuid setfsuid setgroups capset "
		"chown fchownat",
		SANDBOX_EXITED,
		{"setuid=EPERM", "setgroups=EPERM", "capset=EPERM", "chown=EPERM", "fchownat=EPERM"}},
	{14, "a set-id copy of oneself", "isolate 6c1ade3: root through a 4755 binary", SITE_BOTH,
		"attack_files setuid-file", SANDBOX_EXITED, {"fchmod(6755)=", "still_the_same=yes"}},
	DENIED(14, "file capabilities", "setxattr security.capability", "setxattr_caps",
		"setxattr_caps=EOPNOTSUPP"),
};

const struct corpus_part corpus_calls = {rows, ARRAY_SIZE(rows), true};
