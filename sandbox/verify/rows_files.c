/* rows_files.c: ways out through devices, /proc, inherited things and the file system. */
#include "sandbox/verify/exchange.h"
#include "sandbox/verify/rows.h"

#include "sandbox/base/fd.h"

#include <string.h>

static const char *environment_is_the_policys(const struct site *site, const struct attempt *attempt)
{
	const char *at = attempt->out.text;

	for (char *const *entry = site->body->env; *entry != NULL; entry++) {
		size_t size = strlen(*entry);
		if (strncmp(at, *entry, size) != 0 || at[size] != '\n')
			return "the environment is not the policy's";
		at += size + 1;
	}
	return *at == '\0' ? NULL : "the environment has more than the policy's entries";
}

static const struct corpus_row rows[] = {
	/* 15 to 18: devices and /proc. */
	DENIED(15, "device nodes by mknod", "a block device in the box",
		"mknod_char mknod_block mknodat_char", "mknod_char=EPERM", "mknod_block=EPERM",
		"mknodat_char=EPERM"),
	{15, "five devices and no more", "CVE-2025-31133: a forged /dev", SITE_ALL, "attack_files devices",
		SANDBOX_EXITED,
		{"nodes=5 others=0", "mknod(/tmp/sda)=EPERM", "create(/dev/x)=EROFS",
			"unlink(/dev/null)=EROFS"}},
	{16, "writing to /proc", "CVE-2025-52881, CVE-2019-19921: redirected writes", SITE_ALL,
		"attack_files proc-write", SANDBOX_EXITED,
		{"/proc/sys/kernel/core_pattern=ENOENT", "/proc/sysrq-trigger=ENOENT",
			"/proc/self/uid_map=EROFS", "/proc/self/oom_score_adj=EROFS"}},
	{17, "what /proc, /sys and /dev tell of the host", "CVE-2024-21626 follow-ups; host fingerprints",
		SITE_ALL, "attack_files absent", SANDBOX_EXITED,
		{"/proc/kcore=ENOENT", "/proc/keys=ENOENT", "/proc/timer_list=ENOENT",
			"/proc/kallsyms=ENOENT", "/proc/cmdline=ENOENT", "/proc/interrupts=ENOENT",
			"/dev/mem=ENOENT", "/dev/kvm=ENOENT", "/dev/fuse=ENOENT", "/sys=E"}},
	{18, "init's own entries of /proc", "CVE-2019-5736; environ and descriptors of a helper", SITE_ALL,
		"attack_files init-proc", SANDBOX_EXITED,
		{"/proc/1/environ=E", "/proc/1/maps=E", "/proc/1/mem=E"}},

	/* 19 to 24: files and the root. */
	{19, "written memory as code", "shellcode: the first step of most exploits", SITE_ALL,
		"attack_calls code", SANDBOX_EXITED,
		{"mmap(W+X)=EACCES", "mprotect(W to X)=EACCES", "mprotect(W+X)=EACCES",
			"pkey_mprotect(W to X)=E"},
		.needs = CORPUS_SEALED},
	{19, "the helper's executable", "runc CVE-2019-5736", SITE_ALL, "attack_files exe", SANDBOX_EXITED,
		{"open(/proc/self/exe, write)=ETXTBSY", "open(/proc/1/exe, write)=E", "image_intact=yes"}},
	{19, "a script that the helper is to interpret",
		"runc CVE-2019-5736: #!/proc/self/exe as the first program", SITE_ALL, "/box/script",
		.perform = exchange_self, .expected = "refused, or no library for it; intact"},
	{20, "descriptors that were left open", "go-judge #176, runc CVE-2024-21626", SITE_ALL,
		"attack_files inherited", SANDBOX_EXITED, {"descriptors=3"}},
	{21, "a working directory outside", "runc CVE-2024-21626: cwd=/proc/self/fd/7", SITE_ALL,
		"attack_files cwd", SANDBOX_EXITED,
		{"cwd=/box", "chdir(/proc/self/fd/N): tries=1024 ok=0", "no_directory_inherited=yes",
			"proc_root_is_ours=yes"}},
	{22, "`..`, exchanges and the rename race", "chroot escapes; deep rename race", SITE_ALL,
		"attack_files dotdot", SANDBOX_EXITED,
		{"rename_race_stays_inside=yes", "symlink(/)=EROFS", "link(image)=E"}},
	{23, "signal masks, dispositions and timers", "inherited from a careless parent", SITE_ALL,
		"probe signals", SANDBOX_EXITED,
		{"blocked=0 pending=0 ignored=0 handled=0", "timer=0.000000"}, .needs = CORPUS_INHERITED},
	{23, "umask, nice, host name, keyring", "inherited from a careless parent", SITE_ALL, "probe misc",
		SANDBOX_EXITED,
		{"nodename=cell domain=", "umask=0022", "nice=0", "policy=0",
			"keyctl(describe session)=EPERM"},
		.needs = CORPUS_INHERITED},
	{23, "the environment is the policy's and no more", "LD_PRELOAD of the parent", SITE_ALL, "probe env",
		SANDBOX_EXITED, {NULL}, .needs = CORPUS_INHERITED, .also = environment_is_the_policys,
		.expected = "exited 0, the policy's environment line by line"},
	{23, "session and terminal", "TIOCSTI into the caller's terminal", SITE_ALL, "probe ids",
		SANDBOX_EXITED, {"pid=2 ppid=1 pgid=2 sid=2", "tty=EN"}, .needs = CORPUS_INHERITED},
	{24, "writing to every file and directory", "nsjail #334: read-only flags that failed open", SITE_ALL,
		"attack_files write-everywhere {writable}", SANDBOX_EXITED,
		{"written=0", "chmod(/)=EROFS", "chmod(/etc)=E", "unlink(image)=EROFS", "truncate(image)=E"},
		{.cpu_usec = 100000000, .wall_usec = 200000000}},
};

const struct corpus_part corpus_files = {rows, ARRAY_SIZE(rows), false};
