/* attack_calls: system calls that a cell must not have. Each case is one hostile act (tests/attacks/table.c says
 * which history it repeats). A call of the profile's kill group ends the run before anything is printed. */
#include "tests/probes/evidence.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_alg.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Numbers that older headers lack; the table of x86-64 and the common one agree on them. */
enum {
	NR_statmount = 457,
	NR_listmount = 458,
	NR_lsm_set_self_attr = 460,
	NR_listns = 470,
	NR_memfd_secret = 447,
	NR_quotactl_fd = 443,
	NR_mseal = 462,
	NR_open_tree_attr = 467,
};

static char zeros[4096];
static char path_here[] = "/box/attack-dir";
static char path_proc[] = "proc";
static struct iovec piece = {zeros, 8};

#define P(x) (long)(x)

static const struct call {
	const char *name;
	long nr;
	long args[6];
} calls[] = {
	/* Row 1: the mount family. */
	{"mount", SYS_mount, {P("none"), P("/tmp"), P("tmpfs"), 0, 0}},
	{"umount2", SYS_umount2, {P("/proc"), 2}},
	{"pivot_root", SYS_pivot_root, {P("/box"), P("/box")}},
	{"chroot", SYS_chroot, {P("/box")}},
	{"open_tree", SYS_open_tree, {AT_FDCWD, P("/"), 1}},
	{"open_tree_attr", NR_open_tree_attr, {AT_FDCWD, P("/"), 1}},
	{"fsopen", SYS_fsopen, {P(path_proc), 0}},
	{"fsconfig", SYS_fsconfig, {0, 6, 0, 0, 0}},
	{"fsmount", SYS_fsmount, {0, 0, 0}},
	{"fspick", SYS_fspick, {AT_FDCWD, P("/"), 0}},
	{"move_mount", SYS_move_mount, {AT_FDCWD, P("/box"), AT_FDCWD, P("/tmp"), 0}},
	{"mount_setattr", 442, {AT_FDCWD, P("/"), 0, P(zeros), 32}},
	{"statmount", NR_statmount, {P(zeros), P(zeros), 512, 0}},
	{"listmount", NR_listmount, {P(zeros), P(zeros), 8, 0}},
	/* Row 5: other processes' memory and descriptors. */
	{"ptrace", SYS_ptrace, {16, 1, 0, 0}},
	{"ptrace_traceme", SYS_ptrace, {0, 0, 0, 0}},
	{"process_vm_readv", SYS_process_vm_readv, {1, P(&piece), 1, P(&piece), 1, 0}},
	{"process_vm_writev", SYS_process_vm_writev, {1, P(&piece), 1, P(&piece), 1, 0}},
	{"pidfd_getfd", SYS_pidfd_getfd, {0, 0, 0}},
	{"kcmp", SYS_kcmp, {1, 1, 0, 0, 0}},
	{"process_madvise", SYS_process_madvise, {0, P(&piece), 1, 21, 0}},
	{"process_mrelease", 448, {0, 0}},
	{"migrate_pages", SYS_migrate_pages, {1, 64, P(zeros), P(zeros)}},
	{"move_pages", SYS_move_pages, {1, 1, P(zeros), P(zeros), P(zeros), 0}},
	/* Row 6: the kernel's large and rarely needed interfaces. */
	{"bpf", SYS_bpf, {BPF_MAP_CREATE, P(zeros), 64}},
	{"perf_event_open", SYS_perf_event_open, {P(zeros), 0, -1, -1, 0}},
	{"userfaultfd", SYS_userfaultfd, {0}},
	{"io_uring_setup", SYS_io_uring_setup, {1, P(zeros)}},
	{"io_uring_enter", SYS_io_uring_enter, {0, 1, 0, 0, 0, 0}},
	{"io_uring_register", SYS_io_uring_register, {0, 0, 0, 0}},
	{"kexec_load", SYS_kexec_load, {0, 0, 0, 0}},
	{"kexec_file_load", SYS_kexec_file_load, {0, 0, 0, 0, 0}},
	{"init_module", SYS_init_module, {P(zeros), 64, P("")}},
	{"finit_module", SYS_finit_module, {0, P(""), 0}},
	{"delete_module", SYS_delete_module, {P("ext4"), 0}},
	{"add_key", SYS_add_key, {P("user"), P("cofferdam-attack"), P("x"), 1, -3}},
	{"request_key", SYS_request_key, {P("user"), P("cofferdam-attack"), 0, -3}},
	{"keyctl", SYS_keyctl, {0, -3, 1}},
	{"quotactl", SYS_quotactl, {0x80000100, P("/box"), 0, P(zeros)}},
	{"quotactl_fd", NR_quotactl_fd, {0, 0x80000100, 0, P(zeros)}},
	{"name_to_handle_at", SYS_name_to_handle_at, {AT_FDCWD, P("/"), P(zeros), P(zeros + 2048), 0}},
	{"open_by_handle_at", SYS_open_by_handle_at, {AT_FDCWD, P(zeros), 0}},
	{"fanotify_init", SYS_fanotify_init, {0, 0}},
	{"fanotify_mark", SYS_fanotify_mark, {0, 1, 1, AT_FDCWD, P("/")}},
	{"inotify_init1", SYS_inotify_init1, {0}},
	{"lookup_dcookie", SYS_lookup_dcookie, {1, P(zeros), 64}},
	{"acct", SYS_acct, {P("/box/acct")}},
	{"swapon", SYS_swapon, {P("/box/swap"), 0}},
	{"swapoff", SYS_swapoff, {P("/box/swap")}},
	{"reboot", SYS_reboot, {0xfee1dead, 672274793, 0, 0}},
	{"settimeofday", SYS_settimeofday, {P(zeros), 0}},
	{"clock_settime", SYS_clock_settime, {0, P(zeros)}},
	{"clock_adjtime", SYS_clock_adjtime, {0, P(zeros)}},
	{"adjtimex", SYS_adjtimex, {P(zeros)}},
	{"sethostname", SYS_sethostname, {P("owned"), 5}},
	{"setdomainname", SYS_setdomainname, {P("owned"), 5}},
	{"iopl", SYS_iopl, {3}},
	{"ioperm", SYS_ioperm, {0x80, 1, 1}},
	{"modify_ldt", SYS_modify_ldt, {1, P(zeros), 16}},
	{"syslog", SYS_syslog, {3, P(zeros), 4096}},
	{"vhangup", SYS_vhangup, {0}},
	{"nfsservctl", SYS_nfsservctl, {0, 0, 0}},
	{"uselib", SYS_uselib, {P("/box/lib")}},
	{"personality_exec", SYS_personality, {0x0400000}},
	{"landlock_create_ruleset", SYS_landlock_create_ruleset, {0, 0, 1}},
	{"lsm_set_self_attr", NR_lsm_set_self_attr, {100, P(zeros), 32, 0}},
	{"listns", NR_listns, {P(zeros), P(zeros), 8, 0}},
	{"remap_file_pages", SYS_remap_file_pages, {0, 4096, 0, 0, 0}},
	{"mbind", SYS_mbind, {0, 4096, 0, 0, 0, 0}},
	{"io_setup", SYS_io_setup, {8, P(zeros)}},
	/* Row 14: changing who one is. */
	{"setuid", SYS_setuid, {0}},
	{"setgid", SYS_setgid, {0}},
	{"setresuid", SYS_setresuid, {0, 0, 0}},
	{"setresgid", SYS_setresgid, {0, 0, 0}},
	{"setreuid", SYS_setreuid, {0, 0}},
	{"setfsuid", SYS_setfsuid, {0}},
	{"setgroups", SYS_setgroups, {0, 0}},
	{"capset", SYS_capset, {P(zeros), P(zeros)}},
	{"chown", SYS_chown, {P("/box"), 0, 0}},
	{"fchownat", SYS_fchownat, {AT_FDCWD, P("/box"), 0, 0, 0}},
	{"setxattr_caps", SYS_setxattr, {P("/box"), P("security.capability"), P(zeros), 20, 0}},
	/* Row 15, 37: devices and memory that limits do not see. */
	{"mknod_char", SYS_mknod, {P(path_here), S_IFCHR | 0666, 0x101}},
	{"mknod_block", SYS_mknod, {P(path_here), S_IFBLK | 0666, 0x800}},
	{"mknodat_char", SYS_mknodat, {AT_FDCWD, P(path_here), S_IFCHR | 0666, 0x10b}},
	{"memfd_secret", NR_memfd_secret, {0}},
	/* Rows 25 and 26: objects that outlive a process. */
	{"shmget", SYS_shmget, {0x5afe, 4096, 01666}},
	{"semget", SYS_semget, {0x5afe, 1, 01666}},
	{"msgget", SYS_msgget, {0x5afe, 01666}},
	{"mq_open", SYS_mq_open, {P("cofferdam"), O_RDWR | O_CREAT, 0666, 0}},
	/* Row 54: scheduling. */
	{"sched_setscheduler", SYS_sched_setscheduler, {0, 1, P((const int[]){50})}},
	{"setpriority", SYS_setpriority, {0, 0, -20}},
	{"ioprio_set", SYS_ioprio_set, {1, 0, 1 << 13}},
};

