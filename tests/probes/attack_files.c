/* attack_files: ways out through the file system, /proc, /dev and inherited descriptors. */
#include "tests/probes/evidence.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

/* Paths that exist in the image, for attacks on read-only files. */
static const char *image_file(void)
{
	static const char *const candidates[] = {"/usr/lib/x86_64-linux-gnu/libc.so.6",
		"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2", "/etc/passwd"};

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++)
		if (access(candidates[i], R_OK) == 0)
			return candidates[i];
	say("BREACH no image file to attack");
	exit(1);
}

static uint64_t file_sum(const char *path)
{
	static unsigned char buf[65536];
	uint64_t sum = 1469598103934665603ULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum = (sum ^ buf[i]) * 1099511628211ULL;
	(void)close(fd);
	return sum;
}

static int used_pipe(int pipe_fds[2])
{
	static char buf[65536];

	if (pipe(pipe_fds) < 0)
		return -1;
	/* Fill and drain: every ring slot has then carried PIPE_BUF_FLAG_CAN_MERGE (CVE-2022-0847). */
	if (write(pipe_fds[1], buf, sizeof(buf)) < 0 || read(pipe_fds[0], buf, sizeof(buf)) < 0)
		return -1;
	return 0;
}

/* Row 10: page-cache writes through pipes. */
static void attack_splice(int argc, char **argv)
{
	const char *path = image_file();
	uint64_t before = file_sum(path);
	int fd = open(path, O_RDONLY | O_CLOEXEC), fds[2], other[2];
	struct iovec piece = {(void *)"owned", 5};
	off_t at = 4;

	(void)argc, (void)argv;
	if (used_pipe(fds) < 0 || pipe(other) < 0) {
		say("BREACH no pipes");
		exit(1);
	}
	(void)refused("splice", syscall(SYS_splice, fd, &at, fds[1], NULL, 1, 0));
	(void)refused("vmsplice", syscall(SYS_vmsplice, fds[1], &piece, 1, 8));
	(void)refused("tee", syscall(SYS_tee, fds[0], other[1], 1, 0));
	/* sendfile into a pipe lends page-cache pages as splice does. */
	at = 4;
	(void)refused("sendfile(pipe)", sendfile(fds[1], fd, &at, 1));
	(void)!write(fds[1], "owned", 5);
	at = 0;
	(void)refused("copy_file_range(onto image)", copy_file_range(fd, &at, fd, NULL, 5, 0));
	(void)refused("mmap(shared, write)",
		mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	(void)refused("mprotect(shared, write)", mprotect(map, 4096, PROT_READ | PROT_WRITE));
	(void)holds("content_unchanged", file_sum(path) == before);
}

/* Row 11. */
static void attack_ioctl(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned long request;
	} tries[] = {{"TIOCSTI", TIOCSTI}, {"TIOCLINUX", TIOCLINUX}, {"TIOCSCTTY", TIOCSCTTY},
		{"TIOCSETD", TIOCSETD}, {"TIOCCONS", TIOCCONS}, {"FS_IOC_SETFLAGS", FS_IOC_SETFLAGS},
		{"FS_IOC_FSSETXATTR", FS_IOC_FSSETXATTR}, {"FS_IOC_GETFLAGS", FS_IOC_GETFLAGS},
		{"FICLONE", FICLONE}, {"FIFREEZE", FIFREEZE}, {"FITRIM", FITRIM}, {"FIBMAP", FIBMAP},
		{"LOOP_CTL_GET_FREE", 0x4C82}, {"KVM_CREATE_VM", 0xAE01}, {"BLKFLSBUF", BLKFLSBUF},
		{"SIOCGIFCONF", 0x8912}, {"NS_GET_PARENT", 0xb702}, {"TUNSETIFF", 0x400454ca},
		{"UFFDIO_API", 0xc018aa3f}, {"PERF_EVENT_IOC_ENABLE", 0x2400},
		{"SECCOMP_IOCTL_NOTIF_RECV", 0xc0502100}};
	static char argument[256];

	(void)argc, (void)argv;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), box = open("/box", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		(void)refused(tries[i].name, ioctl(0, tries[i].request, argument));
		(void)refused(tries[i].name, ioctl(null, tries[i].request, argument));
		(void)refused(tries[i].name, ioctl(box, tries[i].request, argument));
		/* The upper half of the request is cut by the kernel and must not hide it from the filter. */
		(void)refused(tries[i].name, ioctl(null, tries[i].request | 0xffffffff00000000UL, argument));
	}
	/* CVE-2019-10063: TIOCSTI with a high half passed a 64-bit comparison. */
	(void)refused("TIOCSTI(high half)", syscall(SYS_ioctl, 0, 0x100000000UL | TIOCSTI, argument));
}

