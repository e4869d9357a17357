/* attack_peers: other cells, init, and whoever outlives the program. */
#include "tests/probes/evidence.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { PEER_KEY = 0x0c0ffe, PEER_PORT = 47113 };

/* A file that every cell of an image shares. */
static int shared_file(void)
{
	static const char *const candidates[] = {"/etc/passwd", "/usr/lib/x86_64-linux-gnu/libc.so.6",
		"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2", "/"};
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < sizeof(candidates) / sizeof(candidates[0]); i++)
		fd = open(candidates[i], O_RDONLY | O_CLOEXEC);
	return fd;
}

static socklen_t unix_address(struct sockaddr_un *address, bool is_abstract)
{
	static const char path[] = "/tmp/peer.sock";

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path + (is_abstract ? 1 : 0), path, sizeof(path));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(path) + (is_abstract ? 1 : 0));
}

static const struct sockaddr_in loopback = {
	.sin_family = AF_INET, .sin_port = PEER_PORT, .sin_addr = {0x0100007f}};

static void make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	(void)tried(path, fd);
	if (fd >= 0) {
		(void)!write(fd, "peer", 4);
		(void)close(fd);
	}
}

/* Opens every channel that could reach another cell. */
static void open_channels(void)
{
	struct sockaddr_un address;

	make_file("/box/peer");
	make_file("/tmp/peer");
	make_file("/dev/shm/peer");
	(void)tried("mkfifo", mkfifo("/tmp/peer.fifo", 0666));
	(void)tried("shmget", syscall(SYS_shmget, PEER_KEY, 4096, 01666));
	(void)tried("semget", syscall(SYS_semget, PEER_KEY, 1, 01666));
	(void)tried("msgget", syscall(SYS_msgget, PEER_KEY, 01666));
	(void)tried("mq_open", syscall(SYS_mq_open, "peer", O_RDWR | O_CREAT, 0666, NULL));
	(void)tried("add_key", syscall(SYS_add_key, "user", "peer", "x", 1, -4));
	for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		socklen_t size = unix_address(&address, is_abstract);
		(void)tried("unix bind", fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, size));
		(void)tried("unix listen", fd < 0 ? -1 : listen(fd, 1));
	}
	int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)tried("loopback bind",
		inet < 0 ? -1 : bind(inet, (const struct sockaddr *)&loopback, sizeof(loopback)));
	(void)tried("loopback listen", inet < 0 ? -1 : listen(inet, 1));
	int shared = shared_file();
	struct flock lock = {.l_type = F_RDLCK};
	(void)tried("flock", flock(shared, LOCK_EX | LOCK_NB));
	(void)tried("fcntl lock", fcntl(shared, F_SETLK, &lock));
	(void)tried("lease", fcntl(shared, F_SETLEASE, F_RDLCK));
	(void)tried("dnotify", fcntl(shared, F_NOTIFY, 1));
}

/* Tries to reach them from elsewhere. */
static void try_channels(void)
{
	struct sockaddr_un address;

	(void)refused("file /box/peer", open("/box/peer", O_RDONLY | O_CLOEXEC));
	(void)refused("file /tmp/peer", open("/tmp/peer", O_RDONLY | O_CLOEXEC));
	(void)refused("file /dev/shm/peer", open("/dev/shm/peer", O_RDONLY | O_CLOEXEC));
	(void)refused("fifo", open("/tmp/peer.fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	(void)refused("shmget", syscall(SYS_shmget, PEER_KEY, 0, 0));
	(void)refused("semget", syscall(SYS_semget, PEER_KEY, 0, 0));
	(void)refused("msgget", syscall(SYS_msgget, PEER_KEY, 0));
	(void)refused("mq_open", syscall(SYS_mq_open, "peer", O_RDWR, 0, NULL));
	(void)refused("keyctl(search)", syscall(SYS_keyctl, 10, -4, "user", "peer", 0));
	(void)refused("request_key", syscall(SYS_request_key, "user", "peer", NULL, 0));
	for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		socklen_t size = unix_address(&address, is_abstract);
		(void)refused(is_abstract ? "connect(abstract)" : "connect(unix)",
			fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, size));
	}
	int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)refused("connect(loopback)",
		inet < 0 ? -1 : connect(inet, (const struct sockaddr *)&loopback, sizeof(loopback)));
	(void)refused("socket(vsock)", socket(40, SOCK_STREAM, 0));
	(void)refused("inotify", syscall(SYS_inotify_init1, 0));
}

/* Can a lock on a shared read-only file be felt here? It is a channel of one bit, judged by the test. */
static void feel_locks(void)
{
	int shared = shared_file();
	struct flock lock = {.l_type = F_WRLCK};

	(void)tried("shared flock", flock(shared, LOCK_EX | LOCK_NB));
	if (tried("shared getlk", fcntl(shared, F_GETLK, &lock)) == 0)
		say("shared lock holder=%s", lock.l_type == F_UNLCK ? "none" : "seen");
}

