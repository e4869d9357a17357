/* sys.h: system calls that glibc 2.36 does not wrap, one line each. Safe after clone. */
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static inline pid_t sys_clone3(struct clone_args *args)
{
	return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

/* SIG back to its default. Not by libc's sigaction: that refuses the two signals which libc keeps for itself, and
 * its own posix_spawn leaves just these ignored in the new program (GNU make starts programs that way). */
static inline int sys_default_signal(int sig)
{
	static const struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} standard; /* the kernel's sigaction, not libc's; all zero: SIG_DFL */
	return (int)syscall(SYS_rt_sigaction, sig, &standard, NULL, sizeof(standard.mask));
}

/* openat2 that never leaves DIRFD and follows no link of any kind. Linux 5.6. */
static inline int sys_open_beneath(int dirfd, const char *path, uint64_t flags, uint64_t mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

static inline uint64_t sys_now_nsec(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#define SYS_CPU_UNKNOWN UINT64_MAX

/* CPU time of the calling process, in nanoseconds (0 right after its birth); or SYS_CPU_UNKNOWN with errno. */
static inline uint64_t sys_own_cpu_nsec(void)
{
	struct timespec ts;
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) < 0)
		return SYS_CPU_UNKNOWN;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
