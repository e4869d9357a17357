/* rows_peers.c: what one cell leaves for the next, and what two at once can say to each other. */
#include "sandbox/verify/peers.h"

#include "sandbox/base/fd.h"

#define AFTER(what, from, on, group, ...)                                                                    \
	{                                                                                                    \
		.number = 25, .name = "after another: " what, .origin = (from), .kinds = (on),               \
		.command = "attack_channels connect " group, .cause = SANDBOX_EXITED,                        \
		.evidence = {__VA_ARGS__}, .perform = peers_after, .data = "attack_channels leave " group    \
	}
#define BESIDE(what, from, on, group, ...)                                                                   \
	{                                                                                                    \
		.number = 26, .name = "beside another: " what, .origin = (from), .kinds = (on),              \
		.command = "attack_channels connect " group, .cause = SANDBOX_EXITED,                        \
		.evidence = {__VA_ARGS__}, .perform = peers_beside, .data = "attack_channels listen " group  \
	}

#define NO_FILES                                                                                             \
	"/box/peer=ENOENT", "/tmp/peer=ENOENT", "/dev/shm/peer=ENOENT", "/tmp/peer.fifo=ENOENT",             \
		"entries of /box=1", "entries of /tmp=0"
#define NO_IPC "shmget=EPERM", "shmat=EPERM", "semget=EPERM", "msgget=EPERM", "msgrcv=EPERM", "mq_open=EPERM"
#define NO_KEYS "keyctl(search)=EPERM", "keyctl(join session)=EPERM", "request_key=EPERM"
#define NO_SOCKETS                                                                                           \
	"connect(abstract)=EAFNOSUPPORT", "connect(unix)=EAFNOSUPPORT",                                      \
		"connect(loopback tcp)=EAFNOSUPPORT", "connect(loopback udp)=EAFNOSUPPORT",                  \
		"connect(loopback tcp6)=EAFNOSUPPORT", "connect(vsock)=EAFNOSUPPORT",                        \
		"connect(vsock datagram)=EAFNOSUPPORT"
#define NO_LOCKS "shared lock=ENOLCK", "shared ofd lock=ENOLCK", "shared lease=EINVAL"
#define NO_WATCHES "inotify=ENOSYS", "inotify_add_watch=ENOSYS", "fanotify=EPERM", "dnotify=EINVAL"
#define NO_PROCESSES "own number=2", "alone=yes", "numbers_start_anew=yes"

static const struct corpus_row rows[] = {
	AFTER("its files", "isolate's reused boxes, shared /dev/shm", SITE_ALL, "files {writable}", NO_FILES),
	AFTER("its shared memory, semaphores, queues", "go-judge's pooled containers; isolate 2.6", SITE_ALL,
		"ipc", NO_IPC),
	AFTER("its keys", "isolate 2.4: keys outlive a job", SITE_ALL, "keys", NO_KEYS),
	AFTER("its sockets", "abstract names, ports", SITE_ALL, "sockets", NO_SOCKETS),
	AFTER("its locks on a file of the image", "isolate 2.4: locks", SITE_ALL, "locks", NO_LOCKS),
	AFTER("its processes and their numbers", "go-judge's pooled containers", SITE_ALL, "processes",
		NO_PROCESSES),
	BESIDE("its files", "shared /dev/shm", SITE_ALL, "files {writable}", NO_FILES),
	BESIDE("its shared memory, semaphores, queues", "System V and POSIX names", SITE_ALL, "ipc", NO_IPC),
	BESIDE("its keys", "isolate 2.4: keyctl", SITE_ALL, "keys", NO_KEYS),
	BESIDE("its sockets", "isolate 2.4: AF_VSOCK is not in a namespace before Linux 7.0", SITE_ALL,
		"sockets", NO_SOCKETS),
	BESIDE("record locks on a file of the image", "isolate 2.6: fcntl locks and leases", SITE_ALL,
		"locks", NO_LOCKS),
	/* `go build` needs flock, so that compilers have it: docs/threat-model.md. */
	BESIDE("flock on a file of the image", "isolate 2.6: flock", SITE_RUN | SITE_COMMAND, "locks",
		"shared flock=ENOLCK"),
	BESIDE("watches on a file of the image", "inotify tells of accesses", SITE_ALL, "watches",
		NO_WATCHES),
	BESIDE("its processes", "pids, signals, /proc", SITE_ALL, "processes", NO_PROCESSES),
	{76, "a poisoned build cache", "GOCACHE shared by jobs", SITE_COMPILE, "probe ls {writable}/poison",
		SANDBOX_EXITED, {"ENOENT"}, .needs = CORPUS_WRITABLE, .perform = peers_after,
		.data = "attack_files poison {writable}"},
	{76, "a writable layer counts as the job's disk", "tmpfs outside of the disk limit", SITE_COMPILE,
		"attack_limits disk {writable} /box", SANDBOX_EXITED, {"end=ENOSPC", "/box: bytes="},
		{.disk_bytes = 8 << 20}, .needs = CORPUS_WRITABLE},
};

const struct corpus_part corpus_peers = {rows, ARRAY_SIZE(rows), false};
