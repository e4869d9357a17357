/* rows_limits.c: more than the limits give, in every currency the kernel has. */
#include "sandbox/verify/rows.h"

#include "sandbox/base/fd.h"

static const char *has_seen_the_spike(const struct site *site, const struct attempt *attempt)
{
	(void)site;
	return attempt->result.memory_peak_bytes >= 40 << 20 ? NULL
							     : "the peak is less than what was touched";
}

static const struct corpus_row rows[] = {
	/* 35 to 40: memory and kernel objects. */
	{35, "a gigabyte, touched", "malloc until the end", SITE_ALL, "attack_limits memory",
		SANDBOX_MEMORY_LIMIT, {NULL}},
	{35, "many processes, each with little", "limits per process", SITE_BOTH, "attack_limits memory 8",
		SANDBOX_MEMORY_LIMIT, {NULL}},
	{35, "a child dies of it, main goes on", "an OOM kill that the program survives", SITE_BOTH,
		"attack_limits memory-child", SANDBOX_MEMORY_LIMIT, {NULL}},
	{36, "disk, more memory than disk", "filling tmpfs", SITE_ALL, "attack_limits disk /box /tmp",
		SANDBOX_EXITED, {"end=ENOSPC"}, {.disk_bytes = 16 << 20}},
	{36, "POSIX shared memory", "/dev/shm past the disk limit", SITE_BOTH, "attack_limits disk /dev/shm",
		SANDBOX_EXITED, {"end=ENOSPC"}, {.disk_bytes = 16 << 20}},
	{36, "disk, more disk than memory", "tmpfs is memory", SITE_BOTH, "attack_limits disk /box /tmp",
		SANDBOX_MEMORY_LIMIT, {NULL}, {.disk_bytes = 512 << 20, .memory_bytes = 32 << 20}},
	{37, "shared anonymous memory", "it is charged to nobody's process", SITE_BOTH,
		"attack_limits other-memory shared", SANDBOX_MEMORY_LIMIT, {NULL}},
	{37, "mmap(MAP_POPULATE)", "pages without a fault of one's own", SITE_BOTH,
		"attack_limits other-memory populate", SANDBOX_MEMORY_LIMIT, {NULL}},
	{37, "memfd", "files without a file system", SITE_COMMAND, "attack_limits other-memory memfd",
		SANDBOX_MEMORY_LIMIT, {NULL}},
	{37, "memfd is not there", "files without a file system", SITE_BOTH,
		"attack_limits other-memory memfd", SANDBOX_EXITED, {"memfd_create=EPERM"}},
	{37, "locked memory", "mlock", SITE_BOTH, "attack_limits other-memory mlock", SANDBOX_EXITED,
		{"mlock=E", "mlockall=E"}},
	{37, "huge pages", "memory of another controller", SITE_BOTH, "attack_limits other-memory hugetlb",
		SANDBOX_EXITED, {"hugetlb=ENOMEM"}},
	DENIED(37, "memory and objects that outlive a process",
		"isolate 2.6: /dev/shm and System V between sandboxes",
		"memfd_secret shmget semget msgget mq_open", "memfd_secret=E", "shmget=EPERM", "semget=EPERM",
		"msgget=EPERM", "mq_open=EPERM"),
	{38, "page tables", "one byte in every 2 MiB of 16 TiB", SITE_BOTH, "attack_limits page-tables",
		SANDBOX_MEMORY_LIMIT, {NULL}, {.memory_bytes = 32 << 20}},
	{39, "pipes filled to the brim", "kernel buffers", SITE_BOTH, "attack_limits pipes", SANDBOX_EXITED,
		{"one more pipe=EMFILE"}},
	{39, "descriptors in flight", "SCM_RIGHTS chains", SITE_COMMAND, "attack_limits fd-chain",
		SANDBOX_EXITED, {"bounded=yes"}},
	{39, "socket buffers", "SO_SNDBUF", SITE_COMMAND, "attack_limits socket-buffers", SANDBOX_EXITED,
		{"bounded=yes"}},
	{40, "stripes of memory areas", "mprotect splits areas", SITE_BOTH, "attack_limits vmas",
		SANDBOX_EXITED, {"bounded=yes"}},
	{40, "epoll, eventfd and timerfd objects", "kernel objects", SITE_BOTH, "attack_limits objects",
		SANDBOX_EXITED, {"end=EMFILE", "bounded=yes"}},
	{40, "timers", "timer_create until the kernel says no", SITE_BOTH, "attack_limits timers",
		SANDBOX_EXITED, {"bounded=yes"}},
	{40, "names that do not exist", "negative dentries", SITE_BOTH, "attack_limits dentries 100000",
		SANDBOX_EXITED, {"asked=100000"}},

	{35, "memory under the policy's own limits", "the classic", SITE_ALL, "work alloc 17179869184",
		SANDBOX_MEMORY_LIMIT, {NULL}, .needs = CORPUS_POLICY_LIMITS},
	{41, "a spike of memory that is gone at once", "a peak between two samples", SITE_ALL,
		"attack_ways spike 41943040", SANDBOX_EXITED, {"given back"}, .also = has_seen_the_spike},
	{42, "pages that are asked to be swapped out", "memory beyond the limit, on the host's swap",
		SITE_ALL, "attack_ways swap", SANDBOX_MEMORY_LIMIT, {NULL}},

	{43, "inodes", "files, directories and links without bytes", SITE_ALL, "attack_limits inodes /tmp",
		SANDBOX_EXITED, {"one more inode=ENOSPC"}, {.inodes = 200}},
	{44, "sparse files", "8 EiB that occupy nothing", SITE_BOTH, "attack_limits sparse", SANDBOX_EXITED,
		{"pwrite(8 EiB)=EFBIG", "ftruncate(8 EiB)=EFBIG", "ftruncate(1 TiB)=EFBIG",
			"fallocate(1 TiB)=EFBIG"}},
	{45, "a flood of output", "gigabytes per second", SITE_ALL, "attack_limits flood 1048576",
		SANDBOX_OUTPUT_LIMIT, {NULL}},
	{45, "a flood in single bytes, on standard error", "10^8 writes", SITE_BOTH,
		"attack_limits flood 1 2", SANDBOX_OUTPUT_LIMIT, {NULL}, {.output_bytes = 4096}},
	{53, "every signal ignored, spinning", "SIGXCPU and SIGTERM are only requests", SITE_BOTH,
		"work stubborn burn", SANDBOX_CPU_LIMIT, {NULL}, {.cpu_usec = 200000}},
	{53, "every signal ignored, sleeping", "the same for the wall clock", SITE_BOTH,
		"work stubborn sleep", SANDBOX_WALL_LIMIT, {NULL}, {.wall_usec = 300000}},
	DENIED(54, "scheduling class and priority", "real-time starvation",
		"sched_setscheduler setpriority ioprio_set", "sched_setscheduler=EPERM", "setpriority=EPERM",
		"ioprio_set=EPERM"),
	{55, "sync in a loop", "stirring the host's disks", SITE_BOTH, "attack_limits sync", SANDBOX_EXITED,
		{"synced"}},
	{57, "a core dump", "core_pattern: a pipe or a file", SITE_BOTH, "attack_limits core", SANDBOX_EXITED,
		{"dumped=no", "core=ENOENT"}},
	{62, "a directory 100,000 deep, locked behind", "removal by walking", SITE_BOTH, "attack_limits deep",
		SANDBOX_EXITED, {"end=ENOSPC"}},

	/* 79 to 81: where one is. */
	{79, "names, addresses and sockets of the world", "SSRF: CVE-2024-29021", SITE_ALL,
		"attack_ways network", SANDBOX_EXITED,
		{"dns=EAFNOSUPPORT", "ping=EAFNOSUPPORT", "raw=EAFNOSUPPORT", "metadata=EAFNOSUPPORT",
			"host loopback=EAFNOSUPPORT", "link-local v6=EAFNOSUPPORT",
			"abstract socket of the host=EAFNOSUPPORT", "netlink=EAFNOSUPPORT",
			"/proc/net=ENOENT", "nobody_listens=yes"}},
	{80, "counters, ports and model-specific registers",
		"fingerprints and fine clocks (timing is not closed)", SITE_ALL, "attack_ways fingerprint",
		SANDBOX_EXITED,
		{"/proc/cpuinfo=E", "/proc/stat=E", "perf_event_open=EPERM", "rdpmc_faults=yes",
			"rdmsr_faults=yes", "hlt_faults=yes", "out_faults=yes"}},
	{81, "names and numbers of the host", "boot_id, machine-id, host name, cgroup path", SITE_ALL,
		"attack_ways identity", SANDBOX_EXITED,
		{"uid=1000 gid=1000", "nodename=cell domainname=", "/proc/sys/kernel/random/boot_id=ENOENT",
			"/etc/machine-id=E", "cgroup_is_the_root=yes"}},
};

const struct corpus_part corpus_limits = {rows, ARRAY_SIZE(rows), true};