/* Row 14: nothing is gained through a set-id file of one's own. */
static void attack_setuid_file(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (argc > 0 && strcmp(argv[0], "inner") == 0) {
		(void)holds(
			"still_the_same", geteuid() == getuid() && getegid() == getgid() && getuid() != 0);
		return;
	}
	static char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open("/box/rooted", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	for (ssize_t n; (n = read(in, buf, sizeof(buf))) > 0;)
		(void)!write(out, buf, (size_t)n);
	(void)tried("fchmod(6755)", fchmod(out, 06755));
	(void)close(out);
	(void)tried("execve", execl("/box/rooted", "rooted", "setuid-file", "inner", NULL));
	breaches++;
}

/* Rows 15 and 17: what a cell has no name for. */
static void attack_absent(int argc, char **argv)
{
	static const char *const paths[] = {"/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/sda",
		"/dev/vda", "/dev/nvme0n1", "/dev/loop0", "/dev/loop-control", "/dev/fuse", "/dev/kvm",
		"/dev/net/tun", "/dev/vhost-net", "/dev/vsock", "/dev/userfaultfd", "/dev/ptmx", "/dev/pts",
		"/dev/mqueue", "/dev/console", "/dev/tty0", "/dev/log", "/dev/mapper/control", "/proc/kcore",
		"/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/kallsyms", "/proc/config.gz",
		"/proc/cmdline", "/proc/sched_debug", "/proc/interrupts", "/proc/kmsg", "/proc/modules",
		"/proc/mounts/..", "/proc/sys", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
		"/proc/sys/kernel/modprobe", "/proc/sys/kernel/random/boot_id", "/proc/sys/vm/drop_caches",
		"/proc/sys/fs/binfmt_misc/register", "/proc/net", "/proc/cpuinfo", "/proc/meminfo",
		"/proc/uptime", "/proc/version", "/proc/bus", "/proc/scsi", "/proc/acpi", "/proc/kpagecount",
		"/proc/latency_stats", "/proc/loadavg", "/proc/stat", "/proc/cgroups", "/proc/locks",
		"/proc/slabinfo", "/sys", "/sys/kernel", "/sys/fs/cgroup", "/sys/firmware",
		"/sys/kernel/debug", "/run/docker.sock", "/var/run/docker.sock", "/root", "/home",
		"/etc/machine-id", "/var/lib/dbus/machine-id", "/.dockerenv"};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		/* An empty file or directory of the image tells nothing. */
		char byte;
		ssize_t n = fd < 0 ? -1 : read(fd, &byte, 1);
		DIR *dir = n < 0 && errno == EISDIR ? fdopendir(fd) : NULL;
		int entries = 0;
		while (dir != NULL && readdir(dir) != NULL)
			entries++;
		if (n == 0 || (dir != NULL && entries <= 2))
			say("%s=EMPTY", paths[i]);
		else
			(void)refused(paths[i], fd);
	}
}

static void refuse_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	(void)refused(path, fd < 0 ? -1 : write(fd, text, strlen(text)));
	if (fd >= 0)
		(void)close(fd);
}

