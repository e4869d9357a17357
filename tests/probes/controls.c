/* controls: is everything around this program that is to be around it? For tests that make the building of cells fail. */
#include "tests/probes/evidence.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

static char status[8192];

static void read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	(void)close(fd);
}

/* The line KEY of /proc/self/status is VALUE. */
static void status_is(const char *key, const char *value)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "\n%s:\t%s\n", key, value);
	(void)holds(key, strstr(status, line) != NULL);
}

/* Linux 6.12 tells the slice; init's is a tenth of a millisecond. */
static bool has_plain_slice(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attributes = {0};

	return syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) == 0 &&
	       (attributes.runtime == 0 || attributes.runtime > 500 * 1000);
}

static void check_privileges(void)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	char score[16];

	read_text("/proc/self/status", status, sizeof(status));
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		status_is(sets[i], "0000000000000000");
	status_is("NoNewPrivs", "1");
	status_is("Seccomp", "2");
	status_is("Uid", "1000\t1000\t1000\t1000");
	status_is("Gid", "1000\t1000\t1000\t1000");
	status_is("Groups", " ");
	status_is("SigBlk", "0000000000000000");
	status_is("SigIgn", "0000000000000000");
	read_text("/proc/self/oom_score_adj", score, sizeof(score));
	(void)holds("oom_score_adj", strcmp(score, "900\n") == 0);
	(void)holds("nice", getpriority(PRIO_PROCESS, 0) == 0 && sched_getscheduler(0) == SCHED_OTHER);
	(void)holds("slice", has_plain_slice());
	(void)holds("session", getsid(0) == getpid());
	mode_t mask = umask(022);
	(void)holds("umask", mask == 022);
}

/* As target.c sets them, for the limits of the policy attack-layers. */
static void check_limits(void)
{
	static const struct {
		int resource;
		rlim_t most;
	} rows[] = {{RLIMIT_CPU, 4}, {RLIMIT_FSIZE, 16777216}, {RLIMIT_NOFILE, 64}, {RLIMIT_STACK, 8388608},
		{RLIMIT_NPROC, 56}, {RLIMIT_CORE, 1}, {RLIMIT_MEMLOCK, 65536}, {RLIMIT_MSGQUEUE, 0},
		{RLIMIT_NICE, 0}, {RLIMIT_RTPRIO, 0}, {RLIMIT_SIGPENDING, 1024}, {RLIMIT_LOCKS, 1024}};
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char what[32];
		(void)snprintf(what, sizeof(what), "rlimit %d", rows[i].resource);
		(void)holds(what, getrlimit(rows[i].resource, &limit) == 0 &&
					  limit.rlim_max <= rows[i].most && limit.rlim_cur <= limit.rlim_max);
	}
}

static void check_files(void)
{
	struct statvfs fs;
	struct utsname names;
	char buf[16384];
	unsigned open_fds = 0;

	(void)holds("read-only image", statvfs("/", &fs) == 0 && (fs.f_flag & ST_RDONLY) &&
					       (fs.f_flag & ST_NOSUID) && (fs.f_flag & ST_NODEV));
	(void)holds("read-only /dev", statvfs("/dev", &fs) == 0 && (fs.f_flag & ST_RDONLY));
	(void)holds("/box", statvfs("/box", &fs) == 0 && (fs.f_flag & ST_NOSUID) && (fs.f_flag & ST_NODEV) &&
				    fs.f_blocks * fs.f_frsize == 33554432 && fs.f_files < 1100);
	read_text("/proc/self/mountinfo", buf, sizeof(buf));
	(void)holds("no host", strstr(buf, "sysfs") == NULL && strstr(buf, "cgroup") == NULL);
	(void)holds("procfs", strstr(buf, "hidepid=ptraceable,subset=pid") != NULL);
	(void)holds("no sysctl", access("/proc/sys", F_OK) < 0);
	read_text("/proc/self/cgroup", buf, sizeof(buf));
	(void)holds("cgroup root", strstr(buf, "cofferdam") == NULL);
	(void)holds("host name", uname(&names) == 0 && strcmp(names.nodename, "cell") == 0);
	DIR *dir = opendir("/proc/self/fd");
	while (dir != NULL && readdir(dir) != NULL)
		open_fds++;
	(void)holds("descriptors", open_fds == 2 + 3 + 1); /* ".", "..", and the directory's own */
	(void)closedir(dir);
}

/* all NAMESPACE…: the inodes of the host's namespaces. */
static void controls_all(int argc, char **argv)
{
	static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	struct stat st;

	check_privileges();
	check_limits();
	check_files();
	for (int i = 0; i < 7; i++) {
		char path[32];
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		(void)holds(
			path, i < argc && stat(path, &st) == 0 && st.st_ino != strtoull(argv[i], NULL, 10));
	}
	int fd = open("made", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)holds("result", write(fd, "words", 5) == 5);
}

static const struct probe_case cases[] = {{"all", controls_all}};

PROBE_PROGRAM(cases)
