/* sandbox.h: run one command in a fresh, single-use cell. The library's only public header.
 *
 * An engine (`struct sandbox`) is opened once: it loads the policies, compiles their seccomp programs, claims its
 * cgroups and a block of user ids and starts a launcher. Each run names a policy, hands over descriptors, and ends
 * with exactly one of: a `sandbox_result` (what the program did) or a `sandbox_error` (what the host failed to do).
 *
 * Threads: one engine belongs to one thread. The engine never logs, never exits, installs no signal handler; it
 * needs SIGPIPE ignored, SIGCHLD not ignored, and nobody else to wait for its child. It needs root in the initial user namespace. */
#pragma once

#include "sandbox/base/bounds.h"
#include "sandbox/base/error.h"
#include "sandbox/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a run ended, from kernel evidence (DESIGN: verdicts). X(symbol, name). */
#define SANDBOX_CAUSE_TABLE(X)                                                                               \
	X(EXITED, "exited")			  /* the target called exit */                               \
	X(SIGNALED, "signaled")			  /* a signal that no limit explains ended it */             \
	X(CPU_LIMIT, "cpu_limit")		  /* the cgroup's CPU time */                                \
	X(WALL_LIMIT, "wall_limit")		  /* CLOCK_MONOTONIC since the target was started */         \
	X(MEMORY_LIMIT, "memory_limit")		  /* the kernel's OOM killer struck in the cell's cgroup */  \
	X(PROCESS_LIMIT, "process_limit")	  /* the pids controller refused a fork */                   \
	X(OUTPUT_LIMIT, "output_limit")		  /* bytes counted between the target and the client */      \
	X(FILE_LIMIT, "file_limit")		  /* SIGXFSZ: a file outgrew file_bytes */                   \
	X(FORBIDDEN_SYSCALL, "forbidden_syscall") /* seccomp reported a call of the profile's kill group */  \
	X(CANCELLED, "cancelled")		  /* the client asked, or went away */

enum sandbox_cause {
#define X(symbol, name) SANDBOX_##symbol,
	SANDBOX_CAUSE_TABLE(X)
#undef X
		SANDBOX_CAUSE_N,
};

/* "exited" … ; NULL when CAUSE is out of range. */
const char *sandbox_cause_name(enum sandbox_cause cause);

/* Layers that an engine can be told to leave out (sandbox_options.without). X(symbol, name). */
#define SANDBOX_LAYER_TABLE(X)                                                                               \
	X(NETWORK, "network") /* namespaces */                                                               \
	X(IPC, "ipc")                                                                                        \
	X(UTS, "uts")                                                                                        \
	X(CGROUP, "cgroup")   /* the namespace; its limits stay */                                           \
	X(SECCOMP, "seccomp") /* the job's program and the launcher's */                                     \
	X(LANDLOCK, "landlock")                                                                              \
	X(MEMORY_SEAL, "memory-seal") /* no memory that is written and executed */                           \
	X(SPECULATION, "speculation") /* processors guess ahead as they do for everybody */                  \
	X(RLIMITS, "rlimits")

enum sandbox_layer {
#define X(symbol, name) SANDBOX_LAYER_##symbol,
	SANDBOX_LAYER_TABLE(X)
#undef X
		SANDBOX_LAYER_N,
};

/* "network" … ; NULL when LAYER is out of range. */
const char *sandbox_layer_name(enum sandbox_layer layer);

/* Which step of a policy to run. A command policy has only SANDBOX_RUN. */
enum sandbox_step { SANDBOX_COMPILE, SANDBOX_RUN, SANDBOX_STEP_N };

/* "compile", "run": as in policies, reports and metrics. */
const char *sandbox_step_name(enum sandbox_step step);

/* The phases of a run, CLOCK_MONOTONIC nanoseconds. X(field). */
#define SANDBOX_PHASE_TABLE(X)                                                                               \
	X(acquire)  /* from the request to a waiting cell: cgroup, clone, namespaces, mounts */              \
	X(files_in) /* plan received, input files written into /box */                                       \
	X(exec)	    /* target cloned until its execve succeeded */                                           \
	X(run)	    /* execve succeeded until the target ended: this is wall_usec */                         \
	X(collect)  /* remaining processes killed, result files copied out */                                \
	X(teardown) /* cell gone, evidence read */

struct sandbox_phases {
#define X(field) uint64_t field##_nsec;
	SANDBOX_PHASE_TABLE(X)
#undef X
};