/* Row 16 (CVE-2022-0492, CVE-2025-31133, CVE-2025-52881: the targets of redirected writes). */
static void attack_proc_write(int argc, char **argv)
{
	(void)argc, (void)argv;
	refuse_write("/proc/sys/kernel/core_pattern", "|/box/own");
	refuse_write("/proc/sys/kernel/modprobe", "/box/own");
	refuse_write("/proc/sys/kernel/hostname", "owned");
	refuse_write("/proc/sysrq-trigger", "h");
	refuse_write("/proc/self/uid_map", "0 0 4294967295");
	refuse_write("/proc/self/gid_map", "0 0 4294967295");
	refuse_write("/proc/self/setgroups", "allow");
	refuse_write("/proc/self/projid_map", "0 0 1");
	refuse_write("/proc/self/oom_score_adj", "-1000");
	refuse_write("/proc/self/attr/current", "unconfined");
	refuse_write("/proc/self/attr/exec", "unconfined");
	refuse_write("/proc/self/mem/x", "x");
	refuse_write("/proc/1/oom_score_adj", "1000");
	refuse_write("/proc/1/mem", "x");
	refuse_write("/proc/1/uid_map", "0 0 1");
	(void)refused("open(/proc/sys, create)", open("/proc/own", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* Row 18: init's secrets; and nobody else is to be seen. */
static void attack_init_proc(int argc, char **argv)
{
	static const char *const files[] = {"environ", "maps", "mem", "stack", "syscall", "auxv", "io",
		"pagemap", "smaps", "personality", "timers", "fd/0", "map_files", "task/1/mem"};
	static const char *const links[] = {"root", "cwd", "exe", "ns/mnt", "ns/user", "fd/0", "fd/3"};
	char path[64], target[256];

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "/proc/1/%s", files[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		/* Some answer at open and refuse at read. */
		(void)refused(path, fd < 0 ? -1 : read(fd, target, sizeof(target)));
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		(void)snprintf(path, sizeof(path), "/proc/1/%s", links[i]);
		char what[80];
		(void)snprintf(what, sizeof(what), "readlink(%s)", path);
		(void)refused(what, readlink(path, target, sizeof(target)));
	}
	(void)refused("opendir(/proc/1/fd)", open("/proc/1/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	(void)refused("/proc/1/root/etc", open("/proc/1/root/etc", O_RDONLY | O_CLOEXEC));
}

/* Row 19: CVE-2019-5736 and its ways to reach the helper's own file. */
static void attack_exe(int argc, char **argv)
{
	static const char script[] = "#!/proc/self/exe\n";
	int status = 0;

	(void)argc, (void)argv;
	(void)refused("open(/proc/self/exe, write)", open("/proc/self/exe", O_WRONLY | O_CLOEXEC));
	(void)refused("open(/proc/1/exe, write)", open("/proc/1/exe", O_WRONLY | O_CLOEXEC));
	(void)refused("open(/proc/1/exe, read)", open("/proc/1/exe", O_RDONLY | O_CLOEXEC));
	(void)refused("open(/proc/1/exe, path)", open("/proc/1/exe", O_PATH | O_CLOEXEC));
	(void)refused("truncate(/proc/self/exe)", truncate("/proc/self/exe", 0));
	int fd = open("/box/script", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	(void)!write(fd, script, sizeof(script) - 1);
	(void)close(fd);
	pid_t pid = fork();
	if (pid == 0) {
		(void)execl("/box/script", "script", NULL);
		_exit(errno == ELOOP || errno == ENOENT || errno == EACCES || errno == EPERM ? 41 : 42);
	}
	(void)waitpid(pid, &status, 0);
	say("script=%#x", (unsigned)status);
	(void)holds("image_intact", access("/proc/self/exe", R_OK) == 0 && getuid() != 0);
}

/* Row 20 (CVE-2024-21626, go-judge's leak under concurrent launches): nothing but 0, 1, 2. */
static void attack_inherited(int argc, char **argv)
{
	struct stat st;
	int found = 0;

	(void)argc, (void)argv;
	for (int fd = 0; fd < 65536; fd++)
		if (fstat(fd, &st) == 0) {
			found++;
			if (fd > 2 || S_ISDIR(st.st_mode) || S_ISSOCK(st.st_mode))
				say("BREACH fd %d type %o", fd, st.st_mode & S_IFMT), breaches++;
		}
	say("descriptors=%d", found);
}

/* Row 21: no descriptor leads out, and the working directory has a name. */
static void attack_cwd(int argc, char **argv)
{
	struct tally chdirs = {.what = "chdir(/proc/self/fd/N)"}, fchdirs = {.what = "fchdir"};
	char path[64], cwd[4096] = "";
	struct stat root, out;

	(void)argc, (void)argv;
	say("cwd=%s", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : errno_text(errno));
	(void)holds("cwd_is_reachable", cwd[0] == '/');
	for (int fd = 0; fd < 1024; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		tally_add(&chdirs, chdir(path));
		tally_add(&fchdirs, fchdir(fd));
	}
	tally_say(&chdirs);
	tally_say(&fchdirs);
	(void)holds("no_directory_inherited", chdirs.ok == 0 && fchdirs.ok == 0);
	(void)stat("/", &root);
	(void)holds("proc_root_is_ours",
		stat("/proc/self/root", &out) == 0 && out.st_dev == root.st_dev && out.st_ino == root.st_ino);
}

static bool is_root(const char *path, const struct stat *root)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == root->st_dev && st.st_ino == root->st_ino;
}

/* Row 22: `..` from everywhere, exchanges across mounts, and the rename race. */
static void attack_dotdot(int argc, char **argv)
{
	static const char up[] = "../../../../../../../../../../../../../../../../";
	static const char *const starts[] = {
		"/", "/box", "/tmp", "/proc", "/proc/self", "/dev", "/usr", "/etc"};
	struct stat root;

	(void)argc, (void)argv;
	(void)stat("/", &root);
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (chdir(starts[i]) == 0)
			(void)holds(starts[i], is_root(up, &root));
	(void)refused("rename(/box)", syscall(SYS_renameat2, AT_FDCWD, "/box", AT_FDCWD, "/tmp/b", 0));
	(void)refused("exchange(/box,/tmp)", syscall(SYS_renameat2, AT_FDCWD, "/box", AT_FDCWD, "/tmp", 2));
	(void)refused("exchange(/box/x,/)", syscall(SYS_renameat2, AT_FDCWD, "/box/x", AT_FDCWD, "/", 2));
	(void)refused("rmdir(/box)", rmdir("/box"));
	(void)refused("symlink(/)", symlink("/box", "/own"));
	(void)refused("link(image)", link(image_file(), "/box/hard"));

	/* One process moves a directory out of the other's path while that one walks up. */
	(void)mkdir("/box/a", 0700), (void)mkdir("/box/a/b", 0700), (void)mkdir("/box/a/b/c", 0700);
	pid_t mover = fork();
	if (mover == 0)
		for (;;) {
			(void)rename("/box/a/b/c", "/box/c");
			(void)rename("/box/c", "/box/a/b/c");
		}
	bool stays = true;
	for (int i = 0; i < 20000 && stays; i++)
		stays = (chdir("/box/a/b/c") < 0 && chdir("/box/c") < 0) || is_root(up, &root);
	(void)kill(mover, SIGKILL);
	(void)waitpid(mover, NULL, 0);
	(void)holds("rename_race_stays_inside", stays);
}

static unsigned visited, written;

/* The cell's own places; the last is what the policy makes writable besides, if anything. */
static const char *own[] = {"/box", "/tmp", "/proc", "/dev/null", "/dev/zero", "/dev/full", "/dev/random",
	"/dev/urandom", NULL, NULL};
enum { OWN_WRITABLE = 8 };

static bool is_own_place(const char *path)
{
	for (int i = 0; own[i] != NULL; i++) {
		size_t size = strlen(own[i]);
		if (strncmp(path, own[i], size) == 0 && (path[size] == '\0' || path[size] == '/'))
			return true;
	}
	return false;
}

static struct tally creates = {.what = "create"}, opens = {.what = "open(write)"};

static int try_write(const char *path, const struct stat *st, int type, struct FTW *where)
{
	char name[4200];
	int fd;

	(void)st, (void)where;
	visited++;
	if (is_own_place(path) || type == FTW_SL)
		return 0;
	if (type == FTW_D) {
		(void)snprintf(name, sizeof(name), "%s/.cofferdam-attack", path);
		tally_add(&creates, fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	} else {
		(void)snprintf(name, sizeof(name), "%s", path);
		tally_add(&opens, fd = open(name, O_WRONLY | O_CLOEXEC | O_NONBLOCK));
	}
	if (fd >= 0) {
		say("BREACH writable %s", path);
		written++;
		breaches++;
		(void)close(fd);
	}
	return 0;
}

/* Row 24: every directory and every file of the whole tree but /box, /tmp and ARGV[0], which may be left out. */
static void attack_write_everywhere(int argc, char **argv)
{
	if (argc > 0 && argv[0][0] == '/')
		own[OWN_WRITABLE] = argv[0];
	(void)nftw("/", try_write, 32, FTW_PHYS);
	say("visited=%u written=%u", visited, written);
	tally_say(&creates);
	tally_say(&opens);
	(void)holds("saw_the_image", visited > 10);
	(void)refused("chmod(/)", chmod("/", 0777));
	(void)refused("chmod(/etc)", chmod("/etc", 0777));
	(void)refused("unlink(image)", unlink(image_file()));
	(void)refused("truncate(image)", truncate(image_file(), 0));
	(void)refused("utimensat(/)", utimensat(AT_FDCWD, "/", NULL, 0));
}

/* Devices: the five nodes, and no way to make more. */
static void attack_devices(int argc, char **argv)
{
	DIR *dir = opendir("/dev");
	unsigned nodes = 0, others = 0;

	(void)argc, (void)argv;
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		struct stat st;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			entry->d_name[0] == '.')
			continue;
		if (S_ISCHR(st.st_mode) && major(st.st_rdev) == 1)
			nodes++;
		else if (!S_ISLNK(st.st_mode))
			say("BREACH /dev/%s %o", entry->d_name, st.st_mode), others++, breaches++;
	}
	say("nodes=%u others=%u", nodes, others);
	(void)holds("five_nodes", nodes == 5);
	(void)refused("create(/dev/x)", open("/dev/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	(void)refused("unlink(/dev/null)", unlink("/dev/null"));
	(void)refused("mknod(/tmp/sda)", mknod("/tmp/sda", S_IFBLK | 0600, makedev(8, 0)));
	(void)refused("mknod(/tmp/kmem)", mknod("/tmp/kmem", S_IFCHR | 0600, makedev(1, 2)));
	(void)refused("mknod(/box/null)", mknod("/box/null", S_IFCHR | 0600, makedev(1, 3)));
}

/* Row 76: files of a build cache, replaced and added. ARGV[0]: its directory. */
static void attack_poison(int argc, char **argv)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/poison", argc > 0 ? argv[0] : "/box");
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (tried(path, fd) < 0)
		breaches++; /* nothing was tried */
	(void)snprintf(path, sizeof(path), "%s/../poison", argc > 0 ? argv[0] : "/box");
	(void)refused(path, open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
}

/* Row 55: the page cache, which is everybody's. An advice that no kernel knows is taken when none is passed on. */
static void attack_page_cache(int argc, char **argv)
{
	const char *path = image_file();
	struct open_how how = {.flags = O_RDONLY | O_DIRECT};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	(void)argc, (void)argv;
	(void)holds("open", fd >= 0);
	(void)refused("open(O_DIRECT)", syscall(SYS_open, path, O_RDONLY | O_DIRECT));
	(void)refused("openat(O_DIRECT)", openat(AT_FDCWD, path, O_RDONLY | O_DIRECT));
	(void)refused("openat2(O_DIRECT)", syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)));
	(void)refused("F_SETFL(O_DIRECT)", fcntl(fd, F_SETFL, O_DIRECT));
	(void)holds("F_SETFL", fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	(void)tried("fadvise(DONTNEED)", syscall(SYS_fadvise64, fd, 0L, 0L, POSIX_FADV_DONTNEED));
	(void)tried("fadvise(unknown)", syscall(SYS_fadvise64, fd, 0L, 0L, 999));
}

static const struct probe_case cases[] = {
	{"page-cache", attack_page_cache},
	{"splice", attack_splice},
	{"ioctl", attack_ioctl},
	{"setuid-file", attack_setuid_file},
	{"absent", attack_absent},
	{"proc-write", attack_proc_write},
	{"init-proc", attack_init_proc},
	{"exe", attack_exe},
	{"inherited", attack_inherited},
	{"cwd", attack_cwd},
	{"dotdot", attack_dotdot},
	{"write-everywhere", attack_write_everywhere},
	{"devices", attack_devices},
	{"poison", attack_poison},
};

PROBE_PROGRAM(cases)
