/* probe: looks at the cell from within and tells; nothing hostile. */
#include "tests/probes/evidence.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/utsname.h>

static void probe_cat(int argc, char **argv)
{
	static char buf[65536];

	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			say("%s=%s", argv[i], errno_text(errno));
			continue;
		}
		ssize_t n;
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			(void)fwrite(buf, 1, (size_t)n, stdout);
		if (n < 0)
			say("%s=%s", argv[i], errno_text(errno));
		(void)close(fd);
	}
}

static const char *type_name(mode_t mode)
{
	static const char *const names[16] = {[S_IFIFO >> 12] = "fifo",
		[S_IFCHR >> 12] = "char",
		[S_IFDIR >> 12] = "dir",
		[S_IFBLK >> 12] = "block",
		[S_IFREG >> 12] = "file",
		[S_IFLNK >> 12] = "link",
		[S_IFSOCK >> 12] = "socket"};
	const char *name = names[(mode & S_IFMT) >> 12];

	return name != NULL ? name : "?";
}

static void say_entry(const char *dir, const char *name)
{
	char path[4096], target[1024] = "";
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (lstat(path, &st) < 0) {
		say("%s=%s", name, errno_text(errno));
		return;
	}
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	say("%s %s %04o %u:%u uid=%u%s%s", name, type_name(st.st_mode), st.st_mode & 07777, major(st.st_rdev),
		minor(st.st_rdev), st.st_uid, n > 0 ? " -> " : "", target);
}

static void probe_ls(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		if (dir == NULL) {
			say("%s=%s", argv[i], errno_text(errno));
			continue;
		}
		for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
			if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
				say_entry(argv[i], entry->d_name);
		(void)closedir(dir);
	}
}

static void probe_readlink(int argc, char **argv)
{
	char target[4096];

	for (int i = 0; i < argc; i++) {
		ssize_t n = readlink(argv[i], target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		say("%s=%s", argv[i], n < 0 ? errno_text(errno) : target);
	}
}

/* Opens each path for writing (creating it), or makes and removes a directory in it. */
static void probe_create(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		(void)tried(argv[i], fd);
		if (fd >= 0)
			(void)close(fd);
	}
}

/* Every way to change what each path leads to. */
static void probe_change(int argc, char **argv)
{
	static const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	for (int i = 0; i < argc; i++) {
		(void)refused("write", open(argv[i], O_WRONLY | O_CLOEXEC));
		(void)refused("truncate", truncate(argv[i], 0));
		(void)refused("chmod", chmod(argv[i], 0777));
		(void)refused("touch", utimensat(AT_FDCWD, argv[i], NULL, 0));
		(void)refused("set times", utimensat(AT_FDCWD, argv[i], times, 0));
	}
}

static void probe_args(int argc, char **argv)
{
	say("argc=%d", argc);
	for (int i = 0; i < argc; i++)
		say("%d:%zu:%s", i, strlen(argv[i]), argv[i]);
}

extern char **environ;

static void probe_env(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (char **at = environ; *at != NULL; at++)
		say("%s", *at);
}

/* Without /proc: tries every number. */
static void probe_fds(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int fd = 0; fd < 65536; fd++) {
		struct stat st;
		if (fstat(fd, &st) < 0)
			continue;
		say("%d %s flags=%o fdflags=%d", fd, type_name(st.st_mode), (unsigned)fcntl(fd, F_GETFL),
			fcntl(fd, F_GETFD));
	}
}

static void probe_ids(int argc, char **argv)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;
	char cwd[4096];

	(void)argc, (void)argv;
	(void)getresuid(&ruid, &euid, &suid);
	(void)getresgid(&rgid, &egid, &sgid);
	say("uid=%u,%u,%u gid=%u,%u,%u groups=%d", ruid, euid, suid, rgid, egid, sgid, getgroups(0, NULL));
	say("pid=%d ppid=%d pgid=%d sid=%d", getpid(), getppid(), getpgid(0), getsid(0));
	say("cwd=%s", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : errno_text(errno));
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	say("tty=%s", tty < 0 ? errno_text(errno) : "OK");
}

