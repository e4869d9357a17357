/* attack_channels: everything through which one cell could reach another, at the same time or after it.
 *
 *   attack_channels leave GROUP [DIR]    opens the channels of GROUP and ends
 *   attack_channels listen GROUP [DIR]   opens them, says "ready", and stays until standard input ends
 *   attack_channels connect GROUP [DIR]  tries to reach what the others opened
 *
 * DIR: the writable directory of the site, for the group "files". */
#include "tests/probes/evidence.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

enum { PEER_KEY = 0x0c0ffe, PEER_PORT = 47113, PEER_VSOCK = 40, PIDS = 70000 };

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

/* --- files ----------------------------------------------------------------------------------------------------- */

static const char *const directories[] = {"/box", "/tmp", "/dev/shm", "/run", "/var/tmp", NULL};
static const char *own_directory;

static void each_directory(void (*visit)(const char *directory))
{
	for (size_t i = 0; directories[i] != NULL; i++)
		visit(directories[i]);
	if (own_directory != NULL)
		visit(own_directory);
}

static void leave_in(const char *directory)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/peer", directory);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	(void)tried(path, fd);
	if (fd >= 0) {
		(void)!write(fd, "peer", 4);
		(void)close(fd);
	}
	(void)snprintf(path, sizeof(path), "%s/peer.fifo", directory);
	(void)mkfifo(path, 0666);
	(void)snprintf(path, sizeof(path), "%s/peer.link", directory);
	(void)!symlink("/box/peer", path);
}

static void look_in(const char *directory)
{
	static const char *const names[] = {"peer", "peer.fifo", "peer.link"};
	char path[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		(void)refused(path, open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	}
}

static void open_files(void)
{
	each_directory(leave_in);
}

/* Besides names that are known: nothing but the probe is in /box, and nothing at all in /tmp. */
static unsigned count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static void reach_files(void)
{
	each_directory(look_in);
	say("entries of /box=%u", count_entries("/box"));
	say("entries of /tmp=%u", count_entries("/tmp"));
	(void)holds("only_own_files", count_entries("/box") == 1 && count_entries("/tmp") == 0);
}

static void check_files(void)
{
	struct stat st = {0};

	(void)stat("/tmp/peer", &st);
	(void)holds("file_untouched", st.st_size == 4 && st.st_nlink == 1);
}

/* --- System V and POSIX objects -------------------------------------------------------------------------------- */

static void open_ipc(void)
{
	(void)tried("shmget", syscall(SYS_shmget, PEER_KEY, 4096, 01666));
	(void)tried("semget", syscall(SYS_semget, PEER_KEY, 1, 01666));
	(void)tried("msgget", syscall(SYS_msgget, PEER_KEY, 01666));
	(void)tried("mq_open", syscall(SYS_mq_open, "peer", O_RDWR | O_CREAT, 0666, NULL));
}

static void reach_ipc(void)
{
	(void)refused("shmget", syscall(SYS_shmget, PEER_KEY, 0, 0));
	(void)refused("shmat", syscall(SYS_shmat, 0, NULL, 0));
	(void)refused("semget", syscall(SYS_semget, PEER_KEY, 0, 0));
	(void)refused("msgget", syscall(SYS_msgget, PEER_KEY, 0));
	(void)refused("msgrcv", syscall(SYS_msgrcv, 0, NULL, 0, 0, 04000));
	(void)refused("mq_open", syscall(SYS_mq_open, "peer", O_RDWR, 0, NULL));
}

/* --- keys ------------------------------------------------------------------------------------------------------ */

static void open_keys(void)
{
	for (int ring = -5; ring < -1; ring++)
		(void)tried("add_key", syscall(SYS_add_key, "user", "peer", "x", 1, ring));
}

static void reach_keys(void)
{
	for (int ring = -5; ring < -1; ring++)
		(void)refused("keyctl(search)", syscall(SYS_keyctl, 10, ring, "user", "peer", 0));
	(void)refused("keyctl(join session)", syscall(SYS_keyctl, 1, "peer"));
	(void)refused("request_key", syscall(SYS_request_key, "user", "peer", NULL, 0));
}

/* --- sockets --------------------------------------------------------------------------------------------------- */

static socklen_t unix_address(struct sockaddr_un *address, bool is_abstract)
{
	static const char path[] = "/tmp/peer.sock";

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path + (is_abstract ? 1 : 0), path, sizeof(path));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(path) + (is_abstract ? 1 : 0));
}

static const struct sockaddr_in loopback = {
	.sin_family = AF_INET, .sin_port = PEER_PORT, .sin_addr = {0x0100007f}};
static const struct sockaddr_in6 loopback6 = {
	.sin6_family = AF_INET6, .sin6_port = PEER_PORT, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
/* struct sockaddr_vm: cid 1 is the machine itself, also across network namespaces (before Linux 7.0). */
static const struct {
	unsigned short family, zero;
	unsigned port, cid, rest;
} vsock = {PEER_VSOCK, 0, PEER_PORT, 1, 0};

static const struct channel {
	const char *name;
	int family, type;
	const void *address;
	socklen_t size;
} channels[] = {
	{"loopback tcp", AF_INET, SOCK_STREAM, &loopback, sizeof(loopback)},
	{"loopback udp", AF_INET, SOCK_DGRAM, &loopback, sizeof(loopback)},
	{"loopback tcp6", AF_INET6, SOCK_STREAM, &loopback6, sizeof(loopback6)},
	{"vsock", PEER_VSOCK, SOCK_STREAM, &vsock, sizeof(vsock)},
	{"vsock datagram", PEER_VSOCK, SOCK_DGRAM, &vsock, sizeof(vsock)},
};

static void open_sockets(void)
{
	struct sockaddr_un address;

	for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		socklen_t size = unix_address(&address, is_abstract);
		(void)tried("unix bind", fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, size));
		(void)tried("unix listen", fd < 0 ? -1 : listen(fd, 1));
	}
	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
		const struct channel *channel = &channels[i];
		int fd = socket(channel->family, channel->type | SOCK_CLOEXEC, 0);
		(void)tried(channel->name, fd < 0 ? -1 : bind(fd, channel->address, channel->size));
		(void)tried(channel->name, fd < 0 ? -1 : listen(fd, 1));
	}
}