static const struct call *find_call(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			return &calls[i];
	(void)fprintf(stderr, "no such call: %s\n", name);
	exit(2);
}

/* call NAME…: each must be refused. */
static void attack_call(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const struct call *call = find_call(argv[i]);
		const long *a = call->args;
		long r = syscall(call->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		/* setfsuid cannot fail, it tells the former id: what counts is who we are then. */
		if (call->nr == SYS_setfsuid && r >= 0)
			r = syscall(call->nr, -1) == 0 && getuid() != 0 ? 0 : (errno = EPERM, -1);
		(void)refused(argv[i], r);
	}
}

static const unsigned long namespaces[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
	CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWTIME};

static unsigned long namespace_subset(unsigned bits)
{
	unsigned long flags = 0;

	for (unsigned i = 0; i < 8; i++)
		if (bits & (1U << i))
			flags |= namespaces[i];
	return flags;
}

/* Row 2: every one of the 255 subsets, through unshare and (but for the time namespace) clone. */
static void attack_namespaces(int argc, char **argv)
{
	struct tally unshares = {.what = "unshare"}, clones = {.what = "clone"};

	(void)argc, (void)argv;
	for (unsigned bits = 1; bits < 256; bits++)
		tally_add(&unshares, syscall(SYS_unshare, namespace_subset(bits)));
	for (unsigned bits = 1; bits < 128; bits++) {
		long pid = syscall(SYS_clone, namespace_subset(bits) | SIGCHLD, 0, 0, 0, 0);
		if (pid == 0)
			_exit(0);
		tally_add(&clones, pid);
		if (pid > 0)
			(void)waitpid((pid_t)pid, NULL, 0);
	}
	tally_say(&unshares);
	tally_say(&clones);
	(void)holds("no_new_namespace", unshares.ok == 0 && clones.ok == 0);
	(void)refused("unshare(files)", syscall(SYS_unshare, CLONE_FILES));
}