/* What became of a requested result file. */
enum sandbox_collect_status {
	SANDBOX_COLLECTED,	    /* copied whole; bytes holds its size */
	SANDBOX_COLLECT_MISSING,    /* no such file, or the run did not reach collection */
	SANDBOX_COLLECT_REFUSED,    /* not a regular file, or reached only through a link */
	SANDBOX_COLLECT_TOO_LARGE,  /* larger than max_bytes; nothing was copied */
	SANDBOX_COLLECT_WRITE_ERROR /* the client's descriptor did not take it */
};

struct sandbox_collected {
	uint32_t status; /* enum sandbox_collect_status */
	uint32_t reserved;
	uint64_t bytes;
};

/* What the program did. Plain data of fixed layout: it crosses process borders as it is. */
struct sandbox_result {
	uint32_t cause;	       /* enum sandbox_cause */
	int32_t exit_code;     /* 0..255 when cause is EXITED, else -1 */
	int32_t signal;	       /* > 0 when a signal ended the target, also beside a limit; else 0 */
	int32_t syscall_nr;    /* FORBIDDEN_SYSCALL: the number as called; else -1 */
	uint32_t syscall_arch; /* FORBIDDEN_SYSCALL: AUDIT_ARCH_* */
	uint32_t is_traced;    /* 1: its seccomp profile was not in force (sandbox_options.trace_fd) */
	uint32_t without;      /* bit I: it ran without layer I (sandbox_options.without) */
	uint32_t reserved;
	char syscall_name[32]; /* FORBIDDEN_SYSCALL: its name or "i386:11", "x32:1"; else "" */
	uint64_t cpu_user_usec;
	uint64_t cpu_system_usec;
	uint64_t
		cpu_usec; /* what the CPU limit is held against: the cgroup's own figure without init's share */
	uint64_t wall_usec;
	uint64_t memory_peak_bytes;
	uint64_t processes_peak; /* without init; 0 where the kernel does not tell (before 6.1, cgroup v1) */
	uint64_t output_bytes;	 /* passed on to the client, stdout and stderr together */
	uint64_t switches_voluntary;
	uint64_t switches_involuntary;
	uint64_t oom_kills;	/* evidence: OOM kills in the cell's cgroup */
	uint64_t forks_refused; /* evidence: forks that the pids controller refused */
	struct sandbox_phases phases;
	struct sandbox_collected collected[BOUND_COLLECT]; /* in the order of the request */
};

/* An input file: written by the cell's init as /box/NAME. NAME: relative, components of [A-Za-z0-9._+-] that do not
 * start with '-' and are not "." or "..", at most BOUND_FILE_DEPTH of them. FD: borrowed; a regular file open for
 * reading, read from offset 0 to its end (pread; the offset is left alone), at most BOUND_INPUT_BYTES.
 *
 * Not copied but executed where it lies is an executable ELF file that argv[0] names ("./NAME", "/box/NAME"; no directories)
 * when it is a memfd with F_SEAL_WRITE, GROW, SHRINK and SEAL, of mode 0555, open for reading alone and nowhere for writing, and
 * its step can execute files and has a /proc. /box/NAME is then a link to it. It must be in one run at a time: all who execute
 * it see its times, and its time of access moves. Its pages are not on the run's account, but on that of who made it. */
struct sandbox_file {
	const char *name;
	int fd;
	bool is_executable;
};

/* A result file: /box/NAME is copied into FD (borrowed; open for writing, a regular file or a memfd, written from
 * offset 0) after the target ended with EXITED, when it is a regular file not reached through links. */
struct sandbox_collect {
	const char *name;
	int fd;
	uint64_t max_bytes;
};

/* One run. Everything is borrowed until sandbox_start returns. */
struct sandbox_spec {
	const char *policy; /* "cpp", "go" (language policies; aliases work), "default" (command policy) */
	enum sandbox_step step;
	struct sandbox_limits limits; /* 0: the policy's default; above the maximum: refused, -ERANGE */
	const char *const
		*args; /* a language's step: appended to its argv; a command policy: the whole argv */
	size_t nargs;
	const struct sandbox_file *files;
	size_t nfiles;
	const struct sandbox_collect *collects;
	size_t ncollects;
	int stdin_fd; /* -1: empty. A regular file (copied in, as struct sandbox_file) or the read end of a pipe */
	int stdout_fd; /* -1: counted and dropped. The write end of a pipe (pipefs); anything else is -EINVAL */
	int stderr_fd; /* the same; may be the same descriptor as stdout_fd */
};

struct sandbox;
struct sandbox_run;

