/* table.h: the attacks. One row each: what is tried, where the idea comes from, and how exactly it must fail.
 *
 * COMMAND is a probe of tests/probes and its case. CAUSE is the verdict; for SANDBOX_EXITED the probe must end with 0,
 * which it does when everything it tried was refused, and its output must hold all of EVIDENCE and no "BREACH". For
 * SANDBOX_FORBIDDEN_SYSCALL, EVIDENCE[0] is the name of the call. LIMITS replace the small ones of tests/lib/cell.c. */
#pragma once

#include "sandbox/sandbox.h"

/* Where an attack is tried: the policies of tests/policies, which give one and the same probe the image and the seccomp
 * profile of a step of the shipped languages. */
enum attack_phase {
	RUN = 1,	/* attack-run: image native, profile native */
	COMPILE = 2,	/* attack-compile: image cpp, profile compile */
	GO_COMPILE = 4, /* attack-compile-go: image go, profile compile */
	COMMAND = 8,	/* attack-command: image base, profile command */
	BOTH = RUN | COMPILE,
	ALL = RUN | COMPILE | GO_COMPILE | COMMAND,
};

struct attack {
	int row; /* of the list of cases this table follows (docs/threat-model.md) */
	const char *name;
	const char *origin;
	unsigned phases;
	const char *command;
	enum sandbox_cause cause;
	const char *evidence[10];
	struct sandbox_limits limits;
};

/* A call of the profiles' kill group: ends the run, named. */
#define TRIPWIRE(row, call, origin)                                                                          \
	{                                                                                                    \
		row, call " ends the run", origin, ALL, "attack_calls call " call,                           \
			SANDBOX_FORBIDDEN_SYSCALL,                                                           \
		{                                                                                            \
			call                                                                                 \
		}                                                                                            \
	}
/* Calls that are refused with an error. */
#define DENIED(row, what, origin, calls, ...)                                                                \
	{                                                                                                    \
		row, what, origin, ALL, "attack_calls call " calls, SANDBOX_EXITED,                          \
		{                                                                                            \
			__VA_ARGS__                                                                          \
		}                                                                                            \
	}