static void *say_thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

/* Row 3. */
static void attack_clone3(int argc, char **argv)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	pthread_t thread;
	int ran = 0;

	(void)argc, (void)argv;
	for (int i = 0; i < 2; i++) {
		args.flags = i == 0 ? 0 : CLONE_NEWUSER;
		long pid = syscall(SYS_clone3, &args, sizeof(args));
		if (pid == 0)
			_exit(0);
		(void)refused(i == 0 ? "clone3(plain)" : "clone3(user)", pid);
	}
	int r = pthread_create(&thread, NULL, say_thread, &ran);
	if (r == 0)
		(void)pthread_join(thread, NULL);
	(void)holds("threads_work", ran == 1);
}

/* Row 4. */
static void attack_setns(int argc, char **argv)
{
	static const char *const names[] = {
		"user", "mnt", "pid", "pid_for_children", "net", "ipc", "uts", "cgroup", "time"};
	char path[64];

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		(void)snprintf(path, sizeof(path), "setns(%s)", names[i]);
		(void)refused(path, syscall(SYS_setns, fd, 0));
		(void)snprintf(path, sizeof(path), "/proc/1/ns/%s", names[i]);
		(void)refused(path, open(path, O_RDONLY | O_CLOEXEC));
	}
	long pidfd = syscall(SYS_pidfd_open, 1, 0);
	(void)tried("pidfd_open(1)", pidfd);
	(void)refused("setns(pidfd of init)", syscall(SYS_setns, pidfd, CLONE_NEWUSER | CLONE_NEWNS));
	(void)refused("pidfd_getfd(init, 0)", syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

/* Row 7: 32-bit code, where `int $0x80` (getpid) is the native way. It lies in this program's text, which is mapped below
 * 4 GiB: nothing has to be made executable first. */
__asm__(".pushsection .text\n"
	"code_of_32_bits:\n\t"
	".code32\n\t"
	"movl $20, %eax\n\t"
	"int $0x80\n\t"
	"hlt\n\t"
	".code64\n\t"
	".popsection\n");
extern const char code_of_32_bits[];

static void attack_far_jump(int argc, char **argv)
{
	(void)argc, (void)argv;
	say("jumping");
	__asm__ volatile("pushq $0x23\n\tpushq %0\n\tlretq"
			 :
			 : "r"((unsigned long)code_of_32_bits)
			 : "memory");
}

/* Row 9: the families whose kernel code was the way out in the last years. */
static void attack_families(int argc, char **argv)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} tries[] = {{"AF_ALG", 38, SOCK_SEQPACKET, 0}, {"AF_VSOCK", 40, SOCK_STREAM, 0},
		{"AF_RXRPC", 33, SOCK_DGRAM, 2}, {"AF_KEY", 15, SOCK_RAW, 2},
		{"AF_PACKET", 17, SOCK_RAW, 0x300}, {"NETLINK_ROUTE", 16, SOCK_RAW, 0},
		{"NETLINK_XFRM", 16, SOCK_RAW, 6}, {"NETLINK_AUDIT", 16, SOCK_RAW, 9},
		{"NETLINK_NETFILTER", 16, SOCK_RAW, 12}, {"NETLINK_KOBJECT_UEVENT", 16, SOCK_RAW, 15},
		{"AF_INET", 2, SOCK_STREAM, 0}, {"AF_INET6", 10, SOCK_DGRAM, 0}, {"ICMP", 2, SOCK_DGRAM, 1},
		{"RAW", 2, SOCK_RAW, 255}, {"MPTCP", 2, SOCK_STREAM, 262}, {"AF_BLUETOOTH", 31, SOCK_RAW, 1},
		{"AF_CAN", 29, SOCK_RAW, 1}, {"AF_TIPC", 30, SOCK_RDM, 0}, {"AF_XDP", 44, SOCK_RAW, 0},
		{"AF_SMC", 43, SOCK_STREAM, 0}, {"AF_QIPCRTR", 42, SOCK_DGRAM, 0}};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		(void)refused(tries[i].name, socket(tries[i].family, tries[i].type, tries[i].protocol));
}