static void reach_sockets(void)
{
	struct sockaddr_un address;
	char what[64];

	for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		socklen_t size = unix_address(&address, is_abstract);
		(void)refused(is_abstract ? "connect(abstract)" : "connect(unix)",
			fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, size));
	}
	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
		const struct channel *channel = &channels[i];
		int fd = socket(channel->family, channel->type | SOCK_CLOEXEC, 0);
		(void)snprintf(what, sizeof(what), "connect(%s)", channel->name);
		(void)refused(what, fd < 0 ? -1 : connect(fd, channel->address, channel->size));
	}
}

/* --- locks, leases and watches on a file of the image ----------------------------------------------------------- */

static void open_locks(void)
{
	int shared = shared_file();
	struct flock lock = {.l_type = F_RDLCK};

	(void)tried("shared flock", flock(shared, LOCK_EX | LOCK_NB));
	(void)tried("shared lock", fcntl(shared, F_SETLK, &lock));
	(void)tried("shared ofd lock", fcntl(shared, F_OFD_SETLK, &lock));
}

/* flock is judged by the row: `go build` needs it, so that compilers may have it. */
static void reach_locks(void)
{
	int shared = shared_file();
	struct flock lock = {.l_type = F_WRLCK};

	(void)tried("shared flock", flock(shared, LOCK_EX | LOCK_NB));
	(void)refused("shared lock", fcntl(shared, F_GETLK, &lock));
	(void)refused("shared ofd lock", fcntl(shared, F_OFD_GETLK, &lock));
	(void)refused("shared lease", fcntl(shared, F_SETLEASE, F_RDLCK));
}

static void open_watches(void)
{
	int shared = shared_file();

	(void)tried("inotify", syscall(SYS_inotify_init1, 0));
	(void)tried("dnotify", fcntl(shared, F_NOTIFY, 1));
	(void)tried("lease", fcntl(shared, F_SETLEASE, F_RDLCK));
}

static void reach_watches(void)
{
	int shared = shared_file();

	(void)refused("inotify", syscall(SYS_inotify_init1, 0));
	(void)refused("inotify_add_watch", syscall(SYS_inotify_add_watch, 0, "/", 1));
	(void)refused("fanotify", syscall(SYS_fanotify_init, 0, 0));
	(void)refused("dnotify", fcntl(shared, F_NOTIFY, 1));
}

/* --- processes ------------------------------------------------------------------------------------------------- */

static void open_nothing(void)
{
}

static void reach_processes(void)
{
	int seen = 0, entries = 0;

	for (pid_t pid = 1; pid < PIDS; pid++)
		if (pid != getpid() && (kill(pid, 0) == 0 || errno == EPERM))
			seen++;
	for (pid_t pid = 1; pid < PIDS; pid++) {
		char path[32];
		(void)snprintf(path, sizeof(path), "/proc/%d", pid);
		entries += pid != getpid() && access(path, F_OK) == 0;
	}
	say("other processes=%d", seen);
	say("other entries of /proc=%d", entries);
	say("own number=%d", getpid());
	/* Init is one of them. */
	(void)holds("alone", seen <= 1 && entries <= 1);
	(void)holds("numbers_start_anew", getpid() == 2);
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

static const struct group {
	const char *name;
	void (*open)(void);
	void (*reach)(void);
	void (*check)(void); /* by the listener, at its end */
} groups[] = {
	{"files", open_files, reach_files, check_files},
	{"ipc", open_ipc, reach_ipc, NULL},
	{"keys", open_keys, reach_keys, NULL},
	{"sockets", open_sockets, reach_sockets, NULL},
	{"locks", open_locks, reach_locks, NULL},
	{"watches", open_watches, reach_watches, NULL},
	{"processes", open_nothing, reach_processes, NULL},
};

static const struct group *find_group(int argc, char **argv)
{
	if (argc > 1 && argv[1][0] == '/')
		own_directory = argv[1];
	for (size_t i = 0; argc > 0 && i < sizeof(groups) / sizeof(groups[0]); i++)
		if (strcmp(groups[i].name, argv[0]) == 0)
			return &groups[i];
	(void)fprintf(stderr, "no such group\n");
	exit(2);
}

static void attack_leave(int argc, char **argv)
{
	find_group(argc, argv)->open();
}

static void attack_listen(int argc, char **argv)
{
	const struct group *group = find_group(argc, argv);
	char byte;

	group->open();
	say("ready");
	(void)!read(0, &byte, 1);
	if (group->check != NULL)
		group->check();
}

static void attack_connect(int argc, char **argv)
{
	find_group(argc, argv)->reach();
}

static const struct probe_case cases[] = {
	{"leave", attack_leave},
	{"listen", attack_listen},
	{"connect", attack_connect},
};

PROBE_PROGRAM(cases)