static const struct attack attacks[] = {
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
	{2, "all 255 subsets of namespaces", "CVE-2022-0492 and the user-namespace way into nf_tables", ALL,
		"attack_calls namespaces", SANDBOX_EXITED,
		{"unshare: tries=255 ok=0 EPERM=255 other=0", "clone: tries=127 ok=0 EPERM=127 other=0",
			"unshare(files)=EPERM"}},
	{3, "clone3, whose flags no filter can see", "moby: seccomp and clone3", ALL, "attack_calls clone3",
		SANDBOX_EXITED, {"clone3(plain)=ENOSYS", "clone3(user)=ENOSYS", "threads_work=yes"}},
	{4, "joining namespaces", "CVE-2024-21626: a leaked descriptor; nsenter", ALL, "attack_calls setns",
		SANDBOX_EXITED,
		{"setns(user)=EPERM", "setns(mnt)=EPERM", "setns(net)=EPERM", "setns(pidfd of init)=EPERM",
			"pidfd_getfd(init, 0)=EPERM"}},

	/* 5: other processes. */
	TRIPWIRE(5, "ptrace", "bubblewrap CVE-2020-5291; firejail 0.9.x seccomp bypass by ptrace"),
	{5, "ptrace(TRACEME) ends the run too", "the same", BOTH, "attack_calls call ptrace_traceme",
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

	/* 7: other tables of system calls. */
	{7, "int 0x80: getpid of the 32-bit table", "filters that compare numbers only", ALL,
		"attack_calls int80 20", SANDBOX_FORBIDDEN_SYSCALL, {"i386:20"}},
	{7, "int 0x80: mount of the 32-bit table", "the same", BOTH, "attack_calls int80 21",
		SANDBOX_FORBIDDEN_SYSCALL, {"i386:21"}},
	{7, "int 0x80: socketcall hides the family", "moby 3c28324; Copy Fail through 32-bit code", BOTH,
		"attack_calls int80 102", SANDBOX_FORBIDDEN_SYSCALL, {"i386:102"}},
	{7, "x32: getpid", "numbers with bit 30 set pass naive filters", ALL, "attack_calls x32 39",
		SANDBOX_FORBIDDEN_SYSCALL, {"x32:39"}},
	{7, "x32: mount", "the same", BOTH, "attack_calls x32 165", SANDBOX_FORBIDDEN_SYSCALL, {"x32:165"}},
	{7, "far jump into 32-bit code", "nacl and seccomp of the first days", BOTH, "attack_calls far-jump",
		SANDBOX_FORBIDDEN_SYSCALL, {"i386:20"}},

	/* 8 and 9: sockets. */
	{8, "every family, type and protocol", "the sweep of all families", ALL, "attack_calls sockets",
		SANDBOX_EXITED,
		{"socket(others): tries=10710 ok=0 EAFNOSUPPORT=10710 other=0",
			"socketpair(others): tries=630 ok=0 EAFNOSUPPORT=630 other=0"}},
	{9, "the families of Copy Fail, Dirty Frag and Fragnesia",
		"CVE-2026-31431, CVE-2026-43284, CVE-2026-46300", ALL, "attack_calls families",
		SANDBOX_EXITED,
		{"AF_ALG=EAFNOSUPPORT", "AF_VSOCK=EAFNOSUPPORT", "AF_RXRPC=EAFNOSUPPORT",
			"AF_KEY=EAFNOSUPPORT", "AF_PACKET=EAFNOSUPPORT", "NETLINK_XFRM=EAFNOSUPPORT",
			"NETLINK_NETFILTER=EAFNOSUPPORT", "NETLINK_AUDIT=EAFNOSUPPORT",
			"AF_INET=EAFNOSUPPORT", "MPTCP=EAFNOSUPPORT"}},

	/* 10 to 14. */
	{10, "page-cache writes through pipes", "Dirty Pipe CVE-2022-0847, Copy Fail CVE-2026-31431", ALL,
		"attack_files splice", SANDBOX_EXITED,
		{"splice=EINVAL", "vmsplice=EINVAL", "tee=EINVAL", "sendfile(pipe)=EINVAL",
			"content_unchanged=yes", "mmap(shared, write)=EACCES",
			"mprotect(shared, write)=EACCES"}},
	{11, "terminal, file system and device ioctls", "bubblewrap CVE-2017-5226 (TIOCSTI), CVE-2019-10063",
		ALL, "attack_files ioctl", SANDBOX_EXITED,
		{"TIOCSTI=ENOTTY", "TIOCLINUX=ENOTTY", "TIOCSCTTY=ENOTTY", "FS_IOC_SETFLAGS=ENOTTY",
			"FICLONE=ENOTTY", "KVM_CREATE_VM=ENOTTY", "LOOP_CTL_GET_FREE=ENOTTY",
			"TIOCSTI(high half)=ENOTTY"}},
	{12, "prctl", "PR_SET_MM rewrites what /proc tells; PR_SET_DUMPABLE opens init", ALL,
		"attack_calls prctl", SANDBOX_EXITED,
		{"PR_SET_MM=EINVAL", "PR_SET_SECCOMP(strict)=EINVAL", "PR_SET_PTRACER=EINVAL",
			"PR_SET_TSC=EINVAL", "PR_SET_DUMPABLE=EINVAL", "PR_CAP_AMBIENT(raise)=EINVAL",
			"PR_SET_SECUREBITS=EINVAL", "no_new_privs=yes"}},
	{13, "filters of one's own", "a listener answers for others; a thousand filters slow the kernel", ALL,
		"attack_calls seccomp", SANDBOX_EXITED,
		{"seccomp(NEW_LISTENER)=EPERM", "stacked: tries=1000 ok=0 EINVAL=1000 other=0"}},
	{14, "becoming somebody", "setuid, capset, chown to root", ALL,
		"attack_calls call setuid setgid setresuid setresgid setreuid setfsuid setgroups capset "
		"chown fchownat",
		SANDBOX_EXITED,
		{"setuid=EPERM", "setgroups=EPERM", "capset=EPERM", "chown=EPERM", "fchownat=EPERM"}},
	{14, "a set-id copy of oneself", "isolate 6c1ade3: root through a 4755 binary", BOTH,
		"attack_files setuid-file", SANDBOX_EXITED, {"fchmod(6755)=", "still_the_same=yes"}},
	DENIED(14, "file capabilities", "setxattr security.capability", "setxattr_caps",
		"setxattr_caps=EOPNOTSUPP"),

	/* 15 to 18: devices and /proc. */
	DENIED(15, "device nodes by mknod", "a block device in the box",
		"mknod_char mknod_block mknodat_char", "mknod_char=EPERM", "mknod_block=EPERM",
		"mknodat_char=EPERM"),
	{15, "five devices and no more", "CVE-2025-31133: a forged /dev", ALL, "attack_files devices",
		SANDBOX_EXITED,
		{"nodes=5 others=0", "mknod(/tmp/sda)=EPERM", "create(/dev/x)=EROFS",
			"unlink(/dev/null)=EROFS"}},
	{16, "writing to /proc", "CVE-2025-52881, CVE-2019-19921: redirected writes", ALL,
		"attack_files proc-write", SANDBOX_EXITED,
		{"/proc/sys/kernel/core_pattern=ENOENT", "/proc/sysrq-trigger=ENOENT",
			"/proc/self/uid_map=EROFS", "/proc/self/oom_score_adj=EROFS"}},
	{17, "what /proc, /sys and /dev tell of the host", "CVE-2024-21626 follow-ups; host fingerprints",
		ALL, "attack_files absent", SANDBOX_EXITED,
		{"/proc/kcore=ENOENT", "/proc/keys=ENOENT", "/proc/timer_list=ENOENT",
			"/proc/kallsyms=ENOENT", "/proc/cmdline=ENOENT", "/proc/interrupts=ENOENT",
			"/dev/mem=ENOENT", "/dev/kvm=ENOENT", "/dev/fuse=ENOENT", "/sys=E"}},
	{18, "init's own entries of /proc", "CVE-2019-5736; environ and descriptors of a helper", ALL,
		"attack_files init-proc", SANDBOX_EXITED,
		{"/proc/1/environ=E", "/proc/1/maps=E", "/proc/1/mem=E"}},

	/* 19 to 24: files and the root. */
	{19, "the helper's executable", "runc CVE-2019-5736", ALL, "attack_files exe", SANDBOX_EXITED,
		{"open(/proc/self/exe, write)=ETXTBSY", "open(/proc/1/exe, write)=E", "image_intact=yes"}},
	{20, "descriptors that were left open", "go-judge #176, runc CVE-2024-21626", ALL,
		"attack_files inherited", SANDBOX_EXITED, {"descriptors=3"}},
	{21, "a working directory outside", "runc CVE-2024-21626: cwd=/proc/self/fd/7", ALL,
		"attack_files cwd", SANDBOX_EXITED,
		{"cwd=/box", "chdir(/proc/self/fd/N): tries=1024 ok=0", "no_directory_inherited=yes",
			"proc_root_is_ours=yes"}},
	{22, "`..`, exchanges and the rename race", "chroot escapes; deep rename race", ALL,
		"attack_files dotdot", SANDBOX_EXITED,
		{"rename_race_stays_inside=yes", "symlink(/)=EROFS", "link(image)=E"}},
	{54, "raising limits and priority", "inherited rlimits, nice, scheduling class", ALL,
		"attack_limits rlimits", SANDBOX_EXITED,
		{"raised=0", "prlimit(init)=EPERM", "nice(-20)=E", "SCHED_FIFO=EPERM", "ioprio(RT)=EPERM"}},
	{23, "signal masks, dispositions and timers", "inherited from a careless parent", BOTH,
		"probe signals", SANDBOX_EXITED,
		{"blocked=0 pending=0 ignored=0 handled=0", "timer=0.000000"}},
	{23, "umask, nice, host name, keyring", "inherited from a careless parent", BOTH, "probe misc",
		SANDBOX_EXITED,
		{"nodename=cell domain=", "umask=0022", "nice=0", "policy=0",
			"keyctl(describe session)=EPERM"}},
	{23, "the environment", "LD_PRELOAD of the parent", BOTH, "probe env", SANDBOX_EXITED,
		{"PATH=/usr/bin:/bin\nHOME=/tmp\nTMPDIR=/tmp\nLANG=C.UTF-8\n"}},
	{23, "session and terminal", "TIOCSTI into the caller's terminal", BOTH, "probe ids", SANDBOX_EXITED,
		{"pid=2 ppid=1 pgid=2 sid=2", "tty=EN"}},
	{24, "writing to every file and directory", "nsjail #334: read-only flags that failed open", ALL,
		"attack_files write-everywhere", SANDBOX_EXITED,
		{"written=0", "chmod(/)=EROFS", "chmod(/etc)=E", "unlink(image)=EROFS", "truncate(image)=E"},
		{.cpu_usec = 10000000, .wall_usec = 20000000}},

	/* 27 to 31: signals, survivors, init. 25 and 26, which need two cells, are in test_neighbours.c; 32, a program that
	 * cannot be executed, in tests/sandbox/test_ends.c. */
	{27, "signals to init and to everybody", "kill(-1), forged pids", ALL, "attack_peers signals",
		SANDBOX_EXITED, {"ok=0", "child died of=9", "no_stranger=yes", "init_lives=yes"}},
	{27, "everybody stopped: the deadline still fires", "SIGSTOP against a waiting supervisor", BOTH,
		"attack_peers stop", SANDBOX_WALL_LIMIT, {"stopping"}, {.wall_usec = 1000000}},
	{28, "a double-forked daemon that holds standard output", "setsid and double fork", ALL,
		"work daemon 60000", SANDBOX_EXITED, {"main ends"}},
	{29, "children that ignore all, are stopped, wait in vfork", "SIGTERM first, SIGKILL never", ALL,
		"attack_peers survivors", SANDBOX_EXITED, {"main ends"}},
	{30, "process numbers that change while all is killed", "pid reuse against kill(pid)", BOTH,
		"attack_peers churn", SANDBOX_EXITED, {"main ends"}, {.processes = 500}},
	{31, "init as the better victim of the OOM killer", "oom_score_adj", BOTH, "attack_peers init-victim",
		SANDBOX_MEMORY_LIMIT, {"oom_score_adj(-1000)=EROFS", "init's oom_score_adj=E"}},

	/* 33 and 34: processes. */
	{33, "fork bomb", "the classic", ALL, "attack_limits fork-bomb", SANDBOX_PROCESS_LIMIT, {NULL}},
	{33, "thread bomb", "threads count as processes", BOTH, "attack_limits thread-bomb",
		SANDBOX_PROCESS_LIMIT, {NULL}},
	{33, "vfork bomb", "parents stuck in vfork", BOTH, "attack_limits vfork-bomb", SANDBOX_PROCESS_LIMIT,
		{NULL}},
	{33, "a loop of short-lived children", "each under a tick of the clock", BOTH,
		"attack_limits clone-loop", SANDBOX_CPU_LIMIT, {NULL}, {.cpu_usec = 300000}},
	{34, "a hoard of zombies", "they count until they are waited for", BOTH, "attack_limits zombies",
		SANDBOX_PROCESS_LIMIT, {NULL}},

	/* 35 to 40: memory and kernel objects. */
	{35, "a gigabyte, touched", "malloc until the end", ALL, "attack_limits memory", SANDBOX_MEMORY_LIMIT,
		{NULL}},
	{35, "many processes, each with little", "limits per process", BOTH, "attack_limits memory 8",
		SANDBOX_MEMORY_LIMIT, {NULL}},
	{35, "a child dies of it, main goes on", "an OOM kill that the program survives", BOTH,
		"attack_limits memory-child", SANDBOX_MEMORY_LIMIT, {NULL}},
	{36, "disk, more memory than disk", "filling tmpfs", ALL, "attack_limits disk /box /tmp",
		SANDBOX_EXITED, {"end=ENOSPC"}, {.disk_bytes = 16 << 20}},
	{36, "POSIX shared memory", "/dev/shm past the disk limit", BOTH, "attack_limits disk /dev/shm",
		SANDBOX_EXITED, {"end=ENOSPC"}, {.disk_bytes = 16 << 20}},
	{36, "disk, more disk than memory", "tmpfs is memory", BOTH, "attack_limits disk /box /tmp",
		SANDBOX_MEMORY_LIMIT, {NULL}, {.disk_bytes = 512 << 20, .memory_bytes = 32 << 20}},
	{37, "shared anonymous memory", "it is charged to nobody's process", BOTH,
		"attack_limits other-memory shared", SANDBOX_MEMORY_LIMIT, {NULL}},
	{37, "mmap(MAP_POPULATE)", "pages without a fault of one's own", BOTH,
		"attack_limits other-memory populate", SANDBOX_MEMORY_LIMIT, {NULL}},
	{37, "memfd", "files without a file system", COMMAND, "attack_limits other-memory memfd",
		SANDBOX_MEMORY_LIMIT, {NULL}},
	{37, "memfd is not there", "files without a file system", BOTH, "attack_limits other-memory memfd",
		SANDBOX_EXITED, {"memfd_create=EPERM"}},
	{37, "locked memory", "mlock", BOTH, "attack_limits other-memory mlock", SANDBOX_EXITED,
		{"mlock=E", "mlockall=E"}},
	{37, "huge pages", "memory of another controller", BOTH, "attack_limits other-memory hugetlb",
		SANDBOX_EXITED, {"hugetlb=ENOMEM"}},
	DENIED(37, "memory and objects that outlive a process",
		"isolate 2.6: /dev/shm and System V between sandboxes",
		"memfd_secret shmget semget msgget mq_open", "memfd_secret=E", "shmget=EPERM", "semget=EPERM",
		"msgget=EPERM", "mq_open=EPERM"),
	{38, "page tables", "one byte in every 2 MiB of 16 TiB", BOTH, "attack_limits page-tables",
		SANDBOX_MEMORY_LIMIT, {NULL}, {.memory_bytes = 32 << 20}},
	{39, "pipes filled to the brim", "kernel buffers", BOTH, "attack_limits pipes", SANDBOX_EXITED,
		{"one more pipe=EMFILE"}},
	{39, "descriptors in flight", "SCM_RIGHTS chains", COMMAND, "attack_limits fd-chain", SANDBOX_EXITED,
		{"bounded=yes"}},
	{39, "socket buffers", "SO_SNDBUF", COMMAND, "attack_limits socket-buffers", SANDBOX_EXITED,
		{"bounded=yes"}},
	{40, "stripes of memory areas", "mprotect splits areas", BOTH, "attack_limits vmas", SANDBOX_EXITED,
		{"bounded=yes"}},
	{40, "epoll, eventfd and timerfd objects", "kernel objects", BOTH, "attack_limits objects",
		SANDBOX_EXITED, {"end=EMFILE", "bounded=yes"}},
	{40, "timers", "timer_create until the kernel says no", BOTH, "attack_limits timers", SANDBOX_EXITED,
		{"bounded=yes"}},
	{40, "names that do not exist", "negative dentries", BOTH, "attack_limits dentries 100000",
		SANDBOX_EXITED, {"asked=100000"}},

	/* Beyond the first forty. */
	{43, "inodes", "files, directories and links without bytes", ALL, "attack_limits inodes /tmp",
		SANDBOX_EXITED, {"one more inode=ENOSPC"}, {.inodes = 200}},
	{44, "sparse files", "8 EiB that occupy nothing", BOTH, "attack_limits sparse", SANDBOX_EXITED,
		{"pwrite(8 EiB)=EFBIG", "ftruncate(8 EiB)=EFBIG", "ftruncate(1 TiB)=EFBIG",
			"fallocate(1 TiB)=EFBIG"}},
	{45, "a flood of output", "gigabytes per second", ALL, "attack_limits flood 1048576",
		SANDBOX_OUTPUT_LIMIT, {NULL}},
	{45, "a flood in single bytes, on standard error", "10^8 writes", BOTH, "attack_limits flood 1 2",
		SANDBOX_OUTPUT_LIMIT, {NULL}, {.output_bytes = 4096}},
	{53, "every signal ignored, spinning", "SIGXCPU and SIGTERM are only requests", BOTH,
		"work stubborn burn", SANDBOX_CPU_LIMIT, {NULL}, {.cpu_usec = 200000}},
	{53, "every signal ignored, sleeping", "the same for the wall clock", BOTH, "work stubborn sleep",
		SANDBOX_WALL_LIMIT, {NULL}, {.wall_usec = 300000}},
	DENIED(54, "scheduling class and priority", "real-time starvation",
		"sched_setscheduler setpriority ioprio_set", "sched_setscheduler=EPERM", "setpriority=EPERM",
		"ioprio_set=EPERM"),
	{55, "sync in a loop", "stirring the host's disks", BOTH, "attack_limits sync", SANDBOX_EXITED,
		{"synced"}},
	{57, "a core dump", "core_pattern: a pipe or a file", BOTH, "attack_limits core", SANDBOX_EXITED,
		{"dumped=no", "core=ENOENT"}},
	{62, "a directory 100,000 deep, locked behind", "removal by walking", BOTH, "attack_limits deep",
		SANDBOX_EXITED, {"end=ENOSPC"}},
};