/* Row 12. */
static void attack_prctl(int argc, char **argv)
{
	static const struct {
		const char *name;
		int option;
		unsigned long a, b;
	} tries[] = {{"PR_SET_MM", PR_SET_MM, PR_SET_MM_BRK, 0},
		{"PR_SET_SECCOMP(strict)", PR_SET_SECCOMP, 1, 0},
		{"PR_SET_PTRACER", PR_SET_PTRACER, (unsigned long)-1, 0}, {"PR_SET_TSC", PR_SET_TSC, 2, 0},
		{"PR_SET_DUMPABLE", PR_SET_DUMPABLE, 1, 0}, {"PR_SET_KEEPCAPS", PR_SET_KEEPCAPS, 1, 0},
		{"PR_SET_SECUREBITS", PR_SET_SECUREBITS, 0, 0}, {"PR_CAPBSET_DROP", PR_CAPBSET_DROP, 0, 0},
		{"PR_CAP_AMBIENT(raise)", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21},
		{"PR_SET_CHILD_SUBREAPER", PR_SET_CHILD_SUBREAPER, 1, 0},
		{"PR_SET_TIMERSLACK", PR_SET_TIMERSLACK, 1, 0},
		{"PR_SET_NO_NEW_PRIVS(0)", PR_SET_NO_NEW_PRIVS, 0, 0},
		{"PR_SET_SPECULATION_CTRL", PR_SET_SPECULATION_CTRL, 0, 2}, {"PR_SCHED_CORE", 62, 1, 1},
		{"PR_SET_SYSCALL_USER_DISPATCH", 59, 1, 0}};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		(void)refused(tries[i].name, prctl(tries[i].option, tries[i].a, tries[i].b, 0, 0));
	(void)holds("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

/* Row 13. */
static void attack_seccomp(int argc, char **argv)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {1, &allow};
	struct tally stacked = {.what = "stacked"};

	(void)argc, (void)argv;
	(void)refused("seccomp(NEW_LISTENER)",
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
	(void)refused("seccomp(strict)", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
	for (int i = 0; i < 1000; i++)
		tally_add(&stacked, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	tally_say(&stacked);
	(void)holds("stack_refused", stacked.ok == 0);
}

/* Row 19: what was written is to be executed. */
static void attack_code(int argc, char **argv)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *both = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argc, (void)argv;
	(void)refused("mmap(W+X)", both == MAP_FAILED ? -1 : 0);
	(void)holds("mmap(W)", page != MAP_FAILED);
	(void)refused("mprotect(W to X)", mprotect(page, size, PROT_READ | PROT_EXEC));
	(void)refused("mprotect(W+X)", mprotect(page, size, PROT_READ | PROT_WRITE | PROT_EXEC));
	(void)refused(
		"pkey_mprotect(W to X)", syscall(SYS_pkey_mprotect, page, size, PROT_READ | PROT_EXEC, -1L));
}

static const struct probe_case cases[] = {
	{"code", attack_code},
	{"call", attack_call},
	{"namespaces", attack_namespaces},
	{"clone3", attack_clone3},
	{"setns", attack_setns},
	{"far-jump", attack_far_jump},
	{"families", attack_families},
	{"prctl", attack_prctl},
	{"seccomp", attack_seccomp},
};

PROBE_PROGRAM(cases)