/* Called once per run, from sandbox_dispatch. Exactly one of RESULT and ERROR is not NULL; both are gone after the
 * call. RUN is freed after it returns. The client's copies of stdout_fd and stderr_fd are closed before. It may call
 * sandbox_start and sandbox_cancel, for any run, but not the functions that dispatch (sandbox_dispatch,
 * sandbox_run_one, sandbox_close). */
typedef void (*sandbox_done_fn)(struct sandbox_run *run, const struct sandbox_result *result,
	const struct sandbox_error *error, void *user);

struct sandbox_options {
	const char *policies_dir;  /* holds languages/ commands/ seccomp/, and in that the launcher.json */
	const char *images_dir;	   /* holds one directory per image */
	const char *cgroup_parent; /* NULL: chosen by probing (docs/architecture.md) */
	uint32_t uid_base;	   /* first outer user id; 0: 0x70000000 */
	const char *
		only_policy; /* NULL: every policy; else load this one only (the command line's quick start) */
	unsigned
		pool; /* cells kept ready of each kind that was asked for; 0: each is made when a run comes */
	bool has_variants; /* `cofferdam verify`: policies that run attacks in the place of each step (policy.h) */
	uint32_t
		without; /* bit I: every cell of this engine lacks layer I, to measure what that costs. 0: none. Not for
	                   * programs that nobody trusts. user, PID and mount namespace, image, cgroup limits,
	                   * capabilities and no_new_privs cannot be left out: init stands on them */
	int trace_fd; /* 0: none. Else every run of this engine is traced: an empty memory file (borrowed until the
	               * close; open for reading and writing) which gets one struct sandbox_traced for each kind of
	               * call that the profile would have refused. One run at a time, its notes to be taken, and the
	               * file emptied, before the next. Not for programs that nobody trusts: see docs/threat-model.md */
};

/* Calls of one kind in a traced run, as they stand in trace_fd. They are made, but for those that no trace makes
 * (sandbox/policy/tracing.h), which get the profile's answer; where that is to end the run, ENOSYS. */
struct sandbox_traced {
	uint64_t count;
	uint64_t args[6]; /* those in TOLD, the others are 0 */
	uint32_t told;	  /* bit I: argument I tells kinds apart */
	uint32_t
		is_various; /* 1: TOLD is empty, since there were more than BOUND_TRACED_KINDS kinds of this call */
	int32_t nr;
	uint32_t arch;	 /* AUDIT_ARCH_* */
	uint32_t answer; /* the profile's: SECCOMP_RET_* with its data */
	uint32_t is_made;
};

/* Opens an engine. 0, or a negative errno with ERR filled: nothing is left behind. */
int sandbox_open(const struct sandbox_options *options, struct sandbox **ret, struct sandbox_error *err);

/* Cancels every run (their done functions are called), waits until no cell is left (bounded: 5 s), removes the
 * cgroups, ends the launcher. Accepts NULL. Returns NULL. */
struct sandbox *sandbox_close(struct sandbox *sandbox);

/* Becomes readable (epoll) when sandbox_dispatch has something to do. Borrowed. */
int sandbox_fd(const struct sandbox *sandbox);

/* Handles what is ready, waiting at most TIMEOUT_MSEC (-1: until something happens, 0: not at all). 0 or -errno:
 * the engine itself is broken (its launcher died); open runs have been reported. Close it, and open another. */
int sandbox_dispatch(struct sandbox *sandbox, int timeout_msec, struct sandbox_error *err);

/* Starts a run. 0: DONE will be called once, from a later sandbox_dispatch. A negative errno with ERR filled: it
 * will not; -EINVAL, -ERANGE, -E2BIG, -ENOENT (no such policy), -EBADF: the request was at fault (stage starts with
 * "request."); anything else: the host. *RET is borrowed until DONE returns; RET may be NULL. */
int sandbox_start(struct sandbox *sandbox, const struct sandbox_spec *spec, sandbox_done_fn done, void *user,
	struct sandbox_run **ret, struct sandbox_error *err);

/* Ends a run: it will be reported as CANCELLED unless it has already ended. Any time before DONE. */
void sandbox_cancel(struct sandbox_run *run);

/* One run from start to end; other runs of the engine go on meanwhile. 0 with RESULT filled, or as sandbox_start. */
int sandbox_run_one(struct sandbox *sandbox, const struct sandbox_spec *spec, struct sandbox_result *result,
	struct sandbox_error *err);

/* The policies in use (borrowed; sandbox/policy/policy.h): for the commands that print them. */
struct policy_set;
const struct policy_set *sandbox_policies(const struct sandbox *sandbox);