static void count_processes(void)
{
	int seen = 0;

	for (pid_t pid = 1; pid < 70000; pid++)
		if (pid != getpid() && (kill(pid, 0) == 0 || errno == EPERM))
			seen++;
	say("other processes=%d", seen);
	/* Init is one of them. */
	(void)holds("alone", seen <= 1);
}

static void attack_leave(int argc, char **argv)
{
	(void)argc, (void)argv;
	open_channels();
}

/* Opens the channels, says "ready" and stays until a byte comes or standard input ends. */
static void attack_listen(int argc, char **argv)
{
	char byte;
	struct stat st;

	(void)argc, (void)argv;
	open_channels();
	say("ready");
	(void)!read(0, &byte, 1);
	(void)stat("/tmp/peer", &st);
	(void)holds("file_untouched", st.st_size == 4 && st.st_nlink == 1);
}

static void attack_connect(int argc, char **argv)
{
	(void)argc, (void)argv;
	try_channels();
	feel_locks();
	count_processes();
}

/* Row 27: signals at everybody. Init takes none from within, whatever kill says. */
static void attack_signals(int argc, char **argv)
{
	struct tally strangers = {.what = "kill(strangers)"};
	siginfo_t info = {.si_signo = SIGKILL, .si_code = SI_QUEUE};

	(void)argc, (void)argv;
	(void)tried("kill(1,KILL)", kill(1, SIGKILL));
	(void)tried("kill(1,STOP)", kill(1, SIGSTOP));
	(void)tried("tgkill(1,KILL)", syscall(SYS_tgkill, 1, 1, SIGKILL));
	(void)tried("rt_sigqueueinfo(1)", syscall(SYS_rt_sigqueueinfo, 1, SIGKILL, &info));
	long pidfd = syscall(SYS_pidfd_open, 1, 0);
	(void)tried("pidfd_send_signal(1)", syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0));
	for (int sig = 1; sig < 65; sig++)
		(void)kill(1, sig);
	for (pid_t pid = 2; pid < 70000; pid++)
		if (pid != getpid())
			tally_add(&strangers, kill(pid, SIGKILL));
	tally_say(&strangers);
	pid_t child = fork();
	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	(void)tried("kill(-1,KILL)", kill(-1, SIGKILL));
	int status = 0;
	(void)waitpid(child, &status, 0);
	say("child died of=%d", WTERMSIG(status));
	(void)holds("no_stranger", strangers.ok == 0 && strangers.by_errno[EPERM] == 0);
	(void)holds("init_lives", kill(1, 0) == 0 || errno == EPERM);
}

/* Row 27, second half: everyone stops; only the deadline can end it. */
static void attack_stop(int argc, char **argv)
{
	(void)argc, (void)argv;
	say("stopping");
	if (fork() == 0)
		for (;;)
			(void)kill(getppid(), SIGSTOP), (void)kill(getpid(), SIGSTOP);
	for (;;)
		(void)kill(0, SIGSTOP);
}

static void ignore_everything(void)
{
	sigset_t all;

	for (int sig = 1; sig < 65; sig++)
		(void)signal(sig, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Rows 28 and 29: daemons, stopped children, children that wait in vfork; main leaves at once. */
static void attack_survivors(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			(void)setsid();
			ignore_everything();
			if (i == 0 && fork() != 0)
				_exit(0);
			if (i == 1)
				(void)kill(getpid(), SIGSTOP);
			if (i == 2 && vfork() == 0)
				for (;;)
					(void)pause();
			for (;;)
				(void)pause();
		}
	(void)usleep(20000);
	say("main ends");
}

/* Row 30: numbers change as fast as they can while main ends. */
static void attack_churn(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			(void)setsid();
			for (;;) {
				/* The parent of each generation ends at once: nobody to wait for, a new number each time. */
				pid_t pid = fork();
				if (pid > 0)
					_exit(0);
			}
		}
	(void)usleep(50000);
	say("main ends");
}

/* Row 31: an own memory hog that tries to make init the better victim. */
static void attack_init_victim(int argc, char **argv)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)argc, (void)argv;
	(void)refused("oom_score_adj(-1000)", fd < 0 ? -1 : write(fd, "-1000", 5));
	int init = open("/proc/1/oom_score_adj", O_WRONLY | O_CLOEXEC);
	(void)refused("init's oom_score_adj", init < 0 ? -1 : write(init, "1000", 4));
	if (breaches > 0)
		return;
	for (;;) {
		char *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; at != MAP_FAILED && i < 1 << 20; i += 4096)
			at[i] = 1;
	}
}

static const struct probe_case cases[] = {
	{"leave", attack_leave},
	{"listen", attack_listen},
	{"connect", attack_connect},
	{"signals", attack_signals},
	{"stop", attack_stop},
	{"survivors", attack_survivors},
	{"churn", attack_churn},
	{"init-victim", attack_init_victim},
};

PROBE_PROGRAM(cases)