static void probe_prctls(int argc, char **argv)
{
	static const struct {
		const char *name;
		int option;
	} options[] = {{"securebits", PR_GET_SECUREBITS}, {"no_new_privs", PR_GET_NO_NEW_PRIVS},
		{"seccomp", PR_GET_SECCOMP}, {"dumpable", PR_GET_DUMPABLE}, {"keepcaps", PR_GET_KEEPCAPS},
		{"timerslack", PR_GET_TIMERSLACK}};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int value = prctl(options[i].option, 0, 0, 0, 0);
		if (value < 0)
			say("%s=%s", options[i].name, errno_text(errno));
		else
			say("%s=%#x", options[i].name, (unsigned)value);
	}
	int bounding = 0, ambient = 0;
	for (int cap = 0; cap < 64; cap++) {
		bounding += prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1;
		ambient += prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1;
	}
	say("bounding=%d ambient=%d", bounding, ambient);
}

static void probe_rlimits(int argc, char **argv)
{
	static const char *const names[] = {"cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile",
		"memlock", "as", "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"};

	(void)argc, (void)argv;
	for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++) {
		struct rlimit limit;
		if (getrlimit((__rlimit_resource_t)i, &limit) < 0)
			say("%s=%s", names[i], errno_text(errno));
		else
			say("%s=%lld:%lld", names[i], (long long)limit.rlim_cur, (long long)limit.rlim_max);
	}
}

static void probe_signals(int argc, char **argv)
{
	sigset_t mask, pending;
	int blocked = 0, pend = 0, ignored = 0, handled = 0;

	(void)argc, (void)argv;
	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	(void)sigpending(&pending);
	for (int sig = 1; sig <= 64; sig++) {
		struct {
			void *handler;
			unsigned long flags;
			void *restorer;
			unsigned long mask;
		} action = {0};
		blocked += sigismember(&mask, sig) == 1;
		pend += sigismember(&pending, sig) == 1;
		(void)syscall(SYS_rt_sigaction, sig, NULL, &action, 8);
		ignored += action.handler == (void *)SIG_IGN;
		handled += action.handler != (void *)SIG_IGN && action.handler != (void *)SIG_DFL;
	}
	say("blocked=%d pending=%d ignored=%d handled=%d", blocked, pend, ignored, handled);
	struct itimerval timer = {0};
	(void)getitimer(ITIMER_REAL, &timer);
	say("timer=%ld.%06ld", (long)timer.it_value.tv_sec, (long)timer.it_value.tv_usec);
}

static void probe_misc(int argc, char **argv)
{
	struct utsname names;
	cpu_set_t cpus;

	(void)argc, (void)argv;
	(void)uname(&names);
	say("nodename=%s domain=%s", names.nodename, names.domainname);
	mode_t mask = umask(0);
	(void)umask(mask);
	say("umask=%04o", mask);
	errno = 0;
	say("nice=%d", getpriority(PRIO_PROCESS, 0));
	say("policy=%d", sched_getscheduler(0));
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	say("cpus=%d", CPU_COUNT(&cpus));
	(void)tried("keyctl(describe session)",
		syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, NULL, 0));
}

static void probe_statfs(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		struct statfs st;
		if (statfs(argv[i], &st) < 0)
			say("%s=%s", argv[i], errno_text(errno));
		else
			say("%s type=%lx bytes=%llu inodes=%llu flags=%lx", argv[i], (unsigned long)st.f_type,
				(unsigned long long)st.f_blocks * (unsigned long long)st.f_bsize,
				(unsigned long long)st.f_files, (unsigned long)st.f_flags);
	}
}

static const struct probe_case cases[] = {
	{"cat", probe_cat},
	{"ls", probe_ls},
	{"readlink", probe_readlink},
	{"create", probe_create},
	{"change", probe_change},
	{"args", probe_args},
	{"env", probe_env},
	{"fds", probe_fds},
	{"ids", probe_ids},
	{"prctls", probe_prctls},
	{"rlimits", probe_rlimits},
	{"signals", probe_signals},
	{"misc", probe_misc},
	{"statfs", probe_statfs},
};

PROBE_PROGRAM(cases)
